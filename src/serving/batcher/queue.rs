//! Batches on threads of their own: for a network that would hold up the threads that read requests, and for requests
//! from a thread that has no lane.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::compute::{Compute, Request, fills, take};

/// How long a batch may take, and so how long the next request may wait for it.
const LONGEST_BATCH: Duration = Duration::from_millis(20);

/// A queue and the threads that compute what is in it. Dropping it ends them once what waits has been answered.
#[derive(Debug)]
pub(super) struct Queue {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Queue {
    pub fn start(compute: &Arc<Compute>, threads: usize, delay: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            limit: compute.limit(LONGEST_BATCH),
            delay,
            state: Mutex::default(),
            filled: Condvar::new(),
        });
        let mut started = Self {
            shared: Arc::clone(&shared),
            threads: Vec::new(),
        };
        for index in 0..threads.max(1) {
            let (shared, compute) = (Arc::clone(&shared), Arc::clone(compute));
            let thread = thread::Builder::new()
                .name(format!("kiln-compute-{index}"))
                .spawn(move || {
                    let mut batch = Vec::new();
                    while shared.take(&mut batch) {
                        compute.run(&mut batch);
                    }
                })?;
            started.threads.push(thread);
        }
        Ok(started)
    }

    /// Most examples of a batch.
    pub fn limit(&self) -> usize {
        self.shared.limit
    }

    /// Queues a request of at most [`Queue::limit`] examples.
    pub fn push(&self, request: Request) {
        self.shared.lock().waiting.push_back(request);
        self.shared.filled.notify_one();
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.filled.notify_all();
        for thread in self.threads.drain(..) {
            // A panic was already caught and answered inside the thread.
            let _ = thread.join();
        }
    }
}

/// First in, first out, a batch at a time. Unbounded by itself: each request holds a permit from
/// [`crate::serving::Admission`], which is the bound.
#[derive(Debug)]
struct Shared {
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

impl Shared {
    /// Waits until something is there and moves as much as a batch may hold to `batch`. False once
    /// the queue is closed and empty.
    fn take(&self, batch: &mut Vec<Request>) -> bool {
        let mut state = self.lock();
        loop {
            let wait = match state.waiting.front() {
                None if state.closed => return false,
                None => None,
                Some(first) if !state.closed && !fills(&state.waiting, self.limit) => {
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
        take(&mut state.waiting, self.limit, batch);
        if !state.waiting.is_empty() {
            // Whoever was woken for what is left may have been the one that took this batch.
            self.filled.notify_one();
        }
        true
    }

    /// No code that can panic runs under the lock, so poison means nothing here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
