//! What reading a Keras file promises: the layers, shapes and weights that Keras itself has.

use std::path::{Path, PathBuf};

use kiln::keras::{self, Activation, DataFormat, Error, Layer, Model, Padding};
use serde_json::Value;

const FIXTURES: [&str; 13] = [
    "activation_layers",
    "activations_bent",
    "activations_given",
    "activations_smooth",
    "batch_normalization",
    "channels_first",
    "channels_first_pooled",
    "convolutions",
    "dense",
    "half_precision",
    "inference_only",
    "name_trap",
    "pooling",
];

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keras");
    folder.join(name)
}

fn model(name: &str) -> Model {
    keras::read_file(&fixture(&format!("{name}.keras"))).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What Keras says of the model.
fn summary(name: &str) -> Value {
    let json = std::fs::read(fixture(&format!("{name}.summary.json"))).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn layers(name: &str) -> Vec<Layer> {
    model(name)
        .nodes
        .into_iter()
        .map(|node| node.layer)
        .collect()
}

#[test]
fn every_layer_has_the_name_class_shape_and_parameters_that_keras_gives_it() {
    for name in FIXTURES {
        let (model, summary) = (model(name), summary(name));
        let rows = summary["layers"].as_array().unwrap();
        assert_eq!(model.name, name);
        assert_eq!(model.nodes.len(), rows.len() + 1, "{name}");
        assert_eq!(model.nodes[0].layer, Layer::Input, "{name}");
        for (index, row) in rows.iter().enumerate() {
            let node = &model.nodes[index + 1];
            let class = match row[1].as_str().unwrap() {
                "LeakyReLU" | "ELU" => "Activation",
                class => class,
            };
            let parameters: usize = node.weights.iter().map(|w| w.values.len()).sum();
            assert_eq!(node.name, row[0].as_str().unwrap(), "{name}");
            assert_eq!(node.layer.class_name(), class, "{name}");
            assert_eq!(
                serde_json::json!(node.output_shape),
                row[2],
                "{name} {}",
                node.name
            );
            assert_eq!(
                parameters as u64,
                row[3].as_u64().unwrap(),
                "{name} {}",
                node.name
            );
            assert_eq!(node.inputs, [index], "{name}");
        }
        let output = &rows.last().unwrap()[2];
        assert_eq!(serde_json::json!(model.output_shape()), *output, "{name}");
        assert_eq!(model.parameters() as u64, summary["parameters"], "{name}");
        assert_eq!(
            model.trainable_parameters() as u64,
            summary["trainable_parameters"],
            "{name}"
        );
    }
}

#[test]
fn every_weight_has_the_values_that_keras_saved_whatever_its_layer_is_called() {
    for name in FIXTURES {
        let (model, summary) = (model(name), summary(name));
        for node in &model.nodes {
            let expected = summary["weights"][&node.name].as_array();
            let expected = expected.map_or(&[][..], Vec::as_slice);
            assert_eq!(node.weights.len(), expected.len(), "{name} {}", node.name);
            for (weight, row) in node.weights.iter().zip(expected) {
                let (first, sum) = (row[2].as_f64().unwrap(), row[3].as_f64().unwrap());
                let values = || weight.values.iter().copied().map(f64::from);
                assert_eq!(
                    weight.name,
                    row[0].as_str().unwrap(),
                    "{name} {}",
                    node.name
                );
                assert_eq!(
                    serde_json::json!(weight.shape),
                    row[1],
                    "{name} {}",
                    node.name
                );
                // No fixture's weights are wider than float32, so nothing is lost on the way.
                assert_eq!(
                    weight.values[0], first as f32,
                    "{name} {} {}",
                    node.name, weight.name
                );
                assert!(
                    (values().sum::<f64>() - sum).abs() < 1e-9,
                    "{name} {}",
                    node.name
                );
            }
        }
    }
}

#[test]
fn the_options_of_convolutions_arrive_as_they_were_set() {
    let convolutions = layers("convolutions");
    let expected =
        |filters, kernel_size, strides, dilation_rate, groups, padding, activation| Layer::Conv2D {
            filters,
            kernel_size,
            strides,
            dilation_rate,
            groups,
            padding,
            data_format: DataFormat::ChannelsLast,
            use_bias: groups != 2,
            activation,
        };
    use Activation::{Elu, Linear, Relu, Softmax, Tanh};
    use Padding::{Same, Valid};
    let elu = Elu { alpha: 1.0 };
    assert_eq!(
        convolutions[1..],
        [
            expected(6, [3, 2], [2, 1], [1, 1], 1, Valid, Relu),
            expected(8, [3, 3], [2, 2], [1, 1], 1, Same, Linear),
            expected(8, [3, 5], [1, 1], [2, 1], 1, Same, Tanh),
            expected(4, [4, 4], [1, 1], [1, 1], 2, Same, Linear),
            expected(12, [2, 2], [1, 1], [2, 2], 4, Valid, elu),
            expected(5, [1, 1], [3, 2], [1, 1], 1, Same, Linear),
            expected(3, [1, 2], [1, 1], [1, 1], 1, Valid, Softmax),
        ]
    );
}

#[test]
fn activations_are_told_apart_by_name_and_by_object() {
    let of = |name| -> Vec<Activation> {
        let layers = layers(name).into_iter();
        layers
            .filter_map(|layer| match layer {
                Layer::Dense { activation, .. } | Layer::Activation { activation } => {
                    Some(activation)
                }
                _ => None,
            })
            .collect()
    };
    use Activation::*;
    let approximate = false;
    assert_eq!(
        of("activations_smooth"),
        [
            Tanh,
            Elu { alpha: 1.0 },
            Selu,
            Gelu { approximate },
            Silu,
            Sigmoid,
            Linear,
            Softsign,
            Mish
        ]
    );
    let leaky = |negative_slope| LeakyRelu { negative_slope };
    assert_eq!(
        of("activations_bent"),
        [
            HardSigmoid,
            Exponential,
            leaky(0.2),
            Relu6,
            Softplus,
            HardSilu,
            Relu
        ]
    );
    assert_eq!(
        of("activations_given"),
        [
            LogSoftmax,
            leaky(0.1),
            Elu { alpha: 0.5 },
            Relu6,
            Softmax,
            Softmax
        ]
    );
    assert_eq!(
        of("activation_layers"),
        [
            leaky(0.2),
            leaky(0.3),
            Elu { alpha: 0.7 },
            Gelu { approximate },
            Tanh
        ]
    );
}

#[test]
fn axes_are_counted_from_zero_without_the_batch() {
    let axes = |name| -> Vec<usize> {
        let layers = layers(name).into_iter();
        layers
            .filter_map(|layer| match layer {
                Layer::BatchNormalization { axis, .. } | Layer::Softmax { axis } => Some(axis),
                _ => None,
            })
            .collect()
    };
    assert_eq!(axes("batch_normalization"), [2, 2, 0, 1, 2, 0]);
    assert_eq!(axes("activation_layers"), [0, 1]);
    assert_eq!(axes("channels_first"), [0]);
}

#[test]
fn rescaling_takes_a_number_a_list_or_an_array() {
    let rescalings: Vec<_> = layers("inference_only")
        .into_iter()
        .filter(|layer| matches!(layer, Layer::Rescaling { .. }))
        .collect();
    let rescaling = |scale: &[f32], offset: &[f32]| Layer::Rescaling {
        scale: scale.to_vec(),
        offset: offset.to_vec(),
    };
    assert_eq!(
        rescalings,
        [
            rescaling(&[1.0 / 127.5], &[-1.0]),
            rescaling(&[0.5, 1.0, 2.0], &[0.1, -0.2, 0.3]),
        ]
    );
}

/// What other people published; each is read, or refused with a word that helps.
#[test]
fn published_models_are_read_or_refused_with_a_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/keras-models");
    let read = [
        (
            "D-Colak-PC__Handwritten-Digit-Recognizer__cnn.keras",
            "3.8.0",
            76_554,
        ),
        (
            "Moonflower2022__MNIST-models__mnist_model.keras",
            "3.1.1",
            34_826,
        ),
        ("timofeysie__flatworld__mnist-model.keras", "3.1.1", 24_236),
    ];
    let refused = [
        ("OrtizNicola__mlp-mnist__mnist-model.keras", "legacy HDF5"),
        (
            "Moonflower2022__MNIST-models__mnist_model.h5",
            "legacy HDF5",
        ),
        (
            "ibukye__Number_recognition_ResNet__resnet_mnist.keras",
            "Functional",
        ),
        (
            "javamercy__MNIST__cnn.keras",
            "'sequential_6' is a model inside the model",
        ),
        (
            "alexander-sony__test-files__mnist.keras",
            "'keras_activation_quantization_holder'",
        ),
    ];
    if !folder.is_dir() {
        eprintln!(
            "skipped: the published models are not here ({})",
            folder.display()
        );
        return;
    }
    for (file, version, parameters) in read {
        let model = keras::read_file(&folder.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!(model.keras_version, version, "{file}");
        assert_eq!(model.parameters(), parameters, "{file}");
        assert_eq!(model.input_shape(), [28, 28, 1], "{file}");
        assert_eq!(model.output_shape(), [10], "{file}");
    }
    for (file, reason) in refused {
        let error = keras::read_file(&folder.join(file))
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{file}: {error}");
    }
}

#[test]
fn a_path_that_cannot_be_read_is_named_in_the_error() {
    for path in [fixture("there-is-no-such-file.keras"), fixture("")] {
        let error = keras::read_file(&path).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
}
