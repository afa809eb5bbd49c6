//! `config.json` and `metadata.json` → typed layers with their shapes, still without weights.

use std::fmt::Display;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Error;
use super::input::{declared_shape, implied_shape};
use super::layer::Layer;
use super::model::{MAX_NODES, Model, Node};
use super::options::{Options, is_custom};

/// Classes that pass their input on at inference.
const IDENTITIES: &[&str] = &[
    "ActivityRegularization",
    "AlphaDropout",
    "AugMix",
    "CutMix",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "MixUp",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
];

/// A model without weights, and what the weights' file needs to know of each node.
pub(super) struct Architecture {
    pub model: Model,
    /// One for each node.
    pub saved: Vec<SavedLayer>,
}

/// How a layer was saved.
pub(super) struct SavedLayer {
    /// Its class, after which the group of its weights is named.
    pub class: String,
    /// False for a layer that training left as it was.
    pub trainable: bool,
}

#[derive(Deserialize)]
struct Metadata {
    keras_version: String,
}

/// The version of Keras in `metadata.json`.
pub(super) fn keras_version(json: &[u8]) -> Result<String, Error> {
    let metadata: Metadata =
        serde_json::from_slice(json).map_err(|e| malformed("metadata.json", e))?;
    Ok(metadata.keras_version)
}

/// Reads the architecture of a Sequential model.
pub(super) fn sequential(json: &[u8], keras_version: String) -> Result<Architecture, Error> {
    // serde_json refuses what is nested deeper than 128 levels.
    let root: Value = serde_json::from_slice(json).map_err(|e| malformed("config.json", e))?;
    let config = root.get("config").and_then(Value::as_object);
    let config = config.ok_or_else(|| malformed("config.json", "it has no object 'config'"))?;
    let layers = config.get("layers").and_then(Value::as_array);
    let layers = layers.map_or(&[][..], Vec::as_slice);
    refuse_custom_layers(layers)?;
    check_kind(&root, &keras_version)?;
    if layers.len() >= MAX_NODES {
        return Err(malformed(
            "config.json",
            format!(
                "{} layers, at most {} are read",
                layers.len(),
                MAX_NODES - 1
            ),
        ));
    }

    let mut builder = Builder::default();
    for layer in layers {
        let layer = Saved::of(layer)?;
        if builder.nodes.is_empty() && layer.options.class != "InputLayer" {
            builder.push_input("input", &implied_shape(&root, config, &layer.options)?);
        }
        builder.push(&layer)?;
    }
    let name = config.get("name").and_then(Value::as_str);
    Ok(Architecture {
        model: Model {
            name: name.unwrap_or("sequential").to_owned(),
            keras_version,
            nodes: builder.nodes,
        },
        saved: builder.saved,
    })
}

/// One entry of the list of layers.
struct Saved<'a> {
    object: &'a Map<String, Value>,
    options: Options<'a>,
}

impl<'a> Saved<'a> {
    fn of(layer: &'a Value) -> Result<Self, Error> {
        let parts = || {
            let object = layer.as_object()?;
            let config = object.get("config")?.as_object()?;
            let options = Options {
                layer: config.get("name")?.as_str()?,
                class: object.get("class_name")?.as_str()?,
                config,
            };
            Some(Self { object, options })
        };
        parts().ok_or_else(|| {
            malformed(
                "config.json",
                "a layer lacks its class_name, its config or its name",
            )
        })
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    saved: Vec<SavedLayer>,
}

impl Builder {
    fn push(&mut self, layer: &Saved) -> Result<(), Error> {
        let options = &layer.options;
        if options.class == "InputLayer" {
            if !self.nodes.is_empty() {
                return Err(options.error("only the first layer can be the input"));
            }
            self.push_input(options.layer, &declared_shape(options)?);
            return Ok(());
        }
        if options.config.contains_key("layers") {
            return Err(Error::Format(format!(
                "layer '{}' is a model inside the model ({}), which is not read yet; \
                 supported: Sequential models whose layers stand in one list",
                options.layer, options.class
            )));
        }
        options.check_dtype()?;
        options.check_unset("quantization_config")?;
        let from = self.nodes.len().saturating_sub(1);
        let input = self.nodes.last().map_or(&[][..], |node| &node.output_shape);
        let typed = typed_layer(options, input)?;
        let output_shape = typed.output_shape(input).map_err(|e| options.error(e))?;
        self.nodes.push(Node {
            name: options.layer.to_owned(),
            layer: typed,
            inputs: vec![from],
            output_shape,
            weights: Vec::new(),
        });
        self.saved.push(SavedLayer {
            class: options.class.to_owned(),
            trainable: options.bool("trainable", true)?,
        });
        Ok(())
    }

    fn push_input(&mut self, name: &str, shape: &[usize]) {
        self.nodes.push(Node {
            name: name.to_owned(),
            layer: Layer::Input,
            inputs: Vec::new(),
            output_shape: shape.to_vec(),
            weights: Vec::new(),
        });
        self.saved.push(SavedLayer {
            class: "InputLayer".to_owned(),
            trainable: true,
        });
    }
}

fn typed_layer(options: &Options, input: &[usize]) -> Result<Layer, Error> {
    Ok(match options.class {
        "Rescaling" => Layer::Rescaling {
            scale: options.numbers("scale", 1.0)?,
            offset: options.numbers("offset", 0.0)?,
        },
        "Flatten" => Layer::Flatten {
            data_format: options.data_format()?,
        },
        "Reshape" => Layer::Reshape {
            target: reshape_target(options, input)?,
        },
        "Dense" => Layer::Dense {
            units: options.size("units")?,
            use_bias: options.bool("use_bias", true)?,
            activation: options.activation()?,
        },
        "Conv2D" => conv(options)?,
        "MaxPooling2D" | "AveragePooling2D" => pooling(options)?,
        "GlobalAveragePooling2D" => Layer::GlobalAveragePooling2D {
            data_format: options.data_format()?,
            keepdims: options.bool("keepdims", false)?,
        },
        "BatchNormalization" => Layer::BatchNormalization {
            axis: options.axis("axis", input)?,
            epsilon: options.number("epsilon", 1e-3)?,
            center: options.bool("center", true)?,
            scale: options.bool("scale", true)?,
        },
        "Activation" => Layer::Activation {
            activation: options.activation()?,
        },
        "LeakyReLU" => Layer::Activation {
            activation: options.leaky_relu()?,
        },
        "ELU" => Layer::Activation {
            activation: options.elu()?,
        },
        "ReLU" => Layer::ReLU {
            max_value: options.optional_number("max_value")?,
            negative_slope: options.number("negative_slope", 0.0)?,
            threshold: options.number("threshold", 0.0)?,
        },
        "Softmax" => Layer::Softmax {
            axis: options.axis("axis", input)?,
        },
        class if IDENTITIES.contains(&class) => Layer::Identity {
            class: class.to_owned(),
        },
        class => {
            return Err(Error::UnsupportedLayer {
                layer: options.layer.to_owned(),
                class: class.to_owned(),
            });
        }
    })
}

fn conv(options: &Options) -> Result<Layer, Error> {
    if options.get("kernel_size").is_none() {
        return Err(options.absent("kernel_size"));
    }
    Ok(Layer::Conv2D {
        filters: options.size("filters")?,
        kernel_size: options.pair("kernel_size", [1, 1])?,
        strides: options.pair("strides", [1, 1])?,
        dilation_rate: options.pair("dilation_rate", [1, 1])?,
        groups: options.size_or("groups", 1)?,
        padding: options.padding()?,
        data_format: options.data_format()?,
        use_bias: options.bool("use_bias", true)?,
        activation: options.activation()?,
    })
}

fn pooling(options: &Options) -> Result<Layer, Error> {
    let pool_size = options.pair("pool_size", [2, 2])?;
    let strides = options.pair("strides", pool_size)?;
    let padding = options.padding()?;
    let data_format = options.data_format()?;
    Ok(if options.class == "MaxPooling2D" {
        Layer::MaxPooling2D {
            pool_size,
            strides,
            padding,
            data_format,
        }
    } else {
        Layer::AveragePooling2D {
            pool_size,
            strides,
            padding,
            data_format,
        }
    })
}

/// The target of a `Reshape`, its one `-1` replaced by what is left of the input.
fn reshape_target(options: &Options, input: &[usize]) -> Result<Vec<usize>, Error> {
    let key = "target_shape";
    let value = options.get(key).ok_or_else(|| options.absent(key))?;
    let refuse = || {
        options.unsupported(
            key,
            value,
            "expected sizes from 1 on, one of them -1 at most",
        )
    };
    let sizes = value.as_array().ok_or_else(refuse)?;
    let sizes: Vec<Option<usize>> = sizes
        .iter()
        .map(|size| match size.as_i64() {
            Some(-1) => Some(None),
            Some(n) if n > 0 => usize::try_from(n).ok().map(Some),
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or_else(refuse)?;
    let known = sizes
        .iter()
        .flatten()
        .try_fold(1_usize, |n, &size| n.checked_mul(size));
    let total = super::shape::elements(input).map_err(|e| options.error(e))?;
    let rest = known.and_then(|known| total.checked_div(known));
    let open = sizes.iter().filter(|size| size.is_none()).count();
    let rest = rest.filter(|_| open <= 1).ok_or_else(refuse)?;
    Ok(sizes.into_iter().map(|size| size.unwrap_or(rest)).collect())
}

/// Refuses layers from outside Keras, whatever kind of model they are in.
fn refuse_custom_layers(layers: &[Value]) -> Result<(), Error> {
    for layer in layers.iter().filter_map(|layer| Saved::of(layer).ok()) {
        if is_custom(layer.object) {
            return Err(Error::UnsupportedLayer {
                layer: layer.options.layer.to_owned(),
                class: layer.options.class.to_owned(),
            });
        }
    }
    Ok(())
}

/// Refuses what is not a Sequential model of Keras 3.
fn check_kind(root: &Value, keras_version: &str) -> Result<(), Error> {
    let class = root.get("class_name").and_then(Value::as_str);
    let what = if keras_version.split('.').next() != Some("3") {
        format!("this model was saved by Keras {keras_version}")
    } else if class == Some("Functional") {
        "this is a Functional model (a graph of layers)".to_owned()
    } else if class != Some("Sequential") {
        format!("this is a model of class {}", class.unwrap_or("(none)"))
    } else {
        return Ok(());
    };
    Err(Error::Format(format!(
        "{what}, which is not read yet; supported: Sequential models saved by Keras 3"
    )))
}

fn malformed(member: &'static str, reason: impl Display) -> Error {
    Error::Config {
        member,
        reason: reason.to_string(),
    }
}
