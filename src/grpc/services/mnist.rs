//! `mnist.v1.MnistService`: which digit a picture shows.

use std::net::IpAddr;
use std::sync::Arc;

use tonic::Status;

use super::service::{Parts, Service};
use crate::grpc::call::stream::Items;
use crate::grpc::call::{Answering, Call, status};
use crate::grpc::proto::mnist as pb;
pub(crate) use crate::grpc::proto::mnist::mnist_service_server::SERVICE_NAME as NAME;
use crate::preprocess::Fit;
use crate::serving::batcher::Lane;
use crate::serving::{Answer, Caller, Permit, Picture, PictureRequest, Serving};
use crate::telemetry::{Rejection, Telemetry};

/// Answers for the digit service.
pub(crate) struct Mnist {
    serving: Arc<Serving>,
    telemetry: Arc<Telemetry>,
    /// Of the thread that the calls are read on.
    lane: Lane,
}

impl Service for Arc<Mnist> {
    fn answer(&self, call: Call) -> Answering {
        call.reading.predicts();
        let (mnist, client) = (Arc::clone(self), call.client);
        match call.method() {
            // Before its message is read: a refusal must cost less than an answer.
            "Predict" if mnist.is_full(&call) => call.refuse(status::full()),
            // It has no place before its message is whole, or clients that send slowly would hold them all.
            "Predict" => call.unary(async move |request| {
                let permit = mnist.serving.admit()?;
                mnist.predict(client, request, permit).await
            }),
            "PredictStream" => call.stream(PredictStream { mnist, client }),
            _ => call.unimplemented(),
        }
    }
}

impl Mnist {
    pub fn new(parts: &Parts<'_>) -> Self {
        Self {
            serving: Arc::clone(parts.serving),
            telemetry: Arc::clone(parts.telemetry),
            lane: parts.lane.clone(),
        }
    }

    /// Whether a call more is too many, which is counted.
    fn is_full(&self, call: &Call) -> bool {
        let full = call.reading.is_late() || self.serving.is_full();
        if full {
            self.telemetry.rejected(Rejection::QueueFull);
        }
        full
    }

    async fn predict(
        &self,
        client: IpAddr,
        request: pb::PredictRequest,
        permit: Permit,
    ) -> Result<pb::PredictResponse, Status> {
        let caller = Caller {
            client: Some(client),
            lane: Some(&self.lane),
        };
        let answer = self.serving.classify(read(request)?, permit, caller);
        Ok(answer.await?.into())
    }
}

/// The items of a client's stream.
struct PredictStream {
    mnist: Arc<Mnist>,
    client: IpAddr,
}

impl Items for PredictStream {
    type Item = pb::PredictRequest;
    type Answer = pb::PredictResponse;

    async fn place(&self) -> Permit {
        self.mnist.serving.wait_for_place().await
    }

    async fn answer(
        &self,
        item: pb::PredictRequest,
        permit: Permit,
    ) -> Result<pb::PredictResponse, Status> {
        self.mnist.predict(self.client, item, permit).await
    }

    fn failed(status: &Status) -> pb::PredictResponse {
        pb::PredictResponse {
            error: Some(pb::Error {
                code: status.code() as i32,
                message: status.message().to_owned(),
            }),
            ..Default::default()
        }
    }
}

fn read(request: pb::PredictRequest) -> Result<PictureRequest, Status> {
    use pb::predict_request::Input as Sent;
    let fit = pb::Fit::try_from(request.fit).map_err(|_| {
        let (fit, values) = (request.fit, "0 (unspecified), 1 (resize) or 2 (digit)");
        Status::invalid_argument(format!("fit is {fit}; it must be {values}"))
    })?;
    Ok(PictureRequest {
        input: request.input.map(|input| match input {
            Sent::Image(image) => Picture::Image(image),
            Sent::Pixels(pixels) => Picture::Pixels(pixels),
            Sent::Values(values) => Picture::Values(values.values),
        }),
        model: request.model,
        version: request.version,
        fit: match fit {
            pb::Fit::Unspecified => Fit::Auto,
            pb::Fit::Resize => Fit::Resize,
            pb::Fit::Digit => Fit::Digit,
        },
        show_input: false,
    })
}

impl From<Answer> for pb::PredictResponse {
    fn from(answer: Answer) -> Self {
        Self {
            label: answer.label.unwrap_or_default(),
            digit: u32::try_from(answer.class).unwrap_or(u32::MAX),
            confidence: answer.confidence,
            probabilities: answer.probabilities,
            model: answer.model.name.clone(),
            version: answer.model.version.clone(),
            queue_micros: answer.timing.queue_micros(),
            compute_micros: answer.timing.compute_micros(),
            error: None,
        }
    }
}
