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
            let result = match effect(&node.layer) {
                Effect::Makes => true,
                Effect::Keeps => !node.inputs.is_empty() && inputs.all(|input| input),
                Effect::Loses => false,
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

/// What a layer does to probabilities.
enum Effect {
    /// Gives some, whatever it gets.
    Makes,
    /// Gives some where it gets some.
    Keeps,
    /// Gives other numbers.
    Loses,
}

fn effect(layer: &Layer) -> Effect {
    match layer {
        Layer::Softmax(_) => Effect::Makes,
        Layer::Dense(layer) => effect_of(layer.activation),
        Layer::Conv2D(layer) => effect_of(layer.activation),
        Layer::Activation(layer) if layer.activation == Activation::Linear => Effect::Keeps,
        Layer::Activation(layer) => effect_of(layer.activation),
        Layer::TimeDistributed(repeated) => match effect(&repeated.layer) {
            Effect::Makes => Effect::Makes,
            Effect::Keeps | Effect::Loses => Effect::Loses,
        },
        Layer::Reduce(layer) if layer.kind == Reduction::Mean => Effect::Keeps,
        Layer::Merge(layer) if layer.op == MergeOp::Average => Effect::Keeps,
        Layer::Identity
        | Layer::Reshape(_)
        | Layer::Permute(_)
        | Layer::Slice(_)
        | Layer::StridedSlice(_)
        | Layer::Concatenate(_) => Effect::Keeps,
        Layer::Input
        | Layer::Broadcast(_)
        | Layer::Pad(_)
        | Layer::Resize2D(_)
        | Layer::Rescaling(_)
        | Layer::Normalization(_)
        | Layer::Conv2DTranspose(_)
        | Layer::Pooling2D(_)
        | Layer::Reduce(_)
        | Layer::Merge(_)
        | Layer::MergeConstant(_)
        | Layer::BatchNormalization(_)
        | Layer::LayerNormalization(_)
        | Layer::GroupNormalization(_)
        | Layer::UnitNormalization(_)
        | Layer::PReLU(_)
        | Layer::Embedding(_)
        | Layer::Recurrent(_)
        | Layer::Bidirectional(_)
        | Layer::Attention(_) => Effect::Loses,
    }
}

/// What a function does, after something that mixes values.
fn effect_of(activation: Activation) -> Effect {
    match activation {
        Activation::Softmax
        | Activation::Sparsemax
        | Activation::Sigmoid
        | Activation::HardSigmoid { .. }
        | Activation::SparseSigmoid => Effect::Makes,
        _ => Effect::Loses,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::{Dense, Description, Merge, Node, Softmax, Summary};

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
        Layer::Dense(Dense {
            units: 10,
            use_bias: true,
            activation,
        })
    }

    #[test]
    fn the_last_activation_says_what_the_scores_are() {
        let softmax = || Layer::Softmax(Softmax { axes: vec![0] });
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
                (Layer::Merge(Merge { op }), vec![1, 2]),
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
