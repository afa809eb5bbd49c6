//! Networks over pictures, with branches and transposed convolutions.

use kiln::description::{
    Activation, ActivationLayer, Concatenate, Conv2D, Conv2DTranspose, DataFormat, Layer, Merge,
    MergeOp, PReLU, Pad, Padding, Pool, Pooling2D, Reduce, Reduction, Rescaling, Reshape,
};
use kiln::network::{Backend, Network};

use crate::support::{
    FORMATS, Maker, Random, assert_all_agree, batch_normalization, convolution, dense, pooling,
};

#[test]
fn pictures_in_either_data_format_are_the_same_optimized_fused_and_plain() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let format = FORMATS[seed as usize % 2];
        let channels = random.between(1, 6);
        let size = [random.between(8, 14), random.between(8, 14)];
        let mut maker = Maker::new(seed, &format.join(size, channels));
        let channel_axis = format.channel_axis(3);
        for _ in 0..random.between(1, 5) {
            let last = maker.nodes.len() - 1;
            let (_, channels) = format.split::<2>(maker.shape(last)).unwrap();
            let layer = match random.between(0, 9) {
                0 => pooling(&mut random, format),
                1 => batch_normalization(channel_axis),
                2 => Layer::Activation(ActivationLayer {
                    activation: random.one_of(&[Activation::Relu, Activation::Softmax]),
                }),
                3 => {
                    let mut amounts = vec![[0, 0]; 3];
                    for axis in format.spatial_axes(3) {
                        amounts[axis] = [random.between(0, 2), random.between(0, 2)];
                    }
                    Layer::Pad(Pad { amounts })
                }
                4 => Layer::PReLU(PReLU {
                    shared_axes: format.spatial_axes(3),
                }),
                5 => Layer::Rescaling(Rescaling {
                    scale: vec![0.7],
                    offset: vec![random.one_of(&[0.0, 0.2])],
                }),
                _ => convolution(&mut random, channels, format),
            };
            // A window may be larger than what is left.
            if layer.output_shape(&[maker.shape(last)]).is_ok() {
                maker.then(layer);
            }
        }
        if random.between(0, 1) == 0 {
            maker.then(Layer::Reduce(Reduce {
                kind: random.one_of(&[Reduction::Mean, Reduction::Max]),
                axes: format.spatial_axes(3),
                keepdims: false,
            }));
        } else {
            let len = maker.shape(maker.nodes.len() - 1).iter().product();
            maker.then(Layer::Reshape(Reshape { target: vec![len] }));
        }
        maker.then(batch_normalization(0));
        maker.then(dense(6, Activation::Relu));
        maker.then(batch_normalization(0));
        maker.then(dense(3, Activation::Softmax));
        assert_all_agree(&maker.model(), &mut random);
    }
}

#[test]
fn branches_are_the_same_optimized_fused_and_plain() {
    let ops = [
        MergeOp::Add,
        MergeOp::Subtract,
        MergeOp::Multiply,
        MergeOp::Average,
        MergeOp::Maximum,
        MergeOp::Minimum,
    ];
    for seed in 0..40 {
        let mut random = Random(seed);
        let format = random.one_of(&FORMATS);
        let mut maker = Maker::new(seed, &format.join([6, 5], 3));
        let same = |activation| {
            Layer::Conv2D(Conv2D {
                filters: 3,
                kernel_size: [3, 3],
                strides: [1, 1],
                dilation_rate: [1, 1],
                groups: 1,
                padding: Padding::Same,
                data_format: format,
                use_bias: true,
                activation,
            })
        };
        let mut open = 0;
        for _ in 0..random.between(1, 4) {
            // A residual block, with normalization here and there.
            let a = maker.add(same(Activation::Linear), &[open]);
            let a = maker.add(batch_normalization(format.channel_axis(3)), &[a]);
            let b = match random.between(0, 2) {
                0 => open,
                1 => maker.add(same(Activation::Relu), &[open]),
                _ => maker.add(
                    Layer::Reduce(Reduce {
                        kind: Reduction::Mean,
                        axes: format.spatial_axes(3),
                        keepdims: true,
                    }),
                    &[open],
                ),
            };
            let op = random.one_of(&ops);
            let merged = maker.add(Layer::Merge(Merge { op }), &[a, b]);
            open = maker.add(
                Layer::Activation(ActivationLayer {
                    activation: Activation::Relu,
                }),
                &[merged],
            );
        }
        let joined = maker.add(
            Layer::Concatenate(Concatenate {
                axis: random.between(0, 2),
            }),
            &[open, 0, open],
        );
        let global = Layer::Reduce(Reduce {
            kind: Reduction::Max,
            axes: format.spatial_axes(3),
            keepdims: false,
        });
        maker.add(global, &[joined]);
        maker.then(dense(4, Activation::Linear));
        assert_all_agree(&maker.model(), &mut random);
    }
}

/// Strides, dilation, where it begins, and size.
fn transposed(
    strides: [usize; 2],
    dilation_rate: [usize; 2],
    begin: [usize; 2],
    size: [usize; 2],
) -> Layer {
    Layer::Conv2DTranspose(Conv2DTranspose {
        filters: 2,
        kernel_size: [3, 2],
        strides,
        dilation_rate,
        begin,
        size,
        data_format: DataFormat::ChannelsLast,
        use_bias: true,
        activation: Activation::Relu,
    })
}

#[test]
fn every_transposed_convolution_is_the_same_optimized_fused_and_plain() {
    let layers = [
        transposed([2, 3], [1, 1], [0, 0], [9, 12]),
        transposed([2, 3], [1, 1], [1, 1], [9, 12]),
        // Longer than what the pixels reach.
        transposed([2, 3], [1, 1], [0, 0], [12, 12]),
        transposed([2, 3], [1, 2], [1, 1], [9, 12]),
        // Ends before the last pixel.
        transposed([2, 2], [1, 1], [1, 1], [7, 3]),
        // All taps of a row, or none, are on pixels.
        transposed([4, 2], [2, 2], [0, 0], [18, 7]),
        // With strides of 1 it is a convolution.
        transposed([1, 1], [2, 1], [1, 0], [8, 4]),
    ];
    for (seed, mut layer) in layers.into_iter().enumerate() {
        for (format, shape) in FORMATS.into_iter().zip([[5, 3, 4], [4, 5, 3]]) {
            if let Layer::Conv2DTranspose(Conv2DTranspose { data_format, .. }) = &mut layer {
                *data_format = format;
            }
            let mut maker = Maker::new(seed as u64, &shape);
            maker.then(layer.clone());
            let model = maker.model();
            assert_all_agree(&model, &mut Random(seed as u64));
            let network = Network::new(model, Backend::Flex).unwrap();
            let mut steps = network.plan().steps.iter();
            assert!(steps.any(|step| step.is_fused), "layer {seed} has a kernel");
        }
    }
}

#[test]
fn what_stands_around_a_transposed_convolution_gives_what_it_gave() {
    let shift = || {
        Layer::Rescaling(Rescaling {
            scale: vec![2.0],
            offset: vec![-1.0],
        })
    };
    let pad = || {
        Layer::Pad(Pad {
            amounts: vec![[1, 0], [2, 1], [0, 0]],
        })
    };
    let halve = || {
        Layer::Pooling2D(Pooling2D {
            kind: Pool::Max,
            pool_size: [2, 2],
            strides: [2, 2],
            padding: Padding::Valid,
            data_format: DataFormat::ChannelsLast,
        })
    };
    // Every pixel of the input is one of the result, with the bias between them: no padding, and yet zeros.
    let alone = |size| {
        Layer::Conv2DTranspose(Conv2DTranspose {
            filters: 2,
            kernel_size: [1, 1],
            strides: [2, 2],
            dilation_rate: [1, 1],
            begin: [0, 0],
            size,
            data_format: DataFormat::ChannelsLast,
            use_bias: true,
            activation: Activation::Linear,
        })
    };
    let relu = || {
        Layer::Activation(ActivationLayer {
            activation: Activation::Relu,
        })
    };
    let networks = [
        vec![shift(), alone([9, 5])],
        vec![pad(), transposed([2, 2], [1, 1], [1, 1], [12, 12])],
        vec![transposed([2, 2], [1, 1], [0, 0], [11, 6]), halve()],
        vec![alone([9, 5]), batch_normalization(2), relu(), shift()],
    ];
    for (seed, layers) in networks.into_iter().enumerate() {
        let mut maker = Maker::new(seed as u64, &[5, 3, 4]);
        for layer in layers {
            maker.then(layer);
        }
        assert_all_agree(&maker.model(), &mut Random(seed as u64));
    }
}
