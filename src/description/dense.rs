//! Layers that multiply the last axis by a matrix, or look their values up in one.

use serde::{Deserialize, Serialize};

use super::activation::Activation;
use super::describe::Describe;
use super::shape::{Shape, one, with_last};
use super::weight::{WeightSpec, first, kernel_and_bias, weight};
use super::work::{count, each_value, times};

/// `activation(x · kernel + bias)` over the last axis.
/// Weights: `kernel (inputs, units)`, `bias (units)`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Dense {
    /// Size of the last axis of the output.
    pub units: usize,
    /// Whether there is a bias.
    pub use_bias: bool,
    /// Applied to the result.
    pub activation: Activation,
}

/// A row of the table for each value, which is a whole number; `(…) → (…, output_dim)`.
/// Weight: `embeddings (input_dim, output_dim)`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedding {
    /// Rows of the table.
    pub input_dim: usize,
    /// Size of one row.
    pub output_dim: usize,
}

impl Describe for Dense {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        self.activation.check()?;
        Ok(with_last(one(inputs)?, self.units))
    }

    fn weights(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        let features = first(inputs).last().copied().unwrap_or(0);
        kernel_and_bias(vec![features, self.units], self.units, self.use_bias)
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        times(count(output), first(inputs).last())
    }
}

impl Describe for Embedding {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        Ok([one(inputs)?, &[self.output_dim]].concat())
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        vec![weight("embeddings", vec![self.input_dim, self.output_dim])]
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}
