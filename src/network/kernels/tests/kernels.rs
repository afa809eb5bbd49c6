//! Each kernel by itself.

use std::sync::Arc;

use super::{ALL, HALVING, Random, check, conv, depthwise, padded, shape};
use crate::network::kernels::operation::{Attention, Conv2d, Pool2d, Pooling, Shape, Window};
use crate::network::kernels::program::{Call, Kernel};
use crate::network::kernels::simd::Isa;
use crate::network::kernels::{
    Activation, Builder, Cell, Outputs, Recurrent, Statistics, Value, reference,
};

#[test]
fn a_convolution_is_what_the_reference_says() {
    let mut random = Random(1);
    for _ in 0..60 {
        let channels = random.pick(&[1, 2, 3, 4, 7, 16, 20]);
        let input = shape(random.between(1, 12), random.between(1, 12), channels);
        let (mut builder, value) = Builder::new(input).unwrap();
        let filters = random.pick(&[1, 3, 8, 10, 16, 17, 24, 40, 60, 64, 90]);
        let window = random.window(input, true);
        let conv = conv(&mut random, window, [channels, filters], 1);
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
        let window = random.window(input, true);
        let conv = conv(&mut random, window, [channels, filters], groups);
        let output = builder.conv2d(value, conv).unwrap();
        check(&builder, output, &mut random);
    }
}

#[test]
fn a_convolution_over_a_dilated_input_is_what_the_reference_says() {
    let mut random = Random(15);
    let mut checked = 0;
    for _ in 0..40 {
        let channels = random.pick(&[1, 3, 8, 20]);
        let input = shape(random.between(1, 6), random.between(1, 6), channels);
        let (mut builder, value) = Builder::new(input).unwrap();
        // A layer before it leaves a border for it, or a wider one for another reader.
        let before = random.below(3);
        let value = match before {
            0 => value,
            _ => builder.activation(value, Activation::Tanh).unwrap(),
        };
        let window = Window {
            size: [random.between(1, 5), random.between(1, 5)],
            strides: [1, 1],
            dilation: [random.between(1, 3), random.between(1, 2)],
            padding: [0, 1].map(|_| (random.between(3, 13), random.between(3, 7))),
        };
        let filters = random.pick(&[1, 8, 17, 40]);
        let conv = Conv2d {
            input_dilation: [random.between(1, 4), random.between(2, 3)],
            ..conv(&mut random, window, [channels, filters], 1)
        };
        let Ok(mut output) = builder.conv2d(value, conv) else {
            // Its window does not fit.
            continue;
        };
        checked += 1;
        if before == 2 {
            let around = super::conv(&mut random, padded(5, 1), [channels, 4], 1);
            let other = builder.conv2d(value, around).unwrap();
            let other = builder.global_pool(other, Pooling::Max).unwrap();
            let means = builder.global_pool(output, Pooling::Average).unwrap();
            output = builder.concat(&[other, means]).unwrap();
        }
        check(&builder, output, &mut random);
    }
    assert!(checked > 30, "{checked}");
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
        let window = Window {
            padding: random.pick(&[[(0, 0); 2], [(1, 1); 2], [(0, 1), (2, 1)]]),
            ..padded(3, 1)
        };
        let conv = conv(&mut random, window, [channels, filters], 1);
        let output = builder.conv2d(value, conv).unwrap();
        check(&builder, output, &mut random);
        for (isa, tiled) in Isa::all().into_iter().zip(&mut tiled) {
            let calls = builder.clone().build_for(output, isa).unwrap().calls;
            let is_tiled = |call: &Call| matches!(call.kernel, Kernel::Winograd(_));
            *tiled += i32::from(calls.iter().any(is_tiled));
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

#[test]
fn a_convolution_with_pooling_is_what_the_reference_says() {
    let mut random = Random(3);
    for _ in 0..40 {
        let channels = random.pick(&[1, 3, 16]);
        let input = shape(random.between(2, 13), random.between(2, 13), channels);
        let (mut builder, value) = Builder::new(input).unwrap();
        let filters = random.pick(&[5, 16, 24, 40, 60, 64]);
        let window = Window {
            strides: [1, 1],
            ..random.window(input, true)
        };
        let conv = conv(&mut random, window, [channels, filters], 1);
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
fn a_recurrent_layer_is_what_the_reference_says() {
    let mut random = Random(12);
    for case in 0..60 {
        let (units, features) = (random.pick(&[1, 5, 16, 33, 64]), random.between(1, 20));
        let cell = [Cell::Simple, Cell::Lstm, Cell::Gru][case % 3];
        let gates = [1, 4, 3][case % 3];
        let mut weights = |rows: usize| {
            let mut values = random.values(rows * gates * units);
            values
                .iter_mut()
                .for_each(|value| *value /= (rows as f32).sqrt());
            values
        };
        let layer = Recurrent {
            cell,
            units,
            kernel: Arc::new(weights(features)),
            recurrent_kernel: Arc::new(weights(units)),
            bias: weights(1),
            recurrent_bias: weights(1),
            activation: random.pick(&[Activation::Tanh, Activation::RELU, Activation::Softsign]),
            recurrent_activation: random.pick(&[Activation::Sigmoid, Activation::HardSigmoid]),
            backwards: random.below(2) == 0,
            outputs: random.pick(&[Outputs::Last, Outputs::AsMade, Outputs::Reversed]),
        };
        let steps = random.between(1, 6);
        let (mut builder, value) = Builder::new(shape(1, steps, features)).unwrap();
        let value = builder.recurrent(value, layer).unwrap();
        // Which reads it with a border.
        let mut window = padded(1, 1);
        (window.size[1], window.padding[1]) = (3, (1, 1));
        let conv = conv(&mut random, window, [units, 7], 1);
        let output = match random.below(2) {
            0 => builder.conv2d(value, conv).unwrap(),
            _ => value,
        };
        check(&builder, output, &mut random);
    }
}

#[test]
fn attention_is_what_the_reference_says() {
    let mut random = Random(14);
    for _ in 0..20 {
        let heads = random.between(1, 3);
        let [depth, width] = [0; 2].map(|_| random.pick(&[1, 3, 8, 16, 17, 40]));
        let (queries, keys) = (random.between(1, 14), random.between(1, 40));
        let (mut builder, value) = Builder::new(shape(1, queries, 5)).unwrap();
        let mut dense = |input: Value, units: usize| {
            let channels = builder.shape(input).channels;
            let kernel = Arc::new(random.values(channels * units));
            let bias = Arc::new(random.values(units));
            builder
                .dense(input, kernel, bias, Activation::LINEAR)
                .unwrap()
        };
        let query = dense(value, heads * depth);
        let flat = dense(value, 5);
        let flat = builder.reshape(flat, Shape::vector(5 * queries)).unwrap();
        let mut steps = |units: usize| {
            let len = 5 * queries * keys * units;
            let kernel = Arc::new(random.values(len));
            let bias = Arc::new(random.values(keys * units));
            let steps = builder.dense(flat, kernel, bias, Activation::Tanh).unwrap();
            builder.reshape(steps, shape(1, keys, units)).unwrap()
        };
        let key = steps(heads * depth);
        let value = steps(heads * width);
        let options = Attention {
            heads,
            scale: random.pick(&[0.2, 1.0, 0.0, -1.0]),
            causal: random.below(2) == 0,
        };
        let output = builder.attention([query, key, value], options).unwrap();
        check(&builder, output, &mut random);
    }
}

#[test]
fn scores_too_large_for_their_powers_are_no_trouble() {
    let (mut builder, value) = Builder::new(shape(1, 3, 1)).unwrap();
    let inputs = [value; 3];
    let options = Attention {
        heads: 1,
        scale: 1e20,
        causal: true,
    };
    let output = builder.attention(inputs, options).unwrap();
    for isa in Isa::all() {
        let program = builder.clone().build_for(output, isa).unwrap();
        let mut found = [0.0; 3];
        program.run(&[-1.0, 2.0, 3e8], 1, &mut found);
        assert_eq!(found, [-1.0, 2.0, 3e8], "{isa:?}");
    }
}

#[test]
fn attention_to_more_than_a_thread_may_keep_is_refused() {
    let (mut builder, value) = Builder::new(shape(1, 1 << 16, 64)).unwrap();
    let inputs = [value; 3];
    for heads in [1, 5, 0] {
        let options = Attention {
            heads,
            scale: 1.0,
            causal: false,
        };
        assert!(builder.attention(inputs, options).is_err(), "{heads}");
    }
}

#[test]
fn a_kept_state_is_not_lost_beside_a_large_candidate() {
    let layer = Recurrent {
        cell: Cell::Gru,
        units: 1,
        activation: Activation::RELU,
        recurrent_activation: Activation::HardSigmoid,
        // The first value of a step says whether to keep, the second one is the candidate.
        kernel: Arc::new(vec![3.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
        recurrent_kernel: Arc::new(vec![0.0; 3]),
        bias: vec![0.0; 3],
        recurrent_bias: vec![0.0; 3],
        backwards: false,
        outputs: Outputs::Last,
    };
    let (mut builder, value) = Builder::new(shape(1, 2, 2)).unwrap();
    let output = builder.recurrent(value, layer).unwrap();
    for isa in Isa::all() {
        let program = builder.clone().build_for(output, isa).unwrap();
        let mut kept = [0.0];
        program.run(&[-1.0, 0.3, 1.0, 1e7], 1, &mut kept);
        assert_eq!(kept, [0.3], "{isa:?}");
    }
}

#[test]
fn what_many_values_are_normalized_by_is_not_lost_in_their_sum() {
    let mut random = Random(13);
    let (mut builder, value) = Builder::new(shape(1, 1, 1 << 19)).unwrap();
    let (scale, offset) = (vec![1.0], vec![10.0]);
    let value = builder.affine(value, scale, offset, Activation::LINEAR);
    let by = Statistics::MeanAndVariance;
    let output = builder.normalize(value.unwrap(), by, 1e-3).unwrap();
    check(&builder, output, &mut random);
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
        let depthwise = depthwise(&mut random, window, filters);
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
            let window = Window {
                size: [3, wide],
                strides: [1, stride],
                dilation: [1, 1],
                padding: [(1, 0), (before, 0)],
            };
            let depthwise = depthwise(&mut random, window, channels);
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
