//! Layers of several inputs, and arithmetic with a constant, as operations.

use super::Lowering;
use super::weights::{Weights, wide};
use super::wire::Wire;
use crate::description::{Concatenate, MergeConstant, MergeOp};
use crate::network::compile::affine::Affine;
use crate::network::compile::op::Work;

impl Lowering<'_> {
    /// The node's inputs, in the order of axes in which the largest of them is stored.
    pub(super) fn merge(&mut self, work: Work) -> Wire {
        let order = self.common_order();
        let inputs = (0..self.node.inputs.len())
            .map(|index| self.arrange(index, &order))
            .collect();
        let shape: Vec<usize> = order.iter().map(|&a| self.node.output_shape[a]).collect();
        let value = self.push(work, inputs, &shape);
        Wire::ordered(value, shape, &order)
    }

    pub(super) fn concatenate(&mut self, layer: &Concatenate) -> Wire {
        let order = self.common_order();
        let axis = order.iter().position(|&axis| axis == layer.axis);
        let axis = axis.unwrap_or(0);
        self.merge(Work::Concatenate { axis })
    }

    fn common_order(&self) -> Vec<usize> {
        let wires = (0..self.node.inputs.len()).map(|index| self.wire(index));
        let largest = wires.max_by_key(|wire| wire.stored.iter().product::<usize>());
        largest.map(Wire::order).unwrap_or_default()
    }

    pub(super) fn merge_constant(&mut self, layer: &MergeConstant, mut weights: Weights) -> Wire {
        let (op, shape) = (layer.op, &layer.shape);
        let constant = weights.take("constant");
        let source = self.plain(0);
        let to = &self.node.output_shape;
        let last = shape.len() - 1;
        if let Some(affine) = along_last(op, &constant, last).filter(|_| is_row(shape)) {
            let value = self.push(Work::Affine(affine), vec![source], to);
            return Wire::row_major(value, to);
        }
        let work = Work::MergeConstant {
            op,
            constant,
            shape: shape.clone(),
        };
        let value = self.push(work, vec![source], to);
        Wire::row_major(value, to)
    }
}

/// Whether there is only a last axis.
fn is_row(shape: &[usize]) -> bool {
    shape
        .split_last()
        .is_some_and(|(_, outer)| outer.iter().all(|&size| size == 1))
}

/// Arithmetic with a constant along the last axis, where it is a scale and an offset.
fn along_last(op: MergeOp, constant: &[f32], axis: usize) -> Option<Affine> {
    let constant = wide(constant);
    let each = |f: fn(&f64) -> f64| constant.iter().map(f).collect::<Vec<f64>>();
    let affine = match op {
        MergeOp::Add => Affine::new(&[1.0], &constant, axis),
        MergeOp::Subtract => Affine::new(&[1.0], &each(|c| -c), axis),
        MergeOp::Multiply => Affine::new(&constant, &[0.0], axis),
        MergeOp::Divide => Affine::new(&each(|c| 1.0 / c), &[0.0], axis),
        _ => return None,
    };
    affine.is_finite().then_some(affine)
}
