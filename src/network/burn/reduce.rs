//! Whole axes as one value: global pooling.

use burn::prelude::*;

use super::view::Axis;
use crate::description::Reduction;

/// `keras.ops.mean`, `sum`, `max`, `min` over axes.
#[derive(Debug)]
pub(super) struct Reduce {
    kind: Reduction,
    /// One after the other; neighbours are one.
    axes: Vec<Axis>,
}

impl Reduce {
    /// `axes` ascending.
    pub fn new(kind: Reduction, axes: &[usize], input: &[usize]) -> Self {
        let mut shape = input.to_vec();
        let mut runs = Vec::new();
        for run in axes.chunk_by(|a, b| a + 1 == *b) {
            let first = run[0];
            let last = run[run.len() - 1];
            runs.push(Axis {
                outer: shape[..first].iter().product(),
                len: shape[first..=last].iter().product(),
                inner: shape[last + 1..].iter().product(),
            });
            shape[first..=last].fill(1);
        }
        Self { kind, axes: runs }
    }

    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        self.axes.iter().fold(values, |values, axis| {
            let view = axis.view(values);
            axis.flatten(match self.kind {
                Reduction::Mean => view.mean_dim(1),
                Reduction::Sum => view.sum_dim(1),
                Reduction::Max => view.max_dim(1),
                Reduction::Min => view.min_dim(1),
            })
        })
    }
}
