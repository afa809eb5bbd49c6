//! What is answered: the table of the routes.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use super::answer::Answer;
use super::document::{DOCS, OPENAPI, PAGE};
use super::problem::Problem;
use super::{Door, load_model, models, predict, probes};
use crate::transport::backpressure::Reading;

/// A path that is answered.
pub(super) struct Route {
    pub path: &'static str,
    /// What it is for, for whoever asks for something that is not there.
    what: &'static str,
    handler: Handler,
}

/// Who answers, and to which method.
enum Handler {
    /// GET and HEAD, on the side thread, which no prediction holds up.
    Probe(fn(&Door) -> Answer),
    /// GET and HEAD.
    Get(fn(&Door, &Parts) -> Answer),
    /// POST, with a body.
    Post(fn(Arc<Door>, Asking, Request<Incoming>) -> BoxFuture<'static, Answer>),
}

/// Whoever asks.
pub(super) struct Asking {
    pub client: IpAddr,
    /// How the connection is read.
    pub reading: Arc<Reading>,
}

/// All routes. The first one is found first, so it is the one that is asked for most.
pub(super) const TABLE: [Route; 9] = [
    Route {
        path: "/predict",
        what: "which digit a picture shows",
        handler: Handler::Post(predict::answer),
    },
    Route {
        path: "/models",
        what: "the models that are loaded",
        handler: Handler::Get(|door, _| models::answer(door)),
    },
    Route {
        path: "/",
        what: "a page to draw on",
        handler: Handler::Get(|_, request| PAGE.answer(&request.headers)),
    },
    Route {
        path: "/docs",
        what: "this API, to read and to try",
        handler: Handler::Get(|_, request| DOCS.answer(&request.headers)),
    },
    Route {
        path: "/openapi.json",
        what: "this API as an OpenAPI document",
        handler: Handler::Get(|_, request| OPENAPI.answer(&request.headers)),
    },
    Route {
        path: "/load_model",
        what: "whether a model file is there and served, by ?model_path=",
        handler: Handler::Get(load_model::answer),
    },
    Route {
        path: "/metrics",
        what: "metrics in Prometheus text format",
        handler: Handler::Probe(probes::metrics),
    },
    Route {
        path: "/livez",
        what: "200 while the process answers",
        handler: Handler::Probe(|_| probes::livez()),
    },
    Route {
        path: "/readyz",
        what: "200 while predictions are answered, else 503 and why",
        handler: Handler::Probe(probes::readyz),
    },
];

/// The route of a path.
pub(super) fn find(path: &str) -> Option<&'static Route> {
    static ROUTES: &[Route] = &TABLE;
    ROUTES.iter().find(|route| route.path == path)
}

/// Whether the side thread answers this path.
pub(crate) fn is_probe(path: &str) -> bool {
    find(path).is_some_and(|route| matches!(route.handler, Handler::Probe(_)))
}

/// Answers a request. What is not read of its body nobody waits for.
pub(super) async fn answer(door: &Arc<Door>, asking: Asking, request: Request<Incoming>) -> Answer {
    let Some(route) = find(request.uri().path()) else {
        return nothing();
    };
    let method = request.method().clone();
    match (&route.handler, method) {
        (Handler::Probe(answer), Method::GET | Method::HEAD) => answer(door),
        (Handler::Get(answer), Method::GET | Method::HEAD) => answer(door, &request.into_parts().0),
        (Handler::Post(answer), Method::POST) => answer(Arc::clone(door), asking, request).await,
        (_, Method::OPTIONS) => options(route.allow()),
        _ => Problem::wrong_method(route.allow()).into_answer(),
    }
}

impl Route {
    /// The method that it is there for.
    pub fn method(&self) -> &'static str {
        match self.handler {
            Handler::Probe(_) | Handler::Get(_) => "GET",
            Handler::Post(_) => "POST",
        }
    }

    /// The methods that are answered.
    fn allow(&self) -> &'static str {
        match self.handler {
            Handler::Probe(_) | Handler::Get(_) => "GET, HEAD, OPTIONS",
            Handler::Post(_) => "POST, OPTIONS",
        }
    }
}

fn options(allow: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

fn nothing() -> Answer {
    let routes = TABLE
        .iter()
        .map(|route| format!("{} {} ({})", route.method(), route.path, route.what));
    let routes: Vec<_> = routes.collect();
    let detail = format!("Nothing is here. What is answered: {}.", routes.join(", "));
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail).into_answer()
}
