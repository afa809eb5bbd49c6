//! What reading a Keras file promises: the layers, shapes and weights that Keras itself has.

use std::path::{Path, PathBuf};

use kiln::description::{
    Activation, ActivationLayer, BatchNormalization, Conv2D, DataFormat, Dense, Layer, Model,
    Padding, Rescaling, Softmax,
};
use kiln::keras::{self, Error};
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
    let model = model(name);
    model
        .nodes()
        .iter()
        .map(|node| node.layer.clone())
        .collect()
}

#[test]
fn every_layer_has_the_name_class_shape_and_parameters_that_keras_gives_it() {
    for name in FIXTURES {
        let (model, summary) = (model(name), summary(name));
        let rows = summary["layers"].as_array().unwrap();
        let found = &model.summary().rows;
        assert_eq!(model.name(), name);
        assert_eq!(found.len(), rows.len(), "{name}");
        for (found, row) in found.iter().zip(rows) {
            let about = format!("{name} {}", found.name);
            assert_eq!(found.name, row[0].as_str().unwrap(), "{name}");
            assert_eq!(found.class, row[1].as_str().unwrap(), "{about}");
            assert_eq!(serde_json::json!(found.output_shape), row[2], "{about}");
            assert_eq!(found.parameters as u64, row[3].as_u64().unwrap(), "{about}");
        }
        let output = &rows.last().unwrap()[2];
        assert_eq!(serde_json::json!(model.output_shape()), *output, "{name}");
        let (all, trainable) = (model.summary().parameters(), model.summary().trainable());
        assert_eq!(all as u64, summary["parameters"], "{name}");
        assert_eq!(trainable as u64, summary["trainable_parameters"], "{name}");
    }
}

#[test]
fn every_weight_has_the_values_that_keras_saved_whatever_its_layer_is_called() {
    for name in FIXTURES {
        let (model, summary) = (model(name), summary(name));
        for node in model.nodes() {
            let expected = summary["weights"][&node.name].as_array();
            let expected = expected.map_or(&[][..], Vec::as_slice);
            let about = format!("{name} {}", node.name);
            assert_eq!(node.weights.len(), expected.len(), "{about}");
            for (weight, row) in node.weights.iter().zip(expected) {
                let (first, sum) = (row[2].as_f64().unwrap(), row[3].as_f64().unwrap());
                let values = || weight.values.iter().copied().map(f64::from);
                assert_eq!(weight.name, row[0].as_str().unwrap(), "{about}");
                assert_eq!(serde_json::json!(weight.shape), row[1], "{about}");
                // No fixture's weights are wider than float32, so nothing is lost on the way.
                assert_eq!(weight.values[0], first as f32, "{about} {}", weight.name);
                assert!((values().sum::<f64>() - sum).abs() < 1e-9, "{about}");
            }
        }
    }
}

#[test]
fn the_options_of_convolutions_arrive_as_they_were_set() {
    let convolutions = layers("convolutions");
    let expected = |filters, kernel_size, strides, dilation_rate, groups, padding, activation| {
        Layer::Conv2D(Conv2D {
            filters,
            kernel_size,
            strides,
            dilation_rate,
            groups,
            padding,
            data_format: DataFormat::ChannelsLast,
            use_bias: groups != 2,
            activation,
        })
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
                Layer::Dense(Dense { activation, .. })
                | Layer::Activation(ActivationLayer { activation }) => Some(activation),
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
            HardSigmoid { slope: 1.0 / 6.0 },
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
            BentRelu {
                max_value: Some(1.5),
                negative_slope: 0.25,
                threshold: 0.5
            },
            Relu,
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
                Layer::BatchNormalization(BatchNormalization { axis, .. }) => Some(axis),
                Layer::Softmax(Softmax { axes }) => Some(axes[0]),
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
        .filter(|layer| matches!(layer, Layer::Rescaling(_)))
        .collect();
    let rescaling = |scale: &[f32], offset: &[f32]| {
        Layer::Rescaling(Rescaling {
            scale: scale.to_vec(),
            offset: offset.to_vec(),
        })
    };
    assert_eq!(
        rescalings,
        [
            rescaling(&[1.0 / 127.5], &[-1.0]),
            rescaling(&[0.5, 1.0, 2.0], &[0.1, -0.2, 0.3]),
        ]
    );
}

/// One graph (branches, shared layers, nested models, operations) as three versions save it.
#[test]
fn a_graph_reads_the_same_from_every_kind_of_file() {
    for (file, summary) in [
        ("keras_3_15.keras", "keras_3_15"),
        ("keras_3_15.h5", "keras_3_15"),
        ("keras_2_15.keras", "keras_2_15"),
        ("keras_2_15_windows.keras", "keras_2_15"),
        ("keras_2_15.h5", "keras_2_15"),
        ("keras_2_13.keras", "keras_2_13"),
    ] {
        let path = fixture("graphs").join(file);
        let model = keras::read_file(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
        let summary = self::summary(&format!("graphs/{summary}"));
        let expected = summary["layers"].as_array().unwrap();
        let rows = &model.summary().rows;
        assert_eq!(rows.len(), expected.len(), "{file}");
        for (row, expected) in rows.iter().zip(expected) {
            let about = format!("{file} {}", row.name);
            assert_eq!(row.name, expected["name"], "{about}");
            assert_eq!(row.class, expected["class"], "{about}");
            assert_eq!(
                serde_json::json!(row.output_shape),
                expected["output_shape"],
                "{about}"
            );
            assert_eq!(row.parameters, expected["parameters"], "{about}");
            let weights = expected["weights"].as_array().unwrap();
            let found = weights_of(&model, &row.name);
            assert_eq!(found.len(), weights.len(), "{about}");
            for ((size, sum), expected) in found.into_iter().zip(weights) {
                assert_eq!(size, expected[0], "{about}");
                let difference = (sum - expected[1].as_f64().unwrap()).abs();
                assert!(
                    difference < 1e-6 * (1.0 + sum.abs()),
                    "{about}: {sum}, {expected}"
                );
            }
        }
        assert_eq!(
            model.summary().trainable(),
            summary["trainable_parameters"],
            "{file}"
        );
    }
}

/// Of each weight of a layer, or of a model in the model, the size and a sum in which places count.
fn weights_of(model: &Model, layer: &str) -> Vec<(usize, f64)> {
    let inside = format!("{layer}/");
    let nodes = model.nodes().iter();
    nodes
        .filter(|node| node.name == layer || node.name.starts_with(&inside))
        .flat_map(|node| &node.weights)
        .map(|weight| {
            let places = (1..).map(f64::from);
            let terms = weight.values.iter().zip(places);
            (
                weight.values.len(),
                terms.map(|(&v, place)| f64::from(v) * place).sum(),
            )
        })
        .collect()
}

#[test]
fn names_that_are_not_ascii_are_names_too() {
    let model = keras::read_file(&fixture("graphs/umlauts.h5")).unwrap();
    assert_eq!(model.name(), "groß");
    assert_eq!(model.nodes().len(), 11);
    assert_eq!(model.nodes()[10].name, "schön_9");
    assert_eq!(model.nodes()[10].weights[0].shape, [2, 2]);
}

#[test]
fn a_shared_layer_has_its_weights_once_and_the_hard_sigmoid_of_its_keras() {
    for (file, expected) in [("keras_3_15.keras", 1.0 / 6.0), ("keras_2_13.keras", 0.2)] {
        let model = keras::read_file(&fixture("graphs").join(file)).unwrap();
        let nodes = model.nodes();
        let uses = |name: &str| nodes.iter().position(|node| node.name == name).unwrap();
        let (first, second) = (uses("shared"), uses("shared[1]"));
        let third = uses("shared[2]");
        for later in [second, third] {
            assert_eq!(nodes[later].weights_of, Some(first), "{file}");
            assert!(nodes[later].weights.is_empty(), "{file}");
        }
        assert_eq!(nodes[first].weights_of, None, "{file}");
        let Layer::Dense(Dense { activation, .. }) = nodes[uses("tail/hidden")].layer else {
            panic!("{file}: no Dense");
        };
        assert_eq!(
            activation,
            Activation::HardSigmoid { slope: expected },
            "{file}"
        );
    }
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
        (
            "Moonflower2022__MNIST-models__mnist_model.h5",
            "3.1.1",
            34_826,
        ),
        (
            "OrtizNicola__mlp-mnist__mnist-model.keras",
            "2.12.0",
            269_322,
        ),
        (
            "ibukye__Number_recognition_ResNet__resnet_mnist.keras",
            "3.11.3",
            38_282,
        ),
        ("javamercy__MNIST__cnn.keras", "3.13.2", 224_714),
        (
            "mmilunovic__advertima-ml-task__lenet5.h5",
            "2.3.0-tf",
            136_586,
        ),
        ("timofeysie__flatworld__mnist-model.keras", "3.1.1", 24_236),
    ];
    let refused = "alexander-sony__test-files__mnist.keras";
    if !folder.is_dir() {
        eprintln!(
            "skipped: the published models are not here ({})",
            folder.display()
        );
        return;
    }
    for (file, version, parameters) in read {
        let model = keras::read_file(&folder.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!(model.keras_version(), version, "{file}");
        assert_eq!(model.summary().parameters(), parameters, "{file}");
        assert_eq!(model.output_shape(), [10], "{file}");
    }
    let error = keras::read_file(&folder.join(refused))
        .unwrap_err()
        .to_string();
    for word in [
        "'keras_activation_quantization_holder'",
        "not supported",
        "only Keras's own layers",
    ] {
        assert!(error.contains(word), "{refused}: {error}");
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
