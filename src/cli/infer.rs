//! `kiln infer`

use std::path::PathBuf;

use anyhow::{Context, ensure};

use super::args::ModelArgs;
use super::output::print;
use crate::network::Network;
use crate::npy::{self, Array};

/// Examples computed at once.
const BATCH: usize = 32;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Input values, as the model takes them: the first axis counts the examples
    #[arg(long, value_name = "X.npy")]
    input: PathBuf,
    /// Where the model's raw outputs go, float32
    #[arg(long, value_name = "Y.npy")]
    output: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let source = args.model.source();
    let (model, _) = source.read()?;
    let network = Network::new(model, args.model.backend).with_context(|| source.to_string())?;
    let input = npy::read_file(&args.input).with_context(|| args.input.display().to_string())?;
    let count = examples(&input, &network).with_context(|| args.input.display().to_string())?;
    let mut values = Vec::new();
    for batch in input.values.chunks(BATCH * network.input_len()) {
        let size = batch.len() / network.input_len();
        values.extend(network.infer(batch.to_vec(), size)?);
    }
    let mut shape = vec![count];
    shape.extend(network.description().output_shape());
    let output = Array { shape, values };
    npy::write_file(&args.output, &output)
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    print(&format!(
        "{}: float32 {:?}\n",
        args.output.display(),
        output.shape
    ))?;
    Ok(())
}

fn examples(input: &Array, network: &Network) -> anyhow::Result<usize> {
    let takes = network.description().input_shape();
    let Some((&count, example)) = input.shape.split_first() else {
        anyhow::bail!("a single number; the model takes (examples, {takes:?})");
    };
    ensure!(
        example == takes,
        "examples of shape {example:?}; the model takes {takes:?}"
    );
    Ok(count)
}
