//! One connection: what a client may send, and how long it may take.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::http::Door;

/// For a request's headers, and for the silence between two requests. Short, so that silent
/// connections cannot keep a probe waiting for a place; Prometheus simply connects again.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Then the connection is asked to end after its answer; this also ends one whose client does not read.
const MAX_AGE: Duration = Duration::from_mins(2);
/// For the last answer, once a connection was asked to end.
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// Bytes of a request's line and headers; more is answered with 431.
const MAX_HEADER_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// Serves the connection until it ends, is too old, or `closing` loses its sender.
pub(super) async fn run(stream: TcpStream, door: Arc<Door>, mut closing: watch::Receiver<()>) {
    let answer = service_fn(|request| {
        let response = door.answer(&request);
        async { Ok::<_, Infallible>(response) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MAX_HEADER_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), answer)
    );
    tokio::select! {
        ended = connection.as_mut() => return report(ended),
        _ = closing.changed() => {}
        () = sleep(MAX_AGE) => {}
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(ended) = timeout(LAST_ANSWER, connection).await {
        report(ended);
    }
}

/// A client that goes away or talks nonsense is no fault of the server.
fn report(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}
