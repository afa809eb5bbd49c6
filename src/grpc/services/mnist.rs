//! `mnist.v1.MnistService`: which digit a picture shows.

use std::net::IpAddr;
use std::sync::Arc;

use tonic::Status;

use super::pictures::{Pictures, no_fit};
use super::service::{Parts, Service};
use crate::grpc::call::stream::Items;
use crate::grpc::call::{Answering, Call, status};
use crate::grpc::proto::mnist as pb;
pub(crate) use crate::grpc::proto::mnist::mnist_service_server::SERVICE_NAME as NAME;
use crate::preprocess::Fit;
use crate::serving::{Answer, Permit, Picture, PictureRequest};

/// Answers for the digit service.
pub(crate) struct Mnist(Pictures);

impl Service for Arc<Mnist> {
    fn answer(&self, call: Call) -> Answering {
        call.reading.predicts();
        let (mnist, client) = (Arc::clone(self), call.client);
        match call.method() {
            "Predict" if mnist.0.is_full(&call) => call.refuse(status::full()),
            "Predict" => call.unary(async move |request| {
                let permit = mnist.0.admit()?;
                mnist.predict(client, request, permit).await
            }),
            "PredictStream" => call.stream(PredictStream { mnist, client }),
            _ => call.unimplemented(),
        }
    }
}

impl Mnist {
    pub fn new(parts: &Parts<'_>) -> Self {
        Self(Pictures::new(parts))
    }

    async fn predict(
        &self,
        client: IpAddr,
        request: pb::PredictRequest,
        permit: Permit,
    ) -> Result<pb::PredictResponse, Status> {
        let answer = self.0.classify(client, read(request)?, permit).await?;
        Ok(answer.into())
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
        self.mnist.0.wait_for_place().await
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
    let fit = pb::Fit::try_from(request.fit).map_err(|_| no_fit(request.fit))?;
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
