//! Convolution over pictures, and its transpose.

use std::sync::Arc;

use burn::prelude::*;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use super::dense::bias;
use super::view::Picture;
use super::{Forward, take, tensor};
use crate::description::extent;
use crate::network::{Error, compile};

/// `keras.layers.Conv2D`: correlation of a picture with kernels, and a bias.
#[derive(Debug)]
pub(super) struct Conv {
    /// `[filters, channels / groups, rows, columns]`.
    kernel: Tensor<4>,
    bias: Option<Tensor<1>>,
    input: Picture,
    options: ConvOptions<2>,
}

impl Conv {
    pub fn new(work: compile::Conv, input: &[usize], device: &Device) -> Self {
        let input = Picture::of(input);
        let compile::Window {
            size: [rows, columns],
            strides,
            dilation,
            padding,
        } = work.window;
        let shape = [
            rows,
            columns,
            input.channels / work.groups,
            work.linear.outputs,
        ];
        let kernel = tensor(Arc::unwrap_or_clone(work.linear.kernel), shape, device);
        Self {
            kernel: permuted(kernel, [3, 2, 0, 1]),
            bias: bias(Arc::unwrap_or_clone(work.linear.bias), device),
            input,
            options: ConvOptions::new_with_padding(strides, padding, dilation, work.groups),
        }
    }
}

impl Forward for Conv {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        Ok(Picture::flatten(conv2d(
            self.input.view(values),
            self.kernel.clone(),
            self.bias.clone(),
            self.options.clone(),
        )))
    }
}

/// `keras.layers.Conv2DTranspose`: every pixel puts its kernel into the output.
/// The operation has the kernel turned by half; here it is turned back.
#[derive(Debug)]
pub(super) struct ConvTranspose {
    /// `[channels, filters, rows, columns]`.
    kernel: Tensor<4>,
    /// `[1, filters, 1, 1]`.
    bias: Option<Tensor<4>>,
    input: Picture,
    options: ConvTransposeOptions<2>,
    /// What is cut off at the top and the left.
    begin: [usize; 2],
    /// Height and width of the output.
    size: [usize; 2],
}

impl ConvTranspose {
    pub fn new(work: compile::Conv, input: &[usize], output: &[usize], device: &Device) -> Self {
        let input = Picture::of(input);
        let compile::Window {
            size: [rows, columns],
            dilation,
            padding,
            ..
        } = work.window;
        let filters = work.linear.outputs;
        let shape = [rows, columns, input.channels, filters];
        let kernel = tensor(Arc::unwrap_or_clone(work.linear.kernel), shape, device);
        let bias = bias(Arc::unwrap_or_clone(work.linear.bias), device);
        let begin = |axis: usize, size| extent(size, dilation[axis]) - 1 - padding[axis].0;
        Self {
            kernel: permuted(kernel.flip([0, 1]), [2, 3, 0, 1]),
            bias: bias.map(|bias| bias.reshape([1, filters, 1, 1])),
            input,
            options: ConvTransposeOptions::new(work.input_dilation, [0, 0], [0, 0], dilation, 1),
            begin: [begin(0, rows), begin(1, columns)],
            size: [output[0], output[1]],
        }
    }

    /// The part of an axis that is kept, with zeros after it where it is too short.
    fn fit(&self, picture: Tensor<4>, axis: usize) -> Tensor<4> {
        let dim = axis + 2;
        let begin = self.begin[axis];
        let len = self.size[axis].min(picture.dims()[dim] - begin);
        let missing = self.size[axis] - len;
        let kept = picture.narrow(dim, begin, len);
        if missing == 0 {
            return kept;
        }
        let mut dims = kept.dims();
        dims[dim] = missing;
        let zeros = Tensor::zeros(dims, &kept.device());
        Tensor::cat(vec![kept, zeros], dim)
    }
}

impl Forward for ConvTranspose {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        let mut picture = conv_transpose2d(
            self.input.view(values),
            self.kernel.clone(),
            None,
            self.options.clone(),
        );
        for axis in 0..2 {
            picture = self.fit(picture, axis);
        }
        Ok(Picture::flatten(match &self.bias {
            Some(bias) => picture + bias.clone(),
            None => picture,
        }))
    }
}

/// With its axes in Burn's order, laid out anew once.
fn permuted(kernel: Tensor<4>, axes: [isize; 4]) -> Tensor<4> {
    let device = kernel.device();
    Tensor::from_data(kernel.permute(axes).into_data(), &device)
}
