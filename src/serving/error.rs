//! Why there is no answer. Doors translate it, in `grpc/call/status.rs` and `http/problem.rs`.

use super::NotFound;
use super::batcher;
use crate::preprocess::{PictureError, Target};
use crate::telemetry::Rejection;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to classify.
    #[error("no input: set one of image, pixels or values")]
    NoInput,
    /// Pixels for another size of picture.
    #[error(
        "pixels has {found} bytes; model '{model}' takes {expected}: {}x{} {}, row by row",
        .picture.size.width, .picture.size.height, .picture.colours
    )]
    PixelCount {
        /// Bytes sent.
        found: usize,
        /// Bytes the model takes.
        expected: usize,
        /// The picture that it takes.
        picture: Target,
        /// The model.
        model: String,
    },
    /// Too few or too many values.
    #[error("values has {found} numbers; model '{model}' takes {expected}")]
    ValueCount {
        /// Numbers sent.
        found: usize,
        /// Numbers the model takes.
        expected: usize,
        /// The model.
        model: String,
    },
    /// NaN or infinite.
    #[error("values[{index}] is {value}: every value must be a finite number")]
    NotFinite {
        /// Which value.
        index: usize,
        /// What it is.
        value: f32,
    },
    /// The input is not a whole number of examples.
    #[error(
        "the input has {found} values; {examples} examples for model '{model}' have {expected} values each"
    )]
    InputSize {
        /// Values sent.
        found: usize,
        /// Examples announced.
        examples: usize,
        /// Values that the model takes for one example.
        expected: usize,
        /// The model.
        model: String,
    },
    /// The outputs would be too large.
    #[error(
        "{examples} examples are too many for model '{model}' in one call: send at most {limit}"
    )]
    TooManyExamples {
        /// Examples sent.
        examples: usize,
        /// Examples that one call may have.
        limit: usize,
        /// The model.
        model: String,
    },
    /// The picture cannot be used.
    #[error("image: {0}")]
    Picture(PictureError),
    /// No such model or version.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The model does not classify pictures.
    #[error("model '{model}' does not classify pictures: it {reason}")]
    NotAClassifier {
        /// The model.
        model: String,
        /// What it takes or gives instead.
        reason: String,
    },
    /// As many requests as may be are inside.
    #[error("the server is busy with as many requests as it takes; try again after a pause")]
    Full,
    /// The model is being unloaded, or the network failed.
    #[error(transparent)]
    Batcher(#[from] batcher::Error),
    /// No model is warm yet.
    #[error("the models are still being loaded; try again in a moment")]
    Loading,
    /// The picture decoder has a bug.
    #[error("the picture could not be read: the decoder failed; please report the picture")]
    Decoder,
    /// The model answered with NaN.
    #[error(
        "model '{0}' gave an answer that is not a number; its weights or the input are out of range"
    )]
    NotANumber(String),
}

impl Error {
    /// Which part of the request was wrong, by the name that every door has for it.
    pub(crate) fn field(&self) -> Option<&'static str> {
        match self {
            Self::NoInput => Some("input"),
            Self::PixelCount { .. } => Some("pixels"),
            Self::ValueCount { .. } | Self::NotFinite { .. } => Some("values"),
            Self::Picture(PictureError::TooSlow { .. }) => None,
            Self::Picture(_) => Some("image"),
            _ => None,
        }
    }

    /// Under which reason it counts as turned away; none for what is the server's fault.
    pub(crate) fn rejection(&self) -> Option<Rejection> {
        match self {
            Self::Picture(PictureError::NoDigit | PictureError::SeveralDigits) => {
                Some(Rejection::NoDigit)
            }
            Self::NoInput
            | Self::PixelCount { .. }
            | Self::ValueCount { .. }
            | Self::NotFinite { .. }
            | Self::InputSize { .. }
            | Self::TooManyExamples { .. }
            | Self::NotAClassifier { .. }
            | Self::Picture(_) => Some(Rejection::Invalid),
            Self::NotFound(_) => Some(Rejection::UnknownModel),
            Self::Full => Some(Rejection::QueueFull),
            Self::Loading => Some(Rejection::Loading),
            Self::Batcher(batcher::Error::Closed) => Some(Rejection::Draining),
            Self::Batcher(batcher::Error::Failed(_)) | Self::Decoder | Self::NotANumber(_) => None,
        }
    }
}
