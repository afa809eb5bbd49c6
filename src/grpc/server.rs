//! The server that carries the services, from its listener to the end of its drain.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::answering::{Answering, serve_hand};
use super::call::memory::Memory;
use super::call::record::Observe;
use super::proto;
use super::proto::mnist::mnist_service_server::SERVICE_NAME;
use super::services::mnist::Mnist;
use super::transport::backpressure::Gate;
use super::transport::connections::{Dealer, accept};
use super::transport::pulse::Pulse;
use crate::readiness::{Readiness, State};
use crate::serving::batcher::Lane;
use crate::telemetry::Telemetry;

/// How calls are bounded.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Threads that read and answer calls, at least 1.
    pub threads: usize,
    /// Largest request message.
    pub max_message_bytes: usize,
    /// Longest until an answer begins, the request's arrival included.
    pub request_timeout: Duration,
    /// Longest a shutdown waits for calls that run.
    pub drain_timeout: Duration,
}

/// The gRPC server, put together.
#[derive(Debug)]
pub struct Server {
    /// The digit service.
    pub mnist: Mnist,
    /// Where calls are counted.
    pub telemetry: Arc<Telemetry>,
    /// What health tells.
    pub readiness: Readiness,
    /// What all requests may take up together.
    pub memory: Memory,
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
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut state = self.readiness.subscribe();
        let now = *state.borrow_and_update();
        report(&reporter, now).await;
        let follow = tokio::spawn(follow(reporter, state));
        let others = Routes::new(health)
            .add_service(reflection()?.build_v1()?)
            .add_service(reflection()?.build_v1alpha()?)
            .prepare();

        let (mut dealer, mut pulse) = (Dealer::default(), Pulse::new());
        let (running, mut ended) = mpsc::channel::<()>(1);
        for (index, lane) in Lane::each(self.config.threads.max(1)).enumerate() {
            let answering = self.answering(lane, others.clone());
            let serving = serve_hand(answering, dealer.hand(), self.readiness.clone());
            let feel = pulse.feel(Arc::clone(&self.telemetry))?;
            let (runtime, running) = (runtime()?, running.clone());
            thread::Builder::new()
                .name(format!("kiln-serve-{index}"))
                .spawn(move || {
                    runtime.spawn(feel);
                    runtime.block_on(serving);
                    // A decode that still runs has nobody left to wait for it.
                    runtime.shutdown_background();
                    drop(running);
                })?;
        }
        drop(running);
        let beat = tokio::spawn(pulse.beat());

        tokio::select! {
            () = accept(listener, dealer) => {}
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

    /// What each thread answers with.
    fn answering(&self, lane: Lane, others: Routes) -> Answering {
        Answering {
            mnist: self.mnist.clone(),
            others,
            observe: Observe {
                telemetry: Arc::clone(&self.telemetry),
                memory: self.memory.clone(),
                max_message_bytes: self.config.max_message_bytes,
                request_timeout: self.config.request_timeout,
            },
            gate: Arc::new(Gate::new(lane.clone(), Arc::clone(&self.telemetry))),
            lane,
        }
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
    Reflection(#[from] tonic_reflection::server::Error),
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn reflection() -> Result<tonic_reflection::server::Builder<'static>, Error> {
    Ok(tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // So that clients without these files can read the details of an error.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET))
}

/// Tells gRPC's health service of every change of `state` from now on.
async fn follow(reporter: HealthReporter, mut state: watch::Receiver<State>) {
    while state.changed().await.is_ok() {
        let now = *state.borrow_and_update();
        report(&reporter, now).await;
    }
}

async fn report(reporter: &HealthReporter, state: State) {
    let status = match state {
        State::Ready => ServingStatus::Serving,
        State::Starting | State::Draining => ServingStatus::NotServing,
    };
    for service in ["", SERVICE_NAME] {
        reporter.set_service_status(service, status).await;
    }
}
