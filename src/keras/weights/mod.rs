//! The variables in a file → the weights of the nodes.
//!
//! Keras keeps them in one of two ways: in groups named after the layers' classes (`archive`), or in
//! lists of names, layer by layer (`legacy`). Either way a layer's variables come in the order in
//! which the layer's reader announced them.

mod archive;
mod legacy;
mod number;

use std::fmt::Display;

use super::Error;
use super::file::hdf5::{Dataset, Element, File};
use super::graph::{Graph, Variable};
use super::saved::SavedLayer;
use crate::description::Weight;

pub(super) use archive::load as load_archive;
pub(super) use legacy::load as load_legacy;

/// Gives the nodes what was read.
struct Loader<'a> {
    file: &'a File<'a>,
    graph: &'a mut Graph,
    /// The values of each node's weights that were read so far.
    values: Vec<Vec<Option<Vec<f32>>>>,
}

impl<'a> Loader<'a> {
    fn new(file: &'a File<'a>, graph: &'a mut Graph) -> Self {
        let values = vec![Vec::new(); graph.nodes.len()];
        Self {
            file,
            graph,
            values,
        }
    }

    /// Reads one variable of a layer from a dataset.
    fn read(
        &mut self,
        layer: &SavedLayer,
        variable: &Variable,
        address: u64,
    ) -> Result<(), String> {
        let name = variable.name;
        let about = |reason: String| format!("{name}: {reason}");
        let dataset = self.file.dataset(address);
        let dataset = dataset.map_err(|e| about(e.to_string()))?;
        if dataset.shape != variable.shape {
            return Err(about(format!(
                "its shape is {:?}, the layer asks for {:?}",
                dataset.shape, variable.shape
            )));
        }
        let Some((part, index)) = variable.target else {
            return Ok(());
        };
        // A layer that the output does not need has no node any more.
        let Some(&node) = self.graph.owners.get(&(layer.id, part)) else {
            return Ok(());
        };
        let values = finite(&dataset).map_err(about)?;
        let slots = &mut self.values[node];
        if slots.len() <= index {
            slots.resize(index + 1, None);
        }
        slots[index] = Some(values);
        Ok(())
    }

    /// Gives every node its weights.
    fn finish(self) -> Result<(), Error> {
        for (index, values) in self.values.into_iter().enumerate() {
            let specs = self.graph.specs(index);
            let node = &mut self.graph.nodes[index];
            if node.weights_of.is_some() || !node.weights.is_empty() {
                continue;
            }
            let mut values = values.into_iter();
            for spec in specs {
                let values = values.next().flatten();
                let values = values.ok_or_else(|| Error::Weights {
                    layer: node.name.clone(),
                    reason: format!("its {} is not in the file", spec.name),
                })?;
                node.weights.push(Weight {
                    name: spec.name,
                    shape: spec.shape,
                    values,
                });
            }
        }
        Ok(())
    }
}

impl SavedLayer<'_> {
    fn weights_error(&self, place: &str, reason: impl Display) -> Error {
        Error::Weights {
            layer: self.options.layer.to_owned(),
            reason: format!("{place}: {reason}"),
        }
    }
}

/// The values as float32.
fn finite(dataset: &Dataset) -> Result<Vec<f32>, String> {
    if matches!(dataset.element, Element::Integer(_)) {
        return Err("its values are whole numbers, expected floating point".to_owned());
    }
    let values = number::to_float32(dataset).map_err(|e| e.to_string())?;
    // Keras would load it and answer NaN for every picture: its training diverged, or the file is
    // damaged. It is refused now, not with every answer.
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(position) => Err(format!(
            "the value at {position} is {} in float32; every weight must be finite",
            values[position]
        )),
    }
}
