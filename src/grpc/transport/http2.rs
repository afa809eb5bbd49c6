//! HTTP/2 on the connections of one thread.
//!
//! hyper serves them. tonic's own server does not: it finds a service through a router and wraps bodies and futures in
//! boxes on the way, which costs as much as the forward pass of a small network.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::task::JoinSet;

use super::backpressure::{Gate, Gated, Reading};
use super::connections::Connection;
use crate::readiness::Readiness;

/// A peer that says nothing for so long is pinged, and is gone if it does not answer the ping in time.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls one connection may have open at once.
const MAX_STREAMS: u32 = 128;
/// Bytes that may have come of a call before it is read, and of all calls of a connection, as many as hyper has. If the
/// items of a stream wait because its client reads no answers, it must not use up the window of the whole connection, by
/// which a proxy sends other clients' calls too.
const CALL_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Largest request headers.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// Whoever is at the other end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub address: IpAddr,
    /// How the connection is read.
    pub reading: Arc<Reading>,
}

/// Serves `connections`, with what `answer` makes of each request, until there are no more or the server drains, and
/// then until those that are open have answered what they were asked.
pub(crate) async fn serve<A, F, B>(
    connections: impl Stream<Item = Connection>,
    gate: Gate,
    readiness: Readiness,
    answer: A,
) where
    A: Fn(&Peer, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    let gate = Arc::new(gate);
    let mut connections = pin!(connections);
    let mut draining = pin!(readiness.draining());
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut draining => break,
            Some(_) = open.join_next() => {}
            connection = connections.next() => match connection {
                Some(connection) => {
                    let gate = Arc::clone(&gate);
                    open.spawn(serve_one(connection, gate, readiness.clone(), answer.clone()));
                }
                None => break,
            },
        }
    }
    while open.join_next().await.is_some() {}
}

async fn serve_one<A, F, B>(
    connection: Connection,
    gate: Arc<Gate>,
    readiness: Readiness,
    answer: A,
) where
    A: Fn(&Peer, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    let peer = Peer {
        address: connection.peer,
        reading: Arc::default(),
    };
    let stream = Gated::new(connection.stream, gate, Arc::clone(&peer.reading));
    let serving = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(KEEPALIVE_INTERVAL))
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(CALL_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .auto_date_header(false)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| answer(&peer, request)),
        );
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        biased;
        ended = serving.as_mut() => ended,
        () = readiness.draining() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection failed");
    }
}
