//! From start to stop: health, models at the start, drain.

mod support;

use std::fs;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use kiln::grpc::proto::mnist::PredictRequest;
use kiln::grpc::proto::mnist::mnist_service_client::MnistServiceClient;
use kiln::grpc::proto::mnist::predict_request::Input;
use kiln::network::Backend;
use kiln::preprocess;
use kiln::readiness::Readiness;
use kiln::server::{Config, Cors, Server as InProcess};
use kiln::serving::batcher;
use kiln::serving::classifier::Pictures;
use kiln::serving::{self, Entry, Limits, Repository, Serving};
use kiln::source::Source;
use kiln::telemetry::Telemetry;
use support::{Server, file, kiln, seven};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

#[tokio::test]
async fn a_server_that_serves_is_healthy_over_grpc_and_http() {
    let server = Server::start(&[]);
    let mut health = HealthClient::new(server.channel().await);
    for service in ["", "mnist.v1.MnistService"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
    assert_eq!(server.get("/livez").0, 200);
    assert_eq!(server.get("/readyz").0, 200);
    let check = |addr: &str| {
        let status = kiln()
            .args(["healthcheck", "--addr", addr])
            .status()
            .unwrap();
        status.code()
    };
    assert_eq!(check(&server.addr()), Some(0));
    assert_eq!(check(&server.grpc.to_string()), Some(0));
    assert_eq!(check("http://127.0.0.1:1"), Some(1));
}

#[tokio::test]
async fn a_server_without_models_yet_answers_and_says_that_it_is_not_ready() {
    let telemetry = Arc::new(Telemetry::new().unwrap());
    let readiness = Readiness::new();
    let limits = Limits {
        requests: 1,
        picture: preprocess::Limits::default(),
    };
    let repository = Arc::new(Repository::new().unwrap());
    let serving = Arc::new(Serving::new(
        Arc::clone(&repository),
        Arc::clone(&telemetry),
        limits,
    ));
    let server = InProcess {
        serving,
        telemetry: Arc::clone(&telemetry),
        readiness: readiness.clone(),
        config: Config {
            threads: 2,
            max_message_bytes: 1 << 16,
            max_buffered_bytes: 1 << 20,
            request_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            trust_forwarded_for: false,
        },
        cors: Cors::default(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = format!("http://{}", listener.local_addr().unwrap());
    let http = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let serving = tokio::spawn(server.serve(listener, http));
    let channel = tonic::transport::Channel::from_shared(addr).unwrap();
    let channel = channel.connect().await.unwrap();
    let (mut health, mut client) = (
        HealthClient::new(channel.clone()),
        MnistServiceClient::new(channel),
    );
    let mut watch = health
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    let told = watch.message().await.unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::NotServing);
    let request = PredictRequest {
        input: Some(Input::Pixels(seven().into())),
        ..Default::default()
    };
    let status = client.predict(request.clone()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status}");
    assert!(status.message().contains("being loaded"), "{status}");

    let options = serving::Options {
        backend: Backend::default(),
        pictures: Pictures::default(),
        batcher: batcher::Config {
            threads: 2,
            max_batch_size: 8,
            delay: Duration::ZERO,
        },
        in_background: false,
    };
    let model = serving::load(&Entry::of(Source::BuiltInMlp), options, &telemetry).unwrap();
    repository.add([model]);
    readiness.ready();
    let told = watch.message().await.unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::Serving);
    let answer = client.predict(request).await.unwrap().into_inner();
    assert_eq!(answer.digit, 7);
    drop((health, client, watch));
    readiness.drain();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn sigterm_and_sigint_end_an_idle_server_with_exit_code_0() {
    for signal in ["TERM", "INT"] {
        let server = Server::start(&[]);
        server.signal(signal);
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("draining") && log.contains("stopped"), "{log}");
    }
}

#[tokio::test]
async fn a_connection_that_never_says_what_it_speaks_is_closed() {
    let server = Server::start(&[]);
    let mut connections = Vec::new();
    for said in [&b""[..], b"PRI * HTTP/2.0\r\n"] {
        let mut connection = TcpStream::connect(server.grpc).await.unwrap();
        connection.write_all(said).await.unwrap();
        connections.push(connection);
    }
    for mut connection in connections {
        let mut byte = [0];
        let end = tokio::time::timeout(Duration::from_mins(1), connection.read(&mut byte));
        let end = end.await.expect("it is closed in time");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    let request = PredictRequest {
        input: Some(Input::Pixels(seven().into())),
        ..Default::default()
    };
    server.client().await.predict(request).await.unwrap();
}

#[tokio::test]
async fn a_watcher_hears_of_the_drain_and_an_open_watch_does_not_outlast_it() {
    let server = Server::start(&["--drain-timeout=1"]);
    let mut health = HealthClient::new(server.channel().await);
    let mut watch = health
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    server.signal("TERM");
    let second = watch.message().await.unwrap().unwrap();
    assert_eq!(second.status(), ServingStatus::NotServing);
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[tokio::test]
async fn a_stream_that_runs_is_answered_to_its_end_during_the_drain() {
    let server = Server::start(&[]);
    let mut client = server.client().await;
    let (send, items) = tokio::sync::mpsc::channel(1);
    let item = || PredictRequest {
        input: Some(Input::Pixels(seven().into())),
        ..Default::default()
    };
    send.send(item()).await.unwrap();
    let mut answers = client
        .predict_stream(tokio_stream::wrappers::ReceiverStream::new(items))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().digit, 7);
    let mut health = HealthClient::new(server.channel().await);
    let mut watch = health
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    watch.message().await.unwrap();
    server.signal("TERM");
    // The drain has begun once the watcher has heard of it.
    let told = watch.message().await.unwrap().unwrap();
    assert_eq!(told.status(), ServingStatus::NotServing);
    drop((watch, health));
    assert_eq!(server.get("/readyz").0, 503);
    send.send(item()).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().digit, 7);
    drop(send);
    assert!(answers.message().await.unwrap().is_none());
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("did not end in time"), "{log}");
}

fn refused(args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = kiln()
        .args(["serve", "--http-listen=127.0.0.1:0"])
        .args(args)
        .output()
        .unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_model_that_cannot_be_served_is_a_clear_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.keras");
    let whole = fs::read(file("weights/mnist.keras")).unwrap();
    fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let text = folder.path().join("text.keras");
    fs::write(&text, "no model").unwrap();
    let fake = folder.path().join("fake.safetensors");
    fs::write(&fake, "no model").unwrap();
    let missing = folder.path().join("missing.keras");
    for path in [broken, text, fake, missing, folder.path().to_owned()] {
        let path = path.to_str().unwrap();
        let (code, log) = refused(&["--grpc-listen=127.0.0.1:0", "--model", path]);
        assert_eq!(code, Some(1), "{log}");
        let error = log.lines().last().unwrap();
        assert!(
            error.starts_with("error: ") && error.contains(path),
            "{log}"
        );
    }
}

#[test]
fn a_port_that_is_taken_is_a_clear_error_at_the_start() {
    let server = Server::start(&[]);
    let taken = server.grpc.to_string();
    let (code, log) = refused(&["--grpc-listen", &taken]);
    assert_eq!(code, Some(1));
    assert!(log.contains(&format!("cannot listen on {taken}")), "{log}");
}

#[tokio::test]
async fn a_model_file_is_served_under_its_name_instead_of_the_built_in_ones() {
    for path in ["weights/mnist-mlp.keras", "weights/mnist-mlp.safetensors"] {
        let path = file(path);
        let server = Server::start(&["--model", path.to_str().unwrap(), "--backend=flex"]);
        let mut client = server.client().await;
        let mut request = PredictRequest {
            input: Some(Input::Pixels(seven().into())),
            ..Default::default()
        };
        let answer = client.predict(request.clone()).await.unwrap().into_inner();
        assert_eq!((answer.digit, &answer.model[..]), (7, "mnist-mlp"));
        request.model = "mnist".to_owned();
        let status = client.predict(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::NotFound);
        let (_, metrics) = server.get("/metrics");
        let info = metrics
            .lines()
            .find(|line| line.starts_with("kiln_model_info{"))
            .unwrap();
        assert!(
            info.contains("backend=\"flex\"") && info.contains("parameters=\"101770\""),
            "{info}"
        );
    }
}

#[tokio::test]
async fn flags_are_read_from_the_environment_too() {
    let output = kiln()
        .args([
            "serve",
            "--grpc-listen=127.0.0.1:0",
            "--http-listen=127.0.0.1:0",
        ])
        .env("KILN_MODEL", "/no/such/model.keras")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/model.keras"));
}

#[tokio::test]
async fn labels_beside_a_model_name_its_classes_in_answers_and_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("digits.keras");
    fs::copy(file("weights/mnist-mlp.keras"), &model).unwrap();
    let labels = "zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n";
    fs::write(folder.path().join("labels.txt"), labels).unwrap();
    let server = Server::start(&["--model", model.to_str().unwrap()]);
    let request = PredictRequest {
        input: Some(Input::Pixels(seven().into())),
        ..Default::default()
    };
    let answer = server.client().await.predict(request).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!((answer.digit, &answer.label[..]), (7, "seven"));
    let series = "kiln_predictions_total{class=\"seven\",model=\"digits\",version=\"1\"}";
    assert_eq!(server.metric(series), Some(1.0));
}
