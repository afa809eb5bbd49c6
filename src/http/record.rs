//! Around every request: how long it took and how it ended.

use std::sync::Arc;
use std::time::Instant;

use http::{Method, Request};

use super::answer::Answer;
use super::routes;
use crate::telemetry::{OTHER, Telemetry};

/// What a request counts as whose client was gone before its answer was there, as nginx has it.
const GONE: u16 = 499;

/// A request that has begun. Dropped before its end, it was given up.
pub(super) struct Record {
    telemetry: Arc<Telemetry>,
    method: &'static str,
    route: &'static str,
    begun: Instant,
    ended: bool,
}

impl Record {
    pub fn begin<B>(telemetry: &Arc<Telemetry>, request: &Request<B>) -> Self {
        Self {
            telemetry: Arc::clone(telemetry),
            method: label(request.method()),
            route: routes::find(request.uri().path()).map_or(OTHER, |route| route.path),
            begun: Instant::now(),
            ended: false,
        }
    }

    /// The answer is ready to be sent.
    pub fn end(mut self, answer: Answer) -> Answer {
        self.record(answer.status().as_u16());
        answer
    }

    fn record(&mut self, status: u16) {
        self.ended = true;
        let elapsed = self.begun.elapsed();
        self.telemetry
            .http_finished(self.method, self.route, status, elapsed);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.record(GONE);
        }
    }
}

/// A client may invent methods; a label must not follow it.
fn label(method: &Method) -> &'static str {
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
