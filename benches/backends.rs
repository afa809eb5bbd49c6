//! How long a forward pass takes on each backend, values in and values out: with the fused kernels,
//! and with every layer as it stands in Burn's own operations.
//!
//! The candidates take turns, so that noise on the machine hits all of them
//! alike; medians are printed. `cargo bench --features ndarray --bench backends`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use kiln::description::{self, Model};
use kiln::network::{self, Backend, Network};

const ROUNDS: usize = 200;
/// A round of one candidate lasts about this long.
const ROUND: Duration = Duration::from_millis(3);
const BATCHES: [usize; 4] = [1, 8, 32, 128];
const MODELS: [(&str, &[u8]); 2] = [
    ("mnist", include_bytes!("../weights/mnist.safetensors")),
    (
        "mnist-mlp",
        include_bytes!("../weights/mnist-mlp.safetensors"),
    ),
];

/// How a network is made of a model.
type Build = fn(Model, Backend) -> Result<Network, network::Error>;
const BUILDS: [(&str, Build); 2] = [("fused", Network::new), ("plain", Network::plain)];

struct Candidate {
    name: String,
    batch: usize,
    network: Network,
    input: Vec<f32>,
    repeats: u32,
    times: Vec<Duration>,
}

impl Candidate {
    fn new(name: String, network: Network, batch: usize) -> Self {
        let input = (0..batch * network.input_len())
            .map(|index| (index * 7919 % 256) as f32)
            .collect();
        let mut candidate = Self {
            name,
            batch,
            network,
            input,
            repeats: 1,
            times: Vec::new(),
        };
        candidate.round();
        let one = candidate.round().max(Duration::from_nanos(1));
        candidate.repeats = (ROUND.as_nanos() / one.as_nanos()).clamp(1, 10_000) as u32;
        candidate
    }

    /// The mean of some passes.
    fn round(&self) -> Duration {
        let begun = Instant::now();
        for _ in 0..self.repeats {
            let input = black_box(self.input.clone());
            black_box(self.network.infer(input, self.batch).expect("an answer"));
        }
        begun.elapsed() / self.repeats
    }
}

fn main() {
    let mut candidates = Vec::new();
    for (model, bytes) in MODELS {
        for (batch, backend) in BATCHES
            .iter()
            .flat_map(|batch| Backend::ALL.iter().map(|backend| (*batch, *backend)))
        {
            for (how, build) in BUILDS {
                let name = format!("{model:<10} {backend:<8} {how}");
                let model = description::from_safetensors(bytes).expect("a built-in model");
                let network = build(model, backend).expect("a network");
                candidates.push(Candidate::new(name, network, batch));
            }
        }
    }
    for _ in 0..ROUNDS {
        for candidate in &mut candidates {
            let time = candidate.round();
            candidate.times.push(time);
        }
    }
    println!("network    backend  how    batch   µs a batch   µs a digit");
    for candidate in &mut candidates {
        candidate.times.sort_unstable();
        let median = candidate.times[ROUNDS / 2].as_secs_f64() * 1e6;
        println!(
            "{}  {:>5}   {median:>10.1}   {:>10.2}",
            candidate.name,
            candidate.batch,
            median / candidate.batch as f64
        );
    }
}
