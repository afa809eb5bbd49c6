//! The architecture's JSON → a tree of saved models and layers, their options still as JSON.

use std::collections::HashMap;
use std::fmt::Display;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::calls::{Call, Reference, references};
use super::options::{Options, is_custom};
use crate::description::{MAX_NODES, check_name};
use crate::keras::Error;

/// How deep models may be nested; the depth of JSON bounds it as well.
const MAX_DEPTH: usize = 48;
/// Most earlier layers of the same name that are compared with one that is used a second time.
const MAX_NAMESAKES: usize = 16;
/// The key of Keras's mark on an object that it writes more than once.
const SHARED: &str = "shared_object_id";

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
    /// Its number among the layers of the whole file. A layer that stands in several models has the
    /// same number in each.
    pub id: usize,
    pub options: Options<'a>,
    /// The whole object, for what stands beside its configuration.
    pub object: &'a Value,
    /// The model, if the layer is one.
    pub model: Option<SavedModel<'a>>,
    /// The layer that this one applies to each step, if it is a `TimeDistributed`.
    pub wrapped: Option<Box<SavedLayer<'a>>>,
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
        keras_2: is_keras_2(keras_version),
        layers: 0,
        seen: Vec::new(),
    };
    reader.model(root, 0)
}

/// Keras 3 was called keras-core at first, whose versions began with 0.
fn is_keras_2(version: &str) -> bool {
    !(version.starts_with('3') || version.starts_with("0."))
}

struct Reader<'a> {
    keras_2: bool,
    layers: usize,
    /// The layers so far, without those that were seen before.
    seen: Vec<Seen<'a>>,
}

/// A layer that was read.
struct Seen<'a> {
    name: &'a str,
    object: &'a Value,
    /// What Keras calls the object, if it is known to be used again.
    shared: Option<&'a Value>,
    /// Its number, and those of the layers in it.
    ids: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn model(&mut self, object: &'a Value, depth: usize) -> Result<SavedModel<'a>, Error> {
        if depth >= MAX_DEPTH {
            return Err(malformed(format!(
                "models lie inside one another more than {MAX_DEPTH} deep"
            )));
        }
        let (config, class) = parts(object)?;
        let list = listed(object).ok_or_else(|| match class {
            "Sequential" | "Functional" | "Model" => malformed("a model has no list of layers"),
            class => Error::Format(format!(
                "this is a subclassed model ('{}'): its code is not in the file; build it again as a \
                 Sequential or functional model, give that its weights, and save it",
                class.escape_debug()
            )),
        })?;
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

    fn layer(&mut self, object: &'a Value, depth: usize) -> Result<SavedLayer<'a>, Error> {
        let (id, before) = (self.layers, self.seen.len());
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
        let model = match listed(object).is_some() {
            true => Some(self.model(object, depth + 1)?),
            false => None,
        };
        let wrapped = config.get("layer").filter(|_| class == "TimeDistributed");
        let wrapped = match wrapped {
            Some(inner) if depth < MAX_DEPTH => Some(Box::new(self.layer(inner, depth + 1)?)),
            Some(_) => return Err(options.error("it lies too deep in others")),
            None => None,
        };
        let mut layer = SavedLayer {
            id,
            options,
            object,
            model,
            wrapped,
            calls: Vec::new(),
        };
        let shared = object.get(SHARED);
        match self.seen_before(&layer, shared, before)? {
            Some(ids) => {
                self.seen.truncate(before);
                layer.number(&mut ids.into_iter());
            }
            None => {
                let mut ids = Vec::new();
                layer.ids(&mut ids);
                self.seen.push(Seen {
                    name,
                    object,
                    shared,
                    ids,
                });
            }
        }
        Ok(layer)
    }

    /// The numbers of a layer, and of those in it, if it was read before as a part of another model.
    /// Keras marks an object that it writes again, but the mark on the first is mostly lost.
    fn seen_before(
        &mut self,
        layer: &SavedLayer<'a>,
        shared: Option<&'a Value>,
        before: usize,
    ) -> Result<Option<Vec<usize>>, Error> {
        let Some(shared) = shared else {
            return Ok(None);
        };
        let earlier = &mut self.seen[..before];
        if let Some(seen) = earlier.iter().find(|seen| seen.shared == Some(shared)) {
            return Ok(Some(seen.ids.clone()));
        }
        let name = layer.options.layer;
        let mut namesakes = earlier
            .iter_mut()
            .filter(|seen| seen.shared.is_none() && seen.name == name);
        let mut alike = Vec::new();
        for seen in namesakes.by_ref().take(MAX_NAMESAKES) {
            if is_same(seen.object, layer.object) {
                alike.push(seen);
            }
        }
        let ambiguous = alike.len() > 1 || namesakes.next().is_some();
        match alike.pop() {
            Some(_) if ambiguous => Err(layer
                .options
                .error("it is used in several models, and does not say in which")),
            Some(seen) => {
                seen.shared = Some(shared);
                Ok(Some(seen.ids.clone()))
            }
            None => Ok(None),
        }
    }
}

/// Whether two objects were written of the same layer, wherever it stands.
fn is_same(a: &Value, b: &Value) -> bool {
    let same = |key: &str| match (a.get(key), b.get(key)) {
        (Some(a), Some(b)) => is_same_but_for_marks(a, b),
        (a, b) => a == b,
    };
    same("class_name") && same("config")
}

fn is_same_but_for_marks(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let unmarked = |(key, _): &(&String, &Value)| *key != SHARED;
            a.iter().filter(unmarked).count() == b.iter().filter(unmarked).count()
                && a.iter()
                    .filter(unmarked)
                    .all(|(key, a)| b.get(key).is_some_and(|b| is_same_but_for_marks(a, b)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_but_for_marks(a, b))
        }
        (a, b) => a == b,
    }
}

impl<'a> SavedLayer<'a> {
    /// Collects its number and those of the layers in it.
    fn ids(&self, into: &mut Vec<usize>) {
        into.push(self.id);
        self.inner().for_each(|layer| layer.ids(into));
    }

    /// The layers in it.
    pub fn inner(&self) -> impl Iterator<Item = &SavedLayer<'a>> {
        let layers = self.model.iter().flat_map(|model| &model.layers);
        layers.chain(self.wrapped.as_deref())
    }

    /// Gives it and the layers in it the numbers of a layer of the same make.
    fn number(&mut self, ids: &mut impl Iterator<Item = usize>) {
        self.id = ids.next().unwrap_or(self.id);
        let inner = self.model.iter_mut().flat_map(|model| &mut model.layers);
        for layer in inner.chain(self.wrapped.as_deref_mut()) {
            layer.number(ids);
        }
    }

    fn is_functional(&self) -> bool {
        self.model
            .as_ref()
            .is_some_and(|model| model.graph.is_some())
    }

    /// Whether it is one of `keras.ops`, which may have the name of a layer (`Add`). A legacy file
    /// does not say which module it is from, but layers have options that operations have not.
    pub fn is_operation(&self) -> bool {
        const OPERATIONS: [&str; 5] = [
            "src.ops",
            "ops",
            "src.activations",
            "src.operations",
            "operations",
        ];
        match self.object.get("module").and_then(Value::as_str) {
            Some(module) => {
                let keras = ["keras.", "keras_core."];
                let mut inner = keras.iter().filter_map(|keras| module.strip_prefix(keras));
                inner.any(|module| OPERATIONS.iter().any(|ops| module.starts_with(ops)))
            }
            None => {
                let has = |key| self.options.config.contains_key(key);
                let called = self.calls.iter().any(|call| !call.args.is_empty());
                called && !has("trainable") && !has("dtype")
            }
        }
    }

    /// Whether training changes its weights. In Keras 3 the layers inside a wrapper are not told when
    /// the wrapper is frozen.
    pub fn is_trainable(&self) -> Result<bool, Error> {
        const INDEPENDENT: [&str; 3] = ["Bidirectional", "MultiHeadAttention", "TimeDistributed"];
        let own = self.options.bool("trainable", true)?;
        Ok(own || (!self.options.keras_2 && INDEPENDENT.contains(&self.options.class)))
    }
}

/// The layers of a model; none of what is no model. Up to Keras 2.2 they are the whole configuration
/// of a `Sequential`.
fn listed(object: &Value) -> Option<&Vec<Value>> {
    match object.get("config")? {
        Value::Array(list) => Some(list),
        config => config.get("layers")?.as_array(),
    }
}

/// The configuration and the class of a serialized object.
fn parts(object: &Value) -> Result<(&Map<String, Value>, &str), Error> {
    let config = match object.get("config") {
        Some(Value::Array(_)) => object.as_object(),
        config => config.and_then(Value::as_object),
    };
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
    let outputs = outputs.iter().map(|output| names.end(output));
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
    /// The number of each layer's first call in the file: every call that the file has is referred
    /// to. It is 1 for a model that was called once when it was made, which the file leaves out.
    first: Vec<usize>,
    /// The layers to whose calls a model's outputs refer by one more than other layers do: functional
    /// models in Keras 3, which counts the call that made them there, and only there.
    one_more: Vec<usize>,
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
            one_more: layers
                .iter()
                .map(|layer| usize::from(!options.keras_2 && layer.is_functional()))
                .collect(),
        };
        let mut first = names.first.clone();
        let mut see = |index: usize, call: usize| first[index] = first[index].min(call);
        for output in outputs {
            let index = names.index(output)?;
            see(index, output.call.saturating_sub(names.one_more[index]));
        }
        for call in calls.iter().flatten() {
            call.try_map(&mut |reference| {
                see(names.index(reference)?, reference.call);
                Ok::<(), Error>(())
            })?;
        }
        for (first, layer) in first.iter_mut().zip(layers) {
            *first = usize::from(*first == 1 && layer.model.is_some());
        }
        names.first = first;
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

    /// What an output of the model refers to.
    fn end(&self, of: &Reference) -> Result<Target, Error> {
        let one_more = self.one_more[self.index(of)?];
        let call = of.call.saturating_sub(one_more);
        self.target(&Reference { call, ..of.clone() })
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
