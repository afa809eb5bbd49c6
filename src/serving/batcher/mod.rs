//! Requests in flight become batches for a network.
//!
//! A network that costs less than it would take to wake another thread is computed on the thread that read the request,
//! in that thread's lane (`lanes`). A heavier one has a queue and threads of its own (`queue`), and so have requests from
//! a thread without a lane. What a network costs is measured when its model is loaded. Either way a request that finds
//! nothing before it is computed at once, and what arrives meanwhile forms the next batch: under light load a batch is
//! one request and no latency is added, under heavy load batches grow by themselves.

mod compute;
mod lanes;
mod queue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use compute::{Compute, Request};
pub use lanes::Lane;
use lanes::Lanes;
use queue::Queue;

use super::Permit;
use crate::network::{self, Network};
use crate::telemetry::{ModelInstruments, Telemetry};

/// The longest forward pass of one example that is computed on the thread that reads requests:
/// well above a wake-up (some 5 to 50 µs), well below the millisecond that a health check or a
/// scrape may be held up.
const INLINE_COST: Duration = Duration::from_micros(250);

/// How a model's batcher works.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Threads that read requests, each with a [`Lane`], and compute threads for a heavy network; at least 1.
    pub threads: usize,
    /// Largest batch, at least 1.
    pub max_batch_size: usize,
    /// How long the first request of a batch waits for others; zero to never wait.
    pub delay: Duration,
}

/// One example for a network, as it came.
#[derive(Debug)]
pub enum Input {
    /// Bytes, each of which times `scale` is an input value.
    Pixels {
        /// One byte a value.
        bytes: Bytes,
        /// From a byte to an input value.
        scale: f32,
    },
    /// The input values.
    Values(Vec<f32>),
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

/// Where a model's requests go. Dropping it ends its threads once what waits has been answered.
#[derive(Debug)]
pub struct Batcher {
    instruments: ModelInstruments,
    /// For requests from serving threads, unless the network is too heavy to be computed there.
    lanes: Option<Lanes>,
    /// For all others.
    queue: Queue,
}

impl Batcher {
    /// Runs the network a few times, to have it warm and to know its cost, and starts what
    /// computes it.
    ///
    /// # Errors
    /// [`StartError`]: the network fails, or the system gives no more threads.
    pub fn start(
        network: Arc<Network>,
        instruments: ModelInstruments,
        telemetry: Arc<Telemetry>,
        config: Config,
    ) -> Result<Self, StartError> {
        let compute = Compute::new(network, instruments.clone(), telemetry, config)?;
        let is_light = compute.cost <= INLINE_COST;
        // A light network is seldom asked for from elsewhere.
        let threads = if is_light { 1 } else { config.threads };
        let compute = Arc::new(compute);
        Ok(Self {
            instruments,
            queue: Queue::start(&compute, threads, config.delay)?,
            lanes: is_light.then(|| Lanes::new(compute, config)),
        })
    }

    /// Queues one example and waits for its output. `lane` is that of the thread that asks, if it has one.
    ///
    /// Dropping the future takes the request back: it is not computed unless it is already in a
    /// batch.
    ///
    /// # Errors
    /// [`Error::Closed`] while shutting down, [`Error::Failed`] if the network fails.
    pub async fn infer(
        &self,
        input: Input,
        permit: Permit,
        lane: Option<&Lane>,
    ) -> Result<Output, Error> {
        let (answer, answered) = oneshot::channel();
        let request = Request {
            input,
            submitted: Instant::now(),
            answer,
            permit,
            _place: self.instruments.enter_queue(),
        };
        match (&self.lanes, lane) {
            (Some(lanes), Some(lane)) if lanes.has(lane) => lanes.push(request, lane),
            _ => self.queue.push(request),
        }
        answered.await.unwrap_or(Err(Error::Closed))
    }
}

/// Why a model's batcher could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The network fails on an example of zeros.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// No thread could be started.
    #[error("cannot start a compute thread: {0}")]
    Thread(#[from] std::io::Error),
}
