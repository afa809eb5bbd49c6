//! What one serving thread does: it answers what comes on its connections.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{Either, ready};
use futures_util::{Stream, StreamExt, TryFutureExt};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::task::JoinSet;
use tonic::Status;

use crate::readiness::Readiness;
use crate::transport::backpressure::Gate;
use crate::transport::connections::{Connection, Peer, Port, Protocol};
use crate::transport::{http1, http2};
use crate::{grpc, http};

/// Who answers on a thread, and when its connections are read.
pub(super) struct Thread {
    pub grpc: Arc<grpc::Door>,
    pub http: Arc<http::Door>,
    pub gate: Arc<Gate>,
    pub readiness: Readiness,
}

impl Thread {
    /// Serves `connections` until there are no more or the server drains, and then until those that are open have
    /// answered what they were asked.
    pub async fn serve(self, connections: impl Stream<Item = Connection>) {
        let mut open = JoinSet::new();
        tokio::select! {
            () = self.readiness.draining() => {}
            () = self.begin_all(connections, &mut open) => {}
        }
        while open.join_next().await.is_some() {}
    }

    /// Once it is dropped, `connections` are gone, and the side is told so that hands them over.
    async fn begin_all(&self, connections: impl Stream<Item = Connection>, open: &mut JoinSet<()>) {
        let mut connections = Box::pin(connections);
        loop {
            tokio::select! {
                Some(_) = open.join_next() => {}
                connection = connections.next() => match connection {
                    Some(connection) => self.begin(connection, open),
                    None => return,
                },
            }
        }
    }

    /// Begins to serve a connection: which port it came in by says who answers.
    fn begin(&self, connection: Connection, open: &mut JoinSet<()>) {
        let (gate, readiness) = (Arc::clone(&self.gate), self.readiness.clone());
        match (connection.port, connection.protocol) {
            (Port::Grpc, Protocol::Http2) => {
                let door = Arc::clone(&self.grpc);
                let answer = move |peer: &_, request| door.answer(peer, request);
                open.spawn(http2::serve(connection, gate, readiness, answer));
            }
            (port, _) => {
                let doors = (Arc::clone(&self.grpc), Arc::clone(&self.http));
                let answer = move |peer: &_, request| answer(&doors, port, peer, request);
                open.spawn(http1::serve(connection, gate, readiness, answer));
            }
        }
    }
}

/// Answers a request over HTTP/1.1: a call by gRPC-Web is the same on both ports.
fn answer(
    (grpc, http): &(Arc<grpc::Door>, Arc<http::Door>),
    port: Port,
    peer: &Peer,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
    if grpc::is_web(&request) {
        let answer = grpc.answer(peer, request);
        return Either::Left(answer.map_ok(|answer| answer.map(Body::Grpc)));
    }
    let answer = match port {
        Port::Http => Either::Left(http.answer(peer, request)),
        Port::Grpc => Either::Right(ready(Ok(http.misdirected(&request)))),
    };
    Either::Right(answer.map_ok(|answer| answer.map(Body::Http)))
}

/// The body of an answer of either door.
enum Body {
    Grpc(grpc::Answer),
    Http(Full<Bytes>),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.get_mut() {
            Self::Grpc(body) => Pin::new(body).poll_frame(context),
            Self::Http(body) => {
                let frame = Pin::new(body).poll_frame(context);
                frame.map_err(|never| match never {})
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Grpc(body) => body.is_end_stream(),
            Self::Http(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Grpc(body) => body.size_hint(),
            Self::Http(body) => body.size_hint(),
        }
    }
}
