//! How much memory all requests together may take before they are computed.
//!
//! A message may be as large as `--max-message-bytes`, and thousands of calls may be open; only
//! together are they bounded here. What has not arrived whole is counted while its bytes come in,
//! what has arrived by the service that holds it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::status;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Bytes that are free, shared by clones.
///
/// Items of streams have theirs for themselves, as they have half of the places: they wait for a place with their memory
/// in hand, and whoever does not wait would never find any.
#[derive(Clone, Debug)]
pub struct Memory {
    /// A half, for what is not whole yet and for calls.
    free: Arc<Semaphore>,
    /// A quarter, for items of streams.
    items: Arc<Semaphore>,
    /// The rest, for items that wait until there is room among the others.
    waiting: Arc<Semaphore>,
}

/// Bytes that are taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Memory {
    /// `bytes` for all requests together, at least four times the largest message.
    pub fn new(bytes: usize) -> Self {
        let share = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self {
            free: share(bytes / 2),
            items: share(bytes / 4),
            waiting: share(bytes / 4),
        }
    }

    /// Takes `bytes` for a call, if they are free.
    pub(crate) fn take(&self, bytes: usize) -> Result<Held, Status> {
        permit(&self.free, bytes).map(Held)
    }

    /// Takes `bytes` for an item of a stream as soon as they are free, if there is room to wait.
    pub(crate) async fn wait(&self, bytes: usize) -> Result<Held, Status> {
        let _waiting = permit(&self.waiting, bytes)?;
        let permit = Arc::clone(&self.items).acquire_many_owned(amount(bytes));
        permit.await.map(Held).map_err(|_| status::out_of_memory())
    }

    /// `body`, with what has arrived of a message that is not whole yet counted.
    pub(crate) fn count<B>(&self, body: B) -> Counted<B> {
        Counted {
            inner: body,
            memory: self.clone(),
            held: None,
            message: Message::default(),
        }
    }
}

fn permit(bytes: &Arc<Semaphore>, count: usize) -> Result<OwnedSemaphorePermit, Status> {
    let permit = Arc::clone(bytes).try_acquire_many_owned(amount(count));
    permit.map_err(|_| status::out_of_memory())
}

/// A message is never as long as `u32::MAX`: gRPC says its length in that type.
fn amount(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// A request's body.
pub(crate) struct Counted<B> {
    inner: B,
    memory: Memory,
    /// As many bytes as have arrived of the message that is not whole.
    held: Option<OwnedSemaphorePermit>,
    message: Message,
}

impl<B> Counted<B> {
    fn arrived(&mut self, data: &[u8]) -> Result<(), Status> {
        self.message.arrived(data);
        let held = self
            .held
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        match self.message.so_far {
            0 => self.held = None,
            so_far if so_far > held => {
                let more = permit(&self.memory.free, so_far - held)?;
                match &mut self.held {
                    Some(held) => held.merge(more),
                    None => self.held = Some(more),
                }
            }
            // A new message began in the frame that ended a longer one.
            so_far => drop(
                self.held
                    .as_mut()
                    .and_then(|permit| permit.split(held - so_far)),
            ),
        }
        Ok(())
    }
}

/// Where in gRPC's framing a body is: a flag, four bytes of length, the message
/// (gRPC over HTTP/2, "Length-Prefixed-Message").
#[derive(Default)]
struct Message {
    prefix: [u8; 5],
    /// Bytes that have arrived of the prefix and the message; 0 between messages.
    so_far: usize,
}

impl Message {
    fn arrived(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let wanted = match self.prefix.get_mut(self.so_far..) {
                Some(prefix) if !prefix.is_empty() => {
                    let taken = prefix.len().min(data.len());
                    prefix[..taken].copy_from_slice(&data[..taken]);
                    taken
                }
                _ => data.len().min(self.whole() - self.so_far),
            };
            self.so_far += wanted;
            data = &data[wanted..];
            if self.so_far >= self.prefix.len() && self.so_far == self.whole() {
                self.so_far = 0;
            }
        }
    }

    /// The length of the message with its prefix, once the prefix is there.
    fn whole(&self) -> usize {
        let [_, a, b, c, d] = self.prefix;
        self.prefix.len() + u32::from_be_bytes([a, b, c, d]) as usize
    }
}

impl<B> HttpBody for Counted<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(status) = self.arrived(data)
        {
            return Poll::Ready(Some(Err(status.into())));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn items_of_streams_wait_for_each_other_but_not_without_bound_and_for_nobody_else() {
        let memory = Memory::new(400);
        let first = memory.wait(60).now_or_never().expect("room").unwrap();
        let mut second = Box::pin(memory.wait(60));
        assert!(second.as_mut().now_or_never().is_none());
        let third = memory.wait(60).now_or_never().expect("an answer at once");
        assert_eq!(third.unwrap_err().code(), tonic::Code::ResourceExhausted);
        drop(memory.take(200).expect("the calls' own bytes"));
        drop(first);
        let _second = second.now_or_never().expect("its turn").unwrap();
        assert_eq!(memory.waiting.available_permits(), 100);
    }

    #[test]
    fn only_what_is_not_whole_is_counted_however_the_frames_are_cut() {
        let memory = Memory::new(200);
        let free = || memory.free.available_permits();
        let mut body = memory.count(());
        let mut bytes = vec![0, 0, 0, 0, 60];
        bytes.extend([7; 60]);
        bytes.extend([0, 0, 0, 0, 0]);
        bytes.extend([0, 0, 0, 0, 3, 1, 2, 3]);
        for cut in 1..bytes.len() {
            for frame in bytes.chunks(cut) {
                body.arrived(frame).unwrap();
                assert_eq!(free(), 100 - body.message.so_far);
            }
            assert_eq!(free(), 100, "frames of {cut}");
        }
    }

    #[test]
    fn more_than_there_is_is_refused_and_what_was_taken_comes_back() {
        let memory = Memory::new(200);
        let mut body = memory.count(());
        body.arrived(&[0, 0, 0, 1, 0]).unwrap();
        body.arrived(&[0; 90]).unwrap();
        let status = body.arrived(&[0; 90]).unwrap_err();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert!(memory.take(6).is_err());
        drop(body);
        assert!(memory.take(100).is_ok());
    }
}
