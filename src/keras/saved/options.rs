//! The options of one layer in `config.json`, read with Keras's defaults and their errors.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::description::{DataFormat, Padding};
use crate::keras::Error;

/// The `config` of one layer.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    pub layer: &'a str,
    pub class: &'a str,
    pub config: &'a Map<String, Value>,
    /// Whether Keras 2 saved it; some names mean something else there.
    pub keras_2: bool,
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

    /// A count from 1 on for each axis, or one for all of them.
    pub fn sizes<const N: usize>(
        &self,
        key: &str,
        default: [usize; N],
    ) -> Result<[usize; N], Error> {
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        let sizes = match value.as_array() {
            None => size(value).map(|n| [n; N]),
            Some(list) => {
                let sizes: Option<Vec<usize>> = list.iter().map(size).collect();
                sizes.and_then(|sizes| sizes.try_into().ok())
            }
        };
        sizes.ok_or_else(|| {
            let hint = format!("expected one or {N} whole numbers from 1 on");
            self.unsupported(key, value, &hint)
        })
    }

    /// What is added or cut off at both ends of each axis: one number, one for each axis, or two.
    pub fn borders<const N: usize>(&self, key: &str) -> Result<[[usize; 2]; N], Error> {
        let value = self.get(key).ok_or_else(|| self.absent(key))?;
        let count = |value: &Value| usize::try_from(value.as_u64()?).ok();
        let border = |value: &Value| match value.as_array().map(Vec::as_slice) {
            None => count(value).map(|n| [n, n]),
            Some([a, b]) => count(a).zip(count(b)).map(|(a, b)| [a, b]),
            Some(_) => None,
        };
        let borders = match value.as_array() {
            None => count(value).map(|n| [[n, n]; N]),
            // For one axis, two numbers are its two ends.
            Some(list) if N == 1 && list.len() == 2 => border(value).map(|ends| [ends; N]),
            Some(list) => {
                let borders: Option<Vec<[usize; 2]>> = list.iter().map(border).collect();
                borders.and_then(|borders| borders.try_into().ok())
            }
        };
        borders.ok_or_else(|| self.unsupported(key, value, "expected whole numbers from 0 on"))
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

    /// An axis, without the batch axis, which Keras counts too.
    pub fn axis(&self, key: &str, rank: usize) -> Result<usize, Error> {
        match self.axes(key, rank)?[..] {
            [axis] => Ok(axis),
            _ => Err(self.unsupported(
                key,
                self.get(key).unwrap_or(&Value::Null),
                "expected one axis",
            )),
        }
    }

    /// One axis or several, the last one by default; ascending.
    pub fn axes(&self, key: &str, rank: usize) -> Result<Vec<usize>, Error> {
        let last = Value::from(-1);
        let value = self.get(key).unwrap_or(&last);
        let axes: Option<Vec<usize>> = match value.as_array() {
            Some(list) => list.iter().map(|axis| resolve_axis(axis, rank)).collect(),
            None => resolve_axis(value, rank).map(|axis| vec![axis]),
        };
        let distinct = |axes: &Vec<usize>| {
            let mut sorted = axes.clone();
            sorted.sort_unstable();
            sorted.dedup();
            sorted.len() == axes.len()
        };
        let mut axes = axes.filter(distinct).ok_or_else(|| {
            let hint = format!("expected axes of 1 to {rank}, or of -{rank} to -1");
            self.unsupported(key, value, &hint)
        })?;
        axes.sort_unstable();
        Ok(axes)
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

    pub fn choice<T>(
        &self,
        key: &str,
        default: T,
        of: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Error> {
        self.get(key).map_or(Ok(default), |value| {
            value
                .as_str()
                .and_then(of)
                .ok_or_else(|| self.unsupported(key, value, "no such choice is known"))
        })
    }

    /// Refuses policies under which float32 would not give Keras's answers up to rounding.
    pub fn check_dtype(&self) -> Result<(), Error> {
        let Some(value) = self.get("dtype") else {
            return Ok(());
        };
        let name = match value {
            // A quantized layer has a policy of another class.
            Value::Object(policy) => policy
                .get("class_name")
                .and_then(Value::as_str)
                .filter(|class| ["DTypePolicy", "Policy", "PolicyV1"].contains(class))
                .and_then(|_| value.pointer("/config/name")?.as_str()),
            other => other.as_str(),
        };
        let floats = [
            "float32",
            "float64",
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
        self.error(format!("its configuration does not give {key}"))
    }

    pub fn error(&self, reason: impl Display) -> Error {
        Error::Layer {
            layer: self.layer.to_owned(),
            class: self.class.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The refusal of a class from outside Keras.
    pub fn not_of_keras(&self) -> Error {
        Error::UnsupportedLayer {
            layer: self.layer.to_owned(),
            class: self.class.to_owned(),
            hint: "its code is not in the file: only Keras's own layers can be read, \
                   in Sequential and functional models"
                .to_owned(),
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
/// Keras's own are registered under their plain name or not at all, others as `package>name`.
pub fn is_custom(object: &Map<String, Value>) -> bool {
    const OWN: [&str; 5] = [
        "keras",
        "tf_keras",
        "keras_core",
        "tensorflow.keras",
        "tensorflow.python.keras",
    ];
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let own = |module: &str| {
        let mut rest = OWN.iter().filter_map(|own| module.strip_prefix(own));
        rest.any(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let elsewhere = text("module").is_some_and(|module| !own(module));
    elsewhere || text("registered_name").is_some_and(|name| Some(name) != text("class_name"))
}

/// An axis as Keras counts it (the batch axis is 0), without the batch axis.
pub fn resolve_axis(value: &Value, rank: usize) -> Option<usize> {
    let axis = value.as_i64()?;
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 {
        axis.checked_add(rank)?
    } else {
        axis.checked_sub(1)?
    };
    let inside = (0..rank).contains(&axis);
    inside.then(|| usize::try_from(axis).ok()).flatten()
}

/// What Keras wraps an array or a tensor into, unwrapped; everything else as it is. Keras 2 in HDF5
/// writes `{"type": "ndarray", "value": …}`.
pub fn plain(value: &Value) -> &Value {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let inner = match text("class_name") {
        Some("__numpy__" | "__tensor__") => value.pointer("/config/value"),
        _ if text("type") == Some("ndarray") => value.get("value"),
        _ => None,
    };
    inner.unwrap_or(value)
}

pub fn size(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok().filter(|&n| n > 0)
}

#[allow(clippy::cast_possible_truncation)] // the values are float32 in Keras too
pub fn number(value: &Value) -> Option<f32> {
    let number = value.as_f64()? as f32;
    number.is_finite().then_some(number)
}

/// The value as JSON, cut to a length that fits a message.
pub fn brief(value: &Value) -> String {
    const LONGEST: usize = 120;
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}
