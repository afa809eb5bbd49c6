//! Models that are made layer by layer, and what is asked of all of them.

use std::fmt::Debug;

use kiln::description::{
    Activation, BatchNormalization, Cell, Conv2D, DataFormat, Dense, Description, Layer, Model,
    Node, Padding, Pool, Pooling2D, Recurrent, Summary, Weight,
};
use kiln::network::{Backend, Network, Options};

pub const FORMATS: [DataFormat; 2] = [DataFormat::ChannelsLast, DataFormat::ChannelsFirst];

/// Numbers that look random and are the same every time (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From `low` on, up to `high` and no further.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.next() as usize % (high - low + 1)
    }

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.between(0, all.len() - 1)]
    }

    /// From -1 to 1.
    pub fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.value()).collect()
    }
}

/// A model that grows layer by layer.
pub struct Maker {
    random: Random,
    pub nodes: Vec<Node>,
}

impl Maker {
    pub fn new(seed: u64, input: &[usize]) -> Self {
        let mut maker = Self {
            random: Random(seed),
            nodes: Vec::new(),
        };
        maker.push(Layer::Input, vec![], input.to_vec());
        maker
    }

    pub fn push(&mut self, layer: Layer, inputs: Vec<usize>, output_shape: Vec<usize>) -> usize {
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
    pub fn add(&mut self, layer: Layer, inputs: &[usize]) -> usize {
        let shapes: Vec<&[usize]> = inputs.iter().map(|&from| self.shape(from)).collect();
        let shape = layer.output_shape(&shapes).unwrap();
        self.push(layer, inputs.to_vec(), shape)
    }

    /// Adds a layer behind the last one.
    pub fn then(&mut self, layer: Layer) -> usize {
        self.add(layer, &[self.nodes.len() - 1])
    }

    pub fn shape(&self, node: usize) -> &[usize] {
        &self.nodes[node].output_shape
    }

    pub fn model(self) -> Model {
        Model::new(Description {
            name: "made for a test".to_owned(),
            keras_version: "3".to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            nodes: self.nodes,
            summary: Summary::default(),
        })
        .unwrap()
    }
}

pub fn dense(units: usize, activation: Activation) -> Layer {
    Layer::Dense(Dense {
        units,
        use_bias: true,
        activation,
    })
}

pub fn batch_normalization(axis: usize) -> Layer {
    Layer::BatchNormalization(BatchNormalization {
        axis,
        epsilon: 1e-3,
        center: true,
        scale: true,
    })
}

pub fn convolution(random: &mut Random, channels: usize, data_format: DataFormat) -> Layer {
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

pub fn pooling(random: &mut Random, data_format: DataFormat) -> Layer {
    Layer::Pooling2D(Pooling2D {
        kind: random.one_of(&[Pool::Max, Pool::Average]),
        pool_size: [random.between(1, 3), random.between(1, 3)],
        strides: [random.between(1, 3), random.between(1, 3)],
        padding: random.one_of(&[Padding::Valid, Padding::Same]),
        data_format,
    })
}

#[track_caller]
pub fn assert_close(found: &[f32], expected: &[f32], what: &dyn Debug) {
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
pub const BATCH: usize = 5;

/// Every way to run `model` gives the same answers, on every backend and at two batch sizes.
#[track_caller]
pub fn assert_all_agree(model: &Model, random: &mut Random) {
    let len: usize = model.input_shape().iter().product();
    let input = random.values(len * BATCH);
    for &backend in Backend::ALL {
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

pub fn recurrent(cell: Cell, return_sequences: bool, go_backwards: bool) -> Recurrent {
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
