//! A model seen as a classifier of grey pictures: how a picture becomes its input, and what its outputs mean.

mod labels;
mod meaning;
mod pixels;

pub use labels::LabelsError;
pub(super) use labels::beside as labels_beside;
pub use meaning::Meaning;
pub use pixels::PixelRange;

use crate::description::Model;
use crate::preprocess::{Fit, Size};

/// How pictures go into a model, and classes come out.
#[derive(Clone, Debug)]
pub struct Classifier {
    /// The grey picture that fills its input.
    pub picture: Size,
    /// From a grey value 0..=255 to an input value.
    pub pixel_scale: f32,
    /// What its outputs are.
    pub meaning: Meaning,
    /// How many classes there are, at least 2.
    pub classes: usize,
    /// The names of its classes, where a file beside the model gives them.
    pub labels: Option<Vec<String>>,
}

/// Why a model is no classifier of grey pictures.
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
    /// [`NotAClassifier`]: its input is no grey picture, or its output no score for each of several classes.
    pub fn of(model: &Model, range: PixelRange) -> Result<Self, NotAClassifier> {
        let input = model.input_shape();
        let picture = pixels::picture_size(input).ok_or_else(|| {
            NotAClassifier(format!(
                "takes {input:?}; a model for grey pictures takes (height, width), \
                 (height, width, 1) or one row of a square; {USE_INFER}"
            ))
        })?;
        let classes = match *model.output_shape() {
            [classes] if classes >= 2 => classes,
            [1] => {
                return Err(NotAClassifier(format!(
                    "gives one number, as Dense(1, \"sigmoid\") does; a classifier ends in one score for each class, \
                     as Dense(2, \"softmax\") does; {USE_INFER}"
                )));
            }
            ref other => {
                return Err(NotAClassifier(format!(
                    "gives {other:?}; a classifier gives one score for each of at least 2 classes; {USE_INFER}"
                )));
            }
        };
        Ok(Self {
            picture,
            pixel_scale: range.scale(model),
            meaning: Meaning::of(model),
            classes,
            labels: None,
        })
    }

    /// Whether its classes are the ten digits, as far as that can be told: they have no names, or those of digits.
    #[must_use]
    pub fn tells_digits(&self) -> bool {
        const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let labels = self.labels.as_ref();
        self.classes == DIGITS.len() && labels.is_none_or(|labels| *labels == DIGITS)
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
