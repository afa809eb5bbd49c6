//! A file that Keras saved → a [`Model`]: the description of its network, with its weights.
//!
//! Read are the zip archive of Keras 3 and of Keras 2.13 to 2.15 (`metadata.json`, `config.json`
//! with the architecture, `model.weights.h5`), and the legacy HDF5 file of Keras 2 and 3; Sequential
//! and functional models, models inside models, and layers that are used more than once. Which
//! layers: [`SUPPORTED_LAYERS`].
//!
//! `file` takes the file apart, `saved` reads the architecture, `layers` turns each layer into nodes
//! of the `graph`, and `weights` gives them theirs.

mod assemble;
mod error;
mod file;
mod foreign;
mod graph;
mod layers;
mod saved;
mod summary;
mod weights;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::description::{Description, Model};
use assemble::Assembled;
use file::bytes::Bytes;
use file::{archive, hdf5};

pub use error::Error;
pub use layers::{
    LayerSupport, SUPPORTED_FORMATS, SUPPORTED_LAYERS, supported_markdown, supported_operations,
};
pub use saved::ACTIVATIONS;

/// Largest file that is read into memory: 1 GiB.
pub const MAX_FILE: u64 = 1 << 30;

/// Reads a model from the bytes of a file, whose kind its first bytes tell.
///
/// # Errors
/// The bytes are no such file, are damaged, or describe something that is not supported; the
/// message names the layer and the option. Never panics, whatever the bytes.
pub fn read(bytes: &[u8]) -> Result<Model, Error> {
    read_from(bytes.into(), bytes)
}

/// The same of bytes that begin so.
fn read_from(bytes: Bytes, begin: &[u8]) -> Result<Model, Error> {
    let what = match begin {
        [b'P', b'K', 3, 4, ..] => return read_archive(bytes),
        [0x89, b'H', b'D', b'F', ..] => return read_legacy(bytes),
        [] => "the file is empty".to_owned(),
        [b'P', b'K', ..] => "this is an empty or split zip archive".to_owned(),
        _ => match foreign::seems(begin) {
            Some(what) => format!("this is no Keras model but {what}"),
            None => {
                "this is no Keras model: it begins neither as a zip archive nor as an HDF5 file"
                    .to_owned()
            }
        },
    };
    Err(Error::Format(format!(
        "{what}; expected what model.save(\"model.keras\") or model.save(\"model.h5\") writes"
    )))
}

fn read_archive(bytes: Bytes) -> Result<Model, Error> {
    let members = archive::open(bytes)?;
    let keras_version = saved::keras_version(&members.metadata)?;
    build(&members.config, keras_version, |model, graph| {
        weights::load_archive(members.weights.bytes(), model, graph)
    })
}

fn read_legacy(bytes: Bytes) -> Result<Model, Error> {
    let file = hdf5::File::open(bytes)?;
    let config = file.root_text("model_config")?.ok_or_else(|| {
        Error::Format(
            "this HDF5 file has no architecture, only weights perhaps: save the whole model, with \
             model.save(\"model.keras\") and not with save_weights"
                .to_owned(),
        )
    })?;
    // The first versions did not write theirs.
    let keras_version = file.root_text("keras_version")?;
    let keras_version = keras_version.unwrap_or_else(|| "2".to_owned());
    build(config.as_bytes(), keras_version, |model, graph| {
        weights::load_legacy(&file, model, graph)
    })
}

/// Architecture, weights, and the checks on both.
fn build(
    config: &[u8],
    keras_version: String,
    load: impl FnOnce(&saved::SavedModel, &mut graph::Graph) -> Result<(), Error>,
) -> Result<Model, Error> {
    let root = saved::json(config)?;
    let saved = saved::saved_model(&root, &keras_version)?;
    let Assembled {
        mut graph,
        inputs,
        outputs,
    } = assemble::assemble(&saved)?;
    load(&saved, &mut graph)?;
    let summary = summary::summary(&saved, &graph);
    Ok(Model::new(Description {
        name: saved.options.layer.to_owned(),
        keras_version,
        inputs,
        outputs,
        nodes: graph.nodes,
        summary,
    })?)
}

/// Reads a model from a file, or from the folder that `model.save(…, zipped=False)` makes. Its name does
/// not matter. Of a large file only the weights are read, and not the state of an optimizer.
///
/// # Errors
/// As [`read`]; an [`Error::Io`] names the path.
pub fn read_file(path: &Path) -> Result<Model, Error> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let begin = begin(path).map_err(io)?;
    if begin.is_empty() && path.is_dir() {
        return read_folder(path);
    }
    let file = File::open(path).map_err(io)?;
    let bytes = Bytes::of_file(&file).map_err(io)?;
    read_from(bytes, &begin)
}

/// What is in the folder of an archive that is not zipped.
fn read_folder(path: &Path) -> Result<Model, Error> {
    let member = |name: &str, limit: u64| {
        let path = path.join(name);
        let open = || {
            let metadata = std::fs::metadata(&path)?;
            if !metadata.is_file() || metadata.len() > limit {
                let reason = format!("it is no regular file of at most {limit} bytes");
                return Err(std::io::Error::other(reason));
            }
            File::open(&path)
        };
        open().map_err(|source| Error::Io {
            path: path.clone(),
            source,
        })
    };
    let text = |name: &str, limit: u64| -> Result<Vec<u8>, Error> {
        let file = member(name, limit)?;
        let bytes = Bytes::of_file(&file).and_then(|bytes| bytes.read());
        bytes.map_err(|source| Error::Io {
            path: path.join(name),
            source,
        })
    };
    let keras_version = saved::keras_version(&text(archive::METADATA, archive::MAX_METADATA)?)?;
    let config = text(archive::CONFIG, archive::MAX_CONFIG)?;
    let weights = member(archive::WEIGHTS, u64::MAX)?;
    build(&config, keras_version, |model, graph| {
        let weights = Bytes::of_file(&weights);
        let weights = weights.map_err(|e| Error::WeightsFile(e.to_string()))?;
        weights::load_archive(weights, model, graph)
    })
}

/// How a file begins, 4 KiB of it at most; nothing for the folder of an archive that is not zipped.
///
/// # Errors
/// Those of the file, and one for what is neither.
pub fn begin(path: &Path) -> std::io::Result<Vec<u8>> {
    // Before it is opened: opening a pipe waits for somebody to write.
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        if path.join(archive::CONFIG).exists() && path.join(archive::METADATA).exists() {
            return Ok(Vec::new());
        }
        let what = if path.join("saved_model.pb").exists() {
            foreign::SAVED_MODEL
        } else {
            "a directory; a Keras model is one file"
        };
        return Err(std::io::Error::other(format!("it is {what}")));
    }
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(4096).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The bytes of a file of at most [`MAX_FILE`] bytes.
///
/// # Errors
/// Those of the file, and one for what is larger or no regular file.
pub fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    begin(path)?;
    let too_large = || std::io::Error::other(format!("the file is larger than {MAX_FILE} bytes"));
    let file = File::open(path)?;
    if file.metadata()?.len() > MAX_FILE {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large());
    }
    Ok(bytes)
}
