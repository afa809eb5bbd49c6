//! Requests in flight become batches for a network.
//!
//! Each model has one queue and a few compute threads. A thread that is free
//! takes what waits, up to the batch limit, and never waits for more to come:
//! under light load a batch is one request and no latency is added, under
//! heavy load batches grow by themselves.

mod admission;
mod queue;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use admission::{Admission, Permit};
use queue::Queue;

use crate::network::Network;
use crate::telemetry::{ModelInstruments, QueuePlace, Rejection, Telemetry};

/// How a model's batcher works.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Compute threads, at least 1.
    pub threads: usize,
    /// Largest batch, at least 1.
    pub max_batch_size: usize,
}

/// What a network gave for one request.
#[derive(Debug)]
pub struct Output {
    /// The raw output values of this example.
    pub scores: Vec<f32>,
    /// From submission to the start of the forward pass.
    pub queue: Duration,
    /// The forward pass of the whole batch.
    pub compute: Duration,
}

/// Why a request got no output.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The model is being unloaded.
    #[error("the model was unloaded while the request waited; try again")]
    Closed,
    /// The network failed on the batch.
    #[error("the model could not compute an answer: {0}")]
    Failed(String),
}

#[derive(Debug)]
struct Request {
    input: Vec<f32>,
    submitted: Instant,
    answer: oneshot::Sender<Result<Output, Error>>,
    /// Held until the request is computed, so that admission counts waiting requests too.
    permit: Permit,
}

/// A request in the queue, and its place in `kiln_queue_size`.
#[derive(Debug)]
struct Waiting {
    request: Request,
    _place: QueuePlace,
}

/// A model's queue and the threads that empty it. Dropping it stops the
/// threads once what waits has been answered.
#[derive(Debug)]
pub struct Batcher {
    queue: Arc<Queue<Waiting>>,
    instruments: ModelInstruments,
    threads: Vec<JoinHandle<()>>,
}

impl Batcher {
    /// Starts the compute threads.
    ///
    /// # Errors
    /// If the system gives no more threads.
    pub fn start(
        network: &Arc<Network>,
        instruments: &ModelInstruments,
        telemetry: &Arc<Telemetry>,
        config: Config,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let mut batcher = Self {
            queue: Arc::clone(&queue),
            instruments: instruments.clone(),
            threads: Vec::new(),
        };
        for index in 0..config.threads.max(1) {
            let worker = Worker {
                network: Arc::clone(network),
                queue: Arc::clone(&queue),
                instruments: instruments.clone(),
                telemetry: Arc::clone(telemetry),
            };
            let limit = config.max_batch_size.max(1);
            let thread = thread::Builder::new()
                .name(format!("kiln-compute-{index}"))
                .spawn(move || worker.run(limit))?;
            batcher.threads.push(thread);
        }
        Ok(batcher)
    }

    /// Queues one example and waits for its output.
    ///
    /// Dropping the future takes the request back: it is not computed unless
    /// it is already in a batch.
    ///
    /// # Errors
    /// [`Error::Closed`] while shutting down, [`Error::Failed`] if the network fails.
    pub async fn infer(&self, input: Vec<f32>, permit: Permit) -> Result<Output, Error> {
        let (answer, answered) = oneshot::channel();
        let request = Request {
            input,
            submitted: Instant::now(),
            answer,
            permit,
        };
        let waiting = Waiting {
            request,
            _place: self.instruments.enter_queue(),
        };
        self.queue.push(waiting).map_err(|_| Error::Closed)?;
        answered.await.unwrap_or(Err(Error::Closed))
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A panic was already caught and answered inside the thread.
            let _ = thread.join();
        }
    }
}

struct Worker {
    network: Arc<Network>,
    queue: Arc<Queue<Waiting>>,
    instruments: ModelInstruments,
    telemetry: Arc<Telemetry>,
}

impl Worker {
    fn run(self, limit: usize) {
        let (mut waiting, mut batch) = (Vec::new(), Vec::new());
        while self.queue.take(limit, &mut waiting) {
            for Waiting { request, .. } in waiting.drain(..) {
                // A client that is gone, or whose deadline has passed, dropped its receiver.
                if request.answer.is_closed() {
                    self.telemetry.rejected(Rejection::Cancelled);
                } else {
                    batch.push(request);
                }
            }
            if !batch.is_empty() {
                self.answer(&mut batch);
            }
        }
    }

    fn answer(&self, batch: &mut Vec<Request>) {
        let started = Instant::now();
        let size = batch.len();
        let inputs = match &mut batch[..] {
            [only] => std::mem::take(&mut only.input),
            many => many
                .iter()
                .flat_map(|request| &request.input)
                .copied()
                .collect(),
        };
        // The network checks shapes before anything is served, so a panic is a
        // bug; it must cost this batch its answers and not the server its threads.
        let outputs = catch_unwind(AssertUnwindSafe(|| self.network.infer(inputs, size)))
            .map_err(|_| "the forward pass panicked".to_owned())
            .and_then(|outputs| outputs.map_err(|error| error.to_string()));
        let compute = started.elapsed();
        match outputs {
            Ok(outputs) => {
                self.instruments.batch(size, compute);
                let each = outputs.chunks_exact(self.network.output_len());
                for (request, scores) in batch.drain(..).zip(each) {
                    let Request {
                        submitted,
                        answer,
                        permit,
                        ..
                    } = request;
                    let queue = started.duration_since(submitted);
                    self.instruments.waited(queue);
                    // Before the answer, or a client that comes back at once finds its own place taken.
                    drop(permit);
                    // Fails if the client has gone in the meantime; nothing to do then.
                    let _ = answer.send(Ok(Output {
                        scores: scores.to_vec(),
                        queue,
                        compute,
                    }));
                }
            }
            Err(reason) => {
                tracing::error!(size, reason, "a batch failed");
                for request in batch.drain(..) {
                    let _ = request.answer.send(Err(Error::Failed(reason.clone())));
                }
            }
        }
    }
}
