//! What a classifier's output numbers are, read from its graph.

use super::USE_INFER;
use crate::description::{Activation, Layer, MergeOp, Model, Node, Reduction};

/// What the last layer of a classifier gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// One probability a class, which add up to 1.
    Probabilities,
    /// One probability a class, each for itself: a picture may have several of them as labels, or none.
    Labels,
    /// One probability, of the second of two classes.
    Pair,
    /// Unbounded scores: softmax makes probabilities of them.
    Logits,
}

impl Meaning {
    /// Follows through the graph what the values are, and tells how many classes there are. Softmax, sigmoid and their
    /// like make probabilities; layers that only move or average them keep them so, and so does a weighted sum whose
    /// weights are 1 together. Anything else is taken for logits.
    ///
    /// # Errors
    /// Why the outputs are none of these.
    pub fn of(model: &Model) -> Result<(Self, usize), String> {
        let mut values: Vec<Values> = Vec::with_capacity(model.nodes().len());
        for node in model.nodes() {
            let inputs: Vec<_> = node.inputs.iter().map(|&from| values[from]).collect();
            values.push(after(node, &inputs));
        }
        let last = values.last().copied().unwrap_or(Values::Others);
        match *model.output_shape() {
            [classes] if classes >= 2 => Ok((last.meaning(), classes)),
            [1] if last.meaning() == Self::Labels => Ok((Self::Pair, 2)),
            [1] => Err(format!(
                "gives one number that is no probability; a classifier ends in Dense(1, \"sigmoid\") or in one score for \
                 each class, as Dense(2, \"softmax\"); {USE_INFER}"
            )),
            ref other => Err(format!(
                "gives {other:?}; a classifier gives one score for each of at least 2 classes; {USE_INFER}"
            )),
        }
    }

    /// What a log calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Probabilities => "probabilities",
            Self::Labels => "labels",
            Self::Pair => "pair",
            Self::Logits => "logits",
        }
    }

    /// One probability a class from one example's raw `scores`, in place.
    pub fn apply(self, scores: &mut Vec<f32>) {
        match self {
            Self::Probabilities | Self::Labels => {}
            Self::Pair => scores.insert(0, 1.0 - scores.first().unwrap_or(&0.0)),
            Self::Logits => softmax(scores),
        }
    }
}

fn softmax(scores: &mut [f32]) {
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

/// What the values between two layers are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Values {
    /// Probabilities of classes times this, which is what they add up to.
    Shares(f32),
    /// Probabilities, each for itself, times this.
    Labels(f32),
    Others,
}

impl Values {
    fn meaning(self) -> Meaning {
        /// Weights of a sum are rounded.
        const ABOUT_ONE: std::ops::Range<f32> = 0.999..1.001;
        match self {
            Self::Shares(total) if ABOUT_ONE.contains(&total) => Meaning::Probabilities,
            Self::Labels(total) if ABOUT_ONE.contains(&total) => Meaning::Labels,
            _ => Meaning::Logits,
        }
    }

    fn times(self, factor: Option<f32>) -> Self {
        match (self, factor) {
            (Self::Shares(total), Some(factor)) => Self::Shares(total * factor),
            (Self::Labels(total), Some(factor)) => Self::Labels(total * factor),
            _ => Self::Others,
        }
    }

    /// The sum of all of them.
    fn sum(all: &[Self]) -> Self {
        let add = |sum: Self, next: &Self| match (sum, *next) {
            (Self::Shares(a), Self::Shares(b)) => Self::Shares(a + b),
            (Self::Others, _) | (_, Self::Others) => Self::Others,
            (Self::Shares(a) | Self::Labels(a), Self::Shares(b) | Self::Labels(b)) => {
                Self::Labels(a + b)
            }
        };
        let Some((first, rest)) = all.split_first() else {
            return Self::Others;
        };
        rest.iter().fold(*first, add)
    }

    fn mean(all: &[Self]) -> Self {
        Self::sum(all).times(Some(1.0 / all.len().max(1) as f32))
    }
}

/// What comes out of a layer.
fn after(node: &Node, inputs: &[Values]) -> Values {
    match &node.layer {
        Layer::Softmax(_) => Values::Shares(1.0),
        Layer::Dense(layer) => of_function(layer.activation),
        Layer::Conv2D(layer) => of_function(layer.activation),
        Layer::Activation(layer) if layer.activation == Activation::Linear => Values::mean(inputs),
        Layer::Activation(layer) => of_function(layer.activation),
        Layer::TimeDistributed(repeated) => match &*repeated.layer {
            Layer::Softmax(_) => Values::Shares(1.0),
            Layer::Dense(layer) => of_function(layer.activation),
            _ => Values::Others,
        },
        Layer::Rescaling(layer) if layer.offset.iter().all(|&offset| offset == 0.0) => {
            Values::mean(inputs).times(only(&layer.scale))
        }
        Layer::MergeConstant(layer) => {
            let constant = node.weights.first().and_then(|weight| only(&weight.values));
            match layer.op {
                MergeOp::Multiply => Values::mean(inputs).times(constant),
                MergeOp::Divide => Values::mean(inputs).times(constant.map(f32::recip)),
                _ => Values::Others,
            }
        }
        Layer::Reduce(layer) if layer.kind == Reduction::Mean => Values::mean(inputs),
        Layer::Merge(layer) => match layer.op {
            MergeOp::Average => Values::mean(inputs),
            MergeOp::Add => Values::sum(inputs),
            _ => Values::Others,
        },
        Layer::Identity
        | Layer::Reshape(_)
        | Layer::Permute(_)
        | Layer::Slice(_)
        | Layer::StridedSlice(_)
        | Layer::Concatenate(_) => Values::mean(inputs),
        _ => Values::Others,
    }
}

/// The one number that all of them are, if it is positive.
fn only(numbers: &[f32]) -> Option<f32> {
    let (&first, rest) = numbers.split_first()?;
    (first > 0.0 && rest.iter().all(|&number| number == first)).then_some(first)
}

/// What a function gives, after something that mixes values.
fn of_function(activation: Activation) -> Values {
    match activation {
        Activation::Softmax | Activation::Sparsemax => Values::Shares(1.0),
        Activation::Sigmoid | Activation::HardSigmoid { .. } | Activation::SparseSigmoid => {
            Values::Labels(1.0)
        }
        _ => Values::Others,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::{Dense, Description, Merge, MergeConstant, Softmax, Summary, Weight};

    #[test]
    fn logits_become_probabilities_and_probabilities_stay() {
        for (meaning, mut scores, expected) in [
            (
                Meaning::Logits,
                vec![1000.0, 1000.0, -1000.0],
                &[0.5, 0.5, 0.0][..],
            ),
            (Meaning::Probabilities, vec![0.25, 0.75], &[0.25, 0.75]),
            (Meaning::Labels, vec![0.75, 0.75], &[0.75, 0.75]),
            (Meaning::Pair, vec![0.25], &[0.75, 0.25]),
        ] {
            meaning.apply(&mut scores);
            assert_eq!(scores, expected, "{meaning:?}");
        }
    }

    /// The input and then `layers`, each with its inputs.
    fn model(layers: Vec<(Layer, Vec<usize>)>) -> Model {
        of_classes(10, layers)
    }

    fn of_classes(classes: usize, layers: Vec<(Layer, Vec<usize>)>) -> Model {
        let input = (Layer::Input, Vec::new());
        let layers = std::iter::once(input).chain(layers).enumerate();
        let node = |(index, (layer, inputs)): (usize, (Layer, Vec<usize>))| Node {
            name: format!("layer {index}"),
            class: "Layer".to_owned(),
            weights: match &layer {
                Layer::MergeConstant(_) => vec![Weight {
                    name: "constant",
                    shape: vec![1],
                    values: vec![0.5],
                }],
                _ => Vec::new(),
            },
            layer,
            inputs,
            output_shape: vec![classes],
            weights_of: None,
        };
        let description = Description {
            name: "m".to_owned(),
            keras_version: "3".to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            nodes: layers.map(node).collect(),
            summary: Summary::default(),
        };
        Model::new(description).unwrap()
    }

    fn dense(activation: Activation) -> Layer {
        units(10, activation)
    }

    fn units(units: usize, activation: Activation) -> Layer {
        Layer::Dense(Dense {
            units,
            use_bias: true,
            activation,
        })
    }

    #[test]
    fn the_last_activation_says_what_the_scores_are() {
        let softmax = || Layer::Softmax(Softmax { axes: vec![0] });
        for (activation, then, meaning) in [
            (Activation::Softmax, Layer::Identity, Meaning::Probabilities),
            (Activation::Sigmoid, Layer::Identity, Meaning::Labels),
            (Activation::Linear, Layer::Identity, Meaning::Logits),
            (Activation::Linear, softmax(), Meaning::Probabilities),
            (
                Activation::Softmax,
                dense(Activation::Linear),
                Meaning::Logits,
            ),
        ] {
            let model = model(vec![(dense(activation), vec![0]), (then, vec![1])]);
            assert_eq!(Meaning::of(&model), Ok((meaning, 10)), "{activation:?}");
        }
    }

    #[test]
    fn one_sigmoid_is_two_classes_and_one_number_is_none() {
        let of = |activation| {
            let model = of_classes(1, vec![(units(1, activation), vec![0])]);
            Meaning::of(&model)
        };
        assert_eq!(of(Activation::Sigmoid), Ok((Meaning::Pair, 2)));
        let error = of(Activation::Linear).unwrap_err();
        assert!(error.contains("Dense(1, \"sigmoid\")"), "{error}");
        assert!(of(Activation::Softmax).is_err());
    }

    #[test]
    fn a_weighted_sum_is_of_probabilities_if_its_weights_are_one_together() {
        let half = || {
            Layer::MergeConstant(MergeConstant {
                op: MergeOp::Multiply,
                shape: vec![1],
            })
        };
        let add = || Layer::Merge(Merge { op: MergeOp::Add });
        let both = |function| {
            vec![
                (dense(function), vec![0]),
                (half(), vec![1]),
                (dense(Activation::Softmax), vec![0]),
                (half(), vec![3]),
                (add(), vec![2, 4]),
            ]
        };
        for (function, meaning) in [
            (Activation::Softmax, Meaning::Probabilities),
            (Activation::Sigmoid, Meaning::Labels),
            (Activation::Linear, Meaning::Logits),
        ] {
            assert_eq!(Meaning::of(&model(both(function))), Ok((meaning, 10)));
        }
        let mut too_much = both(Activation::Softmax);
        too_much.push((add(), vec![5, 2]));
        assert_eq!(Meaning::of(&model(too_much)), Ok((Meaning::Logits, 10)));
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
                Ok((meaning, 10)),
                "{second:?} {op:?}"
            );
        }
    }
}
