//! The flat graph while it grows: the nodes, and which variables of the file are their weights.

use std::collections::{HashMap, HashSet};

use super::Error;
use super::saved::malformed;
use crate::description::{MAX_NODES, Node, WeightSpec};

/// The flat graph while it grows.
#[derive(Default)]
pub(super) struct Graph {
    pub nodes: Vec<Node>,
    /// How many nodes asked for each name.
    names: HashMap<String, usize>,
    /// The node that holds the weights of a part of a layer.
    pub owners: HashMap<Part, usize>,
    /// The variables that each layer has in the file, by the layer's id.
    pub variables: HashMap<usize, Vec<Variable>>,
    /// The layers that training does not change, by their ids.
    pub frozen: HashSet<usize>,
    /// The output shape of each layer in its last call, by the layer's id.
    pub shapes: HashMap<usize, Vec<usize>>,
}

/// One of the nodes that a layer becomes: the layer's id, and the name of the part.
pub(super) type Part = (usize, &'static str);

/// A variable that a layer has in the file.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    /// Its group below the layer's own; only archives have such groups.
    pub path: String,
    /// Its name in Keras.
    pub name: &'static str,
    /// Other names that it may have.
    pub names: &'static [&'static str],
    pub shape: Vec<usize>,
    /// Whether training changes it, unless its layer is frozen.
    pub trainable: bool,
    /// The part whose weight it is, and which weight; none for one that is only counted.
    pub target: Option<(&'static str, usize)>,
}

impl Variable {
    pub fn is_called(&self, name: &str) -> bool {
        name == self.name || self.names.contains(&name)
    }
}

impl Graph {
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

    /// Drops the nodes that the output does not need; the output is the last one then.
    pub fn prune(&mut self, output: usize) {
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

    /// When a node that holds weights is dropped, the first node that shares them gets them.
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
