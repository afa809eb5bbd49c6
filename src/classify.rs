//! The way of a request: input, preprocess, repository, batcher, answer.
//!
//! gRPC and HTTP are thin doors to [`Classifier::classify`]; neither knows the other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::batcher::{self, Admission, Permit};
use crate::preprocess::{self, Fit, PictureError};
use crate::repository::{Model, NotFound, Repository};
use crate::telemetry::{Rejection, Telemetry};

/// What to classify, and with what.
#[derive(Debug)]
pub struct Request {
    /// The picture or its values; without one the answer is [`Error::NoInput`].
    pub input: Option<Input>,
    /// The model's name; empty for the default.
    pub model: String,
    /// The model's version; empty for the newest.
    pub version: String,
    /// How a picture becomes the model's input.
    pub fit: Fit,
}

/// One picture.
#[derive(Debug)]
pub enum Input {
    /// A file: PNG, JPEG, GIF, BMP or WebP.
    Image(Bytes),
    /// Grey values 0..=255, row by row, light ink on dark.
    Pixels(Bytes),
    /// The model's input values, passed on as they are.
    Values(Vec<f32>),
}

/// What the model says.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The most probable class.
    pub class: usize,
    /// Its probability, 0 to 1.
    pub confidence: f32,
    /// One probability a class.
    pub probabilities: Vec<f32>,
    /// The model that answered.
    pub model: Arc<Model>,
    /// From submission to the start of the forward pass.
    pub queue: Duration,
    /// The forward pass of the batch.
    pub compute: Duration,
}

/// Why there is no answer. Mapped to gRPC in `grpc::status`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to classify.
    #[error("no input: set one of image, pixels or values")]
    NoInput,
    /// Pixels for another size of picture.
    #[error(
        "pixels has {found} bytes; model '{model}' takes {expected}: {width}x{height} grey values, row by row"
    )]
    PixelCount {
        /// Bytes sent.
        found: usize,
        /// Bytes the model takes.
        expected: usize,
        /// Picture width.
        width: usize,
        /// Picture height.
        height: usize,
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
    /// The picture cannot be used.
    #[error("image: {0}")]
    Picture(PictureError),
    /// No such model or version.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// As many requests as may be are inside.
    #[error("the server is busy with as many requests as it takes; try again after a pause")]
    Full,
    /// The model is being unloaded, or the network failed.
    #[error(transparent)]
    Batcher(#[from] batcher::Error),
    /// The picture decoder has a bug.
    #[error("the picture could not be read: the decoder failed; please report the picture")]
    Decoder,
    /// The model answered with something that is no number.
    #[error(
        "model '{0}' gave an answer that is not a number; its weights or the input are out of range"
    )]
    NoNumber(String),
}

impl Error {
    fn rejection(&self) -> Option<Rejection> {
        match self {
            Self::NoInput
            | Self::PixelCount { .. }
            | Self::ValueCount { .. }
            | Self::NotFinite { .. }
            | Self::Picture(_) => Some(Rejection::Invalid),
            Self::NotFound(_) => Some(Rejection::UnknownModel),
            Self::Full => Some(Rejection::QueueFull),
            Self::Batcher(batcher::Error::Closed) => Some(Rejection::Draining),
            Self::Batcher(batcher::Error::Failed(_)) | Self::Decoder | Self::NoNumber(_) => None,
        }
    }
}

/// Bounds on what is taken in.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests inside at once.
    pub requests: usize,
    /// What a picture may be.
    pub picture: preprocess::Limits,
}

/// Classifies; shared by every door.
#[derive(Debug)]
pub struct Classifier {
    repository: Repository,
    telemetry: Arc<Telemetry>,
    admission: Admission,
    /// Pictures decoded at once: one a core, so that memory stays bounded.
    decoders: Arc<Semaphore>,
    picture: preprocess::Limits,
}

impl Classifier {
    /// A classifier over the models of `repository`.
    pub fn new(repository: Repository, telemetry: Arc<Telemetry>, limits: Limits) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            repository,
            telemetry,
            admission: Admission::new(limits.requests),
            decoders: Arc::new(Semaphore::new(cores)),
            picture: limits.picture,
        }
    }

    /// A place for a request that stands alone.
    ///
    /// # Errors
    /// [`Error::Full`], counted.
    pub fn admit(&self) -> Result<Permit, Error> {
        self.counted(self.admission.try_admit().ok_or(Error::Full))
    }

    /// A place for an item of a stream, which waits for one: the client sends
    /// no faster than it is answered.
    pub async fn wait_for_place(&self) -> Permit {
        self.admission.admit().await
    }

    /// Answers one request, which holds its place until its work is done.
    /// Dropping the future gives the request up.
    ///
    /// # Errors
    /// [`Error`]; what was turned away is counted.
    pub async fn classify(&self, request: Request, permit: Permit) -> Result<Answer, Error> {
        self.counted(self.answer(request, permit).await)
    }

    /// Counts what was turned away.
    fn counted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Some(reason) = result.as_ref().err().and_then(Error::rejection) {
            self.telemetry.rejected(reason);
        }
        result
    }

    async fn answer(&self, request: Request, mut permit: Permit) -> Result<Answer, Error> {
        let model = Arc::clone(self.repository.get(&request.model, &request.version)?);
        let values = match request.input.ok_or(Error::NoInput)? {
            Input::Image(image) => {
                let pixels;
                (pixels, permit) = self.decode(image, request.fit, &model, permit).await?;
                scaled(&pixels, model.pixel_scale)
            }
            Input::Pixels(pixels) => scaled(checked_pixels(&pixels, &model)?, model.pixel_scale),
            Input::Values(values) => checked_values(values, &model)?,
        };
        // Values may be anything finite; one absurd request must not drown the sum of all others.
        let intensity = (mean(&values) / (255.0 * f64::from(model.pixel_scale))).clamp(-1.0, 2.0);
        let output = model.batcher.infer(values, permit).await?;

        let mut probabilities = output.scores;
        model.meaning.apply(&mut probabilities);
        let (class, confidence) =
            best(&probabilities).ok_or_else(|| Error::NoNumber(model.name.clone()))?;
        model
            .instruments
            .predicted(class, f64::from(confidence), intensity);
        Ok(Answer {
            class,
            confidence,
            probabilities,
            queue: output.queue,
            compute: output.compute,
            model,
        })
    }

    /// Decodes off the runtime's threads, a bounded number at a time.
    ///
    /// A decode cannot be interrupted: its turn and the request's place go with
    /// it, so that a client that gives up does not make room for another before
    /// the work is done.
    async fn decode(
        &self,
        image: Bytes,
        fit: Fit,
        model: &Model,
        permit: Permit,
    ) -> Result<(Vec<u8>, Permit), Error> {
        let (size, limits) = (model.picture, self.picture);
        let turn = Arc::clone(&self.decoders).acquire_owned().await;
        let decoding = tokio::task::spawn_blocking(move || {
            let pixels = preprocess::decode_and_fit(&image, fit, size, &limits);
            drop(turn);
            pixels.map(|pixels| (pixels, permit))
        });
        decoding
            .await
            .map_err(|_| Error::Decoder)?
            .map_err(Error::Picture)
    }
}

fn checked_pixels<'a>(pixels: &'a [u8], model: &Model) -> Result<&'a [u8], Error> {
    let expected = model.network.input_len();
    if pixels.len() == expected {
        return Ok(pixels);
    }
    Err(Error::PixelCount {
        found: pixels.len(),
        expected,
        width: model.picture.width,
        height: model.picture.height,
        model: model.name.clone(),
    })
}

fn checked_values(values: Vec<f32>, model: &Model) -> Result<Vec<f32>, Error> {
    let expected = model.network.input_len();
    if values.len() != expected {
        return Err(Error::ValueCount {
            found: values.len(),
            expected,
            model: model.name.clone(),
        });
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(index) => Err(Error::NotFinite {
            index,
            value: values[index],
        }),
    }
}

fn scaled(pixels: &[u8], scale: f32) -> Vec<f32> {
    pixels
        .iter()
        .map(|&pixel| f32::from(pixel) * scale)
        .collect()
}

fn mean(values: &[f32]) -> f64 {
    let sum: f64 = values.iter().copied().map(f64::from).sum();
    sum / values.len() as f64
}

/// The index and value of the largest number; none if there is one that is no number.
pub fn best(values: &[f32]) -> Option<(usize, f32)> {
    if values.iter().any(|value| value.is_nan()) {
        return None;
    }
    let mut best = (0, *values.first()?);
    for (index, &value) in values.iter().enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    Some(best)
}
