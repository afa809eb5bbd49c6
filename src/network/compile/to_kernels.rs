//! Operations as the fused kernels want them.

use std::sync::Arc;

use super::affine::Affine;
use super::op::{Op, RecurrentWork, Source, Window, Work};
use crate::description::{
    self, Activation, BidirectionalMerge, Interpolation, MergeOp, Pool, Reduction,
};
use crate::network::kernels::{
    Activation as Kernel, Builder, Cell, Conv2d, DepthwiseConv2d, Outputs, Pool2d, Pooling,
    Program, Recurrent, Refused, Shape, Statistics, Value, Window as KernelWindow, attends,
    spreads,
};

/// Whether there is a kernel for an operation, as far as can be seen without trying.
pub(super) fn covers(op: &Op) -> bool {
    let activation = match op.activation {
        Activation::Softmax => matches!(op.work, Work::Activation),
        activation => kernel(activation).is_some(),
    };
    activation
        && match &op.work {
            Work::Conv(conv) => match op.shape[..] {
                [height, width, _] => spreads(conv.spread, [height, width]),
                _ => false,
            },
            Work::Activation | Work::Dense(_) | Work::Pool { .. } | Work::Normalize { .. } => true,
            Work::Affine(affine) => affine.is_uniform() || affine.axis + 1 == op.shape.len(),
            Work::Merge(MergeOp::Add | MergeOp::Multiply) => largest_and_pixels(op).is_some(),
            Work::Concatenate { axis } => axis + 1 == op.shape.len(),
            Work::Reduce { kind, axes } => {
                let all_but_last = axes.iter().copied().eq(0..op.input().len() - 1);
                matches!(kind, Reduction::Mean | Reduction::Max) && all_but_last
            }
            // All examples' rows, or parts of them, alike.
            Work::PRelu { shape, .. } => {
                let own = shape.iter().skip_while(|&&size| size == 1).count();
                shape.ends_with(&op.shape[op.shape.len() - own..])
            }
            Work::Pad(amounts) => amounts.len() == 3 && amounts[2] == [0, 0],
            Work::Resize(Interpolation::Nearest) => times(op).is_some(),
            Work::Attention(work) => {
                let is_sequence = |source: &Source| source.shape.len() == 2;
                op.inputs.iter().all(is_sequence)
                    && matches!(&op.inputs[..], [_, keys, values]
                        if attends(view(&keys.shape), view(&values.shape), work.heads))
            }
            Work::Recurrent(work) => op.input().len() == 2 && cell(work).is_some(),
            Work::Bidirectional {
                forward, backward, ..
            } => op.input().len() == 2 && cell(forward).is_some() && cell(backward).is_some(),
            _ => false,
        }
}

/// A program of operations of which the first makes value `first`.
pub(super) fn program(ops: &[&Op], first: usize) -> Result<Program, Refused> {
    let source = ops
        .first()
        .and_then(|op| op.inputs.first())
        .ok_or_else(|| Refused("nothing".to_owned()))?;
    let (mut builder, input) = Builder::new(view(&source.shape))?;
    let mut values: Vec<Value> = Vec::with_capacity(ops.len());
    for op in ops {
        let mut inputs = Vec::with_capacity(op.inputs.len());
        for source in &op.inputs {
            let value = match source.value.checked_sub(first) {
                Some(inside) => values[inside],
                None => input,
            };
            inputs.push(seen(&mut builder, value, source)?);
        }
        values.push(add(&mut builder, op, &inputs)?);
    }
    let output = values.last().copied().unwrap_or(input);
    builder.build(output)
}

/// A value under the shape under which an operation sees it.
fn seen(builder: &mut Builder, value: Value, source: &Source) -> Result<Value, Refused> {
    let wanted = view(&source.shape);
    if builder.shape(value) == wanted {
        return Ok(value);
    }
    builder.reshape(value, wanted)
}

/// Any shape as a picture; the last axis stays the last.
fn view(shape: &[usize]) -> Shape {
    match *shape {
        [height, width, channels] => Shape {
            height,
            width,
            channels,
        },
        [ref outer @ .., channels] => Shape {
            height: 1,
            width: outer.iter().product(),
            channels,
        },
        [] => Shape {
            height: 1,
            width: 1,
            channels: 1,
        },
    }
}

fn add(builder: &mut Builder, op: &Op, inputs: &[Value]) -> Result<Value, Refused> {
    let &[input, ..] = inputs else {
        return Err(Refused(op.work.name().to_owned()));
    };
    if op.activation == Activation::Softmax {
        return builder.softmax(input);
    }
    let refused = || Refused(op.work.name().to_owned());
    let activation =
        kernel(op.activation).ok_or_else(|| Refused(format!("{:?}", op.activation)))?;
    let value = match &op.work {
        Work::Affine(affine) => {
            let [scale, offset] = halves(affine);
            return builder.affine(input, scale, offset, activation);
        }
        Work::Conv(_) => return convolution(builder, op, input, activation),
        Work::Dense(linear) => {
            let bias = bias(&linear.bias, linear.outputs);
            return builder.dense(input, Arc::clone(&linear.kernel), bias, activation);
        }
        Work::Merge(merge) => return merged(builder, *merge, op, inputs, activation),
        Work::Activation => input,
        Work::Concatenate { .. } => builder.concat(inputs)?,
        Work::Pool { kind, window } => {
            let pool = Pool2d {
                pooling: match kind {
                    Pool::Max => Pooling::Max,
                    Pool::Average => Pooling::Average,
                },
                window: kernel_window(window),
            };
            builder.pool2d(input, pool)?
        }
        Work::Reduce { kind, .. } => {
            let pooling = match kind {
                Reduction::Max => Pooling::Max,
                _ => Pooling::Average,
            };
            builder.global_pool(input, pooling)?
        }
        Work::Attention(work) => {
            let inputs = inputs.try_into().map_err(|_| refused())?;
            builder.attention(inputs, work.heads, (work.scale, work.causal))?
        }
        Work::Recurrent(work) => recurrent(builder, work, input, Outputs::AsMade)?,
        Work::Bidirectional {
            forward,
            backward,
            merge,
        } => {
            let forward = recurrent(builder, forward, input, Outputs::AsMade)?;
            let backward = recurrent(builder, backward, input, Outputs::Reversed)?;
            match merge {
                BidirectionalMerge::Concat => builder.concat(&[forward, backward])?,
                BidirectionalMerge::Multiply => {
                    builder.multiply(forward, backward, Kernel::LINEAR)?
                }
                BidirectionalMerge::Sum => builder.add(forward, backward, Kernel::LINEAR)?,
                BidirectionalMerge::Average => {
                    let sum = builder.add(forward, backward, Kernel::LINEAR)?;
                    builder.affine(sum, vec![0.5], vec![0.0], Kernel::LINEAR)?
                }
            }
        }
        Work::Normalize {
            statistics,
            epsilon,
        } => {
            let by = match statistics {
                description::Statistics::MeanAndVariance => Statistics::MeanAndVariance,
                description::Statistics::Variance => Statistics::Variance,
                description::Statistics::MeanSquare => Statistics::MeanSquare,
            };
            builder.normalize(input, by, *epsilon)?
        }
        Work::PRelu { alpha, .. } => builder.prelu(input, alpha.clone())?,
        Work::Pad(amounts) => {
            let pair = |axis: usize| (amounts[axis][0], amounts[axis][1]);
            builder.zero_pad(input, [pair(0), pair(1)])?
        }
        Work::Resize(Interpolation::Nearest) => {
            builder.repeat(input, times(op).ok_or_else(refused)?)?
        }
        _ => return Err(refused()),
    };
    if activation == Kernel::LINEAR {
        return Ok(value);
    }
    builder.activation(value, activation)
}

fn convolution(
    builder: &mut Builder,
    op: &Op,
    input: Value,
    activation: Kernel,
) -> Result<Value, Refused> {
    let Work::Conv(conv) = &op.work else {
        return Err(Refused(op.work.name().to_owned()));
    };
    let window = kernel_window(&conv.window);
    let kernel = Arc::clone(&conv.linear.kernel);
    let bias = bias(&conv.linear.bias, conv.linear.outputs);
    let channels = op.input().last().copied().unwrap_or(0);
    if conv.groups == channels && channels > 1 {
        // Keras's [rows, columns, 1, channels * multiplier] is the same in memory.
        let depthwise = DepthwiseConv2d {
            window,
            kernel,
            bias,
            activation,
        };
        return builder.depthwise_conv2d(input, depthwise);
    }
    let conv = Conv2d {
        window,
        spread: conv.spread,
        groups: conv.groups,
        kernel,
        bias,
        activation,
    };
    builder.conv2d(input, conv)
}

/// The cell and its two functions, if there is a kernel.
fn cell(work: &RecurrentWork) -> Option<(Cell, [Kernel; 2])> {
    let cell = match work.options.cell {
        description::Cell::Simple => Cell::Simple,
        description::Cell::Lstm => Cell::Lstm,
        description::Cell::Gru { reset_after: true } => Cell::Gru,
        description::Cell::Gru { reset_after: false } => return None,
    };
    let activation = kernel(work.options.activation)?;
    Some((
        cell,
        [activation, kernel(work.options.recurrent_activation)?],
    ))
}

/// `all` is the order of the states if it gives all of them.
fn recurrent(
    builder: &mut Builder,
    work: &RecurrentWork,
    input: Value,
    all: Outputs,
) -> Result<Value, Refused> {
    let refused = || Refused(format!("{:?}", work.options.cell));
    let (cell, [activation, recurrent_activation]) = cell(work).ok_or_else(refused)?;
    let options = &work.options;
    let width = options.units * options.cell.gates();
    let mut biases = work.bias.clone();
    biases.resize(2 * width, 0.0);
    let recurrent_bias = biases.split_off(width);
    let layer = Recurrent {
        cell,
        units: options.units,
        activation,
        recurrent_activation,
        kernel: Arc::clone(&work.kernel),
        recurrent_kernel: Arc::clone(&work.recurrent_kernel),
        bias: biases,
        recurrent_bias,
        backwards: options.go_backwards,
        outputs: if options.return_sequences {
            all
        } else {
            Outputs::Last
        },
    };
    builder.recurrent(input, layer)
}

/// How many times larger a picture becomes, if that is the same everywhere.
fn times(op: &Op) -> Option<[usize; 2]> {
    let [height, width, _] = *op.input() else {
        return None;
    };
    let whole = op.shape[0].is_multiple_of(height) && op.shape[1].is_multiple_of(width);
    whole.then(|| [op.shape[0] / height, op.shape[1] / width])
}

/// Sums and products, one input after the other.
fn merged(
    builder: &mut Builder,
    merge: MergeOp,
    op: &Op,
    inputs: &[Value],
    activation: Kernel,
) -> Result<Value, Refused> {
    let (largest, others) =
        largest_and_pixels(op).ok_or_else(|| Refused("that broadcast".to_owned()))?;
    let mut value = inputs[largest];
    for (count, other) in others.iter().enumerate() {
        let is_last = count + 1 == others.len();
        let then = if is_last { activation } else { Kernel::LINEAR };
        value = match merge {
            MergeOp::Add => builder.add(value, inputs[*other], then)?,
            _ => builder.multiply(value, inputs[*other], then)?,
        };
    }
    Ok(value)
}

/// An input as large as the output, and the others, which are as large or one pixel.
fn largest_and_pixels(op: &Op) -> Option<(usize, Vec<usize>)> {
    let full = view(&op.shape);
    let large = |source: &Source| view(&source.shape) == full;
    let pixel = |source: &Source| {
        let shape = view(&source.shape);
        shape.height == 1 && shape.width == 1 && shape.channels == full.channels
    };
    let largest = op.inputs.iter().position(large)?;
    let others = (0..op.inputs.len()).filter(|&index| index != largest);
    let others: Vec<usize> = others.collect();
    let fits = |&index: &usize| large(&op.inputs[index]) || pixel(&op.inputs[index]);
    (!others.is_empty() && others.iter().all(fits)).then_some((largest, others))
}

fn bias(bias: &Arc<Vec<f32>>, outputs: usize) -> Arc<Vec<f32>> {
    if bias.is_empty() {
        Arc::new(vec![0.0; outputs])
    } else {
        Arc::clone(bias)
    }
}

fn halves(affine: &Affine) -> [Vec<f32>; 2] {
    [&affine.scale, &affine.offset].map(|values| values.iter().map(|&v| v as f32).collect())
}

fn kernel_window(window: &Window) -> KernelWindow {
    KernelWindow {
        size: window.size,
        strides: window.strides,
        dilation: window.dilation,
        padding: window.padding,
    }
}

/// The function in the kernels' own terms, if they have it.
pub(super) fn kernel(activation: Activation) -> Option<Kernel> {
    const SELU: [f32; 2] = [1.050_701, 1.758_099_3];
    Some(match activation {
        Activation::Linear => Kernel::LINEAR,
        Activation::Relu => Kernel::RELU,
        Activation::Relu6 => Kernel::RELU6,
        Activation::HardTanh => Kernel::Clamp {
            low: -1.0,
            high: 1.0,
        },
        Activation::LeakyRelu { negative_slope } => Kernel::Leaky {
            slope: negative_slope,
            threshold: 0.0,
            high: f32::INFINITY,
        },
        Activation::BentRelu {
            max_value,
            negative_slope,
            threshold,
        } => Kernel::Leaky {
            slope: negative_slope,
            threshold,
            high: max_value.unwrap_or(f32::INFINITY),
        },
        Activation::Elu { alpha } => Kernel::Elu { scale: 1.0, alpha },
        Activation::Celu { alpha: 1.0 } => Kernel::Elu {
            scale: 1.0,
            alpha: 1.0,
        },
        Activation::Selu => Kernel::Elu {
            scale: SELU[0],
            alpha: SELU[1],
        },
        Activation::Sigmoid => Kernel::Sigmoid,
        Activation::Silu => Kernel::Silu,
        Activation::Tanh => Kernel::Tanh,
        // Keras 3's slope.
        Activation::HardSigmoid { slope } if slope == 1.0 / 6.0 => Kernel::HardSigmoid,
        Activation::HardSilu => Kernel::HardSilu,
        Activation::Gelu { approximate: false } => Kernel::Gelu,
        Activation::Gelu { approximate: true } => Kernel::GeluTanh,
        Activation::Softplus => Kernel::Softplus,
        Activation::Softsign => Kernel::Softsign,
        Activation::Mish => Kernel::Mish,
        Activation::Exponential => Kernel::Exponential,
        _ => return None,
    })
}
