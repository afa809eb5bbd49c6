//! The command line, as a person or a script meets it.

mod support;

use std::fs;
use std::process::{Command, Output, Stdio};

use kiln::npy::{self, Array};
use support::{Server, file, kiln, optional};

/// Exit code, standard output, standard error.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.current_dir(file("")).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn predict_prints_a_row_a_picture_and_json_a_line_a_picture() {
    let server = Server::start(&[]);
    let addr = server.addr();
    for who in [vec!["--addr", &addr], vec!["--local"]] {
        let pictures = ["predict", "examples/seven.png", "examples/three.jpg"];
        let (code, out, err) = run(kiln().args(pictures).args(&who));
        assert_eq!(code, Some(0), "{err}");
        let rows: Vec<_> = out.lines().collect();
        assert_eq!(rows.len(), 3, "{out}");
        let cells = |row: &str| {
            row.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(cells(rows[1])[..2], ["examples/seven.png", "7"]);
        assert_eq!(cells(rows[2])[..2], ["examples/three.jpg", "3"]);

        // A folder is the pictures in it, in order.
        let (code, out, _) = run(kiln().args(["predict", "examples", "--json"]).args(&who));
        assert_eq!(code, Some(0));
        let digits: Vec<_> = out
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|line| (line["picture"].clone(), line["digit"].clone()))
            .collect();
        assert_eq!(
            digits,
            [
                ("examples/seven.png".into(), 7.into()),
                ("examples/three.jpg".into(), 3.into())
            ]
        );
    }
}

#[test]
fn predict_reads_a_picture_from_standard_input() {
    let picture = fs::File::open(file("examples/seven.png")).unwrap();
    let (code, out, _) = run(kiln()
        .args(["predict", "-", "--local", "--json", "--model", "mnist-mlp"])
        .stdin(Stdio::from(picture)));
    assert_eq!(code, Some(0));
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&answer["digit"], &answer["model"]),
        (&7.into(), &"mnist-mlp".into())
    );
}

#[test]
fn predict_answers_what_it_can_and_fails_for_the_rest() {
    let (code, out, err) = run(kiln().args([
        "predict",
        "--local",
        "Cargo.toml",
        "examples/seven.png",
        "no.png",
    ]));
    assert_eq!(code, Some(1));
    assert!(out.contains("examples/seven.png"), "{out}");
    assert!(
        err.contains("error: Cargo.toml: ") && err.contains("error: no.png: "),
        "{err}"
    );
    let (code, _, err) = run(kiln().args(["predict", "--addr=127.0.0.1:1", "examples/seven.png"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("no server at 127.0.0.1:1"), "{err}");
}

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
    fs::write(&output, "old").unwrap();
    let (code, out, err) = run(kiln()
        .arg("convert")
        .arg("weights/mnist-mlp.keras")
        .arg(&output));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("101,770 parameters"), "{out}");
    assert_eq!(
        fs::read(&output).unwrap(),
        fs::read(file("weights/mnist-mlp.safetensors")).unwrap()
    );
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
fn predict_names_the_class_that_a_file_of_labels_names() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("digits.keras");
    fs::copy(file("weights/mnist-mlp.keras"), &model).unwrap();
    let labels = "zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n\n";
    fs::write(folder.path().join("digits.labels.txt"), labels).unwrap();
    let (code, out, err) = run(kiln()
        .args(["predict", "--local", "examples/seven.png", "--model"])
        .arg(&model));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.lines().nth(1).unwrap().ends_with("%  seven"), "{out}");
}

#[test]
fn infer_writes_the_raw_outputs_in_the_models_own_shape() {
    let folder = tempfile::tempdir().unwrap();
    let (x, y) = (folder.path().join("x.npy"), folder.path().join("y.npy"));
    let inputs = npy::read_file(&file("tests/fixtures/mnist/inputs.npy")).unwrap();
    let images = Array {
        shape: vec![inputs.shape[0], 28, 28, 1],
        values: inputs.values.clone(),
    };
    npy::write_file(&x, &images).unwrap();
    let infer = |x: &std::path::Path| {
        run(kiln()
            .args(["infer", "--model", "weights/mnist.keras", "--input"])
            .arg(x)
            .arg("--output")
            .arg(&y))
    };
    let (code, _, err) = infer(&x);
    assert_eq!(code, Some(0), "{err}");
    let found = npy::read_file(&y).unwrap();
    let expected = npy::read_file(&file("tests/fixtures/mnist/mnist.expected.npy")).unwrap();
    assert_eq!(found.shape, expected.shape);
    let far = found
        .values
        .iter()
        .zip(&expected.values)
        .any(|(found, expected)| (found - expected).abs() > 1e-5);
    assert!(!far);

    npy::write_file(&x, &inputs).unwrap();
    let (code, _, err) = infer(&x);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("[28, 28]; the model takes [28, 28, 1]"),
        "{err}"
    );
}

/// Two drawn digits with their labels, as IDX files.
fn idx(folder: &std::path::Path, count: u8) -> (std::path::PathBuf, std::path::PathBuf) {
    let inputs = npy::read_file(&file("tests/fixtures/mnist/inputs.npy")).unwrap();
    let (images, labels) = (folder.join("images"), folder.join("labels"));
    let pixels = inputs.values[..usize::from(count) * 784]
        .iter()
        .map(|&value| value as u8);
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28];
    bytes.extend(pixels);
    fs::write(&images, bytes).unwrap();
    // The drawn digits count up from 0; the first label is wrong on purpose.
    let mut bytes = vec![0, 0, 8, 1, 0, 0, 0, count, 9];
    bytes.extend((1..count).map(|index| index % 10));
    fs::write(&labels, bytes).unwrap();
    (images, labels)
}

#[test]
fn evaluate_counts_answers_against_labels() {
    let folder = tempfile::tempdir().unwrap();
    let (images, labels) = idx(folder.path(), 100);
    let evaluate = |more: &[&str]| {
        run(kiln()
            .arg("evaluate")
            .arg("--images")
            .arg(&images)
            .arg("--labels")
            .arg(&labels)
            .args(more))
    };
    let (code, out, err) = evaluate(&["--json"]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(err, "", "no progress bar in a pipe");
    let result: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["images"], 100);
    assert_eq!(result["confusion"][9][0], 1, "the wrong label: {result}");
    let correct = result["correct"].as_f64().unwrap();
    assert!((90.0..100.0).contains(&correct), "{correct}");
    assert_eq!(result["accuracy"].as_f64().unwrap(), correct / 100.0);

    let (_, out, _) = evaluate(&[]);
    assert!(out.contains(&format!("{correct} of 100 correct")), "{out}");
    assert_eq!(out.lines().count(), 15, "{out}");

    fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 1, 9]).unwrap();
    let (code, _, err) = evaluate(&[]);
    assert_eq!(code, Some(1));
    assert!(err.contains("100 images"), "{err}");
}

#[test]
fn evaluate_scales_pixels_as_a_published_model_wants_them() {
    let (Some(images), Some(labels), Some(model)) = (
        optional("mnist/t10k-images-idx3-ubyte.gz"),
        optional("mnist/t10k-labels-idx1-ubyte.gz"),
        optional("keras-models/Moonflower2022__MNIST-models__mnist_model.keras"),
    ) else {
        return;
    };
    let (code, out, err) = run(kiln()
        .args(["evaluate", "--json", "--images"])
        .arg(images)
        .arg("--labels")
        .arg(labels)
        .arg("--model")
        .arg(model));
    assert_eq!(code, Some(0), "{err}");
    let result: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["accuracy"].as_f64(), Some(0.9918));
}

#[cfg(not(feature = "ndarray"))]
#[test]
fn a_backend_that_is_not_built_in_is_refused_with_how_to_get_it() {
    let (code, _, err) = run(kiln().args(["serve", "--backend=ndarray"]));
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("--features ndarray"), "{err}");
}

#[test]
fn wrong_usage_is_exit_code_2_and_help_is_0() {
    for args in [
        &["nonsense"][..],
        &["serve", "--backend=cuda"],
        &["predict"],
        &["serve", "--threads=0"],
        &[],
    ] {
        let (code, _, err) = run(kiln().args(args));
        assert_eq!(code, Some(2), "{args:?}: {err}");
        assert!(err.contains("--help") || err.contains("Usage"), "{err}");
    }
    for command in [
        "serve",
        "predict",
        "inspect",
        "convert",
        "infer",
        "evaluate",
        "healthcheck",
        "completions",
    ] {
        let (code, out, _) = run(kiln().args([command, "--help"]));
        assert_eq!(code, Some(0));
        assert!(out.contains("Usage: kiln"), "{out}");
    }
}

#[test]
fn completions_know_the_subcommands() {
    let (code, out, _) = run(kiln().args(["completions", "bash"]));
    assert_eq!(code, Some(0));
    assert!(out.contains("evaluate"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = kiln()
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
