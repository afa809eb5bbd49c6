//! Layers that normalize: by numbers they hold, or by the statistics of their input.

use serde_json::Value;

use super::builder::{Builder, Read};
use crate::description::{
    BatchNormalization, GroupNormalization, Layer, LayerNormalization, MergeConstant, MergeOp,
    Normalization, Statistics, UnitNormalization, product,
};
use crate::keras::Error;
use crate::keras::graph::Variable;
use crate::keras::saved::{number, plain, resolve_axis};

/// `keras.layers.BatchNormalization`
pub fn batch_normalization(builder: &mut Builder) -> Read {
    for key in ["renorm", "virtual_batch_size"] {
        builder.options.check_unset(key)?;
    }
    let input = builder.input()?;
    let layer = Layer::BatchNormalization(BatchNormalization {
        axis: builder.options.axis("axis", builder.shape(input).len())?,
        epsilon: builder.options.number("epsilon", 1e-3)?,
        center: builder.options.bool("center", true)?,
        scale: builder.options.bool("scale", true)?,
    });
    stored(builder, layer, input)
}

/// `keras.layers.LayerNormalization`
pub fn layer_normalization(builder: &mut Builder) -> Read {
    let rms = builder.options.bool("rms_scaling", false)?;
    let statistics = match rms {
        true => Statistics::Variance,
        false => Statistics::MeanAndVariance,
    };
    let input = builder.input()?;
    let layer = Layer::LayerNormalization(LayerNormalization {
        axes: builder.options.axes("axis", builder.shape(input).len())?,
        statistics,
        epsilon: builder.options.number("epsilon", 1e-3)?,
        center: builder.options.bool("center", true)?,
        scale: rms || builder.options.bool("scale", true)?,
    });
    stored(builder, layer, input)
}

/// `keras.layers.RMSNormalization`: its scale has the sizes of the axes, in their order, but Keras
/// applies it along the last ones.
pub fn rms_normalization(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let shape = builder.shape(input);
    let axes = builder.options.axes("axis", shape.len())?;
    let order = axes_as_given(builder, shape.len()).unwrap_or_else(|| axes.clone());
    let at_the_end = order
        .iter()
        .copied()
        .eq(shape.len() - order.len()..shape.len());
    let layer = Layer::LayerNormalization(LayerNormalization {
        axes,
        statistics: Statistics::MeanSquare,
        epsilon: builder.options.number("epsilon", 1e-6)?,
        center: false,
        scale: at_the_end,
    });
    if at_the_end {
        let node = builder.push(layer, input)?;
        let sizes = builder.specs(node).into_iter().next();
        builder.variable(learned("scale", &[], sizes.unwrap_or_default().1));
        return Ok(node);
    }
    let normal = builder.push_part("normal", layer, &[input])?;
    let sizes = order.iter().map(|&axis| shape[axis]).collect();
    along_the_last(
        builder,
        normal,
        MergeOp::Multiply,
        learned("scale", &[], sizes),
    )
}

/// The axes in the order of their numbers, of which the negative ones are the least.
fn axes_as_given(builder: &Builder, rank: usize) -> Option<Vec<usize>> {
    let mut list = builder.options.get("axis")?.as_array()?.clone();
    list.sort_by_key(Value::as_i64);
    list.iter().map(|axis| resolve_axis(axis, rank)).collect()
}

/// `keras.applications.convnext.LayerScale`: `x * gamma`
pub fn layer_scale(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let sizes = vec![builder.options.size("projection_dim")?];
    let gamma = learned("gamma", &["variable", "Variable", "layer_scale"], sizes);
    along_the_last(builder, input, MergeOp::Multiply, gamma)
}

/// Arithmetic with a variable that has the sizes of the last axes.
pub fn along_the_last(
    builder: &mut Builder,
    input: usize,
    op: MergeOp,
    variable: Variable,
) -> Read {
    let rank = builder.shape(input).len();
    let missing = rank.checked_sub(variable.shape.len());
    let missing = missing.ok_or_else(|| {
        let (name, shape) = (variable.name, &variable.shape);
        builder.error(format!(
            "its {name} of the shape {shape:?} has too many axes"
        ))
    })?;
    let shape = [&vec![1; missing][..], &variable.shape].concat();
    let layer = Layer::MergeConstant(MergeConstant { op, shape });
    let node = builder.push(layer, input)?;
    builder.variable(variable);
    Ok(node)
}

/// The one weight of a layer's own node.
pub fn learned(name: &'static str, names: &'static [&'static str], shape: Vec<usize>) -> Variable {
    Variable {
        path: String::new(),
        name,
        names,
        shape,
        trainable: true,
        target: Some(("", 0)),
    }
}

/// `keras.layers.GroupNormalization`
pub fn group_normalization(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let shape = builder.shape(input);
    let axis = builder.options.axis("axis", shape.len())?;
    let groups = match builder.options.get("groups").and_then(Value::as_i64) {
        Some(-1) => shape[axis],
        _ => builder.options.size_or("groups", 32)?,
    };
    let layer = Layer::GroupNormalization(GroupNormalization {
        groups,
        axis,
        epsilon: builder.options.number("epsilon", 1e-3)?,
        center: builder.options.bool("center", true)?,
        scale: builder.options.bool("scale", true)?,
    });
    stored(builder, layer, input)
}

/// `keras.layers.UnitNormalization`
pub fn unit_normalization(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let axes = builder.options.axes("axis", builder.shape(input).len())?;
    builder.push(Layer::UnitNormalization(UnitNormalization { axes }), input)
}

fn stored(builder: &mut Builder, layer: Layer, input: usize) -> Read {
    let node = builder.push(layer, input)?;
    builder.stored("", node);
    Ok(node)
}

/// `keras.layers.Normalization`: its mean and variance are in the configuration, or were learned
/// from data and are weights.
pub fn normalization(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let rank = builder.shape(input).len();
    let axes = match builder.options.config.get("axis") {
        Some(Value::Null) => Vec::new(),
        _ => builder.options.axes("axis", rank)?,
    };
    let invert = builder.options.bool("invert", false)?;
    let Some((mean, variance)) = builder
        .options
        .get("mean")
        .zip(builder.options.get("variance"))
    else {
        let node = builder.push(
            Layer::Normalization(Normalization {
                axes: axes.clone(),
                invert,
            }),
            input,
        )?;
        if axes.is_empty() {
            scalars(builder);
        } else {
            builder.stored("", node);
        }
        builder.variable(scalar("count", None));
        return Ok(node);
    };
    let (mean, mean_shape) = array(builder, "mean", mean)?;
    let (variance, shape) = array(builder, "variance", variance)?;
    let axes = match (mean.len(), mean_shape == shape) {
        (1, true) => Vec::new(),
        (_, true) => axes,
        _ => return Err(builder.error("its mean and variance have different shapes")),
    };
    let node = builder.push(Layer::Normalization(Normalization { axes, invert }), input)?;
    let expected = builder.specs(node).remove(0).1;
    let fits = product(&expected) == Some(mean.len());
    // A flat array of that many values, or one with axes of size 1 between them.
    let sizes = |shape: &[usize]| -> Vec<usize> {
        shape.iter().copied().filter(|&size| size != 1).collect()
    };
    if !fits || sizes(&expected) != sizes(&shape) {
        return Err(builder.error(format!(
            "its mean has the shape {shape:?}, expected {expected:?}"
        )));
    }
    builder.fill(node, vec![mean, variance]);
    Ok(node)
}

fn scalars(builder: &mut Builder) {
    builder.variable(scalar("mean", Some(("", 0))));
    builder.variable(scalar("variance", Some(("", 1))));
}

fn scalar(name: &'static str, target: Option<(&'static str, usize)>) -> Variable {
    Variable {
        path: String::new(),
        name,
        names: &[],
        shape: Vec::new(),
        trainable: false,
        target,
    }
}

/// The values of a number or of nested lists, and their shape.
fn array(builder: &Builder, key: &str, value: &Value) -> Result<(Vec<f32>, Vec<usize>), Error> {
    values(plain(value)).ok_or_else(|| {
        let hint = "expected a finite number, or lists of them that make an array";
        builder.options.unsupported(key, value, hint)
    })
}

/// Nested lists, one level for each axis: their values in row-major order, and their shape.
pub fn values(value: &Value) -> Option<(Vec<f32>, Vec<usize>)> {
    let mut shape = Vec::new();
    let mut inner = value;
    while let Some(list) = inner.as_array() {
        shape.push(list.len());
        inner = list.first()?;
    }
    let mut level = vec![value];
    for &size in &shape {
        let lists: Option<Vec<&Vec<Value>>> = level.into_iter().map(Value::as_array).collect();
        let lists = lists?;
        if lists.iter().any(|list| list.len() != size) {
            return None;
        }
        level = lists.into_iter().flatten().collect();
    }
    let numbers: Option<Vec<f32>> = level.into_iter().map(number).collect();
    Some((numbers?, shape))
}
