//! The side listener: metrics and health over HTTP/1.1, on a thread and runtime of its own.
//!
//! A flood of predictions keeps every serving thread busy; a scrape and a liveness probe must not wait for them.
//! `connection` says how long a client may take.

mod connection;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{Builder as ThreadBuilder, JoinHandle};
use std::time::Duration;

use tokio::net::TcpListener as TokioListener;
use tokio::runtime::{Builder as RuntimeBuilder, Runtime};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::http::Door;
use crate::readiness::Readiness;
use crate::telemetry::Telemetry;

/// Connections served at once; the next ones wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 512;
/// Pause after a failed accept: without one, a process out of descriptors would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener, running on its thread. Dropping it ends it without a grace.
#[derive(Debug)]
pub struct Side {
    local_addr: SocketAddr,
    stop: oneshot::Sender<Duration>,
    thread: JoinHandle<()>,
}

impl Side {
    /// Answers on `listener` from now on.
    ///
    /// # Errors
    /// Those of the system: the listener's address, its non-blocking mode, a thread.
    pub fn start(
        listener: TcpListener,
        readiness: Readiness,
        telemetry: Arc<Telemetry>,
    ) -> io::Result<Self> {
        let local_addr = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = RuntimeBuilder::new_current_thread().enable_all().build()?;
        let listener = in_runtime(&runtime, listener)?;
        let door = Arc::new(Door {
            readiness,
            telemetry,
        });
        let (stop, stopped) = oneshot::channel();
        let thread = ThreadBuilder::new()
            .name("kiln-http".to_owned())
            .spawn(move || runtime.block_on(serve(listener, door, stopped)))?;
        Ok(Self {
            local_addr,
            stop,
            thread,
        })
    }

    /// Where it listens, with the port that the system chose if none was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
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
async fn serve(listener: TokioListener, door: Arc<Door>, mut stop: oneshot::Receiver<Duration>) {
    let (closing, _) = watch::channel(());
    let mut connections = JoinSet::new();
    let grace = tokio::select! {
        told = &mut stop => told.unwrap_or(Duration::ZERO),
        () = accept(&listener, &door, &closing, &mut connections) => Duration::ZERO,
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
    door: &Arc<Door>,
    closing: &watch::Sender<()>,
    connections: &mut JoinSet<()>,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // The semaphore is never closed, so this cannot fail.
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let (door, closing) = (Arc::clone(door), closing.subscribe());
                connections.spawn(async move {
                    connection::run(stream, door, closing).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept an HTTP connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
