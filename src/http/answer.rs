//! Answers with a body that is there as a whole.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::problem::Problem;

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(crate) type Answer = Response<Full<Bytes>>;

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_type(status, PLAIN, body)
}

/// What `value` is in JSON.
pub(super) fn json(value: &impl Serialize) -> Answer {
    match line(value) {
        Ok(body) => with_type(StatusCode::OK, JSON, body),
        Err(error) => {
            tracing::error!(%error, "cannot write an answer as JSON");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let detail = "the answer could not be written; please report it";
            Problem::new(status, "internal", detail).into_answer()
        }
    }
}

/// JSON as a line, whose end keeps a terminal's prompt off it.
pub(super) fn line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

pub(super) fn with_type(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}
