//! One batch: what waits goes through the network, and each request gets its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::super::Permit;
use super::{Config, Error, Input, Output};
use crate::network::{self, Network};
use crate::telemetry::{ModelInstruments, QueuePlace, Rejection, Telemetry};

/// Runs that measure the cost, after one that warms up, and their time in all.
const RUNS: u32 = 5;
const RUN_TIME: Duration = Duration::from_millis(5);

/// A request on its way to the network.
#[derive(Debug)]
pub(super) struct Request {
    pub input: Input,
    pub submitted: Instant,
    pub answer: oneshot::Sender<Result<Output, Error>>,
    /// Held until the request is computed, so that admission counts waiting requests too.
    pub permit: Permit,
    /// Its place in `kiln_queue_size`.
    pub _place: QueuePlace,
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
        network: Arc<Network>,
        instruments: ModelInstruments,
        telemetry: Arc<Telemetry>,
        config: Config,
    ) -> Result<Self, network::Error> {
        let cost = measure(&network)?;
        Ok(Self {
            network,
            instruments,
            telemetry,
            cost,
            max_batch_size: config.max_batch_size.max(1),
        })
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
        let started = Instant::now();
        // The network checks shapes before anything is served, so a panic is a bug; it must cost
        // this batch its answers and not the server its threads.
        let outputs = catch_unwind(AssertUnwindSafe(|| self.forward(batch)))
            .map_err(|_| "the forward pass panicked".to_owned())
            .and_then(|outputs| outputs.map_err(|error| error.to_string()));
        let compute = started.elapsed();
        match outputs {
            Ok(outputs) => {
                self.instruments.batch(batch.len(), compute);
                let each = outputs.chunks_exact(self.network.output_len());
                for (request, scores) in batch.drain(..).zip(each) {
                    let queue = started.duration_since(request.submitted);
                    self.instruments.waited(queue);
                    // Before the answer, or a client that comes back at once finds its own place taken.
                    drop(request.permit);
                    // Fails if the client has gone in the meantime; nothing to do then.
                    let _ = request.answer.send(Ok(Output {
                        scores: scores.to_vec(),
                        queue,
                        compute,
                    }));
                }
            }
            Err(reason) => {
                tracing::error!(size = batch.len(), reason, "a batch failed");
                for request in batch.drain(..) {
                    let _ = request.answer.send(Err(Error::Failed(reason.clone())));
                }
            }
        }
    }

    fn forward(&self, batch: &mut [Request]) -> Result<Vec<f32>, network::Error> {
        let size = batch.len();
        if let [only] = batch
            && let Input::Values(values) = &mut only.input
        {
            return self.network.infer(std::mem::take(values), 1);
        }
        let mut inputs = Vec::with_capacity(size * self.network.input_len());
        for request in batch {
            match &request.input {
                Input::Pixels { bytes, scale } => {
                    inputs.extend(bytes.iter().map(|&byte| f32::from(byte) * scale));
                }
                Input::Values(values) => inputs.extend_from_slice(values),
            }
        }
        self.network.infer(inputs, size)
    }
}

/// The shortest of a few runs of one example, after one that nobody waits for.
fn measure(network: &Network) -> Result<Duration, network::Error> {
    let begun = Instant::now();
    let mut shortest = Duration::MAX;
    for run in 0..=RUNS {
        let input = vec![0.0; network.input_len()];
        let started = Instant::now();
        network.infer(input, 1)?;
        if run > 0 {
            shortest = shortest.min(started.elapsed());
        }
        if run > 0 && begun.elapsed() > RUN_TIME {
            break;
        }
    }
    Ok(shortest)
}
