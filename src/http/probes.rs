//! What is asked of the server itself: metrics and health.

use http::{HeaderValue, StatusCode};

use super::Door;
use super::answer::{Answer, text, with_type};
use crate::readiness::State;
use crate::telemetry::EXPOSITION_CONTENT_TYPE;

const EXPOSITION: HeaderValue = HeaderValue::from_static(EXPOSITION_CONTENT_TYPE);

pub(super) fn metrics(door: &Door) -> Answer {
    match door.bounds.telemetry.exposition() {
        Ok(exposition) => with_type(StatusCode::OK, EXPOSITION, exposition),
        Err(error) => {
            tracing::error!(%error, "cannot answer /metrics");
            text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
        }
    }
}

pub(super) fn livez() -> Answer {
    text(StatusCode::OK, "alive\n")
}

pub(super) fn readyz(door: &Door) -> Answer {
    let unready = StatusCode::SERVICE_UNAVAILABLE;
    match door.readiness.state() {
        State::Starting => text(unready, "starting: no model is warm yet\n"),
        State::Ready => text(StatusCode::OK, "ready\n"),
        State::Draining => text(unready, "draining: the server is shutting down\n"),
    }
}
