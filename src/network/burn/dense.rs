//! Dense and Embedding: a product with a matrix, and rows of one.

use std::sync::Arc;

use burn::prelude::*;
use burn::tensor::module::linear;

use super::{Forward, take, tensor};
use crate::network::Error;
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
}

impl Forward for Dense {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        let [batch, len] = values.dims();
        let [inputs, units] = self.kernel.dims();
        let rows = len / inputs;
        let values = values.reshape([batch * rows, inputs]);
        Ok(linear(values, self.kernel.clone(), self.bias.clone()).reshape([batch, rows * units]))
    }
}

/// `keras.layers.Embedding`: a row of a table for each value.
#[derive(Debug)]
pub(super) struct Embedding {
    /// Rows of `width` values, not a tensor: the values are looked at one by one
    /// in any case, and copying rows then is less work than an index tensor.
    table: Vec<f32>,
    width: usize,
}

impl Embedding {
    pub fn new(table: Vec<f32>, width: usize) -> Self {
        Self { table, width }
    }
}

impl Forward for Embedding {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        let [batch, len] = values.dims();
        let device = values.device();
        let failed = |error: &dyn std::fmt::Display| Error::Compute(error.to_string());
        let values = values.try_into_data().map_err(|error| failed(&error))?;
        let values = values.as_slice::<f32>().map_err(|error| failed(&error))?;
        let rows = self.table.len() / self.width;
        let mut found = Vec::with_capacity(batch * len * self.width);
        for &value in values {
            // Keras cuts off what is behind the point.
            let row = value.trunc();
            if !(0.0..rows as f32).contains(&row) {
                return Err(Error::Compute(format!(
                    "an embedding of {rows} rows has no row {value}"
                )));
            }
            let begin = row as usize * self.width;
            found.extend_from_slice(&self.table[begin..begin + self.width]);
        }
        Ok(tensor(found, [batch, len * self.width], &device))
    }
}

/// A bias `[outputs]`, if there is one.
pub(super) fn bias(values: Vec<f32>, device: &Device) -> Option<Tensor<1>> {
    let len = values.len();
    (len > 0).then(|| tensor(values, [len], device))
}
