//! Batches on the threads that read requests.
//!
//! Each such thread has a lane of its own. The first request in an empty lane spawns the task that
//! computes it; the runtime polls that task after the requests it has already read, so whatever
//! came in together is computed together, with no lock held, no timer and no other thread woken.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Config;
use super::compute::{Compute, Request};

/// How long a batch may hold up the thread's other work.
const LONGEST_BATCH: Duration = Duration::from_micros(500);
thread_local! {
    /// What [`backlog`] tells.
    static BACKLOG: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// How long the thread that asks would compute, at the cost of one example alone, until its lanes are empty.
/// What waits on purpose, for a longer batch, does not count. Right where a thread has its lanes for itself, as in
/// `kiln serve`, whose models all have a lane for each of the threads that read.
pub fn backlog() -> Duration {
    BACKLOG.get()
}

/// The lanes of one model.
#[derive(Debug)]
pub(super) struct Inline {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    compute: Compute,
    delay: Duration,
    lanes: Box<[Mutex<Lane>]>,
}

/// What waits on one thread. In a server only that thread ever takes the lock, so it is never waited for.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Request>,
    /// Whether a task is there that empties the lane.
    running: bool,
}

impl Inline {
    pub fn new(compute: Compute, config: Config) -> Self {
        let lanes = (0..config.threads.max(1)).map(|_| Mutex::default());
        Self {
            shared: Arc::new(Shared {
                compute,
                delay: config.delay,
                lanes: lanes.collect(),
            }),
        }
    }

    pub fn push(&self, request: Request) {
        let index = lane() % self.shared.lanes.len();
        BACKLOG.set(BACKLOG.get() + self.shared.cost(1));
        let mut lane = self.shared.lane(index);
        lane.waiting.push_back(request);
        if !lane.running {
            lane.running = true;
            let running = Running {
                shared: Arc::clone(&self.shared),
                index,
                ended: false,
            };
            tokio::spawn(running.run());
        }
    }
}

impl Shared {
    /// What so many requests count for in the backlog.
    fn cost(&self, requests: usize) -> Duration {
        if self.delay.is_zero() {
            self.compute.cost * u32::try_from(requests).unwrap_or(u32::MAX)
        } else {
            Duration::ZERO
        }
    }

    /// So many requests leave a lane of this thread.
    fn leave(&self, requests: usize) {
        BACKLOG.set(BACKLOG.get().saturating_sub(self.cost(requests)));
    }

    /// Nothing that can panic runs under the lock, so poison means nothing here.
    fn lane(&self, index: usize) -> MutexGuard<'_, Lane> {
        self.lanes[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that empties a lane.
struct Running {
    shared: Arc<Shared>,
    index: usize,
    /// Whether it left the lane empty.
    ended: bool,
}

impl Running {
    async fn run(mut self) {
        let limit = self.shared.compute.limit(LONGEST_BATCH);
        let mut batch = Vec::new();
        loop {
            if !self.shared.delay.is_zero() {
                tokio::time::sleep(self.shared.delay).await;
            }
            {
                let mut lane = self.shared.lane(self.index);
                let count = limit.min(lane.waiting.len());
                batch.extend(lane.waiting.drain(..count));
                if batch.is_empty() {
                    lane.running = false;
                    self.ended = true;
                    return;
                }
            }
            self.shared.leave(batch.len());
            self.shared.compute.run(&mut batch);
            // Lets what has come in meanwhile be read, and the answers be written.
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Running {
    /// The runtime may end before the lane is empty: whoever waits must hear of it, and not wait
    /// for ever.
    fn drop(&mut self) {
        if !self.ended {
            let mut lane = self.shared.lane(self.index);
            lane.running = false;
            self.shared.leave(lane.waiting.len());
            lane.waiting.clear();
        }
    }
}

/// This thread's number, in the order in which threads first ask.
fn lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    LANE.with(|lane| *lane)
}
