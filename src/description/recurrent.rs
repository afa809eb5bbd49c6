//! Layers that go through a sequence step by step.

use serde::{Deserialize, Serialize};

use super::activation::Activation;
use super::describe::Describe;
use super::layer::Layer;
use super::limits::MAX_ELEMENTS;
use super::shape::{Shape, ShapeError, check, error, one, with_last};
use super::weight::{NO_WEIGHTS, WeightSpec, first, weight};
use super::work::times;

/// A recurrent layer of `units`, for an input `(steps, features)`: `LSTM`, `GRU`, `SimpleRNN`.
///
/// Weights: `kernel (features, gates * units)`, `recurrent_kernel (units, gates * units)`, and with
/// `use_bias` `bias (gates * units)`; for a GRU with `reset_after` `bias (2, 3 * units)`, the input's
/// first and the state's second. The gates side by side: LSTM i, f, c, o; GRU z, r, h.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Recurrent {
    /// Which one.
    pub cell: Cell,
    /// Size of the output.
    pub units: usize,
    /// Of what is written (and for LSTM of what is read as well); `tanh` by default.
    pub activation: Activation,
    /// Of the gates; `sigmoid` by default. Not used by `SimpleRNN`.
    pub recurrent_activation: Activation,
    /// Whether there is a bias.
    pub use_bias: bool,
    /// Whether the output of every step is given, `(steps, units)`, or of the last one, `(units)`.
    pub return_sequences: bool,
    /// Whether the last step comes first; outputs are in the order in which they are made.
    pub go_backwards: bool,
}

/// A recurrent cell.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `keras.layers.SimpleRNN`
    Simple,
    /// `keras.layers.LSTM`
    Lstm,
    /// `keras.layers.GRU`
    Gru {
        /// Whether the reset gate comes after the product with the state (and biases are two).
        reset_after: bool,
    },
}

/// Two of them, one from each end. Weights: those of `forward`, then those of `backward`, with
/// `forward_` and `backward_` before their names.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Bidirectional {
    /// The one that begins at the start.
    pub forward: Recurrent,
    /// The one that begins at the end (its `go_backwards` is set). With `return_sequences` its
    /// output is reversed before it is merged, so that steps stand beside their own.
    pub backward: Recurrent,
    /// How the two outputs become one.
    pub merge: BidirectionalMerge,
}

/// How the two directions become one output.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum BidirectionalMerge {
    /// Side by side along the last axis: forward, backward.
    Concat,
    /// Their sum.
    Sum,
    /// Their product.
    Multiply,
    /// Their mean.
    Average,
}

/// A layer of one input, applied to each entry of the first axis by itself. Weights: those of
/// the layer.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct TimeDistributed {
    /// The layer.
    pub layer: Box<Layer>,
}

impl Cell {
    /// How many blocks of `units` stand side by side in its kernels.
    #[must_use]
    pub fn gates(self) -> usize {
        match self {
            Self::Simple => 1,
            Self::Gru { .. } => 3,
            Self::Lstm => 4,
        }
    }
}

impl Recurrent {
    fn shape(&self, input: &[usize]) -> Shape {
        self.activation.check()?;
        self.recurrent_activation.check()?;
        let &[steps, _] = input else {
            return Err(error(format!(
                "takes steps of features, but its input has the shape {input:?}"
            )));
        };
        check((1..=MAX_ELEMENTS).contains(&self.units), || {
            format!("units is {}, it must be 1 to {MAX_ELEMENTS}", self.units)
        })?;
        Ok(match self.return_sequences {
            true => vec![steps, self.units],
            false => vec![self.units],
        })
    }

    /// The weights under these names: kernel, recurrent kernel, bias.
    fn weights_named(&self, names: [&'static str; 3], input: &[usize]) -> Vec<WeightSpec> {
        let features = input.last().copied().unwrap_or(0);
        let width = self.units.saturating_mul(self.cell.gates());
        let mut weights = vec![
            weight(names[0], vec![features, width]),
            weight(names[1], vec![self.units, width]),
        ];
        if self.use_bias {
            let shape = match self.cell {
                Cell::Gru { reset_after: true } => vec![2, width],
                Cell::Gru { reset_after: false } | Cell::Lstm | Cell::Simple => vec![width],
            };
            weights.push(weight(names[2], shape));
        }
        weights
    }

    fn work_over(&self, input: &[usize]) -> u64 {
        let &[steps, features] = input else {
            return 0;
        };
        let read = features.saturating_add(self.units);
        times(1, &[steps, read, self.units, self.cell.gates()])
    }
}

impl Describe for Recurrent {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        self.shape(one(inputs)?)
    }

    fn weights(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        self.weights_named(["kernel", "recurrent_kernel", "bias"], first(inputs))
    }

    fn work(&self, inputs: &[&[usize]], _: &[usize]) -> u64 {
        self.work_over(first(inputs))
    }
}

impl Describe for Bidirectional {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let (input, forward, backward) = (one(inputs)?, &self.forward, &self.backward);
        let (there, back) = (forward.shape(input)?, backward.shape(input)?);
        check(there.len() == back.len(), || {
            "one direction gives every step, the other only the last".to_owned()
        })?;
        check(forward.go_backwards != backward.go_backwards, || {
            "both directions begin at the same end".to_owned()
        })?;
        match self.merge {
            BidirectionalMerge::Concat => {
                let width = forward.units.saturating_add(backward.units);
                Ok(with_last(&there, width))
            }
            _ if there == back => Ok(there),
            _ => Err(error(format!(
                "its directions give {there:?} and {back:?}, which cannot be merged"
            ))),
        }
    }

    fn weights(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        const FORWARD: [&str; 3] = ["forward_kernel", "forward_recurrent_kernel", "forward_bias"];
        const BACKWARD: [&str; 3] = [
            "backward_kernel",
            "backward_recurrent_kernel",
            "backward_bias",
        ];
        let mut weights = self.forward.weights_named(FORWARD, first(inputs));
        weights.extend(self.backward.weights_named(BACKWARD, first(inputs)));
        weights
    }

    fn work(&self, inputs: &[&[usize]], _: &[usize]) -> u64 {
        let input = first(inputs);
        let forward = self.forward.work_over(input);
        forward.saturating_add(self.backward.work_over(input))
    }
}

impl TimeDistributed {
    /// The layer; an error for one that cannot be repeated.
    fn inner(&self) -> Result<&Layer, ShapeError> {
        match &*self.layer {
            Layer::Input => Err(error("it cannot be repeated over steps")),
            layer => Ok(layer),
        }
    }
}

impl Describe for TimeDistributed {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let (input, layer) = (one(inputs)?, self.inner()?);
        let Some((steps, step)) = input.split_first() else {
            return Err(error("has no steps"));
        };
        Ok([&[*steps], &layer.output_shape(&[step])?[..]].concat())
    }

    fn weights(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        let step = first(inputs).get(1..).unwrap_or(&[]);
        let layer = self.inner();
        layer.map_or(NO_WEIGHTS, |layer| layer.weight_specs(&[step]))
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        match (self.inner(), first(inputs).split_first()) {
            (Ok(layer), Some((steps, step))) => {
                let after = output.get(1..).unwrap_or(&[]);
                times(layer.work(&[step], after), &[*steps])
            }
            _ => u64::MAX,
        }
    }
}
