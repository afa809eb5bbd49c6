//! `mnist.v1.MnistService`: which digit a picture shows.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::{Parts, Service};
use crate::grpc::call::memory::{Held, Memory};
use crate::grpc::call::{Answering, Call, status};
use crate::grpc::proto::mnist as pb;
pub(crate) use crate::grpc::proto::mnist::mnist_service_server::SERVICE_NAME as NAME;
use crate::grpc::proto::mnist::mnist_service_server::{MnistService, MnistServiceServer};
use crate::preprocess::Fit;
use crate::serving::batcher::Lane;
use crate::serving::{Answer, Caller, Permit, Picture, PictureRequest, Serving};
use crate::telemetry::{Rejection, Telemetry};

/// Items of one stream that are in the works at once, so that they can share a batch.
const STREAM_WINDOW: usize = 16;

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
        let mnist = Arc::clone(self);
        let client = call.client;
        let memory = call.bounds.memory.clone();
        match call.method() {
            // Before its message is read: a refusal must cost less than an answer.
            "Predict" if mnist.is_full(&call) => call.refuse(status::full()),
            "Predict" => call.unary(move |request| async move {
                let place = (mnist.serving.admit()?, memory.take(size(&request))?);
                mnist.predict(client, request, place).await
            }),
            "PredictStream" => {
                let limit = call.bounds.max_message_bytes;
                let stream = Items {
                    mnist,
                    client,
                    memory,
                };
                let service = MnistServiceServer::new(stream);
                call.generated(service.max_decoding_message_size(limit))
            }
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
        let late = call.reading.is_late();
        if late {
            self.telemetry.rejected(Rejection::QueueFull);
        }
        late || self.serving.admit().is_err()
    }

    async fn predict(
        &self,
        client: IpAddr,
        request: pb::PredictRequest,
        (permit, _held): (Permit, Held),
    ) -> Result<pb::PredictResponse, Status> {
        let caller = Caller {
            client: Some(client),
            lane: Some(&self.lane),
        };
        let answer = self.serving.classify(read(request)?, permit, caller);
        Ok(answer.await?.into())
    }

    /// Answers in the order of `items`.
    fn answers(
        self: Arc<Self>,
        client: IpAddr,
        memory: Memory,
        items: impl Stream<Item = Result<pb::PredictRequest, Status>>,
    ) -> impl Stream<Item = Result<pb::PredictResponse, Status>> {
        let (service, places) = (Arc::clone(&self), self);
        items
            // No item is read before the one before it has its memory and its place.
            .then(move |item| {
                let (mnist, memory) = (Arc::clone(&places), memory.clone());
                async move {
                    // What does not arrive whole ends the stream; a bad item, or one for which there is no memory,
                    // does not.
                    let item = item?;
                    Ok(match memory.wait(size(&item)).await {
                        Ok(held) => Ok((item, (mnist.serving.wait_for_place().await, held))),
                        Err(status) => Err(status),
                    })
                }
            })
            .map(move |item: Result<_, Status>| {
                let service = Arc::clone(&service);
                async move {
                    let answer = match item? {
                        Ok((item, place)) => service.predict(client, item, place).await,
                        Err(status) => Err(status),
                    };
                    Ok(answer.unwrap_or_else(|status| item_error(&status)))
                }
            })
            .buffered(STREAM_WINDOW)
    }
}

/// The items of one client's stream.
struct Items {
    mnist: Arc<Mnist>,
    client: IpAddr,
    memory: Memory,
}

#[tonic::async_trait]
impl MnistService for Items {
    async fn predict(
        &self,
        _: Request<pb::PredictRequest>,
    ) -> Result<Response<pb::PredictResponse>, Status> {
        Err(Status::unimplemented("a stream"))
    }

    type PredictStreamStream =
        Pin<Box<dyn Stream<Item = Result<pb::PredictResponse, Status>> + Send>>;

    async fn predict_stream(
        &self,
        request: Request<Streaming<pb::PredictRequest>>,
    ) -> Result<Response<Self::PredictStreamStream>, Status> {
        let mnist = Arc::clone(&self.mnist);
        let answers = mnist.answers(self.client, self.memory.clone(), request.into_inner());
        Ok(Response::new(Box::pin(answers)))
    }
}

/// A status inside a stream, which goes on.
fn item_error(status: &Status) -> pb::PredictResponse {
    pb::PredictResponse {
        error: Some(pb::Error {
            code: status.code() as i32,
            message: status.message().to_owned(),
        }),
        ..Default::default()
    }
}

/// About how many bytes a request takes up.
fn size(request: &pb::PredictRequest) -> usize {
    use pb::predict_request::Input as Sent;
    let input = match &request.input {
        Some(Sent::Image(bytes) | Sent::Pixels(bytes)) => bytes.len(),
        Some(Sent::Values(values)) => size_of_val(&values.values[..]),
        None => 0,
    };
    input + request.model.len() + request.version.len()
}

fn read(request: pb::PredictRequest) -> Result<PictureRequest, Status> {
    use pb::predict_request::Input as Sent;
    let fit = pb::Fit::try_from(request.fit).map_err(|_| {
        Status::invalid_argument(format!("fit {} is none: see the enum Fit", request.fit))
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
            queue_micros: micros(answer.timing.queue),
            compute_micros: micros(answer.timing.compute),
            error: None,
        }
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::UnboundedReceiverStream;
    use tonic::Code;

    use super::*;
    use crate::preprocess;
    use crate::serving::{Limits, Repository};

    #[tokio::test]
    async fn an_item_for_which_there_is_no_memory_is_refused_at_once_and_the_stream_goes_on() {
        let telemetry = Arc::new(Telemetry::new().unwrap());
        let limits = Limits {
            requests: 1,
            picture: preprocess::Limits::default(),
        };
        let repository = Arc::new(Repository::new().unwrap());
        let serving = Arc::new(Serving::new(repository, Arc::clone(&telemetry), limits));
        let mnist = Arc::new(Mnist {
            serving,
            telemetry,
            lane: Lane::each(1).next().unwrap(),
        });
        let memory = Memory::new(400);
        let (send, items) = mpsc::unbounded_channel();
        let items = UnboundedReceiverStream::new(items);
        let client = IpAddr::from(Ipv4Addr::LOCALHOST);
        let mut answers = Box::pin(Arc::clone(&mnist).answers(client, memory.clone(), items));
        let item = pb::PredictRequest {
            input: Some(pb::predict_request::Input::Pixels(vec![0; 50].into())),
            ..Default::default()
        };

        let place = mnist.serving.wait_for_place().await;
        let held = memory.wait(100).await.unwrap();
        let mut waiting = Box::pin(memory.wait(100));
        assert!(waiting.as_mut().now_or_never().is_none());
        send.send(Ok(item.clone())).unwrap();
        let answer = answers.next().now_or_never().expect("no place is needed");
        let error = answer.unwrap().unwrap().error.unwrap();
        assert_eq!(error.code, Code::ResourceExhausted as i32, "{error:?}");

        drop((place, held, waiting));
        send.send(Ok(item)).unwrap();
        let answer = answers.next().await.unwrap().unwrap();
        // It came as far as to be told that nothing is served yet.
        let error = answer.error.unwrap();
        assert_eq!(error.code, Code::Unavailable as i32, "{error:?}");
    }
}
