//! Layers over sequences as operations, in Keras's own order of axes.

use std::sync::Arc;

use super::Lowering;
use super::weights::Weights;
use super::wire::Wire;
use crate::description::{Attention, Bidirectional, Layer, Node, Recurrent, TimeDistributed};
use crate::network::Error;
use crate::network::compile::op::{self, INPUT, RecurrentWork, Work};

impl Lowering<'_> {
    pub(super) fn recurrent(&mut self, layer: Recurrent, mut weights: Weights) -> Wire {
        let work = direction(&mut weights, "", layer);
        self.in_order(Work::Recurrent(Box::new(work)))
    }

    pub(super) fn bidirectional(&mut self, layer: &Bidirectional, mut weights: Weights) -> Wire {
        let forward = direction(&mut weights, "forward_", layer.forward);
        let backward = direction(&mut weights, "backward_", layer.backward);
        self.in_order(Work::Bidirectional {
            forward: Box::new(forward),
            backward: Box::new(backward),
            merge: layer.merge,
        })
    }

    pub(super) fn attention(&mut self, layer: &Attention, mut weights: Weights) -> Wire {
        let learned = weights.take("scale").first().copied().unwrap_or(1.0);
        self.in_order(Work::Attention(op::Attention {
            heads: layer.heads,
            scale: layer.scale * learned,
            causal: layer.causal,
        }))
    }

    /// A graph of its own for each entry of the first axis.
    pub(super) fn time_distributed(
        &mut self,
        layer: &TimeDistributed,
        weights: Weights,
    ) -> Result<Wire, Error> {
        let source = self.plain(0);
        let input = Node {
            name: self.node.name.clone(),
            class: self.node.class.clone(),
            layer: Layer::Input,
            inputs: Vec::new(),
            output_shape: source.shape.get(1..).unwrap_or_default().to_vec(),
            weights_of: None,
            weights: Vec::new(),
        };
        let shape = &self.node.output_shape;
        let inner = Node {
            layer: (*layer.layer).clone(),
            inputs: vec![0],
            output_shape: shape.get(1..).unwrap_or_default().to_vec(),
            ..input.clone()
        };
        let inner_weights = vec![Weights::default(), weights];
        let graph = super::lower(&[input, inner], inner_weights)?;
        if graph.output == INPUT {
            return Ok(Wire::row_major(source.value, shape));
        }
        let value = self.push(Work::Each { graph }, vec![source], shape);
        Ok(Wire::row_major(value, shape))
    }
}

/// A recurrent layer with its weights, before whose names stands `prefix`.
fn direction(weights: &mut Weights, prefix: &str, options: Recurrent) -> RecurrentWork {
    let mut take = |name: &str| weights.take(&format!("{prefix}{name}"));
    RecurrentWork {
        options,
        kernel: Arc::new(take("kernel")),
        recurrent_kernel: Arc::new(take("recurrent_kernel")),
        bias: take("bias"),
    }
}
