//! Whether the answers to the first pictures look as if the pixels' range had been guessed wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Classifier;
use crate::serving::Model;

/// So many pictures are looked at, no two of which are equally light.
const LOOKED_AT: usize = 8;
/// Probabilities that differ by less are alike.
const ALIKE: f32 = 0.02;
/// What is as sure as this is saturated: an ordinary network seldom is, and of some pictures only.
const SURE: f32 = 0.999_99;

/// What is wrong with all of the first answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// Whatever the picture, the answer is the same.
    Alike,
    /// Whatever the picture, one class has all of the probability.
    Saturated,
}

/// The first answers of a model, until enough of them were seen.
#[derive(Debug, Default)]
pub struct FirstAnswers {
    is_done: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// How light the pictures were.
    lightness: Vec<f64>,
    first: Vec<f32>,
    are_alike: bool,
    are_saturated: bool,
}

impl FirstAnswers {
    /// For a model whose pixels' range was guessed. Digits are told as MNIST's by their looks, and not looked at.
    pub fn of(classifier: Option<&Classifier>) -> Option<Self> {
        let is_a_guess = |one: &&Classifier| one.chosen.is_a_guess && !one.tells_digits();
        classifier.filter(is_a_guess).map(|_| Self::default())
    }

    /// Looks at an answer, to a picture as light as that, and warns if all of the first ones give reason to.
    pub fn look(&self, model: &Model, lightness: f64, probabilities: &[f32]) {
        let Some(doubt) = self.doubt(lightness, probabilities) else {
            return;
        };
        let seen = match doubt {
            Doubt::Alike => "are all alike, whatever the picture",
            Doubt::Saturated => "are all certain, whatever the picture",
        };
        let range = model.classifier.as_ref().map(|one| one.chosen.range);
        tracing::warn!(
            model = model.name,
            version = model.version,
            pixels = %range.unwrap_or_default(),
            "the first {LOOKED_AT} answers {seen}: the model may have been trained on other values; --pixel-range sets them"
        );
    }

    /// A doubt, once, if all of the first answers give reason to.
    fn doubt(&self, lightness: f64, probabilities: &[f32]) -> Option<Doubt> {
        if self.is_done.load(Ordering::Relaxed) {
            return None;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.add(lightness, probabilities);
        if seen.lightness.len() < LOOKED_AT || self.is_done.swap(true, Ordering::Relaxed) {
            return None;
        }
        let doubt = seen.doubt();
        *seen = Seen::default();
        doubt
    }
}

impl Seen {
    fn add(&mut self, lightness: f64, probabilities: &[f32]) {
        // The same picture again says nothing.
        if self.lightness.contains(&lightness) {
            return;
        }
        let is_saturated = probabilities
            .iter()
            .all(|&p| !(1.0 - SURE..=SURE).contains(&p));
        if self.lightness.is_empty() {
            self.first = probabilities.to_vec();
            (self.are_alike, self.are_saturated) = (true, is_saturated);
        } else {
            let mut pairs = self.first.iter().zip(probabilities);
            self.are_alike &= pairs.all(|(first, own)| (first - own).abs() < ALIKE);
            self.are_saturated &= is_saturated;
        }
        self.lightness.push(lightness);
    }

    fn doubt(&self) -> Option<Doubt> {
        if self.are_saturated {
            return Some(Doubt::Saturated);
        }
        self.are_alike.then_some(Doubt::Alike)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(answer: impl Fn(usize) -> [f32; 3], light: impl Fn(usize) -> f64) -> Vec<Doubt> {
        let first = FirstAnswers::default();
        let looks = (0..4 * LOOKED_AT).filter_map(|i| first.doubt(light(i), &answer(i)));
        looks.collect()
    }

    #[test]
    fn answers_that_are_all_alike_or_all_certain_are_doubted_once() {
        let light = |i| i as f64;
        let wavers = |i: usize| 0.01 * (i % 2) as f32;
        let alike = doubt(|i| [0.6 + wavers(i), 0.4 - wavers(i), 0.0], light);
        assert_eq!(alike, [Doubt::Alike]);
        let saturated = |i: usize| std::array::from_fn(|class| f32::from(u8::from(class == i % 3)));
        assert_eq!(doubt(saturated, light), [Doubt::Saturated]);
        let usual = |i: usize| {
            if i == 3 {
                [0.1, 0.2, 0.7]
            } else {
                [1.0, 0.0, 0.0]
            }
        };
        assert_eq!(doubt(usual, light), []);
    }

    #[test]
    fn the_same_picture_again_is_no_reason_to_doubt() {
        assert_eq!(doubt(|_| [1.0, 0.0, 0.0], |_| 0.5), []);
    }
}
