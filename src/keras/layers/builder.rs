//! What the readers of layers have at hand: one call of a layer, and the graph that it is added to.

use std::fmt::Display;

use crate::description::{Layer, Node, Reshape, Weight};
use crate::keras::Error;
use crate::keras::graph::{Graph, Variable};
use crate::keras::saved::{Argument, Call, Options};

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
        }
    }

    /// Says which variables the layer has in the file, after its first call.
    pub fn finish(self) {
        let variables = self.graph.variables.entry(self.id);
        variables.or_insert(self.variables);
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

    /// The shape of what a node gives.
    pub fn shape(&self, node: usize) -> Vec<usize> {
        let node = self.graph.nodes.get(node);
        node.map_or(Vec::new(), |node| node.output_shape.clone())
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
        let slash = if part.is_empty() { "" } else { "/" };
        let node = self.graph.push(Node {
            name: format!("{}{}{slash}{part}", self.scope.prefix, self.options.layer),
            class: self.options.class.to_owned(),
            layer,
            inputs: inputs.to_vec(),
            output_shape,
            weights_of: owner.filter(|_| has_weights),
            weights: Vec::new(),
        })?;
        if has_weights {
            self.graph.owners.entry((self.id, part)).or_insert(node);
        }
        Ok(node)
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
        let trainable = variable.trainable && self.scope.trainable;
        self.variables.push(Variable {
            trainable,
            ..variable
        });
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

    /// Reads a layer that this one wraps, for an input of that shape: the one node that it must
    /// become, and the variables that it has in the file.
    pub fn wrapped(
        &self,
        options: Options,
        shape: &[usize],
        read: Reader,
    ) -> Result<(Layer, Vec<Variable>), Error> {
        let mut graph = Graph::default();
        graph.push(Node {
            name: "input".to_owned(),
            class: "InputLayer".to_owned(),
            layer: Layer::Input,
            inputs: Vec::new(),
            output_shape: shape.to_vec(),
            weights_of: None,
            weights: Vec::new(),
        })?;
        let call = Call {
            args: vec![Argument::Tensor(0)],
            kwargs: Vec::new(),
        };
        let mut inner = Builder::new(&mut graph, options, &call, self.id, self.scope);
        read(&mut inner)?;
        let variables = inner.variables;
        match (graph.nodes.len(), graph.nodes.pop()) {
            (2, Some(node)) if node.weights.is_empty() => Ok((node.layer, variables)),
            _ => Err(self.error(format!(
                "a layer of class {} inside it is not supported",
                options.class
            ))),
        }
    }

    pub fn error(&self, reason: impl Display) -> Error {
        self.options.error(reason)
    }
}
