//! The layers that have weights, or options to be worked out, as operations.

use std::sync::Arc;

use super::Lowering;
use super::weights::{Weights, wide};
use super::wire::Wire;
use crate::description::{Activation, Layer, MergeOp};
use crate::network::Error;
use crate::network::compile::affine::Affine;
use crate::network::compile::op::{Linear, Work};

impl Lowering<'_> {
    pub(super) fn lower_with_weights(&mut self, mut weights: Weights) -> Result<Wire, Error> {
        let node = self.node;
        let shape = &node.output_shape;
        Ok(match &node.layer {
            Layer::Dense {
                units, activation, ..
            } => {
                let source = self.plain(0);
                let linear = linear(weights, *units);
                let value = self.push(Work::Dense(linear), vec![source], shape);
                self.activation(Wire::row_major(value, shape), *activation)
            }
            Layer::Conv2D { .. } => self.convolution(weights)?,
            Layer::Conv2DTranspose { .. } => self.transposed_convolution(weights)?,
            Layer::Pooling2D { .. } => self.pooling()?,
            Layer::Resize2D {
                interpolation,
                data_format,
                ..
            } => {
                let source = self.picture(*data_format);
                let to = self.picture_shape(*data_format);
                let value = self.push(Work::Resize(*interpolation), vec![source], &to);
                self.picture_wire(value, *data_format, Activation::Linear)
            }
            Layer::BatchNormalization { axis, epsilon, .. } => {
                let [gamma, beta, mean, variance] =
                    ["gamma", "beta", "moving_mean", "moving_variance"].map(|n| weights.take(n));
                let all = [&gamma[..], &beta, &mean, &variance];
                let affine = Affine::batch_norm(all, *epsilon, 0);
                if !affine.is_finite() {
                    return Err(self
                        .refuse("its moving_variance makes a scale that is not a finite number"));
                }
                self.affine(&affine.scale, &affine.offset, *axis)
            }
            Layer::Normalization { axes, invert } => self.normalization(weights, axes, *invert)?,
            Layer::LayerNormalization {
                axes,
                statistics,
                epsilon,
                ..
            } => self.layer_normalization(weights, axes, *statistics, *epsilon),
            Layer::GroupNormalization {
                groups,
                axis,
                epsilon,
                ..
            } => self.group_normalization(weights, *groups, *axis, *epsilon),
            Layer::UnitNormalization { axes } => {
                let (source, order, full) = self.axes_last(axes);
                let view = source.shape.clone();
                let value = self.push(Work::UnitNormalize, vec![source], &view);
                Wire::ordered(value, full, &order)
            }
            Layer::Softmax { axes } => {
                let (source, order, full) = self.axes_last(axes);
                let view = source.shape.clone();
                let value = self.push(Work::Activation, vec![source], &view);
                self.ops[value].activation = Activation::Softmax;
                Wire::ordered(value, full, &order)
            }
            Layer::MergeConstant { op, shape } => {
                let constant = weights.take("constant");
                self.constant(*op, constant, shape)
            }
            Layer::PReLU { shared_axes } => {
                let alpha = weights.take("alpha");
                let size = |(axis, &size)| if shared_axes.contains(&axis) { 1 } else { size };
                let alpha_shape = shape.iter().enumerate().map(size).collect();
                let source = self.plain(0);
                let work = Work::PRelu {
                    alpha,
                    shape: alpha_shape,
                };
                let value = self.push(work, vec![source], shape);
                Wire::row_major(value, shape)
            }
            _ => self.sequence(weights)?,
        })
    }

    fn constant(&mut self, op: MergeOp, constant: Vec<f32>, shape: &[usize]) -> Wire {
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
            shape: shape.to_vec(),
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
        MergeOp::Average | MergeOp::Maximum | MergeOp::Minimum => return None,
    };
    affine.is_finite().then_some(affine)
}

pub(super) fn linear(mut weights: Weights, outputs: usize) -> Linear {
    Linear {
        kernel: Arc::new(weights.take("kernel")),
        bias: Arc::new(weights.take("bias")),
        outputs,
    }
}
