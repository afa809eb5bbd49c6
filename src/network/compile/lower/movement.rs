//! Layers that move, repeat, leave out or sum up values as operations.

use super::Lowering;
use super::wire::{Wire, moves_nothing};
use crate::description::{Pad, Permute, Reduce, Slice, StridedSlice};
use crate::network::compile::op::Work;

impl Lowering<'_> {
    pub(super) fn reshape(&mut self) -> Wire {
        let shape = &self.node.output_shape;
        Wire::row_major(self.plain(0).value, shape)
    }

    pub(super) fn permute(&self, layer: &Permute) -> Wire {
        let wire = self.wire(0);
        let axes = layer.axes.iter().map(|&axis| wire.axes[axis]).collect();
        Wire {
            axes,
            ..wire.clone()
        }
    }

    pub(super) fn pad(&mut self, layer: &Pad) -> Wire {
        let amounts = self.wire(0).per_stored_axis(&layer.amounts);
        self.keep_order(Work::Pad(amounts))
    }

    pub(super) fn slice(&mut self, layer: &Slice) -> Wire {
        let ranges = self.wire(0).per_stored_axis(&layer.ranges);
        self.keep_order(Work::Slice(ranges))
    }

    pub(super) fn strided_slice(&mut self, layer: &StridedSlice) -> Wire {
        let axes = 0..layer.size.len();
        let positions: Vec<Vec<usize>> = axes.map(|axis| layer.positions(axis)).collect();
        let positions = self.wire(0).per_stored_axis(&positions);
        self.keep_order(Work::Take(positions))
    }

    pub(super) fn reduce(&mut self, layer: &Reduce) -> Wire {
        let axes = &layer.axes;
        let wire = self.wire(0).clone();
        let reduced: Vec<usize> = axes.iter().map(|&axis| wire.axes[axis]).collect();
        let one = |(axis, &size): (usize, &usize)| if reduced.contains(&axis) { 1 } else { size };
        let kept: Vec<usize> = wire.stored.iter().enumerate().map(one).collect();
        let mut stored = reduced.clone();
        stored.sort_unstable();
        let work = Work::Reduce {
            kind: layer.kind,
            axes: stored,
        };
        let value = self.push(work, vec![wire.source()], &kept);
        let result = wire.with(value, kept);
        if layer.keepdims {
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
}
