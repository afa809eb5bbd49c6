//! Dense.

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::module::linear;

use super::activation::activate;
use crate::keras::Activation;

/// `keras.layers.Dense`: a product with a matrix along the last axis, bias, activation.
#[derive(Module, Debug)]
pub(super) struct Dense {
    /// `[in, units]`, as Keras has it.
    pub kernel: Param<Tensor<2>>,
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    pub activation: Activation,
}

impl Dense {
    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let [batch, len] = values.dims();
        let kernel = self.kernel.val();
        let [inputs, units] = kernel.dims();
        let rows = batch * (len / inputs);
        let output = linear(
            values.reshape([rows, inputs]),
            kernel,
            self.bias.as_ref().map(Param::val),
        );
        activate(output, &self.activation, units).reshape([batch, rows / batch * units])
    }
}
