//! The rows of `model.summary()`, from the saved model and the graph made of it.

use super::graph::Graph;
use super::saved::{SavedLayer, SavedModel, Target};
use crate::description::{Row, Summary, product};

/// What Keras prints of a model.
pub(super) fn summary(model: &SavedModel, graph: &Graph) -> Summary {
    let connections = connections(model);
    let rows = model.layers.iter().zip(connections.each);
    // Keras leaves the input of a Sequential model out.
    let shown = |layer: &SavedLayer| model.graph.is_some() || layer.options.class != "InputLayer";
    Summary {
        rows: rows
            .filter(|(layer, _)| shown(layer))
            .map(|(layer, connected_to)| {
                let (parameters, trainable) = parameters(layer, graph);
                Row {
                    name: layer.options.layer.to_owned(),
                    class: layer.options.class.to_owned(),
                    output_shape: graph.shapes.get(&layer.id).cloned().unwrap_or_default(),
                    parameters,
                    trainable,
                    connected_to,
                }
            })
            .collect(),
        is_graph: connections.is_graph,
    }
}

struct Connections {
    each: Vec<Vec<String>>,
    /// Whether some layer has several inputs or calls.
    is_graph: bool,
}

fn connections(model: &SavedModel) -> Connections {
    let name = |to: &Target| model.layers.get(to.layer).map_or("", |l| l.options.layer);
    let text = |to: Target| format!("{}[{}][{}]", name(&to), to.shown, to.output);
    let mut is_graph = false;
    let each = model.layers.iter().map(|layer| {
        let inputs: Vec<Target> = layer.calls.iter().flat_map(|call| call.tensors()).collect();
        is_graph |= inputs.len() > 1;
        inputs.into_iter().map(text).collect()
    });
    Connections {
        each: each.collect(),
        is_graph,
    }
}

/// All values in a layer's variables, and those that training changes.
fn parameters(layer: &SavedLayer, graph: &Graph) -> (usize, usize) {
    if layer.inner().next().is_some() {
        let counts = layer.inner().map(|layer| parameters(layer, graph));
        return counts.fold((0, 0), |(all, trained), (more, more_trained)| {
            (
                all.saturating_add(more),
                trained.saturating_add(more_trained),
            )
        });
    }
    let frozen = graph.frozen.contains(&layer.id);
    let variables = graph.variables.get(&layer.id).into_iter().flatten();
    variables.fold((0, 0), |(all, trained), variable| {
        let size = product(&variable.shape).unwrap_or(usize::MAX);
        let more = if variable.trainable && !frozen {
            size
        } else {
            0
        };
        (all.saturating_add(size), trained.saturating_add(more))
    })
}
