//! What a service is.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};

use super::health::Health;
use crate::grpc::call::{Answering, Call};
use crate::serving::Serving;
use crate::serving::batcher::Lane;
use crate::telemetry::Telemetry;

/// Answers the calls of its methods.
pub(crate) trait Service: Send + Sync {
    /// Answers a call of one of its methods, or of one that it does not have.
    fn answer(&self, call: Call) -> Answering;
}

/// What the services of a thread are made of.
pub(crate) struct Parts<'a> {
    pub serving: &'a Arc<Serving>,
    pub telemetry: &'a Arc<Telemetry>,
    /// The thread's own.
    pub lane: &'a Lane,
    pub health: &'a Health,
}

/// Largest message of a service that tonic has generated, whose reader keeps a buffer for it: a name, or two.
const SMALL_MESSAGE: usize = 16 * 1024;

/// A service that code answers which tonic has generated.
pub(crate) struct Generated<S>(pub S);

impl<S> Service for Generated<S>
where
    S: tower_service::Service<
            Request<tonic::body::Body>,
            Response = Response<tonic::body::Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync,
{
    fn answer(&self, call: Call) -> Answering {
        call.generated(SMALL_MESSAGE, self.0.clone())
    }
}
