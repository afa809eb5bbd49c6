//! `Attention`, which has one head and no kernels, and `MultiHeadAttention`.

use serde_json::Value;

use super::builder::{Builder, Read};
use crate::description::{Activation, Attention, Dense, Layer, product};
use crate::keras::Error;
use crate::keras::graph::Variable;
use crate::keras::saved::{Argument, size};

/// `keras.layers.Attention`: inputs query, value and perhaps key.
pub fn attention(builder: &mut Builder) -> Read {
    check_call(builder)?;
    let dot = Value::from("dot");
    let mode = builder.options.get("score_mode").unwrap_or(&dot);
    if *mode != dot {
        return Err(builder
            .options
            .unsupported("score_mode", mode, "supported: dot"));
    }
    let (query, value, key) = match builder.call.tensors()[..] {
        [query, value] => (query, value, value),
        [query, value, key] => (query, value, key),
        ref inputs => {
            return Err(builder.error(format!("it takes 2 or 3 inputs but gets {}", inputs.len())));
        }
    };
    let use_scale = builder.options.bool("use_scale", false)?;
    let layer = Layer::Attention(Attention {
        heads: 1,
        scale: 1.0,
        use_scale,
        causal: is_causal(builder)?,
    });
    let node = builder.push_part("", layer, &[query, key, value])?;
    if use_scale {
        builder.variable(Variable {
            path: String::new(),
            name: "scale",
            names: &[],
            shape: Vec::new(),
            trainable: true,
            target: Some(("", 0)),
        });
    }
    Ok(node)
}

/// `keras.layers.MultiHeadAttention`: three `Dense` layers make query, key and value of all heads
/// side by side, another takes what the heads give. Its kernels `(features, heads, size)` have the
/// order of `(features, heads * size)`.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // as Keras computes it
pub fn multi_head_attention(builder: &mut Builder) -> Read {
    check_call(builder)?;
    for key in ["use_gate", "sliding_window"] {
        builder.options.check_unset(key)?;
    }
    let [query, value, key] = heads_inputs(builder)?;
    let outer = builder.shape(query);
    check_axes(builder, outer.len())?;
    let heads = builder.options.size("num_heads")?;
    let key_dim = builder.options.size("key_dim")?;
    let value_dim = builder.options.size_or("value_dim", key_dim)?;
    let use_bias = builder.options.bool("use_bias", true)?;
    let (features, positions) = outer.split_last().unwrap_or((&0, &[]));
    let (units, output_shape) = output(builder, *features, positions)?;

    let project = |builder: &mut Builder, part, input, size: usize| {
        let layer = Layer::Dense(Dense {
            units: heads.saturating_mul(size),
            use_bias,
            activation: Activation::Linear,
        });
        let flat = positions_in_a_row(builder, input)?;
        builder.push_part(part, layer, &[flat])
    };
    let queries = project(builder, "query", query, key_dim)?;
    let keys = project(builder, "key", key, key_dim)?;
    let values = project(builder, "value", value, value_dim)?;
    let layer = Layer::Attention(Attention {
        heads,
        scale: (1.0 / (key_dim as f64).sqrt()) as f32,
        use_scale: false,
        causal: is_causal(builder)?,
    });
    let attended = builder.push_part("attention", layer, &[queries, keys, values])?;
    let layer = Layer::Dense(Dense {
        units,
        use_bias,
        activation: Activation::Linear,
    });
    let node = builder.push_part("attention_output", layer, &[attended])?;
    for (part, path, node, inner) in [
        ("query", "query_dense", queries, [heads, key_dim]),
        ("key", "key_dense", keys, [heads, key_dim]),
        ("value", "value_dense", values, [heads, value_dim]),
        ("attention_output", "output_dense", node, [heads, value_dim]),
    ] {
        projection(builder, (part, path), node, inner);
    }
    builder.reshape("positions", node, output_shape)
}

/// Query, value and key; the key is the value where it is not given.
fn heads_inputs(builder: &Builder) -> Result<[usize; 3], Error> {
    let tensor = |position, name| match builder.call.argument(position, name) {
        Some(&Argument::Tensor(tensor)) => Some(tensor),
        _ => None,
    };
    let [query, value] = [tensor(0, "query"), tensor(1, "value")];
    let (Some(query), Some(value)) = (query, value) else {
        return Err(builder.error("it takes a query and a value"));
    };
    Ok([query, value, tensor(2, "key").unwrap_or(value)])
}

/// The units of the last projection, and the shape of the output.
fn output(
    builder: &Builder,
    features: usize,
    positions: &[usize],
) -> Result<(usize, Vec<usize>), Error> {
    let key = "output_shape";
    let given = match builder.options.get(key) {
        None => vec![features],
        Some(value) => {
            let sizes = match value.as_array() {
                Some(list) => list.iter().map(size).collect::<Option<Vec<_>>>(),
                None => size(value).map(|n| vec![n]),
            };
            let hint = "expected whole numbers from 1 on";
            sizes.ok_or_else(|| builder.options.unsupported(key, value, hint))?
        }
    };
    let units = product(&given).ok_or_else(|| builder.error("its output is too large"))?;
    Ok((units, [positions, &given].concat()))
}

/// `(positions…, features)` as `(positions, features)`.
fn positions_in_a_row(builder: &mut Builder, input: usize) -> Read {
    let shape = builder.shape(input);
    let (&features, positions) = shape
        .split_last()
        .filter(|(_, positions)| !positions.is_empty())
        .ok_or_else(|| builder.error(format!("it takes positions of features, not {shape:?}")))?;
    let rows = product(positions).unwrap_or(0);
    builder.reshape("rows", input, vec![rows, features])
}

/// The variables of one of the four `Dense` layers. In the file the heads are an axis of their own.
fn projection(
    builder: &mut Builder,
    (part, path): (&'static str, &str),
    node: usize,
    [heads, size]: [usize; 2],
) {
    let is_output = part == "attention_output";
    for (index, (name, shape)) in builder.specs(node).into_iter().enumerate() {
        let stored = match (name, is_output, &shape[..]) {
            ("kernel", true, &[_, units]) => {
                let output = match builder
                    .options
                    .get("output_shape")
                    .and_then(Value::as_array)
                {
                    Some(list) => list.iter().filter_map(crate::keras::saved::size).collect(),
                    None => vec![units],
                };
                [vec![heads, size], output].concat()
            }
            ("kernel", false, &[features, _]) => vec![features, heads, size],
            (_, false, _) => vec![heads, size],
            (_, true, _) => match builder
                .options
                .get("output_shape")
                .and_then(Value::as_array)
            {
                Some(list) => list.iter().filter_map(crate::keras::saved::size).collect(),
                None => shape,
            },
        };
        builder.variable(Variable {
            path: path.to_owned(),
            name,
            names: &[],
            shape: stored,
            trainable: true,
            target: Some((part, index)),
        });
    }
}

/// The axes that attention goes over must be all but the last.
fn check_axes(builder: &Builder, rank: usize) -> Result<(), Error> {
    let key = "attention_axes";
    let Some(value) = builder.options.get(key) else {
        return Ok(());
    };
    let axes = builder.options.axes(key, rank)?;
    if axes == (0..rank.saturating_sub(1)).collect::<Vec<_>>() {
        return Ok(());
    }
    let hint = "supported: all axes but the batch and the last";
    Err(builder.options.unsupported(key, value, hint))
}

fn is_causal(builder: &Builder) -> Result<bool, Error> {
    let argument = builder
        .call
        .kwargs
        .iter()
        .find(|(key, _)| *key == "use_causal_mask");
    let causal = matches!(argument, Some((_, Argument::Json(Value::Bool(true)))));
    Ok(causal || builder.options.bool("causal", false)?)
}

/// Refuses masks and a second output.
fn check_call(builder: &Builder) -> Result<(), Error> {
    for (key, argument) in &builder.call.kwargs {
        let set = !matches!(argument, Argument::Json(Value::Null | Value::Bool(false)));
        let refused = [
            "attention_mask",
            "return_attention_scores",
            "query_mask",
            "value_mask",
            "key_mask",
            "mask",
        ];
        if set && refused.contains(key) {
            return Err(builder.error(format!("it is called with {key}, which is not supported")));
        }
    }
    Ok(())
}
