//! The way of a request: input, preprocess, repository, batcher, answer.
//!
//! gRPC and HTTP are thin doors to [`Classifier::classify`]; neither knows the other.

use std::panic::catch_unwind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::preprocess::{self, Fit, PictureError, Size};
use crate::serving::batcher::{self, Lane};
use crate::serving::repository::{Model, NotFound, Repository};
use crate::serving::{Admission, Permit};
use crate::telemetry::{Rejection, Telemetry};

/// The largest picture that is decoded on the thread that read it.
const SMALL_BYTES: usize = 8 * 1024;
const SMALL_PIXELS: u64 = 64 * 64;

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

impl Answer {
    /// The name of the class, if the model's classes have names.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        let labels = self.model.labels.as_ref()?;
        labels.get(self.class).map(String::as_str)
    }
}

/// Why there is no answer. Mapped to gRPC in `grpc::call::status`.
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
    /// No model is warm yet.
    #[error("the models are still being loaded; try again in a moment")]
    Loading,
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
            Self::Loading => Some(Rejection::Loading),
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
    /// Empty while the models are being loaded.
    repository: OnceLock<Repository>,
    telemetry: Arc<Telemetry>,
    admission: Admission,
    /// Pictures decoded at once: one a core, so that memory stays bounded.
    decoders: Arc<Semaphore>,
    picture: preprocess::Limits,
}

impl Classifier {
    /// A classifier without models: [`Error::Loading`] to everybody until [`Classifier::serve`].
    pub fn new(telemetry: Arc<Telemetry>, limits: Limits) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let admission = Admission::new(limits.requests);
        let watched = admission.clone();
        telemetry.watch_requests(admission.limit(), move || watched.inside());
        Self {
            repository: OnceLock::new(),
            telemetry,
            admission,
            decoders: Arc::new(Semaphore::new(cores)),
            picture: limits.picture,
        }
    }

    /// From now on the models of `repository` answer; the first call counts.
    pub fn serve(&self, repository: Repository) {
        let _ = self.repository.set(repository);
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

    /// Answers one request, which holds its place until its work is done. `lane` is that of the thread that asks, if it
    /// has one. Dropping the future gives the request up.
    ///
    /// # Errors
    /// [`Error`]; what was turned away is counted.
    pub async fn classify(
        &self,
        request: Request,
        permit: Permit,
        lane: Option<&Lane>,
    ) -> Result<Answer, Error> {
        self.counted(self.answer(request, permit, lane).await)
    }

    /// Counts what was turned away.
    fn counted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Some(reason) = result.as_ref().err().and_then(Error::rejection) {
            self.telemetry.rejected(reason);
        }
        result
    }

    async fn answer(
        &self,
        request: Request,
        mut permit: Permit,
        lane: Option<&Lane>,
    ) -> Result<Answer, Error> {
        let repository = self.repository.get().ok_or(Error::Loading)?;
        let model = Arc::clone(repository.get(&request.model, &request.version)?);
        let pixels = |bytes| batcher::Input::Pixels {
            bytes,
            scale: model.pixel_scale,
        };
        let input = match request.input.ok_or(Error::NoInput)? {
            Input::Image(image) => {
                let decoded;
                (decoded, permit) = self
                    .decode(image, request.fit, model.picture, permit)
                    .await?;
                pixels(decoded.into())
            }
            Input::Pixels(bytes) => pixels(checked_pixels(bytes, &model)?),
            Input::Values(values) => batcher::Input::Values(checked_values(values, &model)?),
        };
        let intensity = intensity(&input, model.pixel_scale);
        let output = model.batcher.infer(input, permit, lane).await?;

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

    /// A small picture is decoded here and now, which takes less than waking another thread would;
    /// any other one off the runtime's threads, a bounded number at a time.
    ///
    /// Not every decode can be interrupted: its turn and the request's place go with it, so that
    /// a client that gives up does not make room for another before the work is done.
    async fn decode(
        &self,
        image: Bytes,
        fit: Fit,
        size: Size,
        permit: Permit,
    ) -> Result<(Vec<u8>, Permit), Error> {
        let limits = self.picture;
        if image.len() <= SMALL_BYTES {
            let max_pixels = limits.max_pixels.min(SMALL_PIXELS);
            match decode(
                &image,
                fit,
                size,
                &preprocess::Limits {
                    max_pixels,
                    ..limits
                },
            ) {
                Err(Error::Picture(PictureError::TooManyPixels { .. })) => {}
                decoded => return decoded.map(|pixels| (pixels, permit)),
            }
        }
        let turn = Arc::clone(&self.decoders).acquire_owned().await;
        let decoding = tokio::task::spawn_blocking(move || {
            let pixels = decode(&image, fit, size, &limits);
            drop(turn);
            pixels.map(|pixels| (pixels, permit))
        });
        decoding.await.map_err(|_| Error::Decoder)?
    }
}

/// A decoder that panics has a bug; it must cost its own request and no other.
fn decode(
    image: &[u8],
    fit: Fit,
    size: Size,
    limits: &preprocess::Limits,
) -> Result<Vec<u8>, Error> {
    catch_unwind(|| preprocess::decode_and_fit(image, fit, size, limits))
        .map_err(|_| Error::Decoder)?
        .map_err(Error::Picture)
}

/// The mean of an input as a share of full scale. Values may be anything finite; one absurd request
/// must not drown the sum of all others.
fn intensity(input: &batcher::Input, pixel_scale: f32) -> f64 {
    let (sum, count) = match input {
        batcher::Input::Pixels { bytes, .. } => {
            // In pieces whose sum fits 16 bits, for which there are vector instructions everywhere.
            let piece = |bytes: &[u8]| bytes.iter().map(|&byte| u16::from(byte)).sum::<u16>();
            let sum: u64 = bytes.chunks(256).map(|bytes| u64::from(piece(bytes))).sum();
            (sum as f64, bytes.len())
        }
        batcher::Input::Values(values) => {
            let sum: f64 = values.iter().copied().map(f64::from).sum();
            (sum / f64::from(pixel_scale), values.len())
        }
    };
    (sum / count as f64 / 255.0).clamp(-1.0, 2.0)
}

fn checked_pixels(pixels: Bytes, model: &Model) -> Result<Bytes, Error> {
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
