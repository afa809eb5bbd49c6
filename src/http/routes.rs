//! What is answered: the table of the routes.

use std::time::Instant;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::Door;
use crate::readiness::State;
use crate::telemetry::{EXPOSITION_CONTENT_TYPE, OTHER};

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const EXPOSITION: HeaderValue = HeaderValue::from_static(EXPOSITION_CONTENT_TYPE);

type Answer = Response<Full<Bytes>>;

/// A path that is answered, to GET and HEAD.
struct Route {
    path: &'static str,
    what: &'static str,
    get: fn(&Door) -> Answer,
}

const ROUTES: [Route; 3] = [
    Route {
        path: "/metrics",
        what: "metrics in Prometheus text format",
        get: metrics,
    },
    Route {
        path: "/livez",
        what: "200 while the process answers",
        get: |_| text(StatusCode::OK, "alive\n"),
    },
    Route {
        path: "/readyz",
        what: "200 while predictions are answered, else 503 and why",
        get: readyz,
    },
];

/// Answers a request and counts it. The body of the request is not read.
pub(super) fn answer(door: &Door, request: &Request<Incoming>) -> Answer {
    let start = Instant::now();
    let path = request.uri().path();
    let route = ROUTES.iter().find(|route| route.path == path);
    let answer = match route {
        None => not_found(),
        Some(route) if [Method::GET, Method::HEAD].contains(request.method()) => (route.get)(door),
        Some(_) => method_not_allowed(),
    };
    door.telemetry.http_finished(
        method_label(request.method()),
        route.map_or(OTHER, |route| route.path),
        answer.status().as_u16(),
        start.elapsed(),
    );
    answer
}

fn metrics(door: &Door) -> Answer {
    match door.telemetry.exposition() {
        Ok(exposition) => with_type(StatusCode::OK, EXPOSITION, exposition),
        Err(error) => {
            tracing::error!(%error, "cannot answer /metrics");
            text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
        }
    }
}

fn readyz(door: &Door) -> Answer {
    let unready = StatusCode::SERVICE_UNAVAILABLE;
    match door.readiness.state() {
        State::Starting => text(unready, "starting: no model is warm yet\n"),
        State::Ready => text(StatusCode::OK, "ready\n"),
        State::Draining => text(unready, "draining: the server is shutting down\n"),
    }
}

fn not_found() -> Answer {
    let mut body = vec!["Nothing is here. This listener answers GET and HEAD of:".to_owned()];
    body.extend(
        ROUTES
            .iter()
            .map(|route| format!("  {:<10} {}", route.path, route.what)),
    );
    text(StatusCode::NOT_FOUND, body.join("\n") + "\n")
}

fn method_not_allowed() -> Answer {
    let mut answer = text(
        StatusCode::METHOD_NOT_ALLOWED,
        "Only GET and HEAD are answered here.\n",
    );
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_type(status, PLAIN, body)
}

fn with_type(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// A client may invent methods; a label must not follow it.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => OTHER,
    }
}
