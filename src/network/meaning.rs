//! What a classifier's output numbers are, read from its graph.

use crate::keras::{Activation, Layer, Model};

/// What the last layer of a classifier gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// One probability a class.
    Probabilities,
    /// Unbounded scores: softmax makes probabilities of them.
    Logits,
}

impl Meaning {
    /// Looks at the last layer that changes what the values mean: softmax and
    /// sigmoid give probabilities, anything else is taken for logits.
    pub fn of(model: &Model) -> Self {
        let last = model.nodes.iter().rev().find_map(|node| match &node.layer {
            Layer::Identity { .. }
            | Layer::Flatten { .. }
            | Layer::Reshape { .. }
            | Layer::GlobalAveragePooling2D { .. } => None,
            layer => Some(layer),
        });
        match last {
            Some(Layer::Softmax { .. }) => Self::Probabilities,
            Some(
                Layer::Dense { activation, .. }
                | Layer::Conv2D { activation, .. }
                | Layer::Activation { activation },
            ) if matches!(activation, Activation::Softmax | Activation::Sigmoid) => {
                Self::Probabilities
            }
            _ => Self::Logits,
        }
    }

    /// One probability a class from one example's raw `scores`, in place.
    pub fn apply(self, scores: &mut [f32]) {
        if self == Self::Probabilities {
            return;
        }
        let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for score in scores.iter_mut() {
            *score = (*score - max).exp();
            sum += *score;
        }
        for score in scores.iter_mut() {
            *score /= sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_become_probabilities_and_probabilities_stay() {
        let mut scores = [1000.0, 1000.0, -1000.0];
        Meaning::Logits.apply(&mut scores);
        assert_eq!(scores, [0.5, 0.5, 0.0]);
        let mut scores = [0.25, 0.75];
        Meaning::Probabilities.apply(&mut scores);
        assert_eq!(scores, [0.25, 0.75]);
    }

    #[test]
    fn the_last_activation_says_what_the_scores_are() {
        let model = |activation, then: Layer| {
            let node = |name: &str, layer, inputs| crate::keras::Node {
                name: name.to_owned(),
                layer,
                inputs,
                output_shape: vec![10],
                weights: Vec::new(),
            };
            let dense = Layer::Dense {
                units: 10,
                use_bias: true,
                activation,
            };
            Model {
                name: "m".to_owned(),
                keras_version: "3".to_owned(),
                nodes: vec![
                    node("in", Layer::Input, vec![]),
                    node("dense", dense, vec![0]),
                    node("last", then, vec![1]),
                ],
            }
        };
        let dropout = || Layer::Identity {
            class: "Dropout".to_owned(),
        };
        let softmax = || Layer::Softmax { axis: 0 };
        for (activation, then, meaning) in [
            (Activation::Softmax, dropout(), Meaning::Probabilities),
            (Activation::Sigmoid, dropout(), Meaning::Probabilities),
            (Activation::Linear, dropout(), Meaning::Logits),
            (Activation::Linear, softmax(), Meaning::Probabilities),
        ] {
            assert_eq!(
                Meaning::of(&model(activation, then)),
                meaning,
                "{activation:?}"
            );
        }
    }
}
