//! `kiln convert`

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::output::{print, shown, thousands};
use crate::description;
use crate::source::Source;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kiln convert model.keras model.safetensors
  kiln serve --model model.safetensors")]
pub(super) struct Args {
    /// The Keras model file
    input: PathBuf,
    /// The safetensors file to write; one that is there is replaced
    output: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let same = |path: &Path| path.canonicalize().ok();
    ensure!(
        same(&args.input).is_none() || same(&args.input) != same(&args.output),
        "{}: the output is the input, which would be lost; give another name",
        args.output.display()
    );
    let (model, _) = Source::File(args.input.clone()).read()?;
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
