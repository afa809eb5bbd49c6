//! gRPC-Web and pages of other origins, over real sockets. tests/web asks with clients that people use.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kiln::grpc::proto::mnist::predict_request::Input;
use kiln::grpc::proto::mnist::{PredictRequest, PredictResponse};
use prost::Message;
use support::Server;

/// Head and body of the answer to one request of HTTP/1.1.
fn ask(addr: SocketAddr, head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let length = body.len();
    let head =
        format!("{head}\r\nHost: kiln\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(answer[..end].to_vec())
        .unwrap()
        .to_ascii_lowercase();
    let body = &answer[end + 4..];
    let chunked = head.contains("transfer-encoding: chunked");
    (
        head,
        if chunked {
            unchunked(body)
        } else {
            body.to_vec()
        },
    )
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body
            .windows(2)
            .position(|window| window == b"\r\n")
            .unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        if length == 0 {
            return whole;
        }
        body = &body[end + 2 + length + 2..];
    }
}

fn call(addr: SocketAddr, method: &str, kind: &str, body: &[u8]) -> (String, Vec<u8>) {
    ask(
        addr,
        &format!("POST {method} HTTP/1.1\r\nContent-Type: {kind}"),
        body,
    )
}

const PREDICT: &str = "/mnist.v1.MnistService/Predict";

/// A request as gRPC cuts it.
fn request(input: Option<Input>) -> Vec<u8> {
    let request = PredictRequest {
        input,
        ..Default::default()
    };
    let message = request.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), &message].concat()
}

fn seven() -> Vec<u8> {
    request(Some(Input::Pixels(support::seven().into())))
}

/// The message and the trailers of an answer.
fn parts(answer: &[u8]) -> (PredictResponse, String) {
    assert_eq!(answer[0], 0, "a message");
    let length = u32::from_be_bytes(answer[1..5].try_into().unwrap()) as usize;
    let (message, trailers) = answer[5..].split_at(length);
    assert_eq!(trailers[0], 0x80, "the trailers");
    let trailers = String::from_utf8(trailers[5..].to_vec()).unwrap();
    (PredictResponse::decode(message).unwrap(), trailers)
}

#[test]
fn a_call_by_grpc_web_is_the_same_on_both_ports_in_binary_and_in_text() {
    let server = Server::start(&[]);
    for addr in [server.grpc, server.http] {
        let (head, answer) = call(addr, PREDICT, "application/grpc-web+proto", &seven());
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(
            head.contains("content-type: application/grpc-web+proto"),
            "{head}"
        );
        let (answer, trailers) = parts(&answer);
        assert_eq!((answer.digit, &*trailers), (7, "grpc-status: 0\r\n"));

        // Cut in two, each half encoded alone.
        let (first, second) = (&seven()[..100], &seven()[100..]);
        let text = [STANDARD.encode(first), STANDARD.encode(second)].concat();
        let (head, answer) = call(addr, PREDICT, "application/grpc-web-text", text.as_bytes());
        assert!(
            head.contains("content-type: application/grpc-web-text+proto"),
            "{head}"
        );
        let quads = answer.chunks(4).map(|quad| STANDARD.decode(quad).unwrap());
        let (answer, trailers) = parts(&quads.collect::<Vec<_>>().concat());
        assert_eq!((answer.digit, &*trailers), (7, "grpc-status: 0\r\n"));
    }
}

#[test]
fn what_grpc_web_cannot_do_and_what_fails_is_told_by_its_status() {
    let server = Server::start(&[]);
    for addr in [server.grpc, server.http] {
        for (method, body, status) in [
            (PREDICT, request(None), 3),
            ("/mnist.v1.MnistService/PredictStream", seven(), 12),
            (
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                seven(),
                12,
            ),
            ("/mnist.v1.MnistService/Nothing", seven(), 12),
            (PREDICT, seven()[..50].to_vec(), 3),
        ] {
            let (head, _) = call(addr, method, "application/grpc-web", &body);
            assert!(head.starts_with("http/1.1 200"), "{head}");
            assert!(
                head.contains(&format!("grpc-status: {status}")),
                "{method}: {head}"
            );
        }
        let (head, _) = call(addr, PREDICT, "application/grpc-web-text", b"!!!!");
        assert!(
            head.contains("grpc-status: 3") && head.contains("base64"),
            "{head}"
        );
    }
    // The gRPC port answers nothing else over HTTP/1.1.
    let (head, body) = ask(server.grpc, "GET /metrics HTTP/1.1", b"");
    assert!(head.starts_with("http/1.1 421"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("gRPC-Web"));
    let calls = r#"rpc_server_call_duration_seconds_count{rpc_method="mnist.v1.MnistService/Predict",rpc_status_code="INVALID_ARGUMENT",rpc_system_name="grpc"} "#;
    assert_eq!(server.metric(calls), Some(6.0));
}

#[test]
fn pages_of_other_origins_may_ask_only_if_that_is_configured() {
    let origin = "http://localhost:3000";
    let preflight = |path: &str, origin: &str| {
        format!(
            "OPTIONS {path} HTTP/1.1\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: content-type,x-grpc-web"
        )
    };
    let closed = Server::start(&[]);
    let server = Server::start(&["--cors-origin", origin, "--cors-origin=https://a.example"]);
    for (addr, closed, path) in [
        (server.grpc, closed.grpc, PREDICT),
        (server.http, closed.http, PREDICT),
        (server.http, closed.http, "/predict"),
        (server.http, closed.http, "/metrics"),
    ] {
        let (head, _) = ask(closed, &preflight(path, origin), b"");
        assert!(!head.contains("access-control"), "{path}: {head}");
        let (head, _) = ask(addr, &preflight(path, "https://b.example"), b"");
        assert!(!head.contains("access-control"), "{path}: {head}");
        let (head, _) = ask(addr, &preflight(path, origin), b"");
        assert!(head.starts_with("http/1.1 204"), "{path}: {head}");
        assert!(
            head.contains(&format!("access-control-allow-origin: {origin}")),
            "{head}"
        );
        assert!(head.contains("x-grpc-web"), "{head}");
    }
    for (addr, head) in [
        (
            server.grpc,
            format!("POST {PREDICT} HTTP/1.1\r\nContent-Type: application/grpc-web"),
        ),
        (
            server.http,
            format!("POST {PREDICT} HTTP/1.1\r\nContent-Type: application/grpc-web"),
        ),
        (server.http, "POST /predict HTTP/1.1".to_owned()),
        (server.http, "GET /livez HTTP/1.1".to_owned()),
        (server.http, "GET /nothing HTTP/1.1".to_owned()),
    ] {
        let (answer, _) = ask(addr, &format!("{head}\r\nOrigin: {origin}"), &[]);
        assert!(
            answer.contains(&format!("access-control-allow-origin: {origin}")),
            "{answer}"
        );
        assert!(
            answer.contains("access-control-expose-headers: grpc-status"),
            "{answer}"
        );
        assert!(answer.contains("vary: origin"), "{answer}");
        let (answer, _) = ask(addr, &format!("{head}\r\nOrigin: https://b.example"), &[]);
        assert!(!answer.contains("access-control"), "{answer}");
    }
}

#[test]
fn what_is_no_origin_is_refused_with_an_example() {
    let output = support::kiln()
        .args(["serve", "--cors-origin", "localhost:3000"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("http://localhost:3000"), "{said}");
}
