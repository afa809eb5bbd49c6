//! Recurrent layers and attention.

use std::sync::Arc;

use super::{Translation, activation};
use crate::description::{self, BidirectionalMerge};
use crate::network::compile::op::RecurrentWork;
use crate::network::kernels::{Activation, Attention, Cell, Outputs, Recurrent, Refused, Value};

impl Translation<'_> {
    pub(super) fn attention(&mut self, attention: &Attention) -> Result<Value, Refused> {
        let [queries, keys, values] = &self.op.inputs[..] else {
            return Err(self.refused());
        };
        let is_sequence = [queries, keys, values].map(|source| source.shape.len() == 2);
        if is_sequence != [true; 3] {
            return Err(self.refused());
        }
        let inputs = self.inputs.try_into().map_err(|_| self.refused())?;
        self.builder.attention(inputs, *attention)
    }

    pub(super) fn recurrent(&mut self, work: &RecurrentWork) -> Result<Value, Refused> {
        self.one_way(work, Outputs::AsMade)
    }

    pub(super) fn bidirectional(
        &mut self,
        forward: &RecurrentWork,
        backward: &RecurrentWork,
        merge: BidirectionalMerge,
    ) -> Result<Value, Refused> {
        let forward = self.one_way(forward, Outputs::AsMade)?;
        let backward = self.one_way(backward, Outputs::Reversed)?;
        let builder = &mut *self.builder;
        match merge {
            BidirectionalMerge::Concat => builder.concat(&[forward, backward]),
            BidirectionalMerge::Multiply => builder.multiply(forward, backward, Activation::LINEAR),
            BidirectionalMerge::Sum => builder.add(forward, backward, Activation::LINEAR),
            BidirectionalMerge::Average => {
                let sum = builder.add(forward, backward, Activation::LINEAR)?;
                builder.affine(sum, vec![0.5], vec![0.0], Activation::LINEAR)
            }
        }
    }

    /// `all` is the order in which it gives its states, if it gives all of them.
    fn one_way(&mut self, work: &RecurrentWork, all: Outputs) -> Result<Value, Refused> {
        let options = &work.options;
        let cell = match options.cell {
            description::Cell::Simple => Cell::Simple,
            description::Cell::Lstm => Cell::Lstm,
            description::Cell::Gru { reset_after: true } => Cell::Gru,
            description::Cell::Gru { reset_after: false } => return Err(self.refused()),
        };
        if self.op.input().len() != 2 {
            return Err(self.refused());
        }
        let function = |of: description::Activation| activation(of).ok_or_else(|| self.refused());
        let width = options.units * options.cell.gates();
        let mut bias = work.bias.clone();
        bias.resize(2 * width, 0.0);
        let recurrent_bias = bias.split_off(width);
        let layer = Recurrent {
            cell,
            units: options.units,
            activation: function(options.activation)?,
            recurrent_activation: function(options.recurrent_activation)?,
            kernel: Arc::clone(&work.kernel),
            recurrent_kernel: Arc::clone(&work.recurrent_kernel),
            bias,
            recurrent_bias,
            backwards: options.go_backwards,
            outputs: if options.return_sequences {
                all
            } else {
                Outputs::Last
            },
        };
        let input = self.input()?;
        self.builder.recurrent(input, layer)
    }
}
