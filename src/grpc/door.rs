//! Where the server hands gRPC requests in.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use super::call::{self, Recorded};
use super::services::{Error, Parts, Services};
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

    /// Answers a call, whatever it is.
    pub fn answer(
        &self,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Recorded>, Infallible>> + Send + use<> {
        let (record, call) = call::begin(request, peer, &self.bounds);
        record.follow(self.services.answer(call))
    }
}
