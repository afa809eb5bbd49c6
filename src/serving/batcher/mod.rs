//! Requests in flight become batches for a network.
//!
//! A network that costs less than it would take to wake another thread is computed on the thread that read the request,
//! in that thread's lane (`lanes`). A heavier one has a queue and threads of its own (`queue`), and so have requests from
//! a thread without a lane. What a network costs is measured when its model is loaded. Either way a request that finds
//! nothing before it is computed at once, and what arrives meanwhile forms the next batch: under light load a batch is
//! one request and no latency is added, under heavy load batches grow by themselves.

mod compute;
mod cost;
mod lanes;
mod queue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use compute::{Compute, Held, Request};
pub use cost::Measured;
pub use lanes::Lane;
use lanes::Lanes;
use queue::Queue;

#[cfg(doc)]
use crate::network::Network;
use crate::serving::Permit;
use crate::serving::classifier::Encoding;
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

/// The inputs of one request.
#[derive(Debug)]
pub struct Input {
    /// How many examples they are, at least 1.
    pub examples: usize,
    /// All their values, example by example.
    pub values: Values,
}

/// Input values, as they came.
#[derive(Debug)]
pub enum Values {
    /// The pixels of pictures.
    Pixels {
        /// One byte a value.
        bytes: Bytes,
        /// From bytes to input values.
        encoding: Encoding,
    },
    /// The input values.
    Floats(Vec<f32>),
}

impl Input {
    /// One picture.
    #[must_use]
    pub fn pixels(bytes: Bytes, encoding: Encoding) -> Self {
        Self {
            examples: 1,
            values: Values::Pixels { bytes, encoding },
        }
    }

    /// So many examples of equal length.
    #[must_use]
    pub fn values(values: Vec<f32>, examples: usize) -> Self {
        Self {
            examples,
            values: Values::Floats(values),
        }
    }

    /// In pieces of at most `most` examples, of `length` values each.
    fn pieces(self, most: usize, length: usize) -> impl Iterator<Item = Self> {
        let Self { examples, values } = self;
        (0..examples).step_by(most).map(move |begin| {
            let end = examples.min(begin + most);
            let range = begin * length..end * length;
            let values = match &values {
                Values::Pixels { bytes, encoding } => Values::Pixels {
                    bytes: bytes.slice(range),
                    encoding: encoding.clone(),
                },
                Values::Floats(values) => Values::Floats(values[range].to_vec()),
            };
            Self {
                examples: end - begin,
                values,
            }
        })
    }
}

/// What a network gave for one request.
#[derive(Debug)]
pub struct Output {
    /// The raw output values, example by example.
    pub values: Vec<f32>,
    /// How long that took.
    pub timing: Timing,
}

/// How long a request waited and computed; for one that was computed in pieces, all of them together.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From submission to the start of the forward pass.
    pub queue: Duration,
    /// The forward pass of the whole batch.
    pub compute: Duration,
    /// Examples in the batch; in the largest, if there were several.
    pub batch: usize,
}

impl Timing {
    /// [`Self::queue`] in microseconds, as it is told.
    #[must_use]
    pub fn queue_micros(&self) -> u64 {
        micros(self.queue)
    }

    /// [`Self::compute`] in microseconds, as it is told.
    #[must_use]
    pub fn compute_micros(&self) -> u64 {
        micros(self.compute)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
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
    /// Values in one example's input.
    input_len: usize,
    /// For requests from serving threads, unless the network is too heavy to be computed there.
    lanes: Option<Lanes>,
    /// For all others.
    queue: Queue,
}

impl Batcher {
    /// Starts what computes the network.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(
        measured: Measured,
        instruments: ModelInstruments,
        telemetry: Arc<Telemetry>,
        config: Config,
    ) -> std::io::Result<Self> {
        let input_len = measured.network.input_len();
        let compute = Compute::new(measured, instruments.clone(), telemetry, config);
        let is_light = compute.cost <= INLINE_COST;
        // A light network is seldom asked for from elsewhere.
        let threads = if is_light { 1 } else { config.threads };
        let compute = Arc::new(compute);
        Ok(Self {
            instruments,
            input_len,
            queue: Queue::start(&compute, threads, config.delay)?,
            lanes: is_light.then(|| Lanes::new(compute, config)),
        })
    }

    /// Queues the examples of a request and waits for their outputs. `lane` is that of the thread that asks, if it has
    /// one. `input` has [`Network::input_len`] values for each example.
    ///
    /// More examples than a batch may have are computed one batch after the other, with those of others in between.
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
        let route = self.route(lane);
        if input.examples <= route.limit() {
            self.batch(input, Held::Whole(permit), route).await
        } else {
            // In a box: it is seldom needed, and would make every other request's future larger.
            Box::pin(self.batches(input, permit, route)).await
        }
    }

    async fn batches(
        &self,
        input: Input,
        permit: Permit,
        route: Route<'_>,
    ) -> Result<Output, Error> {
        let mut pieces = input.pieces(route.limit(), self.input_len);
        let Some(first) = pieces.next() else {
            return Err(Error::Failed("a request without examples".to_owned()));
        };
        let permit = Arc::new(permit);
        let held = || Held::Piece(Arc::clone(&permit));
        let mut whole = self.batch(first, held(), route).await?;
        for piece in pieces {
            let Output { values, timing } = self.batch(piece, held(), route).await?;
            whole.values.extend(values);
            whole.timing.queue += timing.queue;
            whole.timing.compute += timing.compute;
            whole.timing.batch = whole.timing.batch.max(timing.batch);
        }
        Ok(whole)
    }

    /// Queues what fits into one batch.
    async fn batch(&self, input: Input, permit: Held, route: Route<'_>) -> Result<Output, Error> {
        let (answer, answered) = oneshot::channel();
        let request = Request {
            input,
            submitted: Instant::now(),
            answer,
            permit,
            _place: self.instruments.enter_queue(),
        };
        match route {
            Route::Lane(lanes, lane) => lanes.push(request, lane),
            Route::Queue(queue) => queue.push(request),
        }
        answered.await.unwrap_or(Err(Error::Closed))
    }

    fn route<'a>(&'a self, lane: Option<&'a Lane>) -> Route<'a> {
        match (&self.lanes, lane) {
            (Some(lanes), Some(lane)) if lanes.has(lane) => Route::Lane(lanes, lane),
            _ => Route::Queue(&self.queue),
        }
    }
}

/// Where a request waits for its batch.
#[derive(Clone, Copy)]
enum Route<'a> {
    Lane(&'a Lanes, &'a Lane),
    Queue(&'a Queue),
}

impl Route<'_> {
    /// Most examples of a batch.
    fn limit(self) -> usize {
        match self {
            Self::Lane(lanes, _) => lanes.limit(),
            Self::Queue(queue) => queue.limit(),
        }
    }
}
