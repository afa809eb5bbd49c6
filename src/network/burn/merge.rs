//! Several values become one, value by value or side by side.

use burn::prelude::*;

use super::reshape::Broadcast;
use super::view::Axis;
use super::{Forward, take, tensor};
use crate::description::MergeOp;
use crate::network::Error;
use crate::network::compile::Source;

/// `keras.layers.Add`, `Multiply` and the like.
#[derive(Debug)]
pub(super) struct Merge {
    op: MergeOp,
    /// What makes each input as large as the output.
    inputs: Vec<Broadcast>,
}

impl Merge {
    pub fn new(op: MergeOp, inputs: &[Source], output: &[usize]) -> Self {
        let broadcast = |source: &Source| Broadcast::new(&source.shape, output);
        Self {
            op,
            inputs: inputs.iter().map(broadcast).collect(),
        }
    }
}

impl Forward for Merge {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let count = inputs.len();
        let same_size = inputs.into_iter().zip(&self.inputs);
        let same_size = same_size.map(|(values, broadcast)| broadcast.repeat(values));
        if self.op == MergeOp::Where {
            let [condition, values, others] = take(same_size.collect())?;
            return Ok(others.mask_where(condition.not_equal_elem(0.0), values));
        }
        let merged = same_size
            .reduce(|a, b| combine(self.op, a, b))
            .ok_or_else(|| Error::Compute("nothing to merge".to_owned()))?;
        Ok(match self.op {
            MergeOp::Average => merged / count as f32,
            _ => merged,
        })
    }
}

/// `op(x, constant)`.
#[derive(Debug)]
pub(super) struct MergeConstant {
    op: MergeOp,
    constant: Constant,
}

impl MergeConstant {
    pub fn new(op: MergeOp, constant: Constant) -> Self {
        Self { op, constant }
    }
}

impl Forward for MergeConstant {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        let constant = match self.op {
            MergeOp::Add
            | MergeOp::Subtract
            | MergeOp::Multiply
            | MergeOp::Divide
            | MergeOp::Average => self.constant.row(),
            // The others do not broadcast in Burn.
            _ => {
                let batch = values.dims()[0];
                self.constant.row().repeat_dim(0, batch)
            }
        };
        let merged = combine(self.op, values, constant);
        Ok(match self.op {
            MergeOp::Average => merged / 2.0,
            _ => merged,
        })
    }
}

/// A weight that is repeated to the size of an example at each use. Kept at that size, the small
/// weights of many layers could take much memory.
#[derive(Debug)]
pub(super) struct Constant {
    /// `[1, values]`.
    values: Tensor<2>,
    broadcast: Broadcast,
}

impl Constant {
    /// Of the shape `from`, for examples of the shape `to`.
    pub fn new(values: Vec<f32>, from: &[usize], to: &[usize], device: &Device) -> Self {
        let len = values.len();
        Self {
            values: tensor(values, [1, len], device),
            broadcast: Broadcast::new(from, to),
        }
    }

    /// `[1, values of an example]`.
    pub fn row(&self) -> Tensor<2> {
        self.broadcast.repeat(self.values.clone())
    }
}

/// Combines two values; the average begins with their sum.
fn combine(op: MergeOp, a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    match op {
        MergeOp::Add | MergeOp::Average => a + b,
        MergeOp::Subtract => a - b,
        MergeOp::Multiply => a * b,
        MergeOp::Divide => a / b,
        MergeOp::Maximum => a.max_pair(b),
        MergeOp::Minimum => a.min_pair(b),
        MergeOp::Power => a.powf(b),
        MergeOp::Equal => a.equal(b).float(),
        MergeOp::NotEqual => a.not_equal(b).float(),
        MergeOp::Greater => a.greater(b).float(),
        MergeOp::GreaterEqual => a.greater_equal(b).float(),
        MergeOp::Less => a.lower(b).float(),
        MergeOp::LessEqual => a.lower_equal(b).float(),
        // A choice takes three.
        MergeOp::Where => b,
    }
}

/// `keras.layers.Concatenate`.
#[derive(Debug)]
pub(super) struct Concatenate {
    /// The axis that grows, of each input.
    axes: Vec<Axis>,
}

impl Concatenate {
    pub fn new(axis: usize, inputs: &[Source]) -> Self {
        let of = |source: &Source| Axis::of(&source.shape, axis);
        Self {
            axes: inputs.iter().map(of).collect(),
        }
    }
}

impl Forward for Concatenate {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let views = self.axes.iter().zip(inputs);
        let joined = Tensor::cat(views.map(|(axis, values)| axis.view(values)).collect(), 1);
        Ok(self.axes[0].flatten(joined))
    }
}
