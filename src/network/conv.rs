//! Conv2D.

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::{module::conv2d, ops::ConvOptions};

use super::activation::activate;
use super::window::Picture;
use crate::keras::{Activation, DataFormat};

/// `keras.layers.Conv2D`: correlation of a picture with `filters` kernels, bias, activation.
#[derive(Module, Debug)]
pub(super) struct Conv2d {
    /// `[filters, in / groups, rows, columns]`.
    pub kernel: Param<Tensor<4>>,
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    pub input: Picture,
    #[module(skip)]
    pub options: ConvOptions<2>,
    #[module(skip)]
    pub activation: Activation,
}

impl Conv2d {
    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let output = conv2d(
            self.input.view(values),
            self.kernel.val(),
            self.bias.as_ref().map(Param::val),
            self.options.clone(),
        );
        let [_, channels, _, width] = output.dims();
        let last_axis = match self.input.data_format {
            DataFormat::ChannelsLast => channels,
            DataFormat::ChannelsFirst => width,
        };
        activate(self.input.flatten(output), &self.activation, last_axis)
    }
}
