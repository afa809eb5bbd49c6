//! `mnist.v1.MnistService`.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::proto::mnist as pb;
use super::status;
use crate::batcher::Permit;
use crate::classify::{self, Answer, Classifier, Input};
use crate::preprocess::Fit;
use crate::telemetry::Telemetry;

/// Items of one stream that are in the works at once, so that they can share a batch.
const STREAM_WINDOW: usize = 16;

/// Answers for the digit service.
#[derive(Clone, Debug)]
pub struct Mnist {
    classifier: Arc<Classifier>,
    telemetry: Arc<Telemetry>,
}

impl Mnist {
    /// The service over `classifier`.
    pub fn new(classifier: Arc<Classifier>, telemetry: Arc<Telemetry>) -> Self {
        Self {
            classifier,
            telemetry,
        }
    }

    async fn answer(
        &self,
        peer: Option<SocketAddr>,
        request: pb::PredictRequest,
        permit: Permit,
    ) -> Result<pb::PredictResponse, Status> {
        let started = Instant::now();
        let answer = self.classifier.classify(read(request)?, permit).await?;
        if let Some(peer) = peer {
            let values = answer.model.network.input_len();
            self.telemetry
                .client_request(peer.ip(), values, started.elapsed());
        }
        Ok(answer.into())
    }
}

#[tonic::async_trait]
impl pb::mnist_service_server::MnistService for Mnist {
    async fn predict(
        &self,
        request: Request<pb::PredictRequest>,
    ) -> Result<Response<pb::PredictResponse>, Status> {
        let permit = self.classifier.admit()?;
        let peer = request.remote_addr();
        let answer = self.answer(peer, request.into_inner(), permit).await?;
        Ok(Response::new(answer))
    }

    type PredictStreamStream =
        Pin<Box<dyn Stream<Item = Result<pb::PredictResponse, Status>> + Send>>;

    async fn predict_stream(
        &self,
        request: Request<Streaming<pb::PredictRequest>>,
    ) -> Result<Response<Self::PredictStreamStream>, Status> {
        let peer = request.remote_addr();
        let service = self.clone();
        let answers = request
            .into_inner()
            .map(move |item| {
                let service = service.clone();
                async move {
                    // A broken transport or an oversized item ends the stream; a bad item does not.
                    let item = item?;
                    let permit = service.classifier.wait_for_place().await;
                    let answer = service.answer(peer, item, permit).await;
                    Ok(answer.unwrap_or_else(|status| status::item(&status)))
                }
            })
            .buffered(STREAM_WINDOW);
        Ok(Response::new(Box::pin(answers)))
    }
}

fn read(request: pb::PredictRequest) -> Result<classify::Request, Status> {
    use pb::predict_request::Input as Sent;
    let fit = pb::Fit::try_from(request.fit).map_err(|_| {
        Status::invalid_argument(format!("fit {} is none: see the enum Fit", request.fit))
    })?;
    Ok(classify::Request {
        input: request.input.map(|input| match input {
            Sent::Image(image) => Input::Image(image),
            Sent::Pixels(pixels) => Input::Pixels(pixels),
            Sent::Values(values) => Input::Values(values.values),
        }),
        model: request.model,
        version: request.version,
        fit: match fit {
            pb::Fit::Unspecified => Fit::Auto,
            pb::Fit::Resize => Fit::Resize,
            pb::Fit::Digit => Fit::Digit,
        },
    })
}

impl From<Answer> for pb::PredictResponse {
    fn from(answer: Answer) -> Self {
        Self {
            digit: u32::try_from(answer.class).unwrap_or(u32::MAX),
            confidence: answer.confidence,
            probabilities: answer.probabilities,
            model: answer.model.name.clone(),
            version: answer.model.version.clone(),
            queue_micros: micros(answer.queue),
            compute_micros: micros(answer.compute),
            error: None,
        }
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
