//! Operations that become part of the one before or after them: zeros around a
//! picture that a convolution reads, and activations.

use super::Graph;
use super::op::{Folding, INPUT, Work};
use super::to_kernels;
use crate::description::Activation;

/// Zeros around a picture become padding of the convolution behind them.
pub(super) fn padding(graph: &mut Graph, notes: &mut Vec<String>) {
    for index in 1..graph.ops.len() {
        let Some((reader, padding)) = absorbed_padding(graph, index) else {
            continue;
        };
        let mut shape = graph.ops[index].input().to_vec();
        while shape.len() < 3 {
            shape.insert(0, 1);
        }
        note(graph, notes, "made the padding", index, reader);
        graph.bypass(index);
        let reader = &mut graph.ops[reader];
        reader.inputs[0].shape = shape;
        if let Work::Conv(conv) = &mut reader.work {
            conv.window.padding = padding;
        }
    }
}

/// The convolution that alone reads the padded picture, and its padding then.
fn absorbed_padding(graph: &Graph, index: usize) -> Option<(usize, [(usize, usize); 2])> {
    let op = &graph.ops[index];
    let Work::Pad(amounts) = &op.work else {
        return None;
    };
    let reader = graph.only_reader(index)?;
    let Work::Conv(conv) = &graph.ops[reader].work else {
        return None;
    };
    // The zeros would be dilated with the picture, which the window's padding is not.
    if conv.is_transposed() {
        return None;
    }
    // A sequence is a picture of height 1.
    let missing = 3_usize.checked_sub(amounts.len())?;
    let mut all = vec![[0, 0]; missing];
    all.extend(amounts);
    let seen = graph.ops[reader].input();
    let same = seen[..missing].iter().all(|&size| size == 1) && seen[missing..] == op.shape[..];
    if !same || all[2] != [0, 0] || op.activation != Activation::Linear {
        return None;
    }
    let mut padding = conv.window.padding;
    for (pair, [before, after]) in padding.iter_mut().zip(all) {
        pair.0 += before;
        pair.1 += after;
    }
    Some((reader, padding))
}

/// Functions of single values become part of the operation that makes the values.
pub(super) fn activations(graph: &mut Graph, notes: &mut Vec<String>) {
    for index in 1..graph.ops.len() {
        let op = &graph.ops[index];
        let fits = matches!(op.work, Work::Activation)
            && op.activation.is_elementwise()
            && to_kernels::activation(op.activation).is_some();
        let Some(source) = op.inputs.first().filter(|_| fits) else {
            continue;
        };
        let before = source.value;
        let takes = match graph.ops[before].work.folding() {
            Folding::Absorbs | Folding::AbsorbsActivation => true,
            Folding::Passes | Folding::PassesPositive | Folding::Nothing => false,
        };
        let alone = graph.only_reader(before) == Some(index);
        let free = graph.ops[before].activation == Activation::Linear;
        if before == INPUT || !takes || !alone || !free {
            continue;
        }
        note(graph, notes, "merged the activation", index, before);
        graph.ops[before].activation = graph.ops[index].activation;
        graph.bypass(index);
    }
}

/// Notes that operation `index` became part of `into`, whose work is now that of both.
pub(super) fn note(
    graph: &mut Graph,
    notes: &mut Vec<String>,
    what: &str,
    index: usize,
    into: usize,
) {
    let moved = std::mem::take(&mut graph.ops[index].nodes);
    let nodes = &mut graph.ops[into].nodes;
    // A layer's own bias and activation need no word.
    if moved.iter().any(|node| !nodes.contains(node)) {
        notes.push(format!("{what} {} into {}", moved.join(", "), nodes[0]));
    }
    for node in moved {
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
}
