//! Scales and shifts become part of the convolution or dense layer beside them.
//!
//! Computed in f64, so that only the weights' rounding to float32 is left.

use std::sync::Arc;

use super::Graph;
use super::affine::Affine;
use super::fuse::note;
use super::op::{Conv, Folding, INPUT, Linear, Work};
use crate::description::Activation;

/// With a larger offset the folded layer would add up larger numbers than Keras does, and digits
/// would be lost.
const LARGEST_OFFSET: f64 = 32.0;

/// Folds every `x * scale + offset` that can be folded.
pub(super) fn affines(graph: &mut Graph, notes: &mut Vec<String>) {
    let is_affine = |graph: &Graph, index: usize| matches!(graph.ops[index].work, Work::Affine(_));
    let mut pending: Vec<usize> = (1..graph.ops.len()).rev().collect();
    while let Some(index) = pending.pop() {
        if !is_affine(graph, index) {
            continue;
        }
        let target = fold_back(graph, index).or_else(|| fold_ahead(graph, index));
        if let Some(target) = target {
            note(graph, notes, "folded", index, target);
            graph.bypass(index);
            graph.ops[index].work = Work::Activation;
            if is_affine(graph, target) {
                // Two became one, which may fit where one of them did not.
                pending.push(target);
            }
        }
    }
}

/// Folds into the operation that makes the values, if nothing else reads them.
fn fold_back(graph: &mut Graph, index: usize) -> Option<usize> {
    let op = &graph.ops[index];
    let Work::Affine(affine) = &op.work else {
        return None;
    };
    let affine = affine.clone();
    let activation = op.activation;
    let source = op.inputs.first()?;
    let before = source.value;
    let along_last = affine.axis + 1 == source.shape.len();
    let maker = &graph.ops[before];
    let same_axis = affine.is_uniform() || along_last && source.shape.last() == maker.shape.last();
    if before == INPUT
        || !same_axis
        || maker.activation != Activation::Linear
        || graph.only_reader(before) != Some(index)
    {
        return None;
    }
    let maker = &mut graph.ops[before];
    match &mut maker.work {
        Work::Conv(conv) => scale_outputs(&mut conv.linear, &affine)?,
        Work::Dense(linear) => scale_outputs(linear, &affine)?,
        Work::Affine(first) => {
            let axis = maker.shape.len() - 1;
            let first_fits = first.is_uniform() || first.axis == axis;
            *first = first_fits.then(|| compose(first, &affine, axis))??;
        }
        _ => return None,
    }
    maker.activation = activation;
    Some(before)
}

/// `second(first(x))`, both along `axis`.
fn compose(first: &Affine, second: &Affine, axis: usize) -> Option<Affine> {
    let len = first.scale.len().max(second.scale.len());
    let both = (0..len).map(|position| {
        let (scale, offset) = first.at(position);
        let (then, plus) = second.at(position);
        (scale * then, offset * then + plus)
    });
    let (scale, offset) = both.unzip();
    let composed = Affine {
        scale,
        offset,
        axis,
    };
    composed.is_finite().then_some(composed)
}

/// `(x · kernel + bias) * scale + offset`.
fn scale_outputs(linear: &mut Linear, affine: &Affine) -> Option<()> {
    let outputs = linear.outputs;
    let scaled: Vec<f32> = linear
        .kernel
        .chunks(outputs)
        .flat_map(|row| row.iter().enumerate())
        .map(|(output, &weight)| (f64::from(weight) * affine.at(output).0) as f32)
        .collect();
    let bias: Vec<f32> = (0..outputs)
        .map(|output| {
            let (scale, offset) = affine.at(output);
            let bias = linear.bias.get(output).copied().unwrap_or(0.0);
            (f64::from(bias) * scale + offset) as f32
        })
        .collect();
    replace(linear, scaled, bias)
}

/// Folds into the convolution or dense layer that reads the values, maybe past a pooling layer, if
/// nothing else reads them.
fn fold_ahead(graph: &mut Graph, index: usize) -> Option<usize> {
    let op = &graph.ops[index];
    let Work::Affine(affine) = &op.work else {
        return None;
    };
    let small = affine.offset.iter().all(|o| o.abs() <= LARGEST_OFFSET);
    if op.activation != Activation::Linear || !small {
        return None;
    }
    let affine = affine.clone();
    let last_axis = op.shape.len() - 1;
    let inner: usize = op.shape[affine.axis.min(last_axis) + 1..].iter().product();
    let mut reader = graph.only_reader(index)?;
    while moves_past(graph, reader, &affine, affine.axis == last_axis) {
        reader = graph.only_reader(reader)?;
    }
    let op = &mut graph.ops[reader];
    let input = op.input().to_vec();
    match &mut op.work {
        Work::Conv(conv) => fold_into_convolution(conv, &affine, &input, inner)?,
        Work::Dense(linear) => fold_into_dense(linear, &affine, &input, inner)?,
        _ => return None,
    }
    Some(reader)
}

/// A convolution that reads pictures of the shape `input`. `inner` values stand behind each
/// position along the affine's axis.
fn fold_into_convolution(
    conv: &mut Conv,
    affine: &Affine,
    input: &[usize],
    inner: usize,
) -> Option<()> {
    let channels = *input.last()?;
    let fits = affine.is_uniform() || inner == 1 && channels == affine.scale.len();
    let sees_zeros = conv.window.padding != [(0, 0); 2] || conv.is_transposed();
    if !fits || sees_zeros && affine.has_offset() {
        return None;
    }
    let depth = channels / conv.groups;
    let per_group = conv.linear.outputs / conv.groups;
    let channel = |row: usize, output: usize| row % depth + output / per_group * depth;
    scale_inputs(&mut conv.linear, affine, channel)
}

/// The same for a dense layer.
fn fold_into_dense(
    linear: &mut Linear,
    affine: &Affine,
    input: &[usize],
    inner: usize,
) -> Option<()> {
    let last = *input.last()?;
    let positions = affine.scale.len();
    let is_one_row = input.iter().product::<usize>() == last;
    let fits = inner == 1 && last.is_multiple_of(positions);
    if !affine.is_uniform() && !is_one_row && !fits {
        return None;
    }
    scale_inputs(linear, affine, |row, _| row / inner % positions)
}

/// Whether the affine may as well come behind the operation.
fn moves_past(graph: &Graph, index: usize, affine: &Affine, along_last: bool) -> bool {
    let op = &graph.ops[index];
    let is_positive = affine.scale.iter().all(|&scale| scale > 0.0);
    let passes = match op.work.folding() {
        Folding::Passes => true,
        Folding::PassesPositive => is_positive,
        Folding::Absorbs | Folding::AbsorbsActivation | Folding::Nothing => false,
    };
    let keeps_channels = match &op.work {
        Work::Reduce { axes, .. } => !axes.contains(&(op.input().len() - 1)),
        _ => true,
    };
    let channels = op.input().last();
    let fits = along_last && channels == Some(&affine.scale.len()) && keeps_channels;
    passes && op.activation == Activation::Linear && (affine.is_uniform() || fits)
}

/// `(x * scale + offset) · kernel + bias`; `input` gives the position along the affine's axis of
/// a kernel's row and output.
fn scale_inputs(
    linear: &mut Linear,
    affine: &Affine,
    input: impl Fn(usize, usize) -> usize,
) -> Option<()> {
    let outputs = linear.outputs;
    let mut bias: Vec<f64> = match linear.bias.as_slice() {
        [] => vec![0.0; outputs],
        bias => bias.iter().map(|&bias| bias.into()).collect(),
    };
    let mut kernel = Vec::with_capacity(linear.kernel.len());
    for (row, weights) in linear.kernel.chunks(outputs).enumerate() {
        for (output, &weight) in weights.iter().enumerate() {
            let (scale, offset) = affine.at(input(row, output));
            kernel.push((f64::from(weight) * scale) as f32);
            bias[output] += f64::from(weight) * offset;
        }
    }
    let bias = if linear.bias.is_empty() && !affine.has_offset() {
        Vec::new()
    } else {
        bias.iter().map(|&bias| bias as f32).collect()
    };
    replace(linear, kernel, bias)
}

/// New weights, if all of them are numbers that float32 can hold.
fn replace(linear: &mut Linear, kernel: Vec<f32>, bias: Vec<f32>) -> Option<()> {
    let finite = kernel.iter().chain(&bias).all(|value| value.is_finite());
    if finite {
        linear.kernel = Arc::new(kernel);
        linear.bias = Arc::new(bias);
    }
    finite.then_some(())
}
