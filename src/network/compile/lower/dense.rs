//! Layers that multiply by a matrix, or look values up in one, as operations.

use std::sync::Arc;

use super::Lowering;
use super::weights::Weights;
use super::wire::Wire;
use crate::description::{Dense, Embedding};
use crate::network::compile::op::{Linear, Work};

impl Lowering<'_> {
    pub(super) fn dense(&mut self, layer: &Dense, weights: Weights) -> Wire {
        let shape = &self.node.output_shape;
        let source = self.plain(0);
        let work = Work::Dense(linear(weights, layer.units));
        let value = self.push(work, vec![source], shape);
        self.activation(Wire::row_major(value, shape), layer.activation)
    }

    pub(super) fn embedding(&mut self, layer: &Embedding, mut weights: Weights) -> Wire {
        self.in_order(Work::Embedding {
            table: weights.take("embeddings"),
            width: layer.output_dim,
        })
    }
}

pub(super) fn linear(mut weights: Weights, outputs: usize) -> Linear {
    Linear {
        kernel: Arc::new(weights.take("kernel")),
        bias: Arc::new(weights.take("bias")),
        outputs,
    }
}
