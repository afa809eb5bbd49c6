//! The two doors of one server, side by side: a client that asks one after the other over a kept-alive HTTP/1.1 connection
//! and one over gRPC take turns with the same picture; then HTTP is flooded, and probes on fresh connections are timed.
//!
//! ```text
//! doors 127.0.0.1:50051 127.0.0.1:8000 examples/seven.png CONNECTIONS SECONDS
//! ```
//! Bytes are laid out once, and answers are counted and not decoded.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Turns of each client.
const TURNS: u32 = 20;

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [grpc, http, file, connections, seconds] = &args[..] else {
        return Err("usage: doors GRPC_ADDR HTTP_ADDR PICTURE CONNECTIONS SECONDS".into());
    };
    let picture = std::fs::read(file)?;
    let time = Duration::from_secs_f64(seconds.parse()?);
    side_by_side(grpc, http, &picture, time)?;
    flood(http, &picture, connections.parse()?, time)
}

fn side_by_side(grpc: &str, http: &str, picture: &[u8], time: Duration) -> Result<(), Error> {
    let mut clients = (Http::open(http, picture)?, Grpc::open(grpc, picture)?);
    let (mut over_http, mut over_grpc, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let http = rate(time / TURNS / 2, || clients.0.ask())?;
        let grpc = rate(time / TURNS / 2, || clients.1.ask())?;
        over_http.push(http);
        over_grpc.push(grpc);
        ratios.push(http / grpc);
    }
    println!(
        "one client, medians of {TURNS} turns: HTTP {:.0}/s, gRPC {:.0}/s, HTTP / gRPC {:.2}",
        quantile(&mut over_http, 0.5),
        quantile(&mut over_grpc, 0.5),
        quantile(&mut ratios, 0.5),
    );
    Ok(())
}

fn flood(http: &str, picture: &[u8], connections: usize, time: Duration) -> Result<(), Error> {
    let (answered, ended) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let clients = (0..connections).map(|_| {
        let mut client = Http::open(http, picture)?;
        let (answered, ended) = (Arc::clone(&answered), Arc::clone(&ended));
        Ok(std::thread::spawn(move || -> Result<(), Error> {
            while !ended.load(Relaxed) {
                client.ask()?;
                answered.fetch_add(1, Relaxed);
            }
            Ok(())
        }))
    });
    let clients = clients.collect::<Result<Vec<_>, Error>>()?;
    let begun = Instant::now();
    let mut waits = [Vec::new(), Vec::new()];
    while begun.elapsed() < time {
        for (waits, path) in waits.iter_mut().zip(["/metrics", "/livez"]) {
            waits.push(probe(http, path)?);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let rate = answered.load(Relaxed) as f64 / begun.elapsed().as_secs_f64();
    ended.store(true, Relaxed);
    for client in clients {
        client.join().map_err(|_| "a client panicked")??;
    }
    println!("{connections} connections over HTTP: {rate:.0}/s");
    for (waits, path) in waits.iter_mut().zip(["/metrics", "/livez"]) {
        let [half, most, all] = [0.5, 0.99, 1.0].map(|part| quantile(waits, part));
        let count = waits.len();
        println!(
            "{path} meanwhile, {count} fresh connections, ms: median {half:.2}, p99 {most:.2}, most {all:.2}"
        );
    }
    Ok(())
}

/// Milliseconds until a probe on a connection of its own is answered.
fn probe(http: &str, path: &str) -> Result<f64, Error> {
    let begun = Instant::now();
    let mut socket = TcpStream::connect(http)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: kiln\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    if !answer.starts_with(b"HTTP/1.1 200") {
        return Err("a probe failed".into());
    }
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// Answers a second.
fn rate(time: Duration, mut ask: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    let (begun, mut answers) = (Instant::now(), 0);
    while begun.elapsed() < time {
        ask()?;
        answers += 1;
    }
    Ok(f64::from(answers) / begun.elapsed().as_secs_f64())
}

fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    values
        .get((last * part).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

struct Http {
    socket: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Http {
    fn open(addr: &str, picture: &[u8]) -> Result<Self, Error> {
        let socket = TcpStream::connect(addr)?;
        socket.set_nodelay(true)?;
        let length = picture.len();
        let head =
            format!("POST /predict HTTP/1.1\r\nHost: kiln\r\nContent-Length: {length}\r\n\r\n");
        let request = [head.as_bytes(), picture].concat();
        let answer = vec![0; 1 << 14];
        Ok(Self {
            socket,
            request,
            answer,
        })
    }

    fn ask(&mut self) -> Result<(), Error> {
        self.socket.write_all(&self.request)?;
        let mut read = 0;
        loop {
            let more = self.socket.read(&mut self.answer[read..])?;
            read += more;
            let answer = &self.answer[..read];
            if more == 0 || !answer.starts_with(b"HTTP/1.1 200") {
                return Err(String::from_utf8_lossy(answer).into());
            }
            // Of JSON the last byte, which stands nowhere else at the end of a piece: answers fit into one.
            if answer.ends_with(b"}") {
                return Ok(());
            }
        }
    }
}

struct Grpc {
    socket: TcpStream,
    request: Vec<u8>,
    /// Where the stream's number goes.
    streams: [usize; 2],
    stream: u32,
    answer: Vec<u8>,
}

impl Grpc {
    fn open(addr: &str, picture: &[u8]) -> Result<Self, Error> {
        let mut socket = TcpStream::connect(addr)?;
        socket.set_nodelay(true)?;
        socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        socket.write_all(&frame(4, 0, &[]))?;
        // Room for all answers that there will be.
        socket.write_all(&frame(8, 0, &0x3fff_0000_u32.to_be_bytes()))?;
        // POST and http, then literals that are not indexed (RFC 7541, section 6.2.2).
        let mut block = vec![0x83, 0x86];
        for (name, value) in [
            (&[0x04][..], "/mnist.v1.MnistService/Predict"),
            (&[0x01], "localhost"),
            (&[0x0f, 0x10], "application/grpc"),
            (b"\0\x02te", "trailers"),
        ] {
            block.extend(name);
            block.push(value.len() as u8);
            block.extend(value.as_bytes());
        }
        // Field 1 of a PredictRequest, in at most 16,383 bytes.
        let length = picture.len();
        let message = [
            &[0x0a, (length & 0x7f | 0x80) as u8, (length >> 7) as u8],
            picture,
        ]
        .concat();
        let prefix = (message.len() as u32).to_be_bytes();
        let head = frame(1, 4, &block);
        let data = frame(0, 1, &[&[0], &prefix[..], &message].concat());
        Ok(Self {
            socket,
            streams: [5, head.len() + 5],
            request: [head, data].concat(),
            stream: 1,
            answer: vec![0; 1 << 14],
        })
    }

    fn ask(&mut self) -> Result<(), Error> {
        for at in self.streams {
            self.request[at..at + 4].copy_from_slice(&self.stream.to_be_bytes());
        }
        self.stream += 2;
        self.socket.write_all(&self.request)?;
        let (mut read, mut at, mut answered) = (0, 0, false);
        loop {
            let more = self.socket.read(&mut self.answer[read..])?;
            if more == 0 {
                return Err("the server closed the connection".into());
            }
            read += more;
            while let Some(&[_, a, b, kind, flags, ..]) = self.answer[at..read].first_chunk::<9>() {
                let next = at + 9 + usize::from(u16::from_be_bytes([a, b]));
                if next > read {
                    break;
                }
                at = next;
                answered |= kind == 0;
                if kind == 1 && flags & 1 == 1 {
                    return answered.then_some(()).ok_or_else(|| "a call failed".into());
                }
            }
        }
    }
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 0], payload].concat()
}
