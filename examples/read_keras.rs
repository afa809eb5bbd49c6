//! Reads a Keras file into Burn and asks it: `cargo run --release --example read_keras [FILE]`.
//!
//! Nothing of the server is needed for this: `kiln::keras` reads the file into a typed
//! description, `kiln::network` makes a network in Burn of it.

use std::path::PathBuf;

use kiln::keras;
use kiln::network::{Backend, Network};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let built_in = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/weights/mnist.keras"));
    let path = std::env::args_os()
        .nth(1)
        .map_or_else(built_in, PathBuf::from);

    let model = keras::read_file(&path)?;
    println!("{}, saved by Keras {}", model.name(), model.keras_version());
    for row in &model.summary().rows {
        println!("  {} ({})", row.name, row.class);
    }

    let network = Network::new(model, Backend::default())?;
    println!("{}", network.plan());
    let batch = 2;
    let inputs = vec![0.5; batch * network.input_len()];
    let outputs = network.infer(inputs, batch)?;
    for answer in outputs.chunks(network.output_len()) {
        println!("{answer:.4?}");
    }
    Ok(())
}
