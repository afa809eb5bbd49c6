//! The best classes of an answer.

use super::Answer;

/// How many classes are listed where nobody says.
pub const USUAL_TOP: usize = 5;

/// A class, and how probable it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Its place among the model's outputs.
    pub index: usize,
    /// Its name, or else its index.
    pub label: String,
    /// Its probability, 0 to 1.
    pub probability: f32,
}

impl Answer {
    /// The `count` most probable classes, or all if they are fewer, the most probable first; of equal ones the first.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<Ranked> {
        let classifier = self.model.classifier.as_ref().ok();
        let labels = classifier.and_then(|classifier| classifier.labels.as_ref());
        let label = |class: usize| {
            let name = labels.and_then(|labels| labels.get(class).cloned());
            name.unwrap_or_else(|| class.to_string())
        };
        let ranked = |index| Ranked {
            index,
            label: label(index),
            probability: self.probabilities[index],
        };
        let best = best_of(&self.probabilities, count);
        best.into_iter().map(ranked).collect()
    }
}

fn best_of(probabilities: &[f32], count: usize) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..probabilities.len()).collect();
    let order = |a: &usize, b: &usize| {
        let by_probability = probabilities[*b].total_cmp(&probabilities[*a]);
        by_probability.then(a.cmp(b))
    };
    if classes.len() > count {
        classes.select_nth_unstable_by(count, order);
        classes.truncate(count);
    }
    classes.sort_unstable_by(order);
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_of_equal_ones_the_first() {
        let probabilities = [0.1, 0.3, 0.0, 0.3, 0.2];
        assert_eq!(best_of(&probabilities, 3), [1, 3, 4]);
        assert_eq!(best_of(&probabilities, 9), [1, 3, 4, 0, 2]);
        assert!(best_of(&probabilities, 0).is_empty());
    }
}
