//! Convolution and pooling as operations over pictures, channels last.

use super::Lowering;
use super::weighted::linear;
use super::weights::Weights;
use super::wire::Wire;
use crate::keras::{Activation, Layer, extent};
use crate::network::Error;
use crate::network::plan::op::{Conv, ConvTranspose, Window, Work};

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
            groups,
        };
        let shape = self.picture_shape(data_format);
        let value = self.push(Work::Conv(conv), vec![source], &shape);
        Ok(self.picture_wire(value, data_format, activation))
    }

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
        let work = Work::ConvTranspose(ConvTranspose {
            kernel: weights.take("kernel"),
            bias: weights.take("bias"),
            filters,
            size: kernel_size,
            strides,
            dilation: dilation_rate,
            begin,
        });
        let shape = self.picture_shape(data_format);
        let value = self.push(work, vec![source], &shape);
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
