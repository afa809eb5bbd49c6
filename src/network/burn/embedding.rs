//! Embedding.

use burn::prelude::*;

use super::tensor;
use crate::network::Error;

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

    pub fn forward(&self, values: Tensor<2>) -> Result<Tensor<2>, Error> {
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
