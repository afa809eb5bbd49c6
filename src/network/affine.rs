//! Layers that scale and shift: Rescaling, and BatchNormalization at inference.

use burn::module::Param;
use burn::prelude::*;

/// `x * scale + offset`, with one scale and offset for each position along an axis.
#[derive(Module, Debug)]
pub(super) struct Affine {
    /// `[channels]`.
    pub scale: Param<Tensor<1>>,
    /// `[channels]`.
    pub offset: Param<Tensor<1>>,
    /// Values that follow one step along the axis: 1 for the last axis.
    #[module(skip)]
    pub inner: usize,
}

impl Affine {
    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let [batch, len] = values.dims();
        let scale = self.scale.val();
        let [channels] = scale.dims();
        let rows = batch * (len / (channels * self.inner));
        let along = [1, channels, 1];
        let scaled = values.reshape([rows, channels, self.inner]) * scale.reshape(along)
            + self.offset.val().reshape(along);
        scaled.reshape([batch, len])
    }
}

/// `keras.layers.Rescaling` with one scale and offset for everything.
#[derive(Module, Debug)]
pub(super) struct Rescale {
    #[module(skip)]
    pub scale: f32,
    #[module(skip)]
    pub offset: f32,
}

impl Rescale {
    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let scaled = values * self.scale;
        if self.offset == 0.0 {
            scaled
        } else {
            scaled + self.offset
        }
    }
}

/// Gamma, beta, mean and variance as one scale and offset a channel:
/// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.
///
/// Computed in f64, so that folding adds no error of its own.
pub(super) fn fold_batch_norm(norm: &BatchNorm) -> (Vec<f32>, Vec<f32>) {
    (0..norm.mean.len())
        .map(|channel| {
            let at = |values: &Option<Vec<f32>>, default: f64| {
                values.as_ref().map_or(default, |v| f64::from(v[channel]))
            };
            let deviation = (f64::from(norm.variance[channel]) + f64::from(norm.epsilon)).sqrt();
            let scale = at(&norm.gamma, 1.0) / deviation;
            let offset = at(&norm.beta, 0.0) - f64::from(norm.mean[channel]) * scale;
            (scale as f32, offset as f32)
        })
        .unzip()
}

/// What Keras keeps of a BatchNormalization layer; all vectors are `[channels]`.
pub(super) struct BatchNorm {
    pub gamma: Option<Vec<f32>>,
    pub beta: Option<Vec<f32>>,
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
    pub epsilon: f32,
}
