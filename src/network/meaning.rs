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
