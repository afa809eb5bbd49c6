//! Kernels one after the other, and how they are planned.

use std::sync::Arc;

use super::{Random, check, conv, depthwise, padded, shape};
use crate::network::kernels::operation::{
    Attention, Conv2d, DepthwiseConv2d, Pool2d, Pooling, Shape, Window,
};
use crate::network::kernels::program::{Call, Kernel};
use crate::network::kernels::{Activation, Builder, Statistics, Value};

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
    let made = match random.below(15) {
        0 | 1 => {
            let filters = random.pick(&[4, 8, 17]);
            let window = match random.below(2) {
                0 => padded(3, 1),
                _ => random.window(input, true),
            };
            let conv = conv(random, window, [input.channels, filters], 1);
            builder.conv2d(value, conv)
        }
        2 => {
            let window = random.window(input, true);
            let depthwise = depthwise(random, window, input.channels);
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
            let row = input.width * input.channels;
            let len = random.pick(&[1, input.channels, row, input.height * row]);
            builder.prelu(value, random.values(len))
        }
        9 => {
            let by = [
                Statistics::MeanAndVariance,
                Statistics::Variance,
                Statistics::MeanSquare,
            ];
            builder.normalize(value, random.pick(&by), 0.1)
        }
        10 => {
            // A sequence of pixels, which what comes next sees as a picture again.
            let steps = shape(1, input.height * input.width, input.channels);
            let sequence = builder.reshape(value, steps).ok()?;
            let options = Attention {
                heads: 1,
                scale: 0.5,
                causal: random.below(2) == 0,
            };
            let query = match random.below(2) {
                0 => sequence,
                _ => builder.activation(sequence, Activation::Tanh).ok()?,
            };
            let attended = builder
                .attention([query, sequence, sequence], options)
                .ok()?;
            match random.below(2) {
                0 => Ok(attended),
                _ => builder.reshape(attended, input),
            }
        }
        11 => {
            let padding = [(1, 0), (random.below(3), 2)];
            builder.zero_pad(value, padding)
        }
        12 => {
            let times = [random.between(1, 3), random.between(1, 2)];
            // What grows soon takes all the time.
            match input.values() {
                ..2000 => builder.upsample(value, times),
                _ => return None,
            }
        }
        13 => {
            let filters = random.pick(&[4, 8, 17]);
            let conv = Conv2d {
                input_dilation: [random.between(1, 2), random.between(1, 3)],
                ..conv(random, padded(3, 1), [input.channels, filters], 1)
            };
            match input.values() {
                ..2000 => builder.conv2d(value, conv),
                _ => return None,
            }
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
    let last = conv(&mut random, padded(3, 1), [8, 5], 1);
    let output = builder.conv2d(value, last).unwrap();
    check(&builder, output, &mut random);
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
        let window = Window {
            size: [size; 2],
            strides: [stride; 2],
            dilation: [dilation; 2],
            padding: [(padding, padding); 2],
        };
        let conv = conv(&mut random, window, [8, 24], groups);
        let output = builder.conv2d(value, conv).unwrap();
        check(&builder, output, &mut random);
        let calls = builder.clone().build(output).unwrap().calls;
        let in_parts = |call: &Call| match &call.kernel {
            Kernel::Gemm { walk, .. } => !walk.parts.is_empty(),
            _ => false,
        };
        let used = calls.iter().any(in_parts);
        assert!(used, "{size}, {stride}, {groups}, {dilation}, {padding}");
    }
}

#[test]
fn a_program_answers_alike_whatever_the_batch() {
    let mut random = Random(8);
    let input = shape(28, 28, 3);
    let (mut builder, value) = Builder::new(input).unwrap();
    let window = random.window(input, true);
    let mut first = conv(&mut random, window, [3, 40], 1);
    first.activation = Activation::RELU;
    let value = builder.conv2d(value, first).unwrap();
    let second = conv(&mut random, padded(3, 2), [40, 24], 1);
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
    assert!(builder.upsample(value, [usize::MAX, 1]).is_err());
}

#[test]
fn strides_that_would_take_a_list_of_pixels_for_each_pixel_are_refused() {
    for (stride, is_refused) in [(32, false), (33, true)] {
        let (mut builder, value) = Builder::new(shape(1, 1, 1)).unwrap();
        let window = Window {
            padding: [(0, stride - 1); 2],
            ..padded(1, 1)
        };
        let conv = Conv2d {
            input_dilation: [stride; 2],
            ..conv(&mut Random(1), window, [1, 1], 1)
        };
        let large = builder.conv2d(value, conv);
        assert_eq!(large.is_err(), is_refused, "{stride}");
        if let Ok(large) = large {
            assert_eq!(builder.shape(large), shape(stride, stride, 1));
            assert!(builder.build(large).is_ok(), "{stride}");
        }
    }
}
