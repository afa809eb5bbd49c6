//! What the graph compiler makes of a network.

use kiln::description::{
    self, Activation, ActivationLayer, Conv2D, DataFormat, Layer, Merge, MergeOp, Pad, Padding,
    Pool, Pooling2D, Reduce, Reduction, Rescaling, Reshape, UnitNormalization,
};
use kiln::network::{Backend, Network, Options};

use crate::support::{Maker, Random, assert_all_agree, batch_normalization, dense};

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
    assert!(first.starts_with("convolution (8, 8, 4) relu: "), "{plan}");
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
