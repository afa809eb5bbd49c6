//! What the services that classify pictures have in common.

use std::net::IpAddr;
use std::sync::Arc;

use tonic::Status;

use super::service::Parts;
use crate::grpc::call::Call;
use crate::serving::batcher::Lane;
use crate::serving::{Answer, Caller, Error, Permit, PictureRequest, Serving};
use crate::telemetry::{Rejection, Telemetry};

/// Classifies pictures on the thread that the calls are read on.
pub(super) struct Pictures {
    serving: Arc<Serving>,
    telemetry: Arc<Telemetry>,
    lane: Lane,
}

impl Pictures {
    pub fn new(parts: &Parts<'_>) -> Self {
        Self {
            serving: Arc::clone(parts.serving),
            telemetry: Arc::clone(parts.telemetry),
            lane: parts.lane.clone(),
        }
    }

    /// Whether a call more is too many, which is counted. To be asked before its message is read: a refusal must cost
    /// less than an answer.
    pub fn is_full(&self, call: &Call) -> bool {
        let full = call.reading.is_late() || self.serving.is_full();
        if full {
            self.telemetry.rejected(Rejection::QueueFull);
        }
        full
    }

    /// A place for a call whose message is whole; before, clients that send slowly would hold them all.
    pub fn admit(&self) -> Result<Permit, Error> {
        self.serving.admit()
    }

    /// A place for an item of a stream.
    pub async fn wait_for_place(&self) -> Permit {
        self.serving.wait_for_place().await
    }

    pub async fn classify(
        &self,
        client: IpAddr,
        request: PictureRequest,
        permit: Permit,
    ) -> Result<Answer, Status> {
        let caller = Caller {
            client: Some(client),
            lane: Some(&self.lane),
        };
        Ok(self.serving.classify(request, permit, caller).await?)
    }
}

/// What a number stands for that is none of an enum's.
pub(super) fn no_fit(number: i32) -> Status {
    let values = "0 (unspecified), 1 (resize) or 2 (digit)";
    Status::invalid_argument(format!("fit is {number}; it must be {values}"))
}
