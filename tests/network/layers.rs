//! Layer by layer.

use kiln::description::{
    Activation, ActivationLayer, Attention, Bidirectional, BidirectionalMerge, Cell, Embedding,
    GroupNormalization, Interpolation, Layer, LayerNormalization, Merge, MergeConstant, MergeOp,
    Normalization, PReLU, Pad, Permute, Recurrent, Reduce, Reduction, Rescaling, Reshape, Resize2D,
    Slice, Softmax, Statistics, StridedSlice, TimeDistributed, UnitNormalization,
};
use kiln::network::{Backend, Network};

use crate::support::{
    FORMATS, Maker, Random, assert_all_agree, batch_normalization, dense, recurrent,
};

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
    for &backend in Backend::ALL {
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
#[expect(clippy::too_many_lines, reason = "it is a list of layers")]
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
