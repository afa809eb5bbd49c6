//! Whatever the graph compiler and the fused kernels do, a network answers as its layers say.

use std::fmt::Debug;

use kiln::description::{
    self, Activation, ActivationLayer, Attention, BatchNormalization, Bidirectional,
    BidirectionalMerge, Cell, Concatenate, Conv2D, Conv2DTranspose, DataFormat, Dense, Description,
    Embedding, GroupNormalization, Interpolation, Layer, LayerNormalization, Merge, MergeConstant,
    MergeOp, Model, Node, Normalization, PReLU, Pad, Padding, Permute, Pool, Pooling2D, Recurrent,
    Reduce, Reduction, Rescaling, Reshape, Resize2D, Slice, Softmax, Statistics, StridedSlice,
    Summary, TimeDistributed, UnitNormalization, Weight,
};
use kiln::network::{Backend, Network, Options};

const FORMATS: [DataFormat; 2] = [DataFormat::ChannelsLast, DataFormat::ChannelsFirst];

/// Numbers that look random and are the same every time (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From `low` on, up to `high` and no further.
    fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.next() as usize % (high - low + 1)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.between(0, all.len() - 1)]
    }

    /// From -1 to 1.
    fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.value()).collect()
    }
}

/// A model that grows layer by layer.
struct Maker {
    random: Random,
    nodes: Vec<Node>,
}

impl Maker {
    fn new(seed: u64, input: &[usize]) -> Self {
        let mut maker = Self {
            random: Random(seed),
            nodes: Vec::new(),
        };
        maker.push(Layer::Input, vec![], input.to_vec());
        maker
    }

    fn push(&mut self, layer: Layer, inputs: Vec<usize>, output_shape: Vec<usize>) -> usize {
        let weights = {
            let shapes: Vec<&[usize]> = inputs.iter().map(|&from| self.shape(from)).collect();
            layer.weight_specs(&shapes)
        };
        let weights = weights.into_iter().map(|spec| {
            let count: usize = spec.shape.iter().product();
            let last = spec.shape.last().copied().unwrap_or(1);
            let spread = 1.0 / ((count / last) as f32).sqrt();
            let values = (0..count).map(|_| match spec.name {
                "variance" | "moving_variance" => 1.25 + self.random.value(),
                "kernel" | "recurrent_kernel" => self.random.value() * spread,
                _ => self.random.value(),
            });
            Weight {
                name: spec.name,
                values: values.collect(),
                shape: spec.shape,
            }
        });
        let weights = weights.collect();
        self.nodes.push(Node {
            name: format!("layer_{}", self.nodes.len()),
            class: "Layer".to_owned(),
            layer,
            inputs,
            output_shape,
            weights_of: None,
            weights,
        });
        self.nodes.len() - 1
    }

    /// Adds a layer and gives its number.
    fn add(&mut self, layer: Layer, inputs: &[usize]) -> usize {
        let shapes: Vec<&[usize]> = inputs.iter().map(|&from| self.shape(from)).collect();
        let shape = layer.output_shape(&shapes).unwrap();
        self.push(layer, inputs.to_vec(), shape)
    }

    /// Adds a layer behind the last one.
    fn then(&mut self, layer: Layer) -> usize {
        self.add(layer, &[self.nodes.len() - 1])
    }

    fn shape(&self, node: usize) -> &[usize] {
        &self.nodes[node].output_shape
    }

    fn model(self) -> Model {
        Model::new(Description {
            name: "made for a test".to_owned(),
            keras_version: "3".to_owned(),
            nodes: self.nodes,
            summary: Summary::default(),
        })
        .unwrap()
    }
}

fn dense(units: usize, activation: Activation) -> Layer {
    Layer::Dense(Dense {
        units,
        use_bias: true,
        activation,
    })
}

fn batch_normalization(axis: usize) -> Layer {
    Layer::BatchNormalization(BatchNormalization {
        axis,
        epsilon: 1e-3,
        center: true,
        scale: true,
    })
}

fn convolution(random: &mut Random, channels: usize, data_format: DataFormat) -> Layer {
    let groups = random.one_of(&[1, 1, 1, channels, 2]);
    let groups = if channels.is_multiple_of(groups) {
        groups
    } else {
        1
    };
    let strided = random.between(0, 1) == 1;
    let mut size = |low, high| [random.between(low, high), random.between(low, high)];
    Layer::Conv2D(Conv2D {
        kernel_size: size(1, 3),
        strides: if strided { size(1, 3) } else { [1, 1] },
        dilation_rate: if strided { [1, 1] } else { size(1, 2) },
        groups,
        filters: groups * random.between(1, 5),
        padding: random.one_of(&[Padding::Valid, Padding::Same]),
        data_format,
        use_bias: random.between(0, 1) == 1,
        activation: random.one_of(&[Activation::Linear, Activation::Relu, Activation::Tanh]),
    })
}

fn pooling(random: &mut Random, data_format: DataFormat) -> Layer {
    Layer::Pooling2D(Pooling2D {
        kind: random.one_of(&[Pool::Max, Pool::Average]),
        pool_size: [random.between(1, 3), random.between(1, 3)],
        strides: [random.between(1, 3), random.between(1, 3)],
        padding: random.one_of(&[Padding::Valid, Padding::Same]),
        data_format,
    })
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], what: &dyn Debug) {
    assert_eq!(found.len(), expected.len(), "{what:?}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let bound = 1e-5 * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() <= bound,
            "output {index} is {found}, the layers as they stand say {expected}: {what:#?}"
        );
    }
}

/// Examples, enough for the kernels of many.
const BATCH: usize = 5;

/// Every way to run `model` gives the same answers, on every backend and at two batch sizes.
#[track_caller]
fn assert_all_agree(model: &Model, random: &mut Random) {
    let len: usize = model.input_shape().iter().product();
    let input = random.values(len * BATCH);
    for backend in Backend::ALL {
        let plain = Network::plain(model.clone(), backend).unwrap();
        let expected = plain.infer(input.clone(), BATCH).unwrap();
        assert!(expected.iter().all(|value| value.is_finite()), "{model:#?}");
        for (optimize, fuse) in [(true, false), (false, true), (true, true)] {
            let options = Options { optimize, fuse };
            let network = Network::with_options(model.clone(), backend, options).unwrap();
            let what = (backend, options, network.plan(), network.description());
            let found = network.infer(input.clone(), BATCH).unwrap();
            assert_close(&found, &expected, &what);
            let first = network.infer(input[..len].to_vec(), 1).unwrap();
            assert_close(&first, &expected[..expected.len() / BATCH], &what);
        }
    }
}

#[test]
fn every_activation_is_the_same_fused_and_plain() {
    let all = [
        Activation::Linear,
        Activation::Relu,
        Activation::Relu6,
        Activation::LeakyRelu {
            negative_slope: 0.3,
        },
        Activation::BentRelu {
            max_value: Some(0.9),
            negative_slope: 0.25,
            threshold: 0.5,
        },
        Activation::Elu { alpha: 0.7 },
        Activation::Celu { alpha: 1.0 },
        Activation::Celu { alpha: 0.4 },
        Activation::Selu,
        Activation::Gelu { approximate: true },
        Activation::Gelu { approximate: false },
        Activation::Silu,
        Activation::HardSilu,
        Activation::Mish,
        Activation::Sigmoid,
        Activation::HardSigmoid { slope: 1.0 / 6.0 },
        Activation::HardSigmoid { slope: 0.2 },
        Activation::SparseSigmoid,
        Activation::LogSigmoid,
        Activation::Tanh,
        Activation::HardTanh,
        Activation::TanhShrink,
        Activation::HardShrink,
        Activation::SoftShrink,
        Activation::Softplus,
        Activation::Softsign,
        Activation::Squareplus,
        Activation::SparsePlus,
        Activation::Exponential,
        Activation::Softmax,
        Activation::LogSoftmax,
        Activation::Sparsemax,
    ];
    for (seed, activation) in all.into_iter().enumerate() {
        let mut maker = Maker::new(seed as u64, &[5, 7]);
        maker.then(Layer::Rescaling(Rescaling {
            scale: vec![6.0],
            offset: vec![0.0],
        }));
        maker.then(dense(9, activation));
        // Softly, since exp(exp(x)) is soon beyond all numbers.
        maker.then(dense(9, Activation::Tanh));
        maker.then(Layer::Activation(ActivationLayer { activation }));
        maker.then(dense(4, Activation::Linear));
        assert_all_agree(&maker.model(), &mut Random(seed as u64));
    }
}

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

fn recurrent(cell: Cell, return_sequences: bool, go_backwards: bool) -> Recurrent {
    Recurrent {
        cell,
        units: 4,
        activation: Activation::Tanh,
        recurrent_activation: Activation::Sigmoid,
        use_bias: true,
        return_sequences,
        go_backwards,
    }
}

#[test]
fn every_recurrent_layer_is_the_same_optimized_fused_and_plain() {
    let cells = [
        Cell::Simple,
        Cell::Lstm,
        Cell::Gru { reset_after: true },
        Cell::Gru { reset_after: false },
    ];
    let merges = [
        BidirectionalMerge::Concat,
        BidirectionalMerge::Sum,
        BidirectionalMerge::Multiply,
        BidirectionalMerge::Average,
    ];
    for (seed, cell) in cells.into_iter().enumerate() {
        for (choice, merge) in merges.into_iter().enumerate() {
            for return_sequences in [false, true] {
                let backwards = choice % 2 == 0;
                let mut maker = Maker::new(seed as u64, &[6, 3]);
                maker.then(Layer::Recurrent(Recurrent {
                    units: 17,
                    use_bias: choice < 2,
                    ..recurrent(cell, true, backwards)
                }));
                maker.then(Layer::Bidirectional(Bidirectional {
                    forward: recurrent(cell, return_sequences, backwards),
                    backward: recurrent(cell, return_sequences, !backwards),
                    merge,
                }));
                assert_all_agree(&maker.model(), &mut Random(seed as u64));
            }
        }
    }
}

#[test]
fn a_strided_slice_keeps_what_numpy_keeps() {
    // x[:, 1::2, ::-1] of 0 to 11 as (4, 3).
    let layer = Layer::StridedSlice(StridedSlice {
        begin: vec![1, 2],
        strides: vec![2, -1],
        size: vec![2, 3],
    });
    let mut maker = Maker::new(1, &[4, 3]);
    maker.then(layer);
    let model = maker.model();
    let input = (0..12_u8).map(f32::from).collect::<Vec<_>>();
    for backend in Backend::ALL {
        let network = Network::new(model.clone(), backend).unwrap();
        let found = network.infer(input.clone(), 1).unwrap();
        assert_eq!(found, [5.0, 4.0, 3.0, 11.0, 10.0, 9.0], "{backend}");
    }
}

#[test]
fn a_strided_slice_that_leaves_its_input_is_refused() {
    let slice = |begin, stride, size| {
        Layer::StridedSlice(StridedSlice {
            begin: vec![begin],
            strides: vec![stride],
            size: vec![size],
        })
    };
    for (begin, stride, size) in [
        (0, 2, 4),
        (6, 1, 1),
        (2, -1, 4),
        (0, 0, 2),
        (0, 1, 0),
        (0, isize::MAX, 3),
        (usize::MAX, 1, 1),
        (0, 1, usize::MAX),
    ] {
        let layer = slice(begin, stride, size);
        assert!(layer.output_shape(&[&[6]]).is_err(), "{layer:?}");
    }
    assert_eq!(slice(5, -5, 2).output_shape(&[&[6]]), Ok(vec![2]));
}

#[test]
fn every_other_layer_is_the_same_optimized_fused_and_plain() {
    let layer_normalization = |axes: &[usize], statistics| {
        Layer::LayerNormalization(LayerNormalization {
            axes: axes.to_vec(),
            statistics,
            epsilon: 1e-3,
            center: true,
            scale: true,
        })
    };
    let mut layers = vec![
        Layer::Permute(Permute {
            axes: vec![2, 0, 1],
        }),
        Layer::Pad(Pad {
            amounts: vec![[1, 0], [0, 2], [1, 1]],
        }),
        Layer::Slice(Slice {
            ranges: vec![[1, 4], [0, 3], [0, 2]],
        }),
        Layer::StridedSlice(StridedSlice {
            begin: vec![1, 2, 0],
            strides: vec![2, -1, 1],
            size: vec![2, 3, 2],
        }),
        Layer::Normalization(Normalization {
            axes: vec![2],
            invert: false,
        }),
        Layer::Normalization(Normalization {
            axes: vec![0, 2],
            invert: true,
        }),
        Layer::Normalization(Normalization {
            axes: vec![],
            invert: false,
        }),
        Layer::Softmax(Softmax { axes: vec![0] }),
        Layer::Softmax(Softmax { axes: vec![0, 2] }),
        Layer::UnitNormalization(UnitNormalization { axes: vec![1] }),
        Layer::PReLU(PReLU {
            shared_axes: vec![1],
        }),
        Layer::PReLU(PReLU {
            shared_axes: vec![0],
        }),
        Layer::PReLU(PReLU {
            shared_axes: vec![0, 1],
        }),
        Layer::PReLU(PReLU {
            shared_axes: vec![0, 1, 2],
        }),
        Layer::PReLU(PReLU {
            shared_axes: vec![],
        }),
        layer_normalization(&[2], Statistics::MeanAndVariance),
        layer_normalization(&[0, 1], Statistics::MeanAndVariance),
        layer_normalization(&[1], Statistics::Variance),
        layer_normalization(&[2], Statistics::MeanSquare),
        Layer::MergeConstant(MergeConstant {
            op: MergeOp::Maximum,
            shape: vec![5, 1, 1],
        }),
        Layer::MergeConstant(MergeConstant {
            op: MergeOp::Subtract,
            shape: vec![1, 1, 4],
        }),
        Layer::TimeDistributed(TimeDistributed {
            layer: Box::new(dense(3, Activation::Softmax)),
        }),
        Layer::TimeDistributed(TimeDistributed {
            layer: Box::new(Layer::Recurrent(recurrent(Cell::Lstm, false, false))),
        }),
    ];
    for axis in 0..3 {
        layers.push(batch_normalization(axis));
        layers.push(Layer::GroupNormalization(GroupNormalization {
            groups: [5, 3, 2][axis],
            axis,
            epsilon: 1e-3,
            center: true,
            scale: true,
        }));
        for kind in [
            Reduction::Mean,
            Reduction::Sum,
            Reduction::Max,
            Reduction::Min,
        ] {
            layers.push(Layer::Reduce(Reduce {
                kind,
                axes: vec![axis],
                keepdims: axis == 1,
            }));
        }
    }
    for data_format in FORMATS {
        for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
            // The second is some times as large in either data format.
            for size in [[7, 5], [15, 24]] {
                layers.push(Layer::Resize2D(Resize2D {
                    size,
                    interpolation,
                    data_format,
                }));
            }
        }
    }
    for (seed, layer) in layers.into_iter().enumerate() {
        let mut maker = Maker::new(seed as u64, &[5, 3, 4]);
        maker.then(dense(4, Activation::Linear));
        maker.then(layer);
        let len = maker.shape(2).iter().product();
        maker.then(Layer::Reshape(Reshape { target: vec![len] }));
        maker.then(dense(3, Activation::Linear));
        assert_all_agree(&maker.model(), &mut Random(seed as u64));
    }
    for causal in [false, true] {
        let mut maker = Maker::new(7, &[6, 8]);
        let [q, k, v] = [8, 8, 4].map(|units| maker.add(dense(units, Activation::Linear), &[0]));
        let attention = Layer::Attention(Attention {
            heads: 2,
            scale: 0.5,
            use_scale: true,
            causal,
        });
        maker.add(attention, &[q, k, v]);
        maker.then(dense(8, Activation::Linear));
        let sum = maker.nodes.len() - 1;
        maker.add(Layer::Merge(Merge { op: MergeOp::Add }), &[sum, 0]);
        maker.then(layer_normalization(&[1], Statistics::MeanAndVariance));
        assert_all_agree(&maker.model(), &mut Random(7));
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

#[test]
fn an_embedding_gives_rows_and_refuses_what_is_no_row() {
    let mut maker = Maker::new(1, &[3]);
    maker.then(Layer::Embedding(Embedding {
        input_dim: 5,
        output_dim: 2,
    }));
    let table = maker.nodes[1].weights[0].values.clone();
    let network = Network::new(maker.model(), Backend::Flex).unwrap();
    let found = network.infer(vec![4.0, 0.0, 2.7], 1).unwrap();
    assert_eq!(found, [&table[8..10], &table[..2], &table[4..6]].concat());
    for wrong in [5.0, -1.0, f32::NAN] {
        let error = network.infer(vec![0.0, wrong, 0.0], 1).unwrap_err();
        assert!(error.to_string().contains("no row"), "{error}");
    }
}

#[test]
fn what_a_normalization_does_is_folded_away() {
    let mut maker = Maker::new(3, &[8, 8, 2]);
    let conv = |padding| {
        Layer::Conv2D(Conv2D {
            filters: 4,
            kernel_size: [3, 3],
            strides: [1, 1],
            dilation_rate: [1, 1],
            groups: 1,
            padding,
            data_format: DataFormat::ChannelsLast,
            use_bias: false,
            activation: Activation::Linear,
        })
    };
    let relu = || {
        Layer::Activation(ActivationLayer {
            activation: Activation::Relu,
        })
    };
    maker.then(Layer::Rescaling(Rescaling {
        scale: vec![1.0 / 255.0],
        offset: vec![0.0],
    }));
    maker.then(Layer::Pad(Pad {
        amounts: vec![[1, 1], [1, 1], [0, 0]],
    }));
    maker.then(conv(Padding::Valid));
    maker.then(batch_normalization(2));
    maker.then(relu());
    maker.then(Layer::Identity);
    maker.then(batch_normalization(2));
    maker.then(Layer::Reshape(Reshape { target: vec![256] }));
    maker.then(dense(3, Activation::Linear));
    let options = Options {
        optimize: true,
        fuse: false,
    };
    let network = Network::with_options(maker.model(), Backend::Flex, options).unwrap();
    let plan = network.plan();
    let operations: Vec<&str> = plan
        .steps
        .iter()
        .map(|step| &step.operations[0][..])
        .collect();
    let [first, second] = operations[..] else {
        panic!("{plan}");
    };
    assert!(first.starts_with("convolution (8, 8, 4) Relu: "), "{plan}");
    assert!(second.starts_with("dense (3): "), "{plan}");
    assert_eq!(plan.notes.len(), 7, "{plan}");
}

#[test]
fn a_scale_that_turns_values_round_does_not_move_past_a_maximum() {
    for (seed, kind) in [Pool::Max, Pool::Average].into_iter().enumerate() {
        let mut maker = Maker::new(seed as u64, &[6, 6, 4]);
        maker.then(batch_normalization(2));
        let scales = &maker.nodes[1].weights[0].values;
        assert!(scales.iter().any(|&scale| scale < 0.0));
        maker.then(Layer::Pooling2D(Pooling2D {
            kind,
            pool_size: [2, 2],
            strides: [2, 2],
            padding: Padding::Valid,
            data_format: DataFormat::ChannelsLast,
        }));
        maker.then(Layer::Reshape(Reshape { target: vec![36] }));
        maker.then(dense(3, Activation::Linear));
        assert_all_agree(&maker.model(), &mut Random(seed as u64));
    }
}

#[test]
fn scales_in_a_row_become_one_and_part_of_the_layer_behind_them() {
    let mut maker = Maker::new(9, &[4, 3]);
    for _ in 0..3 {
        maker.then(Layer::Rescaling(Rescaling {
            scale: vec![0.5],
            offset: vec![0.25],
        }));
        maker.then(batch_normalization(1));
    }
    maker.then(Layer::Reshape(Reshape { target: vec![12] }));
    maker.then(dense(3, Activation::Linear));
    let model = maker.model();
    assert_all_agree(&model, &mut Random(9));
    let network = Network::new(model, Backend::Flex).unwrap();
    let operations: Vec<&String> = network.plan().steps[0].operations.iter().collect();
    assert_eq!(operations.len(), 1, "{}", network.plan());
}

#[test]
fn a_residual_network_is_one_fused_step_and_what_no_kernel_does_stands_between_two() {
    let conv = || {
        Layer::Conv2D(Conv2D {
            filters: 4,
            kernel_size: [3, 3],
            strides: [1, 1],
            dilation_rate: [1, 1],
            groups: 1,
            padding: Padding::Same,
            data_format: DataFormat::ChannelsFirst,
            use_bias: false,
            activation: Activation::Linear,
        })
    };
    let steps = |between: Layer| {
        let mut maker = Maker::new(8, &[4, 6, 6]);
        let normal = maker.add(conv(), &[0]);
        let normal = maker.add(batch_normalization(0), &[normal]);
        let sum = maker.add(Layer::Merge(Merge { op: MergeOp::Add }), &[normal, 0]);
        maker.add(between, &[sum]);
        maker.then(conv());
        maker.then(Layer::Reduce(Reduce {
            kind: Reduction::Mean,
            axes: vec![1, 2],
            keepdims: false,
        }));
        maker.then(dense(3, Activation::Softmax));
        let network = Network::new(maker.model(), Backend::Flex).unwrap();
        let steps = network.plan().steps.iter();
        steps.map(|step| step.is_fused).collect::<Vec<bool>>()
    };
    // One step turns the channels to the back.
    let relu = Activation::Relu;
    assert_eq!(
        steps(Layer::Activation(ActivationLayer { activation: relu })),
        [false, true]
    );
    let axes = vec![2];
    assert_eq!(
        steps(Layer::UnitNormalization(UnitNormalization { axes })),
        [false, true, false, false, false, true]
    );
}

#[test]
fn a_shift_before_a_padded_convolution_stays_where_it_is() {
    let mut maker = Maker::new(4, &[6, 6, 1]);
    maker.then(Layer::Rescaling(Rescaling {
        scale: vec![2.0],
        offset: vec![-1.0],
    }));
    maker.then(Layer::Conv2D(Conv2D {
        filters: 2,
        kernel_size: [3, 3],
        strides: [1, 1],
        dilation_rate: [1, 1],
        groups: 1,
        padding: Padding::Same,
        data_format: DataFormat::ChannelsLast,
        use_bias: true,
        activation: Activation::Linear,
    }));
    assert_all_agree(&maker.model(), &mut Random(4));
}

#[test]
fn layers_that_share_weights_share_them_in_the_converted_file_too() {
    let mut maker = Maker::new(5, &[4]);
    maker.then(dense(4, Activation::Relu));
    let again = maker.then(dense(4, Activation::Relu));
    maker.nodes[again].weights.clear();
    maker.nodes[again].weights_of = Some(1);
    let model = maker.model();
    assert_all_agree(&model, &mut Random(5));
    let bytes = description::to_safetensors(&model).unwrap();
    assert!(bytes.len() < 20 * 4 + 2000, "{} bytes", bytes.len());
    assert_eq!(description::from_safetensors(&bytes).unwrap(), model);
}

#[test]
fn a_small_file_cannot_ask_for_thousands_of_copies_of_its_weights() {
    let mut maker = Maker::new(6, &[1024]);
    maker.then(dense(1024, Activation::Tanh));
    for _ in 0..40 {
        let again = maker.then(dense(1024, Activation::Tanh));
        maker.nodes[again].weights.clear();
        maker.nodes[again].weights_of = Some(1);
    }
    let error = Network::new(maker.model(), Backend::Flex).unwrap_err();
    assert!(error.to_string().contains("share weights"), "{error}");
}
