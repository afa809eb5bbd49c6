//! Activations as operations.

use super::Lowering;
use super::weights::Weights;
use super::wire::{Wire, moves_nothing};
use crate::description::{Activation, PReLU, Softmax};
use crate::network::compile::op::Work;

impl Lowering<'_> {
    /// Applies `activation` to a wire of the node's own output shape.
    pub(super) fn activation(&mut self, wire: Wire, activation: Activation) -> Wire {
        if activation == Activation::Linear {
            return wire;
        }
        let wire = if activation.is_elementwise() {
            wire
        } else {
            // Along the last axis as Keras has it.
            let (axes, shape) = wire.turned(&(0..wire.axes.len()).collect::<Vec<_>>());
            let value = if moves_nothing(&axes, &wire.stored) {
                wire.value
            } else {
                self.push(Work::Permute(axes), vec![wire.source()], &shape)
            };
            Wire::row_major(value, &shape)
        };
        let value = self.push(Work::Activation, vec![wire.source()], &wire.stored);
        self.ops[value].activation = activation;
        wire.with(value, wire.stored.clone())
    }

    pub(super) fn softmax(&mut self, layer: &Softmax) -> Wire {
        let (source, order, full) = self.axes_last(&layer.axes);
        let view = source.shape.clone();
        let value = self.push(Work::Activation, vec![source], &view);
        self.ops[value].activation = Activation::Softmax;
        Wire::ordered(value, full, &order)
    }

    pub(super) fn prelu(&mut self, layer: &PReLU, mut weights: Weights) -> Wire {
        self.in_order(Work::PRelu {
            alpha: weights.take("alpha"),
            shape: layer.alpha_shape(&self.node.output_shape),
        })
    }
}
