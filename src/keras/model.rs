//! A network as Keras describes it: nodes in order, their shapes and their weights.

use std::collections::HashSet;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::Error;
use super::layer::{Layer, WeightSpec};
use super::shape::{MAX_PARAMETERS, MAX_WORK, elements, product};

/// Most nodes of a network.
pub const MAX_NODES: usize = 4096;
/// Longest name of a model or a node, in bytes.
pub const MAX_NAME: usize = 512;

/// A network and its weights.
///
/// The description travels as JSON without the weights (in the metadata of a safetensors file);
/// one that was read back from there must pass [`Model::validate`] before anything relies on it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Model {
    /// The name it was given in Keras.
    pub name: String,
    /// The version of Keras that saved it.
    pub keras_version: String,
    /// In topological order: the first is [`Layer::Input`], the last is the output.
    pub nodes: Vec<Node>,
}

/// One layer at its place in the network.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Node {
    /// The layer's name, unique in the model.
    pub name: String,
    /// What it does.
    pub layer: Layer,
    /// Where its inputs come from: indices of earlier nodes.
    pub inputs: Vec<usize>,
    /// The shape of one example after it, without the batch axis.
    pub output_shape: Vec<usize>,
    /// Its weights in Keras's order; empty in a description that was deserialized.
    #[serde(skip)]
    pub weights: Vec<Weight>,
}

/// A weight's values in row-major order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weight {
    /// Keras's name of it: `kernel`, `bias`, `gamma`, `beta`, `moving_mean`, `moving_variance`.
    pub name: &'static str,
    /// Its shape as Keras has it.
    pub shape: Vec<usize>,
    /// As many finite values as the shape says.
    pub values: Vec<f32>,
    /// Whether training changes it: false for moving averages and all weights of a frozen layer.
    pub trainable: bool,
}

impl Model {
    /// The shape of one input example, without the batch axis.
    #[must_use]
    pub fn input_shape(&self) -> &[usize] {
        self.nodes.first().map_or(&[], |node| &node.output_shape)
    }

    /// The shape of one answer, without the batch axis.
    #[must_use]
    pub fn output_shape(&self) -> &[usize] {
        self.nodes.last().map_or(&[], |node| &node.output_shape)
    }

    /// Number of values in all the weights that the layers ask for, at hand or not.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let specs = self.weight_specs();
        let sizes = specs.iter().flatten().map(|spec| product(&spec.shape));
        sizes.fold(0, |sum, size| {
            sum.saturating_add(size.unwrap_or(usize::MAX))
        })
    }

    /// Number of values in the weights at hand that training changes.
    #[must_use]
    pub fn trainable_parameters(&self) -> usize {
        let weights = self.nodes.iter().flat_map(|node| &node.weights);
        let trainable = weights.filter(|weight| weight.trainable);
        trainable.map(|weight| weight.values.len()).sum()
    }

    /// For each node the weights its layer asks for, in Keras's order.
    #[must_use]
    pub fn weight_specs(&self) -> Vec<Vec<WeightSpec>> {
        let specs = |node: &Node| node.layer.weight_specs(self.input_of(node));
        self.nodes.iter().map(specs).collect()
    }

    /// Gives every node the weights it asks for, all zero: room for values that come from
    /// elsewhere. What training froze is not in the description, so a layer that was frozen counts
    /// as trainable here.
    ///
    /// # Errors
    /// As [`Model::validate`], which runs first, so that nothing is allocated for a description
    /// that is not sound.
    pub fn fill_with_zeros(&mut self) -> Result<(), Error> {
        for node in &mut self.nodes {
            node.weights.clear();
        }
        self.validate()?;
        let specs = self.weight_specs();
        for (node, specs) in self.nodes.iter_mut().zip(specs) {
            node.weights = specs.into_iter().map(Weight::zeros).collect();
        }
        Ok(())
    }

    /// Checks everything a builder of the network relies on: where inputs come from, that every
    /// shape is what its layer makes of its input, that options, sizes and the number of parameters
    /// are in bounds, that names are unique, and that weights, where there are any, are the ones
    /// the layer asks for.
    ///
    /// # Errors
    /// What does not hold, with the layer's name.
    pub fn validate(&self) -> Result<(), Error> {
        if self.nodes.len() < 2 || self.nodes.len() > MAX_NODES {
            return Err(Error::Model(format!(
                "it has {} layers, expected 2 to {MAX_NODES} with the input",
                self.nodes.len()
            )));
        }
        check_name(&self.name)?;
        check_name(&self.keras_version)?;
        let mut names = HashSet::new();
        let mut parameters = 0_usize;
        let mut work = 0_u64;
        for (index, node) in self.nodes.iter().enumerate() {
            check_name(&node.name)?;
            if let Layer::Identity { class } = &node.layer {
                check_name(class)?;
            }
            if !names.insert(&node.name) {
                return Err(node.error("another layer has the same name"));
            }
            parameters = parameters
                .checked_add(self.check_node(index, node)?)
                .filter(|&n| n <= MAX_PARAMETERS)
                .ok_or_else(|| {
                    node.error(format!(
                        "with it the model exceeds {MAX_PARAMETERS} parameters"
                    ))
                })?;
            let input = self.input_of(node);
            work = work.saturating_add(node.layer.work(input, &node.output_shape));
            if work > MAX_WORK {
                return Err(node.error(format!(
                    "with it one example takes more than {MAX_WORK} multiply-adds"
                )));
            }
        }
        Ok(())
    }

    /// Checks one node and returns the number of its parameters.
    fn check_node(&self, index: usize, node: &Node) -> Result<usize, Error> {
        let expected = match (index, &node.layer, node.inputs.as_slice()) {
            (0, Layer::Input, []) => {
                elements(&node.output_shape).map_err(|e| node.error(e))?;
                return node.check_weights(&[]);
            }
            (0, ..) => return Err(node.error("the first layer must be the input, without inputs")),
            (_, Layer::Input, _) => return Err(node.error("only the first layer can be the input")),
            (_, _, &[from]) if from < index => node.layer.output_shape(self.input_of(node)),
            _ => {
                return Err(node.error(format!(
                    "its inputs are {:?}, expected the index of one earlier layer",
                    node.inputs
                )));
            }
        };
        let expected = expected.map_err(|e| node.error(e))?;
        if expected != node.output_shape {
            return Err(node.error(format!(
                "its output shape is given as {:?} but is {expected:?}",
                node.output_shape
            )));
        }
        node.check_weights(&node.layer.weight_specs(self.input_of(node)))
    }

    /// The shape of what a node gets; empty where there is no such node.
    fn input_of(&self, node: &Node) -> &[usize] {
        let from = node.inputs.first().and_then(|&i| self.nodes.get(i));
        from.map_or(&[], |from| &from.output_shape)
    }
}

impl Node {
    fn error(&self, reason: impl Display) -> Error {
        Error::Layer {
            layer: self.name.clone(),
            class: self.layer.class_name().to_owned(),
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

impl Weight {
    /// A weight of zeros; the caller has checked the size.
    fn zeros(spec: WeightSpec) -> Self {
        Self {
            name: spec.name,
            values: vec![0.0; spec.shape.iter().product()],
            shape: spec.shape,
            trainable: spec.trainable,
        }
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    if let Some(char) = name.chars().find(|char| char.is_control()) {
        return Err(Error::Model(format!(
            "a name has the control character {char:?} in it"
        )));
    }
    if (1..=MAX_NAME).contains(&name.len()) {
        return Ok(());
    }
    Err(Error::Model(format!(
        "a name must have 1 to {MAX_NAME} bytes, one has {}",
        name.len()
    )))
}
