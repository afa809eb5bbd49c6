//! What was made of a description, for people to read.

use std::collections::HashSet;
use std::fmt;

use super::Graph;
use crate::description::{Activation, Layer, Model};

/// What a network runs, and what was done to get there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What was dropped, folded and merged, one sentence each.
    pub notes: Vec<String>,
    /// What runs, in order.
    pub steps: Vec<Step>,
}

/// One step of a network that is ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether it is one of the fused kernels, or Burn's own operations.
    pub is_fused: bool,
    /// The operations in it, one a line.
    pub operations: Vec<String>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        for (number, step) in self.steps.iter().enumerate() {
            let kind = if step.is_fused { "fused" } else { "Burn" };
            writeln!(f, "step {}, {kind}:", number + 1)?;
            for operation in &step.operations {
                writeln!(f, "    {operation}")?;
            }
        }
        Ok(())
    }
}

impl super::Op {
    /// `convolution (26, 26, 16) relu: conv2d, batch_normalization`.
    pub fn describe(&self) -> String {
        let sizes: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        let activation = match self.activation {
            Activation::Linear => String::new(),
            activation => format!(" {}", spelled(activation)),
        };
        let nodes = self.nodes.join(", ");
        let (name, sizes) = (self.work.name(), sizes.join(", "));
        format!("{name} ({sizes}){activation}: {nodes}")
    }
}

/// As Keras spells it: `relu`, `leaky_relu(negative_slope=0.3)`.
fn spelled(activation: Activation) -> String {
    if let Activation::BentRelu {
        max_value,
        negative_slope,
        threshold,
    } = activation
    {
        let max_value = max_value.map_or_else(|| "None".to_owned(), |value| value.to_string());
        return format!(
            "relu(max_value={max_value}, negative_slope={negative_slope}, threshold={threshold})"
        );
    }
    let ours = format!("{activation:?}");
    let (camel, options) = ours.split_once(' ').unwrap_or((&ours, ""));
    let mut name = String::new();
    for char in camel.chars() {
        if char.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(char.to_ascii_lowercase());
    }
    match options.trim_matches(['{', '}', ' ']) {
        "" => name,
        options => format!("{name}({})", options.replace(": ", "=")),
    }
}

/// The nodes that became no operation at all.
pub(super) fn dropped(model: &Model, graph: &Graph) -> Vec<String> {
    let kept: HashSet<&String> = graph.ops.iter().flat_map(|op| &op.nodes).collect();
    let nodes = model.nodes().iter();
    let gone = nodes.filter(|node| node.layer != Layer::Input && !kept.contains(&node.name));
    gone.map(|node| {
        format!(
            "dropped {} ({}): it changes no value",
            node.name, node.class
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activation_is_spelled_as_keras_spells_it() {
        for (activation, name) in [
            (Activation::Relu, "relu"),
            (Activation::Relu6, "relu6"),
            (Activation::Softmax, "softmax"),
            (Activation::LogSoftmax, "log_softmax"),
            (
                Activation::LeakyRelu {
                    negative_slope: 0.3,
                },
                "leaky_relu(negative_slope=0.3)",
            ),
            (
                Activation::BentRelu {
                    max_value: Some(6.0),
                    negative_slope: 0.0,
                    threshold: 0.5,
                },
                "relu(max_value=6, negative_slope=0, threshold=0.5)",
            ),
        ] {
            assert_eq!(spelled(activation), name);
        }
    }
}
