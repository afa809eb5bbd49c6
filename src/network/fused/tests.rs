//! Every kernel against the plain reference, on random shapes and on every
//! instruction set this machine has.

use std::sync::Arc;

use super::operation::{Conv2d, DepthwiseConv2d, Pool2d, Pooling, Shape, Window};
use super::program::{Kernel, Step};
use super::simd::Isa;
use super::{Activation, Builder, Value, reference};

/// A generator whose numbers are the same everywhere (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn between(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// In -1..1; every fourth is zero.
    fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len)
            .map(|_| match self.below(4) {
                0 => 0.0,
                _ => self.below(2000) as f32 / 1000.0 - 1.0,
            })
            .collect()
    }

    fn window(&mut self, input: Shape, dilated: bool) -> Window {
        let mut window = Window {
            size: [0; 2],
            strides: [self.between(1, 3), self.between(1, 3)],
            dilation: [1; 2],
            padding: [(0, 0); 2],
        };
        for (axis, size) in [input.height, input.width].into_iter().enumerate() {
            window.size[axis] = self.between(1, size.min(5));
            let room = (size - 1) / window.size[axis];
            if dilated && room > 1 {
                window.dilation[axis] = self.between(1, 2);
            }
            if self.below(2) == 0 {
                let most = window.size[axis] - 1;
                window.padding[axis] = (self.between(0, most), self.between(0, most));
            }
        }
        window
    }

    fn activation(&mut self) -> Activation {
        self.pick(&ALL)
    }
}

const ALL: [Activation; 16] = [
    Activation::LINEAR,
    Activation::RELU,
    Activation::RELU6,
    Activation::Leaky {
        slope: 0.2,
        threshold: 0.1,
        high: 0.7,
    },
    Activation::Elu {
        scale: 1.05,
        alpha: 1.75,
    },
    Activation::Sigmoid,
    Activation::Silu,
    Activation::Tanh,
    Activation::HardSigmoid,
    Activation::HardSilu,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Softplus,
    Activation::Softsign,
    Activation::Mish,
    Activation::Exponential,
];

fn shape(height: usize, width: usize, channels: usize) -> Shape {
    Shape {
        height,
        width,
        channels,
    }
}

/// Compares a program with the reference for some batches, on all instruction sets.
fn check(builder: &Builder, output: Value, random: &mut Random) {
    let nodes = builder.nodes();
    let input_len = nodes[0].shape.values();
    for isa in Isa::all() {
        let program = builder.clone().build_for(output, isa).unwrap();
        for batch in [1, 2, 5, 13] {
            let mut input = random.values(batch * input_len);
            if batch > 5 {
                // As empty as a handwritten digit, which has a kernel of its own.
                input.iter_mut().for_each(|value| {
                    if random.below(5) > 0 {
                        *value = 0.0;
                    }
                });
            }
            let mut found = vec![f32::NAN; batch * program.output_len()];
            program.run(&input, batch, &mut found);
            for (example, found) in found.chunks(program.output_len()).enumerate() {
                let input = &input[example * input_len..][..input_len];
                let expected = reference::run(nodes, output.0, input);
                let largest = expected.iter().fold(1.0_f64, |max, x| max.max(x.abs()));
                for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let error = (f64::from(*found) - expected).abs() / largest;
                    assert!(
                        error < 1e-5,
                        "{isa:?}, batch {batch}: value {at} of example {example} is {found}, \
                         expected {expected}: {nodes:?}"
                    );
                }
            }
        }
    }
}

fn conv(random: &mut Random, input: Shape, filters: usize, groups: usize) -> Conv2d {
    let window = random.window(input, true);
    let depth = window.size[0] * window.size[1] * input.channels / groups;
    Conv2d {
        window,
        groups,
        kernel: Arc::new(random.values(depth * filters)),
        bias: Arc::new(random.values(filters)),
        activation: random.activation(),
    }
}

#[test]
fn a_convolution_is_what_the_reference_says() {
    let mut random = Random(1);
    for _ in 0..60 {
        let channels = random.pick(&[1, 2, 3, 4, 7, 16, 20]);
        let input = shape(random.between(1, 12), random.between(1, 12), channels);
        let (mut builder, value) = Builder::new(input).unwrap();
        let filters = random.pick(&[1, 3, 8, 10, 16, 17, 24, 40, 60, 64, 90]);
        let conv = conv(&mut random, input, filters, 1);
        let output = builder.conv2d(value, conv).unwrap();
        check(&builder, output, &mut random);
    }
}

#[test]
fn a_grouped_convolution_is_what_the_reference_says() {
    let mut random = Random(2);
    for _ in 0..30 {
        let groups = random.pick(&[2, 3]);
        let channels = groups * random.between(1, 5);
        // A single pixel is a vector, for which there are kernels of their own.
        let longest = random.pick(&[1, 9]);
        let input = shape(
            random.between(1, longest),
            random.between(1, longest),
            channels,
        );
        let (mut builder, value) = Builder::new(input).unwrap();
        let filters = groups * random.pick(&[1, 5, 8, 13, 20, 40, 60]);
        let conv = conv(&mut random, input, filters, groups);
        let output = builder.conv2d(value, conv).unwrap();
        check(&builder, output, &mut random);
    }
}

#[test]
fn a_convolution_in_winograd_tiles_is_what_the_reference_says() {
    let mut random = Random(9);
    let mut tiled = vec![0; Isa::all().len()];
    for _ in 0..12 {
        let channels = random.pick(&[16, 40, 50]);
        let input = shape(random.between(6, 11), random.between(6, 11), channels);
        let (mut builder, value) = Builder::new(input).unwrap();
        let filters = random.pick(&[16, 40, 64]);
        let mut conv = conv(&mut random, input, filters, 1);
        conv.window = Window {
            size: [3, 3],
            strides: [1, 1],
            dilation: [1, 1],
            padding: random.pick(&[[(0, 0); 2], [(1, 1); 2], [(0, 1), (2, 1)]]),
        };
        conv.kernel = Arc::new(random.values(9 * channels * filters));
        let output = builder.conv2d(value, conv).unwrap();
        check(&builder, output, &mut random);
        for (isa, tiled) in Isa::all().into_iter().zip(&mut tiled) {
            let steps = builder.clone().build_for(output, isa).unwrap().steps;
            let is_tiled = |step: &Step| matches!(step.kernel, Kernel::Winograd(_));
            *tiled += i32::from(steps.iter().any(is_tiled));
        }
        let pool = Pool2d {
            pooling: random.pick(&[Pooling::Max, Pooling::Average]),
            window: HALVING,
        };
        let output = builder.pool2d(output, pool).unwrap();
        check(&builder, output, &mut random);
    }
    // The others are too small, or not worth the transforms.
    assert!(tiled.iter().all(|&count| count >= 3), "{tiled:?} of 12");
}

const HALVING: Window = Window {
    size: [2, 2],
    strides: [2, 2],
    dilation: [1, 1],
    padding: [(0, 0); 2],
};

#[test]
fn a_convolution_with_pooling_is_what_the_reference_says() {
    let mut random = Random(3);
    for _ in 0..40 {
        let channels = random.pick(&[1, 3, 16]);
        let input = shape(random.between(2, 13), random.between(2, 13), channels);
        let (mut builder, value) = Builder::new(input).unwrap();
        let filters = random.pick(&[5, 16, 24, 40, 60, 64]);
        let mut conv = conv(&mut random, input, filters, 1);
        conv.window.strides = [1, 1];
        let between = builder.conv2d(value, conv).unwrap();
        let pool = Pool2d {
            pooling: random.pick(&[Pooling::Max, Pooling::Average]),
            window: HALVING,
        };
        if let Ok(output) = builder.pool2d(between, pool) {
            check(&builder, output, &mut random);
        }
    }
}

#[test]
fn a_depthwise_convolution_is_what_the_reference_says() {
    let mut random = Random(4);
    for _ in 0..40 {
        let channels = random.pick(&[1, 3, 8, 16, 20, 33]);
        let input = shape(random.between(1, 12), random.between(1, 12), channels);
        let (mut builder, value) = Builder::new(input).unwrap();
        let window = random.window(input, true);
        let filters = channels * random.pick(&[1, 1, 2]);
        let depthwise = DepthwiseConv2d {
            window,
            kernel: Arc::new(random.values(window.size[0] * window.size[1] * filters)),
            bias: Arc::new(random.values(filters)),
            activation: random.activation(),
        };
        let output = builder.depthwise_conv2d(value, depthwise).unwrap();
        check(&builder, output, &mut random);
    }
}

#[test]
fn a_depthwise_convolution_of_the_usual_widths_is_what_the_reference_says() {
    let mut random = Random(10);
    for (wide, stride) in [(3, 1), (3, 2), (5, 1), (5, 2), (4, 1)] {
        for width in [1, 3, 4, 5, 9] {
            let channels = random.pick(&[8, 16, 20, 33]);
            let before = random.below(wide.min(3));
            // So many columns that the result has `width` of them.
            let columns = (width - 1) * stride + wide - before;
            let input = shape(random.between(3, 6), columns, channels);
            let (mut builder, value) = Builder::new(input).unwrap();
            let depthwise = DepthwiseConv2d {
                window: Window {
                    size: [3, wide],
                    strides: [1, stride],
                    dilation: [1, 1],
                    padding: [(1, 0), (before, 0)],
                },
                kernel: Arc::new(random.values(3 * wide * channels)),
                bias: Arc::new(random.values(channels)),
                activation: random.activation(),
            };
            let output = builder.depthwise_conv2d(value, depthwise).unwrap();
            check(&builder, output, &mut random);
        }
    }
}

#[test]
fn pooling_is_what_the_reference_says() {
    let mut random = Random(5);
    for _ in 0..40 {
        let channels = random.pick(&[1, 3, 16, 20, 64]);
        let input = shape(random.between(1, 12), random.between(1, 12), channels);
        let (mut builder, value) = Builder::new(input).unwrap();
        let pooling = random.pick(&[Pooling::Max, Pooling::Average]);
        let output = if random.below(4) == 0 {
            builder.global_pool(value, pooling).unwrap()
        } else {
            let window = random.window(input, false);
            builder.pool2d(value, Pool2d { pooling, window }).unwrap()
        };
        check(&builder, output, &mut random);
    }
}

#[test]
fn a_dense_layer_is_what_the_reference_says() {
    let mut random = Random(6);
    for _ in 0..40 {
        let inputs = random.pick(&[1, 5, 64, 300, 784]);
        let units = random.pick(&[1, 7, 10, 16, 24, 60, 64, 100, 130]);
        let (mut builder, value) = Builder::new(Shape::vector(inputs)).unwrap();
        let kernel = Arc::new(random.values(inputs * units));
        let bias = Arc::new(random.values(units));
        let activation = random.activation();
        let value = builder.dense(value, kernel, bias, activation).unwrap();
        let output = builder.softmax(value).unwrap();
        check(&builder, output, &mut random);
    }
}

#[test]
fn every_activation_is_what_the_reference_says() {
    for activation in ALL {
        for isa in Isa::all() {
            let inputs: Vec<f32> = (-4000..=4000).map(|n| n as f32 / 100.0).collect();
            let mut found = inputs.clone();
            activation.apply(isa, &mut found);
            for (x, found) in inputs.iter().zip(found) {
                let expected = reference::activate(activation, f64::from(*x));
                let error = (f64::from(found) - expected).abs() / expected.abs().max(1.0);
                assert!(
                    error < 1e-6,
                    "{activation:?}({x}) on {isa:?}: {found}, {expected}"
                );
            }
        }
    }
}

/// A graph in which every operation reads something that any other may have made.
#[test]
fn a_random_graph_is_what_the_reference_says() {
    let mut random = Random(7);
    for _ in 0..100 {
        let channels = random.pick(&[1, 3, 8, 17]);
        // Small ones soon have a single pixel, which is a vector but for its border.
        let input = shape(random.between(1, 9), random.between(1, 9), channels);
        let (mut builder, value) = Builder::new(input).unwrap();
        let mut values = vec![value];
        for _ in 0..random.between(1, 8) {
            let value = random.pick(&values);
            values.extend(grow(&mut builder, value, &values, &mut random));
        }
        let last = *values.last().unwrap();
        let output = match random.below(3) {
            0 => {
                let flat = Shape::vector(builder.shape(last).values());
                let flat = builder.reshape(last, flat).unwrap();
                let kernel = Arc::new(random.values(10 * builder.shape(flat).channels));
                let bias = Arc::new(random.values(10));
                builder.dense(flat, kernel, bias, Activation::RELU).unwrap()
            }
            1 => {
                let flat = Shape::vector(builder.shape(last).values());
                builder.reshape(last, flat).unwrap()
            }
            _ => last,
        };
        check(&builder, output, &mut random);
    }
}

/// Adds one operation that reads `value`, if the shapes allow it.
fn grow(
    builder: &mut Builder,
    value: Value,
    values: &[Value],
    random: &mut Random,
) -> Option<Value> {
    let input = builder.shape(value);
    let other = random.pick(values);
    let made = match random.below(10) {
        0 | 1 => {
            let filters = random.pick(&[4, 8, 17]);
            let mut conv = conv(random, input, filters, 1);
            if random.below(2) == 0 {
                conv.window = Window {
                    size: [3, 3],
                    strides: [1, 1],
                    dilation: [1, 1],
                    padding: [(1, 1); 2],
                };
                conv.kernel = Arc::new(random.values(9 * input.channels * filters));
            }
            builder.conv2d(value, conv)
        }
        2 => {
            let window = random.window(input, true);
            let depthwise = DepthwiseConv2d {
                window,
                kernel: Arc::new(random.values(window.size[0] * window.size[1] * input.channels)),
                bias: Arc::new(random.values(input.channels)),
                activation: random.activation(),
            };
            builder.depthwise_conv2d(value, depthwise)
        }
        3 => {
            let window = random.window(input, false);
            let pooling = random.pick(&[Pooling::Max, Pooling::Average]);
            builder.pool2d(value, Pool2d { pooling, window })
        }
        4 => builder.add(value, other, random.activation()),
        5 => {
            let pixel = builder.global_pool(value, Pooling::Average).ok()?;
            builder.multiply(value, pixel, random.activation())
        }
        6 => {
            let scale = random.values(input.channels);
            let offset = random.values(1);
            builder.affine(value, scale, offset, random.activation())
        }
        7 => builder.concat(&[value, other, value]),
        8 => {
            let padding = [(1, 0), (random.below(3), 2)];
            builder.zero_pad(value, padding)
        }
        _ => builder.activation(value, Activation::Tanh),
    };
    made.ok()
}

#[test]
fn a_pixel_that_is_read_with_a_border_is_what_the_reference_says() {
    let mut random = Random(10);
    let input = shape(1, 1, 8);
    let (mut builder, value) = Builder::new(input).unwrap();
    let kernel = Arc::new(random.values(8 * 8));
    let bias = Arc::new(random.values(8));
    let value = builder
        .dense(value, kernel, bias, Activation::RELU)
        .unwrap();
    let mut last = conv(&mut random, input, 5, 1);
    last.window = padded(3, 1);
    last.kernel = Arc::new(random.values(9 * 8 * 5));
    let output = builder.conv2d(value, last).unwrap();
    check(&builder, output, &mut random);
}

fn padded(size: usize, stride: usize) -> Window {
    Window {
        size: [size; 2],
        strides: [stride; 2],
        dilation: [1; 2],
        padding: [(size / 2, size / 2); 2],
    }
}

#[test]
fn products_with_padding_are_left_out_and_nothing_else() {
    let mut random = Random(11);
    let cases = [
        // Size, stride, groups, dilation, padding.
        [3, 2, 1, 1, 1],
        [5, 1, 1, 1, 2],
        [5, 3, 2, 1, 2],
        [3, 1, 1, 2, 2],
        [3, 1, 1, 4, 4],
        // Some windows lie wholly in the padding.
        [2, 1, 1, 1, 4],
        [2, 1, 4, 1, 4],
    ];
    for [size, stride, groups, dilation, padding] in cases {
        let input = shape(random.between(4, 6), random.between(4, 6), 8);
        let (mut builder, value) = Builder::new(input).unwrap();
        let mut conv = conv(&mut random, input, 24, groups);
        conv.window = Window {
            size: [size; 2],
            strides: [stride; 2],
            dilation: [dilation; 2],
            padding: [(padding, padding); 2],
        };
        conv.kernel = Arc::new(random.values(size * size * 8 / groups * 24));
        let output = builder.conv2d(value, conv).unwrap();
        check(&builder, output, &mut random);
        let steps = builder.clone().build(output).unwrap().steps;
        let in_parts = |step: &Step| match &step.kernel {
            Kernel::Multiply { walk, .. } => !walk.parts.is_empty(),
            _ => false,
        };
        let used = steps.iter().any(in_parts);
        assert!(used, "{size}, {stride}, {groups}, {dilation}, {padding}");
    }
}

#[test]
fn a_program_answers_alike_whatever_the_batch() {
    let mut random = Random(8);
    let input = shape(28, 28, 3);
    let (mut builder, value) = Builder::new(input).unwrap();
    let mut first = conv(&mut random, input, 40, 1);
    first.activation = Activation::RELU;
    let value = builder.conv2d(value, first).unwrap();
    let between = builder.shape(value);
    let mut second = conv(&mut random, between, 24, 1);
    second.window = padded(3, 2);
    second.kernel = Arc::new(random.values(9 * 40 * 24));
    let output = builder.conv2d(value, second).unwrap();
    let program = builder.build(output).unwrap();
    let batch = 70;
    let inputs = random.values(batch * program.input_len());
    let mut together = vec![0.0; batch * program.output_len()];
    program.run(&inputs, batch, &mut together);
    let mut alone = vec![0.0; program.output_len()];
    for (input, together) in inputs
        .chunks(program.input_len())
        .zip(together.chunks(program.output_len()))
    {
        program.run(input, 1, &mut alone);
        assert_eq!(alone, together);
    }
}

#[test]
fn borders_of_two_readers_take_no_more_than_each_alone() {
    for far in [1 << 11, 1 << 13] {
        let (mut builder, value) = Builder::new(shape(1, 1, 2)).unwrap();
        let value = builder.activation(value, Activation::Tanh).unwrap();
        let mut read = |axis: usize| {
            let mut window = padded(1, 1);
            window.size[axis] = 3;
            window.dilation[axis] = far;
            window.padding[axis] = (far, far);
            let depthwise = DepthwiseConv2d {
                window,
                kernel: Arc::new(vec![1.0; 6]),
                bias: Arc::new(vec![1.0; 2]),
                activation: Activation::LINEAR,
            };
            builder.depthwise_conv2d(value, depthwise).unwrap()
        };
        let [down, right] = [read(0), read(1)];
        let output = builder.add(down, right, Activation::LINEAR).unwrap();
        let workspace = builder.build(output).unwrap().workspace;
        assert!(workspace < 20 * far, "{workspace} for {far}");
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let (mut builder, value) = Builder::new(shape(4, 4, 2)).unwrap();
    let weights = |len: usize| Arc::new(vec![1.0; len]);
    let dense = builder.dense(value, weights(5), weights(3), Activation::LINEAR);
    assert!(dense.is_err());
    assert!(builder.zero_pad(value, [(usize::MAX, 1), (0, 0)]).is_err());
    assert!(
        builder
            .affine(value, vec![1.0; 3], vec![1.0], Activation::RELU)
            .is_err()
    );
    let window = Window {
        size: [5, 1],
        strides: [1, 0],
        dilation: [1, 1],
        padding: [(0, 0); 2],
    };
    let pool = Pool2d {
        pooling: Pooling::Max,
        window,
    };
    assert!(builder.pool2d(value, pool).is_err());
    assert!(Builder::new(shape(1 << 20, 1 << 20, 1 << 30)).is_err());
}
