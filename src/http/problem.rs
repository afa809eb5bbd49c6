//! Errors as problem details (RFC 9457). This is the only place that knows both.

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::answer::{line, with_type};
use crate::preprocess::PictureError;
use crate::serving::{Error, batcher};
use crate::telemetry::Rejection;
use crate::transport::refused::Refused;

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
/// When a client that was turned away may come back: the least that the header can say.
const RETRY: HeaderValue = HeaderValue::from_static("1");

/// Why a request has no other answer.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    /// For a person: what was wrong, with which value, what to do.
    detail: String,
    /// For a machine.
    reason: &'static str,
    /// Which part of the request was wrong.
    field: Option<&'static str>,
    /// The methods there are, for a method that is not.
    allow: Option<HeaderValue>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

impl Problem {
    pub fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            reason,
            field: None,
            allow: None,
        }
    }

    /// The request cannot be understood.
    pub fn invalid(detail: impl Into<String>) -> Self {
        let reason = Rejection::Invalid.label();
        Self::new(StatusCode::BAD_REQUEST, reason, detail)
    }

    /// The body is in a form that nobody reads here.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "unsupported_media", detail)
    }

    /// The path is there, but not for this method.
    pub fn wrong_method(allow: &'static str) -> Self {
        let detail = format!("This path answers {allow}.");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self {
            allow: Some(HeaderValue::from_static(allow)),
            ..Self::new(status, "method_not_allowed", detail)
        }
    }

    /// The request came to gRPC's port.
    pub fn misdirected() -> Self {
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected",
            "this port speaks gRPC and gRPC-Web; what else is asked over HTTP is answered on another, 8000 unless --http-listen says otherwise",
        )
    }

    /// The server ends, and takes nothing new.
    pub fn draining() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Rejection::Draining.label(),
            "the server is shutting down; try again in a moment",
        )
    }

    /// Names the part of the request that was wrong.
    pub fn of(self, field: &'static str) -> Self {
        Self {
            field: Some(field),
            ..self
        }
    }

    pub fn into_answer(self) -> Response<Full<Bytes>> {
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
            reason: self.reason,
            field: self.field,
        };
        // Texts and a number: writing them cannot fail.
        let body = line(&body).unwrap_or_default();
        let mut answer = with_type(self.status, PROBLEM, body);
        let headers = answer.headers_mut();
        match self.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, RETRY);
            }
            // What is left of the request is not waited for.
            StatusCode::REQUEST_TIMEOUT => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, allow);
        }
        answer
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let reason = error.rejection().map_or("internal", Rejection::label);
        Self {
            field: error.field(),
            ..Self::new(status(&error), reason, error.to_string())
        }
    }
}

fn status(error: &Error) -> StatusCode {
    match error {
        Error::NoInput
        | Error::PixelCount { .. }
        | Error::ValueCount { .. }
        | Error::NotFinite { .. }
        | Error::InputSize { .. }
        | Error::TooManyExamples { .. }
        | Error::NotAClassifier { .. } => StatusCode::BAD_REQUEST,
        Error::Picture(PictureError::TooSlow { .. }) => StatusCode::TOO_MANY_REQUESTS,
        Error::Picture(PictureError::TooManyBytes { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Picture(_) => StatusCode::BAD_REQUEST,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Full => StatusCode::TOO_MANY_REQUESTS,
        Error::Loading | Error::Batcher(batcher::Error::Closed) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Batcher(batcher::Error::Failed(_)) | Error::Decoder | Error::NotANumber(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, reason) = match refused {
            Refused::CutShort => (StatusCode::BAD_REQUEST, Rejection::Invalid.label()),
            Refused::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Refused::Stalled { .. } => (StatusCode::REQUEST_TIMEOUT, Rejection::Deadline.label()),
            Refused::TooLate { .. } => (StatusCode::GATEWAY_TIMEOUT, Rejection::Deadline.label()),
            Refused::OutOfMemory | Refused::OverShare { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "out_of_memory")
            }
        };
        Self::new(status, reason, refused.to_string())
    }
}
