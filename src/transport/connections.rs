//! Connections: so many and no more, each given to the thread that has the fewest.
//!
//! gRPC clients hold few connections for a long time, so which thread has which decides how evenly
//! the cores are used. One listener gives each new connection to the thread that has the fewest;
//! a listener for each thread (SO_REUSEPORT) would leave that to the kernel's hash of addresses.

use std::io;
use std::net::{IpAddr, TcpStream as StdTcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::backpressure::{Gate, Gated, Reading};
use super::places::{Place, Places};

/// gRPC connections at once; the next ones wait in the listener's backlog.
pub(crate) const MAX_CONNECTIONS: usize = 768;
/// Pause after a failed accept: without one, a process out of descriptors would spin.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What an HTTP/2 client says first (RFC 9113, section 3.4), how long it may take to say it, and
/// how often a client that has said a part of it is looked at again.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const PEEK_PAUSE: Duration = Duration::from_millis(20);

/// Whoever is at the other end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub address: IpAddr,
    /// How the connection is read.
    pub reading: Arc<Reading>,
}

/// Which port a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Grpc,
    Http,
}

/// What is spoken on a connection, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Or something that is no HTTP.
    Http1,
    Http2,
}

/// Accepts gRPC connections on `listener` for as long as it is polled.
pub(crate) async fn accept(listener: TcpListener, threads: Threads) {
    let places = Places::new(MAX_CONNECTIONS);
    loop {
        let place = places.next().await;
        let accepted = listener.accept().await;
        match accepted.and_then(|(stream, _)| stream.into_std()) {
            // A thread that is gone takes no more; the connection is closed by being dropped.
            Ok(stream) => drop(threads.assign(stream, Port::Grpc, place)),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a gRPC connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The threads that serve connections; clones give to the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Threads(Vec<Thread>);

#[derive(Clone, Debug)]
struct Thread {
    /// How many connections it has.
    open: Arc<AtomicUsize>,
    assigned: UnboundedSender<Accepted>,
}

impl Threads {
    /// One more thread: its connections, to be polled on it.
    pub fn add(&mut self) -> impl Stream<Item = Connection> + Send + use<> {
        let (assigned, accepted) = mpsc::unbounded_channel();
        let open = Arc::default();
        self.0.push(Thread { open, assigned });
        connections(accepted)
    }

    /// Gives a connection to the thread that has the fewest.
    ///
    /// # Errors
    /// The connection, if that thread takes no more.
    pub fn assign(
        &self,
        stream: StdTcpStream,
        port: Port,
        place: Place,
    ) -> Result<(), StdTcpStream> {
        let fewest = self
            .0
            .iter()
            .min_by_key(|thread| thread.open.load(Ordering::Relaxed));
        let Some(Thread { open, assigned }) = fewest else {
            return Err(stream);
        };
        open.fetch_add(1, Ordering::Relaxed);
        let counted = Counted {
            open: Arc::clone(open),
            _place: place,
        };
        let accepted = Accepted {
            stream,
            port,
            counted,
        };
        assigned.send(accepted).map_err(|refused| refused.0.stream)
    }
}

/// A connection on its way to its thread.
#[derive(Debug)]
struct Accepted {
    stream: StdTcpStream,
    port: Port,
    counted: Counted,
}

/// Counts a connection among all that may be open and among those of its thread, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    open: Arc<AtomicUsize>,
    _place: Place,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connections that have begun to speak; those that do not are closed in time.
fn connections(accepted: UnboundedReceiver<Accepted>) -> impl Stream<Item = Connection> {
    let accepted = stream::unfold(accepted, |mut accepted| async move {
        Some((accepted.recv().await?, accepted))
    });
    accepted
        .map(Accepted::begin)
        // One more than those that may keep silent, so that no other waits for them.
        .buffer_unordered(MAX_CONNECTIONS + 1)
        .filter_map(|connection: io::Result<Connection>| async { connection.ok() })
}

impl Accepted {
    async fn begin(self) -> io::Result<Connection> {
        let stream = TcpStream::from_std(self.stream)?;
        // An answer is small and must not wait for the next one. A socket that refuses is
        // closed anyway.
        let _ = stream.set_nodelay(true);
        let peer = stream.peer_addr()?.ip();
        let protocol = match self.port {
            Port::Grpc => tokio::time::timeout(PREFACE_TIMEOUT, preface(&stream)).await??,
            // The side has seen that it asks for something.
            Port::Http => Protocol::Http1,
        };
        Ok(Connection {
            stream,
            peer,
            port: self.port,
            protocol,
            counted: self.counted,
        })
    }
}

/// Waits until the client has said HTTP/2's preface, or something else.
async fn preface(stream: &TcpStream) -> io::Result<Protocol> {
    let mut said = [0; PREFACE.len()];
    loop {
        match stream.peek(&mut said).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length if !PREFACE.starts_with(&said[..length]) => return Ok(Protocol::Http1),
            length if length < said.len() => {
                // What was peeked at stays readable, so there is nothing to wait for but time.
                tokio::time::sleep(PEEK_PAUSE).await;
            }
            _ => return Ok(Protocol::Http2),
        }
    }
}

/// A connection that has begun to speak.
#[derive(Debug)]
pub(crate) struct Connection {
    pub stream: TcpStream,
    pub peer: IpAddr,
    pub port: Port,
    pub protocol: Protocol,
    counted: Counted,
}

impl Connection {
    /// Who is at its other end, its stream, which is read when it is its turn, and what counts it while it is served.
    pub fn begin(self, gate: Arc<Gate>) -> (Peer, Gated, Counted) {
        let peer = Peer {
            address: self.peer,
            reading: Arc::default(),
        };
        let stream = Gated::new(self.stream, gate, Arc::clone(&peer.reading));
        (peer, stream, self.counted)
    }
}
