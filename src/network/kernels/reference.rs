//! What every operation means, written as plainly as can be, in f64.

use super::activation::Activation;
use super::operation::{
    Attention, Binary, Cell, Conv2d, Node, Operation, Outputs, Pooling, Recurrent, Shape,
    Statistics, Window,
};

/// The value of node `output` for one example.
pub(super) fn run(nodes: &[Node], output: usize, input: &[f32]) -> Vec<f64> {
    let mut values: Vec<Vec<f64>> = Vec::new();
    for node in &nodes[..=output] {
        let inputs = node.inputs.iter().map(|&input| Picture {
            shape: nodes[input].shape,
            values: &values[input],
        });
        let inputs: Vec<Picture> = inputs.collect();
        values.push(match inputs[..] {
            [] => input.iter().map(|value| f64::from(*value)).collect(),
            _ => compute(node, &inputs),
        });
    }
    values.swap_remove(output)
}

fn compute(node: &Node, inputs: &[Picture]) -> Vec<f64> {
    let first = &inputs[0];
    match &node.operation {
        Operation::Input | Operation::Reshape => first.values.to_vec(),
        Operation::Conv(conv) => convolution(conv, node.shape, first),
        Operation::Depthwise(conv) => each(node.shape, |y, x, c| {
            let mut sum = f64::from(conv.bias[c]);
            for (tap, from) in taps(&conv.window, y, x).enumerate() {
                let weight = f64::from(conv.kernel[tap * conv.bias.len() + c]);
                sum += weight * first.at(from, c).unwrap_or(0.0);
            }
            activate(conv.activation, sum)
        }),
        Operation::Pool(pool) => each(node.shape, |y, x, c| {
            let real = taps(&pool.window, y, x).filter_map(|from| first.at(from, c));
            let real: Vec<f64> = real.collect();
            match pool.pooling {
                Pooling::Max => real.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                Pooling::Average => real.iter().sum::<f64>() / real.len() as f64,
            }
        }),
        Operation::Binary(binary, activation) => each(node.shape, |y, x, c| {
            let second = &inputs[1];
            let is_pixel = second.shape != node.shape;
            let at = if is_pixel { (0, 0) } else { (y, x) };
            let (a, b) = (first.pixel(y, x, c), second.pixel(at.0, at.1, c));
            let value = match binary {
                Binary::Add => a + b,
                Binary::Multiply => a * b,
                Binary::PRelu => a.max(0.0) + b * a.min(0.0),
            };
            activate(*activation, value)
        }),
        Operation::Affine {
            scale,
            offset,
            activation,
        } => each(node.shape, |y, x, c| {
            let value = first.pixel(y, x, c);
            activate(
                *activation,
                value * f64::from(scale[c]) + f64::from(offset[c]),
            )
        }),
        Operation::Activation(activation) => {
            let values = first.values.iter();
            values.map(|value| activate(*activation, *value)).collect()
        }
        Operation::Normalize {
            statistics,
            epsilon,
        } => first.each_pixel(|pixel| normalized(pixel, *statistics, f64::from(*epsilon))),
        Operation::PRelu { alpha } => {
            let values = first.values.iter().zip(alpha.iter().cycle());
            values
                .map(|(x, alpha)| if *x > 0.0 { *x } else { x * f64::from(*alpha) })
                .collect()
        }
        Operation::Recurrent(layer) => recurrent(layer, first),
        Operation::Attention(options) => attention(options, node.shape, inputs),
        Operation::Softmax => first.each_pixel(softmax),
        Operation::Concat => each(node.shape, |y, x, mut c| {
            let mut input = 0;
            while c >= inputs[input].shape.channels {
                c -= inputs[input].shape.channels;
                input += 1;
            }
            inputs[input].pixel(y, x, c)
        }),
        Operation::Pad(padding) => each(node.shape, |y, x, c| {
            let from = (
                y as isize - padding[0].0 as isize,
                x as isize - padding[1].0 as isize,
            );
            first.at(from, c).unwrap_or(0.0)
        }),
        Operation::Upsample([down, right]) => {
            each(node.shape, |y, x, c| first.pixel(y / down, x / right, c))
        }
    }
}

fn convolution(conv: &Conv2d, shape: Shape, input: &Picture) -> Vec<f64> {
    let groups = conv.groups.max(1);
    let channels = input.shape.channels / groups;
    let filters = conv.bias.len();
    each(shape, |y, x, f| {
        let first = f / (filters / groups) * channels;
        let mut sum = f64::from(conv.bias[f]);
        for (tap, from) in taps(&conv.window, y, x).enumerate() {
            for c in 0..channels {
                let weight = conv.kernel[(tap * channels + c) * filters + f];
                let value = input.dilated(conv.input_dilation, from, first + c);
                sum += f64::from(weight) * value.unwrap_or(0.0);
            }
        }
        activate(conv.activation, sum)
    })
}

fn normalized(pixel: &[f64], statistics: Statistics, epsilon: f64) -> Vec<f64> {
    let channels = pixel.len() as f64;
    let mean = match statistics {
        Statistics::MeanSquare => 0.0,
        Statistics::MeanAndVariance | Statistics::Variance => pixel.iter().sum::<f64>() / channels,
    };
    let square = pixel.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / channels;
    let deviation = (square + epsilon).sqrt();
    let centre = match statistics {
        Statistics::MeanAndVariance => mean,
        Statistics::MeanSquare | Statistics::Variance => 0.0,
    };
    pixel.iter().map(|x| (x - centre) / deviation).collect()
}

fn softmax(values: &[f64]) -> Vec<f64> {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = values.iter().map(|value| (value - max).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

fn attention(options: &Attention, shape: Shape, inputs: &[Picture]) -> Vec<f64> {
    let [query, key, value] = inputs else {
        panic!("attention takes three inputs");
    };
    let depth = query.shape.channels / options.heads;
    let width = value.shape.channels / options.heads;
    each(shape, |_, t, c| {
        let head = c / width;
        let score = |s: usize| {
            let channels = head * depth..(head + 1) * depth;
            let products = channels.map(|c| query.pixel(0, t, c) * key.pixel(0, s, c));
            products.sum::<f64>() * f64::from(options.scale)
        };
        let keys = key.shape.width;
        let seen = if options.causal {
            keys.min(t + 1)
        } else {
            keys
        };
        let scores: Vec<f64> = (0..seen).map(score).collect();
        let shares = softmax(&scores).into_iter().enumerate();
        shares.map(|(s, share)| share * value.pixel(0, s, c)).sum()
    })
}

struct Picture<'a> {
    shape: Shape,
    values: &'a [f64],
}

impl Picture<'_> {
    /// With its rows and columns `steps` apart; `None` between and around them.
    fn dilated(&self, steps: [usize; 2], (y, x): (isize, isize), channel: usize) -> Option<f64> {
        let [down, right] = steps.map(|step| step as isize);
        let on_pixel = y % down == 0 && x % right == 0;
        on_pixel.then(|| self.at((y / down, x / right), channel))?
    }

    /// What `each` makes of every pixel, one after the other.
    fn each_pixel(&self, each: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
        let pixels = self.values.chunks(self.shape.channels);
        pixels.flat_map(each).collect()
    }

    fn pixel(&self, y: usize, x: usize, channel: usize) -> f64 {
        self.values[(y * self.shape.width + x) * self.shape.channels + channel]
    }

    /// `None` outside.
    fn at(&self, (y, x): (isize, isize), channel: usize) -> Option<f64> {
        let y = usize::try_from(y).ok().filter(|y| *y < self.shape.height)?;
        let x = usize::try_from(x).ok().filter(|x| *x < self.shape.width)?;
        Some(self.pixel(y, x, channel))
    }
}

fn each(shape: Shape, value: impl Fn(usize, usize, usize) -> f64) -> Vec<f64> {
    let mut values = Vec::new();
    for y in 0..shape.height {
        for x in 0..shape.width {
            for c in 0..shape.channels {
                values.push(value(y, x, c));
            }
        }
    }
    values
}

/// The pixels a window sees, row by row.
fn taps(window: &Window, y: usize, x: usize) -> impl Iterator<Item = (isize, isize)> + use<> {
    let window = *window;
    let at = move |axis: usize, step: usize, tap: usize| {
        (step * window.strides[axis] + tap * window.dilation[axis]) as isize
            - window.padding[axis].0 as isize
    };
    let [rows, columns] = window.size;
    (0..rows * columns).map(move |tap| (at(0, y, tap / columns), at(1, x, tap % columns)))
}

/// As `keras.layers.LSTMCell`, `GRUCell` and `SimpleRNNCell` do it.
fn recurrent(layer: &Recurrent, input: &Picture) -> Vec<f64> {
    let (units, features) = (layer.units, input.shape.channels);
    let width = layer.bias.len();
    let times = |values: &[f64], kernel: &[f32], bias: &[f32], column: usize| {
        let rows = values.iter().zip(kernel.chunks(width));
        let sum: f64 = rows
            .map(|(value, row)| value * f64::from(row[column]))
            .sum();
        sum + f64::from(bias[column])
    };
    let gated = |x| activate(layer.recurrent_activation, x);
    let activated = |x| activate(layer.activation, x);
    let mut steps: Vec<&[f64]> = input.values.chunks(features).collect();
    if layer.backwards {
        steps.reverse();
    }
    let (mut state, mut carry) = (vec![0.0; units], vec![0.0; units]);
    let mut states = Vec::new();
    for values in steps {
        let x = |column| times(values, &layer.kernel, &layer.bias, column);
        let h = |column| {
            times(
                &state,
                &layer.recurrent_kernel,
                &layer.recurrent_bias,
                column,
            )
        };
        let mut next = Vec::new();
        for unit in 0..units {
            let [a, b, c, d] = [0, 1, 2, 3].map(|gate| gate * units + unit);
            next.push(match layer.cell {
                Cell::Simple => activated(x(a) + h(a)),
                Cell::Lstm => {
                    let kept = gated(x(b) + h(b)) * carry[unit];
                    carry[unit] = kept + gated(x(a) + h(a)) * activated(x(c) + h(c));
                    gated(x(d) + h(d)) * activated(carry[unit])
                }
                Cell::Gru => {
                    let z = gated(x(a) + h(a));
                    let candidate = activated(x(c) + gated(x(b) + h(b)) * h(c));
                    z * state[unit] + (1.0 - z) * candidate
                }
            });
        }
        state = next;
        states.push(state.clone());
    }
    match layer.outputs {
        Outputs::Last => state,
        Outputs::AsMade => states.concat(),
        Outputs::Reversed => states.into_iter().rev().flatten().collect(),
    }
}

pub(super) fn activate(activation: Activation, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let hard = |x: f64| (x + 3.0).clamp(0.0, 6.0) / 6.0;
    match activation {
        Activation::Clamp { low, high } => x.max(f64::from(low)).min(f64::from(high)),
        Activation::Leaky {
            slope,
            threshold,
            high,
        } => {
            let threshold = f64::from(threshold);
            let below = (x - threshold) * f64::from(slope);
            (if x > threshold { x } else { below }).min(f64::from(high))
        }
        Activation::Elu { scale, .. } if x > 0.0 => x * f64::from(scale),
        Activation::Elu { alpha, .. } => x.exp_m1() * f64::from(alpha),
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => x * sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::HardSigmoid => hard(x),
        Activation::HardSilu => x * hard(x),
        Activation::Gelu => x / 2.0 * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            x / 2.0 * (1.0 + inner.tanh())
        }
        Activation::Softplus => softplus(x),
        Activation::Softsign => x / (1.0 + x.abs()),
        Activation::Mish => x * softplus(x).tanh(),
        Activation::Exponential => x.exp(),
    }
}

/// By its series near zero, by its continued fraction far from it.
fn erf(x: f64) -> f64 {
    if x.abs() < 3.0 {
        let mut term = x;
        let mut sum = x;
        for n in 1..100 {
            let n = f64::from(n);
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        return sum * 2.0 / std::f64::consts::PI.sqrt();
    }
    let fraction = (1..60)
        .rev()
        .fold(0.0, |rest, n| f64::from(n) / 2.0 / (x.abs() + rest));
    let rest = (-x * x).exp() / (x.abs() + fraction) / std::f64::consts::PI.sqrt();
    x.signum() * (1.0 - rest)
}
