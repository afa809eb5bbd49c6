//! Pooling over windows of a picture, and over whole axes.

use burn::prelude::*;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

use super::view::{Axis, Picture};
use super::{Forward, take};
use crate::description::{self, Reduction};
use crate::network::Error;
use crate::network::compile::Window;

/// `keras.layers.MaxPooling2D` and `AveragePooling2D`; padding never wins and does not count.
#[derive(Debug)]
pub(super) struct Pool {
    kind: description::Pool,
    window: Window,
    input: Picture,
}

impl Pool {
    pub fn new(kind: description::Pool, window: Window, input: &[usize]) -> Self {
        Self {
            kind,
            window,
            input: Picture::of(input),
        }
    }
}

impl Forward for Pool {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        let picture = self.input.view(values);
        let Window {
            size,
            strides,
            padding,
            ..
        } = self.window;
        Ok(Picture::flatten(match self.kind {
            description::Pool::Max => {
                let options = MaxPoolOptions::new(size)
                    .with_stride(strides)
                    .with_padding_pairs(padding);
                max_pool2d(picture, options)
            }
            description::Pool::Average => {
                let options = AvgPoolOptions::new(size)
                    .with_stride(strides)
                    .with_padding_pairs(padding)
                    .with_count_include_pad(false);
                avg_pool2d(picture, options)
            }
        }))
    }
}

/// `keras.ops.mean`, `sum`, `max`, `min` over axes.
#[derive(Debug)]
pub(super) struct Reduce {
    kind: Reduction,
    /// They are reduced one after the other; neighbouring axes count as one.
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
}

impl Forward for Reduce {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        Ok(self.axes.iter().fold(values, |values, axis| {
            let view = axis.view(values);
            axis.flatten(match self.kind {
                Reduction::Mean => view.mean_dim(1),
                Reduction::Sum => view.sum_dim(1),
                Reduction::Max => view.max_dim(1),
                Reduction::Min => view.min_dim(1),
            })
        }))
    }
}
