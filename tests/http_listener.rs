//! The side listener, asked over a real socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use kiln::preprocess;
use kiln::readiness::Readiness;
use kiln::server::{Config, Cors, Server};
use kiln::serving::{Limits, Repository, Serving};
use kiln::telemetry::{Rejection, Telemetry};

/// Far more than any answer takes, and less than the listener's own timeouts; a test that meets it has failed.
const PATIENCE: Duration = Duration::from_secs(8);

/// A server without models, ended when dropped.
struct Listener {
    addr: SocketAddr,
    readiness: Readiness,
    telemetry: Arc<Telemetry>,
    ended: mpsc::Receiver<()>,
}

fn listener() -> Listener {
    listener_that_drains_for(Duration::from_secs(5))
}

fn listener_that_drains_for(drain_timeout: Duration) -> Listener {
    let http = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = http.local_addr().expect("an address");
    let readiness = Readiness::new();
    let telemetry = Arc::new(Telemetry::new().expect("instruments"));
    let limits = Limits {
        requests: 16,
        picture: preprocess::Limits::default(),
    };
    let repository = Arc::new(Repository::new().expect("a thread"));
    let server = Server {
        serving: Arc::new(Serving::new(repository, Arc::clone(&telemetry), limits)),
        telemetry: Arc::clone(&telemetry),
        readiness: readiness.clone(),
        config: Config {
            threads: 1,
            max_message_bytes: 1 << 16,
            max_buffered_bytes: 1 << 20,
            request_timeout: Duration::from_secs(30),
            drain_timeout,
            trust_forwarded_for: false,
        },
        cors: Cors::default(),
    };
    let (end, ended) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let grpc = tokio::net::TcpListener::bind("127.0.0.1:0").await;
            let grpc = grpc.expect("a free port");
            server.serve(grpc, http).await.expect("a server");
        });
        end.send(())
    });
    Listener {
        addr,
        readiness,
        telemetry,
        ended,
    }
}

impl Listener {
    /// Fails if the server waits for a client that it should not wait for.
    fn shut_down(&self) {
        self.readiness.drain();
        self.ended.recv_timeout(PATIENCE).expect("an end");
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.readiness.drain();
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Sends one request that closes its connection, and reads until it is closed.
fn ask(addr: SocketAddr, method: &str, path: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: kiln\r\nConnection: close\r\n\r\n");
    ask_raw(addr, request.as_bytes())
}

fn ask_raw(addr: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = connect(addr);
    stream.write_all(request).expect("a request sent");
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        // A server that closes with part of the request unread resets the connection behind its answer.
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    parse(&answer)
}

fn parse(answer: &[u8]) -> Answer {
    let answer = String::from_utf8(answer.to_vec()).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    Answer {
        status: head[9..12].parse().expect("a status"),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

#[test]
fn a_scrape_is_exposition_text_of_what_happened() {
    let listener = listener();
    listener.telemetry.rejected(Rejection::Draining);
    let answer = ask(listener.addr, "GET", "/metrics");
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .head
            .contains("content-type: text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(
        answer
            .body
            .contains("kiln_rejections_total{reason=\"draining\"} 1\n")
    );
    for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn head_answers_the_head_of_get_without_its_body() {
    let listener = listener();
    let addr = listener.addr;
    let answer = ask(addr, "HEAD", "/livez");
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(answer.head.contains("content-length: 6"), "{}", answer.head);
    assert_eq!(ask(addr, "GET", "/livez").body.len(), 6);
}

#[test]
fn readyz_follows_the_server_from_start_to_drain_while_livez_stays() {
    let listener = listener();
    let (addr, readiness) = (listener.addr, &listener.readiness);
    // A call that runs keeps the drain from its end.
    let mut open = connect(addr);
    let head =
        "POST /predict HTTP/1.1\r\nHost: kiln\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    open.write_all(head.as_bytes())
        .expect("half a request sent");
    open.read_exact(&mut [0; 25]).expect("it goes on");
    let readyz = || ask(addr, "GET", "/readyz");
    let starting = readyz();
    assert_eq!(starting.status, 503);
    assert!(starting.body.starts_with("starting"), "{}", starting.body);
    readiness.ready();
    assert_eq!(readyz().status, 200);
    readiness.drain();
    let draining = readyz();
    assert_eq!(draining.status, 503);
    assert!(draining.body.starts_with("draining"), "{}", draining.body);
    assert_eq!(ask(addr, "GET", "/livez").status, 200);
}

#[test]
fn an_unknown_path_is_told_the_known_ones() {
    let listener = listener();
    let answer = ask(listener.addr, "GET", "/metric?x=1");
    assert_eq!(answer.status, 404);
    for route in [
        "POST /predict",
        "GET /models",
        "GET /metrics",
        "GET /livez",
        "GET /readyz",
    ] {
        assert!(answer.body.contains(route), "{}", answer.body);
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let listener = listener();
    let answer = ask(listener.addr, "DELETE", "/metrics");
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: get, head"), "{}", answer.head);
}

#[test]
fn requests_are_counted_without_a_label_that_a_client_can_make_up() {
    let listener = listener();
    let addr = listener.addr;
    ask(addr, "GET", "/livez");
    ask(addr, "BREW", "/tea/42");
    let text = ask(addr, "GET", "/metrics").body;
    let name = "http_server_request_duration_seconds_count";
    for labels in [
        r#"{method="GET",route="/livez",status="200"}"#,
        r#"{method="_OTHER",route="_OTHER",status="404"}"#,
    ] {
        assert!(text.contains(&format!("{name}{labels} 1\n")), "{text}");
    }
    assert!(!text.contains("BREW") && !text.contains("tea"));
}

#[test]
fn a_connection_carries_one_request_after_another() {
    let listener = listener();
    let mut stream = connect(listener.addr);
    for _ in 0..3 {
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nHost: kiln\r\n\r\n")
            .expect("a request sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"alive\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("more of the answer");
            answer.extend(byte);
        }
        assert_eq!(parse(&answer).status, 200);
    }
}

#[test]
fn oversized_headers_are_refused() {
    let listener = listener();
    let addr = listener.addr;
    let long = format!(
        "GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n",
        "a".repeat(40_000)
    );
    assert_eq!(ask_raw(addr, long.as_bytes()).status, 431);
    let many = format!(
        "GET /livez HTTP/1.1\r\nHost: kiln\r\n{}\r\n",
        "a: b\r\n".repeat(100)
    );
    assert_eq!(ask_raw(addr, many.as_bytes()).status, 431);
    assert_eq!(ask(addr, "GET", "/livez").status, 200);
}

#[test]
fn a_body_that_nobody_asked_for_is_not_waited_for() {
    let listener = listener();
    // The body is announced and never sent.
    let request = b"POST /metrics HTTP/1.1\r\nHost: kiln\r\nContent-Length: 1000000\r\n\r\n";
    assert_eq!(ask_raw(listener.addr, request).status, 405);
}

#[test]
fn silent_connections_do_not_keep_others_from_an_answer() {
    let listener = listener();
    let addr = listener.addr;
    let silent: Vec<_> = (0..100).map(|_| connect(addr)).collect();
    assert_eq!(ask(addr, "GET", "/livez").status, 200);
    drop(silent);
}

#[test]
fn shutdown_closes_idle_connections_and_frees_the_port() {
    let listener = listener_that_drains_for(Duration::from_hours(24));
    let addr = listener.addr;
    let mut idle = connect(addr);
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: kiln\r\n\r\n")
        .expect("a request sent");
    let mut head = [0; 12];
    idle.read_exact(&mut head).expect("an answer");
    listener.shut_down();
    idle.read_to_end(&mut Vec::new())
        .expect("the rest, then the end");
    let refused = TcpStream::connect(addr).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn shutdown_does_not_wait_for_a_client_past_its_grace() {
    let listener = listener_that_drains_for(Duration::ZERO);
    let addr = listener.addr;
    let mut stuck = connect(addr);
    stuck
        .write_all(b"GET /livez HTTP/1.1\r\nHo")
        .expect("half a request sent");
    // An answer on another connection shows that the half request was accepted before it.
    assert_eq!(ask(addr, "GET", "/livez").status, 200);
    listener.shut_down();
    let end = stuck.read(&mut [0; 1]);
    assert!(matches!(end, Ok(0)) || end.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
}
