//! `GET /models`: what can be asked.

use serde::Serialize;

use super::Door;
use super::answer::{Answer, json};
use super::problem::Problem;
use crate::serving::Model;
use crate::serving::classifier::Classifier;

#[derive(Serialize)]
struct Listed<'a> {
    /// Who answers where no model is named.
    default: &'a str,
    models: Vec<Listing<'a>>,
}

#[derive(Serialize)]
struct Listing<'a> {
    name: &'a str,
    version: &'a str,
    /// Whether it classifies pictures; a model that does not says why.
    classifier: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(flatten)]
    seen: Option<Seen<'a>>,
}

/// A model as a classifier.
#[derive(Serialize)]
struct Seen<'a> {
    /// Whether its classes are the ten digits.
    digits: bool,
    picture: Size,
    /// What its outputs are.
    outputs: &'static str,
    classes: usize,
    labels: Option<&'a [String]>,
}

#[derive(Serialize)]
struct Size {
    width: usize,
    height: usize,
    channels: usize,
}

pub(super) fn answer(door: &Door) -> Answer {
    match door.serving.models() {
        Ok((default, models)) => json(&Listed {
            default: &default,
            models: models.iter().map(|model| Listing::of(model)).collect(),
        }),
        Err(error) => Problem::from(error).into_answer(),
    }
}

impl<'a> Listing<'a> {
    fn of(model: &'a Model) -> Self {
        let classifier = model.classifier.as_ref();
        Self {
            name: &model.name,
            version: &model.version,
            classifier: classifier.is_ok(),
            reason: classifier.err().map(|reason| format!("it {reason}")),
            seen: classifier.ok().map(Seen::of),
        }
    }
}

impl<'a> Seen<'a> {
    fn of(classifier: &'a Classifier) -> Self {
        Self {
            digits: classifier.tells_digits(),
            picture: Size {
                width: classifier.picture.size.width,
                height: classifier.picture.size.height,
                channels: classifier.picture.colours.channels(),
            },
            outputs: classifier.meaning.name(),
            classes: classifier.classes,
            labels: classifier.labels.as_deref(),
        }
    }
}
