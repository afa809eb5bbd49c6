//! `kiln infer` and `kiln evaluate`: files of arrays.

use std::fs;

use kiln::npy::{self, Array};
use kiln::npz;

use crate::run;
use crate::support::{file, kiln, optional};

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

    // As keras.datasets gives them: no axis for the channel.
    npy::write_file(&x, &inputs).unwrap();
    let (code, out, err) = infer(&x);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("(253, 10)"), "{out}");
    assert_eq!(npy::read_file(&y).unwrap(), found);

    for (shape, said) in [
        (vec![28, 28], "save x[numpy.newaxis]"),
        (
            vec![1, 784],
            "(1, 784); the model takes examples of shape (28, 28, 1)",
        ),
    ] {
        let values = inputs.values[..784].to_vec();
        npy::write_file(&x, &Array { shape, values }).unwrap();
        let (code, _, err) = infer(&x);
        assert_eq!(code, Some(1));
        assert!(err.contains(said), "{err}");
    }
}

#[test]
fn infer_takes_and_gives_several_arrays_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let ends = "tests/fixtures/keras/ends/by_name_3_15";
    let given = npz::read_file(&file(&format!("{ends}.input.npz"))).unwrap();
    let expected = npz::read_file(&file(&format!("{ends}.expected.npz"))).unwrap();
    for (name, array) in &given {
        npy::write_file(path(&format!("{name}.npy")).as_ref(), array).unwrap();
    }
    // In another order, and as NumPy names arrays that have no names: in the model's order.
    let unnamed = ["alpha", "zeta"].map(|name| given.iter().find(|(n, _)| n == name).unwrap());
    let unnamed = [0, 1].map(|i| (format!("arr_{i}"), unnamed[i].1.clone()));
    npz::write_file(path("unnamed.npz").as_ref(), &unnamed).unwrap();
    let (zeta, alpha) = (path("zeta.npy"), path("alpha.npy"));
    let (zeta, alpha) = (format!("zeta={zeta}"), format!("alpha={alpha}"));
    let infer = |inputs: &[&str], output: &str| {
        let model = format!("{ends}.keras");
        let given = inputs.iter().flat_map(|input| ["--input", input]);
        run(kiln()
            .args(["infer", "--model", &model, "--output", &path(output)])
            .args(given))
    };

    let archive = format!("{ends}.input.npz");
    for inputs in [
        &[&zeta[..], &alpha][..],
        &[&archive],
        &[&path("unnamed.npz")],
    ] {
        let (code, out, err) = infer(inputs, "y.npz");
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains("y.npz: up float32 (5, 2)"), "{out}");
        let found = npz::read_file(path("y.npz").as_ref()).unwrap();
        for (name, array) in &expected {
            let (_, answer) = found.iter().find(|(found, _)| found == name).unwrap();
            assert_eq!(answer.shape, array.shape, "{name}");
            let mut pairs = answer.values.iter().zip(&array.values);
            assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-5), "{name}");
        }
    }

    for (inputs, output, said) in [
        (
            &[&zeta[..]][..],
            "y.npz",
            "input 'alpha' is missing: the model takes alpha (2,) and zeta (3,)",
        ),
        (
            &[&zeta, &zeta, &alpha],
            "y.npz",
            "input 'zeta' is given twice",
        ),
        (
            &[&path("zeta.npy")],
            "y.npz",
            "say which: --input NAME=X.npy",
        ),
        (
            &[&format!("beta={}", path("zeta.npy"))],
            "y.npz",
            "there is no input 'beta'",
        ),
        (
            &[&format!("alpha={}", path("zeta.npy")), &zeta],
            "y.npz",
            "examples of shape (2,)",
        ),
        (
            &[&zeta, &alpha],
            "y.npy",
            "give --output a name that ends in .npz",
        ),
    ] {
        let (code, _, err) = infer(inputs, output);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains(said), "{err}");
    }
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

    let (code, _, err) = run(kiln()
        .arg("evaluate")
        .arg("--images")
        .arg(&labels)
        .arg("--labels")
        .arg(&images));
    assert_eq!(code, Some(1));
    assert!(err.contains("the two are swapped"), "{err}");

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
