//! `kiln infer`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::args::ModelArgs;
use super::output::{print, shown, tuple};
use crate::description::TensorSpec;
use crate::network::Network;
use crate::npy::{self, Array};
use crate::npz;

/// Examples computed at once.
const BATCH: usize = 32;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kiln infer --model model.keras --input x.npy --output y.npy
  kiln infer --model two.keras --input a=a.npy --input b=b.npy --output y.npz
  kiln infer --model two.keras --input x.npz --output y.npz
In Python: numpy.save(\"x.npy\", x_test), numpy.savez(\"x.npz\", a=a_test, b=b_test)
and numpy.load(\"y.npz\")[\"name of an output\"]")]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Input values, as the model takes them: the first axis counts the examples. For a model with several inputs one
    /// NAME=X.npy for each, named as in Keras, or one .npz of all
    #[arg(long, value_name = "X.npy", required = true)]
    input: Vec<String>,
    /// Where the model's raw outputs go, float32; a .npz has them by name
    #[arg(long, value_name = "Y.npy")]
    output: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let source = args.model.source();
    let (model, _) = source.read()?;
    let outputs = model.outputs();
    let into_npz = is_npz(&args.output);
    if outputs.len() > 1 && !into_npz {
        bail!(
            "the model has {} outputs, {}: give --output a name that ends in .npz",
            outputs.len(),
            names(&outputs)
        );
    }
    let network = Network::new(model, args.model.backend).with_context(|| source.to_string())?;
    let inputs = inputs(&args.input, &network.description().inputs())?;
    let arrays = compute(&network, &inputs)?;
    let written = match (&arrays[..], into_npz) {
        ([(_, array)], false) => npy::write_file(&args.output, array),
        (arrays, _) => npz::write_file(&args.output, arrays),
    };
    written.with_context(|| format!("cannot write {}", args.output.display()))?;
    let file = shown(args.output.display());
    let lines = arrays.iter().map(|(name, array)| {
        let of = match into_npz {
            true => format!(" {}", shown(name)),
            false => String::new(),
        };
        format!("{file}:{of} float32 {}\n", tuple(&array.shape))
    });
    print(&lines.collect::<String>())
}

/// What the model gives for all examples, by name.
fn compute(network: &Network, inputs: &[Array]) -> anyhow::Result<Vec<(String, Array)>> {
    let outputs = network.description().outputs();
    let count = inputs[0].shape.first().copied().unwrap_or(0);
    let mut values = vec![Vec::new(); outputs.len()];
    for first in (0..count).step_by(BATCH) {
        let size = BATCH.min(count - first);
        let part = |array: &Array| {
            let each = array.values.len() / count;
            first * each..(first + size) * each
        };
        let batch: Vec<&[f32]> = inputs.iter().map(|a| &a.values[part(a)]).collect();
        for (all, more) in values.iter_mut().zip(network.infer_tensors(&batch, size)?) {
            all.extend(more);
        }
    }
    let named = outputs.into_iter().zip(values).map(|(output, values)| {
        let shape = [&[count], &output.shape[..]].concat();
        (output.name, Array { shape, values })
    });
    Ok(named.collect())
}

/// An array for each of the model's inputs, in its order, of what was given on the command line.
fn inputs(given: &[String], wanted: &[TensorSpec]) -> anyhow::Result<Vec<Array>> {
    let mut found: Vec<Option<Array>> = vec![None; wanted.len()];
    for given in given {
        let (name, path) = name_and_path(given, wanted);
        let about = || path.display().to_string();
        let arrays = read(path, name).with_context(about)?;
        // What NumPy calls arrays that were given no names.
        let in_order = arrays
            .iter()
            .enumerate()
            .all(|(i, (name, _))| *name == Some(format!("arr_{i}")));
        for (index, (name, array)) in arrays.into_iter().enumerate() {
            let named = name
                .as_ref()
                .and_then(|name| wanted.iter().position(|spec| spec.name == *name));
            let place = match named {
                Some(place) => place,
                None if in_order && index < wanted.len() => index,
                None if name.is_none() && wanted.len() == 1 => 0,
                None => bail!(
                    "{}: the model takes {}; {}",
                    about(),
                    names(wanted),
                    match name {
                        Some(name) => format!("there is no input '{}'", shown(name)),
                        None => "say which: --input NAME=X.npy".to_owned(),
                    }
                ),
            };
            if found[place].is_some() {
                bail!("input '{}' is given twice", shown(&wanted[place].name));
            }
            check_examples(&array, &wanted[place].shape).with_context(about)?;
            found[place] = Some(array);
        }
    }
    let missing = wanted.iter().zip(&found).find(|(_, found)| found.is_none());
    if let Some((missing, _)) = missing {
        bail!(
            "input '{}' is missing: the model takes {}",
            shown(&missing.name),
            names(wanted)
        );
    }
    let found: Vec<Array> = found.into_iter().flatten().collect();
    let counts: Vec<usize> = found.iter().map(|array| array.shape[0]).collect();
    if counts.iter().any(|count| *count != counts[0]) {
        bail!("the inputs have {counts:?} examples; each must have as many");
    }
    Ok(found)
}

/// `NAME=PATH`, where the model has an input of that name; else all of it is the path.
fn name_and_path<'a>(given: &'a str, wanted: &[TensorSpec]) -> (Option<&'a str>, &'a Path) {
    match given.split_once('=') {
        Some((name, path))
            if wanted.iter().any(|spec| spec.name == name) || !Path::new(given).exists() =>
        {
            (Some(name), Path::new(path))
        }
        _ => (None, Path::new(given)),
    }
}

/// The arrays of a file, with their names where they have some.
fn read(path: &Path, name: Option<&str>) -> anyhow::Result<Vec<(Option<String>, Array)>> {
    let name = name.map(str::to_owned);
    if !is_npz(path) {
        return Ok(vec![(name, npy::read_file(path)?)]);
    }
    let mut arrays = npz::read_file(path)?;
    match (name, arrays.len()) {
        (Some(name), 1) => Ok(vec![(Some(name), arrays.remove(0).1)]),
        (Some(name), count) => bail!(
            "it has {count} arrays, and is given for '{}' alone",
            shown(name)
        ),
        (None, 0) => bail!("it has no arrays"),
        (None, _) => Ok(arrays
            .into_iter()
            .map(|(name, array)| (Some(name), array))
            .collect()),
    }
}

fn is_npz(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("npz"))
}

/// `left (28, 28, 1) and right (3,)`
fn names(tensors: &[TensorSpec]) -> String {
    let all = tensors
        .iter()
        .map(|spec| format!("{} {}", shown(&spec.name), tuple(&spec.shape)));
    all.collect::<Vec<_>>().join(" and ")
}

/// The first axis must count examples of that shape. As in Keras, axes of size 1 may be missing, or there without need.
fn check_examples(array: &Array, takes: &[usize]) -> anyhow::Result<()> {
    let long =
        |shape: &[usize]| -> Vec<_> { shape.iter().copied().filter(|&size| size != 1).collect() };
    let (found, wanted) = (tuple(&array.shape), tuple(takes));
    let whole = long(&array.shape) == long(takes);
    match array.shape.split_first() {
        Some((_, example)) if long(example) == long(takes) => Ok(()),
        _ if whole => bail!(
            "one example of shape {found}, and the first axis counts examples: save x[numpy.newaxis]"
        ),
        _ => bail!("an array of shape {found}; the model takes examples of shape {wanted}"),
    }
}
