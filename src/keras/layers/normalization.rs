//! Layers that bring values to a mean and a variance.

use serde_json::Value;

use super::Use;
use crate::description::{
    BatchNormalization, GroupNormalization, Layer, LayerNormalization, Normalization, Statistics,
    UnitNormalization, product,
};
use crate::keras::Error;
use crate::keras::saved::{number, plain};
use crate::keras::weights::Variable;

type Read = Result<usize, Error>;

/// `keras.layers.BatchNormalization`
pub fn batch_normalization(used: &mut Use) -> Read {
    for key in ["renorm", "virtual_batch_size"] {
        used.options.check_unset(key)?;
    }
    let input = used.input()?;
    let layer = Layer::BatchNormalization(BatchNormalization {
        axis: used.options.axis("axis", used.shape(input).len())?,
        epsilon: used.options.number("epsilon", 1e-3)?,
        center: used.options.bool("center", true)?,
        scale: used.options.bool("scale", true)?,
    });
    stored(used, layer, input)
}

/// `keras.layers.LayerNormalization`
pub fn layer_normalization(used: &mut Use) -> Read {
    let rms = used.options.bool("rms_scaling", false)?;
    let statistics = match rms {
        true => Statistics::Variance,
        false => Statistics::MeanAndVariance,
    };
    let input = used.input()?;
    let layer = Layer::LayerNormalization(LayerNormalization {
        axes: used.options.axes("axis", used.shape(input).len())?,
        statistics,
        epsilon: used.options.number("epsilon", 1e-3)?,
        center: used.options.bool("center", true)?,
        scale: rms || used.options.bool("scale", true)?,
    });
    stored(used, layer, input)
}

/// `keras.layers.RMSNormalization`
pub fn rms_normalization(used: &mut Use) -> Read {
    let input = used.input()?;
    let layer = Layer::LayerNormalization(LayerNormalization {
        axes: used.options.axes("axis", used.shape(input).len())?,
        statistics: Statistics::MeanSquare,
        epsilon: used.options.number("epsilon", 1e-6)?,
        center: false,
        scale: true,
    });
    let node = used.push(layer, input)?;
    for (index, (_, shape)) in used.specs(node).into_iter().enumerate() {
        used.variable(Variable {
            path: String::new(),
            name: "scale",
            names: &[],
            shape,
            trainable: true,
            target: Some(("", index)),
        });
    }
    Ok(node)
}

/// `keras.layers.GroupNormalization`
pub fn group_normalization(used: &mut Use) -> Read {
    let input = used.input()?;
    let shape = used.shape(input);
    let axis = used.options.axis("axis", shape.len())?;
    let groups = match used.options.get("groups").and_then(Value::as_i64) {
        Some(-1) => shape[axis],
        _ => used.options.size_or("groups", 32)?,
    };
    let layer = Layer::GroupNormalization(GroupNormalization {
        groups,
        axis,
        epsilon: used.options.number("epsilon", 1e-3)?,
        center: used.options.bool("center", true)?,
        scale: used.options.bool("scale", true)?,
    });
    stored(used, layer, input)
}

/// `keras.layers.UnitNormalization`
pub fn unit_normalization(used: &mut Use) -> Read {
    let input = used.input()?;
    let axes = used.options.axes("axis", used.shape(input).len())?;
    used.push(Layer::UnitNormalization(UnitNormalization { axes }), input)
}

fn stored(used: &mut Use, layer: Layer, input: usize) -> Read {
    let node = used.push(layer, input)?;
    used.stored("", node);
    Ok(node)
}

/// `keras.layers.Normalization`: its mean and variance are in the configuration, or were learned
/// from data and are weights.
pub fn normalization(used: &mut Use) -> Read {
    let input = used.input()?;
    let rank = used.shape(input).len();
    let axes = match used.options.config.get("axis") {
        Some(Value::Null) => Vec::new(),
        _ => used.options.axes("axis", rank)?,
    };
    let invert = used.options.bool("invert", false)?;
    let Some((mean, variance)) = used.options.get("mean").zip(used.options.get("variance")) else {
        let node = used.push(
            Layer::Normalization(Normalization {
                axes: axes.clone(),
                invert,
            }),
            input,
        )?;
        if axes.is_empty() {
            scalars(used);
        } else {
            used.stored("", node);
        }
        used.variable(scalar("count", None));
        return Ok(node);
    };
    let (mean, mean_shape) = array(used, "mean", mean)?;
    let (variance, shape) = array(used, "variance", variance)?;
    let axes = match (mean.len(), mean_shape == shape) {
        (1, true) => Vec::new(),
        (_, true) => axes,
        _ => return Err(used.error("its mean and variance have different shapes")),
    };
    let node = used.push(Layer::Normalization(Normalization { axes, invert }), input)?;
    let expected = used.specs(node).remove(0).1;
    let fits = product(&expected) == Some(mean.len());
    // A flat array of that many values, or one with axes of size 1 between them.
    let sizes = |shape: &[usize]| -> Vec<usize> {
        shape.iter().copied().filter(|&size| size != 1).collect()
    };
    if !fits || sizes(&expected) != sizes(&shape) {
        return Err(used.error(format!(
            "its mean has the shape {shape:?}, expected {expected:?}"
        )));
    }
    used.fill(node, vec![mean, variance]);
    Ok(node)
}

fn scalars(used: &mut Use) {
    used.variable(scalar("mean", Some(("", 0))));
    used.variable(scalar("variance", Some(("", 1))));
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
fn array(used: &Use, key: &str, value: &Value) -> Result<(Vec<f32>, Vec<usize>), Error> {
    values(plain(value)).ok_or_else(|| {
        let hint = "expected a finite number, or lists of them that make an array";
        used.options.unsupported(key, value, hint)
    })
}

/// Lists in lists, as deep as axes go, to values in row-major order and a shape.
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
