//! The server under the doors: its listeners, its threads, and the end of its drain.

mod descriptors;
mod side;
mod thread;

use std::io;
use std::net::TcpListener as StdTcpListener;
use std::sync::Arc;
use std::thread::Builder as ThreadBuilder;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc};

use descriptors::Connections;
use side::Side;
use thread::Thread;

use crate::grpc::{self, Health};
use crate::http;
use crate::readiness::Readiness;
use crate::serving::Serving;
use crate::serving::batcher::Lane;
use crate::telemetry::Telemetry;
use crate::transport::backpressure::Gate;
use crate::transport::bounds::Bounds;
use crate::transport::connections::{Threads, accept};
pub use crate::transport::cors::{Cors, Origin};
use crate::transport::memory::Memory;
use crate::transport::pulse::Pulse;

/// How long the side's last answers may take, once the serving threads have ended.
const SIDE_GRACE: Duration = Duration::from_secs(1);

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
    /// Which pages elsewhere may ask.
    pub cors: Cors,
}

impl Server {
    /// Answers gRPC and HTTP on their listeners until readiness says draining, then lets running
    /// requests end, for at most the drain timeout. Until then the side goes on telling how the server is.
    ///
    /// Each of the threads has a runtime of its own, and a call never leaves the thread that read
    /// it: no lock, no wake-up between threads, and one write for the answers of a whole batch.
    ///
    /// # Errors
    /// If a service cannot be put together or a thread cannot be started.
    pub async fn serve(self, grpc: TcpListener, http: StdTcpListener) -> Result<(), Error> {
        let health = Health::new(grpc::names(), &self.readiness).await;
        let memory = Memory::new(
            self.config.max_buffered_bytes,
            self.config.max_message_bytes,
        );

        let cores = available_parallelism().map_or(1, usize::from);
        let parsing = Arc::new(Semaphore::new(cores));
        let (mut threads, mut pulse) = (Threads::default(), Pulse::new());
        let (running, mut ended) = mpsc::channel::<()>(1);
        for (index, lane) in Lane::each(self.config.threads.max(1)).enumerate() {
            let bounds = Arc::new(self.bounds(&memory));
            let http = self.http(&bounds, Some(lane.clone()), &parsing);
            let serving = self.thread(&bounds, &lane, &health, http)?;
            let serving = serving.serve(threads.add());
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
        let http_door = Arc::new(self.http(&Arc::new(self.bounds(&memory)), None, &parsing));
        let side = Side::start(http, http_door, threads.clone(), Connections::allowed())?;
        let follow = tokio::spawn(health.follow());
        let beat = tokio::spawn(pulse.beat());

        tokio::select! {
            () = accept(grpc, threads) => {}
            () = self.readiness.draining() => {}
        }
        // A silent peer or an open Watch would hold the drain up for ever.
        let drain_timeout = self.config.drain_timeout;
        if tokio::time::timeout(drain_timeout, ended.recv())
            .await
            .is_err()
        {
            tracing::warn!(?drain_timeout, "closing requests that did not end in time");
        }
        follow.abort();
        beat.abort();
        // It waits for its thread. Only a bug panics there, which was logged.
        let _ = tokio::task::spawn_blocking(|| side.shutdown(SIDE_GRACE)).await;
        Ok(())
    }

    /// What bounds the requests of a thread. Each has its own, since one that all threads count their uses of would go
    /// from core to core.
    fn bounds(&self, memory: &Memory) -> Bounds {
        Bounds {
            telemetry: Arc::clone(&self.telemetry),
            memory: memory.clone(),
            max_message_bytes: self.config.max_message_bytes,
            request_timeout: self.config.request_timeout,
            trust_forwarded_for: self.config.trust_forwarded_for,
            cors: self.cors.clone(),
        }
    }

    /// The HTTP door of a thread, which computes if it has a lane.
    fn http(
        &self,
        bounds: &Arc<Bounds>,
        lane: Option<Lane>,
        parsing: &Arc<Semaphore>,
    ) -> http::Door {
        http::Door {
            serving: Arc::clone(&self.serving),
            readiness: self.readiness.clone(),
            bounds: Arc::clone(bounds),
            lane,
            parsing: Arc::clone(parsing),
        }
    }

    /// What one thread answers with.
    fn thread(
        &self,
        bounds: &Arc<Bounds>,
        lane: &Lane,
        health: &Health,
        http: http::Door,
    ) -> Result<Thread, Error> {
        let parts = grpc::Parts {
            serving: &self.serving,
            telemetry: &self.telemetry,
            lane,
            health,
        };
        Ok(Thread {
            grpc: Arc::new(grpc::Door::new(&parts, bounds)?),
            http: Arc::new(http),
            gate: Arc::new(Gate::new(lane.clone(), Arc::clone(&self.telemetry))),
            readiness: self.readiness.clone(),
        })
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
