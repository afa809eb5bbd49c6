//! Layers that are told to work as in training, and that would then answer by chance, or by what
//! else is in the batch.

use serde_json::Value;

use super::supported::does_nothing;
use crate::keras::Error;
use crate::keras::saved::{Argument, Call, Options};

/// What `training` is for a layer: what its own call says, or that of a model around it. In Keras 3
/// the outermost that says something decides, in Keras 2 the innermost.
pub fn training(options: &Options, call: &Call<'_, usize>, outer: Option<bool>) -> Option<bool> {
    let own = match call.argument(1, "training") {
        Some(Argument::Json(Value::Bool(training))) => Some(*training),
        _ => None,
    };
    match options.keras_2 {
        true => own.or(outer),
        false => outer.or(own),
    }
}

/// Refuses a layer that does something else in training.
pub fn check(options: &Options) -> Result<(), Error> {
    if !is_different(options)? {
        return Ok(());
    }
    Err(options.unsupported(
        "training",
        &Value::Bool(true),
        "it is called as in training, when its answers depend on chance or on the whole batch; \
         call it without",
    ))
}

fn is_different(options: &Options) -> Result<bool, Error> {
    let set = |key: &str| {
        Ok(options
            .optional_number(key)?
            .is_some_and(|rate| rate != 0.0))
    };
    match options.class {
        "BatchNormalization" => options.bool("trainable", true),
        "Attention" | "MultiHeadAttention" | "AdditiveAttention" => set("dropout"),
        "LSTM" | "GRU" | "SimpleRNN" => Ok(set("dropout")? || set("recurrent_dropout")?),
        "Bidirectional" | "TimeDistributed" => {
            let inner = options.config.get("layer");
            let class = inner.and_then(|inner| inner.get("class_name")?.as_str());
            let config = inner.and_then(|inner| inner.get("config")?.as_object());
            match class.zip(config) {
                Some((class, config)) => is_different(&Options {
                    class,
                    config,
                    ..*options
                }),
                None => Ok(false),
            }
        }
        "GaussianNoise" => set("stddev"),
        "ActivityRegularization" | "Identity" | "InputLayer" => Ok(false),
        class if !does_nothing(class) => Ok(false),
        // Keras 3 writes this of every augmentation, wherever it stands.
        _ if options.get("rate").is_none() => Ok(options.keras_2),
        _ => set("rate"),
    }
}
