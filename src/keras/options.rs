//! The options of one layer in `config.json`, read with Keras's defaults and their errors.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::Error;
use super::layer::{Activation, DataFormat, Padding};

/// The `config` of one layer.
pub(super) struct Options<'a> {
    pub layer: &'a str,
    pub class: &'a str,
    pub config: &'a Map<String, Value>,
}

impl<'a> Options<'a> {
    /// The value under a key; a null counts as absent, as for Keras.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.config.get(key).filter(|value| !value.is_null())
    }

    pub fn bool(&self, key: &str, default: bool) -> Result<bool, Error> {
        self.get(key).map_or(Ok(default), |value| {
            value
                .as_bool()
                .ok_or_else(|| self.unsupported(key, value, "expected true or false"))
        })
    }

    /// A count from 1 on that has no default.
    pub fn size(&self, key: &str) -> Result<usize, Error> {
        let value = self.get(key).ok_or_else(|| self.absent(key))?;
        size(value).ok_or_else(|| self.unsupported(key, value, "expected a whole number from 1 on"))
    }

    pub fn size_or(&self, key: &str, default: usize) -> Result<usize, Error> {
        self.get(key).map_or(Ok(default), |_| self.size(key))
    }

    /// Two counts from 1 on, or one that stands for both.
    pub fn pair(&self, key: &str, default: [usize; 2]) -> Result<[usize; 2], Error> {
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        let pair = match value.as_array().map(Vec::as_slice) {
            None => size(value).map(|n| [n, n]),
            Some([a, b]) => size(a).zip(size(b)).map(|(a, b)| [a, b]),
            Some(_) => None,
        };
        pair.ok_or_else(|| self.unsupported(key, value, "expected two whole numbers from 1 on"))
    }

    pub fn number(&self, key: &str, default: f32) -> Result<f32, Error> {
        Ok(self.optional_number(key)?.unwrap_or(default))
    }

    pub fn optional_number(&self, key: &str) -> Result<Option<f32>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        number(plain(value))
            .map(Some)
            .ok_or_else(|| self.unsupported(key, value, "expected a finite number"))
    }

    /// One number or a list of them.
    pub fn numbers(&self, key: &str, default: f32) -> Result<Vec<f32>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(vec![default]);
        };
        let numbers = match plain(value) {
            Value::Array(list) => list.iter().map(number).collect(),
            single => number(single).map(|n| vec![n]),
        };
        numbers.ok_or_else(|| {
            self.unsupported(
                key,
                value,
                "expected a finite number or a flat list of them",
            )
        })
    }

    /// An axis, counted by Keras with the batch axis and resolved here without it.
    pub fn axis(&self, key: &str, input: &[usize]) -> Result<usize, Error> {
        let last = Value::from(-1);
        let value = self.get(key).unwrap_or(&last);
        let axis = match value.as_array().map(Vec::as_slice) {
            Some([one]) => one.as_i64(),
            Some(_) => None,
            None => value.as_i64(),
        };
        let rank = i64::try_from(input.len()).unwrap_or(i64::MAX);
        axis.map(|axis| {
            if axis < 0 {
                axis.saturating_add(rank)
            } else {
                axis.saturating_sub(1)
            }
        })
        .filter(|axis| (0..rank).contains(axis))
        .and_then(|axis| usize::try_from(axis).ok())
        .ok_or_else(|| {
            let hint = format!("expected one axis of 1 to {rank}, or of -{rank} to -1");
            self.unsupported(key, value, &hint)
        })
    }

    pub fn padding(&self) -> Result<Padding, Error> {
        self.choice("padding", Padding::Valid, |name| match name {
            "valid" => Some(Padding::Valid),
            "same" => Some(Padding::Same),
            _ => None,
        })
    }

    pub fn data_format(&self) -> Result<DataFormat, Error> {
        self.choice("data_format", DataFormat::ChannelsLast, |name| match name {
            "channels_last" => Some(DataFormat::ChannelsLast),
            "channels_first" => Some(DataFormat::ChannelsFirst),
            _ => None,
        })
    }

    fn choice<T>(&self, key: &str, default: T, of: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
        self.get(key).map_or(Ok(default), |value| {
            value
                .as_str()
                .and_then(of)
                .ok_or_else(|| self.unsupported(key, value, "no such choice is known"))
        })
    }

    /// The `activation`: a name, or a serialized function or layer.
    pub fn activation(&self) -> Result<Activation, Error> {
        let key = "activation";
        let Some(value) = self.get(key) else {
            return Ok(Activation::Linear);
        };
        let activation = match value {
            Value::String(name) => by_name(name),
            Value::Object(object) => self.activation_object(object)?,
            _ => None,
        };
        activation.ok_or_else(|| {
            self.unsupported(
                key,
                value,
                "supported: linear, relu, softmax, sigmoid, tanh, elu, selu, gelu, silu (swish), \
                 leaky_relu, relu6, softplus, softsign, exponential, hard_sigmoid, hard_silu \
                 (hard_swish), log_softmax, mish",
            )
        })
    }

    fn activation_object(&self, object: &Map<String, Value>) -> Result<Option<Activation>, Error> {
        let class = object.get("class_name").and_then(Value::as_str);
        let config = object.get("config");
        if let (Some("function"), Some(Value::String(name))) = (class, config) {
            return Ok(by_name(name));
        }
        let (Some(class), Some(Value::Object(config)), false) = (class, config, is_custom(object))
        else {
            return Ok(None);
        };
        let inner = Options {
            layer: self.layer,
            class,
            config,
        };
        Ok(match class {
            "LeakyReLU" => Some(inner.leaky_relu()?),
            "ELU" => Some(inner.elu()?),
            "ReLU" => {
                let slope = inner.number("negative_slope", 0.0)?;
                let threshold = inner.number("threshold", 0.0)?;
                match (inner.optional_number("max_value")?, slope, threshold) {
                    (None, 0.0, 0.0) => Some(Activation::Relu),
                    (Some(6.0), 0.0, 0.0) => Some(Activation::Relu6),
                    (None, negative_slope, 0.0) => Some(Activation::LeakyRelu { negative_slope }),
                    _ => None,
                }
            }
            "Softmax" => matches!(inner.get("axis").map(Value::as_i64), None | Some(Some(-1)))
                .then_some(Activation::Softmax),
            _ => None,
        })
    }

    /// What a `LeakyReLU` layer does; its slope is 0.3 by default, the function's is 0.2.
    pub fn leaky_relu(&self) -> Result<Activation, Error> {
        let negative_slope = self.number("negative_slope", 0.3)?;
        Ok(Activation::LeakyRelu { negative_slope })
    }

    /// What an `ELU` layer does.
    pub fn elu(&self) -> Result<Activation, Error> {
        let alpha = self.number("alpha", 1.0)?;
        Ok(Activation::Elu { alpha })
    }

    /// Refuses policies under which float32 would not give Keras's answers up to rounding.
    pub fn check_dtype(&self) -> Result<(), Error> {
        let Some(value) = self.get("dtype") else {
            return Ok(());
        };
        let name = match value {
            Value::Object(policy) if policy.get("class_name") == Some(&"DTypePolicy".into()) => {
                value.pointer("/config/name").and_then(Value::as_str)
            }
            other => other.as_str(),
        };
        let floats = [
            "float32",
            "float16",
            "bfloat16",
            "mixed_float16",
            "mixed_bfloat16",
        ];
        if name.is_some_and(|name| floats.contains(&name)) {
            return Ok(());
        }
        let hint = format!("supported: {}, all computed in float32", floats.join(", "));
        Err(self.unsupported("dtype", value, &hint))
    }

    /// Refuses an option that is set to anything but null or false.
    pub fn check_unset(&self, key: &str) -> Result<(), Error> {
        match self.get(key) {
            None | Some(Value::Bool(false)) => Ok(()),
            Some(value) => Err(self.unsupported(key, value, "it must not be set")),
        }
    }

    pub fn absent(&self, key: &str) -> Error {
        self.error(format!("config.json does not give its {key}"))
    }

    pub fn error(&self, reason: impl Display) -> Error {
        Error::Layer {
            layer: self.layer.to_owned(),
            class: self.class.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub fn unsupported(&self, option: &str, value: &Value, hint: &str) -> Error {
        Error::UnsupportedOption {
            layer: self.layer.to_owned(),
            class: self.class.to_owned(),
            option: option.to_owned(),
            value: brief(value),
            hint: hint.to_owned(),
        }
    }
}

/// Whether a serialized object is of a class from outside Keras, even if it bears the name of one.
pub(super) fn is_custom(object: &Map<String, Value>) -> bool {
    let module = object.get("module").and_then(Value::as_str);
    let registered = object.get("registered_name").is_some_and(|n| !n.is_null());
    registered || module.is_some_and(|m| m != "keras" && !m.starts_with("keras."))
}

fn by_name(name: &str) -> Option<Activation> {
    Some(match name {
        "linear" => Activation::Linear,
        "relu" => Activation::Relu,
        "softmax" => Activation::Softmax,
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        "elu" => Activation::Elu { alpha: 1.0 },
        "selu" => Activation::Selu,
        "gelu" => Activation::Gelu { approximate: false },
        "silu" | "swish" => Activation::Silu,
        "leaky_relu" => Activation::LeakyRelu {
            negative_slope: 0.2,
        },
        "relu6" => Activation::Relu6,
        "softplus" => Activation::Softplus,
        "softsign" => Activation::Softsign,
        "exponential" => Activation::Exponential,
        "hard_sigmoid" => Activation::HardSigmoid,
        "hard_silu" | "hard_swish" => Activation::HardSilu,
        "log_softmax" => Activation::LogSoftmax,
        "mish" => Activation::Mish,
        _ => return None,
    })
}

/// What Keras wraps an array into, unwrapped; everything else as it is.
fn plain(value: &Value) -> &Value {
    let is_array = value.get("class_name").and_then(Value::as_str) == Some("__numpy__");
    let inner = is_array.then(|| value.pointer("/config/value")).flatten();
    inner.unwrap_or(value)
}

fn size(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok().filter(|&n| n > 0)
}

#[allow(clippy::cast_possible_truncation)] // the values are float32 in Keras too
fn number(value: &Value) -> Option<f32> {
    let number = value.as_f64()? as f32;
    number.is_finite().then_some(number)
}

/// The value as JSON, cut to a length that fits a message.
fn brief(value: &Value) -> String {
    const LONGEST: usize = 120;
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}
