//! Operations on two tensors, or on one and a constant: arithmetic, powers and comparisons.

use serde_json::Value;

use super::builder::{Builder, Read};
use super::merge::of_equal_rank;
use super::normalization::values;
use super::ops::{function, setting};
use crate::description::{
    Activation, ActivationLayer, Broadcast, Layer, Merge, MergeConstant, MergeOp, Rescaling,
};
use crate::keras::Error;
use crate::keras::saved::{Argument, brief, number, plain};

/// Two tensors, or one and a number or an array on either side.
pub fn binary(builder: &mut Builder, op: MergeOp) -> Read {
    match sides(builder)? {
        [Side::Tensor(a), Side::Tensor(b)] => of_equal_rank(builder, op, &[a, b]),
        [Side::Tensor(input), Side::Constant(constant)] => {
            with_constant(builder, op, input, constant)
        }
        [Side::Constant(constant), Side::Tensor(input)] => {
            constant_first(builder, op, constant, input)
        }
        [Side::Constant(_), Side::Constant(_)] => {
            Err(builder.error("it takes two tensors, or one and a constant"))
        }
    }
}

/// What stands on one side of an operation.
#[derive(Clone, Copy)]
pub enum Side<'a> {
    Tensor(usize),
    Constant(&'a Value),
}

fn sides<'a>(builder: &Builder<'a>) -> Result<[Side<'a>; 2], Error> {
    let call = builder.call;
    let first = call.argument(0, "x1").or_else(|| call.argument(0, "x"));
    let second = ["x2", "y", "bias"];
    let second = second.iter().find_map(|name| call.argument(1, name));
    match (first.and_then(side), second.and_then(side)) {
        (Some(first), Some(second)) => Ok([first, second]),
        _ => Err(builder.error("it takes two tensors, or one and a constant")),
    }
}

pub fn side<'a>(argument: &Argument<'a, usize>) -> Option<Side<'a>> {
    match argument {
        Argument::Tensor(tensor) => Some(Side::Tensor(*tensor)),
        Argument::Json(constant) => Some(Side::Constant(constant)),
        Argument::List(_) => None,
    }
}

fn constant_first(builder: &mut Builder, op: MergeOp, constant: &Value, input: usize) -> Read {
    match op {
        MergeOp::Subtract => {
            let negative = rescaled(builder, "negative", input, -1.0, 0.0)?;
            with_constant(builder, MergeOp::Add, negative, constant)
        }
        MergeOp::Divide => {
            let inverse = apply(builder, "inverse", Activation::Reciprocal, input)?;
            with_constant(builder, MergeOp::Multiply, inverse, constant)
        }
        MergeOp::Power => {
            let base = number(plain(constant)).filter(|&base| base > 0.0);
            let base = base.ok_or_else(|| {
                builder.error(format!("{} is no positive number", brief(constant)))
            })?;
            let exponent = rescaled(builder, "exponent", input, base.ln(), 0.0)?;
            apply(builder, "", Activation::Exponential, exponent)
        }
        MergeOp::Greater => with_constant(builder, MergeOp::Less, input, constant),
        MergeOp::GreaterEqual => with_constant(builder, MergeOp::LessEqual, input, constant),
        MergeOp::Less => with_constant(builder, MergeOp::Greater, input, constant),
        MergeOp::LessEqual => with_constant(builder, MergeOp::GreaterEqual, input, constant),
        MergeOp::Add
        | MergeOp::Multiply
        | MergeOp::Average
        | MergeOp::Maximum
        | MergeOp::Minimum
        | MergeOp::Equal
        | MergeOp::NotEqual
        | MergeOp::Where => with_constant(builder, op, input, constant),
    }
}

/// `x ** y`
pub fn power(builder: &mut Builder) -> Read {
    let [Side::Tensor(input), Side::Constant(exponent)] = sides(builder)? else {
        return binary(builder, MergeOp::Power);
    };
    match number(plain(exponent)) {
        Some(2.0) => of_equal_rank(builder, MergeOp::Multiply, &[input, input]),
        Some(0.5) => function(builder, Activation::Sqrt),
        Some(-0.5) => function(builder, Activation::Rsqrt),
        Some(-1.0) => function(builder, Activation::Reciprocal),
        Some(exponent) => function(builder, Activation::Power { exponent }),
        None => with_constant(builder, MergeOp::Power, input, exponent),
    }
}

/// `clip(x, low, high)`
pub fn clip(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let bound = |keys: &[&str]| match setting(builder, keys) {
        None => Ok(None),
        Some(value) => number(plain(value)).map(Some).ok_or_else(|| {
            let hint = "expected a finite number";
            builder.options.unsupported(keys[0], value, hint)
        }),
    };
    let activation = Activation::Clip {
        low: bound(&["x_min", "clip_value_min", "min_value"])?,
        high: bound(&["x_max", "clip_value_max", "max_value"])?,
    };
    apply(builder, "", activation, input)
}

/// `(a - b) ** 2`
pub fn squared_difference(builder: &mut Builder) -> Read {
    let difference = binary(builder, MergeOp::Subtract)?;
    of_equal_rank(builder, MergeOp::Multiply, &[difference, difference])
}

/// `where(condition, a, b)`
pub fn select(builder: &mut Builder) -> Read {
    let call = builder.call;
    let names = [["condition"; 2], ["x1", "x"], ["x2", "y"]];
    let mut parts = Vec::with_capacity(names.len());
    for (index, names) in names.iter().enumerate() {
        let argument = names.iter().find_map(|name| call.argument(index, name));
        let part = argument.and_then(side);
        parts.push(part.ok_or_else(|| builder.error("it takes a condition and two values"))?);
    }
    let tensors = parts.iter().filter_map(|part| match part {
        Side::Tensor(tensor) => Some(*tensor),
        Side::Constant(_) => None,
    });
    let like = tensors.max_by_key(|&tensor| builder.shape(tensor).len());
    let like = like.ok_or_else(|| builder.error("it takes a tensor"))?;
    let inputs = parts.into_iter().map(|part| match part {
        Side::Tensor(tensor) => Ok(tensor),
        Side::Constant(constant) => {
            let zero = rescaled(builder, "zero", like, 0.0, 0.0)?;
            with_constant_part("constant", builder, MergeOp::Add, zero, constant)
        }
    });
    let inputs = inputs.collect::<Result<Vec<_>, Error>>()?;
    of_equal_rank(builder, MergeOp::Where, &inputs)
}

/// `and`, `or` and `not` of what is 0 or 1.
pub fn logical_not(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    rescaled(builder, "", input, -1.0, 1.0)
}

/// A tensor of that shape with one number everywhere.
pub fn filled(builder: &mut Builder, value: f32) -> Read {
    let input = builder.first()?;
    rescaled(builder, "", input, 0.0, value)
}

pub fn apply(
    builder: &mut Builder,
    part: &'static str,
    activation: Activation,
    input: usize,
) -> Read {
    let layer = Layer::Activation(ActivationLayer { activation });
    builder.push_part(part, layer, &[input])
}

pub fn rescaled(
    builder: &mut Builder,
    part: &'static str,
    input: usize,
    scale: f32,
    offset: f32,
) -> Read {
    let (scale, offset) = (vec![scale], vec![offset]);
    let layer = Layer::Rescaling(Rescaling { scale, offset });
    builder.push_part(part, layer, &[input])
}

fn with_constant(builder: &mut Builder, op: MergeOp, input: usize, constant: &Value) -> Read {
    with_constant_part("", builder, op, input, constant)
}

/// A tensor and a constant, which has the shape of one of its examples or less.
fn with_constant_part(
    part: &'static str,
    builder: &mut Builder,
    op: MergeOp,
    input: usize,
    constant: &Value,
) -> Read {
    let array = values(plain(constant));
    let (values, shape) = array.ok_or_else(|| {
        builder.error(format!("{} is no array of finite numbers", brief(constant)))
    })?;
    with_array(builder, part, op, input, (values, shape))
}

/// The same with the values and the shape of an array.
pub fn with_array(
    builder: &mut Builder,
    part: &'static str,
    op: MergeOp,
    input: usize,
    (values, mut shape): (Vec<f32>, Vec<usize>),
) -> Read {
    if let [value] = values[..] {
        match op {
            MergeOp::Add => return rescaled(builder, part, input, 1.0, value),
            MergeOp::Subtract => return rescaled(builder, part, input, 1.0, -value),
            MergeOp::Multiply => return rescaled(builder, part, input, value, 0.0),
            _ => {}
        }
    }
    // The axis of the batch: the constant is the same for every example.
    let rank = builder.shape(input).len();
    if shape.len() == rank + 1 && shape[0] == 1 {
        shape.remove(0);
    }
    if shape.len() > rank {
        return Err(builder.error(format!(
            "its constant has the shape {shape:?}, too many axes"
        )));
    }
    let shape = [vec![1; rank - shape.len()], shape].concat();
    let input = repeated(builder, input, &shape)?;
    let layer = Layer::MergeConstant(MergeConstant { op, shape });
    let node = builder.push_part(part, layer, &[input])?;
    builder.fill(node, vec![values]);
    Ok(node)
}

/// A tensor that is as large as a constant of the same rank along every axis where it has size 1.
fn repeated(builder: &mut Builder, input: usize, constant: &[usize]) -> Read {
    let shape = builder.shape(input);
    let sizes = shape.iter().zip(constant);
    let target: Vec<usize> = sizes
        .map(|(&size, &other)| if size == 1 { other } else { size })
        .collect();
    if target == shape {
        return Ok(input);
    }
    builder.push_part("repeated", Layer::Broadcast(Broadcast { target }), &[input])
}

/// A merge of tensors that have the same rank already.
pub fn merged(builder: &mut Builder, part: &'static str, op: MergeOp, inputs: &[usize]) -> Read {
    builder.push_part(part, Layer::Merge(Merge { op }), inputs)
}
