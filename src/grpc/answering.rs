//! HTTP/2 on the connections of one thread, and which service answers a call.
//!
//! hyper serves the connections, `unary` the one call that most of them make, and tonic's generated
//! code the others. tonic's own server stands for none: it finds the one service that matters
//! through a router and wraps bodies and futures in boxes on the way, which costs as much as the
//! forward pass of a small network.

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either};
use futures_util::{Stream, StreamExt};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::service::Routes;
use tower_service::Service;

use super::call::record::{Observe, ObservedBody};
use super::call::{status, unary};
use super::proto::mnist::mnist_service_server::MnistServiceServer;
use super::services::mnist::{Connected, Mnist};
use super::transport::backpressure::{Conduct, Gate, Gated};
use super::transport::connections::Connection;
use crate::readiness::Readiness;
use crate::serving::batcher::Lane;
use crate::telemetry::Rejection;

/// A peer that says nothing for so long is pinged, and is gone if it does not answer the ping in time.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls one connection may have open at once.
const MAX_STREAMS: u32 = 128;
/// Largest request headers.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// The paths of the digit service begin with it.
const MNIST: &str = "/mnist.v1.MnistService/";
/// The one method whose calls are turned away when there are too many; a stream waits instead.
const PREDICT: &str = "/mnist.v1.MnistService/Predict";

/// What a thread answers with.
#[derive(Clone, Debug)]
pub(crate) struct Answering {
    pub mnist: Mnist,
    /// Health and reflection.
    pub others: Routes,
    pub observe: Observe,
    pub gate: Arc<Gate>,
    /// Where the thread's own work waits.
    pub lane: Lane,
}

/// Serves `connections` until there are no more or the server drains, and then until those that are
/// open have answered what they were asked.
pub(crate) async fn serve_hand(
    answering: Answering,
    connections: impl Stream<Item = Connection>,
    readiness: Readiness,
) {
    let mut connections = pin!(connections);
    let mut draining = pin!(readiness.draining());
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut draining => break,
            Some(_) = open.join_next() => {}
            connection = connections.next() => match connection {
                Some(connection) => {
                    open.spawn(serve(answering.clone(), connection, readiness.clone()));
                }
                None => break,
            },
        }
    }
    while open.join_next().await.is_some() {}
}

async fn serve(answering: Answering, connection: Connection, readiness: Readiness) {
    let mnist = Arc::new(Connected {
        mnist: answering.mnist,
        peer: connection.peer,
        lane: answering.lane,
    });
    let conduct = Arc::<Conduct>::default();
    let stream = Gated::new(connection.stream, answering.gate, Arc::clone(&conduct));
    let calls = Calls {
        conduct,
        mnist: Arc::clone(&mnist),
        streams: MnistServiceServer::from_arc(mnist)
            .max_decoding_message_size(answering.observe.max_message_bytes),
        others: answering.others,
        observe: answering.observe,
    };
    let serving = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(KEEPALIVE_INTERVAL))
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .auto_date_header(false)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| calls.answer(request)),
        );
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        biased;
        ended = serving.as_mut() => ended,
        () = readiness.draining() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection failed");
    }
}

/// The services, as one connection sees them.
struct Calls {
    conduct: Arc<Conduct>,
    mnist: Arc<Connected>,
    streams: MnistServiceServer<Connected>,
    others: Routes,
    observe: Observe,
}

impl Calls {
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<ObservedBody>, Infallible>> + use<> {
        let (begun, request) = self.observe.begin(request);
        let path = request.uri().path();
        let is_mnist = path.starts_with(MNIST);
        if is_mnist {
            self.conduct.predicts();
        }
        if path != PREDICT {
            return Either::Right(begun.answer(if is_mnist {
                self.streams.clone().call(request)
            } else {
                Box::pin(self.others.clone().call(request.map(Body::new)))
            }));
        }
        // In a box: it is larger than all around it, which is moved several times.
        let answer: BoxFuture<'static, _> = if self.is_full() {
            // Before its message is read: a refusal must cost less than an answer.
            Box::pin(ready(Ok(status::full())))
        } else {
            let mnist = Arc::clone(&self.mnist);
            let client = mnist.client(request.headers());
            let predict = move |request| mnist.answer(client, request);
            let limit = self.observe.max_message_bytes;
            Box::pin(unary::answer(request, limit, predict))
        };
        Either::Left(begun.answer(answer))
    }

    /// Whether a call more is too many, which is counted.
    fn is_full(&self) -> bool {
        let late = self.conduct.is_late();
        if late {
            self.observe.telemetry.rejected(Rejection::QueueFull);
        }
        late || self.mnist.mnist.classifier.admit().is_err()
    }
}
