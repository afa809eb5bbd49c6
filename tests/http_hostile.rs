//! What an HTTP client may do to the server, and what that costs the others: nothing.

mod support;
#[path = "support/wire.rs"]
mod wire;

use std::io::ErrorKind;

use support::{Server, file};
use wire::{Client, form, request};

fn seven() -> Vec<u8> {
    std::fs::read(file("examples/seven.png")).unwrap()
}

/// A prediction on a connection of its own.
fn assert_answered(server: &Server) {
    let answer = Client::connect(server.http).predict("", "image/png", &seven());
    assert_eq!(answer["digit"], "7");
}

#[test]
fn whoever_waits_to_be_told_to_send_is_told_only_what_will_be_read() {
    let server = Server::start(&["--max-message-bytes=1000"]);
    let head = |length: usize| {
        format!(
            "POST /predict HTTP/1.1\r\nHost: kiln\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut client = Client::connect(server.http);
    let picture = seven();
    for _ in 0..2 {
        client.send(head(picture.len()).as_bytes()).unwrap();
        assert_eq!(client.answer("POST").status, 100);
        client.send(&picture).unwrap();
        assert_eq!(client.answer("POST").status, 200);
    }
    client.send(head(1001).as_bytes()).unwrap();
    assert_eq!(client.answer("POST").status, 413);
    assert!(client.is_closed());
}

#[test]
fn what_is_too_large_is_refused_and_its_client_sees_why() {
    let server = Server::start(&["--max-message-bytes=1000000"]);
    let picture = vec![7; 3_000_000];
    let (kind, wrapped) = form(&[("file", &picture)]);
    for (kind, body) in [
        ("image/png", &picture),
        (&*kind, &wrapped),
        ("application/json", &picture),
    ] {
        let mut client = Client::connect(server.http);
        let answer = client.post("/predict", kind, body);
        assert_eq!(answer.status, 413, "{kind}");
        assert!(
            answer.text().contains("--max-message-bytes"),
            "{}",
            answer.text()
        );
        // All of it was read, so the connection goes on.
        assert_eq!(client.post("/predict", "image/png", &seven()).status, 200);
    }
    let mut client = Client::connect(server.http);
    let mut chunked =
        b"POST /predict HTTP/1.1\r\nHost: kiln\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in picture.chunks(100_000) {
        chunked.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        chunked.extend([chunk, b"\r\n"].concat());
    }
    client.send(&chunked).unwrap();
    assert_eq!(client.answer("POST").status, 413);
    // In a form a picture may still be too large by itself.
    let (kind, wrapped) = form(&[("file", &picture[..1_000_001])]);
    let answer = Client::connect(server.http).post("/predict", &kind, &wrapped);
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(server.metric("kiln_requests_in_flight"), Some(0.0));
}

#[test]
fn a_body_in_chunks_is_read_as_any_other() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.http);
    let mut chunked =
        b"POST /predict HTTP/1.1\r\nHost: kiln\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in seven().chunks(100) {
        chunked.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        chunked.extend([chunk, b"\r\n"].concat());
    }
    chunked.extend(b"0\r\n\r\n");
    for _ in 0..2 {
        client.send(&chunked).unwrap();
        let answer = client.answer("POST");
        assert_eq!((answer.status, &answer.json()["digit"]), (200, &"7".into()));
    }
}

#[test]
fn what_comes_behind_a_body_is_no_part_of_it() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.http);
    let longer = [
        &request("POST", "/predict", "", &seven())[..],
        b"and more\r\n\r\n",
    ]
    .concat();
    client.send(&longer).unwrap();
    assert_eq!(client.answer("POST").status, 200);
    assert_eq!(client.answer("GET").status, 400);
    assert!(client.is_closed());
    assert_answered(&server);
}

#[test]
fn requests_that_come_together_are_answered_in_their_order() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.http);
    let three = std::fs::read(file("examples/three.jpg")).unwrap();
    let together = [
        request("GET", "/livez", "", b""),
        request("POST", "/predict", "", &three),
        request("GET", "/readyz", "", b""),
        request("POST", "/predict", "", &seven()),
        request("GET", "/nowhere", "", b""),
    ];
    client.send(&together.concat()).unwrap();
    assert_eq!(client.answer("GET").text(), "alive\n");
    assert_eq!(client.answer("POST").json()["digit"], "3");
    assert_eq!(client.answer("GET").text(), "ready\n");
    assert_eq!(client.answer("POST").json()["digit"], "7");
    assert_eq!(client.answer("GET").status, 404);
}

#[test]
fn the_body_of_a_probe_is_never_taken_for_a_request() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.http);
    let hidden = request("GET", "/models", "", b"");
    let length = format!("Content-Length: {}\r\n", hidden.len());
    let probe = [request("GET", "/livez", &length, b""), hidden].concat();
    client.send(&probe).unwrap();
    assert_eq!(client.answer("GET").status, 200);
    assert!(client.is_closed());
}

/// Opens so many uploads, of which all but the last byte has come, or as much of it as the server took.
fn uploads(server: &Server, count: usize, length: usize) -> Vec<Client> {
    let whole = request("POST", "/predict", "", &vec![0; length]);
    let open = |_| {
        let mut client = Client::connect(server.http);
        match client.send(&whole[..whole.len() - 1]) {
            Ok(()) => {}
            // It was refused, and its connection closed.
            Err(error) => assert!(matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
            )),
        }
        client
    };
    (0..count).map(open).collect()
}

#[test]
fn a_thousand_open_uploads_cost_nobody_else_anything() {
    let server = Server::start(&[
        "--max-requests=4",
        "--max-message-bytes=1000000",
        "--max-buffered-bytes=40000000",
    ]);
    assert_answered(&server);
    let before = server.memory();
    let mut open = uploads(&server, 1000, 100_000);
    for _ in 0..20 {
        assert_answered(&server);
        assert_eq!(server.get("/livez").0, 200);
    }
    // One client holds a quarter of the bytes; a connection's own buffers come on top.
    let more = server.memory().saturating_sub(before);
    assert!(more < 10_000_000 + 1000 * 40_000, "{more} bytes more");
    // Those whose bytes were taken may go on; the others were told why not.
    let mut seen = [0, 0];
    for client in &mut open {
        let _ = client.send(b"\0");
        if let Ok(answer) = client.try_answer("POST") {
            match answer.status {
                400 => seen[0] += 1,
                429 => {
                    assert_eq!(answer.header("retry-after"), Some("1"));
                    seen[1] += 1;
                }
                // It took longer to open them all than one may be silent.
                408 => {}
                status => panic!("{status}: {}", answer.text()),
            }
        }
    }
    assert!(seen[1] > 0, "{seen:?}");
    drop(open);
    assert_answered(&server);
}

#[test]
fn connections_that_say_nothing_or_half_a_word_cost_nobody_else_anything() {
    let server = Server::start(&[]);
    let silent: Vec<_> = (0..400)
        .map(|number| {
            let mut client = Client::connect(server.http);
            client.send(&b"GET /metr"[..number % 9]).unwrap();
            client
        })
        .collect();
    let half: Vec<_> = (0..400)
        .map(|_| {
            let mut client = Client::connect(server.http);
            client.send(b"POST /predict HTTP/1.1\r\nHost: ki").unwrap();
            client
        })
        .collect();
    for _ in 0..20 {
        assert_answered(&server);
        assert_eq!(server.get("/livez").0, 200);
    }
    drop((silent, half));
}

#[test]
fn a_request_that_takes_too_long_ends_in_time() {
    let server = Server::start(&["--request-timeout=1"]);
    let whole = request("POST", "/predict", "", &seven());
    let mut client = Client::connect(server.http);
    client.send(&whole[..whole.len() - 1]).unwrap();
    let answer = client.answer("POST");
    assert_eq!(answer.status, 504);
    assert!(
        answer.text().contains("--request-timeout"),
        "{}",
        answer.text()
    );
    assert_eq!(
        server.metric("kiln_rejections_total{reason=\"deadline\"}"),
        Some(1.0)
    );
}

#[test]
fn a_slow_sender_is_told_so_and_its_connection_ends() {
    let server = Server::start(&[]);
    let whole = request("POST", "/predict", "", &seven());
    let mut client = Client::connect(server.http);
    client.send(&whole[..whole.len() - 1]).unwrap();
    let answer = client.answer("POST");
    assert_eq!(
        (answer.status, answer.header("connection")),
        (408, Some("close"))
    );
    assert!(client.is_closed());
}

#[test]
fn what_runs_is_answered_while_the_server_drains_and_nothing_new_is_taken() {
    let server = Server::start(&[]);
    let head = format!(
        "POST /predict HTTP/1.1\r\nHost: kiln\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        seven().len()
    );
    let mut client = Client::connect(server.http);
    client.send(head.as_bytes()).unwrap();
    assert_eq!(client.answer("POST").status, 100);
    let mut idle = Client::connect(server.http);
    assert_eq!(idle.post("/predict", "image/png", &seven()).status, 200);
    server.signal("TERM");
    // The drain has begun once the idle connection is closed.
    assert!(idle.is_closed());
    assert_eq!(server.get("/readyz").0, 503);
    let mut new = Client::connect(server.http);
    let refused = new.post("/predict", "image/png", &seven());
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(refused.json()["reason"], "draining");
    client.send(&seven()).unwrap();
    let answer = client.answer("POST");
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("did not end in time"), "{log}");
}

#[test]
fn when_there_is_no_place_a_request_is_turned_away_and_told_when_to_come_back() {
    let server = Server::start(&["--max-requests=1", "--batch-delay=2000"]);
    let mut first = Client::connect(server.http);
    first
        .send(&request("POST", "/predict", "", &seven()))
        .unwrap();
    while server.metric("kiln_requests_in_flight") != Some(1.0) {
        std::thread::yield_now();
    }
    let refused = Client::connect(server.http).post("/predict", "image/png", &seven());
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, Some("1"))
    );
    assert_eq!(refused.json()["reason"], "queue_full");
    assert_eq!(first.answer("POST").status, 200);
}

#[test]
fn http_on_the_port_of_grpc_is_told_where_to_go() {
    let server = Server::start(&[]);
    let answer = Client::connect(server.grpc).get("/metrics");
    assert_eq!(answer.status, 421);
    assert!(answer.text().contains("--http-listen"), "{}", answer.text());
}
