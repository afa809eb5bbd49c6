//! `kiln predict`

use std::fs;
use std::process::Stdio;

use crate::run;
use crate::support::{Server, file, kiln};

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
        assert_eq!(rows[0], "picture             digit  confidence");
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
    assert!(err.ends_with("no answer for 2 of 3 pictures\n"), "{err}");
    assert!(!err.contains("os error"), "{err}");
    // Of one picture neither a table nor a sum is printed.
    let (code, out, err) = run(kiln().args(["predict", "--local", "no.png"]));
    assert_eq!((code, &*out), (Some(1), ""));
    assert_eq!(err, "error: no.png: No such file or directory\n");
    let (code, _, err) = run(kiln().args(["predict", "--addr=127.0.0.1:1", "examples/seven.png"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("no server answers at 127.0.0.1:1"), "{err}");
    assert!(err.contains("is `kiln serve` running there?"), "{err}");
    assert!(err.contains("--local needs none"), "{err}");
}

#[test]
fn at_the_port_of_http_one_is_told_where_grpc_is() {
    let server = Server::start(&[]);
    let http = server.http.to_string();
    let pictures = ["predict", "examples/seven.png", "examples/three.jpg"];
    for command in [&pictures[..], &["healthcheck"]] {
        let (code, _, err) = run(kiln().args(command).args(["--addr", &http]));
        assert_eq!(code, Some(1));
        assert!(err.contains(&format!("{http} answers HTTP/1.1")), "{err}");
        assert!(err.contains("gRPC is on 127.0.0.1:50051"), "{err}");
        assert_eq!(err.lines().count(), 1, "once, however many pictures: {err}");
    }
}

#[test]
fn what_a_server_would_ignore_is_told() {
    let server = Server::start(&[]);
    let addr = server.addr();
    let predict = ["predict", "examples/seven.png", "--addr", &addr];
    let (code, _, err) = run(kiln().args(predict).env("KILN_MODEL", "mnist-mlp"));
    assert_eq!(code, Some(0));
    assert!(err.contains("warning: KILN_MODEL"), "{err}");
    let (_, _, err) = run(kiln().args(predict).env("KILN_PIXEL_RANGE", "0-1"));
    assert!(err.contains("warning: KILN_PIXEL_RANGE"), "{err}");
    // A file's path is no name of a model that the server has.
    let (code, _, err) = run(kiln()
        .args(predict)
        .args(["--model", "weights/mnist.keras"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("with --local only"), "{err}");
    // Without a server the variable counts.
    let local = ["predict", "examples/seven.png", "--local", "--json"];
    let (_, out, err) = run(kiln().args(local).env("KILN_MODEL", "mnist-mlp"));
    assert!(out.contains(r#""model":"mnist-mlp""#), "{out}{err}");
}

#[test]
fn pictures_of_other_formats_in_a_folder_are_told() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.HEIC", "b.heic", "c.tiff", "notes.txt", ".DS_Store"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let (code, _, err) = run(kiln().args(["predict", "--local"]).arg(folder.path()));
    assert_eq!(code, Some(1));
    assert!(err.contains("2 .heic, 1 .tiff"), "{err}");
    fs::copy(file("examples/seven.png"), folder.path().join("d.png")).unwrap();
    let (code, out, err) = run(kiln().args(["predict", "--local"]).arg(folder.path()));
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(
        err.starts_with("warning: skipped 2 .heic, 1 .tiff"),
        "{err}"
    );
    assert!(err.ends_with("warning: skipped 1 other file\n"), "{err}");
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
    // Names are no digits.
    assert!(
        out.starts_with("picture             class  confidence\n"),
        "{out}"
    );
}
