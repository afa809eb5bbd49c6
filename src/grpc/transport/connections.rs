//! Connections: so many and no more, dealt out to the threads that serve them.
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at once; the next ones wait in the listener's backlog. Below
/// the usual limit of 1024 descriptors, so that files and the HTTP side have some left.
const MAX_CONNECTIONS: usize = 768;
/// Pause after a failed accept: without one, a process out of descriptors would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What an HTTP/2 client says first (RFC 9113, section 3.4), how long it may take to say it, and
/// how often a client that has said a part of it is looked at again.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);
const PREFACE_PAUSE: Duration = Duration::from_millis(20);

/// Accepts on `listener` for as long as it is polled.
pub(crate) async fn accept(listener: TcpListener, dealer: Dealer) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // Only a closed semaphore refuses, and this one is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let accepted = listener.accept().await;
        match accepted.and_then(|(stream, _)| stream.into_std()) {
            Ok(stream) => dealer.deal(stream, place),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a gRPC connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Deals connections out to threads. Dropped, it ends what the threads get.
#[derive(Debug, Default)]
pub(crate) struct Dealer(Vec<Hand>);

/// What one thread has.
#[derive(Debug)]
struct Hand {
    open: Arc<AtomicUsize>,
    dealt: UnboundedSender<Dealt>,
}

impl Dealer {
    /// The connections of one more thread, to be polled on it.
    pub fn hand(&mut self) -> impl Stream<Item = Connection> + Send + use<> {
        let (dealt, hand) = mpsc::unbounded_channel();
        let open = Arc::default();
        self.0.push(Hand { open, dealt });
        connections(hand)
    }

    fn deal(&self, stream: StdTcpStream, place: OwnedSemaphorePermit) {
        let fewest = self
            .0
            .iter()
            .min_by_key(|hand| hand.open.load(Ordering::Relaxed));
        if let Some(Hand { open, dealt }) = fewest {
            open.fetch_add(1, Ordering::Relaxed);
            let held = Place {
                open: Arc::clone(open),
                _place: place,
            };
            // A thread that is gone takes no more; the connection is closed by being dropped.
            let _ = dealt.send(Dealt { stream, held });
        }
    }
}

/// A connection on its way to a thread.
#[derive(Debug)]
struct Dealt {
    stream: StdTcpStream,
    held: Place,
}

/// A connection's place among those allowed, and among those of its thread.
#[derive(Debug)]
pub(crate) struct Place {
    open: Arc<AtomicUsize>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connections that have begun to speak HTTP/2; those that do not are closed in time.
fn connections(hand: UnboundedReceiver<Dealt>) -> impl Stream<Item = Connection> {
    let dealt = stream::unfold(
        hand,
        |mut hand| async move { Some((hand.recv().await?, hand)) },
    );
    dealt
        .map(|Dealt { stream, held }| async move {
            let stream = TcpStream::from_std(stream)?;
            // An answer is small and must not wait for the next one. A socket that refuses is
            // closed anyway.
            let _ = stream.set_nodelay(true);
            let peer = stream.peer_addr()?.ip();
            tokio::time::timeout(PREFACE_TIMEOUT, preface(&stream)).await??;
            Ok(Connection {
                stream,
                peer,
                _held: held,
            })
        })
        .buffer_unordered(MAX_CONNECTIONS)
        .filter_map(|connection: io::Result<Connection>| async { connection.ok() })
}

/// Waits until the client has said its preface, or something else, which is hyper's to answer.
async fn preface(stream: &TcpStream) -> io::Result<()> {
    let mut said = [0; PREFACE.len()];
    loop {
        match stream.peek(&mut said).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length if length < said.len() && PREFACE.starts_with(&said[..length]) => {
                // What was peeked at stays readable, so there is nothing to wait for but time.
                tokio::time::sleep(PREFACE_PAUSE).await;
            }
            _ => return Ok(()),
        }
    }
}

/// A connection that has begun to speak HTTP/2, and its place.
#[derive(Debug)]
pub(crate) struct Connection {
    pub stream: TcpStream,
    pub peer: IpAddr,
    pub _held: Place,
}
