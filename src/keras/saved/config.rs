//! The architecture's JSON → a tree of saved models and layers, their options still as JSON.

use std::collections::HashMap;
use std::fmt::Display;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::calls::{Call, Reference, references};
use super::options::{Options, is_custom};
use crate::description::{MAX_NODES, check_name};
use crate::keras::Error;

/// How deep models may be nested.
const MAX_DEPTH: usize = 16;

/// A model as it was saved.
pub struct SavedModel<'a> {
    /// Its class, name and options.
    pub options: Options<'a>,
    /// The whole object, for what stands beside its configuration.
    pub object: &'a Value,
    pub layers: Vec<SavedLayer<'a>>,
    /// How its layers are connected; none for a Sequential model, whose layers follow one another.
    pub graph: Option<SavedGraph>,
}

/// Where a functional model begins and ends.
pub struct SavedGraph {
    /// The indices of its input layers, in order.
    pub inputs: Vec<usize>,
    pub outputs: Vec<Target>,
}

/// An output of a layer in one of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The index of the layer in its model.
    pub layer: usize,
    /// Which call, from 0 on.
    pub call: usize,
    /// The same number as the file has it, which may begin at 1.
    pub shown: usize,
    /// Which of its outputs.
    pub output: usize,
}

/// A layer as it was saved.
pub struct SavedLayer<'a> {
    /// Its number among the layers of the whole file.
    pub id: usize,
    pub options: Options<'a>,
    /// The whole object, for what stands beside its configuration.
    pub object: &'a Value,
    /// The model, if the layer is one.
    pub model: Option<SavedModel<'a>>,
    /// Its calls in a functional model.
    pub calls: Vec<Call<'a, Target>>,
}

#[derive(Deserialize)]
struct Metadata {
    keras_version: String,
}

/// The version of Keras in `metadata.json`.
pub fn keras_version(json: &[u8]) -> Result<String, Error> {
    let metadata: Metadata = serde_json::from_slice(json).map_err(|e| Error::Config {
        member: "metadata.json",
        reason: e.to_string(),
    })?;
    Ok(metadata.keras_version)
}

/// The architecture's JSON. What is nested deeper than 128 levels is refused.
pub fn json(bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(bytes).map_err(malformed)
}

/// Reads the tree.
///
/// # Errors
/// It is no model, has a class from outside Keras, or is nested too deep.
pub fn saved_model<'a>(root: &'a Value, keras_version: &str) -> Result<SavedModel<'a>, Error> {
    let mut reader = Reader {
        keras_2: !keras_version.starts_with('3'),
        layers: 0,
    };
    reader.model(root, 0)
}

struct Reader {
    keras_2: bool,
    layers: usize,
}

impl Reader {
    fn model<'a>(&mut self, object: &'a Value, depth: usize) -> Result<SavedModel<'a>, Error> {
        if depth >= MAX_DEPTH {
            return Err(malformed(format!(
                "models lie inside one another more than {MAX_DEPTH} deep"
            )));
        }
        let (config, class) = parts(object)?;
        let list = config.get("layers").and_then(Value::as_array);
        let list = list.ok_or_else(|| malformed("a model has no list of layers"))?;
        let mut layers = Vec::with_capacity(list.len().min(MAX_NODES));
        let mut calls = Vec::with_capacity(list.len().min(MAX_NODES));
        for layer in list {
            let layer = self.layer(layer, depth)?;
            calls.push(Call::all(
                layer.object.get("inbound_nodes"),
                &layer.options,
            )?);
            layers.push(layer);
        }
        let name = config.get("name").and_then(Value::as_str);
        let name = name.unwrap_or("model");
        check_name(name)?;
        let options = Options {
            layer: name,
            class,
            config,
            keras_2: self.keras_2,
        };
        let graph = match class {
            "Sequential" => None,
            "Functional" | "Model" => Some(connect(&options, &mut layers, &calls)?),
            _ => return Err(options.not_of_keras()),
        };
        if object.as_object().is_some_and(is_custom) {
            return Err(options.not_of_keras());
        }
        Ok(SavedModel {
            options,
            object,
            layers,
            graph,
        })
    }

    fn layer<'a>(&mut self, object: &'a Value, depth: usize) -> Result<SavedLayer<'a>, Error> {
        let id = self.layers;
        self.layers += 1;
        if id >= MAX_NODES {
            return Err(malformed(format!(
                "more than {MAX_NODES} layers, at most {MAX_NODES} are read"
            )));
        }
        let (config, class) = parts(object)?;
        let name = object.get("name").or_else(|| config.get("name"));
        let name = name.and_then(Value::as_str);
        let name = name.ok_or_else(|| malformed("a layer has no name"))?;
        check_name(name)?;
        let options = Options {
            layer: name,
            class,
            config,
            keras_2: self.keras_2,
        };
        if object.as_object().is_some_and(is_custom) {
            return Err(options.not_of_keras());
        }
        let model = match config.contains_key("layers") {
            true => Some(self.model(object, depth + 1)?),
            false => None,
        };
        Ok(SavedLayer {
            id,
            options,
            object,
            model,
            calls: Vec::new(),
        })
    }
}

impl SavedLayer<'_> {
    /// Whether training changes its weights. In Keras 3 the layers inside a wrapper are not told when
    /// the wrapper is frozen.
    pub fn is_trainable(&self) -> Result<bool, Error> {
        const INDEPENDENT: [&str; 3] = ["Bidirectional", "MultiHeadAttention", "TimeDistributed"];
        let own = self.options.bool("trainable", true)?;
        Ok(own || (!self.options.keras_2 && INDEPENDENT.contains(&self.options.class)))
    }
}

/// The configuration and the class of a serialized object.
fn parts(object: &Value) -> Result<(&Map<String, Value>, &str), Error> {
    let config = object.get("config").and_then(Value::as_object);
    let class = object.get("class_name").and_then(Value::as_str);
    let (config, class) = config
        .zip(class)
        .ok_or_else(|| malformed("a layer lacks its class_name or its config"))?;
    check_name(class)?;
    Ok((config, class))
}

/// Finds the layers that the calls of a functional model refer to.
fn connect<'a>(
    options: &Options,
    layers: &mut [SavedLayer<'a>],
    calls: &[Vec<Call<'a>>],
) -> Result<SavedGraph, Error> {
    let ends = |key: &str| {
        let ends = options.get(key).and_then(references);
        ends.ok_or_else(|| options.absent(key))
    };
    let (inputs, outputs) = (ends("input_layers")?, ends("output_layers")?);
    let names = Names::of(options, layers, calls, &outputs)?;
    for (layer, calls) in layers.iter_mut().zip(calls) {
        let calls = calls.iter();
        let calls = calls.map(|call| call.try_map(&mut |reference| names.target(reference)));
        layer.calls = calls.collect::<Result<_, Error>>()?;
    }
    let inputs = inputs.iter().map(|input| names.index(input));
    let outputs = outputs.iter().map(|output| names.target(output));
    Ok(SavedGraph {
        inputs: inputs.collect::<Result<_, Error>>()?,
        outputs: outputs.collect::<Result<_, Error>>()?,
    })
}

/// The layers of a functional model by their names.
struct Names<'a> {
    options: &'a Options<'a>,
    by_name: HashMap<&'a str, usize>,
    /// How often each layer is called.
    uses: Vec<usize>,
    /// The number of each layer's first call in the file. It is 1 for a model that was called once
    /// when it was made, which the file leaves out; every call that the file has is referred to.
    first: Vec<usize>,
}

impl<'a> Names<'a> {
    fn of(
        options: &'a Options,
        layers: &[SavedLayer<'a>],
        calls: &[Vec<Call>],
        outputs: &[Reference],
    ) -> Result<Self, Error> {
        let mut by_name = HashMap::new();
        for (index, layer) in layers.iter().enumerate() {
            if by_name.insert(layer.options.layer, index).is_some() {
                return Err(layer.options.error("another layer has the same name"));
            }
        }
        let mut names = Self {
            options,
            by_name,
            uses: calls.iter().map(|calls| calls.len().max(1)).collect(),
            first: vec![usize::MAX; layers.len()],
        };
        let mut see = |reference: &Reference| -> Result<(), Error> {
            let index = names.index(reference)?;
            names.first[index] = names.first[index].min(reference.call);
            Ok(())
        };
        outputs.iter().try_for_each(&mut see)?;
        for call in calls.iter().flatten() {
            call.try_map(&mut see)?;
        }
        for (first, layer) in names.first.iter_mut().zip(layers) {
            *first = usize::from(*first == 1 && layer.model.is_some());
        }
        Ok(names)
    }

    fn index(&self, of: &Reference) -> Result<usize, Error> {
        let index = self.by_name.get(of.layer.as_str());
        index.copied().ok_or_else(|| {
            self.options.error(format!(
                "it refers to a layer '{}' that it does not have",
                of.layer.escape_debug()
            ))
        })
    }

    fn target(&self, of: &Reference) -> Result<Target, Error> {
        let layer = self.index(of)?;
        let call = of.call.checked_sub(self.first[layer]);
        let call = call.filter(|&call| call < self.uses[layer]);
        let call = call.ok_or_else(|| {
            self.options.error(format!(
                "it refers to use {} of layer '{}', which has {}",
                of.call, of.layer, self.uses[layer]
            ))
        })?;
        Ok(Target {
            layer,
            call,
            shown: of.call,
            output: of.output,
        })
    }
}

pub fn malformed(reason: impl Display) -> Error {
    Error::Config {
        member: "config.json",
        reason: reason.to_string(),
    }
}
