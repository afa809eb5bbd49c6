//! A network as one graph: nodes in order, their shapes and their weights.

use std::collections::HashSet;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::Error;
use super::layer::Layer;
use super::limits::{MAX_ELEMENTS, MAX_NODES, MAX_PARAMETERS, MAX_VALUES, MAX_WORK, check_name};
use super::shape::{elements, product};
use super::summary::Summary;
use super::tensor_spec::{TensorSpec, check_row};
use super::weight::WeightSpec;

/// A network and its weights. All that [`Model::new`] checks holds for every `Model`.
///
/// The description travels as JSON without the weights (in the metadata of a safetensors file);
/// deserializing it checks it as well.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(try_from = "Description")]
pub struct Model {
    name: String,
    keras_version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<TensorSpec>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<TensorSpec>,
    nodes: Vec<Node>,
    summary: Summary,
}

/// What a [`Model`] is made from; nothing about it is checked.
#[derive(Deserialize, Clone, Debug, PartialEq)]
pub struct Description {
    /// The name it was given in Keras.
    pub name: String,
    /// The version of Keras that saved it.
    pub keras_version: String,
    /// What goes in, if it is several tensors: the first node is all of them side by side in one row. Empty for a model
    /// that takes one, which is the first node.
    #[serde(default)]
    pub inputs: Vec<TensorSpec>,
    /// The same of what comes out, and of the last node.
    #[serde(default)]
    pub outputs: Vec<TensorSpec>,
    /// In topological order: the first is [`Layer::Input`], the last is the output.
    pub nodes: Vec<Node>,
    /// What Keras prints of it.
    pub summary: Summary,
}

/// One operation at its place in the network.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique in the model: the name of the Keras layer, after the names of the models around it
    /// (`outer/inner/dense`). If several nodes make one layer, the part follows (`attention/query`);
    /// from the second call of a shared layer on, a number (`dense[1]`).
    pub name: String,
    /// The Keras class of the layer it belongs to, such as `LeakyReLU`.
    pub class: String,
    /// What it does.
    pub layer: Layer,
    /// Where its inputs come from: indices of earlier nodes, in Keras's order.
    pub inputs: Vec<usize>,
    /// The shape of one example after it, without the batch axis.
    pub output_shape: Vec<usize>,
    /// The earlier node whose weights it uses, for a layer that is called more than once. Its own
    /// `weights` are then empty. The node that it names has weights of its own.
    #[serde(default)]
    pub weights_of: Option<usize>,
    /// Its weights in Keras's order; empty in a description that was deserialized.
    #[serde(skip)]
    pub weights: Vec<Weight>,
}

/// A weight's values in row-major order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weight {
    /// Its name, as the [`Layer`] documents it.
    pub name: &'static str,
    /// Its shape, as the [`Layer`] documents it.
    pub shape: Vec<usize>,
    /// As many finite values as the shape says.
    pub values: Vec<f32>,
}

impl Model {
    /// Checks everything that a builder of the network relies on: that inputs come from earlier
    /// nodes, that every node but the last is used, that every shape is what its layer makes of its
    /// inputs, that options, sizes, work and the number of parameters are in bounds, that names are
    /// unique, and that weights, where there are any, are the ones the layer asks for.
    ///
    /// # Errors
    /// What does not hold, with the layer's name.
    pub fn new(description: Description) -> Result<Self, Error> {
        let Description {
            name,
            keras_version,
            inputs,
            outputs,
            nodes,
            summary,
        } = description;
        let model = Self {
            name,
            keras_version,
            inputs,
            outputs,
            nodes,
            summary,
        };
        model.check()?;
        Ok(model)
    }

    /// The name it was given in Keras.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of Keras that saved it.
    #[must_use]
    pub fn keras_version(&self) -> &str {
        &self.keras_version
    }

    /// In topological order: the first is [`Layer::Input`], the last is the output.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What Keras prints of it.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What goes in, in Keras's order; at least one.
    #[must_use]
    pub fn inputs(&self) -> Vec<TensorSpec> {
        named(&self.inputs, self.nodes.first())
    }

    /// What comes out, in Keras's order; at least one.
    #[must_use]
    pub fn outputs(&self) -> Vec<TensorSpec> {
        named(&self.outputs, self.nodes.last())
    }

    /// The shape of one input example, without the batch axis. Of several inputs it is the row of all of them.
    #[must_use]
    pub fn input_shape(&self) -> &[usize] {
        self.nodes.first().map_or(&[], |node| &node.output_shape)
    }

    /// The shape of one answer, without the batch axis. Of several outputs it is the row of all of them.
    #[must_use]
    pub fn output_shape(&self) -> &[usize] {
        self.nodes.last().map_or(&[], |node| &node.output_shape)
    }

    /// The shapes of a node's inputs, in their order.
    #[must_use]
    pub fn input_shapes(&self, node: &Node) -> Vec<&[usize]> {
        let shape = |&index: &usize| self.nodes.get(index).map(|from| &from.output_shape[..]);
        node.inputs.iter().filter_map(shape).collect()
    }

    /// The weights that a node itself holds; none for one that uses another's.
    #[must_use]
    pub fn weight_specs(&self, node: &Node) -> Vec<WeightSpec> {
        if node.weights_of.is_some() {
            return Vec::new();
        }
        node.layer.weight_specs(&self.input_shapes(node))
    }

    /// Number of values in all the weights that the nodes hold, at hand or not. What Keras counts
    /// (the state of a `Normalization` too) is in the [`Summary`].
    #[must_use]
    pub fn parameters(&self) -> usize {
        let specs = self.nodes.iter().flat_map(|node| self.weight_specs(node));
        let sizes = specs.map(|spec| product(&spec.shape).unwrap_or(usize::MAX));
        sizes.fold(0, usize::saturating_add)
    }

    /// Gives a node its weights.
    ///
    /// # Errors
    /// There is no such node, or they are not the ones its layer asks for.
    pub fn set_weights(&mut self, node: usize, weights: Vec<Weight>) -> Result<(), Error> {
        let Some(specs) = self.nodes.get(node).map(|node| self.weight_specs(node)) else {
            return Err(Error::Model(format!("it has no node {node}")));
        };
        let node = &mut self.nodes[node];
        let has_all = weights.len() == specs.len();
        node.weights = weights;
        let checked = node.check_weights(&specs).map(drop);
        checked.and_then(|()| match has_all {
            true => Ok(()),
            false => Err(node.error("its weights are missing")),
        })
    }

    /// Moves the weights of all nodes out; a description without weights stays.
    pub fn take_weights(&mut self) -> Vec<Vec<Weight>> {
        let nodes = self.nodes.iter_mut();
        nodes
            .map(|node| std::mem::take(&mut node.weights))
            .collect()
    }

    fn check(&self) -> Result<(), Error> {
        if self.nodes.len() < 2 || self.nodes.len() > MAX_NODES {
            return Err(Error::Model(format!(
                "it has {} nodes, expected 2 to {MAX_NODES} with the input",
                self.nodes.len()
            )));
        }
        check_name(&self.name)?;
        check_name(&self.keras_version)?;
        self.summary.check()?;
        let mut names = HashSet::new();
        let mut total = Totals::default();
        for (index, node) in self.nodes.iter().enumerate() {
            check_name(&node.name)?;
            check_name(&node.class)?;
            if !names.insert(&node.name) {
                return Err(node.error("another layer has the same name"));
            }
            let parameters = self.check_node(index, node)?;
            total.add(parameters, self.work(node), &node.output_shape);
            total.check().map_err(|e| node.error(e))?;
        }
        check_row("input", &self.inputs, self.input_shape())?;
        check_row("output", &self.outputs, self.output_shape())?;
        self.check_use()
    }

    fn work(&self, node: &Node) -> u64 {
        let inputs = self.input_shapes(node);
        node.layer.work(&inputs, &node.output_shape)
    }

    /// Checks one node and returns the number of its parameters.
    fn check_node(&self, index: usize, node: &Node) -> Result<usize, Error> {
        match (index, &node.layer, node.inputs.as_slice()) {
            (0, Layer::Input, []) if node.weights_of.is_none() => {
                elements(&node.output_shape).map_err(|e| node.error(e))?;
                return node.check_weights(&[]);
            }
            (0, ..) => return Err(node.error("the first layer must be the input, without inputs")),
            (_, Layer::Input, _) => return Err(node.error("only the first layer can be the input")),
            (_, _, inputs) if inputs.iter().all(|&from| from < index) => {}
            _ => {
                return Err(node.error(format!(
                    "its inputs are {:?}, expected indices of earlier layers",
                    node.inputs
                )));
            }
        }
        let inputs = self.input_shapes(node);
        let expected = node.layer.output_shape(&inputs);
        let expected = expected.map_err(|e| node.error(e))?;
        if expected != node.output_shape {
            return Err(node.error(format!(
                "its output shape is given as {:?} but is {expected:?}",
                node.output_shape
            )));
        }
        self.check_sharing(index, node)?;
        node.check_weights(&self.weight_specs(node))
    }

    /// The node whose weights another uses must come before it and have the very same ones.
    fn check_sharing(&self, index: usize, node: &Node) -> Result<(), Error> {
        let Some(from) = node.weights_of else {
            return Ok(());
        };
        let owner = self.nodes.get(from).filter(|_| from < index);
        let owner = owner.filter(|owner| owner.weights_of.is_none());
        let same = owner.is_some_and(|owner| {
            let specs = node.layer.weight_specs(&self.input_shapes(node));
            specs == self.weight_specs(owner)
        });
        if same {
            return Ok(());
        }
        Err(node.error(format!(
            "it uses the weights of node {from}, which has not the ones it asks for"
        )))
    }

    fn check_use(&self) -> Result<(), Error> {
        let used: HashSet<usize> = self.nodes.iter().flat_map(|n| &n.inputs).copied().collect();
        let mut inner = self.nodes.iter().enumerate().rev().skip(1);
        match inner.find(|(index, _)| !used.contains(index)) {
            None => Ok(()),
            Some((_, node)) => Err(node.error("nothing uses what it gives")),
        }
    }
}

/// Several tensors as they are, or the one that a node is.
fn named(several: &[TensorSpec], one: Option<&Node>) -> Vec<TensorSpec> {
    let of = |node: &Node| TensorSpec {
        name: node.layer_name().to_owned(),
        shape: node.output_shape.clone(),
    };
    match several {
        [] => one.map(of).into_iter().collect(),
        several => several.to_vec(),
    }
}

impl TryFrom<Description> for Model {
    type Error = Error;

    fn try_from(description: Description) -> Result<Self, Error> {
        Self::new(description)
    }
}

/// What all nodes together ask for; every sum saturates.
#[derive(Default)]
struct Totals {
    parameters: usize,
    work: u64,
    values: usize,
}

impl Totals {
    fn add(&mut self, parameters: usize, work: u64, output: &[usize]) {
        self.parameters = self.parameters.saturating_add(parameters);
        self.work = self.work.saturating_add(work);
        let values = product(output).unwrap_or(MAX_ELEMENTS);
        self.values = self.values.saturating_add(values);
    }

    fn check(&self) -> Result<(), String> {
        if self.parameters > MAX_PARAMETERS {
            return Err(format!(
                "with it the model exceeds {MAX_PARAMETERS} parameters"
            ));
        }
        if self.work > MAX_WORK {
            return Err(format!(
                "with it one example takes more than {MAX_WORK} multiply-adds"
            ));
        }
        if self.values > MAX_VALUES {
            return Err(format!(
                "with it one example takes more than {MAX_VALUES} values between layers"
            ));
        }
        Ok(())
    }
}

impl Node {
    /// The name of the layer of the outermost model that it belongs to.
    fn layer_name(&self) -> &str {
        let layer = self.name.split('/').next().unwrap_or(&self.name);
        match layer.split_once('[') {
            Some((name, _)) if !name.is_empty() => name,
            _ => layer,
        }
    }

    pub(super) fn error(&self, reason: impl Display) -> Error {
        Error::Layer {
            layer: self.name.clone(),
            class: self.class.clone(),
            reason: reason.to_string(),
        }
    }

    /// Checks the weights, if there are any, against what the layer asks for.
    fn check_weights(&self, specs: &[WeightSpec]) -> Result<usize, Error> {
        let mut total = 0_usize;
        for spec in specs {
            let size = product(&spec.shape).filter(|&n| n > 0 && n <= MAX_PARAMETERS);
            let size = size.ok_or_else(|| {
                self.error(format!(
                    "its {} would be {:?}: empty, or more than {MAX_PARAMETERS} values",
                    spec.name, spec.shape
                ))
            })?;
            total = total.saturating_add(size);
        }
        if self.weights.is_empty() {
            return Ok(total);
        }
        let fits = |(weight, spec): (&Weight, &WeightSpec)| {
            weight.name == spec.name
                && weight.shape == spec.shape
                && Some(weight.values.len()) == product(&spec.shape)
        };
        if self.weights.len() != specs.len() || !self.weights.iter().zip(specs).all(fits) {
            return Err(self.error("its weights are not the ones the layer asks for"));
        }
        Ok(total)
    }
}
