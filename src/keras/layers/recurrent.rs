//! Recurrent layers and the wrappers that people put around them.

use serde_json::Value;

use super::Use;
use crate::description::{
    Activation, Bidirectional, BidirectionalMerge, Cell, Layer, Recurrent, TimeDistributed,
    check_name,
};
use crate::keras::Error;
use crate::keras::saved::{Options, is_custom};
use crate::keras::weights::Variable;

type Read = Result<usize, Error>;

/// `keras.layers.LSTM`, `GRU` and `SimpleRNN`
pub fn recurrent(used: &mut Use) -> Read {
    let recurrent = read(&used.options)?;
    let input = used.input()?;
    let node = used.push(Layer::Recurrent(recurrent), input)?;
    used.stored_under("cell", "", node);
    Ok(node)
}

fn read(options: &Options) -> Result<Recurrent, Error> {
    for key in ["return_state", "stateful", "time_major"] {
        options.check_unset(key)?;
    }
    let cell = match options.class {
        "LSTM" => Cell::Lstm,
        "GRU" => Cell::Gru {
            reset_after: options.bool("reset_after", true)?,
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
pub fn bidirectional(used: &mut Use) -> Read {
    let options = inner(&used.options, "layer")?;
    let trainable = options.bool("trainable", true)?;
    let forward = read(&options)?;
    let backward = match used.options.get("backward_layer") {
        Some(_) => read(&inner(&used.options, "backward_layer")?)?,
        None => Recurrent {
            go_backwards: !forward.go_backwards,
            ..forward
        },
    };
    let merge = used.options.get("merge_mode");
    let concat = Value::from("concat");
    let merge = match merge.and_then(Value::as_str) {
        Some("concat") => BidirectionalMerge::Concat,
        Some("sum") => BidirectionalMerge::Sum,
        Some("mul") => BidirectionalMerge::Multiply,
        Some("ave") => BidirectionalMerge::Average,
        _ => {
            let value = merge.unwrap_or(&Value::Null);
            let hint = format!("supported: {concat}, sum, mul, ave");
            return Err(used.options.unsupported("merge_mode", value, &hint));
        }
    };
    let layer = Layer::Bidirectional(Bidirectional {
        forward,
        backward,
        merge,
    });
    let input = used.input()?;
    let node = used.push(layer, input)?;
    for (index, (name, shape)) in used.specs(node).into_iter().enumerate() {
        let (direction, plain) = name.split_once('_').unwrap_or(("", name));
        used.variable(Variable {
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

/// `keras.layers.TimeDistributed` around a layer that becomes one node.
pub fn time_distributed(used: &mut Use) -> Read {
    let options = inner(&used.options, "layer")?;
    if options.class == used.options.class {
        return Err(used.error("one inside another is not supported"));
    }
    let input = used.input()?;
    let shape = used.shape(input);
    let step = shape.get(1..).filter(|step| !step.is_empty());
    let step = step.ok_or_else(|| used.error("it takes steps of something"))?;
    let (layer, variables) = used.inside(options, step)?;
    let layer = match layer {
        // These look at the last axis only, and so at one step as well as at all.
        Layer::Dense(_) | Layer::Activation(_) | Layer::Identity => layer,
        layer => Layer::TimeDistributed(TimeDistributed {
            layer: Box::new(layer),
        }),
    };
    let node = used.push(layer, input)?;
    let inner_trainable = options.bool("trainable", true)?;
    for variable in variables {
        let path = match variable.path.as_str() {
            "" => "layer".to_owned(),
            path => format!("layer/{path}"),
        };
        used.variable(Variable {
            path,
            trainable: variable.trainable && inner_trainable,
            ..variable
        });
    }
    Ok(node)
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
