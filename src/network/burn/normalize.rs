//! Scale and shift, and normalization by an example's own statistics.

use burn::prelude::*;

use super::view::Axis;
use super::{Forward, take, tensor};
use crate::description::Statistics;
use crate::network::{Error, compile};

/// `x * scale + offset` (`BatchNormalization`, `Normalization`, `Rescaling`), with one of each
/// for all values or one for each position along an axis.
#[derive(Debug)]
pub(super) enum Affine {
    Uniform { scale: f32, offset: f32 },
    Along(Box<Along>),
}

#[derive(Debug)]
pub(super) struct Along {
    axis: Axis,
    /// `[1, len, 1]`.
    scale: Tensor<3>,
    /// `[1, len, 1]`, unless all are zero.
    offset: Option<Tensor<3>>,
}

impl Affine {
    pub fn new(affine: &compile::Affine, input: &[usize], device: &Device) -> Self {
        if affine.is_uniform() {
            let (scale, offset) = affine.at(0);
            return Self::Uniform {
                scale: scale as f32,
                offset: offset as f32,
            };
        }
        let along = |values: &[f64]| {
            let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
            let len = values.len();
            tensor(values, [1, len, 1], device)
        };
        Self::Along(Box::new(Along {
            axis: Axis::of(input, affine.axis),
            scale: along(&affine.scale),
            offset: affine.has_offset().then(|| along(&affine.offset)),
        }))
    }
}

impl Forward for Affine {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        Ok(match self {
            Self::Uniform { scale, offset } => {
                let scaled = values * *scale;
                if *offset == 0.0 {
                    scaled
                } else {
                    scaled + *offset
                }
            }
            Self::Along(along) => {
                let scaled = along.axis.view(values) * along.scale.clone();
                along.axis.flatten(match &along.offset {
                    Some(offset) => scaled + offset.clone(),
                    None => scaled,
                })
            }
        })
    }
}

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
}

impl Forward for Normalize {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
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
        Ok(normal.reshape([batch, total]))
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
}

impl Forward for UnitNormalize {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        let [batch, total] = values.dims();
        let rows = values.reshape([batch * (total / self.len), self.len]);
        let length = rows.clone().square().sum_dim(1).clamp_min(1e-12).sqrt();
        Ok((rows / length).reshape([batch, total]))
    }
}
