//! The settings of operations, and the operations that give tensors another shape.

use serde_json::Value;

use super::builder::{Builder, Read};
use super::rearrange::new_axis;
use super::reshape::resolve_target;
use crate::description::{
    Activation, ActivationLayer, Concatenate, Layer, Permute, Reshape, Softmax,
};
use crate::keras::Error;
use crate::keras::saved::{Argument, number, resolve_axis};

/// A setting, which Keras 3 has in the configuration and Keras 2 in the call.
pub fn setting<'a>(builder: &Builder<'a>, keys: &[&str]) -> Option<&'a Value> {
    let call = builder.call;
    keys.iter().find_map(|key| {
        let named = call.kwargs.iter().find(|(name, _)| name == key);
        builder.options.get(key).or(match named {
            Some((_, Argument::Json(value))) if !value.is_null() => Some(*value),
            _ => None,
        })
    })
}

pub fn flag(builder: &Builder, keys: &[&str]) -> Result<bool, Error> {
    match setting(builder, keys) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| {
            builder
                .options
                .unsupported(keys[0], value, "expected true or false")
        }),
    }
}

pub fn parameter(builder: &Builder, key: &str, default: f32) -> Result<f32, Error> {
    match setting(builder, &[key]) {
        None => Ok(default),
        Some(value) => number(value).ok_or_else(|| {
            builder
                .options
                .unsupported(key, value, "expected a finite number")
        }),
    }
}

pub fn function(builder: &mut Builder, activation: Activation) -> Read {
    let input = builder.first()?;
    builder.push(Layer::Activation(ActivationLayer { activation }), input)
}

pub fn softmax(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let axes = axes(builder, input)?.unwrap_or_else(|| vec![builder.shape(input).len() - 1]);
    builder.push(Layer::Softmax(Softmax { axes }), input)
}

/// `log(softmax(x))`, along one axis.
pub fn log_softmax(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let rank = builder.shape(input).len();
    let last = rank.saturating_sub(1);
    let axis = match axes(builder, input)?.as_deref() {
        None => last,
        Some(&[axis]) => axis,
        Some(_) => return Err(builder.error("it needs one axis that is not the batch")),
    };
    if axis == last {
        return function(builder, Activation::LogSoftmax);
    }
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(axis, last);
    let swapped = || {
        Layer::Permute(Permute {
            axes: order.clone(),
        })
    };
    let at_the_end = builder.push_part("turned", swapped(), &[input])?;
    let activation = Activation::LogSoftmax;
    let layer = Layer::Activation(ActivationLayer { activation });
    let normal = builder.push_part("log_softmax", layer, &[at_the_end])?;
    builder.push(swapped(), normal)
}

pub fn concatenate(builder: &mut Builder) -> Read {
    let inputs = builder.call.tensors();
    let input = builder.first()?;
    let axes = axes(builder, input)?.unwrap_or_default();
    match axes[..] {
        [axis] => builder.push_part("", Layer::Concatenate(Concatenate { axis }), &inputs),
        _ => Err(builder.error("it needs one axis that is not the batch")),
    }
}

/// The axes that it works along, ascending and without the batch; `None` where it gives none.
pub fn axes(builder: &Builder, input: usize) -> Result<Option<Vec<usize>>, Error> {
    let Some(value) = setting(builder, &["axis", "axes"]) else {
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

pub fn reshape(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let value = setting(builder, &["newshape", "shape", "target_shape"]);
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

pub fn transpose(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let rank = builder.shape(input).len();
    let value = setting(builder, &["axes", "perm", "pattern"]);
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

pub fn expand_dims(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let mut target = builder.shape(input);
    // The axis counts those of the result.
    let at = new_axis(builder, target.len(), 0)?;
    target.insert(at, 1);
    builder.push(Layer::Reshape(Reshape { target }), input)
}

pub fn squeeze(builder: &mut Builder) -> Read {
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
