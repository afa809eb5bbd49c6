//! `grpc.health.v1.Health`: what readiness says.

use tokio::sync::watch;
use tonic_health::ServingStatus;
pub(crate) use tonic_health::pb::FILE_DESCRIPTOR_SET as DESCRIPTORS;
use tonic_health::pb::health_server::HealthServer;
pub(crate) use tonic_health::pb::health_server::SERVICE_NAME as NAME;
use tonic_health::server::{HealthReporter, HealthService};

use crate::readiness::{Readiness, State};

/// What health says of the server as a whole and of some services by name.
#[derive(Debug)]
pub(crate) struct Health {
    reporter: HealthReporter,
    names: Vec<&'static str>,
    state: watch::Receiver<State>,
}

impl Health {
    /// Health that says of the server and of each of `names` what `readiness` says.
    pub async fn new(names: impl Iterator<Item = &'static str>, readiness: &Readiness) -> Self {
        let mut health = Self {
            reporter: HealthReporter::new(),
            names: [""].into_iter().chain(names).collect(),
            state: readiness.subscribe(),
        };
        health.report().await;
        health
    }

    /// The service that answers.
    pub fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Tells of every change for as long as it is polled.
    pub async fn follow(mut self) {
        while self.state.changed().await.is_ok() {
            self.report().await;
        }
    }

    async fn report(&mut self) {
        let status = match *self.state.borrow_and_update() {
            State::Ready => ServingStatus::Serving,
            State::Starting | State::Draining => ServingStatus::NotServing,
        };
        for name in &self.names {
            self.reporter.set_service_status(*name, status).await;
        }
    }
}
