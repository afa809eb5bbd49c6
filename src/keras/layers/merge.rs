//! Layers of several inputs.

use super::Use;
use crate::description::{Concatenate, Layer, Merge, MergeOp};
use crate::keras::Error;

type Read = Result<usize, Error>;

/// `keras.layers.{Add,Subtract,Multiply,Average,Maximum,Minimum}`
pub fn merge(used: &mut Use) -> Read {
    let op = match used.options.class {
        "Add" => MergeOp::Add,
        "Subtract" => MergeOp::Subtract,
        "Multiply" => MergeOp::Multiply,
        "Average" => MergeOp::Average,
        "Maximum" => MergeOp::Maximum,
        _ => MergeOp::Minimum,
    };
    let inputs = used.call.tensors();
    of_equal_rank(used, op, &inputs)
}

/// Merges tensors; those of fewer axes get axes of size 1 in front, as Keras does.
pub fn of_equal_rank(used: &mut Use, op: MergeOp, inputs: &[usize]) -> Read {
    let shapes: Vec<_> = inputs.iter().map(|&input| used.shape(input)).collect();
    let rank = shapes.iter().map(Vec::len).max().unwrap_or(0);
    let mut equal = Vec::with_capacity(inputs.len());
    for (&input, shape) in inputs.iter().zip(shapes) {
        let ones = std::iter::repeat_n(1, rank - shape.len());
        let target = ones.chain(shape).collect();
        equal.push(used.reshape("axes", input, target)?);
    }
    used.push_part("", Layer::Merge(Merge { op }), &equal)
}

/// `keras.layers.Concatenate`
pub fn concatenate(used: &mut Use) -> Read {
    let inputs = used.call.tensors();
    let rank = inputs.first().map_or(0, |&input| used.shape(input).len());
    let axis = used.options.axis("axis", rank)?;
    used.push_part("", Layer::Concatenate(Concatenate { axis }), &inputs)
}
