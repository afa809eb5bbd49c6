//! A Keras 3 `.keras` file → a typed description of the network and its weights.
//!
//! A `.keras` file is a zip of `metadata.json`, `config.json` (the architecture) and
//! `model.weights.h5`. What comes out of [`read`] is checked through and through: every shape is
//! inferred here, every weight has the shape its layer asks for, and every size was bounded before
//! memory was taken. Nothing here knows how a network is computed.
//!
//! Read so far: Sequential models as Keras 3 saves them.

mod archive;
mod config;
mod error;
mod hdf5;
mod input;
mod layer;
mod metered;
mod model;
mod options;
mod shape;
mod weights;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use error::Error;
pub use layer::{Activation, DataFormat, Layer, Padding, WeightSpec};
pub use model::{MAX_NAME, MAX_NODES, Model, Node, Weight};
pub use shape::{MAX_ELEMENTS, MAX_PARAMETERS, MAX_RANK, ShapeError};

/// Largest file that is read: 1 GiB.
pub const MAX_FILE: u64 = 1 << 30;

/// Reads a model from the bytes of a `.keras` file.
///
/// # Errors
/// The bytes are no such file, are damaged, or describe something that is not supported; the
/// message names the layer and the option. Never panics, whatever the bytes.
pub fn read(bytes: &[u8]) -> Result<Model, Error> {
    check_format(bytes)?;
    let members = archive::open(bytes)?;
    let keras_version = config::keras_version(&members.metadata)?;
    let mut architecture = config::sequential(&members.config, keras_version)?;
    architecture.model.validate()?;
    weights::load(&members.weights, &mut architecture)?;
    architecture.model.validate()?;
    Ok(architecture.model)
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
        return Err(std::io::Error::other(
            "it is a directory; a Keras model is one .keras file",
        ));
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

/// Tells by the first bytes whether this is the zip that Keras 3 writes.
fn check_format(bytes: &[u8]) -> Result<(), Error> {
    let what = match bytes {
        [b'P', b'K', 3, 4, ..] => return Ok(()),
        [] => "the file is empty",
        [0x89, b'H', b'D', b'F', ..] => {
            "this is a legacy HDF5 model (whatever its name says), which is not read yet"
        }
        [b'P', b'K', ..] => "this is an empty or split zip archive",
        _ => "this is no Keras model: it begins neither as a zip archive nor as an HDF5 file",
    };
    Err(Error::Format(format!(
        "{what}; expected the .keras zip that model.save(\"model.keras\") writes in Keras 3"
    )))
}
