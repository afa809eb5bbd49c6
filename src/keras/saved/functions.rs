//! Activations in the configuration of a layer: a name, or a serialized object.

use serde_json::{Map, Value};

use super::options::{Options, is_custom};
use crate::description::Activation;
use crate::keras::error::{Error, SEE_README};

/// Slope of `hard_sigmoid` in Keras 3.
const HARD_SIGMOID: f32 = 1.0 / 6.0;
/// Slope of `hard_sigmoid` in Keras 2.
const HARD_SIGMOID_OF_KERAS_2: f32 = 0.2;

/// The names of activations that are read, with their meaning in Keras 3.
pub const ACTIVATIONS: &[(&str, Activation)] = &[
    ("celu", Activation::Celu { alpha: 1.0 }),
    ("elu", Activation::Elu { alpha: 1.0 }),
    ("exponential", Activation::Exponential),
    ("gelu", Activation::Gelu { approximate: false }),
    ("hard_shrink", Activation::HardShrink),
    (
        "hard_sigmoid",
        Activation::HardSigmoid {
            slope: HARD_SIGMOID,
        },
    ),
    ("hard_silu", Activation::HardSilu),
    ("hard_swish", Activation::HardSilu),
    ("hard_tanh", Activation::HardTanh),
    (
        "leaky_relu",
        Activation::LeakyRelu {
            negative_slope: 0.2,
        },
    ),
    ("linear", Activation::Linear),
    ("log_sigmoid", Activation::LogSigmoid),
    ("log_softmax", Activation::LogSoftmax),
    ("mish", Activation::Mish),
    ("relu", Activation::Relu),
    ("relu6", Activation::Relu6),
    ("selu", Activation::Selu),
    ("sigmoid", Activation::Sigmoid),
    ("silu", Activation::Silu),
    ("soft_shrink", Activation::SoftShrink),
    ("softmax", Activation::Softmax),
    ("softplus", Activation::Softplus),
    ("softsign", Activation::Softsign),
    ("sparse_plus", Activation::SparsePlus),
    ("sparse_sigmoid", Activation::SparseSigmoid),
    ("sparsemax", Activation::Sparsemax),
    ("squareplus", Activation::Squareplus),
    ("swish", Activation::Silu),
    ("tanh", Activation::Tanh),
    ("tanh_shrink", Activation::TanhShrink),
];

/// The functions of `keras.activations` that no layer can have as its activation, and why.
const NOT_ACTIVATIONS: &[(&str, &str)] = &[
    (
        "glu",
        "it halves the last axis, which the shapes of Keras's own layers do not account for, so \
         that no layer can follow it",
    ),
    (
        "threshold",
        "it takes arguments that a name cannot give: Keras itself fails to call it",
    ),
];

impl Options<'_> {
    /// The `activation` of the layer; linear where there is none.
    pub fn activation(&self) -> Result<Activation, Error> {
        self.activation_under("activation", Activation::Linear)
    }

    /// An activation: a name, or a serialized function or layer.
    pub fn activation_under(&self, key: &str, default: Activation) -> Result<Activation, Error> {
        let Some(value) = self.config.get(key) else {
            return Ok(default);
        };
        let activation = match value {
            Value::Null => Some(Activation::Linear),
            Value::String(name) => self.by_name(name),
            Value::Object(object) => self.activation_object(object)?,
            _ => None,
        };
        activation.ok_or_else(|| {
            let name = value.as_str().or_else(|| value.get("config")?.as_str());
            let known = NOT_ACTIVATIONS
                .iter()
                .find(|(known, _)| Some(*known) == name);
            let hint = known.map_or(SEE_README, |(_, reason)| reason);
            self.unsupported(key, value, hint)
        })
    }

    fn by_name(&self, name: &str) -> Option<Activation> {
        if name == "hard_sigmoid" && self.keras_2 {
            let slope = HARD_SIGMOID_OF_KERAS_2;
            return Some(Activation::HardSigmoid { slope });
        }
        let found = ACTIVATIONS.iter().find(|(known, _)| *known == name);
        found.map(|(_, activation)| *activation)
    }

    fn activation_object(&self, object: &Map<String, Value>) -> Result<Option<Activation>, Error> {
        let class = object.get("class_name").and_then(Value::as_str);
        let config = object.get("config");
        if let (Some("function"), Some(Value::String(name))) = (class, config) {
            return Ok(self.by_name(name));
        }
        let (Some(class), Some(Value::Object(config)), false) = (class, config, is_custom(object))
        else {
            return Ok(None);
        };
        let inner = Options {
            class,
            config,
            ..*self
        };
        Ok(match class {
            "LeakyReLU" => Some(inner.leaky_relu()?),
            "ELU" => Some(inner.elu()?),
            "ReLU" => Some(inner.relu()?),
            "Activation" => Some(match config.get("activation") {
                // One level only: what is inside an Activation must be a name.
                Some(Value::String(_)) => inner.activation()?,
                _ => return Ok(None),
            }),
            "Softmax" => matches!(inner.get("axis").map(Value::as_i64), None | Some(Some(-1)))
                .then_some(Activation::Softmax),
            _ => None,
        })
    }

    /// What a `LeakyReLU` layer does; its slope (Keras 2 calls it alpha) is 0.3 by default, the
    /// function's is 0.2.
    pub fn leaky_relu(&self) -> Result<Activation, Error> {
        let key = match self.get("negative_slope") {
            Some(_) => "negative_slope",
            None => "alpha",
        };
        let negative_slope = self.number(key, 0.3)?;
        Ok(Activation::LeakyRelu { negative_slope })
    }

    /// What an `ELU` layer does.
    pub fn elu(&self) -> Result<Activation, Error> {
        let alpha = self.number("alpha", 1.0)?;
        Ok(Activation::Elu { alpha })
    }

    /// What a `ReLU` layer does.
    pub fn relu(&self) -> Result<Activation, Error> {
        let max_value = self.optional_number("max_value")?;
        let negative_slope = self.number("negative_slope", 0.0)?;
        let threshold = self.number("threshold", 0.0)?;
        Ok(match (max_value, negative_slope, threshold) {
            (None, 0.0, 0.0) => Activation::Relu,
            (Some(6.0), 0.0, 0.0) => Activation::Relu6,
            (None, negative_slope, 0.0) => Activation::LeakyRelu { negative_slope },
            _ => Activation::BentRelu {
                max_value,
                negative_slope,
                threshold,
            },
        })
    }
}
