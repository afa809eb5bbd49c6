//! Layers of several inputs, and arithmetic with a constant.

use serde::{Deserialize, Serialize};

use super::describe::Describe;
use super::shape::{Shape, broadcast_all, check, check_axes, error, one};
use super::weight::{NO_WEIGHTS, WeightSpec, weight};
use super::work::{count, each_value, times};

/// Several inputs of equal rank, value by value from left to right; where one has an axis of
/// size 1 it is repeated (as NumPy broadcasts).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merge {
    /// What is done with them.
    pub op: MergeOp,
}

/// `op(x, constant)`, value by value, with broadcasting as in [`Merge`]; the output has the
/// input's shape. Weight: `constant`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct MergeConstant {
    /// What is done.
    pub op: MergeOp,
    /// The constant's shape, of the input's rank.
    pub shape: Vec<usize>,
}

/// Several inputs one after the other along an axis.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concatenate {
    /// The axis that grows.
    pub axis: usize,
}

/// What is done with several values.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeOp {
    /// `a + b + …`
    Add,
    /// `a - b`; two inputs only.
    Subtract,
    /// `a * b * …`
    Multiply,
    /// `a / b`; two inputs only.
    Divide,
    /// `(a + b + …) / n`
    Average,
    /// The largest.
    Maximum,
    /// The smallest.
    Minimum,
}

impl Describe for Merge {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let op = self.op;
        let two = matches!(op, MergeOp::Subtract | MergeOp::Divide);
        check(!inputs.is_empty() && (!two || inputs.len() == 2), || {
            format!("{op:?} cannot be done with {} inputs", inputs.len())
        })?;
        broadcast_all(inputs)
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        times(count(output), &[inputs.len()])
    }
}

impl Describe for MergeConstant {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let (input, shape) = (one(inputs)?, &self.shape);
        let output = broadcast_all(&[input, shape])?;
        check(output == input, || {
            format!("its constant {shape:?} does not fit its input {input:?}")
        })?;
        Ok(output)
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        vec![weight("constant", self.shape.clone())]
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl Describe for Concatenate {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let axis = self.axis;
        let Some((first, rest)) = inputs.split_first() else {
            return Err(error("it gets no input"));
        };
        check_axes(&[axis], first)?;
        let mut output = first.to_vec();
        for input in rest {
            let fits = input.len() == first.len()
                && (0..first.len()).all(|at| at == axis || input[at] == first[at]);
            check(fits, || {
                format!("cannot put {input:?} beside {first:?} along axis {axis}")
            })?;
            output[axis] = output[axis].saturating_add(input[axis]);
        }
        Ok(output)
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        times(count(output), &[inputs.len()])
    }
}
