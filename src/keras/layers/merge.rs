//! Layers of several inputs.

use super::arithmetic::rescaled;
use super::builder::{Builder, Read};
use crate::description::{Concatenate, Layer, Merge, MergeOp};

/// `keras.layers.{Add,Subtract,Multiply,Average,Maximum,Minimum}`
pub fn merge(builder: &mut Builder) -> Read {
    let op = match builder.options.class {
        "Add" => MergeOp::Add,
        "Subtract" => MergeOp::Subtract,
        "Multiply" => MergeOp::Multiply,
        "Average" => MergeOp::Average,
        "Maximum" => MergeOp::Maximum,
        _ => MergeOp::Minimum,
    };
    let inputs = builder.call.tensors();
    of_equal_rank(builder, op, &inputs)
}

/// `keras.applications.inception_resnet_v2.CustomScaleLayer`: `a + b * scale`
pub fn custom_scale(builder: &mut Builder) -> Read {
    let scale = builder.options.number("scale", 1.0)?;
    let &[first, second] = &builder.call.tensors()[..] else {
        return Err(builder.error("it takes two inputs"));
    };
    let second = rescaled(builder, "scaled", second, scale, 0.0)?;
    of_equal_rank(builder, MergeOp::Add, &[first, second])
}

/// Merges tensors; those of fewer axes get axes of size 1 in front, as Keras does.
pub fn of_equal_rank(builder: &mut Builder, op: MergeOp, inputs: &[usize]) -> Read {
    let shapes: Vec<_> = inputs.iter().map(|&input| builder.shape(input)).collect();
    let rank = shapes.iter().map(Vec::len).max().unwrap_or(0);
    let mut equal = Vec::with_capacity(inputs.len());
    for (&input, shape) in inputs.iter().zip(shapes) {
        let ones = std::iter::repeat_n(1, rank - shape.len());
        let target = ones.chain(shape).collect();
        equal.push(builder.reshape("axes", input, target)?);
    }
    builder.push_part("", Layer::Merge(Merge { op }), &equal)
}

/// `keras.layers.Concatenate`
pub fn concatenate(builder: &mut Builder) -> Read {
    let inputs = builder.call.tensors();
    let rank = inputs
        .first()
        .map_or(0, |&input| builder.shape(input).len());
    let axis = builder.options.axis("axis", rank)?;
    builder.push_part("", Layer::Concatenate(Concatenate { axis }), &inputs)
}
