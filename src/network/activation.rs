//! `keras.activations`, and the layers that are nothing but an activation.

use burn::prelude::*;
use burn::tensor::activation as burn_activation;

use crate::keras::Activation;

/// Applies `activation` to `[batch, values]`; `last_axis` is the length of the
/// last axis of an example, along which softmax works.
pub(super) fn activate(values: Tensor<2>, activation: &Activation, last_axis: usize) -> Tensor<2> {
    match *activation {
        Activation::Linear => values,
        Activation::Relu => burn_activation::relu(values),
        Activation::Relu6 => values.clamp(0.0, 6.0),
        Activation::LeakyRelu { negative_slope } => {
            burn_activation::leaky_relu(values, negative_slope.into())
        }
        Activation::Elu { alpha } => burn_activation::elu(values, alpha.into()),
        Activation::Selu => burn_activation::selu(values),
        Activation::Gelu { approximate: true } => burn_activation::gelu_approximate(values),
        Activation::Gelu { approximate: false } => burn_activation::gelu(values),
        Activation::Silu => burn_activation::silu(values),
        Activation::HardSilu => values.clone() * hard_sigmoid(values),
        Activation::Sigmoid => burn_activation::sigmoid(values),
        Activation::HardSigmoid => hard_sigmoid(values),
        Activation::Tanh => values.tanh(),
        Activation::Softplus => burn_activation::softplus(values, 1.0),
        Activation::Softsign => burn_activation::softsign(values),
        Activation::Mish => burn_activation::mish(values),
        Activation::Exponential => values.exp(),
        Activation::Softmax => softmax(values, last_axis, 1),
        Activation::LogSoftmax => along(values, last_axis, 1, |rows| {
            burn_activation::log_softmax(rows, 1)
        }),
    }
}

/// `relu6(x + 3) / 6`, as Keras 3 has it (Keras 2 had another).
fn hard_sigmoid(values: Tensor<2>) -> Tensor<2> {
    (values + 3.0).clamp(0.0, 6.0) / 6.0
}

/// Softmax along an axis of `len` steps with `inner` values after each.
pub(super) fn softmax(values: Tensor<2>, len: usize, inner: usize) -> Tensor<2> {
    along(values, len, inner, |rows| burn_activation::softmax(rows, 1))
}

/// Shows `[batch, values]` to `f` as `[rows, len, inner]`.
fn along(
    values: Tensor<2>,
    len: usize,
    inner: usize,
    f: impl FnOnce(Tensor<3>) -> Tensor<3>,
) -> Tensor<2> {
    let [batch, total] = values.dims();
    let rows = batch * (total / (len * inner));
    f(values.reshape([rows, len, inner])).reshape([batch, total])
}

/// `keras.layers.Activation`.
#[derive(Module, Debug)]
pub(super) struct Activate {
    #[module(skip)]
    pub activation: Activation,
    #[module(skip)]
    pub last_axis: usize,
}

impl Activate {
    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        activate(values, &self.activation, self.last_axis)
    }
}

/// `keras.layers.Softmax`.
#[derive(Module, Debug)]
pub(super) struct Softmax {
    /// Length of the axis.
    #[module(skip)]
    pub len: usize,
    /// Values that follow one step along the axis.
    #[module(skip)]
    pub inner: usize,
}

impl Softmax {
    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        softmax(values, self.len, self.inner)
    }
}

/// `keras.layers.ReLU`: linear from `threshold` to `max_value`, a slope below.
#[derive(Module, Debug)]
pub(super) struct Relu {
    #[module(skip)]
    pub max_value: Option<f32>,
    #[module(skip)]
    pub negative_slope: f32,
    #[module(skip)]
    pub threshold: f32,
}

impl Relu {
    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let output = if self.negative_slope == 0.0 && self.threshold == 0.0 {
            burn_activation::relu(values)
        } else {
            // Keras lets through what is greater than the threshold, not what equals it.
            let below = values.clone().lower_equal_elem(self.threshold);
            let slope = (values.clone() - self.threshold) * self.negative_slope;
            values.mask_where(below, slope)
        };
        match self.max_value {
            Some(max) => output.clamp_max(max),
            None => output,
        }
    }
}
