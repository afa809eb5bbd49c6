//! The HTTP door: one table of routes, and what each of them answers.

mod answer;
mod document;
mod load_model;
mod models;
#[cfg(test)]
mod openapi;
mod predict;
mod probes;
mod problem;
mod record;
mod routes;

use std::convert::Infallible;
use std::sync::Arc;

use http::Request;
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::Semaphore;

pub(crate) use self::answer::Answer;
use self::problem::Problem;
use self::record::Record;
pub(crate) use self::routes::is_probe;
use crate::readiness::{Readiness, State};
use crate::serving::batcher::Lane;
use crate::serving::{Error, Serving};
use crate::telemetry::Rejection;
use crate::transport::bounds::Bounds;
use crate::transport::connections::Peer;

/// Answers the HTTP requests of one thread.
pub(crate) struct Door {
    pub serving: Arc<Serving>,
    pub readiness: Readiness,
    pub bounds: Arc<Bounds>,
    /// Of the thread that the requests are read on, if it computes.
    pub lane: Option<Lane>,
    /// Whose turn it is to read a large body; the threads share it.
    pub parsing: Arc<Semaphore>,
}

impl Door {
    /// Answers a request, whatever it is, and counts it.
    pub fn answer(
        self: &Arc<Self>,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Answer, Infallible>> + Send + use<> {
        let record = Record::begin(&self.bounds.telemetry, &request);
        let client = self.bounds.client(request.headers(), peer);
        let (door, reading) = (Arc::clone(self), Arc::clone(&peer.reading));
        let told = self.bounds.cors.told(request.headers());
        async move {
            let answer = match door.bounds.cors.preflight(&request) {
                Some(preflight) => preflight.map(|()| Full::default()),
                None => {
                    let asking = routes::Asking { client, reading };
                    told.with(routes::answer(&door, asking, request).await)
                }
            };
            Ok(record.end(answer))
        }
    }

    /// What a request is told that came to gRPC's port.
    pub fn misdirected(&self, request: &Request<Incoming>) -> Answer {
        let record = Record::begin(&self.bounds.telemetry, request);
        let cors = &self.bounds.cors;
        record.end(match cors.preflight(request) {
            Some(preflight) => preflight.map(|()| Full::default()),
            None => cors
                .told(request.headers())
                .with(Problem::misdirected().into_answer()),
        })
    }

    /// What a request is told that no serving thread takes.
    pub fn turn_away(&self, request: &Request<Incoming>) -> Answer {
        let record = Record::begin(&self.bounds.telemetry, request);
        let (reason, problem) = if self.readiness.state() == State::Draining {
            (Rejection::Draining, Problem::draining())
        } else {
            (Rejection::QueueFull, Error::Full.into())
        };
        self.bounds.telemetry.rejected(reason);
        let told = self.bounds.cors.told(request.headers());
        record.end(told.with(problem.into_answer()))
    }
}
