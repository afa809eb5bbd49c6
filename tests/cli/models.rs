//! `kiln inspect` and `kiln convert`: files of models.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use kiln::description::{
    Activation, Dense, Description, Layer, Model, Node, Summary, Weight, to_safetensors,
};

use crate::run;
use crate::support::{Server, file, kiln};

#[test]
fn inspect_prints_the_summary_that_keras_prints() {
    let (code, out, _) = run(kiln().args(["inspect", "weights/mnist-mlp.keras"]));
    assert_eq!(code, Some(0));
    let wanted = "\
Model: \"mnist-mlp\"
┏━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━┓
┃ Layer (type)          ┃ Output Shape      ┃ Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━┩
│ rescaling (Rescaling) │ (None, 28, 28, 1) │       0 │
├───────────────────────┼───────────────────┼─────────┤
│ flatten (Flatten)     │ (None, 784)       │       0 │
├───────────────────────┼───────────────────┼─────────┤
│ dense (Dense)         │ (None, 128)       │ 100,480 │
├───────────────────────┼───────────────────┼─────────┤
│ dense_1 (Dense)       │ (None, 10)        │   1,290 │
└───────────────────────┴───────────────────┴─────────┘
 Total params: 101,770 (397.54 KB)
 Trainable params: 101,770 (397.54 KB)
 Non-trainable params: 0 (0.00 B)
";
    assert_eq!(out, wanted);
    let (_, out, _) = run(kiln().args(["inspect", "--json", "weights/mnist-mlp.keras"]));
    let summary: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(summary["parameters"], 101_770);
    assert_eq!(
        summary["layers"][2]["output_shape"],
        serde_json::json!([128])
    );
}

#[test]
fn convert_writes_a_file_that_serves_and_replaces_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("model.safetensors");
    fs::copy(file("weights/mnist.safetensors"), &output).unwrap();
    for input in ["weights/mnist-mlp.keras", "mnist-mlp"] {
        let (code, out, err) = run(kiln().args(["convert", input]).arg(&output));
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains("101,770 parameters"), "{out}");
        assert_eq!(
            fs::read(&output).unwrap(),
            fs::read(file("weights/mnist-mlp.safetensors")).unwrap()
        );
    }
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left behind"
    );
}

#[test]
fn convert_never_writes_over_the_model_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("digits.keras");
    fs::copy(file("weights/mnist-mlp.keras"), &model).unwrap();
    let detour = folder
        .path()
        .join("../")
        .join(folder.path().file_name().unwrap());
    let (code, _, err) = run(kiln()
        .arg("convert")
        .arg(&model)
        .arg(detour.join("digits.keras")));
    assert_eq!(code, Some(1));
    assert!(err.contains("the output is the input"), "{err}");
    let whole = fs::read(file("weights/mnist-mlp.keras")).unwrap();
    assert_eq!(fs::read(&model).unwrap(), whole);
}

#[test]
fn convert_replaces_nobodys_model_and_nobodys_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = fs::read(file("weights/mnist-mlp.keras")).unwrap();
    fs::write(path("my.keras"), &whole).unwrap();
    fs::write(path("notes.txt"), "mine").unwrap();
    let converted = file("weights/mnist.safetensors");
    let converted = converted.to_str().unwrap();
    for (input, output, said) in [
        (
            converted,
            "my.keras",
            "is it the other way round: kiln convert",
        ),
        (
            converted,
            "new.H5",
            "is it the other way round: kiln convert",
        ),
        ("mnist", "my.keras", "my.safetensors"),
        ("mnist", "notes.txt", "no safetensors file"),
        ("mnist", ".", "no safetensors file"),
    ] {
        let (code, _, err) = run(kiln().args(["convert", input]).arg(path(output)));
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains(said), "{err}");
    }
    assert_eq!(fs::read(path("my.keras")).unwrap(), whole);
    assert_eq!(fs::read(path("notes.txt")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_file_that_is_no_model_is_told_for_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    fs::create_dir(&saved).unwrap();
    fs::write(saved.join("saved_model.pb"), "").unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    for (path, said) in [
        (saved, "a TensorFlow SavedModel"),
        (folder.path().to_owned(), "a directory"),
        (file("empty.keras", b""), "empty"),
        (file("text.keras", b"hello, model"), "but text"),
        (file("page.keras", b"<!DOCTYPE html>"), "a page of the web"),
        (
            file("lfs.keras", b"version https://git-lfs.github.com/spec/v1\n"),
            "git lfs pull",
        ),
        (file("model.tflite", b"\x1c\0\0\0TFL3"), "TensorFlow Lite"),
        (file("model.pkl", b"\x80\x04\x95"), "a pickle"),
        ("examples/seven.png".into(), "`kiln predict` takes it"),
        (
            "tests/fixtures/mnist/inputs.npy".into(),
            "an array of NumPy",
        ),
        (
            "mnist-ml".into(),
            "built in are mnist and mnist-mlp: is it mnist-mlp?",
        ),
        ("minst".into(), "is it mnist?"),
    ] {
        for command in [
            &["inspect"][..],
            &["convert"],
            &["infer", "--input=x", "--output=y", "--model"],
        ] {
            let mut command = {
                let mut process = kiln();
                process.args(command).arg(&path);
                if command == ["convert"] {
                    process.arg(folder.path().join("out"));
                }
                process
            };
            let (code, _, err) = run(&mut command);
            assert_eq!(code, Some(1), "{err}");
            assert!(err.contains(said), "{err}");
        }
    }
}

/// A network of one layer, from so many values in a row to so many.
fn dense(inputs: usize, units: usize, activation: Activation) -> Model {
    let node = |name: &str, layer, inputs, output_shape, weights| Node {
        name: name.to_owned(),
        class: name.to_owned(),
        layer,
        inputs,
        output_shape,
        weights_of: None,
        weights,
    };
    let kernel = Weight {
        name: "kernel",
        shape: vec![inputs, units],
        values: vec![1.0; inputs * units],
    };
    let dense = Layer::Dense(Dense {
        units,
        use_bias: false,
        activation,
    });
    let nodes = vec![
        node("input", Layer::Input, vec![], vec![inputs], vec![]),
        node("dense", dense, vec![0], vec![units], vec![kernel]),
    ];
    let description = Description {
        name: "dense".to_owned(),
        keras_version: "3".to_owned(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        nodes,
        summary: Summary::default(),
    };
    Model::new(description).unwrap()
}

#[test]
fn a_model_that_answers_no_pictures_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, model: &Model| {
        let path = folder.path().join(name).with_extension("safetensors");
        fs::write(&path, to_safetensors(model).unwrap()).unwrap();
        path
    };
    let price = save("price", &dense(64, 1, Activation::Linear));
    // Four features of a table are no picture of 2x2.
    let iris = save("iris", &dense(4, 3, Activation::Softmax));
    for (model, said) in [
        (
            file("tests/fixtures/keras/half_precision.keras"),
            "takes [5]",
        ),
        (price, "Dense(1, \"sigmoid\")"),
        (iris, "takes [4]"),
        (
            file("tests/fixtures/keras/ends/listed_3_15.keras"),
            "has 3 inputs and 3 outputs",
        ),
    ] {
        let predict = ["predict", "--local", "examples/seven.png", "--model"];
        let (code, _, err) = run(kiln().args(predict).arg(&model));
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains(said) && err.contains("`kiln infer`"), "{err}");
    }
}

#[test]
fn a_row_that_is_taken_for_a_picture_is_told_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("row.safetensors");
    let model = dense(64, 3, Activation::Softmax);
    fs::write(&path, to_safetensors(&model).unwrap()).unwrap();
    let mut server = kiln()
        .args(Server::ON_FREE_PORTS)
        .arg("--model")
        .arg(path)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(server.stderr.take().unwrap()).lines();
    let mut log = log.map(Result::unwrap);
    let loaded = log.find(|line| line.contains("model loaded")).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let taken = "a row of 64 values, served as 8x8 pictures";
    assert!(loaded.contains(taken), "{loaded}");
}
