//! Operations that become part of a functional model when people write `x + y` or `keras.ops.mean(x)`;
//! `tf.` operations in Keras 2.

use serde_json::Value;

use super::Use;
use super::index::get_item;
use super::merge::of_equal_rank;
use super::normalization::values;
use super::reshape::resolve_target;
use crate::description::{
    Activation, ActivationLayer, Concatenate, Layer, MergeConstant, MergeOp, Permute, Reduce,
    Reduction, Rescaling, Reshape, Softmax,
};
use crate::keras::Error;
use crate::keras::saved::{Argument, brief, number, plain, resolve_axis};

type Read = Result<usize, Error>;

/// The names of an operation in Keras 3 and in TensorFlow, and what reads it.
type Operation = (&'static [&'static str], fn(&mut Use) -> Read);

/// The operations that are read.
pub const OPERATIONS: &[Operation] = &[
    (&["Add", "math.add", "__operators__.add"], |used| {
        binary(used, MergeOp::Add)
    }),
    (&["Subtract", "math.subtract"], |used| {
        binary(used, MergeOp::Subtract)
    }),
    (&["Multiply", "math.multiply"], |used| {
        binary(used, MergeOp::Multiply)
    }),
    (
        &["Divide", "TrueDivide", "math.divide", "math.truediv"],
        |used| binary(used, MergeOp::Divide),
    ),
    (&["Maximum", "math.maximum"], |used| {
        binary(used, MergeOp::Maximum)
    }),
    (&["Minimum", "math.minimum"], |used| {
        binary(used, MergeOp::Minimum)
    }),
    (&["Negative", "math.negative"], |used| {
        let input = used.input()?;
        affine(used, input, -1.0, 0.0)
    }),
    (&["Square", "math.square"], |used| {
        let input = used.input()?;
        of_equal_rank(used, MergeOp::Multiply, &[input, input])
    }),
    (&["Power", "math.pow"], power),
    (&["Concatenate", "concat"], concatenate),
    (&["Mean", "math.reduce_mean"], |used| {
        reduce(used, Reduction::Mean)
    }),
    (&["Sum", "math.reduce_sum"], |used| {
        reduce(used, Reduction::Sum)
    }),
    (&["Max", "math.reduce_max"], |used| {
        reduce(used, Reduction::Max)
    }),
    (&["Min", "math.reduce_min"], |used| {
        reduce(used, Reduction::Min)
    }),
    (&["Reshape", "reshape"], reshape),
    (&["Transpose", "transpose"], transpose),
    (&["ExpandDims", "expand_dims"], expand_dims),
    (&["Squeeze", "squeeze"], squeeze),
    (&["GetItem", "__operators__.getitem"], get_item),
    (&["Softmax", "nn.softmax"], softmax),
    (
        &["Identity", "identity", "Cast", "cast"],
        super::dense::identity,
    ),
    (&["Relu", "nn.relu"], |used| {
        function(used, Activation::Relu)
    }),
    (&["ReLU", "keras.activations.relu"], |used| {
        let activation = used.options.relu()?;
        function(used, activation)
    }),
    (&["Relu6", "nn.relu6"], |used| {
        function(used, Activation::Relu6)
    }),
    (&["Sigmoid", "math.sigmoid"], |used| {
        function(used, Activation::Sigmoid)
    }),
    (&["Tanh", "math.tanh"], |used| {
        function(used, Activation::Tanh)
    }),
    (&["Silu", "nn.silu"], |used| {
        function(used, Activation::Silu)
    }),
    (&["Exp", "math.exp"], |used| {
        function(used, Activation::Exponential)
    }),
    (&["Softplus", "math.softplus"], |used| {
        function(used, Activation::Softplus)
    }),
    (&["Softsign", "nn.softsign"], |used| {
        function(used, Activation::Softsign)
    }),
    (&["Selu", "nn.selu"], |used| {
        function(used, Activation::Selu)
    }),
    (&["Mish"], |used| function(used, Activation::Mish)),
    (&["HardSilu"], |used| function(used, Activation::HardSilu)),
    (&["Elu", "nn.elu"], |used| {
        let alpha = parameter(used, "alpha", 1.0)?;
        function(used, Activation::Elu { alpha })
    }),
    (&["LeakyRelu", "nn.leaky_relu"], |used| {
        let key = if setting(used, &["alpha"]).is_some() {
            "alpha"
        } else {
            "negative_slope"
        };
        let negative_slope = parameter(used, key, 0.2)?;
        function(used, Activation::LeakyRelu { negative_slope })
    }),
    (&["Gelu", "nn.gelu"], |used| {
        let approximate = flag(used, &["approximate"])?;
        function(used, Activation::Gelu { approximate })
    }),
];

/// A setting, which Keras 3 has in the configuration and Keras 2 in the call.
fn setting<'a>(used: &Use<'a>, keys: &[&str]) -> Option<&'a Value> {
    let call = used.call;
    keys.iter().find_map(|key| {
        let named = call.kwargs.iter().find(|(name, _)| name == key);
        used.options.get(key).or(match named {
            Some((_, Argument::Json(value))) if !value.is_null() => Some(*value),
            _ => None,
        })
    })
}

fn flag(used: &Use, keys: &[&str]) -> Result<bool, Error> {
    match setting(used, keys) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| {
            used.options
                .unsupported(keys[0], value, "expected true or false")
        }),
    }
}

fn parameter(used: &Use, key: &str, default: f32) -> Result<f32, Error> {
    match setting(used, &[key]) {
        None => Ok(default),
        Some(value) => number(value).ok_or_else(|| {
            used.options
                .unsupported(key, value, "expected a finite number")
        }),
    }
}

/// The tensor that an operation of one works on.
pub fn first(used: &Use) -> Read {
    match used.call.tensors().first() {
        Some(&input) => Ok(input),
        None => Err(used.error("it gets no input")),
    }
}

fn function(used: &mut Use, activation: Activation) -> Read {
    let input = first(used)?;
    used.push(Layer::Activation(ActivationLayer { activation }), input)
}

fn softmax(used: &mut Use) -> Read {
    let input = first(used)?;
    let axes = axes(used, input)?.unwrap_or_else(|| vec![used.shape(input).len() - 1]);
    used.push(Layer::Softmax(Softmax { axes }), input)
}

fn affine(used: &mut Use, input: usize, scale: f32, offset: f32) -> Read {
    let (scale, offset) = (vec![scale], vec![offset]);
    used.push(Layer::Rescaling(Rescaling { scale, offset }), input)
}

/// An operation on two tensors, or on one and a number or an array.
fn binary(used: &mut Use, op: MergeOp) -> Read {
    let call = used.call;
    let second = call.argument(1, "x2").or_else(|| call.argument(1, "y"));
    match (call.argument(0, "x1"), second) {
        (Some(&Argument::Tensor(a)), Some(&Argument::Tensor(b))) => {
            of_equal_rank(used, op, &[a, b])
        }
        (Some(&Argument::Tensor(input)), Some(Argument::Json(constant))) => {
            with_constant(used, op, input, constant)
        }
        (Some(Argument::Json(constant)), Some(&Argument::Tensor(input))) => match op {
            MergeOp::Divide => Err(used.error("a division of a constant is not supported")),
            MergeOp::Subtract => {
                let layer = Layer::Rescaling(Rescaling {
                    scale: vec![-1.0],
                    offset: vec![0.0],
                });
                let negative = used.push_part("negative", layer, &[input])?;
                with_constant(used, MergeOp::Add, negative, constant)
            }
            _ => with_constant(used, op, input, constant),
        },
        _ => Err(used.error("it takes two tensors, or one and a constant")),
    }
}

/// `x ** 2`; no other power.
fn power(used: &mut Use) -> Read {
    let call = used.call;
    let exponent = call.argument(1, "x2").or_else(|| call.argument(1, "y"));
    let input = used.input()?;
    match exponent {
        Some(Argument::Json(value)) if number(value) == Some(2.0) => {
            of_equal_rank(used, MergeOp::Multiply, &[input, input])
        }
        _ => Err(used.error("only the power 2 is supported")),
    }
}

fn with_constant(used: &mut Use, op: MergeOp, input: usize, constant: &Value) -> Read {
    let array = values(plain(constant));
    let (values, mut shape) = array
        .ok_or_else(|| used.error(format!("{} is no array of finite numbers", brief(constant))))?;
    if let ([value], op) = (&values[..], op) {
        match op {
            MergeOp::Add => return affine(used, input, 1.0, *value),
            MergeOp::Subtract => return affine(used, input, 1.0, -value),
            MergeOp::Multiply => return affine(used, input, *value, 0.0),
            _ => {}
        }
    }
    // The axis of the batch, along which a constant is the same.
    let rank = used.shape(input).len();
    if shape.len() == rank + 1 && shape[0] == 1 {
        shape.remove(0);
    }
    if shape.len() > rank {
        return Err(used.error(format!(
            "its constant has the shape {shape:?}, too many axes"
        )));
    }
    let shape = [vec![1; rank - shape.len()], shape].concat();
    let node = used.push(Layer::MergeConstant(MergeConstant { op, shape }), input)?;
    used.fill(node, vec![values]);
    Ok(node)
}

fn concatenate(used: &mut Use) -> Read {
    let inputs = used.call.tensors();
    let input = first(used)?;
    let axes = axes(used, input)?.unwrap_or_default();
    match axes[..] {
        [axis] => used.push_part("", Layer::Concatenate(Concatenate { axis }), &inputs),
        _ => Err(used.error("it needs one axis that is not the batch")),
    }
}

/// The axes that it works along, ascending; `None` where it does not say. Without the batch.
fn axes(used: &Use, input: usize) -> Result<Option<Vec<usize>>, Error> {
    let Some(value) = setting(used, &["axis"]) else {
        return Ok(None);
    };
    let rank = used.shape(input).len();
    let axes: Option<Vec<usize>> = match value.as_array() {
        Some(list) => list.iter().map(|axis| resolve_axis(axis, rank)).collect(),
        None => resolve_axis(value, rank).map(|axis| vec![axis]),
    };
    let hint = "expected axes other than the batch";
    let mut axes = axes.ok_or_else(|| used.options.unsupported("axis", value, hint))?;
    axes.sort_unstable();
    axes.dedup();
    Ok(Some(axes))
}

fn reduce(used: &mut Use, kind: Reduction) -> Read {
    let input = first(used)?;
    let axes = axes(used, input)?.filter(|axes| !axes.is_empty());
    let axes = axes.ok_or_else(|| used.error("it needs axes, none of them the batch"))?;
    let keepdims = flag(used, &["keepdims", "keep_dims"])?;
    let layer = Layer::Reduce(Reduce {
        kind,
        axes,
        keepdims,
    });
    used.push(layer, input)
}

fn reshape(used: &mut Use) -> Read {
    let input = first(used)?;
    let value = setting(used, &["newshape", "shape"]);
    let sizes = value
        .and_then(Value::as_array)
        .and_then(|sizes| sizes.split_first());
    let target = match sizes {
        // The batch: of any size.
        Some((first, rest)) if first.is_null() || first.as_i64() == Some(-1) => {
            resolve_target(used, rest, input)?
        }
        _ => None,
    };
    let target = target.ok_or_else(|| {
        let value = value.unwrap_or(&Value::Null);
        let hint = "expected -1 for the batch and sizes from 1 on for the rest";
        used.options.unsupported("newshape", value, hint)
    })?;
    used.push(Layer::Reshape(Reshape { target }), input)
}

fn transpose(used: &mut Use) -> Read {
    let input = first(used)?;
    let rank = used.shape(input).len();
    let value = setting(used, &["axes", "perm"]);
    let axes = value
        .and_then(Value::as_array)
        .and_then(|axes| axes.split_first());
    let axes = match axes {
        Some((first, rest)) if first.as_i64() == Some(0) => {
            let axes = rest.iter().map(|axis| resolve_axis(axis, rank));
            axes.collect::<Option<Vec<_>>>()
        }
        _ => None,
    };
    let axes = axes.ok_or_else(|| {
        let value = value.unwrap_or(&Value::Null);
        let hint = "expected all axes, the batch first";
        used.options.unsupported("axes", value, hint)
    })?;
    used.push(Layer::Permute(Permute { axes }), input)
}

fn expand_dims(used: &mut Use) -> Read {
    let input = first(used)?;
    let mut target = used.shape(input);
    // The axis is one of the result's.
    let axis = setting(used, &["axis"]).unwrap_or(&Value::Null);
    let at = resolve_axis(axis, target.len() + 1);
    let at = at.ok_or_else(|| {
        let hint = "expected one axis other than the batch";
        used.options.unsupported("axis", axis, hint)
    })?;
    target.insert(at, 1);
    used.push(Layer::Reshape(Reshape { target }), input)
}

fn squeeze(used: &mut Use) -> Read {
    let input = first(used)?;
    let shape = used.shape(input);
    let axes = axes(used, input)?;
    let axes = axes.unwrap_or_else(|| (0..shape.len()).filter(|&axis| shape[axis] == 1).collect());
    if axes.iter().any(|&axis| shape[axis] != 1) {
        return Err(used.error(format!("axes {axes:?} of {shape:?} are not all of size 1")));
    }
    let kept = (0..shape.len()).filter(|axis| !axes.contains(axis));
    let target = kept.map(|axis| shape[axis]).collect();
    used.push(Layer::Reshape(Reshape { target }), input)
}
