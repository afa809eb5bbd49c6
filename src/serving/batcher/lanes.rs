//! Batches on the threads that read requests.
//!
//! Each serving thread owns a [`Lane`], and each model has a queue for each lane. The first request in an empty queue
//! spawns the task that computes it; the runtime polls that task after the requests it has already read, so whatever
//! came in together is computed together, with no lock contended, no timer and no other thread woken.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Config;
use super::compute::{Compute, Request, examples, fills, take};

/// How long a batch may hold up the thread's other work.
const LONGEST_BATCH: Duration = Duration::from_micros(500);

/// A serving thread's own: it says which of a model's queues are this thread's, and how much work waits in them.
///
/// Clones are the same lane. What is queued with one is computed by whichever runtime it is queued on, so a lane is to
/// be used on one thread; a thread that has none passes none.
#[derive(Clone, Debug)]
pub struct Lane(Arc<State>);

#[derive(Debug)]
struct State {
    index: usize,
    /// Nanoseconds of compute that wait, at the cost of one example alone.
    backlog: AtomicU64,
}

impl Lane {
    /// The lanes of so many serving threads; [`Config::threads`] is to be the same number.
    pub fn each(threads: usize) -> impl Iterator<Item = Self> {
        (0..threads).map(|index| {
            Self(Arc::new(State {
                index,
                backlog: AtomicU64::new(0),
            }))
        })
    }

    /// How long the thread would compute, at the cost of one example alone, until its queues are empty. Requests that
    /// wait on purpose, for a longer batch, do not count.
    #[must_use]
    pub fn backlog(&self) -> Duration {
        Duration::from_nanos(self.0.backlog.load(Relaxed))
    }
}

/// The queues of one model, one for each lane.
#[derive(Debug)]
pub(super) struct Lanes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    compute: Arc<Compute>,
    /// Most examples of a batch.
    limit: usize,
    delay: Duration,
    queues: Box<[Mutex<Waiting>]>,
}

/// What waits in one lane. Only the lane's thread takes the lock, so it is never waited for.
#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<Request>,
    /// Whether a task is there that empties the queue.
    running: bool,
}

impl Lanes {
    pub fn new(compute: Arc<Compute>, config: Config) -> Self {
        let queues = (0..config.threads.max(1)).map(|_| Mutex::default());
        Self {
            shared: Arc::new(Shared {
                limit: compute.limit(LONGEST_BATCH),
                compute,
                delay: config.delay,
                queues: queues.collect(),
            }),
        }
    }

    /// Whether the model has a queue for that lane.
    pub fn has(&self, lane: &Lane) -> bool {
        lane.0.index < self.shared.queues.len()
    }

    /// Most examples of a batch.
    pub fn limit(&self) -> usize {
        self.shared.limit
    }

    /// Queues a request of at most [`Lanes::limit`] examples, in a lane that the model [`has`](Lanes::has).
    pub fn push(&self, request: Request, lane: &Lane) {
        self.shared.enter(lane, request.input.examples);
        let mut queue = self.shared.queue(lane);
        queue.requests.push_back(request);
        if !queue.running {
            queue.running = true;
            let running = Running {
                shared: Arc::clone(&self.shared),
                lane: lane.clone(),
                ended: false,
            };
            tokio::spawn(running.run());
        }
    }
}

impl Shared {
    /// What so many examples count for in the backlog, in nanoseconds.
    fn cost(&self, examples: usize) -> u64 {
        if self.delay.is_zero() {
            let each = u64::try_from(self.compute.cost.as_nanos()).unwrap_or(u64::MAX);
            each.saturating_mul(examples as u64)
        } else {
            0
        }
    }

    /// So many examples more wait in the lane.
    fn enter(&self, lane: &Lane, examples: usize) {
        lane.0.backlog.fetch_add(self.cost(examples), Relaxed);
    }

    /// So many examples leave the lane, and take back what they added.
    fn leave(&self, lane: &Lane, examples: usize) {
        lane.0.backlog.fetch_sub(self.cost(examples), Relaxed);
    }

    /// Nothing that can panic runs under the lock, so poison means nothing here.
    fn queue(&self, lane: &Lane) -> MutexGuard<'_, Waiting> {
        self.queues[lane.0.index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that empties one queue.
struct Running {
    shared: Arc<Shared>,
    lane: Lane,
    /// Whether it left the queue empty.
    ended: bool,
}

impl Running {
    async fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            if let Some(due) = self.due() {
                tokio::time::sleep_until(due.into()).await;
            }
            {
                let mut queue = self.shared.queue(&self.lane);
                take(&mut queue.requests, self.shared.limit, &mut batch);
                if batch.is_empty() {
                    queue.running = false;
                    self.ended = true;
                    return;
                }
            }
            self.shared.leave(&self.lane, examples(batch.iter()));
            self.shared.compute.run(&mut batch);
            // Lets what has come in meanwhile be read, and the answers be written.
            tokio::task::yield_now().await;
        }
    }
}

impl Running {
    /// Until when the first request waits for others; it does not where they fill a batch already.
    fn due(&self) -> Option<Instant> {
        if self.shared.delay.is_zero() {
            return None;
        }
        let queue = self.shared.queue(&self.lane);
        let first = queue.requests.front()?;
        let full = fills(&queue.requests, self.shared.limit);
        (!full).then(|| first.submitted + self.shared.delay)
    }
}

impl Drop for Running {
    /// The runtime may end before the queue is empty: whoever waits must hear of it, and not wait for ever.
    fn drop(&mut self) {
        if !self.ended {
            let mut queue = self.shared.queue(&self.lane);
            queue.running = false;
            self.shared
                .leave(&self.lane, examples(queue.requests.iter()));
            queue.requests.clear();
        }
    }
}
