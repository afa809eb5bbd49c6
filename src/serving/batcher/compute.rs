//! One batch: what waits goes through the network, and each request gets its answer.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::cost::Measured;
use super::{Config, Error, Input, Output, Timing, Values};
use crate::network::{self, Network};
use crate::serving::Permit;
use crate::telemetry::{ModelInstruments, QueuePlace, Rejection, Telemetry};

/// A request on its way to the network.
#[derive(Debug)]
pub(super) struct Request {
    pub input: Input,
    pub submitted: Instant,
    pub answer: oneshot::Sender<Result<Output, Error>>,
    /// Held until the request is computed, so that admission counts waiting requests too.
    pub permit: Held,
    /// Its place in `kiln_queue_size`.
    pub _place: QueuePlace,
}

/// The permit of a request.
#[derive(Debug)]
pub(super) enum Held {
    Whole(#[expect(dead_code, reason = "it is there to be dropped")] Permit),
    /// Of a request that is computed in pieces, this being one of them.
    Piece(#[expect(dead_code, reason = "it is there to be dropped")] Arc<Permit>),
}

/// A network, and what is known of its cost.
#[derive(Debug)]
pub(super) struct Compute {
    network: Arc<Network>,
    instruments: ModelInstruments,
    telemetry: Arc<Telemetry>,
    /// What one example alone takes.
    pub cost: Duration,
    max_batch_size: usize,
}

impl Compute {
    pub fn new(
        measured: Measured,
        instruments: ModelInstruments,
        telemetry: Arc<Telemetry>,
        config: Config,
    ) -> Self {
        Self {
            network: measured.network,
            instruments,
            telemetry,
            cost: measured.cost,
            max_batch_size: config.max_batch_size.max(1),
        }
    }

    /// Most examples of a batch that is to take no longer than `longest`: as many as were asked
    /// for, or fewer if they cost too much.
    pub fn limit(&self, longest: Duration) -> usize {
        let affordable = longest.as_nanos() / self.cost.as_nanos().max(1);
        let affordable = usize::try_from(affordable).unwrap_or(usize::MAX);
        affordable.clamp(1, self.max_batch_size)
    }

    /// Computes and answers the requests of `batch`, which is empty afterwards.
    pub fn run(&self, batch: &mut Vec<Request>) {
        // A client that is gone, or whose deadline has passed, dropped its receiver.
        batch.retain(|request| {
            let gone = request.answer.is_closed();
            if gone {
                self.telemetry.rejected(Rejection::Cancelled);
            }
            !gone
        });
        if batch.is_empty() {
            return;
        }
        let size = examples(batch.iter());
        let started = Instant::now();
        // The network checks shapes before anything is served, so a panic is a bug; it must cost
        // this batch its answers and not the server its threads.
        let outputs = catch_unwind(AssertUnwindSafe(|| self.forward(batch, size)))
            .map_err(|_| "the forward pass panicked".to_owned())
            .and_then(|outputs| outputs.map_err(|error| error.to_string()));
        let compute = started.elapsed();
        match outputs {
            Ok(outputs) => {
                self.instruments.batch(size, compute);
                let mut rest = &outputs[..];
                for request in batch.drain(..) {
                    let length = request.input.examples * self.network.output_len();
                    let values = rest.split_off(..length).unwrap_or_default().to_vec();
                    let queue = started.duration_since(request.submitted);
                    self.instruments.waited(queue);
                    // Before the answer, or a client that comes back at once finds its own place taken.
                    drop(request.permit);
                    let timing = Timing {
                        queue,
                        compute,
                        batch: size,
                    };
                    // Fails if the client has gone in the meantime; nothing to do then.
                    let _ = request.answer.send(Ok(Output { values, timing }));
                }
            }
            Err(reason) => {
                tracing::error!(size, reason, "a batch failed");
                for request in batch.drain(..) {
                    drop(request.permit);
                    let _ = request.answer.send(Err(Error::Failed(reason.clone())));
                }
            }
        }
    }

    /// The outputs of all `size` examples of a batch, one after the other.
    fn forward(&self, batch: &mut [Request], size: usize) -> Result<Vec<f32>, network::Error> {
        if let [only] = batch
            && let Values::Floats(values) = &mut only.input.values
        {
            return self.network.infer(std::mem::take(values), size);
        }
        let mut inputs = Vec::with_capacity(size * self.network.input_len());
        for request in batch {
            match &request.input.values {
                Values::Pixels { bytes, encoding } => {
                    for picture in bytes.chunks(self.network.input_len().max(1)) {
                        encoding.encode(picture, &mut inputs);
                    }
                }
                Values::Floats(values) => inputs.extend_from_slice(values),
            }
        }
        self.network.infer(inputs, size)
    }
}

/// How many examples some requests are.
pub(super) fn examples<'a>(requests: impl Iterator<Item = &'a Request>) -> usize {
    requests.map(|request| request.input.examples).sum()
}

/// Whether there are as many examples in `waiting` as a batch may have.
pub(super) fn fills(waiting: &VecDeque<Request>, limit: usize) -> bool {
    let mut examples = 0;
    waiting.iter().any(|request| {
        examples += request.input.examples;
        examples >= limit
    })
}

/// Moves the next batch from `waiting` to the empty `batch`: at most `limit` examples, which no request has more than.
pub(super) fn take(waiting: &mut VecDeque<Request>, limit: usize, batch: &mut Vec<Request>) {
    let mut room = limit;
    let fits = |request: &&Request| {
        let left = room.checked_sub(request.input.examples);
        left.inspect(|&left| room = left).is_some()
    };
    let count = waiting.iter().take_while(fits).count();
    batch.extend(waiting.drain(..count));
}
