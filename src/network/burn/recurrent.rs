//! `LSTM`, `GRU` and `SimpleRNN`, one way or both.

use std::sync::Arc;

use burn::prelude::*;

use super::activation::activate;
use super::dense::bias;
use super::{Forward, take, tensor};
use crate::description::{self, BidirectionalMerge, Cell};
use crate::network::Error;
use crate::network::compile::RecurrentWork;

/// A recurrent layer over `[steps, features]`.
#[derive(Debug)]
pub(super) struct Recurrent {
    options: description::Recurrent,
    steps: usize,
    /// `[features, gates * units]`.
    kernel: Tensor<2>,
    /// `[units, gates * units]`.
    recurrent_kernel: Tensor<2>,
    /// Of the input's product, `[1, gates * units]`.
    bias: Option<Tensor<2>>,
    /// Of the state's product, for a GRU with `reset_after`.
    recurrent_bias: Option<Tensor<2>>,
}

impl Recurrent {
    pub fn new(work: RecurrentWork, input: &[usize], device: &Device) -> Self {
        let RecurrentWork {
            options,
            kernel,
            recurrent_kernel,
            bias: mut first,
        } = work;
        let width = options.units * options.cell.gates();
        let second = first.split_off(width.min(first.len()));
        let features = kernel.len() / width;
        let [kernel, recurrent_kernel] = [kernel, recurrent_kernel].map(Arc::unwrap_or_clone);
        let row = |values| bias(values, device).map(|bias| bias.reshape([1, width]));
        Self {
            options,
            steps: input.first().copied().unwrap_or(1),
            kernel: tensor(kernel, [features, width], device),
            recurrent_kernel: tensor(recurrent_kernel, [options.units, width], device),
            bias: row(first),
            recurrent_bias: row(second),
        }
    }

    /// What each step gives, or the last one, `[batch, units]` each, in the order in which they
    /// are made.
    fn run(&self, values: Tensor<2>) -> Vec<Tensor<2>> {
        let inputs = self.projected(values);
        let [batch, _, width] = inputs.dims();
        let zeros = || Tensor::zeros([batch, self.options.units], &inputs.device());
        let mut state = (zeros(), zeros());
        let mut outputs = Vec::new();
        for step in 0..self.steps {
            let at = match self.options.go_backwards {
                true => self.steps - 1 - step,
                false => step,
            };
            let input = inputs.clone().narrow(1, at, 1).reshape([batch, width]);
            state = self.step(input, state);
            if self.options.return_sequences {
                outputs.push(state.0.clone());
            }
        }
        if outputs.is_empty() {
            outputs.push(state.0);
        }
        outputs
    }

    /// All steps times the kernel, at once: `[batch, steps, gates * units]`.
    fn projected(&self, values: Tensor<2>) -> Tensor<3> {
        let [batch, _] = values.dims();
        let [features, width] = self.kernel.dims();
        let rows = values.reshape([batch * self.steps, features]);
        let product = rows.matmul(self.kernel.clone());
        let product = match &self.bias {
            Some(bias) => product + bias.clone(),
            None => product,
        };
        product.reshape([batch, self.steps, width])
    }

    /// The next state (and, for LSTM, carry) of a step's projected input.
    fn step(
        &self,
        input: Tensor<2>,
        (state, carry): (Tensor<2>, Tensor<2>),
    ) -> (Tensor<2>, Tensor<2>) {
        match self.options.cell {
            Cell::Simple => {
                let sum = input + state.matmul(self.recurrent_kernel.clone());
                (self.activate(sum), carry)
            }
            Cell::Lstm => {
                let sum = input + state.matmul(self.recurrent_kernel.clone());
                let [i, f, c, o] = [0, 1, 2, 3].map(|gate| self.gate(&sum, gate));
                let carry = self.gated(f) * carry + self.gated(i) * self.activate(c);
                (self.gated(o) * self.activate(carry.clone()), carry)
            }
            Cell::Gru { reset_after } => (self.gru(&input, state, reset_after), carry),
        }
    }

    fn gru(&self, input: &Tensor<2>, state: Tensor<2>, reset_after: bool) -> Tensor<2> {
        let kernel = self.recurrent_kernel.clone();
        let [x_z, x_r, x_h] = [0, 1, 2].map(|gate| self.gate(input, gate));
        let units = self.options.units;
        let (z, candidate) = if reset_after {
            let mut inner = state.clone().matmul(kernel);
            if let Some(bias) = &self.recurrent_bias {
                inner = inner + bias.clone();
            }
            let [z, r, h] = [0, 1, 2].map(|gate| self.gate(&inner, gate));
            (self.gated(x_z + z), x_h + self.gated(x_r + r) * h)
        } else {
            let inner = state.clone().matmul(kernel.clone().narrow(1, 0, 2 * units));
            let r = self.gated(x_r + self.gate(&inner, 1));
            let h = (r * state.clone()).matmul(kernel.narrow(1, 2 * units, units));
            (self.gated(x_z + self.gate(&inner, 0)), x_h + h)
        };
        let keep = z.clone() * state;
        keep + (z.neg() + 1.0) * self.activate(candidate)
    }

    fn gate(&self, all: &Tensor<2>, gate: usize) -> Tensor<2> {
        let units = self.options.units;
        all.clone().narrow(1, gate * units, units)
    }

    fn activate(&self, values: Tensor<2>) -> Tensor<2> {
        activate(values, self.options.activation, self.options.units)
    }

    fn gated(&self, values: Tensor<2>) -> Tensor<2> {
        activate(
            values,
            self.options.recurrent_activation,
            self.options.units,
        )
    }
}

impl Forward for Recurrent {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        let outputs = self.run(values);
        Ok(Tensor::cat(outputs, 1))
    }
}

/// `keras.layers.Bidirectional`.
#[derive(Debug)]
pub(super) struct Bidirectional {
    forward: Recurrent,
    backward: Recurrent,
    merge: BidirectionalMerge,
}

impl Bidirectional {
    pub fn new(
        [forward, backward]: [RecurrentWork; 2],
        merge: BidirectionalMerge,
        input: &[usize],
        device: &Device,
    ) -> Self {
        Self {
            forward: Recurrent::new(forward, input, device),
            backward: Recurrent::new(backward, input, device),
            merge,
        }
    }
}

impl Forward for Bidirectional {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        let forward = self.forward.run(values.clone());
        // Its steps come last first.
        let backward = self.backward.run(values).into_iter().rev();
        let steps = forward.into_iter().zip(backward);
        let merged = steps.map(|(a, b)| match self.merge {
            BidirectionalMerge::Concat => Tensor::cat(vec![a, b], 1),
            BidirectionalMerge::Sum => a + b,
            BidirectionalMerge::Multiply => a * b,
            BidirectionalMerge::Average => (a + b) / 2.0,
        });
        Ok(Tensor::cat(merged.collect(), 1))
    }
}
