//! A model seen as a classifier of pictures: how a picture becomes its input, and what its outputs mean.

mod encoding;
mod first;
mod labels;
mod meaning;
mod pixels;
mod teachable;

pub use encoding::Encoding;
pub(super) use first::FirstAnswers;
pub use labels::LabelsError;
pub(super) use labels::beside as labels_beside;
pub use meaning::Meaning;
pub use pixels::{Chosen, PixelRange};

use crate::description::Model;
use crate::preprocess::{Colours, Crop, Filter, Fit, Target};

/// What is said of the pictures that a model was trained on, where its file does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pictures {
    /// The values that pixels become.
    pub pixel_range: PixelRange,
    /// How they were resized; none for what its colours are usually resized by.
    pub resize: Option<Filter>,
    /// Whether they were cut in the proportion of the model's sides, and not stretched.
    pub keep_aspect_ratio: bool,
}

/// How pictures go into a model, and classes come out.
#[derive(Clone, Debug)]
pub struct Classifier {
    /// The picture that fills its input.
    pub picture: Target,
    /// From the picture's bytes to input values.
    pub encoding: Encoding,
    /// What those values are, and why.
    pub chosen: Chosen,
    /// What its outputs are.
    pub meaning: Meaning,
    /// How many classes there are, at least 2.
    pub classes: usize,
    /// The names of its classes, where a file beside the model gives them.
    pub labels: Option<Vec<String>>,
}

/// Why a model is no classifier of pictures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAClassifier(String);

/// What can be done with any model.
const USE_INFER: &str = "`kiln infer` runs it on arrays";

impl Classifier {
    /// Reads off the model what a picture is to it, and a score. Reads weights too, so it is to be asked before a network
    /// is made of the model.
    ///
    /// # Errors
    /// [`NotAClassifier`]: its input is no picture, or its output no score for each of several classes.
    pub fn of(model: &Model, pictures: Pictures) -> Result<Self, NotAClassifier> {
        let (inputs, outputs) = (model.inputs().len(), model.outputs().len());
        if inputs > 1 || outputs > 1 {
            return Err(NotAClassifier(format!(
                "has {inputs} inputs and {outputs} outputs; a model for pictures has one of each; {USE_INFER}"
            )));
        }
        let input = model.input_shape();
        let plane = pixels::picture_of(input).ok_or_else(|| {
            NotAClassifier(format!(
                "takes {input:?}, which is no picture: that is (height, width), up to 1024 a side, with 1, 3 or 4 channels \
                 or none, or a row of a grey square from 8x8 on. {USE_INFER}"
            ))
        })?;
        let (meaning, classes) = Meaning::of(model).map_err(NotAClassifier)?;
        let is_teachable = teachable::is_export(model);
        let chosen = match pictures.pixel_range {
            PixelRange::Auto if is_teachable => teachable::range(),
            range => range.choose(model),
        };
        let encoding = chosen.range.encoding(plane.colours, plane.channels_first);
        let encoding = encoding.ok_or_else(|| {
            NotAClassifier(format!(
                "takes {input:?}, and --pixel-range {} is for red, green and blue",
                chosen.range
            ))
        })?;
        let usual = match plane.colours {
            Colours::Grey => Filter::Bicubic,
            Colours::Rgb | Colours::Rgba => Filter::Nearest,
        };
        let picture = Target {
            size: plane.size,
            colours: plane.colours,
            filter: pictures.resize.unwrap_or(usual),
            crop: if pictures.keep_aspect_ratio {
                Crop::Pixels
            } else {
                Crop::Nothing
            },
        };
        Ok(Self {
            picture: if is_teachable && pictures.resize.is_none() {
                teachable::fitted(picture)
            } else {
                picture
            },
            encoding,
            chosen,
            meaning,
            classes,
            labels: None,
        })
    }

    /// Whether its classes are the ten digits, as far as that can be told: it sees grey, and they have no names, or those
    /// of digits.
    #[must_use]
    pub fn tells_digits(&self) -> bool {
        const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let labels = self.labels.as_ref();
        self.classes == DIGITS.len()
            && self.picture.colours == Colours::Grey
            && labels.is_none_or(|labels| *labels == DIGITS)
    }

    /// How a picture becomes its input: what shows no digits is not looked through for ink.
    #[must_use]
    pub fn fit(&self, asked: Fit) -> Fit {
        match asked {
            Fit::Auto if !self.tells_digits() => Fit::Resize,
            asked => asked,
        }
    }

    /// The labels of all classes: their names, or else their numbers.
    #[must_use]
    pub fn class_labels(&self) -> Vec<String> {
        let numbers = || (0..self.classes).map(|class| class.to_string()).collect();
        self.labels.clone().unwrap_or_else(numbers)
    }
}
