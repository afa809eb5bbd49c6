//! Embedding.

use burn::prelude::*;
use burn::tensor::TensorData;

use super::tensor;
use crate::network::Error;

/// `keras.layers.Embedding`: a row of a table for each value.
#[derive(Debug)]
pub(super) struct Embedding {
    /// `[rows, width]`.
    table: Tensor<2>,
}

impl Embedding {
    pub fn new(table: Vec<f32>, width: usize, device: &Device) -> Self {
        let rows = table.len() / width;
        Self {
            table: tensor(table, [rows, width], device),
        }
    }

    pub fn forward(&self, values: Tensor<2>) -> Result<Tensor<2>, Error> {
        let [batch, len] = values.dims();
        let [rows, width] = self.table.dims();
        let failed = |error: &dyn std::fmt::Display| Error::Compute(error.to_string());
        let values = values.try_into_data().map_err(|error| failed(&error))?;
        let mut indices = Vec::with_capacity(batch * len);
        for value in values.iter::<f32>() {
            // Keras cuts off what is behind the point.
            let index = value.trunc();
            if !(0.0..rows as f32).contains(&index) {
                return Err(Error::Compute(format!(
                    "an embedding of {rows} rows has no row {value}"
                )));
            }
            indices.push(index as i64);
        }
        let device = self.table.device();
        let indices = Tensor::from_data(TensorData::new(indices, [batch * len]), &device);
        let rows = self.table.clone().select(0, indices);
        Ok(rows.reshape([batch, len * width]))
    }
}
