//! A description becomes operations: channels last, without the layers that do nothing.

mod normalization;
mod pictures;
mod sequences;
mod weighted;
mod weights;
mod wire;

use super::Graph;
use super::affine::Affine;
use super::op::{INPUT, Op, Source, Work};
use crate::description::{Activation, DataFormat, Layer, Model, Node, Reduction};
use crate::network::Error;
use weights::{Weights, wide};
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

    fn lower(&mut self, weights: Weights) -> Result<Wire, Error> {
        let node = self.node;
        let shape = &node.output_shape;
        Ok(match &node.layer {
            Layer::Input => return Err(self.refuse("is a second input")),
            Layer::Identity => self.wire(0).clone(),
            Layer::Reshape { .. } => Wire::row_major(self.plain(0).value, shape),
            Layer::Permute { axes } => {
                let wire = self.wire(0);
                let axes = axes.iter().map(|&axis| wire.axes[axis]).collect();
                Wire {
                    axes,
                    ..wire.clone()
                }
            }
            Layer::Broadcast { .. } => self.keep_order(Work::Broadcast),
            Layer::Pad { amounts } => {
                let amounts = self.wire(0).per_stored_axis(amounts);
                self.keep_order(Work::Pad(amounts))
            }
            Layer::Slice { ranges } => {
                let ranges = self.wire(0).per_stored_axis(ranges);
                self.keep_order(Work::Slice(ranges))
            }
            Layer::Rescaling { scale, offset } => {
                let [scale, offset] = [scale, offset].map(|v| wide(v));
                self.affine(&scale, &offset, self.node.output_shape.len() - 1)
            }
            Layer::Activation { activation } => self.activation(self.wire(0).clone(), *activation),
            Layer::Merge { op } => self.merge(Work::Merge(*op)),
            Layer::Concatenate { axis } => {
                let order = self.common_order();
                let axis = order.iter().position(|a| a == axis).unwrap_or(0);
                self.merge(Work::Concatenate { axis })
            }
            Layer::Reduce {
                kind,
                axes,
                keepdims,
            } => self.reduce(*kind, axes, *keepdims),
            _ => return self.lower_with_weights(weights),
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

    /// `x * scale + offset` along `axis` of the node's input.
    fn affine(&mut self, scale: &[f64], offset: &[f64], axis: usize) -> Wire {
        let axis = self.wire(0).axes[axis];
        self.keep_order(Work::Affine(Affine::new(scale, offset, axis)))
    }

    /// Applies `activation` to a wire of the node's own output shape.
    fn activation(&mut self, wire: Wire, activation: Activation) -> Wire {
        if activation == Activation::Linear {
            return wire;
        }
        let wire = if is_elementwise(activation) {
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

    /// The order in which the largest of the node's inputs is stored.
    fn common_order(&self) -> Vec<usize> {
        let wires = (0..self.node.inputs.len()).map(|index| self.wire(index));
        let largest = wires.max_by_key(|wire| wire.stored.iter().product::<usize>());
        largest.map(Wire::order).unwrap_or_default()
    }

    fn merge(&mut self, work: Work) -> Wire {
        let order = self.common_order();
        let inputs = (0..self.node.inputs.len())
            .map(|index| self.arrange(index, &order))
            .collect();
        let shape: Vec<usize> = order.iter().map(|&a| self.node.output_shape[a]).collect();
        let value = self.push(work, inputs, &shape);
        Wire::ordered(value, shape, &order)
    }

    fn reduce(&mut self, kind: Reduction, axes: &[usize], keepdims: bool) -> Wire {
        let wire = self.wire(0).clone();
        let reduced: Vec<usize> = axes.iter().map(|&axis| wire.axes[axis]).collect();
        let one = |(axis, &size): (usize, &usize)| if reduced.contains(&axis) { 1 } else { size };
        let kept: Vec<usize> = wire.stored.iter().enumerate().map(one).collect();
        let mut stored = reduced.clone();
        stored.sort_unstable();
        let work = Work::Reduce { kind, axes: stored };
        let value = self.push(work, vec![wire.source()], &kept);
        let result = wire.with(value, kept);
        if keepdims {
            return result;
        }
        // All the axes that stay, in Keras's order; the others have size 1.
        let stay: Vec<usize> = (0..result.axes.len())
            .filter(|a| !axes.contains(a))
            .collect();
        let gone = axes.iter().copied();
        let order: Vec<usize> = stay.iter().copied().chain(gone).collect();
        let (turn, shape) = result.turned(&order);
        let value = if moves_nothing(&turn, &result.stored) {
            value
        } else {
            self.push(Work::Permute(turn), vec![result.source()], &shape)
        };
        Wire::row_major(value, &self.node.output_shape)
    }

    /// The node's input as a picture `[height, width, channels]`.
    fn picture(&mut self, format: DataFormat) -> Source {
        self.arrange(0, picture_order(format))
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

    /// What a layer over pictures gives, with its activation.
    fn picture_wire(&mut self, value: usize, format: DataFormat, activation: Activation) -> Wire {
        let stored = self.ops[value].shape.clone();
        self.activation(
            Wire::ordered(value, stored, picture_order(format)),
            activation,
        )
    }

    /// The node's output shape as a picture `[height, width, channels]`.
    fn picture_shape(&self, format: DataFormat) -> Vec<usize> {
        let order = picture_order(format).iter();
        order.map(|&axis| self.node.output_shape[axis]).collect()
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

/// Whether a function takes each value for itself, whatever the axes.
pub(in crate::network) fn is_elementwise(activation: Activation) -> bool {
    !matches!(
        activation,
        Activation::Softmax | Activation::LogSoftmax | Activation::Sparsemax
    )
}

/// The axes of a picture in the order height, width, channels.
fn picture_order(format: DataFormat) -> &'static [usize] {
    match format {
        DataFormat::ChannelsLast => &[0, 1, 2],
        DataFormat::ChannelsFirst => &[1, 2, 0],
    }
}
