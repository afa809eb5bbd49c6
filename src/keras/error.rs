//! What can go wrong between a model file and a [`Model`](super::Model).

use std::path::PathBuf;

/// The classes of layers that can be read, as the messages list them.
const SUPPORTED: &str = "InputLayer, Rescaling, Flatten, Reshape, Dense, Conv2D, MaxPooling2D, \
    AveragePooling2D, GlobalAveragePooling2D, BatchNormalization, Activation, ReLU, LeakyReLU, ELU, \
    Softmax, and layers that do nothing at inference (Dropout, GaussianNoise, RandomFlip and other \
    augmentation at random)";

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
    /// The file is no model file of Keras, or one of a kind that is not read.
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
    #[error("layer '{layer}' is of class {class}, which is not supported; supported: {SUPPORTED}")]
    UnsupportedLayer {
        /// The layer's name in the model.
        layer: String,
        /// Its Keras class.
        class: String,
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
    /// `model.weights.h5` cannot be read.
    #[error("model.weights.h5: {0}")]
    WeightsFile(String),
    /// The weights of one layer are missing, surplus, or not what the layer asks for.
    #[error("the weights of layer '{layer}': {reason}")]
    Weights {
        /// The layer's name in the model.
        layer: String,
        /// What is wrong with them.
        reason: String,
    },
    /// A description that no Keras model can have.
    #[error("not a valid model: {0}")]
    Model(String),
}
