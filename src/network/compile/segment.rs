//! Which operations the fused kernels take over.
//!
//! A segment is a run of operations with one input and one output value. It
//! becomes one program, which is one operation for Burn.

use std::sync::Arc;

use super::op::{Op, Source};
use super::to_kernels::Run;
use super::{Graph, Step};
use crate::network::kernels::Program;

/// One step of a network.
#[derive(Debug)]
pub(in crate::network) enum Segment {
    /// An operation for Burn, and the value it makes.
    Plain { op: Op, value: usize },
    /// Operations for the fused kernels.
    Fused {
        program: Arc<Program>,
        /// The value that the program reads, and how many of its operations read it.
        input: usize,
        reads: usize,
        /// The value that it makes.
        output: usize,
        /// What is in it, for people to read.
        step: Step,
    },
}

impl Segment {
    /// What is in it, for people to read.
    pub fn step(&self) -> Step {
        match self {
            Self::Plain { op, .. } => Step {
                is_fused: false,
                operations: vec![op.describe()],
            },
            Self::Fused { step, .. } => step.clone(),
        }
    }
}

/// The steps of a graph, in order.
pub(in crate::network) fn segments(graph: Graph, fuse: bool) -> Vec<Segment> {
    let last_reads = last_reads(&graph);
    let mut ops: Vec<Option<Op>> = graph.ops.into_iter().map(Some).collect();
    let mut segments = Vec::new();
    let mut at = 1;
    while at < ops.len() {
        let fused = if fuse {
            longest(&mut ops, at, &last_reads)
        } else {
            None
        };
        if let Some((segment, end)) = fused {
            segments.push(segment);
            at = end;
            continue;
        }
        if let Some(op) = ops[at].take() {
            segments.push(Segment::Plain { op, value: at });
        }
        at += 1;
    }
    segments
}

/// The last operation that reads each value; the answer is read at the very end.
fn last_reads(graph: &Graph) -> Vec<usize> {
    let mut last = vec![0; graph.ops.len()];
    for (index, op) in graph.ops.iter().enumerate() {
        for source in &op.inputs {
            last[source.value] = index;
        }
    }
    if let Some(output) = last.get_mut(graph.output) {
        *output = usize::MAX;
    }
    last
}

/// The longest segment that begins with operation `at`, and where it ends.
fn longest(ops: &mut [Option<Op>], at: usize, last_reads: &[usize]) -> Option<(Segment, usize)> {
    let (run, input) = run(ops, at)?;
    for end in (at + 1..=at + run.len()).rev() {
        // What is made inside must not be read outside, but for the last value.
        if (at..end - 1).any(|value| last_reads[value] >= end) {
            continue;
        }
        let Ok(program) = run.program(end - at) else {
            continue;
        };
        let taken: Vec<Op> = ops[at..end].iter_mut().filter_map(Option::take).collect();
        let sources = taken.iter().flat_map(|op| &op.inputs);
        let segment = Segment::Fused {
            program: Arc::new(program),
            input,
            reads: sources.filter(|source| source.value == input).count(),
            output: end - 1,
            step: Step {
                is_fused: true,
                operations: taken.iter().map(Op::describe).collect(),
            },
        };
        return Some((segment, end));
    }
    None
}

/// The operations from `at` on that read only one value from outside and have kernels, and that value.
fn run(ops: &[Option<Op>], at: usize) -> Option<(Run, usize)> {
    let source = ops[at].as_ref()?.inputs.first()?;
    let mut run = Run::new(at, source).ok()?;
    let is_inside = |source: &Source, input: usize| source.value == input || source.value >= at;
    for op in ops[at..].iter().flatten() {
        let inside = op.inputs.iter().all(|read| is_inside(read, source.value));
        if !inside || run.add(op).is_err() {
            break;
        }
    }
    Some((run, source.value))
}
