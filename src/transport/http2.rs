//! HTTP/2 on one connection.
//!
//! hyper serves them. tonic's own server does not: it finds a service through a router and wraps bodies and futures in
//! boxes on the way, which costs as much as the forward pass of a small network.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::backpressure::Gate;
use super::connections::{Connection, Peer};
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

/// Serves a connection, with what `answer` makes of each request, until it ends or the server drains, and then until it
/// has answered what it was asked.
pub(crate) async fn serve<A, F, B>(
    connection: Connection,
    gate: Arc<Gate>,
    readiness: Readiness,
    answer: A,
) where
    A: Fn(&Peer, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    let (peer, stream, _counted) = connection.begin(gate);
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
    let ended = readiness.until_ended(serving, |serving| serving.graceful_shutdown());
    if let Err(error) = ended.await {
        tracing::debug!(%error, "a connection failed");
    }
}
