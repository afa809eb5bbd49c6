//! Operations between layers: what a functional model has where people wrote `x + y`,
//! `keras.ops.mean(x)`, or in Keras 2 `tf.reduce_mean(x)`.

use serde_json::Value;

use super::builder::{Builder, Read};
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

/// The names of an operation in Keras 3 and in TensorFlow, and what reads it.
type Operation = (&'static [&'static str], fn(&mut Builder) -> Read);

/// The operations that are read.
pub const OPERATIONS: &[Operation] = &[
    (&["Add", "math.add", "__operators__.add"], |builder| {
        binary(builder, MergeOp::Add)
    }),
    (&["Subtract", "math.subtract"], |builder| {
        binary(builder, MergeOp::Subtract)
    }),
    (&["Multiply", "math.multiply"], |builder| {
        binary(builder, MergeOp::Multiply)
    }),
    (
        &["Divide", "TrueDivide", "math.divide", "math.truediv"],
        |builder| binary(builder, MergeOp::Divide),
    ),
    (&["Maximum", "math.maximum"], |builder| {
        binary(builder, MergeOp::Maximum)
    }),
    (&["Minimum", "math.minimum"], |builder| {
        binary(builder, MergeOp::Minimum)
    }),
    (&["Negative", "math.negative"], |builder| {
        let input = builder.input()?;
        affine(builder, input, -1.0, 0.0)
    }),
    (&["Square", "math.square"], |builder| {
        let input = builder.input()?;
        of_equal_rank(builder, MergeOp::Multiply, &[input, input])
    }),
    (&["Power", "math.pow"], power),
    (&["Concatenate", "concat"], concatenate),
    (&["Mean", "math.reduce_mean"], |builder| {
        reduce(builder, Reduction::Mean)
    }),
    (&["Sum", "math.reduce_sum"], |builder| {
        reduce(builder, Reduction::Sum)
    }),
    (&["Max", "math.reduce_max"], |builder| {
        reduce(builder, Reduction::Max)
    }),
    (&["Min", "math.reduce_min"], |builder| {
        reduce(builder, Reduction::Min)
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
    (&["Relu", "nn.relu"], |builder| {
        function(builder, Activation::Relu)
    }),
    (&["ReLU", "keras.activations.relu"], |builder| {
        let activation = builder.options.relu()?;
        function(builder, activation)
    }),
    (&["Relu6", "nn.relu6"], |builder| {
        function(builder, Activation::Relu6)
    }),
    (&["Sigmoid", "math.sigmoid"], |builder| {
        function(builder, Activation::Sigmoid)
    }),
    (&["Tanh", "math.tanh"], |builder| {
        function(builder, Activation::Tanh)
    }),
    (&["Silu", "nn.silu"], |builder| {
        function(builder, Activation::Silu)
    }),
    (&["Exp", "math.exp"], |builder| {
        function(builder, Activation::Exponential)
    }),
    (&["Softplus", "math.softplus"], |builder| {
        function(builder, Activation::Softplus)
    }),
    (&["Softsign", "nn.softsign"], |builder| {
        function(builder, Activation::Softsign)
    }),
    (&["Selu", "nn.selu"], |builder| {
        function(builder, Activation::Selu)
    }),
    (&["Mish"], |builder| function(builder, Activation::Mish)),
    (&["HardSilu"], |builder| {
        function(builder, Activation::HardSilu)
    }),
    (&["Elu", "nn.elu"], |builder| {
        let alpha = parameter(builder, "alpha", 1.0)?;
        function(builder, Activation::Elu { alpha })
    }),
    (&["LeakyRelu", "nn.leaky_relu"], |builder| {
        let key = if setting(builder, &["alpha"]).is_some() {
            "alpha"
        } else {
            "negative_slope"
        };
        let negative_slope = parameter(builder, key, 0.2)?;
        function(builder, Activation::LeakyRelu { negative_slope })
    }),
    (&["Gelu", "nn.gelu"], |builder| {
        let approximate = flag(builder, &["approximate"])?;
        function(builder, Activation::Gelu { approximate })
    }),
];

/// A setting, which Keras 3 has in the configuration and Keras 2 in the call.
fn setting<'a>(builder: &Builder<'a>, keys: &[&str]) -> Option<&'a Value> {
    let call = builder.call;
    keys.iter().find_map(|key| {
        let named = call.kwargs.iter().find(|(name, _)| name == key);
        builder.options.get(key).or(match named {
            Some((_, Argument::Json(value))) if !value.is_null() => Some(*value),
            _ => None,
        })
    })
}

fn flag(builder: &Builder, keys: &[&str]) -> Result<bool, Error> {
    match setting(builder, keys) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| {
            builder
                .options
                .unsupported(keys[0], value, "expected true or false")
        }),
    }
}

fn parameter(builder: &Builder, key: &str, default: f32) -> Result<f32, Error> {
    match setting(builder, &[key]) {
        None => Ok(default),
        Some(value) => number(value).ok_or_else(|| {
            builder
                .options
                .unsupported(key, value, "expected a finite number")
        }),
    }
}

fn function(builder: &mut Builder, activation: Activation) -> Read {
    let input = builder.first()?;
    builder.push(Layer::Activation(ActivationLayer { activation }), input)
}

fn softmax(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let axes = axes(builder, input)?.unwrap_or_else(|| vec![builder.shape(input).len() - 1]);
    builder.push(Layer::Softmax(Softmax { axes }), input)
}

fn affine(builder: &mut Builder, input: usize, scale: f32, offset: f32) -> Read {
    let (scale, offset) = (vec![scale], vec![offset]);
    builder.push(Layer::Rescaling(Rescaling { scale, offset }), input)
}

/// An operation on two tensors, or on one and a number or an array.
fn binary(builder: &mut Builder, op: MergeOp) -> Read {
    let call = builder.call;
    let second = call.argument(1, "x2").or_else(|| call.argument(1, "y"));
    match (call.argument(0, "x1"), second) {
        (Some(&Argument::Tensor(a)), Some(&Argument::Tensor(b))) => {
            of_equal_rank(builder, op, &[a, b])
        }
        (Some(&Argument::Tensor(input)), Some(Argument::Json(constant))) => {
            with_constant(builder, op, input, constant)
        }
        (Some(Argument::Json(constant)), Some(&Argument::Tensor(input))) => match op {
            MergeOp::Divide => Err(builder.error("a division of a constant is not supported")),
            MergeOp::Subtract => {
                let layer = Layer::Rescaling(Rescaling {
                    scale: vec![-1.0],
                    offset: vec![0.0],
                });
                let negative = builder.push_part("negative", layer, &[input])?;
                with_constant(builder, MergeOp::Add, negative, constant)
            }
            _ => with_constant(builder, op, input, constant),
        },
        _ => Err(builder.error("it takes two tensors, or one and a constant")),
    }
}

/// `x ** 2`; no other power.
fn power(builder: &mut Builder) -> Read {
    let call = builder.call;
    let exponent = call.argument(1, "x2").or_else(|| call.argument(1, "y"));
    let input = builder.input()?;
    match exponent {
        Some(Argument::Json(value)) if number(value) == Some(2.0) => {
            of_equal_rank(builder, MergeOp::Multiply, &[input, input])
        }
        _ => Err(builder.error("only the power 2 is supported")),
    }
}

fn with_constant(builder: &mut Builder, op: MergeOp, input: usize, constant: &Value) -> Read {
    let array = values(plain(constant));
    let (values, mut shape) = array.ok_or_else(|| {
        builder.error(format!("{} is no array of finite numbers", brief(constant)))
    })?;
    if let ([value], op) = (&values[..], op) {
        match op {
            MergeOp::Add => return affine(builder, input, 1.0, *value),
            MergeOp::Subtract => return affine(builder, input, 1.0, -value),
            MergeOp::Multiply => return affine(builder, input, *value, 0.0),
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
    let node = builder.push(Layer::MergeConstant(MergeConstant { op, shape }), input)?;
    builder.fill(node, vec![values]);
    Ok(node)
}

fn concatenate(builder: &mut Builder) -> Read {
    let inputs = builder.call.tensors();
    let input = builder.first()?;
    let axes = axes(builder, input)?.unwrap_or_default();
    match axes[..] {
        [axis] => builder.push_part("", Layer::Concatenate(Concatenate { axis }), &inputs),
        _ => Err(builder.error("it needs one axis that is not the batch")),
    }
}

/// The axes that it works along, ascending and without the batch; `None` where it gives none.
fn axes(builder: &Builder, input: usize) -> Result<Option<Vec<usize>>, Error> {
    let Some(value) = setting(builder, &["axis"]) else {
        return Ok(None);
    };
    let rank = builder.shape(input).len();
    let axes: Option<Vec<usize>> = match value.as_array() {
        Some(list) => list.iter().map(|axis| resolve_axis(axis, rank)).collect(),
        None => resolve_axis(value, rank).map(|axis| vec![axis]),
    };
    let hint = "expected axes other than the batch";
    let mut axes = axes.ok_or_else(|| builder.options.unsupported("axis", value, hint))?;
    axes.sort_unstable();
    axes.dedup();
    Ok(Some(axes))
}

fn reduce(builder: &mut Builder, kind: Reduction) -> Read {
    let input = builder.first()?;
    let axes = axes(builder, input)?.filter(|axes| !axes.is_empty());
    let axes = axes.ok_or_else(|| builder.error("it needs axes, none of them the batch"))?;
    let keepdims = flag(builder, &["keepdims", "keep_dims"])?;
    let layer = Layer::Reduce(Reduce {
        kind,
        axes,
        keepdims,
    });
    builder.push(layer, input)
}

fn reshape(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let value = setting(builder, &["newshape", "shape"]);
    let sizes = value
        .and_then(Value::as_array)
        .and_then(|sizes| sizes.split_first());
    let target = match sizes {
        // The batch: of any size.
        Some((first, rest)) if first.is_null() || first.as_i64() == Some(-1) => {
            resolve_target(builder, rest, input)?
        }
        _ => None,
    };
    let target = target.ok_or_else(|| {
        let value = value.unwrap_or(&Value::Null);
        let hint = "expected -1 for the batch and sizes from 1 on for the rest";
        builder.options.unsupported("newshape", value, hint)
    })?;
    builder.push(Layer::Reshape(Reshape { target }), input)
}

fn transpose(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let rank = builder.shape(input).len();
    let value = setting(builder, &["axes", "perm"]);
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
        builder.options.unsupported("axes", value, hint)
    })?;
    builder.push(Layer::Permute(Permute { axes }), input)
}

fn expand_dims(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let mut target = builder.shape(input);
    // The axis counts those of the result.
    let axis = setting(builder, &["axis"]).unwrap_or(&Value::Null);
    let at = resolve_axis(axis, target.len() + 1);
    let at = at.ok_or_else(|| {
        let hint = "expected one axis other than the batch";
        builder.options.unsupported("axis", axis, hint)
    })?;
    target.insert(at, 1);
    builder.push(Layer::Reshape(Reshape { target }), input)
}

fn squeeze(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let shape = builder.shape(input);
    let axes = axes(builder, input)?;
    let axes = axes.unwrap_or_else(|| (0..shape.len()).filter(|&axis| shape[axis] == 1).collect());
    if axes.iter().any(|&axis| shape[axis] != 1) {
        return Err(builder.error(format!("axes {axes:?} of {shape:?} are not all of size 1")));
    }
    let kept = (0..shape.len()).filter(|axis| !axes.contains(axis));
    let target = kept.map(|axis| shape[axis]).collect();
    builder.push(Layer::Reshape(Reshape { target }), input)
}
