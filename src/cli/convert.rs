//! `kiln convert`

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use super::output::{print, shown, thousands};
use crate::description;
use crate::source::Source;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kiln convert model.keras model.safetensors
  kiln serve --model model.safetensors")]
pub(super) struct Args {
    /// A Keras file, a converted .safetensors file, or the name of a built-in network
    input: Source,
    /// The safetensors file to write; one that is there is replaced
    output: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    check_output(&args.input, &args.output)?;
    let (model, _) = args.input.read()?;
    let bytes = description::to_safetensors(&model)?;
    replace(&args.output, &bytes)
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    print(&format!(
        "{}: {} parameters, {} bytes\n",
        shown(args.output.display()),
        thousands(model.parameters()),
        thousands(bytes.len()),
    ))
}

/// Refuses an output that is somebody's model: the two names are easily swapped, and what is replaced is gone.
fn check_output(input: &Source, output: &Path) -> anyhow::Result<()> {
    /// How the files end that Keras writes.
    const KERAS: [&str; 3] = ["keras", "h5", "hdf5"];
    let name = output.display();
    if let Source::File(input) = input {
        let same = |path: &Path| path.canonicalize().ok();
        ensure!(
            same(input).is_none() || same(input) != same(output),
            "{name}: the output is the input, which would be lost; give another name"
        );
    }
    let ending = |path: &Path| path.extension().unwrap_or_default().to_ascii_lowercase();
    if KERAS.iter().any(|keras| ending(output) == *keras) {
        let swapped = matches!(input, Source::File(input) if ending(input) == "safetensors");
        if swapped {
            bail!(
                "{name}: convert writes safetensors, and reads Keras files; is it the other way round: \
                 kiln convert {name} {input}?"
            );
        }
        bail!(
            "{name}: convert writes safetensors: call the output {}",
            output.with_extension("safetensors").display()
        );
    }
    ensure!(
        may_be_replaced(output).with_context(|| name.to_string())?,
        "{name} is there and is no safetensors file, so it is not replaced; give another name, or remove it"
    );
    Ok(())
}

/// Whether nothing is lost with what is there: nothing, an empty file, or what looks like a converted model.
fn may_be_replaced(path: &Path) -> std::io::Result<bool> {
    let Ok(metadata) = path.metadata() else {
        return Ok(true);
    };
    if !metadata.is_file() {
        return Ok(false);
    }
    // JSON comes after eight bytes of length.
    let mut begin = Vec::new();
    File::open(path)?.take(9).read_to_end(&mut begin)?;
    Ok(begin.is_empty() || begin.get(8) == Some(&b'{'))
}

/// Whoever reads `path` sees the old file or the whole new one.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let scratch = path.with_file_name(name);
    let written = fs::write(&scratch, bytes).and_then(|()| fs::rename(&scratch, path));
    if written.is_err() {
        let _ = fs::remove_file(&scratch);
    }
    written
}
