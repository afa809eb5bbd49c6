//! Predictions over HTTP, asked of a real server over a real socket.

mod support;
#[path = "support/wire.rs"]
mod wire;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kiln::grpc::proto::mnist::predict_request::Input;
use kiln::grpc::proto::mnist::{Fit, PredictRequest, PredictResponse, Values};
use kiln::preprocess::{self, Limits, Size, decode_and_fit};
use serde_json::{Value, json};
use support::{Server, file, seven};
use wire::{Client, form};

fn example(name: &str) -> Vec<u8> {
    std::fs::read(file("examples").join(name)).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    let numbers = value.as_array().unwrap().iter();
    numbers
        .map(|number| number.to_string().parse().unwrap())
        .collect()
}

async fn over_grpc(server: &Server, input: Input, fit: Fit) -> PredictResponse {
    let request = PredictRequest {
        input: Some(input),
        fit: fit.into(),
        ..Default::default()
    };
    let answer = server.client().await.predict(request).await;
    answer.unwrap().into_inner()
}

fn assert_same(http: &Value, grpc: &PredictResponse) {
    assert_eq!(http["digit"], grpc.digit.to_string());
    assert_eq!(numbers(&http["probabilities"]), grpc.probabilities);
    assert_eq!(numbers(&json!([http["confidence"]])), [grpc.confidence]);
    assert_eq!(
        (&http["model"], &http["version"]),
        (&json!(grpc.model), &json!(grpc.version))
    );
}

#[tokio::test]
async fn the_numbers_are_those_of_grpc_bit_for_bit_however_a_picture_is_sent() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.http);
    for name in ["seven.png", "three.jpg"] {
        let picture = example(name);
        let image = Input::Image(picture.clone().into());
        for (fit, query) in [
            (Fit::Unspecified, "?fit=auto"),
            (Fit::Resize, "?fit=resize"),
            (Fit::Digit, "?fit=digit"),
        ] {
            let grpc = over_grpc(&server, image.clone(), fit).await;
            for kind in [
                "image/png",
                "application/octet-stream",
                "application/x-www-form-urlencoded",
            ] {
                assert_same(&client.predict(query, kind, &picture), &grpc);
            }
        }
        let grpc = over_grpc(&server, image, Fit::Unspecified).await;
        assert_same(&client.ask("POST", "/predict", "", &picture).json(), &grpc);
        for field in ["file", "image"] {
            let (kind, body) = form(&[("a", b"b"), (field, &picture)]);
            assert_same(&client.predict("", &kind, &body), &grpc);
        }
        let text = BASE64.encode(&picture);
        let url = format!("data:image/png;base64,{text}");
        for text in [
            &text,
            &url,
            text.trim_end_matches('='),
            &text.replace('+', "-").replace('/', "_"),
        ] {
            let body = json!({ "image": text }).to_string();
            assert_same(
                &client.predict("", "application/json", body.as_bytes()),
                &grpc,
            );
        }
    }
    let pixels = seven();
    let grpc = over_grpc(
        &server,
        Input::Pixels(pixels.clone().into()),
        Fit::Unspecified,
    )
    .await;
    let body = json!({ "pixels": pixels }).to_string();
    assert_same(
        &client.predict("", "application/json", body.as_bytes()),
        &grpc,
    );
    let values: Vec<f32> = pixels
        .iter()
        .map(|&pixel| f32::from(pixel) / 255.0)
        .collect();
    let sent = Values {
        values: values.clone(),
    };
    let grpc = over_grpc(&server, Input::Values(sent), Fit::Unspecified).await;
    let body = json!({ "values": values }).to_string();
    assert_same(
        &client.predict("", "application/json; charset=utf-8", body.as_bytes()),
        &grpc,
    );
}

#[test]
fn an_answer_says_what_the_replaced_project_said_and_more() {
    let server = Server::start(&[]);
    let answer = Client::connect(server.http).predict("", "image/png", &example("seven.png"));
    assert_eq!(
        (&answer["digit"], &answer["label"]),
        (&json!("7"), &json!("7"))
    );
    let probabilities = numbers(&answer["probabilities"]);
    assert_eq!(probabilities.len(), 10);
    assert!(answer.get("input").is_none());
    assert!(answer["timing"]["queue_us"].is_u64() && answer["timing"]["compute_us"].is_u64());
    let classes = answer["classes"].as_array().unwrap();
    assert_eq!(classes.len(), 5);
    assert_eq!(classes[0]["class"], 7);
    let best: Vec<_> = classes
        .iter()
        .map(|class| numbers(&json!([class["probability"]]))[0])
        .collect();
    assert!(best.is_sorted_by(|a, b| a >= b), "{best:?}");
    for class in classes {
        let index = class["class"].as_u64().unwrap() as usize;
        assert_eq!(
            numbers(&json!([class["probability"]])),
            [probabilities[index]]
        );
        assert_eq!(class["label"], index.to_string());
    }
}

#[test]
fn options_stand_in_the_query_in_the_form_or_in_json() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.http);
    let picture = example("three.jpg");
    let resized = decode_and_fit(
        &picture,
        preprocess::Fit::Resize,
        Size::MNIST,
        &Limits::default(),
    );
    let wanted = BASE64.encode(resized.unwrap());
    let text = BASE64.encode(&picture);
    let json = json!({ "image": text, "model": "mnist-mlp", "version": "1", "fit": "resize", "show_input": true });
    let json = json.to_string();
    let fields: [(&str, &[u8]); 5] = [
        ("model", b"mnist-mlp"),
        ("file", &picture),
        ("version", b"1"),
        ("fit", b"resize"),
        ("show_input", b"true"),
    ];
    let (kind, form) = form(&fields);
    for (query, kind, body) in [
        (
            "?model=mnist%2Dmlp&version=1&fit=resize&show_input=true&x=y",
            "image/jpeg",
            &picture[..],
        ),
        ("?fit=digit&model=nobody", &kind, &form),
        (
            "?fit=digit&model=nobody",
            "application/json",
            json.as_bytes(),
        ),
    ] {
        let answer = client.predict(query, kind, body);
        assert_eq!(answer["model"], "mnist-mlp");
        let input = json!({ "width": 28, "height": 28, "channels": 1, "pixels": wanted });
        assert_eq!(answer["input"], input);
    }
}

#[test]
fn what_the_network_saw_is_shown_of_pixels_and_values_too() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.http);
    let pixels = seven();
    // The network scales its input down itself.
    let values: Vec<f32> = pixels.iter().copied().map(f32::from).collect();
    for body in [json!({ "pixels": pixels }), json!({ "values": values })] {
        let answer = client.predict(
            "?show_input=true",
            "application/json",
            body.to_string().as_bytes(),
        );
        assert_eq!(answer["input"]["pixels"], BASE64.encode(&pixels));
    }
}

#[test]
fn labels_beside_a_model_name_its_classes() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("digits.keras");
    std::fs::copy(file("weights/mnist-mlp.keras"), &model).unwrap();
    let labels = "zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n";
    std::fs::write(folder.path().join("labels.txt"), labels).unwrap();
    let server = Server::start(&["--model", model.to_str().unwrap()]);
    let mut client = Client::connect(server.http);
    let answer = client.predict("", "image/png", &example("seven.png"));
    assert_eq!(
        (&answer["digit"], &answer["label"]),
        (&json!("7"), &json!("seven"))
    );
    assert_eq!(answer["classes"][0]["label"], "seven");
    let models = client.get("/models").json();
    assert_eq!(models["default"], "digits");
    let listed = &models["models"][0];
    assert_eq!(
        (&listed["labels"][9], &listed["digits"]),
        (&json!("nine"), &json!(false))
    );
}

/// What a problem says, checked for what all of them say.
fn problem(answer: &wire::Answer) -> Value {
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{answer:?}"
    );
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status);
    assert_eq!(problem["type"], "about:blank");
    for member in ["title", "detail", "reason"] {
        assert!(!problem[member].as_str().unwrap().is_empty(), "{problem}");
    }
    problem
}

/// An uncompressed scan of a seven on A4 at 300 dpi, in colour: 26 MB.
fn scan() -> Vec<u8> {
    let (width, height) = (2480_usize, 3508_usize);
    let size = 54 + 3 * width * height;
    let mut file = b"BM".to_vec();
    for field in [size, 0, 54, 40, width, height, 24 << 16 | 1] {
        file.extend(u32::try_from(field).unwrap().to_le_bytes());
    }
    file.resize(54, 0);
    for y in (0..height).rev() {
        for x in 0..width {
            let (u, v) = (x as f32 / 1000.0 - 0.7, y as f32 / 1500.0 - 0.6);
            let is_inside = (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v);
            let is_ink = is_inside && (v < 0.12 || (u + 0.6 * v - 0.93).abs() < 0.08);
            file.extend(if is_ink {
                [90, 30, 40]
            } else {
                [235, 240, 245]
            });
        }
    }
    file
}

#[tokio::test]
async fn a_scan_of_many_megabytes_is_answered_by_default_over_both_doors() {
    let server = Server::start(&[]);
    let scan = scan();
    let http = Client::connect(server.http).predict("", "image/bmp", &scan);
    let grpc = over_grpc(&server, Input::Image(scan.into()), Fit::Unspecified).await;
    assert_eq!(grpc.digit, 7);
    assert_same(&http, &grpc);
}

#[tokio::test]
async fn errors_are_problem_details_in_the_words_of_grpc() {
    let server = Server::start(&["--max-message-bytes=100000"]);
    let mut client = Client::connect(server.http);
    let image = |bytes: &[u8]| Some(Input::Image(bytes.to_vec().into()));
    let json_of = |value: Value| value.to_string().into_bytes();
    let cases = [
        (
            "image/png",
            b"no picture".to_vec(),
            image(b"no picture"),
            400,
            "invalid",
            Some("image"),
        ),
        (
            "image/png",
            Vec::new(),
            image(b""),
            400,
            "invalid",
            Some("image"),
        ),
        (
            "application/json",
            json_of(json!({})),
            None,
            400,
            "invalid",
            Some("input"),
        ),
        (
            "application/json",
            json_of(json!({ "pixels": [1, 2] })),
            Some(Input::Pixels(vec![1, 2].into())),
            400,
            "invalid",
            Some("pixels"),
        ),
        (
            "application/json",
            json_of(json!({ "values": [0.5] })),
            Some(Input::Values(Values { values: vec![0.5] })),
            400,
            "invalid",
            Some("values"),
        ),
    ];
    for (kind, body, input, status, reason, field) in cases {
        let answer = client.post("/predict", kind, &body);
        let said = problem(&answer);
        assert_eq!(
            (
                answer.status,
                said["reason"].as_str(),
                said["field"].as_str()
            ),
            (status, Some(reason), field),
            "{said}"
        );
        let request = PredictRequest {
            input,
            ..Default::default()
        };
        let grpc = server.client().await.predict(request).await.unwrap_err();
        assert_eq!(said["detail"], grpc.message());
    }
    let answer = client.post("/predict?model=nobody", "image/png", &example("seven.png"));
    let said = problem(&answer);
    assert_eq!(
        (answer.status, &said["reason"]),
        (404, &json!("unknown_model"))
    );
    assert_eq!(
        said["detail"],
        "no model 'nobody'; loaded: mnist, mnist-mlp"
    );
    assert_eq!(
        server.metric("kiln_rejections_total{reason=\"unknown_model\"}"),
        Some(1.0)
    );
}

#[test]
fn what_cannot_be_understood_is_the_senders_fault_and_says_what_to_do() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.http);
    let text = BASE64.encode(example("seven.png"));
    let deep = "[".repeat(100_000);
    for (body, says) in [
        ("{", "JSON"),
        ("[1]", "JSON"),
        (&deep[..], "JSON"),
        ("\u{feff}{}", "JSON"),
        (r#"{"pixel": [1]}"#, "unknown field"),
        (r#"{"image": "", "show_input": null}"#, "null"),
        (r#"{"pixels": [256]}"#, "256"),
        (r#"{"values": ["a"]}"#, "JSON"),
        (r#"{"values": [1e999]}"#, "JSON"),
        (r#"{"image": "%%%"}"#, "Base64"),
        (r#"{"image": "data:image/png,abc"}"#, "data: URL"),
        (r#"{"image": "", "pixels": []}"#, "more than one input"),
        (r#"{"image": "", "fit": "big"}"#, "fit is 'big'"),
    ] {
        let said = client.post("/predict", "application/json", body.as_bytes());
        let detail = problem(&said)["detail"].as_str().unwrap().to_owned();
        assert!(
            said.status == 400 && detail.contains(says) && detail.len() < 400,
            "{body:.40}: {detail}"
        );
    }
    let not_utf8 = client.post("/predict", "application/json", b"{\"image\": \"\xff\"}");
    assert_eq!(not_utf8.status, 400);
    for (query, says) in [
        ("?fit=%0abig", "fit is '\\nbig'"),
        ("?show_input=maybe", "show_input"),
    ] {
        let said = client.post(&format!("/predict{query}"), "image/png", b"");
        assert!(
            problem(&said)["detail"].as_str().unwrap().contains(says),
            "{said:?}"
        );
    }
    for (headers, says) in [
        ("Content-Encoding: gzip\r\n", "gzip"),
        (
            "Content-Type: application/json; charset=utf-16\r\n",
            "UTF-8",
        ),
        ("Content-Type: multipart/form-data\r\n", "boundary"),
        ("Content-Type: multipart/mixed; boundary=x\r\n", "form-data"),
        (
            "Content-Type: multipart/form-data; boundary=other\r\n",
            "boundary",
        ),
    ] {
        let (_, body) = form(&[("file", text.as_bytes())]);
        let said = client.ask("POST", "/predict", headers, &body);
        assert!(
            said.status == 415 && problem(&said)["detail"].as_str().unwrap().contains(says),
            "{said:?}"
        );
    }
    for fields in [
        &[("fit", &b"digit"[..])][..],
        &[("file", b"a"), ("image", b"b")],
        &[("fit", b"\xff")],
    ] {
        let (kind, body) = form(fields);
        assert_eq!(client.post("/predict", &kind, &body).status, 400);
    }
}

#[test]
fn a_model_that_is_no_classifier_says_so_everywhere() {
    let path = file("tests/fixtures/keras/convolutions.keras");
    let server = Server::start(&["--model", path.to_str().unwrap()]);
    let mut client = Client::connect(server.http);
    let listed = client.get("/models").json();
    let model = &listed["models"][0];
    assert_eq!(model["classifier"], false);
    let reason = model["reason"].as_str().unwrap();
    let said = client.post("/predict", "image/png", &example("seven.png"));
    assert_eq!(said.status, 400);
    assert!(
        problem(&said)["detail"].as_str().unwrap().ends_with(reason),
        "{said:?}"
    );
}

#[test]
fn the_models_are_listed() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.http);
    let models = client.get("/models").json();
    let one = |name: &str| {
        json!({
            "name": name, "version": "1", "classifier": true, "digits": true,
            "picture": { "width": 28, "height": 28, "channels": 1 }, "outputs": "probabilities",
            "classes": 10, "labels": null,
        })
    };
    assert_eq!(
        models,
        json!({ "default": "mnist", "models": [one("mnist"), one("mnist-mlp")] })
    );
    let head = client.ask("HEAD", "/models", "", b"");
    assert_eq!(head.status, 200);
    // And the end of the line.
    let length = models.to_string().len() + 1;
    assert_eq!(head.header("content-length"), Some(&*length.to_string()));
}

#[test]
fn methods_that_are_not_answered_are_told_those_that_are() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.http);
    for (method, path, status, allow) in [
        ("GET", "/predict", 405, "post, options"),
        ("POST", "/models", 405, "get, head, options"),
        ("DELETE", "/load_model", 405, "get, head, options"),
        ("OPTIONS", "/predict", 204, "post, options"),
        ("OPTIONS", "/metrics", 204, "get, head, options"),
    ] {
        let answer = client.ask(method, path, "", b"");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (status, Some(allow)),
            "{method} {path}"
        );
    }
}

#[test]
fn a_path_of_a_model_is_looked_at_only_where_models_are() {
    let folder = tempfile::tempdir().unwrap();
    let (served, other) = (folder.path().join("a.keras"), folder.path().join("b.keras"));
    std::fs::copy(file("weights/mnist-mlp.keras"), &served).unwrap();
    std::fs::copy(&served, &other).unwrap();
    std::fs::write(folder.path().join("secret.txt"), "").unwrap();
    let server = Server::start(&["--model", served.to_str().unwrap()]);
    let mut client = Client::connect(server.http);
    let mut ask = |path: &str| client.get(&format!("/load_model?model_path={path}"));
    let beside = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let loaded = ask(&beside("a.keras"));
    assert_eq!((loaded.status, &loaded.json()["model"]), (200, &json!("a")));
    for path in [
        "c.keras".to_owned(),
        beside("c.keras"),
        "no/such/model.h5".to_owned(),
    ] {
        let missing = ask(&path);
        assert_eq!(missing.status, 404, "{path}");
        let detail = format!("Model file not found: {path}");
        assert_eq!(problem(&missing)["detail"], detail);
    }
    // What is there, and what nobody is told whether it is there.
    for path in [
        "b.keras",
        "secret.txt",
        "no.txt",
        "../x.keras",
        "x/../../y.keras",
    ]
    .map(beside)
    {
        let refused = ask(&path);
        assert_eq!(refused.status, 403, "{path}");
        assert!(
            problem(&refused)["detail"]
                .as_str()
                .unwrap()
                .contains("--model")
        );
    }
    for path in [
        "/no/such/model.keras",
        "/etc/passwd",
        "../model.keras",
        "a.keras/../../b.keras",
    ] {
        assert_eq!(ask(path).status, 403, "{path}");
    }
    assert_eq!(ask("").status, 400);
    assert_eq!(client.get("/load_model").status, 400);
}

#[test]
fn requests_are_counted_by_route_and_client() {
    let server = Server::start(&["--trust-forwarded-for"]);
    let mut client = Client::connect(server.http);
    let picture = example("seven.png");
    let forwarded = "X-Forwarded-For: 203.0.113.9, 192.0.2.7\r\n";
    assert_eq!(
        client.ask("POST", "/predict", forwarded, &picture).status,
        200
    );
    assert_eq!(client.ask("POST", "/predict", forwarded, b"x").status, 400);
    for (series, count) in [
        (
            "http_server_request_duration_seconds_count{method=\"POST\",route=\"/predict\",status=\"200\"}",
            1.0,
        ),
        (
            "http_server_request_duration_seconds_count{method=\"POST\",route=\"/predict\",status=\"400\"}",
            1.0,
        ),
        ("api_requests_total{client_ip=\"192.0.2.7\"}", 1.0),
        (
            "kiln_predictions_total{class=\"7\",model=\"mnist\",version=\"1\"}",
            1.0,
        ),
        ("kiln_rejections_total{reason=\"invalid\"}", 1.0),
    ] {
        assert_eq!(server.metric(series), Some(count), "{series}");
    }
}
