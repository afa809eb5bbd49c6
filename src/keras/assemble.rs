//! The tree of saved models → one flat graph in topological order: follows the calls of layers, and
//! has each of them read.

use std::collections::{HashMap, HashSet};
use std::iter;

use super::Error;
use super::graph::Graph;
use super::layers::{self, Scope};
use super::saved::{
    Argument, Call, SavedGraph, SavedLayer, SavedModel, Target, declared_shape, implied_shape,
    malformed,
};
use crate::description::{
    Concatenate, Layer, MAX_NODES, Node, Reshape, Slice, TensorSpec, elements,
};

/// Most calls of layers in all models, also of those that add no node.
const MAX_CALLS: usize = 4 * MAX_NODES;
/// Most inputs, and most outputs, of the outermost model.
const MAX_ENDS: usize = 256;

/// The graph of the outermost model, and what goes in and comes out where that is several tensors.
pub(super) fn assemble(model: &SavedModel) -> Result<Assembled, Error> {
    let mut assembler = Assembler::default();
    let inputs = named_inputs(model)?;
    let values = assembler.begin(&inputs)?;
    let scope = Scope {
        prefix: "",
        trainable: model.options.bool("trainable", true)?,
        training: None,
        steps: &[],
    };
    let values = assembler.run(model, &values, scope)?;
    check_count(values.len(), "outputs")?;
    let outputs = named_outputs(model, &values, &assembler.graph);
    let output = assembler.end(&values)?;
    assembler.graph.prune(output);
    Ok(Assembled {
        graph: assembler.graph,
        inputs: several(inputs),
        outputs: several(outputs),
    })
}

/// A graph, and the tensors at its ends where they are several; see [`Description::inputs`].
///
/// [`Description::inputs`]: crate::description::Description::inputs
pub(super) struct Assembled {
    pub graph: Graph,
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
}

fn several(tensors: Vec<TensorSpec>) -> Vec<TensorSpec> {
    match tensors.len() {
        1 => Vec::new(),
        _ => tensors,
    }
}

#[derive(Default)]
struct Assembler {
    graph: Graph,
    /// Calls so far.
    calls: usize,
}

impl Assembler {
    /// The nodes that hold the model's inputs: the first node, or parts of its one row.
    fn begin(&mut self, inputs: &[TensorSpec]) -> Result<Vec<usize>, Error> {
        if let [input] = inputs {
            let name = input.name.clone();
            return Ok(vec![self.add(name, Layer::Input, vec![], &input.shape)?]);
        }
        let total = inputs
            .iter()
            .map(TensorSpec::len)
            .fold(0, usize::saturating_add);
        let row = self.add("inputs".to_owned(), Layer::Input, vec![], &[total])?;
        let mut begin = 0;
        let mut part = |input: &TensorSpec| {
            let end = begin + input.len();
            let ranges = vec![[begin, end]];
            begin = end;
            let (name, shape) = (input.name.clone(), &input.shape);
            let slice = Layer::Slice(Slice { ranges });
            let part = self.add(format!("{name}/row"), slice, vec![row], &[input.len()])?;
            let target = shape.clone();
            self.add(name, Layer::Reshape(Reshape { target }), vec![part], shape)
        };
        inputs.iter().map(&mut part).collect()
    }

    /// The node that holds the output: of several all of them, side by side in one row.
    fn end(&mut self, outputs: &[usize]) -> Result<usize, Error> {
        if let &[output] = outputs {
            return match output {
                0 => Err(Error::Format("this model has no layers".to_owned())),
                output => Ok(output),
            };
        }
        let mut rows = Vec::with_capacity(outputs.len());
        let mut total = 0_usize;
        for &output in outputs {
            let node = &self.graph.nodes[output];
            let len = elements(&node.output_shape).map_err(malformed)?;
            let (name, target) = (format!("{}/row", node.name), vec![len]);
            total = total.saturating_add(len);
            let row = Layer::Reshape(Reshape { target });
            rows.push(self.add(name, row, vec![output], &[len])?);
        }
        let side_by_side = Layer::Concatenate(Concatenate { axis: 0 });
        self.add("outputs".to_owned(), side_by_side, rows, &[total])
    }

    /// A node at an end of the graph, of no layer of Keras but the `InputLayer`.
    fn add(
        &mut self,
        name: String,
        layer: Layer,
        inputs: Vec<usize>,
        shape: &[usize],
    ) -> Result<usize, Error> {
        self.graph.push(Node {
            name,
            class: "InputLayer".to_owned(),
            layer,
            inputs,
            output_shape: shape.to_vec(),
            weights_of: None,
            weights: Vec::new(),
        })
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

fn check_count(count: usize, what: &str) -> Result<(), Error> {
    match count {
        0 => Err(malformed(format!("the model has no {what}"))),
        1..=MAX_ENDS => Ok(()),
        _ => Err(malformed(format!(
            "the model has {count} {what}, at most {MAX_ENDS} are read"
        ))),
    }
}

/// The outermost model's inputs by their names in Keras, in its order.
fn named_inputs(model: &SavedModel) -> Result<Vec<TensorSpec>, Error> {
    let Some(graph) = &model.graph else {
        let first = model.layers.first();
        let first = first.ok_or_else(|| malformed("the model has no layers"))?;
        return Ok(vec![first_input(model, first)?]);
    };
    check_count(graph.inputs.len(), "inputs")?;
    let input = |&index: &usize| {
        let options = &model.layers[index].options;
        if options.class != "InputLayer" {
            return Err(options.error("the model begins with a layer that is no input"));
        }
        let shape = declared_shape(options)?;
        elements(&shape).map_err(|error| options.error(error))?;
        let name = options.layer.to_owned();
        Ok(TensorSpec { name, shape })
    };
    graph.inputs.iter().map(input).collect()
}

/// The input of a Sequential model, which may have none of its own.
fn first_input(model: &SavedModel, first: &SavedLayer) -> Result<TensorSpec, Error> {
    let (name, shape) = match &first.model {
        _ if first.options.class == "InputLayer" => {
            (first.options.layer, declared_shape(&first.options)?)
        }
        // A model that begins with a model. The depth is bounded by the reader.
        Some(inner) => {
            let given = implied_shape(model, &first.options);
            let inner = || named_inputs(inner).map(|mut inputs| inputs.swap_remove(0).shape);
            let shape = given.or_else(|error| inner().map_err(|_| error))?;
            ("input", shape)
        }
        None => ("input", implied_shape(model, &first.options)?),
    };
    let name = name.to_owned();
    Ok(TensorSpec { name, shape })
}

/// The outermost model's outputs by their names in Keras, those of the layers that give them. A layer that gives several
/// has its name on each, here with a number from the second on.
fn named_outputs(model: &SavedModel, values: &[usize], graph: &Graph) -> Vec<TensorSpec> {
    let layer = |index: usize| match &model.graph {
        Some(saved) => saved
            .outputs
            .get(index)
            .map(|output| model.layers[output.layer].options.layer),
        None => model.layers.last().map(|layer| layer.options.layer),
    };
    let mut outputs: Vec<TensorSpec> = Vec::with_capacity(values.len());
    for (index, &value) in values.iter().enumerate() {
        let layer = layer(index).unwrap_or("output");
        let taken = |name: &str| outputs.iter().any(|output| output.name == name);
        let numbered = (1..).map(|number| format!("{layer}_{number}"));
        let mut names = iter::once(layer.to_owned()).chain(numbered);
        let name = names.find(|name| !taken(name)).unwrap_or_default();
        let shape = graph.nodes[value].output_shape.clone();
        outputs.push(TensorSpec { name, shape });
    }
    outputs
}
