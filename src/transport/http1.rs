//! HTTP/1.1 on one connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::backpressure::Gate;
use super::connections::{Connection, Peer};
use super::impatient::Impatient;
use crate::readiness::Readiness;

/// For a request's headers, and for the silence between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of a request's line and headers, which are answered with 431 if there are more, and of a piece of its body.
pub(crate) const MAX_HEADER_BYTES: usize = 16 * 1024;
pub(crate) const MAX_HEADERS: usize = 64;

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
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(
            TokioIo::new(Impatient::new(stream)),
            service_fn(|request| answer(&peer, request)),
        );
    let ended = readiness.until_ended(serving, |serving| serving.graceful_shutdown());
    // A client that goes away or talks nonsense is no fault of the server.
    if let Err(error) = ended.await {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}
