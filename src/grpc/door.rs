//! Where the server hands gRPC requests in.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::TryFutureExt;
use futures_util::future::{Either, ready};
use http::{Request, Response, Version};
use hyper::body::Incoming;

use super::call::{self, Recorded};
use super::services::{Error, Parts, Services};
use super::web::{self, Form, Sent};
use crate::transport::bounds::Bounds;
use crate::transport::connections::Peer;

/// The body of an answer.
pub(crate) type Answer = web::Answer<Recorded>;

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
    ) -> impl Future<Output = Result<Response<Answer>, Infallible>> + Send + use<> {
        if let Some(preflight) = self.bounds.cors.preflight(&request) {
            let preflight = preflight.map(|()| Recorded::empty());
            return Either::Left(ready(Ok(web::Answer::new(preflight, Form::Grpc))));
        }
        let told = self.bounds.cors.told(request.headers());
        let form = Form::of(request.headers());
        let over_http1 = request.version() < Version::HTTP_2;
        let discarded = if over_http1 {
            self.bounds.discarded()
        } else {
            0
        };
        let request = request.map(|body| Sent::new(body, form).discard(discarded));
        let (record, call) = call::begin(request, peer, &self.bounds);
        let answer = record.follow(self.services.answer(call));
        Either::Right(answer.map_ok(move |answer| told.with(web::Answer::new(answer, form))))
    }
}
