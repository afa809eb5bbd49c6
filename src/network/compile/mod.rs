//! The graph compiler: from a description to a few operations in order.
//!
//! `lower` turns nodes into operations (channels last, without what does
//! nothing), `fold` and `fuse` make them fewer, and `segment` finds the runs of
//! them that fused kernels can take over.

mod affine;
mod fold;
mod fuse;
mod lower;
mod op;
mod segment;
mod show;
mod to_kernels;

pub(super) use affine::Affine;
pub(super) use op::{Attention, Conv, Linear, Op, RecurrentWork, Source, Window, Work};
pub(super) use segment::{Segment, segments};
pub use show::{Plan, Step};

use super::Error;
use crate::description::Model;

/// Operations in an order in which they can run. Operation 0 is the input.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    pub ops: Vec<Op>,
    /// The value that is the answer.
    pub output: usize,
}

/// Compiles a description, whose weights move along. Also says in words what was done to it.
pub(super) fn compile(model: &mut Model, optimize: bool) -> Result<(Graph, Vec<String>), Error> {
    let mut graph = lower::model(model)?;
    let mut notes = Vec::new();
    if optimize {
        notes = show::dropped(model, &graph);
        fold_and_fuse(&mut graph, &mut notes);
    }
    Ok((graph, notes))
}

fn fold_and_fuse(graph: &mut Graph, notes: &mut Vec<String>) {
    for op in &mut graph.ops {
        if let Work::Each { graph } = &mut op.work {
            fold_and_fuse(graph, notes);
        }
    }
    fuse::padding(graph, notes);
    fold::affines(graph, notes);
    fuse::activations(graph, notes);
    graph.compact();
}

impl Graph {
    /// How many operations read each value; whoever asked counts as a reader of the answer.
    pub fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.ops.len()];
        for source in self.ops.iter().flat_map(|op| &op.inputs) {
            readers[source.value] += 1;
        }
        if let Some(output) = readers.get_mut(self.output) {
            *output += 1;
        }
        readers
    }

    /// The one operation that reads `value`, if there is exactly one, and it is not the answer.
    fn only_reader(&self, value: usize) -> Option<usize> {
        if value == self.output {
            return None;
        }
        let reads = |op: &Op| op.inputs.iter().filter(|s| s.value == value).count();
        let mut readers = self.ops.iter().enumerate().filter(|(_, op)| reads(op) > 0);
        let (index, op) = readers.next()?;
        (readers.next().is_none() && reads(op) == 1).then_some(index)
    }

    /// Takes an operation of one input out: its readers read its input instead.
    fn bypass(&mut self, index: usize) {
        let Some(source) = self.ops[index].inputs.pop() else {
            return;
        };
        for reader in self.ops.iter_mut().flat_map(|op| &mut op.inputs) {
            if reader.value == index {
                reader.value = source.value;
            }
        }
        if self.output == index {
            self.output = source.value;
        }
    }

    /// Leaves out operations that have neither inputs nor work, and numbers the rest anew.
    fn compact(&mut self) {
        let mut numbers = vec![0; self.ops.len()];
        let mut kept = Vec::with_capacity(self.ops.len());
        for (index, op) in std::mem::take(&mut self.ops).into_iter().enumerate() {
            if index > 0 && op.inputs.is_empty() {
                continue;
            }
            numbers[index] = kept.len();
            kept.push(op);
        }
        for source in kept.iter_mut().flat_map(|op| &mut op.inputs) {
            source.value = numbers[source.value];
        }
        self.ops = kept;
        self.output = numbers[self.output];
    }
}
