//! How much memory the messages of all requests together may take until they are computed.
//!
//! A message may be as large as `--max-message-bytes`, and thousands of calls may be open. Here they are bounded
//! together, and so is what one client may hold of it all.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refused::Refused;
use super::shares::{Share, Shares};

/// Bytes that are free, shared by clones.
///
/// Items of streams have their own, as they have half of the places: they wait for bytes and for a place, and would
/// leave none to calls, which do not wait.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// A half, for messages that arrive and for calls.
    calls: Arc<Pool>,
    /// A quarter, for items of streams that are answered.
    items: Arc<Semaphore>,
    /// A quarter, for items of streams that wait until there is room for them.
    waiting: Arc<Pool>,
}

/// Bytes, and how many of them each client holds.
#[derive(Debug)]
struct Pool {
    free: Arc<Semaphore>,
    #[cfg(test)]
    size: usize,
    shares: Arc<Shares>,
}

/// Bytes that are taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    bytes: OwnedSemaphorePermit,
    share: Option<Share>,
}

impl Memory {
    /// `bytes` for all requests together, raised to four times `largest`, the largest message. One client may hold a
    /// quarter of them, but always a message.
    pub fn new(bytes: usize, largest: usize) -> Self {
        let bytes = bytes.max(largest.saturating_mul(4));
        let pool = |bytes| {
            Arc::new(Pool {
                free: semaphore(bytes),
                #[cfg(test)]
                size: bytes,
                shares: Shares::new(largest.max(bytes / 2)),
            })
        };
        Self {
            calls: pool(bytes / 2),
            items: semaphore(bytes / 4),
            waiting: pool(bytes / 4),
        }
    }

    /// Takes `bytes` for a message that came in one piece. It is small, so nobody counts whose it is.
    pub fn take(&self, bytes: usize) -> Result<Held, Refused> {
        let bytes = take(&self.calls.free, bytes)?;
        Ok(Held { bytes, share: None })
    }

    /// For a message of `client` that comes in several pieces: no bytes yet.
    pub fn begin(&self, client: IpAddr) -> Result<Held, Refused> {
        self.calls.begin(client)
    }

    /// Takes as many bytes as `arrived` has, but as those of an item of a stream of `client`, as soon as they are free.
    /// If there is no room to wait, or not for this client, the item is refused.
    pub async fn wait(&self, arrived: Held, client: IpAddr) -> Result<Held, Refused> {
        let bytes = arrived.bytes.num_permits();
        if let Ok(bytes) = take(&self.items, bytes) {
            return Ok(Held { bytes, share: None });
        }
        let mut waiting = self.waiting.begin(client)?;
        let room = waiting.grow(bytes);
        drop(arrived);
        room?;
        let taken = Arc::clone(&self.items).acquire_many_owned(amount(bytes));
        let bytes = taken.await.map_err(|_| Refused::OutOfMemory)?;
        Ok(Held { bytes, share: None })
    }
}

#[cfg(test)]
impl Memory {
    /// Bytes that are taken of those for calls.
    pub fn taken(&self) -> usize {
        self.calls.size - self.calls.free.available_permits()
    }
}

impl Held {
    /// Takes so many bytes more.
    pub fn grow(&mut self, more: usize) -> Result<(), Refused> {
        if let Some(share) = &mut self.share
            && !share.grow(more)
        {
            let share = share.most();
            return Err(Refused::OverShare { share });
        }
        self.bytes.merge(take(self.bytes.semaphore(), more)?);
        Ok(())
    }
}

impl Pool {
    fn begin(&self, client: IpAddr) -> Result<Held, Refused> {
        Ok(Held {
            bytes: take(&self.free, 0)?,
            share: Some(self.shares.begin(client)),
        })
    }
}

fn semaphore(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)))
}

fn take(free: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Refused> {
    let taken = Arc::clone(free).try_acquire_many_owned(amount(bytes));
    taken.map_err(|_| Refused::OutOfMemory)
}

/// A message is never as long as `u32::MAX`: gRPC says its length in that type, and --max-message-bytes has it too.
fn amount(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// What a client holds of a message that has come so far.
    fn arrived(memory: &Memory, client: IpAddr, bytes: usize) -> Result<Held, Refused> {
        let mut held = memory.begin(client)?;
        held.grow(bytes).map(|()| held)
    }

    #[test]
    fn items_of_streams_wait_for_each_other_but_not_without_bound_and_for_nobody_else() {
        let memory = Memory::new(400, 100);
        let item = || memory.wait(memory.take(60).unwrap(), CLIENT);
        let first = item().now_or_never().expect("room").unwrap();
        let mut second = Box::pin(item());
        assert!(second.as_mut().now_or_never().is_none());
        let third = item().now_or_never().expect("an answer at once");
        assert_eq!(third.unwrap_err(), Refused::OverShare { share: 100 });
        drop(memory.take(200).expect("the calls' own bytes"));
        drop(first);
        let _second = second.now_or_never().expect("its turn").unwrap();
        assert_eq!(memory.waiting.free.available_permits(), 100);
    }

    #[test]
    fn a_client_holds_no_more_than_its_share_and_the_others_find_theirs() {
        let memory = Memory::new(4000, 100);
        let other = IpAddr::from([192, 0, 2, 1]);
        let held: Vec<_> = (0..10)
            .map(|_| arrived(&memory, CLIENT, 100).unwrap())
            .collect();
        let refused = arrived(&memory, CLIENT, 1).unwrap_err();
        assert_eq!(refused, Refused::OverShare { share: 1000 });
        drop(arrived(&memory, other, 1000).expect("its own share"));
        drop(held);
        assert!(memory.calls.shares.is_unused());
        assert_eq!(memory.calls.free.available_permits(), 2000);
    }

    #[test]
    fn a_clients_items_wait_in_no_more_than_its_share() {
        let memory = Memory::new(4000, 100);
        let _all = Arc::clone(&memory.items).try_acquire_many_owned(1000);
        let mut waiting = Vec::new();
        for _ in 0..5 {
            let item = arrived(&memory, CLIENT, 100).unwrap();
            let mut item = Box::pin(memory.wait(item, CLIENT));
            assert!(item.as_mut().now_or_never().is_none());
            waiting.push(item);
        }
        let sixth = memory.wait(arrived(&memory, CLIENT, 100).unwrap(), CLIENT);
        let sixth = sixth.now_or_never().expect("an answer at once");
        assert_eq!(sixth.unwrap_err(), Refused::OverShare { share: 500 });
        let whole = memory.wait(memory.take(100).unwrap(), CLIENT);
        let whole = whole.now_or_never().expect("an answer at once");
        assert_eq!(whole.unwrap_err(), Refused::OverShare { share: 500 });
        let other = [192, 0, 2, 1].into();
        let item = arrived(&memory, other, 100).unwrap();
        assert!(memory.wait(item, other).now_or_never().is_none());
    }

    #[test]
    fn the_largest_message_always_fits_the_share() {
        let memory = Memory::new(1, 1000);
        let held = arrived(&memory, CLIENT, 1000).unwrap();
        memory
            .wait(held, CLIENT)
            .now_or_never()
            .expect("room")
            .unwrap();
        assert!(arrived(&memory, CLIENT, 1001).is_err());
    }
}
