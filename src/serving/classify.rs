//! A picture in, probabilities out: a network's inputs and outputs, with a picture before them and a meaning after.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tracing::Instrument as _;

use super::batcher::{Input, Timing, Values};
use super::classifier::{Classifier, Encoding};
use super::{Caller, Error, Model, Permit, Serving, span};
use crate::preprocess::{Fit, Target};

/// What to classify, and with what.
#[derive(Debug)]
pub struct PictureRequest {
    /// The picture or its values; without one the answer is [`Error::NoInput`].
    pub input: Option<Picture>,
    /// The model's name; empty for the default.
    pub model: String,
    /// The model's version; empty for the newest.
    pub version: String,
    /// How a picture becomes the model's input.
    pub fit: Fit,
    /// Whether the answer is to have what the network saw.
    pub show_input: bool,
}

/// One picture.
#[derive(Debug)]
pub enum Picture {
    /// A file: PNG, JPEG, GIF, BMP or WebP.
    Image(Bytes),
    /// The bytes of pixels, row by row: grey values, light ink on dark, or red, green and blue.
    Pixels(Bytes),
    /// The model's input values, passed on as they are.
    Values(Vec<f32>),
}

/// What the model says.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The most probable class.
    pub class: usize,
    /// The name of the class, if the model's classes have names.
    pub label: Option<String>,
    /// Its probability, 0 to 1.
    pub confidence: f32,
    /// One probability a class.
    pub probabilities: Vec<f32>,
    /// The model that answered.
    pub model: Arc<Model>,
    /// How long it waited and computed.
    pub timing: Timing,
    /// What the network saw, if that was asked for.
    pub shown: Option<Shown>,
}

/// A model's input as a picture.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its size and its colours.
    pub picture: Target,
    /// Its pixels, row by row.
    pub pixels: Bytes,
}

impl Serving {
    /// Classifies one picture, which holds its place until its work is done. Dropping the future gives the request up.
    ///
    /// # Errors
    /// [`Error`]; what was turned away is counted.
    pub async fn classify(
        &self,
        request: PictureRequest,
        permit: Permit,
        caller: Caller<'_>,
    ) -> Result<Answer, Error> {
        let (span, started) = (span::classify(), Instant::now());
        let answer = self.answer(request, permit, caller);
        let answer = self.counted(answer.instrument(span.clone()).await);
        let done = answer
            .as_ref()
            .map(|answer| (&*answer.model, &answer.timing));
        span::end(&span, done);
        let answer = answer?;
        let values = answer.model.network.input_len();
        self.answered(caller, values, started.elapsed());
        Ok(answer)
    }

    async fn answer(
        &self,
        request: PictureRequest,
        mut permit: Permit,
        caller: Caller<'_>,
    ) -> Result<Answer, Error> {
        let model = self.repository.find(&request.model, &request.version)?;
        let classifier = as_classifier(&model)?;
        let pixels = |bytes| Input::pixels(bytes, classifier.encoding.clone());
        let input = match request.input.ok_or(Error::NoInput)? {
            Picture::Image(image) => {
                let decoded;
                (decoded, permit) = self
                    .decoding
                    .decode(
                        image,
                        classifier.fit(request.fit),
                        classifier.picture,
                        permit,
                    )
                    .await?;
                pixels(decoded.into())
            }
            Picture::Pixels(bytes) => pixels(checked_pixels(bytes, &model, classifier.picture)?),
            Picture::Values(values) => Input::values(checked_values(values, &model)?, 1),
        };
        let shown = request
            .show_input
            .then(|| Shown::of(&input.values, classifier));
        let intensity = intensity(&input.values, &classifier.encoding);
        let output = model.batcher.infer(input, permit, caller.lane).await?;

        let mut probabilities = output.values;
        classifier.meaning.apply(&mut probabilities);
        let (class, confidence) =
            best(&probabilities).ok_or_else(|| Error::NotANumber(model.name.clone()))?;
        model
            .instruments
            .predicted(class, f64::from(confidence), intensity);
        if let Some(first) = &model.first_answers {
            first.look(&model, intensity, &probabilities);
        }
        let labels = classifier.labels.as_ref();
        Ok(Answer {
            class,
            label: labels.and_then(|labels| labels.get(class).cloned()),
            confidence,
            probabilities,
            timing: output.timing,
            shown,
            model,
        })
    }
}

impl Shown {
    fn of(input: &Values, classifier: &Classifier) -> Self {
        Self {
            picture: classifier.picture,
            pixels: match input {
                Values::Pixels { bytes, .. } => bytes.clone(),
                Values::Floats(values) => classifier.encoding.decode(values).into(),
            },
        }
    }
}

fn as_classifier(model: &Model) -> Result<&Classifier, Error> {
    let classifier = model.classifier.as_ref();
    classifier.map_err(|reason| Error::NotAClassifier {
        model: model.name.clone(),
        reason: reason.to_string(),
    })
}

/// The mean of an input as a share of full scale. Values may be anything finite; one absurd request
/// must not drown the sum of all others.
fn intensity(input: &Values, encoding: &Encoding) -> f64 {
    let mean = match input {
        Values::Pixels { bytes, .. } => {
            // In pieces whose sum fits 16 bits, for which there are vector instructions everywhere.
            let piece = |bytes: &[u8]| bytes.iter().map(|&byte| u16::from(byte)).sum::<u16>();
            let sum: u64 = bytes.chunks(256).map(|bytes| u64::from(piece(bytes))).sum();
            sum as f64 / bytes.len() as f64
        }
        Values::Floats(values) => {
            let sum: f64 = values.iter().copied().map(f64::from).sum();
            encoding.mean_of_bytes(sum / values.len() as f64)
        }
    };
    (mean / 255.0).clamp(-1.0, 2.0)
}

fn checked_pixels(pixels: Bytes, model: &Model, picture: Target) -> Result<Bytes, Error> {
    let expected = model.network.input_len();
    if pixels.len() == expected {
        return Ok(pixels);
    }
    Err(Error::PixelCount {
        found: pixels.len(),
        expected,
        picture,
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
#[must_use]
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
