//! Layers over sequences as operations, in Keras's own order of axes.

use std::sync::Arc;

use super::Lowering;
use super::weights::Weights;
use super::wire::Wire;
use crate::description::{Layer, Node, Recurrent};
use crate::network::Error;
use crate::network::compile::op::{Attention, INPUT, RecurrentWork, Work};

impl Lowering<'_> {
    pub(super) fn sequence(&mut self, mut weights: Weights) -> Result<Wire, Error> {
        let node = self.node;
        let shape = &node.output_shape;
        let work = match &node.layer {
            Layer::Embedding { output_dim, .. } => Work::Embedding {
                table: weights.take("embeddings"),
                width: *output_dim,
            },
            Layer::Recurrent(options) => {
                Work::Recurrent(Box::new(recurrent(&mut weights, "", *options)))
            }
            Layer::Bidirectional {
                forward,
                backward,
                merge,
            } => Work::Bidirectional {
                forward: Box::new(recurrent(&mut weights, "forward_", *forward)),
                backward: Box::new(recurrent(&mut weights, "backward_", *backward)),
                merge: *merge,
            },
            Layer::Attention {
                heads,
                scale,
                causal,
                ..
            } => {
                let learned = weights.take("scale").first().copied().unwrap_or(1.0);
                Work::Attention(Attention {
                    heads: *heads,
                    scale: scale * learned,
                    causal: *causal,
                })
            }
            Layer::TimeDistributed { layer } => return self.each(layer, weights),
            _ => return Err(self.refuse("is not known here")),
        };
        let inputs = (0..node.inputs.len())
            .map(|index| self.plain(index))
            .collect();
        let value = self.push(work, inputs, shape);
        Ok(Wire::row_major(value, shape))
    }

    /// A plan of its own for each entry of the first axis.
    fn each(&mut self, layer: &Layer, weights: Weights) -> Result<Wire, Error> {
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
            layer: layer.clone(),
            inputs: vec![0],
            output_shape: shape.get(1..).unwrap_or_default().to_vec(),
            ..input.clone()
        };
        let inner_weights = vec![Weights::default(), weights];
        let plan = super::lower(&[input, inner], inner_weights)?;
        if plan.output == INPUT {
            return Ok(Wire::row_major(source.value, shape));
        }
        let value = self.push(Work::Each { plan }, vec![source], shape);
        Ok(Wire::row_major(value, shape))
    }
}

fn recurrent(weights: &mut Weights, prefix: &str, options: Recurrent) -> RecurrentWork {
    let mut take = |name: &str| weights.take(&format!("{prefix}{name}"));
    RecurrentWork {
        options,
        kernel: Arc::new(take("kernel")),
        recurrent_kernel: Arc::new(take("recurrent_kernel")),
        bias: take("bias"),
    }
}
