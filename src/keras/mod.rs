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
use file::{archive, hdf5};

pub use error::Error;
pub use layers::{
    LayerSupport, SUPPORTED_FORMATS, SUPPORTED_LAYERS, supported_markdown, supported_operations,
};
pub use saved::ACTIVATIONS;

/// Largest file that is read: 1 GiB.
pub const MAX_FILE: u64 = 1 << 30;

/// Reads a model from the bytes of a file, whose kind its first bytes tell.
///
/// # Errors
/// The bytes are no such file, are damaged, or describe something that is not supported; the
/// message names the layer and the option. Never panics, whatever the bytes.
pub fn read(bytes: &[u8]) -> Result<Model, Error> {
    let what = match bytes {
        [b'P', b'K', 3, 4, ..] => return read_archive(bytes),
        [0x89, b'H', b'D', b'F', ..] => return read_legacy(bytes),
        [] => "the file is empty".to_owned(),
        [b'P', b'K', ..] => "this is an empty or split zip archive".to_owned(),
        _ => match foreign::seems(bytes) {
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

fn read_archive(bytes: &[u8]) -> Result<Model, Error> {
    let members = archive::open(bytes)?;
    let keras_version = saved::keras_version(&members.metadata)?;
    build(&members.config, keras_version, |model, graph| {
        weights::load_archive(&members.weights, model, graph)
    })
}

fn read_legacy(bytes: &[u8]) -> Result<Model, Error> {
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
    let mut graph = assemble::assemble(&saved)?;
    load(&saved, &mut graph)?;
    let summary = summary::summary(&saved, &graph);
    Ok(Model::new(Description {
        name: saved.options.layer.to_owned(),
        keras_version,
        nodes: graph.nodes,
        summary,
    })?)
}

/// Reads a model from a file of at most [`MAX_FILE`] bytes. Its name does not matter.
///
/// # Errors
/// As [`read`]; an [`Error::Io`] names the path.
pub fn read_file(path: &Path) -> Result<Model, Error> {
    read(&read_bytes(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?)
}

/// The bytes of a file of at most [`MAX_FILE`] bytes.
///
/// # Errors
/// Those of the file, and one for what is larger or no regular file.
pub fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let too_large = || std::io::Error::other(format!("the file is larger than {MAX_FILE} bytes"));
    // Before it is opened: opening a pipe waits for somebody to write.
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        let what = if path.join("saved_model.pb").exists() {
            foreign::SAVED_MODEL
        } else if path.join("config.json").exists() && path.join("metadata.json").exists() {
            "an unpacked .keras file: pack its files with zip, without the folder"
        } else {
            "a directory; a Keras model is one file"
        };
        return Err(std::io::Error::other(format!("it is {what}")));
    }
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let file = File::open(path)?;
    if metadata.len() > MAX_FILE {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large());
    }
    Ok(bytes)
}
