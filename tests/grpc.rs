//! The gRPC service over a real socket, against the real binary.

mod support;

use std::time::Duration;

use bytes::Bytes;
use kiln::grpc::proto::mnist::predict_request::Input;
use kiln::grpc::proto::mnist::{Fit, PredictRequest, PredictResponse, Values};
use prost::Message;
use support::{Server, file, seven};
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_types::StatusExt;

fn request(input: Input) -> PredictRequest {
    PredictRequest {
        input: Some(input),
        ..Default::default()
    }
}

fn pixels() -> PredictRequest {
    request(Input::Pixels(seven().into()))
}

fn values(values: Vec<f32>) -> PredictRequest {
    request(Input::Values(Values { values }))
}

fn picture(path: &str) -> PredictRequest {
    request(Input::Image(std::fs::read(file(path)).unwrap().into()))
}

/// A probability a class, adding up to one, the largest of them the answer's.
fn check(answer: &PredictResponse, digit: u32) {
    assert_eq!(answer.digit, digit);
    assert_eq!(answer.probabilities.len(), 10);
    assert!((answer.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    let best = answer.probabilities.iter().copied().fold(0.0, f32::max);
    assert_eq!(answer.confidence, best);
    assert_eq!(answer.confidence, answer.probabilities[digit as usize]);
    assert!(answer.error.is_none());
}

#[tokio::test]
async fn pixels_values_and_pictures_of_a_digit_are_told_by_both_networks() {
    let server = Server::start(&[]);
    let mut client = server.client().await;
    for model in ["", "mnist", "mnist-mlp"] {
        let raw = seven().into_iter().map(f32::from).collect();
        for mut request in [pixels(), values(raw), picture("examples/seven.png")] {
            request.model = model.to_owned();
            let answer = client.predict(request).await.unwrap().into_inner();
            check(&answer, 7);
            assert_eq!(answer.model, if model.is_empty() { "mnist" } else { model });
            assert_eq!(answer.version, "1");
        }
        let mut three = picture("examples/three.jpg");
        three.model = model.to_owned();
        check(&client.predict(three).await.unwrap().into_inner(), 3);
    }
}

#[tokio::test]
async fn the_fit_decides_how_a_picture_is_read() {
    let server = Server::start(&[]);
    let mut client = server.client().await;
    // Dark ink on paper, written small: only FIT_DIGIT makes a digit of it.
    let mut answers = Vec::new();
    for fit in [Fit::Unspecified, Fit::Digit, Fit::Resize] {
        let mut request = picture("examples/three.jpg");
        request.fit = fit.into();
        answers.push(
            client
                .predict(request)
                .await
                .unwrap()
                .into_inner()
                .probabilities,
        );
    }
    assert_eq!(answers[0], answers[1]);
    assert_ne!(answers[0], answers[2]);
}

#[tokio::test]
async fn bad_input_gets_the_right_status_and_a_word_on_what_to_do() {
    let server = Server::start(&["--max-message-bytes=100000"]);
    let mut client = server.client().await;
    let with = |model: &str, version: &str| PredictRequest {
        model: model.to_owned(),
        version: version.to_owned(),
        ..pixels()
    };
    let mut nan = vec![0.0; 784];
    nan[3] = f32::NAN;
    let cases = [
        (
            PredictRequest::default(),
            Code::InvalidArgument,
            "set one of image, pixels or values",
        ),
        (
            request(Input::Pixels(vec![0; 783].into())),
            Code::InvalidArgument,
            "784",
        ),
        (
            request(Input::Pixels(vec![].into())),
            Code::InvalidArgument,
            "784",
        ),
        (values(vec![0.0; 785]), Code::InvalidArgument, "784"),
        (values(nan), Code::InvalidArgument, "values[3] is NaN"),
        (
            values(vec![f32::INFINITY; 784]),
            Code::InvalidArgument,
            "finite",
        ),
        (with("nope", ""), Code::NotFound, "loaded: mnist, mnist-mlp"),
        (with("mnist", "9"), Code::NotFound, "loaded: 1"),
        (
            request(Input::Image(vec![].into())),
            Code::InvalidArgument,
            "image",
        ),
        (
            request(Input::Image(b"GIF89a".to_vec().into())),
            Code::InvalidArgument,
            "image",
        ),
        (
            request(Input::Image(vec![b'x'; 5000].into())),
            Code::InvalidArgument,
            "PNG",
        ),
        (
            request(Input::Image(vec![0; 200_000].into())),
            Code::ResourceExhausted,
            "100000 bytes",
        ),
    ];
    for (request, code, word) in cases {
        let shown = format!("{request:.200?}");
        let status = client.predict(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{shown:.200}: {status}");
        assert!(status.message().contains(word), "{shown:.200}: {status}");
        assert!(status.message().len() < 500, "{status}");
        if code == Code::InvalidArgument {
            let details = status.get_error_details();
            assert_eq!(details.bad_request().unwrap().field_violations.len(), 1);
        }
    }
    // And the server is none the worse for it.
    check(&client.predict(pixels()).await.unwrap().into_inner(), 7);
}

#[tokio::test]
async fn a_stream_answers_in_order_and_goes_on_after_a_bad_item() {
    let server = Server::start(&[]);
    let mut client = server.client().await;
    let items: Vec<_> = (0..100)
        .map(|index| match index % 3 {
            0 => pixels(),
            1 => picture("examples/three.jpg"),
            _ => request(Input::Pixels(vec![0; index].into())),
        })
        .collect();
    let answers: Vec<_> = client
        .predict_stream(tokio_stream::iter(items))
        .await
        .unwrap()
        .into_inner()
        .collect()
        .await;
    assert_eq!(answers.len(), 100);
    for (index, answer) in answers.into_iter().enumerate() {
        let answer = answer.unwrap();
        match index % 3 {
            0 => check(&answer, 7),
            1 => check(&answer, 3),
            _ => {
                let error = answer.error.unwrap();
                assert_eq!(error.code, Code::InvalidArgument as i32);
                assert!(
                    error.message.contains(&format!("{index} bytes")),
                    "{}",
                    error.message
                );
            }
        }
    }
}

#[tokio::test]
async fn many_clients_at_once_each_get_their_own_answer() {
    let server = Server::start(&[]);
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let mut client = server.client().await;
        tasks.spawn(async move {
            for index in 0..50 {
                let (request, digit) = if (worker + index) % 2 == 0 {
                    (pixels(), 7)
                } else {
                    (picture("examples/three.jpg"), 3)
                };
                check(&client.predict(request).await.unwrap().into_inner(), digit);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(
        server.metric("kiln_predictions_total{class=\"7\",model=\"mnist\",version=\"1\"}"),
        Some(200.0)
    );
}

#[tokio::test]
async fn a_server_that_is_full_says_so_and_when_to_come_back() {
    let server = Server::start(&["--max-requests=1", "--threads=1"]);
    let mut clients = Vec::new();
    for _ in 0..32 {
        clients.push(server.client().await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move { client.predict(picture("examples/three.jpg")).await });
    }
    let mut full = 0;
    while let Some(answer) = tasks.join_next().await {
        match answer.unwrap() {
            Ok(answer) => check(&answer.into_inner(), 3),
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                assert!(status.get_error_details().retry_info().is_some());
                full += 1;
            }
        }
    }
    assert!(full > 0, "32 requests at once and room for one");
    assert_eq!(
        server.metric("kiln_rejections_total{reason=\"queue_full\"}"),
        Some(f64::from(full))
    );
}

#[tokio::test]
async fn reflection_tells_of_every_service_in_both_versions() {
    use tonic_reflection::pb::{v1, v1alpha};
    let server = Server::start(&[]);
    let wanted = [
        "grpc.health.v1.Health",
        "kiln.v1.ClassifierService",
        "mnist.v1.MnistService",
    ];
    let channel = server.channel().await;

    let ask = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut answers = v1::server_reflection_client::ServerReflectionClient::new(channel.clone())
        .server_reflection_info(tokio_stream::once(ask))
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}");
    };
    for service in wanted {
        assert!(
            list.service.iter().any(|listed| listed.name == service),
            "{list:?}"
        );
    }

    // A service's own file, and the details that an error may have.
    let asked = [wanted[1], "google.rpc.BadRequest", "google.rpc.RetryInfo"];
    let asks = asked.map(|symbol| v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                symbol.to_owned(),
            ),
        ),
    });
    let mut answers = v1alpha::server_reflection_client::ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::iter(asks))
        .await
        .unwrap()
        .into_inner();
    for symbol in asked {
        let answer = answers.message().await.unwrap().unwrap();
        assert!(
            matches!(
                answer.message_response.unwrap(),
                v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(_)
            ),
            "{symbol}"
        );
    }
}

#[tokio::test]
async fn calls_are_counted_by_method_and_status_and_unknown_methods_together() {
    let server = Server::start(&[]);
    let mut client = server.client().await;
    client.predict(pixels()).await.unwrap();
    client.predict(PredictRequest::default()).await.unwrap_err();
    let mut stream = client
        .predict_stream(tokio_stream::iter([pixels()]))
        .await
        .unwrap()
        .into_inner();
    while stream.message().await.unwrap().is_some() {}
    let mut raw = tonic::client::Grpc::new(server.channel().await);
    raw.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/made.up.Service/Method");
    let codec = tonic_prost::ProstCodec::<PredictRequest, PredictResponse>::default();
    let status = raw
        .unary(tonic::Request::new(pixels()), path, codec)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);

    let count = |method: &str, status: &str| {
        let (_, text) = server.get("/metrics");
        text.lines()
            .filter(|line| line.starts_with("rpc_server_call_duration_seconds_count"))
            .filter(|line| line.contains(&format!("rpc_method=\"{method}\"")))
            .filter(|line| line.contains(&format!("rpc_status_code=\"{status}\"")))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum::<f64>()
    };
    assert_eq!(count("mnist.v1.MnistService/Predict", "OK"), 1.0);
    assert_eq!(
        count("mnist.v1.MnistService/Predict", "INVALID_ARGUMENT"),
        1.0
    );
    assert_eq!(count("mnist.v1.MnistService/PredictStream", "OK"), 1.0);
    assert_eq!(count("_OTHER", "UNIMPLEMENTED"), 1.0);
    assert_eq!(
        server.metric("api_requests_total{client_ip=\"127.0.0.1\"}"),
        Some(2.0)
    );
}

#[tokio::test]
async fn a_stream_longer_than_the_places_there_are_waits_and_loses_nothing() {
    let server = Server::start(&["--max-requests=2"]);
    let mut client = server.client().await;
    let items: Vec<_> = (0..100).map(|_| pixels()).collect();
    let mut answers = client
        .predict_stream(tokio_stream::iter(items))
        .await
        .unwrap()
        .into_inner();
    let mut count = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        check(&answer, 7);
        count += 1;
    }
    assert_eq!(count, 100);
}

#[tokio::test]
async fn a_small_network_answers_more_calls_at_once_than_places_there_are() {
    let server = Server::start(&["--max-requests=256", "--threads=1"]);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let client = server.client().await;
        for _ in 0..128 {
            let mut client = client.clone();
            let mut request = pixels();
            request.model = "mnist-mlp".to_owned();
            tasks.spawn(async move { client.predict(request).await });
        }
    }
    let mut answered = 0;
    while let Some(answer) = tasks.join_next().await {
        match answer.unwrap() {
            Ok(answer) => {
                check(&answer.into_inner(), 7);
                answered += 1;
            }
            Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status}"),
        }
    }
    // All of them, but where the machine is busy with something else and a thread computes late. A server that reads
    // whatever comes answers little more than the 256 that it has places for.
    assert!(answered > 512, "{answered} of 1024");
    let waits = server.metric("kiln_read_wait_duration_seconds_count");
    assert!(waits > Some(0.0), "{waits:?}: nothing had to wait");
}

#[tokio::test]
async fn an_item_over_the_limit_ends_the_stream_and_says_which_limit() {
    let server = Server::start(&["--max-message-bytes=100000"]);
    let mut client = server.client().await;
    let items = [pixels(), request(Input::Image(vec![0; 200_000].into()))];
    let mut answers = client
        .predict_stream(tokio_stream::iter(items))
        .await
        .unwrap()
        .into_inner();
    check(&answers.message().await.unwrap().unwrap(), 7);
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("100000 bytes"), "{status}");
}

#[tokio::test]
async fn a_request_that_never_arrives_is_ended_by_the_servers_own_timeout() {
    let server = Server::start(&["--request-timeout=1"]);
    let mut raw = tonic::client::Grpc::new(server.channel().await);
    raw.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/mnist.v1.MnistService/Predict");
    let codec = tonic_prost::ProstCodec::<PredictRequest, PredictResponse>::default();
    let silent = tonic::Request::new(tokio_stream::pending::<PredictRequest>());
    let status = raw
        .client_streaming(silent, path, codec)
        .await
        .map(|_: tonic::Response<PredictResponse>| ())
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert!(status.message().contains("--request-timeout"), "{status}");
    assert_eq!(
        server.metric("kiln_rejections_total{reason=\"deadline\"}"),
        Some(1.0)
    );
}

#[tokio::test]
async fn an_unknown_fit_is_refused_with_those_that_there_are() {
    let server = Server::start(&[]);
    let mut client = server.client().await;
    let mut unknown = picture("examples/three.jpg");
    unknown.fit = 99;
    let status = client.predict(unknown).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let message = status.message();
    assert!(message.starts_with("fit is 99; it must be 0"), "{message}");
}

#[tokio::test]
async fn one_absurd_request_does_not_drown_the_mean_intensity() {
    let server = Server::start(&[]);
    let mut client = server.client().await;
    client.predict(values(vec![3.0e38; 784])).await.ok();
    client.predict(pixels()).await.unwrap();
    let sum = server
        .metric("kiln_input_mean_intensity_sum{model=\"mnist\",version=\"1\"}")
        .unwrap();
    assert!(sum < 10.0, "{sum}");
}

/// Bytes as they stand, to send what no client library would.
#[derive(Default)]
struct Raw;

impl tonic::codec::Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for Raw {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn encode(
        &mut self,
        item: Vec<u8>,
        to: &mut tonic::codec::EncodeBuf<'_>,
    ) -> Result<(), tonic::Status> {
        bytes::BufMut::put_slice(to, &item);
        Ok(())
    }
}

impl tonic::codec::Decoder for Raw {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn decode(
        &mut self,
        from: &mut tonic::codec::DecodeBuf<'_>,
    ) -> Result<Option<Vec<u8>>, tonic::Status> {
        use bytes::Buf;
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_clients_fault() {
    let server = Server::start(&[]);
    let mut raw = tonic::client::Grpc::new(server.channel().await);
    raw.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/mnist.v1.MnistService/Predict");
    let request = tonic::Request::new(b"\xff\xff\xff".to_vec());
    let status = raw.unary(request, path, Raw).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains("proto"), "{status}");
}

#[tokio::test]
async fn a_compressed_message_is_refused_with_what_is_taken_instead() {
    let server = Server::start(&[]);
    let mut request = tonic::Request::new(pixels());
    let encoding = "gzip".parse().unwrap();
    request.metadata_mut().insert("grpc-encoding", encoding);
    let status = server.client().await.predict(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status}");
    assert_eq!(
        status.metadata().get("grpc-accept-encoding").unwrap(),
        "identity"
    );
}

#[tokio::test]
async fn messages_that_are_too_much_together_are_refused_and_leave_nothing_behind() {
    let limits = ["--max-message-bytes=1000000", "--max-buffered-bytes=1"];
    let server = Server::start(&limits);
    // Each of these says that it has 900 kB, and sends most of it; one of them fits.
    let mut raw = RawClient::connect(&server, 1 << 16).await;
    let mut unfinished = Vec::new();
    let mut answers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (answer, mut body) = raw.open(PREDICT, "192.0.2.1").await;
        body.send_data(half(900_000, 800_000), false).unwrap();
        unfinished.push(body);
        answers.spawn(answer);
    }
    let refused = answers.join_next().await.unwrap().unwrap().unwrap();
    let status = tonic::Status::from_header_map(refused.headers()).unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.get_error_details().retry_info().is_some());
    raw.connection.abort();
    // Their memory comes back once the server has seen the connection break.
    let mut client = server.client().await;
    let status = loop {
        let large = request(Input::Image(vec![b'x'; 900_000].into()));
        let status = client.predict(large).await.unwrap_err();
        if status.code() != Code::ResourceExhausted {
            break status;
        }
    };
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
}

#[tokio::test]
async fn a_proxy_is_believed_who_its_client_is_only_when_it_is_trusted() {
    for (flag, address) in [("", "127.0.0.1"), ("--trust-forwarded-for", "192.0.2.7")] {
        let flags: Vec<_> = Some(flag)
            .filter(|flag| !flag.is_empty())
            .into_iter()
            .collect();
        let server = Server::start(&flags);
        let mut request = tonic::Request::new(pixels());
        let headers = request.metadata_mut();
        headers.insert("x-forwarded-for", "203.0.113.9, 192.0.2.7".parse().unwrap());
        server.client().await.predict(request).await.unwrap();
        let series = format!("api_requests_total{{client_ip=\"{address}\"}}");
        assert_eq!(server.metric(&series), Some(1.0), "{series}");
    }
}

const PREDICT: &str = "mnist.v1.MnistService/Predict";
const PREDICT_STREAM: &str = "mnist.v1.MnistService/PredictStream";

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// HTTP/2 as it stands, to do what no gRPC client would.
struct RawClient {
    addr: String,
    http2: h2::client::SendRequest<Bytes>,
    connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl RawClient {
    /// A client that takes at most `window` bytes of each answer before it is read.
    async fn connect(server: &Server, window: u32) -> Self {
        let stream = tokio::net::TcpStream::connect(server.grpc).await.unwrap();
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window);
        let (http2, connection) = builder.handshake(stream).await.unwrap();
        Self {
            addr: server.addr(),
            http2,
            connection: tokio::spawn(connection),
        }
    }

    /// Begins a call, as a proxy would for a client at `address`.
    async fn open(
        &mut self,
        method: &str,
        address: &str,
    ) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        let request = http::Request::post(format!("{}/{method}", self.addr))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("x-forwarded-for", address)
            .body(())
            .unwrap();
        let mut http2 = self.http2.clone().ready().await.unwrap();
        http2.send_request(request, false).unwrap()
    }

    /// A stream that was sent `items`, and of whose answers the client has read nothing but that they began.
    async fn unread(
        &mut self,
        items: &[PredictRequest],
    ) -> (h2::RecvStream, h2::SendStream<Bytes>) {
        let (answer, mut body) = self.open(PREDICT_STREAM, "192.0.2.1").await;
        let mut bytes = Vec::new();
        for item in items {
            bytes.push(0);
            bytes.extend(u32::try_from(item.encoded_len()).unwrap().to_be_bytes());
            bytes.extend(item.encode_to_vec());
        }
        body.send_data(bytes.into(), false).unwrap();
        let mut answers = answer.await.unwrap().into_body();
        answers.data().await.expect("an answer").unwrap();
        (answers, body)
    }
}

/// So many bytes of a message that claims to be of another length.
fn half(length: u32, sent: usize) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(length.to_be_bytes());
    bytes.resize(sent, 0);
    bytes.into()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_stream_does_not_hold_the_memory_that_its_largest_item_took() {
    let server = Server::start(&[]);
    let mut client = server.client().await;
    let mut open = Vec::new();
    for _ in 0..64 {
        let (send, items) = tokio::sync::mpsc::channel(1);
        let large = request(Input::Pixels(vec![0; 8_000_000].into()));
        send.send(large).await.unwrap();
        let items = tokio_stream::wrappers::ReceiverStream::new(items);
        let mut answers = client.predict_stream(items).await.unwrap().into_inner();
        let error = answers.message().await.unwrap().unwrap().error.unwrap();
        assert_eq!(error.code, Code::InvalidArgument as i32, "{error:?}");
        open.push((send, answers));
    }
    let memory = server.memory();
    println!("{memory} bytes with {} streams open", open.len());
    assert!(memory < 150_000_000, "{memory} bytes");
    for (send, answers) in &mut open {
        send.send(pixels()).await.unwrap();
        check(&answers.message().await.unwrap().unwrap(), 7);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_does_not_stop_the_pictures_of_others() {
    let server = Server::start(&[]);
    let mut raw = RawClient::connect(&server, 1).await;
    let pictures: Vec<_> = (0..15).map(|_| picture("examples/three.jpg")).collect();
    let unread = tokio::time::timeout(PATIENCE, raw.unread(&pictures)).await;
    let mut client = server.client().await;
    for _ in 0..4 {
        let answer = client.predict(picture("examples/three.jpg")).await;
        check(&answer.unwrap().into_inner(), 3);
    }
    drop(unread);
}

#[tokio::test]
async fn streams_that_are_not_read_do_not_stop_other_calls_on_their_connection() {
    let server = Server::start(&["--request-timeout=10"]);
    let mut raw = RawClient::connect(&server, 1).await;
    let large = request(Input::Pixels(vec![0; 100_000].into()));
    let items = vec![large; 40];
    let unread = [raw.unread(&items).await, raw.unread(&items).await];
    // Before the last of them the server reads no more of the streams.
    for _ in 0..100 {
        let (answer, mut body) = raw.open(PREDICT, "192.0.2.2").await;
        body.send_data(half(0, 5), true).unwrap();
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.expect("an answer").unwrap();
        let status = tonic::Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    drop(unread);
}

#[tokio::test]
async fn streams_that_are_not_read_leave_places_to_others() {
    let server = Server::start(&["--max-requests=16"]);
    let mut raw = RawClient::connect(&server, 1).await;
    let items: Vec<_> = (0..40).map(|_| pixels()).collect();
    let mut unread = Vec::new();
    for _ in 0..16 {
        let stream = tokio::time::timeout(PATIENCE, raw.unread(&items)).await;
        unread.push(stream.expect("its first answer"));
    }
    let mut client = server.client().await;
    let answers = client.predict_stream(tokio_stream::iter(items)).await;
    let answers = answers.unwrap().into_inner().collect::<Vec<_>>();
    let answers = tokio::time::timeout(PATIENCE, answers).await;
    for answer in answers.expect("an answer for each item") {
        check(&answer.unwrap(), 7);
    }
}

#[tokio::test]
async fn half_messages_of_one_client_leave_memory_to_others() {
    let server = Server::start(&[
        "--max-message-bytes=1000000",
        "--max-buffered-bytes=1",
        "--trust-forwarded-for",
    ]);
    let mut raw = RawClient::connect(&server, 1 << 16).await;
    let mut unfinished = Vec::new();
    let mut answers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (answer, mut body) = raw.open(PREDICT, "192.0.2.1").await;
        body.send_data(half(900_000, 800_000), false).unwrap();
        unfinished.push(body);
        answers.spawn(answer);
    }
    let refused = answers.join_next().await.unwrap().unwrap().unwrap();
    let status = tonic::Status::from_header_map(refused.headers()).unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("one client"), "{status}");
    assert!(status.get_error_details().retry_info().is_some());
    let large = request(Input::Image(vec![b'x'; 900_000].into()));
    let mut large = tonic::Request::new(large);
    let headers = large.metadata_mut();
    headers.insert("x-forwarded-for", "192.0.2.2".parse().unwrap());
    let status = server.client().await.predict(large).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
}

#[tokio::test]
async fn a_message_that_does_not_go_on_ends_its_call_and_says_why() {
    let server = Server::start(&[]);
    let mut raw = RawClient::connect(&server, 1 << 16).await;
    let methods = [PREDICT, PREDICT_STREAM, "grpc.health.v1.Health/Check"];
    let mut calls = tokio::task::JoinSet::new();
    for method in methods {
        let (answer, mut body) = raw.open(method, "192.0.2.1").await;
        body.send_data(half(16_000, 15_999), false).unwrap();
        calls.spawn(async move {
            let answer = answer.await.unwrap();
            let status = match tonic::Status::from_header_map(answer.headers()) {
                Some(status) => status,
                None => {
                    let trailers = answer.into_body().trailers().await.unwrap().unwrap();
                    tonic::Status::from_header_map(&trailers).unwrap()
                }
            };
            // Until now the rest could have come.
            drop(body);
            (method, status)
        });
    }
    for _ in methods {
        let ended = tokio::time::timeout(PATIENCE, calls.join_next()).await;
        let (method, status) = ended.expect("an end").unwrap().unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{method}: {status}");
        assert!(
            status.message().contains("did not go on"),
            "{method}: {status}"
        );
    }
    let late = "kiln_rejections_total{reason=\"deadline\"}";
    assert_eq!(server.metric(late), Some(3.0));
}
