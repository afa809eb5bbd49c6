//! Recurrent layers, and the layers that wrap another: Bidirectional and TimeDistributed.

use serde_json::Value;

use super::builder::{Builder, Read};
use crate::description::{
    Activation, Bidirectional, BidirectionalMerge, Cell, Layer, Recurrent, check_name,
};
use crate::keras::Error;
use crate::keras::graph::Variable;
use crate::keras::saved::{Options, is_custom};

/// `keras.layers.LSTM`, `GRU` and `SimpleRNN`
pub fn recurrent(builder: &mut Builder) -> Read {
    let recurrent = read(&builder.options)?;
    let input = builder.input()?;
    let node = builder.push(Layer::Recurrent(recurrent), input)?;
    builder.stored_under("cell", "", node);
    Ok(node)
}

fn read(options: &Options) -> Result<Recurrent, Error> {
    for key in ["return_state", "stateful", "time_major"] {
        options.check_unset(key)?;
    }
    let cell = match options.class {
        "LSTM" => Cell::Lstm,
        "GRU" => Cell::Gru {
            // Files of Keras 2.0 do not say, and meant the other.
            reset_after: options.bool("reset_after", !options.keras_2)?,
        },
        "SimpleRNN" => Cell::Simple,
        _ => return Err(options.error("it is no LSTM, GRU or SimpleRNN")),
    };
    Ok(Recurrent {
        cell,
        units: options.size("units")?,
        activation: options.activation_under("activation", Activation::Tanh)?,
        recurrent_activation: options
            .activation_under("recurrent_activation", Activation::Sigmoid)?,
        use_bias: options.bool("use_bias", true)?,
        return_sequences: options.bool("return_sequences", false)?,
        go_backwards: options.bool("go_backwards", false)?,
    })
}

/// `keras.layers.Bidirectional`
pub fn bidirectional(builder: &mut Builder) -> Read {
    let options = inner(&builder.options, "layer")?;
    let trainable = options.bool("trainable", true)?;
    let forward = read(&options)?;
    let backward = match builder.options.get("backward_layer") {
        Some(_) => read(&inner(&builder.options, "backward_layer")?)?,
        None => Recurrent {
            go_backwards: !forward.go_backwards,
            ..forward
        },
    };
    let merge = builder.options.get("merge_mode");
    let concat = Value::from("concat");
    let merge = match merge.and_then(Value::as_str) {
        Some("concat") => BidirectionalMerge::Concat,
        Some("sum") => BidirectionalMerge::Sum,
        Some("mul") => BidirectionalMerge::Multiply,
        Some("ave") => BidirectionalMerge::Average,
        _ => {
            let value = merge.unwrap_or(&Value::Null);
            let hint = format!("supported: {concat}, sum, mul, ave");
            return Err(builder.options.unsupported("merge_mode", value, &hint));
        }
    };
    let layer = Layer::Bidirectional(Bidirectional {
        forward,
        backward,
        merge,
    });
    let input = builder.input()?;
    let node = builder.push(layer, input)?;
    for (index, (name, shape)) in builder.specs(node).into_iter().enumerate() {
        let (direction, plain) = name.split_once('_').unwrap_or(("", name));
        builder.variable(Variable {
            path: format!("{direction}_layer/cell"),
            name: plain,
            names: &[],
            shape,
            trainable,
            target: Some(("", index)),
        });
    }
    Ok(node)
}

/// `keras.layers.TimeDistributed` without a layer in it: any other is read as that layer.
pub fn time_distributed(builder: &mut Builder) -> Read {
    Err(builder.options.absent("layer"))
}

/// The options of a layer inside a layer.
fn inner<'a>(options: &Options<'a>, key: &str) -> Result<Options<'a>, Error> {
    let object = options.get(key).and_then(Value::as_object);
    let object = object.ok_or_else(|| options.absent(key))?;
    let class = object.get("class_name").and_then(Value::as_str);
    let config = object.get("config").and_then(Value::as_object);
    let (Some(class), Some(config)) = (class, config) else {
        return Err(options.error(format!("its {key} lacks a class or a configuration")));
    };
    check_name(class)?;
    let inner = Options {
        layer: options.layer,
        class,
        config,
        keras_2: options.keras_2,
    };
    if is_custom(object) {
        return Err(inner.not_of_keras());
    }
    inner.check_dtype()?;
    Ok(inner)
}
