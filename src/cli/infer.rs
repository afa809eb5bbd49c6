//! `kiln infer`

use std::path::PathBuf;

use anyhow::{Context, bail};

use super::args::ModelArgs;
use super::output::{print, shown, tuple};
use crate::network::Network;
use crate::npy::{self, Array};

/// Examples computed at once.
const BATCH: usize = 32;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kiln infer --model model.keras --input x.npy --output y.npy
In Python: numpy.save(\"x.npy\", x_test), numpy.load(\"y.npy\")")]
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
        "{}: float32 {}\n",
        shown(args.output.display()),
        tuple(&output.shape)
    ))
}

/// How many there are. As in Keras, axes of size 1 may be missing, or there without need.
fn examples(input: &Array, network: &Network) -> anyhow::Result<usize> {
    let takes = network.description().input_shape();
    let long =
        |shape: &[usize]| -> Vec<_> { shape.iter().copied().filter(|&size| size != 1).collect() };
    let (found, wanted) = (tuple(&input.shape), tuple(takes));
    let whole = long(&input.shape) == long(takes);
    match input.shape.split_first() {
        Some((&count, example)) if long(example) == long(takes) => Ok(count),
        _ if whole => bail!(
            "one example of shape {found}, and the first axis counts examples: save x[numpy.newaxis]"
        ),
        _ => bail!("an array of shape {found}; the model takes examples of shape {wanted}"),
    }
}
