//! The tree of saved models → one flat graph in topological order.

use std::collections::{HashMap, HashSet};

use super::Error;
use super::layers::{self, Place};
use super::saved::{
    Argument, Call, SavedGraph, SavedLayer, SavedModel, Target, declared_shape, implied_shape,
    malformed,
};
use super::weights::Variable;
use crate::description::{Layer, MAX_NODES, Node, WeightSpec};

/// Most uses of layers in all models, those that leave no node behind too.
const MAX_CALLS: usize = 4 * MAX_NODES;

/// The flat graph while it grows.
#[derive(Default)]
pub(super) struct Graph {
    pub nodes: Vec<Node>,
    /// How often a name was asked for.
    names: HashMap<String, usize>,
    /// The node that holds the weights of a part of a layer.
    pub owners: HashMap<Part, usize>,
    /// The variables in the file of each layer that is used, by the layer's id.
    pub variables: HashMap<usize, Vec<Variable>>,
    /// The shape of what each layer gives in its last use, by the layer's id.
    pub shapes: HashMap<usize, Vec<usize>>,
    calls: usize,
}

/// One of the nodes that a layer becomes: the layer's id, and which.
pub(super) type Part = (usize, &'static str);

impl Graph {
    /// Builds the graph of the outermost model; the last node is its output.
    pub fn of(model: &SavedModel) -> Result<Self, Error> {
        let (name, shape) = model_input(model)?;
        let mut graph = Self::default();
        graph.push(Node {
            name,
            class: "InputLayer".to_owned(),
            layer: Layer::Input,
            inputs: Vec::new(),
            output_shape: shape,
            weights_of: None,
            weights: Vec::new(),
        })?;
        let place = Place {
            prefix: "",
            trainable: model.options.bool("trainable", true)?,
        };
        let outputs = graph.run(model, &[0], place)?;
        let &[output] = &outputs[..] else {
            return Err(Error::Format(format!(
                "this model has {} outputs{}; models with one output are read",
                outputs.len(),
                names(model, |graph| graph
                    .outputs
                    .iter()
                    .map(|o| o.layer)
                    .collect())
            )));
        };
        if output == 0 {
            return Err(Error::Format("this model has no layers".to_owned()));
        }
        graph.prune(output);
        Ok(graph)
    }

    /// Appends a node under a name that no other has.
    pub fn push(&mut self, mut node: Node) -> Result<usize, Error> {
        if self.nodes.len() >= MAX_NODES {
            return Err(malformed(format!(
                "more than {MAX_NODES} layers, those of nested models counted each time they are used"
            )));
        }
        let uses = self.names.entry(node.name.clone()).or_default();
        *uses += 1;
        if *uses > 1 {
            node.name = format!("{}[{}]", node.name, *uses - 1);
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    /// The weights that a node's layer has.
    pub fn specs(&self, node: usize) -> Vec<WeightSpec> {
        let node = &self.nodes[node];
        let shapes = node
            .inputs
            .iter()
            .map(|&input| &self.nodes[input].output_shape[..]);
        node.layer.weight_specs(&shapes.collect::<Vec<_>>())
    }

    /// The nodes that hold a model's outputs for these inputs.
    fn run(
        &mut self,
        model: &SavedModel,
        inputs: &[usize],
        place: Place,
    ) -> Result<Vec<usize>, Error> {
        match &model.graph {
            Some(graph) => {
                for (&layer, &input) in graph.inputs.iter().zip(inputs) {
                    let shape = self.nodes[input].output_shape.clone();
                    self.shapes.insert(model.layers[layer].id, shape);
                }
                Functional {
                    graph: self,
                    model,
                    saved: graph,
                    place,
                    results: HashMap::new(),
                }
                .run(inputs)
            }
            None => self.run_sequential(model, inputs, place),
        }
    }

    fn run_sequential(
        &mut self,
        model: &SavedModel,
        inputs: &[usize],
        place: Place,
    ) -> Result<Vec<usize>, Error> {
        let mut values = inputs.to_vec();
        for (index, layer) in model.layers.iter().enumerate() {
            if layer.options.class == "InputLayer" {
                if index > 0 {
                    return Err(layer.options.error("only the first layer can be the input"));
                }
                continue;
            }
            let args = values.iter().copied().map(Argument::Tensor).collect();
            let kwargs = Vec::new();
            values = self.call(layer, &Call { args, kwargs }, place)?;
        }
        Ok(values)
    }

    /// The nodes that hold a layer's outputs in one use of it.
    fn call(
        &mut self,
        layer: &SavedLayer,
        call: &Call<'_, usize>,
        place: Place,
    ) -> Result<Vec<usize>, Error> {
        // Inputs count too, since each is looked at.
        self.calls += 1 + call.tensors().len();
        if self.calls > MAX_CALLS {
            return Err(malformed(format!(
                "layers are used more than {MAX_CALLS} times"
            )));
        }
        let trainable = place.trainable && layer.is_trainable()?;
        let outputs = match &layer.model {
            None => {
                let place = Place { trainable, ..place };
                vec![layers::layer(self, layer, call, place)?]
            }
            Some(model) => {
                let prefix = format!("{}{}/", place.prefix, layer.options.layer);
                let prefix = &prefix;
                self.run(model, &call.tensors(), Place { prefix, trainable })?
            }
        };
        if let [output] = outputs[..] {
            let shape = self.nodes[output].output_shape.clone();
            self.shapes.insert(layer.id, shape);
        }
        Ok(outputs)
    }

    /// Drops what the output does not need, and with it makes the output the last node.
    fn prune(&mut self, output: usize) {
        let mut needed = vec![false; self.nodes.len()];
        needed[0] = true;
        needed[output] = true;
        for index in (0..self.nodes.len()).rev() {
            if needed[index] {
                for &from in &self.nodes[index].inputs {
                    needed[from] = true;
                }
            }
        }
        self.pass_weights_on(&needed);
        let mut kept = 0;
        let places: Vec<Option<usize>> = needed
            .iter()
            .map(|&needed| {
                kept += usize::from(needed);
                needed.then(|| kept - 1)
            })
            .collect();
        let moved = |index: &mut usize| *index = places[*index].unwrap_or(0);
        let nodes = std::mem::take(&mut self.nodes).into_iter().zip(&needed);
        self.nodes = nodes
            .filter(|(_, needed)| **needed)
            .map(|(n, _)| n)
            .collect();
        for node in &mut self.nodes {
            node.inputs.iter_mut().for_each(moved);
            node.weights_of.iter_mut().for_each(moved);
        }
        self.owners.retain(|_, owner| needed[*owner]);
        self.owners.values_mut().for_each(moved);
    }

    /// Where a node that holds weights is dropped, the first that uses them takes them over.
    fn pass_weights_on(&mut self, needed: &[bool]) {
        let mut heirs: HashMap<usize, usize> = HashMap::new();
        for index in (0..self.nodes.len()).filter(|&index| needed[index]) {
            let Some(owner) = self.nodes[index].weights_of.filter(|&owner| !needed[owner]) else {
                continue;
            };
            let heir = *heirs.entry(owner).or_insert(index);
            if heir == index {
                self.nodes[index].weights = std::mem::take(&mut self.nodes[owner].weights);
            }
            self.nodes[index].weights_of = (heir != index).then_some(heir);
        }
        for owner in self.owners.values_mut() {
            *owner = heirs.get(owner).copied().unwrap_or(*owner);
        }
    }
}

/// A functional model at one of its uses.
struct Functional<'g, 'm> {
    graph: &'g mut Graph,
    model: &'m SavedModel<'m>,
    saved: &'m SavedGraph,
    place: Place<'m>,
    /// The outputs of each use (layer, number) that was computed.
    results: HashMap<(usize, usize), Vec<usize>>,
}

impl Functional<'_, '_> {
    fn run(mut self, inputs: &[usize]) -> Result<Vec<usize>, Error> {
        if inputs.len() != self.saved.inputs.len() {
            return Err(self.model.options.error(format!(
                "it takes {} inputs but gets {}",
                self.saved.inputs.len(),
                inputs.len()
            )));
        }
        for (&layer, &input) in self.saved.inputs.iter().zip(inputs) {
            self.results.insert((layer, 0), vec![input]);
        }
        for output in &self.saved.outputs {
            self.compute(output)?;
        }
        let outputs = self.saved.outputs.iter();
        outputs.map(|output| self.value(output)).collect()
    }

    /// Computes a tensor and everything before it. A stack of its own, so that a long chain of
    /// layers cannot exhaust the thread's.
    fn compute(&mut self, output: &Target) -> Result<(), Error> {
        let model = self.model;
        let mut open = HashSet::new();
        let mut stack = vec![(output.layer, output.call)];
        while let Some(&place) = stack.last() {
            if self.results.contains_key(&place) {
                stack.pop();
                continue;
            }
            let saved = &model.layers[place.0];
            let call = saved.calls.get(place.1).ok_or_else(|| {
                let reason = "it has no input and is none of the model's input_layers";
                saved.options.error(reason)
            })?;
            let needed = call.tensors();
            let needed = needed.iter().map(|target| (target.layer, target.call));
            let before = stack.len();
            stack.extend(needed.filter(|needed| !self.results.contains_key(needed)));
            if stack.len() == before {
                let call = call.try_map(&mut |target| self.value(target))?;
                let results = self.graph.call(saved, &call, self.place)?;
                self.results.insert(place, results);
            } else if !open.insert(place) {
                let reason = "its inputs depend on what it gives: a cycle";
                return Err(saved.options.error(reason));
            } else {
                stack[before..].reverse();
            }
        }
        Ok(())
    }

    /// The node of a tensor that was computed.
    fn value(&self, of: &Target) -> Result<usize, Error> {
        let results = self.results.get(&(of.layer, of.call));
        let value = results.and_then(|results| results.get(of.output));
        value.copied().ok_or_else(|| {
            let reason = format!("its output {} is used, which it has not", of.output);
            self.model.layers[of.layer].options.error(reason)
        })
    }
}

/// The names of some layers of a functional model, for a message.
fn names(model: &SavedModel, which: impl Fn(&SavedGraph) -> Vec<usize>) -> String {
    let layers = model.graph.as_ref().map(which).unwrap_or_default();
    let name = |layer: &usize| model.layers.get(*layer).map(|layer| layer.options.layer);
    let names: Vec<&str> = layers.iter().take(8).filter_map(name).collect();
    format!(" ({})", names.join(", "))
}

/// The name and the shape of the outermost model's one input.
fn model_input(model: &SavedModel) -> Result<(String, Vec<usize>), Error> {
    let layer = match &model.graph {
        None => model.layers.first(),
        Some(graph) => {
            let &[index] = &graph.inputs[..] else {
                return Err(Error::Format(format!(
                    "this model has {} inputs{}; models with one input are read",
                    graph.inputs.len(),
                    names(model, |graph| graph.inputs.clone())
                )));
            };
            model.layers.get(index)
        }
    };
    let layer = layer.ok_or_else(|| malformed("the model has no layers"))?;
    match (&layer.options.class, &layer.model) {
        (&"InputLayer", _) => {
            let shape = declared_shape(&layer.options)?;
            Ok((layer.options.layer.to_owned(), shape))
        }
        // A model that begins with a model. The depth is bounded by the reader.
        (_, Some(inner)) if model.graph.is_none() => {
            let given = implied_shape(model, &layer.options);
            let shape = given.or_else(|error| model_input(inner).map_or(Err(error), |i| Ok(i.1)));
            Ok(("input".to_owned(), shape?))
        }
        (_, None) if model.graph.is_none() => {
            Ok(("input".to_owned(), implied_shape(model, &layer.options)?))
        }
        _ => Err(layer
            .options
            .error("the model begins with a layer that is no input")),
    }
}
