//! The server that carries the services, from its listener to the end of its drain.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::Mnist;
use super::connections::accept;
use super::observe::Observe;
use super::proto;
use super::proto::mnist::mnist_service_server::{MnistServiceServer, SERVICE_NAME};
use crate::readiness::{Readiness, State};
use crate::telemetry::Telemetry;

/// A peer that says nothing for so long is pinged, and is gone if it does not answer the ping in time.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls one connection may have open at once. Each may hold one message that is not whole yet.
const MAX_STREAMS: u32 = 128;
/// Largest request headers.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// How calls are bounded.
#[derive(Clone, Copy, Debug)]
pub struct Config {
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
    /// The bounds.
    pub config: Config,
}

impl Server {
    /// Answers on `listener` until readiness says draining, then lets running
    /// calls end, for at most the drain timeout.
    ///
    /// # Errors
    /// If a service cannot be put together or the listener fails.
    pub async fn serve(self, listener: TcpListener) -> Result<(), Error> {
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut state = self.readiness.subscribe();
        let now = *state.borrow_and_update();
        report(&reporter, now).await;
        let follow = tokio::spawn(follow(reporter, state));

        let (readiness, draining) = (self.readiness.clone(), self.readiness.clone());
        let Config {
            max_message_bytes,
            request_timeout,
            drain_timeout,
        } = self.config;
        let serving = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .max_concurrent_streams(MAX_STREAMS)
            .layer(Observe {
                telemetry: self.telemetry,
                max_message_bytes,
                request_timeout,
            })
            .add_service(
                MnistServiceServer::new(self.mnist).max_decoding_message_size(max_message_bytes),
            )
            .add_service(health)
            .add_service(reflection()?.build_v1()?)
            .add_service(reflection()?.build_v1alpha()?)
            .serve_with_incoming_shutdown(
                accept(listener),
                async move { draining.draining().await },
            );

        // tonic's own graceful shutdown waits for ever for a silent peer or an open Watch.
        let result = tokio::select! {
            result = serving => result.map_err(Error::from),
            () = overdue(readiness, drain_timeout) => {
                tracing::warn!(?drain_timeout, "closing calls that did not end in time");
                Ok(())
            }
        };
        follow.abort();
        result
    }
}

/// Why the server could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener or a connection failed for good.
    #[error("gRPC: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors do not make a reflection service.
    #[error("gRPC reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

fn reflection() -> Result<tonic_reflection::server::Builder<'static>, Error> {
    Ok(tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET))
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

/// Ends `patience` after draining began.
async fn overdue(readiness: Readiness, patience: Duration) {
    readiness.draining().await;
    tokio::time::sleep(patience).await;
}
