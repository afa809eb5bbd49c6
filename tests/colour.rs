//! Pictures for networks that see colours: Pillow's pixels, Keras's answers, over real sockets.

mod support;
#[path = "support/wire.rs"]
mod wire;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::GzDecoder;
use kiln::grpc::proto::kiln::classifier_service_client::ClassifierServiceClient;
use kiln::grpc::proto::kiln::{ClassifyRequest, classify_request};
use kiln::grpc::proto::mnist::PredictRequest;
use kiln::grpc::proto::mnist::predict_request::Input;
use kiln::preprocess::{Colours, Crop, Filter, Fit, Limits, Size, Target, decode_and_fit};
use serde_json::{Value, json};
use support::{Server, file, kiln, optional};
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_types::StatusExt;
use wire::Client;

fn fixture(name: &str) -> PathBuf {
    file("tests/fixtures/colour").join(name)
}

fn picture(name: &str) -> Vec<u8> {
    fs::read(file("tests/fixtures/pictures").join(name)).unwrap()
}

/// What Keras was shown.
const SHOWN: &str = "rgb_97x61.png";

#[test]
fn colours_are_those_of_load_img_and_image_ops() {
    let ways = [
        (Colours::Rgb, Filter::Nearest, Crop::Nothing),
        (Colours::Rgb, Filter::Box, Crop::Nothing),
        (Colours::Rgb, Filter::Hamming, Crop::Nothing),
        (Colours::Rgba, Filter::Nearest, Crop::Nothing),
        (Colours::Rgba, Filter::Bicubic, Crop::Nothing),
        (Colours::Rgb, Filter::Bilinear, Crop::Pixels),
        (Colours::Rgb, Filter::Lanczos, Crop::Exact),
    ];
    let size = Size {
        width: 10,
        height: 6,
    };
    let (names, expected) = (picture("names.txt"), picture("colour.bin"));
    let mut expected = &expected[..];
    let mut wrong = Vec::new();
    for name in String::from_utf8(names).unwrap().lines() {
        let bytes = picture(name);
        for (colours, filter, crop) in ways {
            let target = Target {
                size,
                colours,
                filter,
                crop,
            };
            let ours = decode_and_fit(&bytes, Fit::Resize, target, &Limits::default()).unwrap();
            let theirs = expected.split_off(..ours.len()).unwrap();
            let off = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max();
            // A pixel alone of a JPEG is as far from libjpeg's as two decoders may be (ITU-T T.83); means are nearer. Of a GIF
            // whose frame is smaller than its canvas the rest is clear here.
            let most = if name.ends_with(".jpg") { 3 } else { 1 };
            if colours == Colours::Rgba && name == "frame_in_canvas_40x40.gif" {
                continue;
            }
            if off > Some(most) {
                wrong.push(format!("{name} {target:?}: {off:?}"));
            }
        }
    }
    assert!(expected.is_empty());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[track_caller]
fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!(
            (a - b).abs() < 2e-5,
            "{what}: {found:?}, Keras {expected:?}"
        );
    }
}

fn floats(value: &Value) -> Vec<f32> {
    let numbers = value.as_array().unwrap().iter();
    numbers
        .map(|number| number.as_f64().unwrap() as f32)
        .collect()
}

/// `kiln predict --local` of that picture.
fn predicted(model: &Path, flags: &[&str], picture: &Path) -> Value {
    let mut command = kiln();
    command.args(["predict", "--local", "--json", "--model"]);
    let output = command
        .arg(model)
        .args(flags)
        .arg(picture)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", model.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn answers_are_keras_own_whatever_pixels_become_and_however_they_are_resized() {
    let cases: Value =
        serde_json::from_slice(&fs::read(fixture("expected.json")).unwrap()).unwrap();
    let shown = file("tests/fixtures/pictures").join(SHOWN);
    for case in cases.as_array().unwrap() {
        let name = case["model"].as_str().unwrap();
        if !name.ends_with(".keras") {
            continue;
        }
        let flags: Vec<_> = case["flags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|flag| flag.as_str().unwrap())
            .collect();
        let mut expected = floats(&case["answer"]);
        if let [second] = expected[..] {
            expected = vec![1.0 - second, second];
        }
        let answer = predicted(&fixture(name), &flags, &shown);
        assert_near(
            &floats(&answer["probabilities"]),
            &expected,
            &case.to_string(),
        );
    }
}

#[tokio::test]
async fn every_door_takes_a_picture_in_colour_and_names_its_class() {
    let path = fixture("rgb.keras");
    let server = Server::start(&["--model", path.to_str().unwrap()]);
    let mut client = Client::connect(server.http);
    let answer = client.predict("?show_input=true", "image/png", &picture(SHOWN));
    assert_eq!(answer["label"], "birch");
    assert_eq!(
        answer["classes"][1],
        json!({
            "class": 0, "label": "ash", "probability": answer["probabilities"][0]
        })
    );
    let input = &answer["input"];
    assert_eq!(
        (&input["width"], &input["height"], &input["channels"]),
        (&json!(16), &json!(12), &json!(3))
    );

    let request = PredictRequest {
        input: Some(Input::Image(picture(SHOWN).into())),
        ..Default::default()
    };
    let grpc = server
        .client()
        .await
        .predict(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((grpc.digit, &*grpc.label), (1, "birch"));
    assert_near(
        &grpc.probabilities,
        &floats(&answer["probabilities"]),
        "gRPC",
    );

    // The same pixels, and the same values.
    let pixels = BASE64.decode(input["pixels"].as_str().unwrap()).unwrap();
    let values: Vec<f32> = pixels.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    for body in [json!({ "pixels": pixels }), json!({ "values": values })] {
        let same = client.predict(
            "?show_input=true",
            "application/json",
            body.to_string().as_bytes(),
        );
        assert_near(&floats(&same["probabilities"]), &grpc.probabilities, "HTTP");
        assert_eq!(same["input"], *input);
    }
    let few = json!({ "pixels": pixels[1..] }).to_string();
    let refused = client.post("/predict", "application/json", few.as_bytes());
    let detail = refused.json()["detail"].to_string();
    assert!(
        detail.contains("takes 576: 16x12 pixels of red, green and blue"),
        "{detail}"
    );

    let (_, models) = server.get("/models");
    let models: Value = serde_json::from_str(&models).unwrap();
    let model = &models["models"][0];
    assert_eq!(
        (&model["digits"], &model["outputs"]),
        (&json!(false), &json!("probabilities"))
    );
    assert_eq!(
        model["picture"],
        json!({"width": 16, "height": 12, "channels": 3})
    );
}

fn classify(input: classify_request::Input, top_k: u32) -> ClassifyRequest {
    ClassifyRequest {
        input: Some(input),
        top_k,
        ..Default::default()
    }
}

#[tokio::test]
async fn the_classifier_service_tells_the_best_classes_by_name() {
    let path = fixture("rgb.keras");
    let server = Server::start(&["--model", path.to_str().unwrap()]);
    let mut client = ClassifierServiceClient::new(server.channel().await);
    let image = classify_request::Input::Image(picture(SHOWN).into());
    let names = ["birch", "ash", "dogwood", "cedar", "elm"];
    for (top_k, count) in [(0, 5), (1, 1), (3, 3), (9, 5), (u32::MAX, 5)] {
        let answer = client.classify(classify(image.clone(), top_k)).await;
        let answer = answer.unwrap().into_inner();
        let labels: Vec<_> = answer.classes.iter().map(|class| &*class.label).collect();
        assert_eq!(labels, names[..count], "top_k {top_k}");
        assert_eq!((&*answer.model, &*answer.version), ("rgb", "1"));
        assert_eq!(answer.classes[0].index, 1);
        let probabilities = answer.classes.iter().map(|class| class.probability);
        assert!(probabilities.is_sorted_by(|a, b| a >= b), "{answer:?}");
    }
    let http = Client::connect(server.http).predict("?top_k=2", "image/png", &picture(SHOWN));
    assert_eq!(http["classes"].as_array().unwrap().len(), 2);

    // What is wrong is said as the service of digits says it.
    let pixels = classify_request::Input::Pixels(vec![0; 3].into());
    let status = client.classify(classify(pixels, 0)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_details_bad_request().unwrap();
    assert_eq!(details.field_violations[0].field, "pixels");
    let status = client
        .classify(ClassifyRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let fit = ClassifyRequest {
        fit: 9,
        ..classify(image, 0)
    };
    let status = client.classify(fit).await.unwrap_err();
    assert!(status.message().contains("fit is 9"), "{status}");

    let counted = "rpc_server_call_duration_seconds_count{rpc_method=\"kiln.v1.ClassifierService/Classify\",rpc_status_code=\"OK\",rpc_system_name=\"grpc\"}";
    assert_eq!(server.metric(counted), Some(5.0));
    let predicted = "kiln_predictions_total{class=\"birch\",model=\"rgb\",version=\"1\"}";
    assert_eq!(server.metric(predicted), Some(6.0));
}

#[tokio::test]
async fn a_stream_of_pictures_is_answered_in_order_and_outlives_a_bad_one() {
    let path = fixture("pair.keras");
    let server = Server::start(&["--model", path.to_str().unwrap()]);
    let mut client = ClassifierServiceClient::new(server.channel().await);
    let items = [
        classify(classify_request::Input::Image(picture(SHOWN).into()), 2),
        classify(classify_request::Input::Image(b"no picture"[..].into()), 2),
        classify(classify_request::Input::Pixels(vec![255; 576].into()), 1),
    ];
    let answers = client
        .classify_stream(tokio_stream::iter(items))
        .await
        .unwrap();
    let answers: Vec<_> = answers.into_inner().collect().await;
    let [first, bad, last] = &answers[..] else {
        panic!("{answers:?}");
    };
    let first = first.as_ref().unwrap();
    assert_eq!((first.classes.len(), &*first.classes[0].label), (2, "cat"));
    let error = bad.as_ref().unwrap().error.as_ref().unwrap();
    assert_eq!(error.code, Code::InvalidArgument as i32);
    assert!(error.message.starts_with("image: "), "{error:?}");
    assert_eq!(last.as_ref().unwrap().classes.len(), 1);
}

/// A folder as Teachable Machine's archive is: `keras_model.h5` and `labels.txt`.
fn teachable() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let packed = fs::File::open(fixture("teachable.h5.gz")).unwrap();
    let mut model = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut model).unwrap();
    fs::write(folder.path().join("keras_model.h5"), model).unwrap();
    fs::write(
        folder.path().join("labels.txt"),
        "0 Cat\n1 Dog\n2 Nobody here\n",
    )
    .unwrap();
    folder
}

#[test]
fn teachable_machines_export_is_served_as_its_own_sample_code_asks_it() {
    let cases: Value =
        serde_json::from_slice(&fs::read(fixture("expected.json")).unwrap()).unwrap();
    let mut cases = cases.as_array().unwrap().iter();
    let case = cases
        .find(|case| case["model"] == "teachable.h5.gz")
        .unwrap();
    let expected = floats(&case["answer"]);
    let folder = teachable();
    let server = Server::start(&[
        "--model",
        folder.path().join("keras_model.h5").to_str().unwrap(),
    ]);
    let answer = Client::connect(server.http).predict("", "image/png", &picture(SHOWN));
    let found = floats(&answer["probabilities"]);
    // A few pixels are a level off, of 255, and 50 layers follow.
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() < 2e-4, "{found:?}, Keras {expected:?}");
    }
    let labels: Vec<_> = answer["classes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["label"].as_str().unwrap())
        .collect();
    assert_eq!(labels, ["Cat", "Nobody here", "Dog"]);
}

#[test]
fn the_log_says_what_was_taken_and_why() {
    let folder = teachable();
    for (model, pixels, because, resize) in [
        (
            folder.path().join("keras_model.h5"),
            "tf",
            "Teachable Machine",
            "lanczos",
        ),
        (
            fixture("pair.keras"),
            "0-255",
            "scales its input itself",
            "nearest",
        ),
        (
            fixture("normalized.keras"),
            "0-255",
            "BatchNormalization",
            "nearest",
        ),
        (
            fixture("rgb.keras"),
            "0-1",
            "nothing in the model tells",
            "nearest",
        ),
    ] {
        let mut command = kiln();
        command
            .args(Server::ON_FREE_PORTS)
            .arg("--model")
            .arg(&model);
        let mut server = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
        let line = log
            .find(|line| line.as_ref().unwrap().contains("model loaded"))
            .unwrap()
            .unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        let field = |name: &str| {
            line.get(name)
                .or_else(|| line["fields"].get(name))
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            (&*field("pixels"), &*field("resize")),
            (pixels, resize),
            "{line}"
        );
        assert!(field("because").contains(because), "{line}");
    }
}

#[test]
fn a_range_that_looks_wrong_is_warned_of_once() {
    // Random weights that want 0 to 255, and get 0 to 1.
    let path = fixture("raw.keras");
    let server = Server::start(&["--model", path.to_str().unwrap()]);
    let mut client = Client::connect(server.http);
    let names = String::from_utf8(picture("names.txt")).unwrap();
    for name in names.lines().filter(|name| name.starts_with("rgb_")) {
        client.predict("", "image/png", &picture(name));
    }
    server.signal("TERM");
    let (_, log) = server.wait();
    let warned = log
        .lines()
        .filter(|line| line.contains("answers are all alike"));
    assert_eq!(warned.count(), 1, "{log}");
}

#[test]
fn the_small_files_at_hand_are_served() {
    for (name, classes) in [("serve_colour", 4), ("serve_sigmoid_grey", 2)] {
        let Some(path) = optional(&format!("cases/{name}.keras")) else {
            continue;
        };
        let answer = predicted(&path, &[], &file("tests/fixtures/pictures").join(SHOWN));
        assert_eq!(answer["probabilities"].as_array().unwrap().len(), classes);
    }
}
