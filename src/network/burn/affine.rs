//! `x * scale + offset`: `BatchNormalization`, `Normalization`, `Rescaling`.

use burn::prelude::*;

use super::tensor;
use super::view::Axis;
use crate::network::compile;

/// With one scale and offset for each position along an axis, or one for all.
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

    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        match self {
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
        }
    }
}
