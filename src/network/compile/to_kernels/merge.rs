//! Operations on each value by itself, or on each pixel.

use super::{Translation, as_picture};
use crate::description::{self, MergeOp};
use crate::network::compile::affine::Affine;
use crate::network::compile::op::Source;
use crate::network::kernels::{Activation, Refused, Statistics, Value};

impl Translation<'_> {
    /// With one scale and offset for all values, or one a channel.
    pub(super) fn affine(&mut self, affine: &Affine) -> Result<Value, Refused> {
        if !affine.is_uniform() && affine.axis + 1 != self.op.shape.len() {
            return Err(self.refused());
        }
        let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        let (scale, offset) = (single(&affine.scale), single(&affine.offset));
        let input = self.input()?;
        self.builder.affine(input, scale, offset, self.activation)
    }

    /// Sums and products, one input after the other.
    pub(super) fn merge(&mut self, kind: MergeOp) -> Result<Value, Refused> {
        let is_sum = match kind {
            MergeOp::Add => true,
            MergeOp::Multiply => false,
            _ => return Err(self.refused()),
        };
        let (largest, others) = self.largest().ok_or_else(|| self.refused())?;
        let mut value = self.inputs[largest];
        for (count, &other) in others.iter().enumerate() {
            let is_last = count + 1 == others.len();
            let then = if is_last {
                self.activation
            } else {
                Activation::LINEAR
            };
            let other = self.inputs[other];
            value = if is_sum {
                self.builder.add(value, other, then)?
            } else {
                self.builder.multiply(value, other, then)?
            };
        }
        Ok(value)
    }

    /// An input as large as the output, and the others: as large, or one pixel each.
    fn largest(&self) -> Option<(usize, Vec<usize>)> {
        let sources = &self.op.inputs;
        let full = as_picture(&self.op.shape);
        let is_full = |source: &Source| as_picture(&source.shape) == full;
        let is_pixel = |source: &Source| {
            let shape = as_picture(&source.shape);
            shape.height == 1 && shape.width == 1 && shape.channels == full.channels
        };
        let largest = sources.iter().position(is_full)?;
        let others = (0..sources.len()).filter(|&index| index != largest);
        let others: Vec<usize> = others.collect();
        let fits = |&index: &usize| is_full(&sources[index]) || is_pixel(&sources[index]);
        (!others.is_empty() && others.iter().all(fits)).then_some((largest, others))
    }

    /// Along the channels.
    pub(super) fn concatenate(&mut self, axis: usize) -> Result<Value, Refused> {
        if axis + 1 != self.op.shape.len() {
            return Err(self.refused());
        }
        self.builder.concat(self.inputs)
    }

    /// Alphas of the shape `shape`, if they are the same for all rows, or for all parts of a row
    /// of some length, or differ for all values.
    pub(super) fn prelu(&mut self, alpha: &[f32], shape: &[usize]) -> Result<Value, Refused> {
        let own = shape.iter().skip_while(|&&size| size == 1).count();
        if !shape.ends_with(&self.op.shape[self.op.shape.len() - own..]) {
            return Err(self.refused());
        }
        let input = self.input()?;
        self.builder.prelu(input, alpha.to_vec())
    }

    pub(super) fn normalize(
        &mut self,
        statistics: description::Statistics,
        epsilon: f32,
    ) -> Result<Value, Refused> {
        let statistics = match statistics {
            description::Statistics::MeanAndVariance => Statistics::MeanAndVariance,
            description::Statistics::Variance => Statistics::Variance,
            description::Statistics::MeanSquare => Statistics::MeanSquare,
        };
        let input = self.input()?;
        self.builder.normalize(input, statistics, epsilon)
    }
}
