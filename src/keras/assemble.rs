//! The tree of saved models → one flat graph in topological order: follows the calls of layers, and
//! has each of them read.

use std::collections::{HashMap, HashSet};

use super::Error;
use super::graph::Graph;
use super::layers::{self, Scope};
use super::saved::{
    Argument, Call, SavedGraph, SavedLayer, SavedModel, Target, declared_shape, implied_shape,
    malformed,
};
use crate::description::{Layer, MAX_NODES, Node};

/// Most calls of layers in all models, also of those that add no node.
const MAX_CALLS: usize = 4 * MAX_NODES;

/// The graph of the outermost model; the last node is its output.
pub(super) fn assemble(model: &SavedModel) -> Result<Graph, Error> {
    let mut assembler = Assembler::default();
    let output = assembler.outermost(model)?;
    assembler.graph.prune(output);
    Ok(assembler.graph)
}

#[derive(Default)]
struct Assembler {
    graph: Graph,
    /// Calls so far.
    calls: usize,
}

impl Assembler {
    /// The node that holds the output.
    fn outermost(&mut self, model: &SavedModel) -> Result<usize, Error> {
        let (name, shape) = model_input(model)?;
        self.graph.push(Node {
            name,
            class: "InputLayer".to_owned(),
            layer: Layer::Input,
            inputs: Vec::new(),
            output_shape: shape,
            weights_of: None,
            weights: Vec::new(),
        })?;
        let scope = Scope {
            prefix: "",
            trainable: model.options.bool("trainable", true)?,
            training: None,
            steps: &[],
        };
        let outputs = self.run(model, &[0], scope)?;
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
        Ok(output)
    }

    /// The nodes that hold a model's outputs for these inputs.
    fn run(
        &mut self,
        model: &SavedModel,
        inputs: &[usize],
        scope: Scope,
    ) -> Result<Vec<usize>, Error> {
        match &model.graph {
            Some(graph) => {
                for (&layer, &input) in graph.inputs.iter().zip(inputs) {
                    let shape = self.graph.nodes[input].output_shape.clone();
                    self.graph.shapes.insert(model.layers[layer].id, shape);
                }
                Functional {
                    assembler: self,
                    model,
                    saved: graph,
                    scope,
                    results: HashMap::new(),
                }
                .run(inputs)
            }
            None => self.run_sequential(model, inputs, scope),
        }
    }

    fn run_sequential(
        &mut self,
        model: &SavedModel,
        inputs: &[usize],
        scope: Scope,
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
            values = self.call(layer, &Call { args, kwargs }, scope)?;
        }
        Ok(values)
    }

    /// The nodes that hold a layer's outputs in one call of it.
    fn call(
        &mut self,
        layer: &SavedLayer,
        call: &Call<'_, usize>,
        scope: Scope,
    ) -> Result<Vec<usize>, Error> {
        // Inputs count as well: reading each takes time.
        self.calls += 1 + call.tensors().len();
        if self.calls > MAX_CALLS {
            return Err(malformed(format!(
                "layers are used more than {MAX_CALLS} times"
            )));
        }
        let scope = Scope {
            trainable: scope.trainable && layer.is_trainable()?,
            training: layers::training(&layer.options, call, scope.training),
            ..scope
        };
        let outputs = match &layer.model {
            None if layer.wrapped.is_some() => self.each_step(layer, call, scope)?,
            None => layers::layer(&mut self.graph, layer, call, scope)?,
            Some(model) => {
                let prefix = &format!("{}{}/", scope.prefix, layer.options.layer);
                self.run(model, &call.tensors(), Scope { prefix, ..scope })?
            }
        };
        if let [output] = outputs[..] {
            let shape = self.graph.nodes[output].output_shape.clone();
            self.graph.shapes.insert(layer.id, shape);
        }
        Ok(outputs)
    }

    /// The same of a `TimeDistributed`.
    fn each_step(
        &mut self,
        layer: &SavedLayer,
        call: &Call<'_, usize>,
        scope: Scope,
    ) -> Result<Vec<usize>, Error> {
        let Some((&input, inner)) = call.tensors().first().zip(layer.wrapped.as_deref()) else {
            return Err(layer.options.error("it gets no input"));
        };
        let shape = &self.graph.nodes[input].output_shape;
        let (steps, step) = shape.split_at(shape.len().min(scope.steps.len() + 1));
        if step.is_empty() || call.tensors().len() > 1 {
            return Err(layer
                .options
                .error("it takes steps of something, and no mask"));
        }
        let steps = &steps.to_vec();
        let prefix = &format!("{}{}/", scope.prefix, layer.options.layer);
        let args = vec![Argument::Tensor(input)];
        let kwargs = Vec::new();
        let scope = Scope {
            prefix,
            steps,
            ..scope
        };
        self.call(inner, &Call { args, kwargs }, scope)
    }
}

/// A functional model in one of its calls.
struct Functional<'g, 'm> {
    assembler: &'g mut Assembler,
    model: &'m SavedModel<'m>,
    saved: &'m SavedGraph,
    scope: Scope<'m>,
    /// The outputs of each call (layer, number) so far.
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

    /// Adds the nodes of a tensor and of everything before it. Keeps its own stack, since a long
    /// chain of layers would overflow the thread's.
    fn compute(&mut self, output: &Target) -> Result<(), Error> {
        let model = self.model;
        let mut open = HashSet::new();
        let mut stack = vec![(output.layer, output.call)];
        while let Some(&wanted) = stack.last() {
            if self.results.contains_key(&wanted) {
                stack.pop();
                continue;
            }
            let saved = &model.layers[wanted.0];
            let call = saved.calls.get(wanted.1).ok_or_else(|| {
                let reason = "it has no input and is none of the model's input_layers";
                saved.options.error(reason)
            })?;
            let needed = call.tensors();
            let needed = needed.iter().map(|target| (target.layer, target.call));
            let before = stack.len();
            stack.extend(needed.filter(|needed| !self.results.contains_key(needed)));
            if stack.len() == before {
                let call = call.try_map(&mut |target| self.value(target))?;
                let results = self.assembler.call(saved, &call, self.scope)?;
                self.results.insert(wanted, results);
            } else if !open.insert(wanted) {
                let reason = "its inputs depend on what it gives: a cycle";
                return Err(saved.options.error(reason));
            } else {
                stack[before..].reverse();
            }
        }
        Ok(())
    }

    /// The node of a tensor that was added.
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
