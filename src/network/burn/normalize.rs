//! Normalization by an example's own statistics.

use burn::prelude::*;

use crate::description::Statistics;

/// `LayerNormalization` and `GroupNormalization`, without gamma and beta.
#[derive(Debug)]
pub(super) struct Normalize {
    statistics: Statistics,
    epsilon: f32,
    /// How many values are normalized together.
    len: usize,
}

impl Normalize {
    pub fn new(statistics: Statistics, epsilon: f32, shape: &[usize]) -> Self {
        Self {
            statistics,
            epsilon,
            len: shape.last().copied().unwrap_or(1),
        }
    }

    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let [batch, total] = values.dims();
        let rows = values.reshape([batch * (total / self.len), self.len]);
        let deviation = |centred: Tensor<2>| (centred.square().mean_dim(1) + self.epsilon).sqrt();
        let centred = |rows: &Tensor<2>| rows.clone() - rows.clone().mean_dim(1);
        let normal = match self.statistics {
            Statistics::MeanAndVariance => {
                let centred = centred(&rows);
                centred.clone() / deviation(centred)
            }
            Statistics::Variance => {
                let centred = centred(&rows);
                rows / deviation(centred)
            }
            Statistics::MeanSquare => rows.clone() / deviation(rows),
        };
        normal.reshape([batch, total])
    }
}

/// `keras.layers.UnitNormalization`: `x / sqrt(max(sum(x²), 1e-12))`.
#[derive(Debug)]
pub(super) struct UnitNormalize {
    len: usize,
}

impl UnitNormalize {
    pub fn new(shape: &[usize]) -> Self {
        Self {
            len: shape.last().copied().unwrap_or(1),
        }
    }

    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let [batch, total] = values.dims();
        let rows = values.reshape([batch * (total / self.len), self.len]);
        let length = rows.clone().square().sum_dim(1).clamp_min(1e-12).sqrt();
        (rows / length).reshape([batch, total])
    }
}
