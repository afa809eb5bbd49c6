//! Convolution and pooling as operations over pictures, channels last.

use std::sync::Arc;

use super::Lowering;
use super::weighted::linear;
use super::weights::Weights;
use super::wire::Wire;
use crate::description::{Activation, Layer, SpreadAxis, extent};
use crate::network::Error;
use crate::network::compile::op::{Conv, Linear, Source, Window, Work};

impl Lowering<'_> {
    pub(super) fn convolution(&mut self, weights: Weights) -> Result<Wire, Error> {
        let Layer::Conv2D {
            filters,
            kernel_size,
            strides,
            dilation_rate,
            groups,
            padding,
            data_format,
            activation,
            ..
        } = self.node.layer
        else {
            return Err(self.refuse("is not a convolution"));
        };
        let source = self.picture(data_format);
        let size = [source.shape[0], source.shape[1]];
        let pad = |axis: usize| {
            let extent = extent(kernel_size[axis], dilation_rate[axis]);
            let [before, after] = padding.amounts(size[axis], extent, strides[axis]);
            (before, after)
        };
        let conv = Conv {
            linear: linear(weights, filters),
            window: Window {
                size: kernel_size,
                strides,
                dilation: dilation_rate,
                padding: [pad(0), pad(1)],
            },
            spread: [1, 1],
            groups,
        };
        let shape = self.picture_shape(data_format);
        let value = self.push(Work::Conv(conv), vec![source], &shape);
        Ok(self.picture_wire(value, data_format, activation))
    }

    /// Pixel `x` adds its tap `t` to `y = stride * x + t - begin`: over the spread picture, a convolution with the kernel
    /// turned by half.
    pub(super) fn transposed_convolution(&mut self, mut weights: Weights) -> Result<Wire, Error> {
        let Layer::Conv2DTranspose {
            filters,
            kernel_size,
            strides,
            dilation_rate,
            begin,
            data_format,
            activation,
            ..
        } = self.node.layer
        else {
            return Err(self.refuse("is not a transposed convolution"));
        };
        let source = self.picture(data_format);
        let shape = self.picture_shape(data_format);
        let axes = [0, 1].map(|axis| SpreadAxis {
            size: source.shape[axis],
            stride: strides[axis],
            reach: extent(kernel_size[axis], dilation_rate[axis]),
            begin: begin[axis],
            output: shape[axis],
        });
        let conv = Conv {
            linear: Linear {
                kernel: Arc::new(turned(&weights.take("kernel"), filters, source.shape[2])),
                bias: Arc::new(weights.take("bias")),
                outputs: filters,
            },
            window: Window {
                size: kernel_size,
                strides: [1, 1],
                dilation: dilation_rate,
                padding: axes.map(|axis| axis.padding().into()),
            },
            spread: strides,
            groups: 1,
        };
        // With an output padding of 0 it may end before the last pixel.
        let made = [axes[0].results(), axes[1].results(), filters];
        let mut value = self.push(Work::Conv(conv), vec![source], &made);
        if made[..] != shape[..] {
            let kept = shape.iter().map(|&size| [0, size]).collect();
            let made = Source {
                value,
                shape: made.to_vec(),
            };
            value = self.push(Work::Slice(kept), vec![made], &shape);
        }
        Ok(self.picture_wire(value, data_format, activation))
    }

    pub(super) fn pooling(&mut self) -> Result<Wire, Error> {
        let Layer::Pooling2D {
            kind,
            pool_size,
            strides,
            padding,
            data_format,
        } = self.node.layer
        else {
            return Err(self.refuse("is not a pooling layer"));
        };
        let source = self.picture(data_format);
        let size = [source.shape[0], source.shape[1]];
        let pad = |axis: usize| {
            let [before, after] = padding.amounts(size[axis], pool_size[axis], strides[axis]);
            (before, after)
        };
        let window = Window {
            size: pool_size,
            strides,
            dilation: [1, 1],
            padding: [pad(0), pad(1)],
        };
        let shape = self.picture_shape(data_format);
        let value = self.push(Work::Pool { kind, window }, vec![source], &shape);
        Ok(self.picture_wire(value, data_format, Activation::Linear))
    }
}

/// The kernel `[rows, columns, filters, channels]` of a transposed convolution as that of the convolution over the spread
/// picture, `[rows, columns, channels, filters]`: its last tap comes first.
fn turned(kernel: &[f32], filters: usize, channels: usize) -> Vec<f32> {
    let taps = kernel.rchunks_exact(filters * channels);
    let weights = taps.flat_map(|tap| {
        let inputs = 0..channels;
        inputs.flat_map(move |c| (0..filters).map(move |f| tap[f * channels + c]))
    });
    weights.collect()
}
