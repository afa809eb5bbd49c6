//! A description becomes operations: channels last, without the layers that do nothing.
//!
//! A function for each layer, in a file for each family; they are named after those of
//! [`crate::description`].

mod activation;
mod dense;
mod merge;
mod movement;
mod normalization;
mod pictures;
mod sequences;
mod weights;
mod wire;

use super::Graph;
use super::op::{INPUT, Op, Source, Work};
use crate::description::{Activation, Layer, Model, Node};
use crate::network::Error;
use weights::Weights;
use wire::{Wire, moves_nothing};

/// Turns nodes into operations, one after the other.
struct Lowering<'a> {
    ops: Vec<Op>,
    /// What each node so far gives.
    wires: Vec<Wire>,
    /// The one that is being turned.
    node: &'a Node,
}

/// The operations of all nodes of `model`, whose weights move along.
pub(super) fn model(model: &mut Model) -> Result<Graph, Error> {
    let weights = weights::take(model)?;
    lower(model.nodes(), weights)
}

/// The operations of all `nodes`; `weights` has those of each.
fn lower(nodes: &[Node], mut weights: Vec<Weights>) -> Result<Graph, Error> {
    let Some(first) = nodes.first() else {
        return Ok(Graph::default());
    };
    let mut lowering = Lowering::new(first);
    for (node, weights) in nodes.iter().zip(&mut weights).skip(1) {
        lowering.node = node;
        let wire = lowering.lower(std::mem::take(weights))?;
        lowering.wires.push(wire);
    }
    Ok(lowering.finish())
}

impl<'a> Lowering<'a> {
    /// With the input, `[..]` as the first node has it.
    fn new(first: &'a Node) -> Self {
        let shape = &first.output_shape;
        Self {
            ops: vec![Op {
                nodes: Vec::new(),
                work: Work::Input,
                inputs: Vec::new(),
                shape: shape.clone(),
                activation: Activation::Linear,
            }],
            wires: vec![Wire::row_major(INPUT, shape)],
            node: first,
        }
    }

    /// What the last node gives is the output, in Keras's order.
    fn finish(mut self) -> Graph {
        let last = self.wires.len() - 1;
        let output = self.arrange_node(last, None);
        Graph {
            ops: self.ops,
            output: output.value,
        }
    }

    /// The operations of the node at hand.
    fn lower(&mut self, weights: Weights) -> Result<Wire, Error> {
        let node = self.node;
        Ok(match &node.layer {
            Layer::Input => return Err(self.refuse("is a second input")),
            Layer::Identity => self.wire(0).clone(),
            Layer::Reshape(_) => self.reshape(),
            Layer::Permute(layer) => self.permute(layer),
            Layer::Broadcast(_) => self.keep_order(Work::Broadcast),
            Layer::Pad(layer) => self.pad(layer),
            Layer::Slice(layer) => self.slice(layer),
            Layer::StridedSlice(layer) => self.strided_slice(layer),
            Layer::Resize2D(layer) => self.resize(layer),
            Layer::Rescaling(layer) => self.rescaling(layer),
            Layer::Normalization(layer) => self.normalization(layer, weights)?,
            Layer::Dense(layer) => self.dense(layer, weights),
            Layer::Conv2D(layer) => self.convolution(layer, weights),
            Layer::Conv2DTranspose(layer) => self.transposed_convolution(layer, weights),
            Layer::Pooling2D(layer) => self.pooling(layer),
            Layer::Reduce(layer) => self.reduce(layer),
            Layer::Merge(layer) => self.merge(Work::Merge(layer.op)),
            Layer::MergeConstant(layer) => self.merge_constant(layer, weights),
            Layer::Concatenate(layer) => self.concatenate(layer),
            Layer::BatchNormalization(layer) => self.batch_normalization(layer, weights)?,
            Layer::LayerNormalization(layer) => self.layer_normalization(layer, weights),
            Layer::GroupNormalization(layer) => self.group_normalization(layer, weights),
            Layer::UnitNormalization(layer) => self.unit_normalization(layer),
            Layer::Activation(layer) => self.activation(self.wire(0).clone(), layer.activation),
            Layer::PReLU(layer) => self.prelu(layer, weights),
            Layer::Softmax(layer) => self.softmax(layer),
            Layer::Embedding(layer) => self.embedding(layer, weights),
            Layer::Recurrent(layer) => self.recurrent(*layer, weights),
            Layer::Bidirectional(layer) => self.bidirectional(layer, weights),
            Layer::TimeDistributed(layer) => self.time_distributed(layer, weights)?,
            Layer::Attention(layer) => self.attention(layer, weights),
        })
    }

    /// What the node's input number `index` gives.
    fn wire(&self, index: usize) -> &Wire {
        &self.wires[self.node.inputs[index]]
    }

    /// The node's input number `index` in Keras's order.
    fn plain(&mut self, index: usize) -> Source {
        self.arrange_node(self.node.inputs[index], None)
    }

    /// The node's input number `index` with its axes in that order.
    fn arrange(&mut self, index: usize, order: &[usize]) -> Source {
        self.arrange_node(self.node.inputs[index], Some(order))
    }

    fn arrange_node(&mut self, node: usize, order: Option<&[usize]>) -> Source {
        let wire = self.wires[node].clone();
        let natural: Vec<usize> = (0..wire.axes.len()).collect();
        let order = order.unwrap_or(&natural);
        let (axes, shape) = wire.turned(order);
        if moves_nothing(&axes, &wire.stored) {
            return Source {
                value: wire.value,
                shape,
            };
        }
        let value = self.push(Work::Permute(axes), vec![wire.source()], &shape);
        // Whoever reads the node next may find it in order already.
        self.wires[node] = Wire::ordered(value, shape.clone(), order);
        Source { value, shape }
    }

    /// Adds an operation and gives its value.
    fn push(&mut self, work: Work, inputs: Vec<Source>, shape: &[usize]) -> usize {
        self.ops.push(Op {
            nodes: vec![self.node.name.clone()],
            work,
            inputs,
            shape: shape.to_vec(),
            activation: Activation::Linear,
        });
        self.ops.len() - 1
    }

    /// Adds an operation that leaves the order of axes as it is.
    fn keep_order(&mut self, work: Work) -> Wire {
        let wire = self.wire(0).clone();
        let shape = wire.per_stored_axis(&self.node.output_shape);
        let value = self.push(work, vec![wire.source()], &shape);
        wire.with(value, shape)
    }

    /// Adds an operation that takes all inputs in Keras's order, and gives its output in that order.
    fn in_order(&mut self, work: Work) -> Wire {
        let shape = &self.node.output_shape;
        let inputs = (0..self.node.inputs.len())
            .map(|index| self.plain(index))
            .collect();
        let value = self.push(work, inputs, shape);
        Wire::row_major(value, shape)
    }

    /// The node's input with `axes` merged into one that comes last; the order
    /// of axes that makes, and the shape with them apart.
    fn axes_last(&mut self, axes: &[usize]) -> (Source, Vec<usize>, Vec<usize>) {
        let rank = self.node.output_shape.len();
        let others: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
        let order = [&others[..], axes].concat();
        let mut source = self.arrange(0, &order);
        let full = source.shape.clone();
        let merged = source.shape.split_off(others.len()).iter().product();
        source.shape.push(merged);
        (source, order, full)
    }

    /// An error that names the node.
    fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::Layer {
            layer: self.node.name.clone(),
            class: self.node.class.clone(),
            reason: reason.into(),
        }
    }
}
