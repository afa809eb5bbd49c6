//! Presses a gRPC server with one call over and over, at a fraction of what h2load takes for it.
//!
//! For servers that have all cores of a machine: what the load takes of them is missing there. Frames are laid out once
//! and headers come out of HPACK's table; answers are counted and not decoded.
//!
//! ```text
//! press 127.0.0.1:50051 /mnist.v1.MnistService/Predict FILE CONNECTIONS STREAMS SECONDS
//! ```
//! FILE is the body of a call: a gRPC message with its prefix.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Of HTTP/2's frames (RFC 9113, section 6).
mod frame {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const END_STREAM: u8 = 1;
    pub const ACK: u8 = 1;
    pub const END_HEADERS: u8 = 4;
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [addr, path, file, connections, streams, seconds] = &args[..] else {
        return Err("usage: press ADDR PATH FILE CONNECTIONS STREAMS SECONDS".into());
    };
    let body = std::fs::read(file)?;
    // What one frame may have, and one byte of HPACK says.
    if body.len() > 1 << 14 || path.len().max(addr.len()) > 126 {
        return Err(
            "a call of more than 16 KiB, or a long address, takes more than this sends".into(),
        );
    }
    let (connections, streams) = (connections.parse::<usize>()?, streams.parse()?);
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds.parse()?);
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let call = Call::new(addr, path, &body);
        let connection = Connection::open(addr, call).await?;
        tasks.spawn(connection.press(streams, end));
    }
    let (mut answered, mut refused) = (0, 0);
    while let Some(counts) = tasks.join_next().await {
        let counts = counts??;
        answered += counts.answered;
        refused += counts.refused;
    }
    let rate = answered as f64 / begun.elapsed().as_secs_f64();
    println!("{answered} answered, {refused} refused, {rate:.0} answers/s");
    Ok(())
}

/// The frames of a call.
struct Call {
    /// The first call's headers, which go into the server's table.
    first: Vec<u8>,
    /// Everybody else's headers, and the body.
    frames: Vec<u8>,
    /// Where the stream's number goes.
    streams: [usize; 2],
    body: usize,
}

impl Call {
    fn new(addr: &str, path: &str, body: &[u8]) -> Self {
        // POST and http, from the static table; what follows is added to the dynamic one (RFC 7541, 6.2.1).
        let mut first = vec![0x83, 0x86];
        for (name, value) in [
            (&[0x44][..], path),
            (&[0x41], addr),
            (&[0x5f], "application/grpc"),
            (b"\x40\x02te", "trailers"),
        ] {
            first.extend(name);
            first.push(value.len() as u8);
            first.extend(value.as_bytes());
        }
        let mut headers = Vec::new();
        frame(&mut headers, frame::HEADERS, frame::END_HEADERS, &first);
        let mut frames = Vec::new();
        let known = [0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe];
        frame(&mut frames, frame::HEADERS, frame::END_HEADERS, &known);
        let second = frames.len();
        frame(&mut frames, frame::DATA, frame::END_STREAM, body);
        Self {
            first: headers,
            frames,
            streams: [5, second + 5],
            body: body.len(),
        }
    }
}

fn frame(to: &mut Vec<u8>, kind: u8, flags: u8, payload: &[u8]) {
    to.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    to.extend([kind, flags, 0, 0, 0, 0]);
    to.extend(payload);
}

#[derive(Default)]
struct Counts {
    answered: u64,
    /// Without a message, which is what an error is.
    refused: u64,
}

struct Connection {
    socket: TcpStream,
    call: Call,
    next_stream: u32,
    /// What the server lets us send.
    window: usize,
    received: Vec<u8>,
    to_send: Vec<u8>,
    /// Streams whose message has come, but not their end.
    ending: HashSet<[u8; 4]>,
    counts: Counts,
}

impl Connection {
    async fn open(addr: &str, call: Call) -> Result<Self, Error> {
        let socket = TcpStream::connect(addr).await?;
        socket.set_nodelay(true)?;
        let mut to_send = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        frame(&mut to_send, frame::SETTINGS, 0, &[]);
        // For all answers that there will be.
        let window = 0x7fff_ffff - 0xffff_u32;
        frame(&mut to_send, frame::WINDOW_UPDATE, 0, &window.to_be_bytes());
        Ok(Self {
            socket,
            call,
            next_stream: 1,
            window: 0xffff,
            received: Vec::new(),
            to_send,
            ending: HashSet::new(),
            counts: Counts::default(),
        })
    }

    /// Keeps `streams` calls open until `end`.
    async fn press(mut self, streams: u64, end: Instant) -> Result<Counts, Error> {
        while Instant::now() < end {
            let sent = u64::from(self.next_stream / 2);
            let ended = self.counts.answered + self.counts.refused;
            for _ in sent..ended + streams {
                if self.window < self.call.body {
                    break;
                }
                self.begin_call();
            }
            self.socket.write_all(&self.to_send).await?;
            self.to_send.clear();
            if self.socket.read_buf(&mut self.received).await? == 0 {
                return Err("the server closed the connection".into());
            }
            self.take_frames()?;
        }
        Ok(self.counts)
    }

    fn begin_call(&mut self) {
        let stream = self.next_stream.to_be_bytes();
        let begin = self.to_send.len();
        self.to_send.extend(&self.call.frames);
        for at in self.call.streams {
            self.to_send[begin + at..][..4].copy_from_slice(&stream);
        }
        if self.next_stream == 1 {
            let headers = begin..begin + self.call.streams[1] - 5;
            self.to_send.splice(headers, self.call.first.clone());
            self.to_send[begin + 5..][..4].copy_from_slice(&stream);
        }
        self.next_stream += 2;
        self.window -= self.call.body;
    }

    fn take_frames(&mut self) -> Result<(), Error> {
        let mut at = 0;
        while let Some(head) = self.received[at..].first_chunk::<9>() {
            let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let Some(payload) = self.received[at + 9..].get(..len) else {
                break;
            };
            let [.., a, b, c, d] = *head;
            let stream = [a, b, c, d];
            match head[3] {
                frame::DATA => {
                    self.ending.insert(stream);
                }
                frame::HEADERS if head[4] & frame::END_STREAM > 0 => {
                    if self.ending.remove(&stream) {
                        self.counts.answered += 1;
                    } else {
                        self.counts.refused += 1;
                    }
                }
                frame::SETTINGS if head[4] & frame::ACK == 0 => {
                    frame(&mut self.to_send, frame::SETTINGS, frame::ACK, &[]);
                }
                frame::PING if head[4] & frame::ACK == 0 => {
                    frame(&mut self.to_send, frame::PING, frame::ACK, payload);
                }
                frame::WINDOW_UPDATE if stream == [0; 4] => {
                    let more = payload.first_chunk().ok_or("a short WINDOW_UPDATE")?;
                    self.window += u32::from_be_bytes(*more) as usize;
                }
                frame::RST_STREAM | frame::GOAWAY => {
                    return Err(format!("a frame of type {}: {payload:?}", head[3]).into());
                }
                _ => {}
            }
            at += 9 + len;
        }
        self.received.drain(..at);
        Ok(())
    }
}
