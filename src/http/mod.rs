//! The HTTP door: metrics and health.

mod routes;

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};

use crate::readiness::Readiness;
use crate::telemetry::Telemetry;

/// Answers HTTP requests.
pub(crate) struct Door {
    pub readiness: Readiness,
    pub telemetry: Arc<Telemetry>,
}

impl Door {
    /// Answers a request, whatever it is, and counts it.
    pub fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        routes::answer(self, request)
    }
}
