//! What a request takes from the allocator, counted in a server that runs in this process.

mod support;

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use kiln::grpc::proto::mnist::predict_request::Input;
use kiln::grpc::proto::mnist::{PredictRequest, PredictResponse};
use kiln::network::Backend;
use kiln::preprocess;
use kiln::readiness::Readiness;
use kiln::server::{Config, Cors, Server};
use kiln::serving::batcher;
use kiln::serving::classifier::Pictures;
use kiln::serving::{self, Entry, Limits, Repository, Serving};
use kiln::source::Source;
use kiln::telemetry::Telemetry;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A server of one thread with the small network.
fn serve() -> SocketAddr {
    let telemetry = Arc::new(Telemetry::new().unwrap());
    let readiness = Readiness::new();
    let options = serving::Options {
        backend: Backend::default(),
        pictures: Pictures::default(),
        batcher: batcher::Config {
            threads: 1,
            max_batch_size: 32,
            delay: Duration::ZERO,
        },
        in_background: false,
    };
    let model = serving::load(&Entry::of(Source::BuiltInMlp), options, &telemetry).unwrap();
    let limits = Limits {
        requests: 2048,
        picture: preprocess::Limits::default(),
    };
    let repository = Arc::new(Repository::new().unwrap());
    let serving = Arc::new(Serving::new(
        Arc::clone(&repository),
        Arc::clone(&telemetry),
        limits,
    ));
    repository.add([model]);
    readiness.ready();
    let server = Server {
        serving,
        telemetry,
        readiness,
        config: Config {
            threads: 1,
            max_message_bytes: 1 << 20,
            max_buffered_bytes: 64 << 20,
            request_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(1),
            trust_forwarded_for: false,
        },
        cors: Cors::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            server.serve(listener, http).await.unwrap();
        });
    });
    addr
}

/// A client of HTTP/2 that sends bytes laid out before and allocates nothing.
struct Client {
    connection: TcpStream,
    /// HEADERS and DATA of a request; the stream's number is written into them.
    request: Vec<u8>,
    data_at: usize,
    stream: u32,
    buffer: Box<[u8; 1 << 14]>,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 0], payload].concat()
}

/// The request's headers in HPACK (RFC 7541), none of them indexed, none compressed.
fn headers() -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let mut block = vec![0x83, 0x86]; // POST, http
    for (name, value) in [
        (&[0x04][..], "/mnist.v1.MnistService/Predict"),
        (&[0x01], "localhost"),
        (&[0x0f, 0x10], "application/grpc"), // content-type
    ] {
        block.extend(name);
        block.extend(text(value));
    }
    block.push(0);
    block.extend([text("te"), text("trailers")].concat());
    block
}

impl Client {
    fn connect(addr: SocketAddr, request: &PredictRequest) -> Self {
        let mut connection = TcpStream::connect(addr).unwrap();
        connection.set_nodelay(true).unwrap();
        connection
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .unwrap();
        connection.write_all(&frame(4, 0, &[])).unwrap(); // SETTINGS
        // Room for all answers: WINDOW_UPDATE of the connection.
        let room = 0x3fff_0000_u32.to_be_bytes();
        connection.write_all(&frame(8, 0, &room)).unwrap();
        let message = request.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let message = [&[0], &length[..], &message].concat();
        let head = frame(HEADERS, END_HEADERS, &headers());
        Self {
            connection,
            data_at: head.len(),
            request: [head, frame(DATA, END_STREAM, &message)].concat(),
            stream: 1,
            buffer: Box::new([0; 1 << 14]),
        }
    }

    /// Sends the request once more; the message that answers it.
    fn call(&mut self) -> &[u8] {
        for at in [5, self.data_at + 5] {
            self.request[at..at + 4].copy_from_slice(&self.stream.to_be_bytes());
        }
        self.stream += 2;
        self.connection.write_all(&self.request).unwrap();
        let mut answer = 0..0;
        loop {
            let free = answer.end;
            let head = &mut self.buffer[free..free + 9];
            self.connection.read_exact(head).unwrap();
            let (kind, flags) = (head[3], head[4]);
            let length = usize::from(head[1]) << 8 | usize::from(head[2]);
            let payload = free + 9..free + 9 + length;
            self.connection
                .read_exact(&mut self.buffer[payload.clone()])
                .unwrap();
            match kind {
                // Behind gRPC's prefix.
                DATA => answer = payload.start + 5..payload.end,
                HEADERS if flags & END_STREAM != 0 => return &self.buffer[answer],
                _ => {}
            }
        }
    }
}

/// Allocations, and bytes, for each of many requests after a first few.
fn cost(addr: SocketAddr, input: Input) -> (usize, usize) {
    const REQUESTS: usize = 1000;
    let request = PredictRequest {
        input: Some(input),
        ..PredictRequest::default()
    };
    let mut client = Client::connect(addr, &request);
    for _ in 0..100 {
        let answer = PredictResponse::decode(client.call()).unwrap();
        assert_eq!((answer.digit, answer.probabilities.len()), (7, 10));
    }
    let counted = Region::new(COUNTING);
    for _ in 0..REQUESTS {
        assert!(!client.call().is_empty());
    }
    let counted = counted.change();
    let allocations = counted.allocations + counted.reallocations;
    (
        allocations.div_ceil(REQUESTS),
        counted.bytes_allocated.div_ceil(REQUESTS),
    )
}

#[test]
fn a_request_stays_within_its_budget_of_allocations() {
    let addr = serve();
    let picture = std::fs::read(support::file("examples/seven.png")).unwrap();
    let (allocations, bytes) = cost(addr, Input::Pixels(support::seven().into()));
    println!("pixels: {allocations} allocations, {bytes} bytes");
    assert!(allocations <= 30, "{allocations} allocations for pixels");
    let (allocations, bytes) = cost(addr, Input::Image(picture.into()));
    println!("picture: {allocations} allocations, {bytes} bytes");
    assert!(allocations <= 36, "{allocations} allocations for a picture");
}
