//! `keras.activations`, and `PReLU`.

use burn::prelude::*;
use burn::tensor::activation::{
    elu, gelu, gelu_approximate, leaky_relu, log_softmax, mish, relu, selu, sigmoid, silu, softmax,
    softplus,
};

use super::merge::Constant;
use super::{Forward, take, tensor};
use crate::description::Activation;
use crate::network::Error;

/// Applies `activation` to `[batch, values]`; `last_axis` is the length of the
/// last axis of an example, along which softmax and its like work.
pub(super) fn activate(values: Tensor<2>, activation: Activation, last_axis: usize) -> Tensor<2> {
    match activation {
        Activation::Softmax => along(values, last_axis, |rows| softmax(rows, 1)),
        Activation::LogSoftmax => along(values, last_axis, |rows| log_softmax(rows, 1)),
        Activation::Sparsemax => along(values, last_axis, sparsemax),
        Activation::Linear => values,
        Activation::Relu => relu(values),
        Activation::Relu6 => values.clamp(0.0, 6.0),
        Activation::LeakyRelu { negative_slope } => leaky_relu(values, negative_slope.into()),
        Activation::BentRelu {
            max_value,
            negative_slope,
            threshold,
        } => bent_relu(values, max_value, negative_slope, threshold),
        Activation::Elu { alpha } => elu(values, alpha.into()),
        Activation::Celu { alpha } => celu(values, alpha),
        Activation::Selu => selu(values),
        Activation::Gelu { approximate: true } => gelu_approximate(values),
        Activation::Gelu { approximate: false } => gelu(values),
        Activation::Silu => silu(values),
        Activation::HardSilu => values.clone() * hard_sigmoid(values, 1.0 / 6.0),
        Activation::Mish => mish(values),
        Activation::Sigmoid => sigmoid(values),
        Activation::HardSigmoid { slope } => hard_sigmoid(values, slope),
        Activation::SparseSigmoid => ((values + 1.0) * 0.5).clamp(0.0, 1.0),
        Activation::LogSigmoid => softplus(values.neg(), 1.0).neg(),
        Activation::Tanh => values.tanh(),
        Activation::HardTanh => values.clamp(-1.0, 1.0),
        Activation::TanhShrink => values.clone() - values.tanh(),
        Activation::HardShrink => hard_shrink(values),
        Activation::SoftShrink => values.clone() - values.clamp(-0.5, 0.5),
        Activation::Softplus => softplus(values, 1.0),
        Activation::Softsign => values.clone() / (values.abs() + 1.0),
        Activation::Squareplus => (values.clone() + (values.square() + 4.0).sqrt()) / 2.0,
        Activation::SparsePlus => sparse_plus(values),
        Activation::Exponential => values.exp(),
        Activation::Expm1 => values.exp() - 1.0,
        Activation::Log => values.log(),
        Activation::Log1p => values.log1p(),
        Activation::Abs => values.abs(),
        Activation::Sqrt => values.sqrt(),
        Activation::Rsqrt => values.sqrt().recip(),
        Activation::Reciprocal => values.recip(),
        Activation::Power { exponent } => values.powf_scalar(exponent),
        Activation::Clip { low, high } => clip(values, low, high),
        Activation::Sign => values.sign(),
        Activation::Floor => values.floor(),
        Activation::Ceil => values.ceil(),
        Activation::Sin => values.sin(),
        Activation::Cos => values.cos(),
        Activation::Erf => values.erf(),
    }
}

fn clip(values: Tensor<2>, low: Option<f32>, high: Option<f32>) -> Tensor<2> {
    let values = match low {
        Some(low) => values.clamp_min(low),
        None => values,
    };
    match high {
        Some(high) => values.clamp_max(high),
        None => values,
    }
}

fn celu(values: Tensor<2>, alpha: f32) -> Tensor<2> {
    let below = values.clone().clamp_max(0.0) / alpha;
    values.clamp_min(0.0) + (below.exp() - 1.0) * alpha
}

fn hard_shrink(values: Tensor<2>) -> Tensor<2> {
    let small = values.clone().abs().lower_equal_elem(0.5);
    values.mask_fill(small, 0.0)
}

fn sparse_plus(values: Tensor<2>) -> Tensor<2> {
    let above = values.clone().greater_equal_elem(1.0);
    let curve = (values.clone().clamp_min(-1.0) + 1.0).square() * 0.25;
    curve.mask_where(above, values)
}

/// Keras lets through what is greater than the threshold, not what equals it,
/// and takes the ceiling before it adds the negative part.
fn bent_relu(
    values: Tensor<2>,
    max_value: Option<f32>,
    negative_slope: f32,
    threshold: f32,
) -> Tensor<2> {
    let below = values.clone().lower_equal_elem(threshold);
    let positive = values.clone().mask_fill(below, 0.0);
    let clipped = match max_value {
        Some(max) => positive.clamp(0.0, max),
        None if threshold == 0.0 => positive.clamp_min(0.0),
        None => positive,
    };
    if negative_slope == 0.0 {
        return clipped;
    }
    let negative = (values.neg() + threshold).clamp_min(0.0);
    clipped - negative * negative_slope
}

fn hard_sigmoid(values: Tensor<2>, slope: f32) -> Tensor<2> {
    (values * slope + 0.5).clamp(0.0, 1.0)
}

/// As `keras.activations.sparsemax` computes it. It is not quite the one of Martins and Astudillo
/// (2016), which does not sum up the running sums but the values.
fn sparsemax(rows: Tensor<2>) -> Tensor<2> {
    let [_, len] = rows.dims();
    let sorted = rows.clone().sort_descending(1);
    let sums = sorted.clone().cumsum(1);
    let counts = (1..=len).map(|count| count as f32).collect();
    let counts = tensor(counts, [1, len], &rows.device());
    let outside = (sorted - (sums.clone() - 1.0) / counts).lower_equal_elem(0.0);
    let size = Tensor::ones_like(&sums).mask_fill(outside.clone(), 0.0);
    let sum = sums.mask_fill(outside, 0.0).sum_dim(1);
    let threshold = (sum - 1.0) / size.sum_dim(1);
    (rows - threshold).clamp_min(0.0)
}

/// Shows `[batch, values]` to `f` as rows of `len`.
fn along(values: Tensor<2>, len: usize, f: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
    let [batch, total] = values.dims();
    f(values.reshape([batch * (total / len), len])).reshape([batch, total])
}

/// Gives what it is given: an operation that is an activation alone.
#[derive(Debug)]
pub(super) struct Identity;

impl Forward for Identity {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        Ok(values)
    }
}

/// `keras.layers.PReLU`: `x` where positive, else `alpha * x`.
#[derive(Debug)]
pub(super) struct PRelu {
    alpha: Constant,
}

impl PRelu {
    pub fn new(alpha: Constant) -> Self {
        Self { alpha }
    }
}

impl Forward for PRelu {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        let negative = values.clone().clamp_max(0.0) * self.alpha.row();
        Ok(relu(values) + negative)
    }
}
