//! Dense.

use std::sync::Arc;

use burn::prelude::*;
use burn::tensor::module::linear;

use super::tensor;
use crate::network::compile::Linear;

/// `keras.layers.Dense`: a product with a matrix along the last axis, and a bias.
#[derive(Debug)]
pub(super) struct Dense {
    /// `[inputs, units]`, as Keras has it.
    kernel: Tensor<2>,
    bias: Option<Tensor<1>>,
}

impl Dense {
    pub fn new(work: Linear, device: &Device) -> Self {
        let inputs = work.kernel.len() / work.outputs;
        Self {
            kernel: tensor(
                Arc::unwrap_or_clone(work.kernel),
                [inputs, work.outputs],
                device,
            ),
            bias: bias(Arc::unwrap_or_clone(work.bias), device),
        }
    }

    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let [batch, len] = values.dims();
        let [inputs, units] = self.kernel.dims();
        let rows = len / inputs;
        let values = values.reshape([batch * rows, inputs]);
        linear(values, self.kernel.clone(), self.bias.clone()).reshape([batch, rows * units])
    }
}

/// A bias `[outputs]`, if there is one.
pub(super) fn bias(values: Vec<f32>, device: &Device) -> Option<Tensor<1>> {
    let len = values.len();
    (len > 0).then(|| tensor(values, [len], device))
}
