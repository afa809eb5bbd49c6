//! An answer, as JSON has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::serving::{Answer, Shown};

/// The classes that are listed, the most probable first.
const BEST: usize = 5;

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
    /// In Base64: grey values, row by row, light ink on dark.
    pixels: String,
}

impl<'a> Answered<'a> {
    pub fn of(answer: &'a Answer) -> Self {
        let classifier = answer.model.classifier.as_ref().ok();
        let labels = classifier.and_then(|classifier| classifier.labels.as_ref());
        let label = |class: usize| {
            let name = labels.and_then(|labels| labels.get(class).cloned());
            name.unwrap_or_else(|| class.to_string())
        };
        let probabilities = &answer.probabilities;
        let mut classes: Vec<usize> = (0..probabilities.len()).collect();
        // Of equal ones the first, as the answer has it.
        let order = |a: &usize, b: &usize| {
            let by_probability = probabilities[*b].total_cmp(&probabilities[*a]);
            by_probability.then(a.cmp(b))
        };
        if classes.len() > BEST {
            classes.select_nth_unstable_by(BEST, order);
            classes.truncate(BEST);
        }
        classes.sort_unstable_by(order);
        Self {
            digit: answer.class.to_string(),
            label: label(answer.class),
            confidence: answer.confidence,
            probabilities,
            model: &answer.model.name,
            version: &answer.model.version,
            classes: classes
                .into_iter()
                .map(|class| Class {
                    class,
                    label: label(class),
                    probability: probabilities[class],
                })
                .collect(),
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
