//! An answer, as JSON has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::serving::{Answer, Ranked, Shown};

#[derive(Serialize)]
pub(super) struct Answered<'a> {
    /// The number of the class.
    digit: String,
    /// Its name, if the classes have names, else its number.
    label: String,
    confidence: f32,
    probabilities: &'a [f32],
    model: &'a str,
    version: &'a str,
    /// The best, the most probable first.
    classes: Vec<Class>,
    timing: Timing,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Input>,
}

#[derive(Serialize)]
struct Class {
    class: usize,
    label: String,
    probability: f32,
}

#[derive(Serialize)]
struct Timing {
    queue_us: u64,
    compute_us: u64,
}

/// What the network saw.
#[derive(Serialize)]
struct Input {
    width: usize,
    height: usize,
    channels: usize,
    /// In Base64: bytes row by row, all channels of a pixel together.
    pixels: String,
}

impl<'a> Answered<'a> {
    /// With its `top` best classes.
    pub fn of(answer: &'a Answer, top: usize) -> Self {
        let class = |ranked: Ranked| Class {
            class: ranked.index,
            label: ranked.label,
            probability: ranked.probability,
        };
        let number = answer.class.to_string();
        Self {
            label: answer.label.clone().unwrap_or_else(|| number.clone()),
            digit: number,
            confidence: answer.confidence,
            probabilities: &answer.probabilities,
            model: &answer.model.name,
            version: &answer.model.version,
            classes: answer.top(top).into_iter().map(class).collect(),
            timing: Timing {
                queue_us: answer.timing.queue_micros(),
                compute_us: answer.timing.compute_micros(),
            },
            input: answer.shown.as_ref().map(Input::of),
        }
    }
}

impl Input {
    fn of(shown: &Shown) -> Self {
        Self {
            width: shown.picture.size.width,
            height: shown.picture.size.height,
            channels: shown.picture.colours.channels(),
            pixels: STANDARD.encode(&shown.pixels),
        }
    }
}
