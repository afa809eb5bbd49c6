//! The side listener: what is asked over HTTP comes in here, on a thread and runtime of its own.
//!
//! A flood of predictions keeps every serving thread busy; a scrape and a liveness probe must not wait for them, so they
//! are answered here. A connection that asks for anything else is handed to a serving thread, unread.

mod connection;
mod one_request;

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{Builder as ThreadBuilder, JoinHandle};
use std::time::Duration;

use futures_util::future::{Either, ready};
use http::Request;
use hyper::body::Incoming;
use tokio::net::{TcpListener as TokioListener, TcpStream};
use tokio::runtime::{Builder as RuntimeBuilder, Runtime};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::descriptors::Connections;
use crate::http::{Answer, Door, is_probe};
use crate::transport::connections::{ACCEPT_PAUSE, Peer, Port, Threads};
use crate::transport::places::Places;

/// What the side's connections need.
struct Inside {
    door: Arc<Door>,
    threads: Threads,
    /// For connections here; the next ones wait in the listener's backlog.
    places: Places,
    /// For connections that are handed over.
    served: Places,
}

impl Inside {
    /// Hands a connection to a serving thread; it comes back if none takes it.
    fn hand_over(&self, stream: TcpStream) -> Option<TcpStream> {
        let client = stream.peer_addr().ok()?.ip();
        let Some(place) = self.served.take(client) else {
            return Some(stream);
        };
        // A socket that cannot be taken out of the runtime is broken.
        let stream = stream.into_std().ok()?;
        let back = self.threads.assign(stream, Port::Http, place).err()?;
        TcpStream::from_std(back).ok()
    }

    /// Answers a probe, and anything else with why nobody serves it.
    fn answer(
        &self,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Answer, Infallible>> + Send + use<> {
        if is_probe(request.uri().path()) {
            Either::Left(self.door.answer(peer, request))
        } else {
            Either::Right(ready(Ok(self.door.turn_away(&request))))
        }
    }
}

/// The listener, running on its thread. Dropping it ends it without a grace.
#[derive(Debug)]
pub(super) struct Side {
    stop: oneshot::Sender<Duration>,
    thread: JoinHandle<()>,
}

impl Side {
    /// Answers on `listener` from now on.
    ///
    /// # Errors
    /// Those of the system: the listener's non-blocking mode, a thread.
    pub fn start(
        listener: TcpListener,
        door: Arc<Door>,
        threads: Threads,
        connections: Connections,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = RuntimeBuilder::new_current_thread().enable_all().build()?;
        let listener = in_runtime(&runtime, listener)?;
        let inside = Arc::new(Inside {
            door,
            threads,
            places: Places::new(connections.side),
            served: Places::new(connections.served),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = ThreadBuilder::new()
            .name("kiln-http".to_owned())
            .spawn(move || runtime.block_on(serve(listener, inside, stopped)))?;
        Ok(Self { stop, thread })
    }

    /// Accepts no more, closes idle connections, lets running answers end for at most `grace`, and joins the thread.
    pub fn shutdown(self, grace: Duration) {
        // Both fail only if the thread has panicked, and then it is already gone.
        let asked = self.stop.send(grace);
        if asked.is_err() || self.thread.join().is_err() {
            tracing::error!("the HTTP listener had stopped before it was asked to");
        }
    }
}

fn in_runtime(runtime: &Runtime, listener: TcpListener) -> io::Result<TokioListener> {
    let _entered = runtime.enter();
    TokioListener::from_std(listener)
}

/// Accepts until told to stop, then waits for the connections, but no longer than it was told.
async fn serve(
    listener: TokioListener,
    inside: Arc<Inside>,
    mut stop: oneshot::Receiver<Duration>,
) {
    let (closing, _) = watch::channel(());
    let mut connections = JoinSet::new();
    let grace = tokio::select! {
        told = &mut stop => told.unwrap_or(Duration::ZERO),
        () = accept(&listener, &inside, &closing, &mut connections) => Duration::ZERO,
    };
    drop(listener);
    drop(closing);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(grace, ended).await.is_err() {
        tracing::debug!(?grace, "closing HTTP connections that did not end in time");
    }
}

/// Never returns; each connection is told to close when `closing` is dropped.
async fn accept(
    listener: &TokioListener,
    inside: &Arc<Inside>,
    closing: &watch::Sender<()>,
    connections: &mut JoinSet<()>,
) {
    loop {
        let place = inside.places.next().await;
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, client)) => {
                let Some(place) = inside.places.count(place, client.ip()) else {
                    continue;
                };
                let (inside, closing) = (Arc::clone(inside), closing.subscribe());
                connections.spawn(async move {
                    connection::run(stream, inside, closing).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept an HTTP connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
