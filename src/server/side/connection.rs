//! One connection: what it asks for, and how long its client may take over it.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderMap, Request, Version};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Inside;
use super::one_request::OneRequest;
use crate::http::is_probe;
use crate::transport::connections::{PEEK_PAUSE, Peer};
use crate::transport::http1::{MAX_HEADER_BYTES, MAX_HEADERS};

/// For a request's headers, and for the silence between two requests. Short, so that silent
/// connections cannot keep a probe waiting for a place; Prometheus simply connects again.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Then the connection ends after its answer.
const MAX_AGE: Duration = Duration::from_mins(2);
/// For an answer; this also ends a connection whose client does not read.
const ANSWER: Duration = Duration::from_secs(10);
/// How soon a connection is looked at again that has said a part of what it asks for.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// The longest line up to the path's end that may ask for a probe.
const LONGEST_LINE: usize = 64;

/// Answers probes until the connection ends, is too old, or `closing` loses its sender, or until something else is asked
/// for, which the serving threads answer.
pub(super) async fn run(
    mut stream: TcpStream,
    side: Arc<Inside>,
    mut closing: watch::Receiver<()>,
) {
    let until = Instant::now() + MAX_AGE;
    loop {
        let asked = tokio::select! {
            asked = timeout(HEADER_TIMEOUT, asked(&stream)) => asked,
            _ = closing.changed() => return,
        };
        match asked {
            Ok(Ok(Asked::Probe)) => {}
            Ok(Ok(Asked::Else)) => match side.hand_over(stream) {
                None => return,
                Some(back) => stream = back,
            },
            // It keeps silent, or has ended.
            Ok(Err(_)) | Err(_) => return,
        }
        let goes_on = answer(&mut stream, &side, &mut closing).await;
        if !goes_on || Instant::now() >= until {
            return;
        }
    }
}

/// What the next request of a connection asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// What is answered on this thread.
    Probe,
    /// Anything else, and what is no request.
    Else,
}

/// Looks at the next request, and leaves it where it is.
async fn asked(stream: &TcpStream) -> io::Result<Asked> {
    let mut said = [0; LONGEST_LINE];
    let mut pause = SHORTEST_PAUSE;
    loop {
        let length = stream.peek(&mut said).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(asked) = Asked::by(&said[..length]) {
            return Ok(asked);
        }
        // What was peeked at stays readable, so there is nothing to wait for but time. Some send a line in pieces, one
        // right after the other, and others a byte now and then.
        sleep(pause).await;
        pause = PEEK_PAUSE.min(2 * pause);
    }
}

impl Asked {
    /// What a client asks for that has said so much; none if that cannot be known yet.
    fn by(said: &[u8]) -> Option<Self> {
        let mut words = said.split(|&byte| byte == b' ');
        let (method, path) = (words.next()?, words.next());
        let is_method = method.iter().all(u8::is_ascii_uppercase);
        let Some(path) = path.filter(|_| is_method) else {
            return (!is_method || said.len() == LONGEST_LINE).then_some(Self::Else);
        };
        let end = path.iter().position(|&byte| byte == b'?');
        if end.is_none() && words.next().is_none() {
            return (said.len() == LONGEST_LINE).then_some(Self::Else);
        }
        let path = std::str::from_utf8(&path[..end.unwrap_or(path.len())]);
        let is_probe = path.is_ok_and(is_probe);
        Some(if is_probe { Self::Probe } else { Self::Else })
    }
}

/// Answers one request; whether another may come.
async fn answer(
    stream: &mut TcpStream,
    side: &Arc<Inside>,
    closing: &mut watch::Receiver<()>,
) -> bool {
    let Ok(address) = stream.peer_addr() else {
        return false;
    };
    let peer = Peer {
        address: address.ip(),
        reading: Arc::default(),
    };
    let goes_on = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        goes_on.store(keeps_alive(&request), Relaxed);
        side.answer(&peer, request)
    });
    let mut serving = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MAX_HEADER_BYTES)
            .max_headers(MAX_HEADERS)
            // It reads as if the client had said all it has to say.
            .half_close(true)
            .serve_connection(TokioIo::new(OneRequest::new(stream)), service)
    );
    let ended = timeout(ANSWER, async {
        tokio::select! {
            ended = serving.as_mut() => return ended,
            _ = closing.changed() => goes_on.store(false, Relaxed),
        }
        serving.as_mut().graceful_shutdown();
        serving.await
    });
    match ended.await {
        Ok(Ok(())) => goes_on.into_inner(),
        Ok(Err(error)) => {
            // A client that goes away or talks nonsense is no fault of the server.
            tracing::debug!(%error, "an HTTP connection ended early");
            false
        }
        Err(_) => false,
    }
}

/// Whether another request may follow this one: a body would be taken for it.
fn keeps_alive(request: &Request<Incoming>) -> bool {
    let closes = |headers: &HeaderMap| {
        let mut values = headers.get_all(CONNECTION).iter();
        values.any(|value| {
            let words = value.to_str().unwrap_or("close").split(',');
            words
                .into_iter()
                .any(|word| word.trim().eq_ignore_ascii_case("close"))
        })
    };
    request.version() == Version::HTTP_11
        && request.body().is_end_stream()
        && !closes(request.headers())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_known_as_soon_as_it_can_be() {
        for (said, asked) in [
            ("", None),
            ("GE", None),
            ("GET /met", None),
            ("GET /metrics", None),
            ("GET /metrics ", Some(Asked::Probe)),
            ("HEAD /livez HTTP/1.1\r\n", Some(Asked::Probe)),
            ("GET /metrics?", Some(Asked::Probe)),
            ("DELETE /readyz HTTP/1.1", Some(Asked::Probe)),
            ("GET /metrics2 ", Some(Asked::Else)),
            ("POST /predict HTTP/1.1", Some(Asked::Else)),
            ("GET http://kiln/metrics HTTP/1.1", Some(Asked::Else)),
            ("get", Some(Asked::Else)),
            ("\x16\x03\x01", Some(Asked::Else)),
        ] {
            assert_eq!(Asked::by(said.as_bytes()), asked, "{said:?}");
        }
        for long in [
            "A".repeat(LONGEST_LINE),
            format!("GET /{}", "a".repeat(LONGEST_LINE - 5)),
        ] {
            assert_eq!(Asked::by(long.as_bytes()), Some(Asked::Else), "{long}");
        }
    }
}
