//! What can go wrong between a model file and a [`Model`](description::Model).

use std::path::PathBuf;

/// Where all that is supported is listed.
pub(super) const SEE_README: &str = "the README lists all that is, under \"Your own model\"";
use crate::description;

/// Why a model file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read at all.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The file is not a model that Keras saved, or is of a kind that is not read.
    #[error("{0}")]
    Format(String),
    /// The zip archive or a member of it is damaged, or larger than is allowed.
    #[error("the zip archive is damaged or hostile: {0}")]
    Archive(String),
    /// `config.json` or `metadata.json` is not what Keras writes.
    #[error("{member}: {reason}")]
    Config {
        /// The member of the archive.
        member: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A layer of a class that is not supported.
    #[error("layer '{layer}' is of class {class}, which is not supported; {hint}")]
    UnsupportedLayer {
        /// The layer's name in the model.
        layer: String,
        /// Its Keras class.
        class: String,
        /// What would be accepted, or where to look it up.
        hint: String,
    },
    /// An operation, such as `x ** y` makes one, that is not supported.
    #[error("layer '{layer}' is the operation {operation}, which is not supported; {SEE_README}")]
    UnsupportedOperation {
        /// Its name in the model.
        layer: String,
        /// The class of `keras.ops`, or the TensorFlow function.
        operation: String,
    },
    /// A supported layer with an option that is not supported.
    #[error("layer '{layer}' ({class}): {option} = {value} is not supported; {hint}")]
    UnsupportedOption {
        /// The layer's name in the model.
        layer: String,
        /// Its Keras class.
        class: String,
        /// The key in the layer's configuration.
        option: String,
        /// Its value, as JSON.
        value: String,
        /// What would be accepted.
        hint: String,
    },
    /// A layer that does not fit what comes before it, or itself.
    #[error("layer '{layer}' ({class}): {reason}")]
    Layer {
        /// The layer's name in the model.
        layer: String,
        /// Its Keras class.
        class: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HDF5 data with the weights (`model.weights.h5` of an archive) cannot be read.
    #[error("the HDF5 data of the model: {0}")]
    WeightsFile(String),
    /// The weights of one layer are missing, surplus, or not what the layer asks for.
    #[error("the weights of layer '{layer}': {reason}")]
    Weights {
        /// The layer's name in the model.
        layer: String,
        /// What is wrong with them.
        reason: String,
    },
    /// What was read makes no network.
    #[error(transparent)]
    Description(#[from] description::Error),
}
