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
            activation => format!(" {activation:?}"),
        };
        let nodes = self.nodes.join(", ");
        let (name, sizes) = (self.work.name(), sizes.join(", "));
        format!("{name} ({sizes}){activation}: {nodes}")
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
