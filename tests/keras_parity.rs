//! What serving a Keras model promises: the answers of the Keras that saved it, whatever its
//! version, the format of the file and the layers. The models in `tests/fixtures/parity` are made by
//! `tools/keras_parity.py --fixtures`, which also tries hundreds of random ones.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kiln::description::Model;
use kiln::keras::{self, SUPPORTED_LAYERS};
use kiln::network::{Backend, Network};
use kiln::npy;
use serde_json::Value;
use support::{file, optional};

const KERAS: [&str; 3] = ["2.13", "2.15", "3.15"];

/// The models of one version of Keras, with and without a zip around them.
fn fixtures() -> Vec<PathBuf> {
    let entries = fs::read_dir(file("tests/fixtures/parity")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_model = |path: &PathBuf| path.extension().is_some_and(|e| e == "keras" || e == "h5");
    let mut models: Vec<_> = paths.filter(is_model).collect();
    models.sort();
    models
}

fn beside(model: &Path, ending: &str) -> PathBuf {
    let name = model.file_stem().unwrap().to_string_lossy();
    model.with_file_name(format!("{name}.{ending}"))
}

fn read(path: &Path) -> Model {
    keras::read_file(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Within 1e-5 of the value itself, or 1e-6.
#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_within(1e-6, found, expected, what);
}

/// Within 1e-5 of the value itself, or `absolute`.
#[track_caller]
fn assert_within(absolute: f32, found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let allowed = (1e-5 * expected.abs()).max(absolute);
        assert!(
            (found - expected).abs() <= allowed,
            "{what}: output {index} is {found}, Keras says {expected}"
        );
    }
}

#[test]
fn every_version_and_format_of_keras_is_answered_as_keras_does_it() {
    for path in fixtures() {
        let input = npy::read_file(&beside(&path, "input.npy")).unwrap();
        let expected = npy::read_file(&beside(&path, "expected.npy")).unwrap();
        for &backend in Backend::ALL {
            let what = format!("{} on {backend}", path.display());
            let network = Network::new(read(&path), backend).unwrap();
            let count = input.shape[0];
            assert_eq!(network.description().output_shape(), &expected.shape[1..]);
            let together = network.infer(input.values.clone(), count).unwrap();
            assert_close(&together, &expected.values, &what);
            let examples = input.values.chunks(network.input_len());
            let alone: Vec<f32> = examples
                .flat_map(|example| network.infer(example.to_vec(), 1).unwrap())
                .collect();
            assert_close(&alone, &expected.values, &format!("{what}, one by one"));
        }
    }
}

#[test]
fn the_summary_has_the_names_classes_shapes_and_parameters_that_keras_prints() {
    for path in fixtures() {
        let what = path.display();
        let model = read(&path);
        let json = fs::read(beside(&path, "summary.json")).unwrap();
        let summary: Value = serde_json::from_slice(&json).unwrap();
        let rows = &model.summary().rows;
        let wanted = summary["layers"].as_array().unwrap();
        let names = |row: &Value| row["name"].as_str().unwrap().to_owned();
        assert_eq!(
            rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>(),
            wanted.iter().map(names).collect::<Vec<_>>(),
            "{what}"
        );
        for (row, wanted) in rows.iter().zip(wanted) {
            let what = format!("{what}: {}", row.name);
            assert_eq!(Value::from(row.class.as_str()), wanted["class"], "{what}");
            assert_eq!(Value::from(row.parameters), wanted["parameters"], "{what}");
            // A layer that is used more than once has a shape at each place.
            let shapes = wanted["shapes"].as_array().unwrap();
            assert!(
                shapes.is_empty() || shapes.contains(&Value::from(row.output_shape.clone())),
                "{what}: {:?}, Keras has {shapes:?}",
                row.output_shape
            );
        }
        let totals = (model.summary().parameters(), model.summary().trainable());
        assert_eq!(Value::from(totals.0), summary["parameters"], "{what}");
        assert_eq!(
            Value::from(totals.1),
            summary["trainable_parameters"],
            "{what}"
        );
    }
}

/// The classes of all layers, of those in nested models too.
fn classes(model: &Model) -> BTreeSet<String> {
    let rows = model.summary().rows.iter().map(|row| row.class.clone());
    let nodes = model.nodes().iter().map(|node| node.class.clone());
    rows.chain(nodes).collect()
}

#[test]
fn every_supported_layer_is_among_the_models_in_both_formats_and_all_three_versions() {
    let models = fixtures();
    // Layers of some versions only are in files that another test answers.
    let more = ["applications.keras", "tensorflow_keras2.h5"];
    let more = more.map(|name| file("tests/fixtures/keras/reading").join(name));
    let covered: BTreeSet<String> = models
        .iter()
        .chain(&more)
        .flat_map(|path| classes(&read(path)))
        .collect();
    let missing: Vec<_> = SUPPORTED_LAYERS
        .iter()
        .map(|layer| layer.class)
        .filter(|class| !covered.contains(*class))
        .collect();
    assert!(missing.is_empty(), "no model has {missing:?}");
    for version in KERAS {
        for ending in ["keras", "h5"] {
            let is_one = |path: &&PathBuf| {
                let name = path.file_name().unwrap().to_string_lossy();
                name.ends_with(&format!("-{version}.{ending}"))
            };
            let count = models.iter().filter(is_one).count();
            assert!(
                count >= 6,
                "only {count} .{ending} files of Keras {version}"
            );
        }
    }
}

/// The first images of the MNIST test set as the published models take them: 0 to 1, and two more
/// pixels on each side where they take 32x32.
fn digits(count: usize, side: usize) -> Option<Vec<f32>> {
    let images = kiln::idx::read_file(&optional("mnist/t10k-images-idx3-ubyte.gz")?).unwrap();
    let border = (side - 28) / 2;
    let mut values = vec![0.0; count * side * side];
    for (index, &pixel) in images.values[..count * 784].iter().enumerate() {
        let (image, row, column) = (index / 784, index / 28 % 28, index % 28);
        let at = (image * side + row + border) * side + column + border;
        values[at] = f32::from(pixel) / 255.0;
    }
    Some(values)
}

#[test]
fn a_slice_with_a_step_answers_as_keras_does() {
    let Some(path) = optional("cases/getitem_step2.keras") else {
        return;
    };
    let input = npy::read_file(&path.with_extension("x.npy")).unwrap();
    let expected = npy::read_file(&path.with_extension("y.npy")).unwrap();
    for &backend in Backend::ALL {
        let network = Network::new(read(&path), backend).unwrap();
        let count = input.shape[0];
        let found = network.infer(input.values.clone(), count).unwrap();
        assert_close(&found, &expected.values, &format!("on {backend}"));
    }
}

#[test]
fn published_models_answer_as_keras_does_and_those_with_layers_of_their_own_are_refused() {
    let Some(folder) = optional("keras-models") else {
        return;
    };
    let (mut answered, mut refused) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.ends_with(".keras") || name.ends_with(".h5")) {
            continue;
        }
        let expected = path.with_file_name(format!("{name}.expected.npy"));
        if !expected.exists() {
            let error = keras::read_file(&path).expect_err(&name).to_string();
            assert!(error.contains("layer '"), "{name}: {error}");
            refused += 1;
            continue;
        }
        let expected = npy::read_file(&expected).unwrap();
        for &backend in Backend::ALL {
            let network = Network::new(read(&path), backend).unwrap();
            let side = network.input_len().isqrt();
            let Some(images) = digits(64, side) else {
                return;
            };
            let found = network.infer(images, 64).unwrap();
            // Their logits reach 23 and more: what float32 loses of such terms shows where they cancel.
            let what = format!("{name} on {backend}");
            assert_within(1e-5, &found, &expected.values, &what);
        }
        answered += 1;
    }
    assert!(
        answered >= 8 && refused >= 1,
        "{answered} answered, {refused} refused"
    );
}
