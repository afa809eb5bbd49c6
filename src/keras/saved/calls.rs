//! `inbound_nodes`: where the inputs of each call of a layer come from, as Keras 2 and Keras 3 write it.
//!
//! Keras 2 writes `[[["re_lu", 0, 0, {kwargs}], …], …]`, Keras 3
//! `[{"args": [… "keras_history": ["re_lu", 0, 0]], "kwargs": {}}, …]`; each is a list of calls.
//! Where a call is given a dictionary, Keras takes its values in the order of their keys.

use serde_json::{Map, Value};

use super::options::Options;
use crate::keras::Error;

/// An output of one call of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub layer: String,
    /// Which call, as the file counts them.
    pub call: usize,
    /// Which of the call's outputs.
    pub output: usize,
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument<'a, T> {
    /// What another layer gives.
    Tensor(T),
    /// A list that has at least one tensor in it.
    List(Vec<Argument<'a, T>>),
    /// Anything else, as it stands in the file.
    Json(&'a Value),
}

/// One call of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Call<'a, T = Reference> {
    pub args: Vec<Argument<'a, T>>,
    pub kwargs: Vec<(&'a str, Argument<'a, T>)>,
}

impl<'a> Call<'a> {
    /// All calls of a layer.
    pub fn all(nodes: Option<&'a Value>, options: &Options) -> Result<Vec<Self>, Error> {
        let Some(nodes) = nodes.filter(|nodes| !nodes.is_null()) else {
            return Ok(Vec::new());
        };
        let calls = nodes.as_array().and_then(|nodes| {
            let calls = nodes.iter().map(|node| match node {
                Value::Object(node) if node.contains_key("args") => Self::of_keras_3(node),
                node => Self::of_keras_2(node),
            });
            calls.collect::<Option<_>>()
        });
        calls.ok_or_else(|| options.error("its inbound_nodes are not as Keras writes them"))
    }

    fn of_keras_3(node: &'a Map<String, Value>) -> Option<Self> {
        let args = node.get("args")?.as_array()?;
        let kwargs = node.get("kwargs")?.as_object()?;
        Some(Self {
            args: args.iter().map(|arg| argument(arg, &history)).collect(),
            kwargs: kwargs
                .iter()
                .map(|(key, arg)| (key.as_str(), argument(arg, &history)))
                .collect(),
        })
    }

    fn of_keras_2(node: &'a Value) -> Option<Self> {
        if let Some(node) = node.as_array()
            && node.first().is_some_and(Value::is_string)
        {
            let (first, kwargs) = input(node)?;
            return Some(Self {
                args: vec![first],
                kwargs,
            });
        }
        let entries: Vec<&Value> = match node {
            Value::Object(node) => sorted(node).map(|(_, entry)| entry).collect(),
            node => node.as_array()?.iter().collect(),
        };
        let mut inputs = Vec::with_capacity(entries.len());
        let mut kwargs = Vec::new();
        for entry in entries {
            let (input, more) = input(entry.as_array()?)?;
            inputs.push(input);
            // Keras repeats them for every input.
            kwargs = more;
        }
        let args = match inputs.len() {
            1 => inputs,
            _ => vec![Argument::List(inputs)],
        };
        Some(Self { args, kwargs })
    }
}

impl<'a, T: Copy> Call<'a, T> {
    /// The tensors among the arguments, in order.
    pub fn tensors(&self) -> Vec<T> {
        let mut all = Vec::new();
        let kwargs = self.kwargs.iter().map(|(_, arg)| arg);
        self.args
            .iter()
            .chain(kwargs)
            .for_each(|arg| arg.collect(&mut all));
        all
    }

    /// An argument by its position or its name; a null counts as absent.
    pub fn argument(&self, position: usize, name: &str) -> Option<&Argument<'a, T>> {
        let named = self.kwargs.iter().find(|(key, _)| *key == name);
        let found = self.args.get(position).or(named.map(|(_, arg)| arg));
        found.filter(|arg| !matches!(arg, Argument::Json(Value::Null)))
    }
}

impl<'a, T> Call<'a, T> {
    /// The same call with each tensor replaced.
    pub fn try_map<U, E>(&self, of: &mut impl FnMut(&T) -> Result<U, E>) -> Result<Call<'a, U>, E> {
        let args = self.args.iter().map(|arg| arg.try_map(of));
        let args = args.collect::<Result<_, E>>()?;
        let kwargs = self.kwargs.iter();
        let kwargs = kwargs.map(|(key, arg)| Ok((*key, arg.try_map(of)?)));
        Ok(Call {
            args,
            kwargs: kwargs.collect::<Result<_, E>>()?,
        })
    }
}

impl<'a, T> Argument<'a, T> {
    fn try_map<U, E>(&self, of: &mut impl FnMut(&T) -> Result<U, E>) -> Result<Argument<'a, U>, E> {
        Ok(match self {
            Self::Tensor(tensor) => Argument::Tensor(of(tensor)?),
            Self::List(list) => {
                let list = list.iter().map(|arg| arg.try_map(of));
                Argument::List(list.collect::<Result<_, E>>()?)
            }
            Self::Json(value) => Argument::Json(value),
        })
    }
}

impl<T: Copy> Argument<'_, T> {
    fn collect(&self, into: &mut Vec<T>) {
        match self {
            Self::Tensor(tensor) => into.push(*tensor),
            Self::List(list) => list.iter().for_each(|arg| arg.collect(into)),
            Self::Json(_) => {}
        }
    }
}

/// An argument, in which `tensor` finds the tensors. JSON bounds how deep lists go.
fn argument<'a>(
    value: &'a Value,
    tensor: &impl Fn(&'a Value) -> Option<Reference>,
) -> Argument<'a, Reference> {
    if let Some(reference) = tensor(value) {
        return Argument::Tensor(reference);
    }
    let parts: Vec<&Value> = match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => sorted(map).map(|(_, value)| value).collect(),
        _ => return Argument::Json(value),
    };
    let list: Vec<_> = parts
        .into_iter()
        .map(|part| argument(part, tensor))
        .collect();
    let plain = |arg: &Argument<'_, Reference>| matches!(arg, Argument::Json(_));
    match list.iter().all(plain) {
        true => Argument::Json(value),
        false => Argument::List(list),
    }
}

/// The members of a dictionary in the order of their keys.
fn sorted(map: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let mut members: Vec<_> = map.iter().collect();
    members.sort_by_key(|(key, _)| *key);
    members.into_iter()
}

/// A tensor of Keras 3.
fn history(value: &Value) -> Option<Reference> {
    let class = value.get("class_name")?.as_str()?;
    let history = value.pointer("/config/keras_history")?;
    (class == "__keras_tensor__").then(|| reference(history))?
}

type Input<'a> = (
    Argument<'a, Reference>,
    Vec<(&'a str, Argument<'a, Reference>)>,
);

/// One input of Keras 2: `[layer, call, output, kwargs]`, or `["_CONSTANT_VALUE", -1, value, kwargs]`.
fn input(entry: &[Value]) -> Option<Input<'_>> {
    let [name, call, output, rest @ ..] = entry else {
        return None;
    };
    let first = if name.as_str() == Some("_CONSTANT_VALUE") && call.as_i64() == Some(-1) {
        Argument::Json(output)
    } else {
        Argument::Tensor(triple(name, call, output)?)
    };
    let kwargs = match rest {
        [] => Vec::new(),
        [kwargs] => kwargs
            .as_object()?
            .iter()
            .map(|(key, value)| (key.as_str(), argument(value, &reference)))
            .collect(),
        _ => return None,
    };
    Some((first, kwargs))
}

/// `[layer, call, output]`
fn reference(value: &Value) -> Option<Reference> {
    match value.as_array()?.as_slice() {
        [layer, call, output] => triple(layer, call, output),
        _ => None,
    }
}

fn triple(layer: &Value, call: &Value, output: &Value) -> Option<Reference> {
    Some(Reference {
        layer: layer.as_str()?.to_owned(),
        call: usize::try_from(call.as_u64()?).ok()?,
        output: usize::try_from(output.as_u64()?).ok()?,
    })
}

/// `input_layers` and `output_layers`: one reference, or lists and dictionaries of them.
pub fn references(value: &Value) -> Option<Vec<Reference>> {
    if let Some(one) = reference(value) {
        return Some(vec![one]);
    }
    let parts: Vec<&Value> = match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => sorted(map).map(|(_, value)| value).collect(),
        _ => return None,
    };
    let parts = parts.into_iter().map(references);
    Some(parts.collect::<Option<Vec<_>>>()?.concat())
}
