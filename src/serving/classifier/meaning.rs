//! What a classifier's output numbers are, read from its graph.

use crate::description::{Activation, Layer, MergeOp, Model, Reduction};

/// What the last layer of a classifier gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// One probability a class.
    Probabilities,
    /// Unbounded scores: softmax makes probabilities of them.
    Logits,
}

impl Meaning {
    /// Follows through the graph what the values are: softmax, sigmoid and their
    /// like make probabilities, and layers that only move or average them keep
    /// them so. Anything else is taken for logits.
    pub fn of(model: &Model) -> Self {
        let mut probabilities: Vec<bool> = Vec::with_capacity(model.nodes().len());
        for node in model.nodes() {
            let mut inputs = node.inputs.iter().map(|&from| probabilities[from]);
            let result = match &node.layer {
                Layer::Identity
                | Layer::Reshape { .. }
                | Layer::Permute { .. }
                | Layer::Slice { .. }
                | Layer::Concatenate { .. }
                | Layer::Reduce {
                    kind: Reduction::Mean,
                    ..
                }
                | Layer::Merge {
                    op: MergeOp::Average,
                }
                | Layer::Activation {
                    activation: Activation::Linear,
                } => !node.inputs.is_empty() && inputs.all(|input| input),
                layer => makes_probabilities(layer),
            };
            probabilities.push(result);
        }
        match probabilities.last() {
            Some(true) => Self::Probabilities,
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

fn makes_probabilities(layer: &Layer) -> bool {
    let activation = match layer {
        Layer::Softmax { .. } => return true,
        Layer::TimeDistributed { layer } => return makes_probabilities(layer),
        Layer::Dense { activation, .. }
        | Layer::Conv2D { activation, .. }
        | Layer::Activation { activation } => activation,
        _ => return false,
    };
    matches!(
        activation,
        Activation::Softmax
            | Activation::Sparsemax
            | Activation::Sigmoid
            | Activation::HardSigmoid { .. }
            | Activation::SparseSigmoid
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::{Description, Node, Summary};

    #[test]
    fn logits_become_probabilities_and_probabilities_stay() {
        let mut scores = [1000.0, 1000.0, -1000.0];
        Meaning::Logits.apply(&mut scores);
        assert_eq!(scores, [0.5, 0.5, 0.0]);
        let mut scores = [0.25, 0.75];
        Meaning::Probabilities.apply(&mut scores);
        assert_eq!(scores, [0.25, 0.75]);
    }

    /// The input and then `layers`, each with its inputs.
    fn model(layers: Vec<(Layer, Vec<usize>)>) -> Model {
        let input = (Layer::Input, Vec::new());
        let layers = std::iter::once(input).chain(layers).enumerate();
        let node = |(index, (layer, inputs)): (usize, (Layer, Vec<usize>))| Node {
            name: format!("layer {index}"),
            class: "Layer".to_owned(),
            layer,
            inputs,
            output_shape: vec![10],
            weights_of: None,
            weights: Vec::new(),
        };
        let description = Description {
            name: "m".to_owned(),
            keras_version: "3".to_owned(),
            nodes: layers.map(node).collect(),
            summary: Summary::default(),
        };
        Model::new(description).unwrap()
    }

    fn dense(activation: Activation) -> Layer {
        Layer::Dense {
            units: 10,
            use_bias: true,
            activation,
        }
    }

    #[test]
    fn the_last_activation_says_what_the_scores_are() {
        let softmax = || Layer::Softmax { axes: vec![0] };
        for (activation, then, meaning) in [
            (Activation::Softmax, Layer::Identity, Meaning::Probabilities),
            (Activation::Sigmoid, Layer::Identity, Meaning::Probabilities),
            (Activation::Linear, Layer::Identity, Meaning::Logits),
            (Activation::Linear, softmax(), Meaning::Probabilities),
            (
                Activation::Softmax,
                dense(Activation::Linear),
                Meaning::Logits,
            ),
        ] {
            let model = model(vec![(dense(activation), vec![0]), (then, vec![1])]);
            assert_eq!(Meaning::of(&model), meaning, "{activation:?}");
        }
    }

    #[test]
    fn the_mean_of_two_branches_is_what_both_are() {
        let merged = |second, op| {
            model(vec![
                (dense(Activation::Softmax), vec![0]),
                (dense(second), vec![0]),
                (Layer::Merge { op }, vec![1, 2]),
            ])
        };
        for (second, op, meaning) in [
            (
                Activation::Softmax,
                MergeOp::Average,
                Meaning::Probabilities,
            ),
            (Activation::Linear, MergeOp::Average, Meaning::Logits),
            (Activation::Softmax, MergeOp::Add, Meaning::Logits),
        ] {
            assert_eq!(
                Meaning::of(&merged(second, op)),
                meaning,
                "{second:?} {op:?}"
            );
        }
    }
}
