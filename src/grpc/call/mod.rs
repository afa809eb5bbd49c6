//! What every call has in common, whichever service it is for.

mod body;
mod deadline;
pub(super) mod frame;
mod record;
pub(super) mod status;
pub(super) mod stream;
mod unary;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::ready;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use prost::Message;
use tonic::Status;
use tower_service::Service;

pub(super) use self::body::Answering;
use self::body::Body;
use self::frame::Messages;
pub(super) use self::record::{Record, Recorded};
use super::web::Sent;
use crate::transport::backpressure::Reading;
use crate::transport::bounds::Bounds;
use crate::transport::connections::Peer;

/// A call begins with this request of `peer`; its record follows the answer.
pub(super) fn begin(
    request: Request<Sent<Incoming>>,
    peer: &Peer,
    bounds: &Arc<Bounds>,
) -> (Record, Call) {
    let record = Record::begin(bounds, &request);
    (record, Call::new(request, peer, bounds))
}

/// A call that has begun.
pub(super) struct Call {
    request: Request<Sent<Incoming>>,
    /// Who calls.
    pub client: IpAddr,
    /// How the call's connection is read.
    pub reading: Arc<Reading>,
    bounds: Arc<Bounds>,
}

impl Call {
    fn new(request: Request<Sent<Incoming>>, peer: &Peer, bounds: &Arc<Bounds>) -> Self {
        Self {
            client: bounds.client(request.headers(), peer),
            request,
            reading: Arc::clone(&peer.reading),
            bounds: Arc::clone(bounds),
        }
    }

    /// Whether it came by gRPC-Web, which has no streams of requests.
    pub fn is_web(&self) -> bool {
        self.request.body().is_web()
    }

    /// The service that is called, as in `/service/method`.
    pub fn service(&self) -> &str {
        self.path().0
    }

    /// The method that is called.
    pub fn method(&self) -> &str {
        self.path().1
    }

    fn path(&self) -> (&str, &str) {
        let path = self.request.uri().path();
        let named = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        named.unwrap_or_default()
    }

    /// Answers with what `method` makes of the call's one message.
    pub fn unary<Q, A, F>(self, method: impl FnOnce(Q) -> F + Send + 'static) -> Answering
    where
        Q: Message + Default + 'static,
        A: Message + 'static,
        F: Future<Output = Result<A, Status>> + Send + 'static,
    {
        match frame::check_encoding(self.request.headers()) {
            Ok(()) => {
                let answer = unary::answer(self.messages().1, method);
                Box::pin(async { Ok(answer.await.map(Body::Unary)) })
            }
            Err(status) => self.refuse(status.into_http()),
        }
    }

    /// Answers with what `items` makes of each message.
    pub fn stream(self, items: impl stream::Items) -> Answering {
        match frame::check_encoding(self.request.headers()) {
            Ok(()) => {
                let answer = stream::answer(items, self.messages().1);
                Box::pin(ready(Ok(answer.map(Body::Stream))))
            }
            Err(status) => self.refuse(status.into_http()),
        }
    }

    /// Answers with code that tonic has generated, whose messages may have `limit` bytes.
    pub fn generated<S>(self, limit: usize, mut service: S) -> Answering
    where
        S: Service<
                Request<tonic::body::Body>,
                Response = Response<tonic::body::Body>,
                Error = Infallible,
                Future: Send + 'static,
            >,
    {
        let (head, messages) = self.messages();
        let answer = service.call(Request::from_parts(head, messages.into_body(limit)));
        Box::pin(async { Ok(answer.await?.map(Body::Tonic)) })
    }

    fn messages(self) -> (Parts, Messages<Sent<Incoming>>) {
        let (head, body) = self.request.into_parts();
        (head, Messages::new(body, self.client, &self.bounds))
    }

    /// Answers at once with a status that is laid out.
    #[expect(clippy::unused_self, reason = "the call is over")]
    pub fn refuse(self, status: Response<()>) -> Answering {
        Box::pin(ready(Ok(status.map(|()| Body::empty()))))
    }

    /// Answers a call by gRPC-Web of a method that takes a stream.
    pub fn takes_a_stream(self) -> Answering {
        let message = "gRPC-Web has no stream of requests: call the method by gRPC, or one that takes a single message";
        self.refuse(Status::unimplemented(message).into_http())
    }

    /// Answers the call of a method that nobody has.
    pub fn unimplemented(self) -> Answering {
        let message = "there is no such method; server reflection lists those that there are";
        self.refuse(Status::unimplemented(message).into_http())
    }
}
