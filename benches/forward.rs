//! A forward pass with fused kernels and without, values in and values out, on
//! burn-flex and one thread: `cargo bench --bench forward`.
//!
//! `benches/engine` compares with other engines.

use divan::Bencher;
use kiln::description::Model;
use kiln::keras;
use kiln::network::{Backend, Network};

const NETWORKS: [&str; 2] = ["mnist", "mnist-mlp"];
const BATCHES: [usize; 4] = [1, 8, 32, 128];

fn main() {
    divan::main();
}

fn model(name: &str) -> Model {
    let path = format!("{}/weights/{name}.keras", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).expect("a built-in model");
    keras::read(&bytes).expect("a Keras model")
}

fn infer(bencher: Bencher, network: &Network, batch: usize) {
    let input: Vec<f32> = (0..batch * network.input_len())
        .map(|index| (index * 7919 % 256) as f32)
        .collect();
    bencher
        .counter(divan::counter::ItemsCount::new(batch))
        .with_inputs(|| input.clone())
        .bench_values(|input| network.infer(input, batch).expect("an answer"));
}

#[divan::bench(args = BATCHES, consts = [0, 1])]
fn fused<const NETWORK: usize>(bencher: Bencher, batch: usize) {
    let network = Network::new(model(NETWORKS[NETWORK]), Backend::Flex).expect("a network");
    infer(bencher, &network, batch);
}

#[divan::bench(args = BATCHES, consts = [0, 1])]
fn plain<const NETWORK: usize>(bencher: Bencher, batch: usize) {
    let network = Network::plain(model(NETWORKS[NETWORK]), Backend::Flex).expect("a network");
    infer(bencher, &network, batch);
}
