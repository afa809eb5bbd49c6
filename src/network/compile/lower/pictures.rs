//! Convolution, pooling and resizing as operations over pictures, channels last.

use std::sync::Arc;

use super::Lowering;
use super::dense::linear;
use super::weights::Weights;
use super::wire::Wire;
use crate::description::{
    self, Activation, Conv2D, Conv2DTranspose, DataFormat, Pooling2D, Resize2D,
};
use crate::network::compile::op::{Conv, Linear, Source, Window, Work};

impl Lowering<'_> {
    pub(super) fn convolution(&mut self, layer: &Conv2D, weights: Weights) -> Wire {
        let source = self.picture(layer.data_format);
        let conv = Conv {
            linear: linear(weights, layer.filters),
            window: window(layer.window(), &source),
            input_dilation: [1, 1],
            groups: layer.groups,
        };
        let shape = self.picture_shape(layer.data_format);
        let value = self.push(Work::Conv(conv), vec![source], &shape);
        self.picture_wire(value, layer.data_format, layer.activation)
    }

    /// Pixel `x` adds its tap `t` to `y = stride * x + t - begin`: over the dilated picture, a convolution with the kernel
    /// turned by half.
    pub(super) fn transposed_convolution(
        &mut self,
        layer: &Conv2DTranspose,
        mut weights: Weights,
    ) -> Wire {
        let (filters, data_format) = (layer.filters, layer.data_format);
        let source = self.picture(data_format);
        let shape = self.picture_shape(data_format);
        let axes = layer.axes([source.shape[0], source.shape[1]]);
        let conv = Conv {
            linear: Linear {
                kernel: Arc::new(turned(&weights.take("kernel"), filters, source.shape[2])),
                bias: Arc::new(weights.take("bias")),
                outputs: filters,
            },
            window: Window {
                size: layer.kernel_size,
                strides: [1, 1],
                dilation: layer.dilation_rate,
                padding: axes.map(|axis| axis.padding().into()),
            },
            input_dilation: layer.strides,
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
        self.picture_wire(value, data_format, layer.activation)
    }

    pub(super) fn pooling(&mut self, layer: &Pooling2D) -> Wire {
        let source = self.picture(layer.data_format);
        let work = Work::Pool {
            kind: layer.kind,
            window: window(layer.window(), &source),
        };
        let shape = self.picture_shape(layer.data_format);
        let value = self.push(work, vec![source], &shape);
        self.picture_wire(value, layer.data_format, Activation::Linear)
    }

    pub(super) fn resize(&mut self, layer: &Resize2D) -> Wire {
        let source = self.picture(layer.data_format);
        let shape = self.picture_shape(layer.data_format);
        let work = Work::Resize(layer.interpolation);
        let value = self.push(work, vec![source], &shape);
        self.picture_wire(value, layer.data_format, Activation::Linear)
    }

    /// The node's input as a picture `[height, width, channels]`.
    fn picture(&mut self, format: DataFormat) -> Source {
        self.arrange(0, picture_order(format))
    }

    /// The node's output shape as a picture `[height, width, channels]`.
    fn picture_shape(&self, format: DataFormat) -> Vec<usize> {
        let order = picture_order(format).iter();
        order.map(|&axis| self.node.output_shape[axis]).collect()
    }

    /// What a layer over pictures gives, with its activation.
    fn picture_wire(&mut self, value: usize, format: DataFormat, activation: Activation) -> Wire {
        let stored = self.ops[value].shape.clone();
        self.activation(
            Wire::ordered(value, stored, picture_order(format)),
            activation,
        )
    }
}

/// The axes of a picture in the order height, width, channels.
fn picture_order(format: DataFormat) -> &'static [usize] {
    match format {
        DataFormat::ChannelsLast => &[0, 1, 2],
        DataFormat::ChannelsFirst => &[1, 2, 0],
    }
}

/// A window over that picture, with what it pads.
fn window(window: description::Window<2>, picture: &Source) -> Window {
    let amounts = window.amounts([picture.shape[0], picture.shape[1]]);
    Window {
        size: window.size,
        strides: window.strides,
        dilation: window.dilation,
        padding: amounts.map(Into::into),
    }
}

/// The kernel `[rows, columns, filters, channels]` of a transposed convolution as that of the convolution over the dilated
/// picture, `[rows, columns, channels, filters]`: its last tap comes first.
fn turned(kernel: &[f32], filters: usize, channels: usize) -> Vec<f32> {
    let taps = kernel.rchunks_exact(filters * channels);
    let weights = taps.flat_map(|tap| {
        let inputs = 0..channels;
        inputs.flat_map(move |c| (0..filters).map(move |f| tap[f * channels + c]))
    });
    weights.collect()
}
