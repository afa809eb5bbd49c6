//! `kiln.v1.ClassifierService`: what a picture shows, by any model that classifies pictures.

use tonic::Status;

use super::pictures::{Words, no_fit};
use crate::grpc::proto::kiln as pb;
pub(crate) use crate::grpc::proto::kiln::classifier_service_server::SERVICE_NAME as NAME;
use crate::preprocess::Fit;
use crate::serving::{Answer, Picture, PictureRequest, Ranked, USUAL_TOP};

/// The words of the service.
pub(super) struct Classifier;

impl Words for Classifier {
    type Request = pb::ClassifyRequest;
    type Response = pb::ClassifyResponse;
    /// How many classes.
    type Wanted = usize;

    const UNARY: &'static str = "Classify";
    const STREAM: &'static str = "ClassifyStream";

    fn read(request: pb::ClassifyRequest) -> Result<(PictureRequest, usize), Status> {
        use pb::classify_request::Input as Sent;
        let fit = pb::Fit::try_from(request.fit).map_err(|_| no_fit(request.fit))?;
        let top = match request.top_k {
            0 => USUAL_TOP,
            count => count as usize,
        };
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
        Ok((request, top))
    }

    fn response(answer: Answer, top: usize) -> pb::ClassifyResponse {
        let class = |ranked: Ranked| pb::Class {
            index: u32::try_from(ranked.index).unwrap_or(u32::MAX),
            label: ranked.label,
            probability: ranked.probability,
        };
        pb::ClassifyResponse {
            classes: answer.top(top).into_iter().map(class).collect(),
            model: answer.model.name.clone(),
            version: answer.model.version.clone(),
            queue_micros: answer.timing.queue_micros(),
            compute_micros: answer.timing.compute_micros(),
            error: None,
        }
    }

    fn failed(status: &Status) -> pb::ClassifyResponse {
        pb::ClassifyResponse {
            error: Some(pb::Error {
                code: status.code() as i32,
                message: status.message().to_owned(),
            }),
            ..Default::default()
        }
    }
}
