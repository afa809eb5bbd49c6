//! What reading promises of models in forms that are easily read wrong: layers and models that stand
//! in several places, frozen ones, operations beside layers. The files in
//! `tests/fixtures/keras/reading` are made by `tools/make_reading_fixtures.py`.

mod support;

use std::path::{Path, PathBuf};

use kiln::keras;
use kiln::network::{Backend, Network};
use kiln::npy;
use support::{file, optional};

fn models(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_model = |path: &PathBuf| path.extension().is_some_and(|e| e == "keras" || e == "h5");
    let mut models: Vec<PathBuf> = paths.filter(is_model).collect();
    models.sort();
    models
}

/// Within 1e-5 of the largest of Keras's answers.
#[track_caller]
fn assert_answers(path: &Path, input: &Path, expected: &Path) {
    let input = npy::read_file(input).unwrap();
    let expected = npy::read_file(expected).unwrap();
    let largest = expected.values.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    for plain in [false, true] {
        let model = keras::read_file(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let network = match plain {
            true => Network::plain(model, Backend::Flex).unwrap(),
            false => Network::new(model, Backend::Flex).unwrap(),
        };
        let what = format!("{}, as it stands: {plain}", path.display());
        let shape = network.description().output_shape();
        assert_eq!(shape, &expected.shape[1..], "{what}");
        let found = network.infer(input.values.clone(), input.shape[0]).unwrap();
        for (index, (found, expected)) in found.iter().zip(&expected.values).enumerate() {
            assert!(
                (found - expected).abs() <= 1e-5 * largest,
                "{what}: output {index} is {found}, Keras says {expected}"
            );
        }
    }
}

#[test]
fn shared_frozen_nested_and_operations_are_answered_as_keras_does() {
    let mut count = 0;
    for path in models(&file("tests/fixtures/keras/reading")) {
        let (input, expected) = (
            path.with_extension("input.npy"),
            path.with_extension("expected.npy"),
        );
        if expected.exists() {
            assert_answers(&path, &input, &expected);
            count += 1;
        }
    }
    assert!(count >= 24, "only {count} models");
}

#[test]
fn a_folder_that_is_not_zipped_is_read_as_its_archive_is() {
    let folder = file("tests/fixtures/keras/reading/unzipped");
    let [input, expected] = ["input.npy", "expected.npy"].map(|end| folder.with_extension(end));
    assert_answers(&folder, &input, &expected);
}

#[test]
fn a_subclassed_model_is_told_that_its_code_is_missing() {
    let path = file("tests/fixtures/keras/reading/subclassed.keras");
    let error = keras::read_file(&path).unwrap_err().to_string();
    for word in ["subclassed model ('Own')", "code is not in the file"] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn what_is_called_as_in_training_is_refused_by_name() {
    let folder = file("tests/fixtures/keras/reading");
    for (name, layer) in [
        ("training_norm", "batch_normalization"),
        ("training_drop", "dropout"),
        ("training_model", "dropout"),
    ] {
        for ending in ["", "_keras2"] {
            let path = folder.join(format!("{name}{ending}.keras"));
            let error = keras::read_file(&path).unwrap_err().to_string();
            for word in [layer, "training = true", "call it without"] {
                assert!(error.contains(word), "{name}{ending}: {error}");
            }
        }
    }
}

/// Small files of the same kinds that others made; those that are not read yet are left out.
#[test]
fn small_files_that_others_made_are_answered_as_keras_does() {
    const READ: [&str; 20] = [
        "customscalelayer.keras",
        "functional_used_twice_is_output.h5",
        "functional_used_twice_is_output.keras",
        "getitem_step2.keras",
        "layer_shared_by_two_nested.keras",
        "op_add_then_layer_add.keras",
        "op_clip.keras",
        "op_const_div.keras",
        "op_log_softmax.keras",
        "op_pad.keras",
        "op_stack.keras",
        "preprocess_caffe_keras3.keras",
        "resizing_crop.keras",
        "rmsnorm_axis1.keras",
        "serve_colour.keras",
        "serve_sigmoid_grey.keras",
        "tf_squeeze_keras2.h5",
        "thresholdedrelu_keras2.h5",
        "timedistributed_conv1d.keras",
        "einsumdense.keras",
    ];
    for name in READ {
        let Some(path) = optional(&format!("cases/{name}")) else {
            return;
        };
        let [input, expected] = ["x.npy", "y.npy"].map(|end| path.with_extension(end));
        assert_answers(&path, &input, &expected);
    }
}
