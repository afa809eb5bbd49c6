//! What the readers of layers have at hand: one call of a layer, and the graph that it is added to.

use std::collections::hash_map::Entry;
use std::fmt::Display;

use crate::description::{Concatenate, Layer, Node, Permute, Reshape, TimeDistributed, Weight};
use crate::keras::Error;
use crate::keras::graph::{Graph, Variable};
use crate::keras::saved::{Call, Options};

/// The node that holds what a layer gives.
pub type Read = Result<usize, Error>;

/// Turns one call of a layer into nodes.
pub type Reader = fn(&mut Builder) -> Read;

/// The models around a layer.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Their names, each with a `/` after it.
    pub prefix: &'a str,
    /// Whether training changes the layer's weights.
    pub trainable: bool,
    /// What the calls of the models say of `training`.
    pub training: Option<bool>,
    /// Sizes of the axes in front that the layer does not see: those of `TimeDistributed` around it.
    pub steps: &'a [usize],
}

/// One call of a layer, and the graph that it is added to.
pub struct Builder<'g> {
    graph: &'g mut Graph,
    pub options: Options<'g>,
    pub call: &'g Call<'g, usize>,
    /// The layer's number in the file.
    id: usize,
    scope: Scope<'g>,
    variables: Vec<Variable>,
    outputs: Vec<usize>,
}

impl<'g> Builder<'g> {
    pub fn new(
        graph: &'g mut Graph,
        options: Options<'g>,
        call: &'g Call<'g, usize>,
        id: usize,
        scope: Scope<'g>,
    ) -> Self {
        Self {
            graph,
            options,
            call,
            id,
            scope,
            variables: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Says that the layer has these outputs, and not the one that its reader returns.
    pub fn gives(&mut self, outputs: Vec<usize>) -> Read {
        let first = outputs.first().copied();
        self.outputs = outputs;
        first.ok_or_else(|| self.error("it gives nothing"))
    }

    /// Says which variables the layer has in the file, after its first call. Returns its outputs, the
    /// first of which is `output`.
    pub fn finish(self, output: usize) -> Vec<usize> {
        if let Entry::Vacant(variables) = self.graph.variables.entry(self.id) {
            variables.insert(self.variables);
            if !self.scope.trainable {
                self.graph.frozen.insert(self.id);
            }
        }
        match self.outputs.is_empty() {
            true => vec![output],
            false => self.outputs,
        }
    }

    /// The one tensor that goes in.
    pub fn input(&self) -> Result<usize, Error> {
        match self.call.tensors()[..] {
            [input] => Ok(input),
            ref inputs => Err(self.error(format!("it takes one input but gets {}", inputs.len()))),
        }
    }

    /// The first tensor among the arguments.
    pub fn first(&self) -> Read {
        let tensors = self.call.tensors();
        let first = tensors.first().copied();
        first.ok_or_else(|| self.error("it gets no input"))
    }

    /// The shape of what a node gives, as the layer sees it.
    pub fn shape(&self, node: usize) -> Vec<usize> {
        let node = self.graph.nodes.get(node);
        let shape = node.and_then(|node| node.output_shape.get(self.scope.steps.len()..));
        shape.unwrap_or_default().to_vec()
    }

    /// Adds the layer's own node, which bears its name.
    pub fn push(&mut self, layer: Layer, input: usize) -> Result<usize, Error> {
        self.push_part("", layer, &[input])
    }

    /// Adds a node for a part of the layer. A part with weights must have the same name in every call.
    pub fn push_part(
        &mut self,
        part: &'static str,
        layer: Layer,
        inputs: &[usize],
    ) -> Result<usize, Error> {
        let shapes: Vec<Vec<usize>> = inputs.iter().map(|&input| self.shape(input)).collect();
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let output_shape = layer.output_shape(&shapes).map_err(|e| self.error(e))?;
        let has_weights = !layer.weight_specs(&shapes).is_empty();
        let owner = self.graph.owners.get(&(self.id, part)).copied();
        let steps = self.scope.steps;
        let layer = match steps {
            [] => layer,
            _ => self.over_steps(layer, inputs)?,
        };
        let output_shape = [steps, &output_shape].concat();
        let node = self.add(part, layer, inputs.to_vec(), output_shape)?;
        self.graph.nodes[node].weights_of = owner.filter(|_| has_weights);
        if has_weights {
            self.graph.owners.entry((self.id, part)).or_insert(node);
        }
        Ok(node)
    }

    fn add(
        &mut self,
        part: &'static str,
        layer: Layer,
        inputs: Vec<usize>,
        output_shape: Vec<usize>,
    ) -> Result<usize, Error> {
        let slash = if part.is_empty() { "" } else { "/" };
        self.graph.push(Node {
            name: format!("{}{}{slash}{part}", self.scope.prefix, self.options.layer),
            class: self.options.class.to_owned(),
            layer,
            inputs,
            output_shape,
            weights_of: None,
            weights: Vec::new(),
        })
    }

    /// The layer for inputs that have the axes of all `steps` in front.
    fn over_steps(&self, layer: Layer, inputs: &[usize]) -> Result<Layer, Error> {
        let (steps, more) = (self.scope.steps, self.scope.steps.len());
        Ok(match layer {
            // These work along the last axis, or on each value by itself.
            Layer::Dense(_)
            | Layer::Activation(_)
            | Layer::Identity
            | Layer::Merge(_)
            | Layer::Rescaling(_) => layer,
            Layer::Concatenate(layer) => Layer::Concatenate(Concatenate {
                axis: layer.axis + more,
            }),
            Layer::Reshape(layer) => Layer::Reshape(Reshape {
                target: [steps, &layer.target].concat(),
            }),
            Layer::Permute(layer) => {
                let moved = layer.axes.iter().map(|axis| axis + more);
                let axes = (0..more).chain(moved).collect();
                Layer::Permute(Permute { axes })
            }
            layer => {
                if inputs.len() != 1 {
                    return Err(self.error("it cannot be applied to each of several steps"));
                }
                steps.iter().fold(layer, |layer, _| {
                    let layer = Box::new(layer);
                    Layer::TimeDistributed(TimeDistributed { layer })
                })
            }
        })
    }

    /// Says that the file has the weights that the node asks for, in the layer's own group.
    pub fn stored(&mut self, part: &'static str, node: usize) {
        self.stored_under("", part, node);
    }

    /// The same, in a group `path` below the layer's.
    pub fn stored_under(&mut self, path: &str, part: &'static str, node: usize) {
        for (index, (name, shape)) in self.specs(node).into_iter().enumerate() {
            self.variable(Variable {
                path: path.to_owned(),
                names: &[],
                trainable: !matches!(
                    name,
                    "moving_mean" | "moving_variance" | "mean" | "variance"
                ),
                target: Some((part, index)),
                name,
                shape,
            });
        }
    }

    /// Says that the file has this variable next.
    pub fn variable(&mut self, variable: Variable) {
        self.variables.push(variable);
    }

    /// Gives a node weights that the configuration holds.
    pub fn fill(&mut self, node: usize, values: Vec<Vec<f32>>) {
        if self.graph.nodes[node].weights_of.is_some() {
            return;
        }
        let weights = self.specs(node).into_iter().zip(values);
        self.graph.nodes[node].weights = weights
            .map(|((name, shape), values)| Weight {
                name,
                shape,
                values,
            })
            .collect();
    }

    /// Names and shapes of the weights that a node's layer has.
    pub fn specs(&self, node: usize) -> Vec<(&'static str, Vec<usize>)> {
        let specs = self.graph.specs(node).into_iter();
        specs.map(|spec| (spec.name, spec.shape)).collect()
    }

    /// Adds a node that gives the values another shape; none if they have it already.
    pub fn reshape(
        &mut self,
        part: &'static str,
        input: usize,
        target: Vec<usize>,
    ) -> Result<usize, Error> {
        if self.shape(input) == target {
            return Ok(input);
        }
        self.push_part(part, Layer::Reshape(Reshape { target }), &[input])
    }

    pub fn error(&self, reason: impl Display) -> Error {
        self.options.error(reason)
    }
}
