//! The server under the doors: its listeners, its threads, and the end of its drain.

mod side;
mod thread;

use std::io;
use std::sync::Arc;
use std::thread::Builder as ThreadBuilder;
use std::time::Duration;

use futures_util::Stream;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

pub use side::Side;
use thread::Thread;

use crate::grpc::{self, Health};
use crate::readiness::Readiness;
use crate::serving::Serving;
use crate::serving::batcher::Lane;
use crate::telemetry::Telemetry;
use crate::transport::backpressure::Gate;
use crate::transport::bounds::Bounds;
use crate::transport::connections::{Connection, Threads, accept};
use crate::transport::memory::Memory;
use crate::transport::pulse::Pulse;

/// How requests are bounded.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Threads that read and answer requests, at least 1.
    pub threads: usize,
    /// Largest request message.
    pub max_message_bytes: usize,
    /// Most bytes of messages that all requests together may hold; raised to four times the largest message.
    pub max_buffered_bytes: usize,
    /// Longest until an answer begins, the request's arrival included.
    pub request_timeout: Duration,
    /// Longest a shutdown waits for requests that run.
    pub drain_timeout: Duration,
    /// Whether `x-forwarded-for` tells who the client is.
    pub trust_forwarded_for: bool,
}

/// The server, put together.
#[derive(Debug)]
pub struct Server {
    /// Where requests go.
    pub serving: Arc<Serving>,
    /// Where requests are counted.
    pub telemetry: Arc<Telemetry>,
    /// What health tells.
    pub readiness: Readiness,
    /// The bounds.
    pub config: Config,
}

impl Server {
    /// Answers on `listener` until readiness says draining, then lets running
    /// calls end, for at most the drain timeout.
    ///
    /// Each of the threads has a runtime of its own, and a call never leaves the thread that read
    /// it: no lock, no wake-up between threads, and one write for the answers of a whole batch.
    ///
    /// # Errors
    /// If a service cannot be put together or a thread cannot be started.
    pub async fn serve(self, listener: TcpListener) -> Result<(), Error> {
        let health = Health::new(grpc::names(), &self.readiness).await;
        let memory = Memory::new(
            self.config.max_buffered_bytes,
            self.config.max_message_bytes,
        );

        let (mut threads, mut pulse) = (Threads::default(), Pulse::new());
        let (running, mut ended) = mpsc::channel::<()>(1);
        for (index, lane) in Lane::each(self.config.threads.max(1)).enumerate() {
            let serving = self.thread(threads.add(), &lane, &health, &memory)?;
            let measuring = pulse.measure(Arc::clone(&self.telemetry))?;
            let (runtime, running) = (runtime()?, running.clone());
            ThreadBuilder::new()
                .name(format!("kiln-serve-{index}"))
                .spawn(move || {
                    runtime.spawn(measuring);
                    runtime.block_on(serving);
                    // A decode that still runs has nobody left to wait for it.
                    runtime.shutdown_background();
                    drop(running);
                })?;
        }
        drop(running);
        let follow = tokio::spawn(health.follow());
        let beat = tokio::spawn(pulse.beat());

        tokio::select! {
            () = accept(listener, threads) => {}
            () = self.readiness.draining() => {}
        }
        // A silent peer or an open Watch would hold the drain up for ever.
        let drain_timeout = self.config.drain_timeout;
        if tokio::time::timeout(drain_timeout, ended.recv())
            .await
            .is_err()
        {
            tracing::warn!(?drain_timeout, "closing calls that did not end in time");
        }
        follow.abort();
        beat.abort();
        Ok(())
    }

    /// What one thread does.
    fn thread<C: Stream<Item = Connection>>(
        &self,
        connections: C,
        lane: &Lane,
        health: &Health,
        memory: &Memory,
    ) -> Result<impl Future<Output = ()> + use<C>, Error> {
        // Each thread has its own, since one that all threads count their uses of would go from core to core.
        let bounds = Arc::new(Bounds {
            telemetry: Arc::clone(&self.telemetry),
            memory: memory.clone(),
            max_message_bytes: self.config.max_message_bytes,
            request_timeout: self.config.request_timeout,
            trust_forwarded_for: self.config.trust_forwarded_for,
        });
        let parts = grpc::Parts {
            serving: &self.serving,
            telemetry: &self.telemetry,
            lane,
            health,
        };
        let thread = Thread {
            grpc: Arc::new(grpc::Door::new(&parts, &bounds)?),
            gate: Arc::new(Gate::new(lane.clone(), Arc::clone(&self.telemetry))),
            readiness: self.readiness.clone(),
        };
        Ok(thread.serve(connections))
    }
}

/// Why the server could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A thread or its runtime cannot be started.
    #[error("cannot start a serving thread: {0}")]
    Thread(#[from] io::Error),
    /// The descriptors do not make a reflection service.
    #[error("gRPC reflection: {0}")]
    Reflection(#[from] grpc::Error),
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
