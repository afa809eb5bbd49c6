//! `kiln.v1.ClassifierService`: what a picture shows, by any model that classifies pictures.

use std::net::IpAddr;
use std::sync::Arc;

use tonic::Status;

use super::pictures::{Pictures, no_fit};
use super::service::{Parts, Service};
use crate::grpc::call::stream::Items;
use crate::grpc::call::{Answering, Call, status};
use crate::grpc::proto::kiln as pb;
pub(crate) use crate::grpc::proto::kiln::classifier_service_server::SERVICE_NAME as NAME;
use crate::preprocess::Fit;
use crate::serving::{Answer, Permit, Picture, PictureRequest, Ranked, USUAL_TOP};

/// Answers for the service.
pub(crate) struct Classifier(Pictures);

impl Service for Arc<Classifier> {
    fn answer(&self, call: Call) -> Answering {
        call.reading.predicts();
        let (classifier, client) = (Arc::clone(self), call.client);
        match call.method() {
            "Classify" if classifier.0.is_full(&call) => call.refuse(status::full()),
            "Classify" => call.unary(async move |request| {
                let permit = classifier.0.admit()?;
                classifier.classify(client, request, permit).await
            }),
            "ClassifyStream" => call.stream(ClassifyStream { classifier, client }),
            _ => call.unimplemented(),
        }
    }
}

impl Classifier {
    pub fn new(parts: &Parts<'_>) -> Self {
        Self(Pictures::new(parts))
    }

    async fn classify(
        &self,
        client: IpAddr,
        request: pb::ClassifyRequest,
        permit: Permit,
    ) -> Result<pb::ClassifyResponse, Status> {
        let top = match request.top_k {
            0 => USUAL_TOP,
            count => count as usize,
        };
        let answer = self.0.classify(client, read(request)?, permit).await?;
        Ok(response(&answer, top))
    }
}

/// The items of a client's stream.
struct ClassifyStream {
    classifier: Arc<Classifier>,
    client: IpAddr,
}

impl Items for ClassifyStream {
    type Item = pb::ClassifyRequest;
    type Answer = pb::ClassifyResponse;

    async fn place(&self) -> Permit {
        self.classifier.0.wait_for_place().await
    }

    async fn answer(
        &self,
        item: pb::ClassifyRequest,
        permit: Permit,
    ) -> Result<pb::ClassifyResponse, Status> {
        self.classifier.classify(self.client, item, permit).await
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

fn read(request: pb::ClassifyRequest) -> Result<PictureRequest, Status> {
    use pb::classify_request::Input as Sent;
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

fn response(answer: &Answer, top: usize) -> pb::ClassifyResponse {
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
