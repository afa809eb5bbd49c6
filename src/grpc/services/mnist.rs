//! `mnist.v1.MnistService`: which digit a picture shows.

use tonic::Status;

use super::pictures::{Words, no_fit};
use crate::grpc::proto::mnist as pb;
pub(crate) use crate::grpc::proto::mnist::mnist_service_server::SERVICE_NAME as NAME;
use crate::preprocess::Fit;
use crate::serving::{Answer, Picture, PictureRequest};

/// The words of the digit service.
pub(super) struct Mnist;

impl Words for Mnist {
    type Request = pb::PredictRequest;
    type Response = pb::PredictResponse;
    type Wanted = ();

    const UNARY: &'static str = "Predict";
    const STREAM: &'static str = "PredictStream";

    fn read(request: pb::PredictRequest) -> Result<(PictureRequest, ()), Status> {
        use pb::predict_request::Input as Sent;
        let fit = pb::Fit::try_from(request.fit).map_err(|_| no_fit(request.fit))?;
        let request = PictureRequest {
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
        };
        Ok((request, ()))
    }

    fn response(answer: Answer, (): ()) -> pb::PredictResponse {
        pb::PredictResponse {
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
