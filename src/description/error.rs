//! What can be wrong with a description.

/// Why there is no such [`Model`](super::Model).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    /// A description that no network can have.
    #[error("not a valid model: {0}")]
    Model(String),
    /// The converted file cannot be read or written.
    #[error("converted model: {0}")]
    Safetensors(String),
}
