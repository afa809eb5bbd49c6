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
    /// `a` to the power of `b`; two inputs only.
    Power,
    /// 1 where `a == b`, else 0; two inputs only, as all that follow.
    Equal,
    /// 1 where `a != b`, else 0.
    NotEqual,
    /// 1 where `a > b`, else 0.
    Greater,
    /// 1 where `a >= b`, else 0.
    GreaterEqual,
    /// 1 where `a < b`, else 0.
    Less,
    /// 1 where `a <= b`, else 0.
    LessEqual,
    /// `b` where `a` is not 0, else `c`; three inputs.
    Where,
}

impl MergeOp {
    /// How many inputs it takes, if not any number.
    fn inputs(self) -> Option<usize> {
        match self {
            Self::Add | Self::Multiply | Self::Average | Self::Maximum | Self::Minimum => None,
            Self::Where => Some(3),
            Self::Subtract
            | Self::Divide
            | Self::Power
            | Self::Equal
            | Self::NotEqual
            | Self::Greater
            | Self::GreaterEqual
            | Self::Less
            | Self::LessEqual => Some(2),
        }
    }
}

impl Describe for Merge {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let op = self.op;
        let takes = op.inputs().is_none_or(|count| count == inputs.len());
        check(!inputs.is_empty() && takes, || {
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
        check(self.op != MergeOp::Where, || {
            "a choice cannot be made of one input".to_owned()
        })?;
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
