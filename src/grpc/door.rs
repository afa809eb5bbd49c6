//! Where the server hands gRPC requests in.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::TryFutureExt;
use http::{Request, Response};
use hyper::body::Incoming;

use super::call::{self, Recorded};
use super::services::{Error, Parts, Services};
use super::web::{self, Form, Sent};
use crate::transport::bounds::Bounds;
use crate::transport::connections::Peer;

/// Answers the calls of one thread.
pub(crate) struct Door {
    services: Services,
    bounds: Arc<Bounds>,
}

impl Door {
    /// A door to all services.
    ///
    /// # Errors
    /// If the descriptors do not make a reflection service.
    pub fn new(parts: &Parts<'_>, bounds: &Arc<Bounds>) -> Result<Self, Error> {
        Ok(Self {
            services: Services::new(parts)?,
            bounds: Arc::clone(bounds),
        })
    }

    /// Answers a call, whatever it is, in the form that it came in.
    pub fn answer(
        &self,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<web::Answer<Recorded>>, Infallible>> + Send + use<>
    {
        let form = Form::of(request.headers());
        let request = request.map(|body| Sent::new(body, form));
        let (record, call) = call::begin(request, peer, &self.bounds);
        let answer = record.follow(self.services.answer(call));
        answer.map_ok(move |answer| web::Answer::new(answer, form))
    }
}
