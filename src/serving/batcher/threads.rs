//! Batches on threads of their own, for a network that would hold up the threads that read requests.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Config;
use super::compute::{Compute, Request};

/// How long a batch may take, and so how long the next request may wait for it.
const LONGEST_BATCH: Duration = Duration::from_millis(20);

/// The compute threads of one model. Dropping it ends them once what waits has been answered.
#[derive(Debug)]
pub(super) struct Threads {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    pub fn start(compute: Compute, config: Config) -> std::io::Result<Self> {
        let queue = Arc::new(Queue {
            limit: compute.limit(LONGEST_BATCH),
            delay: config.delay,
            state: Mutex::default(),
            filled: Condvar::new(),
        });
        let compute = Arc::new(compute);
        let mut started = Self {
            queue: Arc::clone(&queue),
            threads: Vec::new(),
        };
        for index in 0..config.threads.max(1) {
            let (queue, compute) = (Arc::clone(&queue), Arc::clone(&compute));
            let thread = thread::Builder::new()
                .name(format!("kiln-compute-{index}"))
                .spawn(move || {
                    let mut batch = Vec::new();
                    while queue.take(&mut batch) {
                        compute.run(&mut batch);
                    }
                })?;
            started.threads.push(thread);
        }
        Ok(started)
    }

    pub fn push(&self, request: Request) {
        self.queue.lock().waiting.push_back(request);
        self.queue.filled.notify_one();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.filled.notify_all();
        for thread in self.threads.drain(..) {
            // A panic was already caught and answered inside the thread.
            let _ = thread.join();
        }
    }
}

/// First in, first out, a batch at a time. Unbounded by itself: each request holds a permit from
/// [`crate::serving::Admission`], which is the bound.
#[derive(Debug)]
struct Queue {
    limit: usize,
    delay: Duration,
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Request>,
    closed: bool,
}

impl Queue {
    /// Waits until something is there and moves as much as a batch may hold to `batch`. False once
    /// the queue is closed and empty.
    fn take(&self, batch: &mut Vec<Request>) -> bool {
        let mut state = self.lock();
        loop {
            let wait = match state.waiting.front() {
                None if state.closed => return false,
                None => None,
                Some(first) if state.waiting.len() < self.limit && !state.closed => {
                    let due = first.submitted + self.delay;
                    Some(due.saturating_duration_since(Instant::now()))
                }
                Some(_) => Some(Duration::ZERO),
            };
            state = match wait {
                Some(Duration::ZERO) => break,
                Some(left) => {
                    let woken = self.filled.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let woken = self.filled.wait(state);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
        let count = self.limit.min(state.waiting.len());
        batch.extend(state.waiting.drain(..count));
        true
    }

    /// No code that can panic runs under the lock, so poison means nothing here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
