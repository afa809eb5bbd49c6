//! Many messages in, an answer to each out, in their order.
//!
//! What a stream holds and others wait for goes on whether its client reads or not. One task reads the items, each item
//! is answered by a task of its own, and only what is answered waits for the client.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::{HeaderMap, Response, header};
use http_body::{Body as HttpBody, Frame};
use prost::Message;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::metadata::GRPC_CONTENT_TYPE;

use super::frame::{self, Messages};
use super::status;
use crate::serving::Permit;

/// Items of one stream that have no answer yet or whose answers wait for the client. They can share a batch.
const WINDOW: usize = 16;
/// Answers that are there together are sent together, up to about so many bytes; as tonic does.
const SENT_TOGETHER: usize = 32 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A method that answers each item of a stream.
pub(crate) trait Items: Send + Sync + 'static {
    /// What comes.
    type Item: Message + Default + 'static;
    /// What goes.
    type Answer: Message;

    /// A place for one item, as soon as there is one.
    fn place(&self) -> impl Future<Output = Permit> + Send;

    /// Answers an item.
    fn answer(
        &self,
        item: Self::Item,
        permit: Permit,
    ) -> impl Future<Output = Result<Self::Answer, Status>> + Send;

    /// Says why an item has no answer. The stream goes on.
    fn failed(status: &Status) -> Self::Answer;
}

/// Answers a call with what `items` makes of each message.
pub(crate) fn answer<I: Items, B>(items: I, messages: Messages<B>) -> Response<Answers>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    // One more is in the hands of `Answers`.
    let (begun, answers) = mpsc::channel(WINDOW - 1);
    let reader = Reader {
        items: Arc::new(items),
        messages,
    };
    let mut response = Response::new(Answers {
        _reader: Task(tokio::spawn(reader.run(begun))),
        begun: answers,
        next: None,
        ready: BytesMut::new(),
        end: None,
    });
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, GRPC_CONTENT_TYPE);
    response
}

/// A task that ends when it is dropped: whoever waited for it has given up.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An item on its way, as the message that answers it.
type Answering = Task<Vec<u8>>;

/// Reads the items of a stream.
struct Reader<I, B> {
    items: Arc<I>,
    messages: Messages<B>,
}

impl<I: Items, B> Reader<I, B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// Reads until the stream ends, or `begun` has no receiver any more.
    async fn run(mut self, begun: Sender<Result<Answering, Status>>) {
        // An item is read only when there is room for its answer, so that none waits for the client to read.
        while let Ok(room) = begun.reserve().await {
            match self.begin().await.transpose() {
                Some(Ok(answering)) => room.send(Ok(answering)),
                Some(Err(status)) => return room.send(Err(status)),
                None => return,
            }
        }
    }

    /// Reads an item and begins to answer it once it has its memory and its place.
    async fn begin(&mut self) -> Result<Option<Answering>, Status> {
        // What does not arrive whole, or is no message, ends the stream. A bad item does not.
        let Some(message) = self.messages.next().await? else {
            return Ok(None);
        };
        let item = frame::decode(message.bytes)?;
        let client = self.messages.client();
        let held = match self.messages.memory().wait(message.held, client).await {
            Ok(held) => held,
            Err(refused) => {
                let refused = async move { frame::encode(&I::failed(&refused.into())) };
                return Ok(Some(Task(tokio::spawn(refused))));
            }
        };
        let permit = self.items.place().await;
        let items = Arc::clone(&self.items);
        Ok(Some(Task(tokio::spawn(async move {
            let answer = AssertUnwindSafe(items.answer(item, permit)).catch_unwind();
            let answer = answer.await.unwrap_or_else(|_| Err(status::broken()));
            drop(held);
            frame::encode(&answer.unwrap_or_else(|status| I::failed(&status)))
        }))))
    }
}

/// The body of an answer: what answers the items, in their order. Dropped, it gives up what is on its way.
pub(crate) struct Answers {
    _reader: Task<()>,
    begun: Receiver<Result<Answering, Status>>,
    /// The item that is to be answered next.
    next: Option<Answering>,
    /// Answers to be sent together.
    ready: BytesMut,
    /// How the stream ends, once that is known.
    end: Option<End>,
}

enum End {
    /// To be sent, after what is ready.
    Status(Status),
    Sent,
}

impl Answers {
    /// The next answer; a status at the end.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Vec<u8>, Status>> {
        let next = match &mut self.next {
            Some(next) => next,
            None => match ready!(self.begun.poll_recv(context)) {
                Some(Ok(answering)) => self.next.insert(answering),
                Some(Err(status)) => return Poll::Ready(Err(status)),
                None => return Poll::Ready(Err(Status::ok(""))),
            },
        };
        let answer = ready!(next.0.poll_unpin(context));
        self.next = None;
        Poll::Ready(answer.map_err(|_| status::broken()))
    }
}

impl HttpBody for Answers {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        while this.end.is_none() && this.ready.len() < SENT_TOGETHER {
            match this.poll_next(context) {
                Poll::Ready(Ok(answer)) => this.ready.extend_from_slice(&answer),
                Poll::Ready(Err(status)) => this.end = Some(End::Status(status)),
                Poll::Pending if this.ready.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if !this.ready.is_empty() {
            let ready = std::mem::take(&mut this.ready).freeze();
            return Poll::Ready(Some(Ok(Frame::data(ready))));
        }
        match this.end.replace(End::Sent) {
            Some(End::Status(status)) => {
                let mut trailers = HeaderMap::new();
                let added = status.add_header(&mut trailers);
                Poll::Ready(Some(added.map(|()| Frame::trailers(trailers))))
            }
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.end, Some(End::Sent))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    use futures_util::StreamExt;
    use http_body_util::{BodyExt, StreamBody};
    use tokio_stream::wrappers::UnboundedReceiverStream;
    use tonic::Code;

    use super::super::frame::tests::{bounds, messages};
    use super::*;
    use crate::serving::Admission;

    /// Answers a word with itself.
    #[derive(Clone)]
    struct Echo {
        admission: Admission,
        begun: Arc<AtomicUsize>,
    }

    impl Echo {
        fn new() -> Self {
            Self {
                admission: Admission::new(4),
                begun: Arc::default(),
            }
        }
    }

    impl Items for Echo {
        type Item = String;
        type Answer = String;

        async fn place(&self) -> Permit {
            self.admission.admit().await
        }

        async fn answer(&self, item: String, _permit: Permit) -> Result<String, Status> {
            self.begun.fetch_add(1, Relaxed);
            match &item[..] {
                "panic" => panic!("as the test wants it"),
                "never" => std::future::pending().await,
                "late" => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
                _ => {}
            }
            Ok(item)
        }

        fn failed(status: &Status) -> String {
            format!("{:?}", status.code())
        }
    }

    fn words(words: &[&str]) -> Vec<u8> {
        let encode = |word: &&str| frame::encode(&(*word).to_owned());
        words.iter().flat_map(encode).collect()
    }

    /// The next word that is sent.
    async fn next(answers: &mut Answers) -> String {
        let frame = answers.frame().await.expect("an answer").unwrap();
        let bytes = frame.into_data().expect("an answer");
        frame::decode(bytes.slice(frame::PREFIX..)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn answers_come_in_order_and_an_item_that_panics_costs_no_other() {
        let sent = words(&["late", "panic", "b", "c"]);
        let response = answer(Echo::new(), messages(&sent, 3));
        let body = response.into_body().collect().await.unwrap();
        let status = Status::from_header_map(body.trailers().expect("a status")).unwrap();
        assert_eq!(status.code(), Code::Ok);
        assert_eq!(body.to_bytes(), words(&["late", "Internal", "b", "c"]));
    }

    #[tokio::test]
    async fn what_is_no_message_ends_the_stream_after_the_answers_before_it() {
        let sent = [words(&["a"]), vec![7; 5]].concat();
        let response = answer(Echo::new(), messages(&sent, 100));
        let body = response.into_body().collect().await.unwrap();
        let status = Status::from_header_map(body.trailers().expect("a status")).unwrap();
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(body.to_bytes(), words(&["a"]));
    }

    #[tokio::test]
    async fn a_stream_that_nobody_reads_holds_nothing_that_others_wait_for() {
        let items = Echo::new();
        let sent = words(&["a"; 3 * WINDOW]);
        let messages = messages(&sent, 1000);
        let memory = messages.memory().clone();
        let answers = answer(items.clone(), messages);
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let begun = items.begun.load(Relaxed);
        assert!((1..=WINDOW).contains(&begun), "{begun} items");
        assert_eq!((items.admission.inside(), memory.taken()), (0, 0));
        let body = answers.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), sent);
    }

    #[tokio::test]
    async fn an_item_of_a_client_that_is_gone_is_given_up() {
        let items = Echo::new();
        let answers = answer(items.clone(), messages(&words(&["never"]), 100));
        while items.begun.load(Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(items.admission.inside(), 1);
        drop(answers);
        while items.admission.inside() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_item_for_which_there_is_no_memory_is_refused_at_once_and_the_stream_goes_on() {
        let (send, pieces) = mpsc::unbounded_channel();
        let pieces = UnboundedReceiverStream::new(pieces);
        let pieces = pieces.map(|piece: Vec<u8>| Ok::<_, BoxError>(Frame::data(piece.into())));
        let bounds = bounds();
        let messages = Messages::new(StreamBody::new(pieces), [127, 0, 0, 1].into(), &bounds);
        let mut answers = answer(Echo::new(), messages).into_body();

        let client = [127, 0, 0, 1].into();
        let all = || {
            bounds
                .memory
                .wait(bounds.memory.take(100_000).unwrap(), client)
        };
        let held = all().await.unwrap();
        let mut waiting = Box::pin(all());
        assert!(waiting.as_mut().now_or_never().is_none());
        send.send(words(&["a"])).unwrap();
        assert_eq!(next(&mut answers).await, "ResourceExhausted");

        drop((held, waiting));
        send.send(words(&["b"])).unwrap();
        assert_eq!(next(&mut answers).await, "b");
    }
}
