//! The weights of each node, found by their names.

use crate::description::{MAX_PARAMETERS, Model, Node, Weight};
use crate::network::Error;

/// Values that may be copied for layers that share weights, whatever the size
/// of the model: 64 MiB. A small file could ask for thousands of copies.
const FREE_COPIES: usize = 1 << 24;

/// One node's weights.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights(Vec<Weight>);

impl Weights {
    /// Moves the weight of that name out; empty where the layer has none.
    pub fn take(&mut self, name: &str) -> Vec<f32> {
        let mut found = self.0.iter_mut().find(|weight| weight.name == name);
        found
            .as_mut()
            .map(|weight| std::mem::take(&mut weight.values))
            .unwrap_or_default()
    }
}

/// Moves the weights out of `model`; nodes that share weights get a copy each,
/// so that each can be folded and packed by itself.
pub(super) fn take(model: &mut Model) -> Result<Vec<Weights>, Error> {
    check_present(model)?;
    check_copies(model)?;
    let mut weights: Vec<Weights> = model.take_weights().into_iter().map(Weights).collect();
    for (index, node) in model.nodes().iter().enumerate() {
        if let Some(owner) = node.weights_of {
            weights[index] = weights[owner].clone();
        }
    }
    Ok(weights)
}

fn check_present(model: &Model) -> Result<(), Error> {
    let lacks = |node: &&Node| node.weights.len() != model.weight_specs(node).len();
    match model.nodes().iter().find(lacks) {
        None => Ok(()),
        Some(node) => Err(Error::Layer {
            layer: node.name.clone(),
            class: node.class.clone(),
            reason: "its weights are not there: this is a description alone".to_owned(),
        }),
    }
}

fn check_copies(model: &Model) -> Result<(), Error> {
    let bound = (4 * model.parameters()).clamp(FREE_COPIES, MAX_PARAMETERS);
    let mut copies = 0_usize;
    for node in model.nodes() {
        let Some(owner) = node.weights_of else {
            continue;
        };
        let specs = model.weight_specs(&model.nodes()[owner]);
        let sizes = specs
            .iter()
            .map(|spec| spec.shape.iter().product::<usize>());
        copies = copies.saturating_add(sizes.sum());
        if copies > bound {
            return Err(Error::Layer {
                layer: node.name.clone(),
                class: node.class.clone(),
                reason: format!(
                    "with it the layers that share weights need more than {bound} copied values"
                ),
            });
        }
    }
    Ok(())
}

/// In f64.
pub(super) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}
