//! `mnist.v1.MnistService`.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{Stream, StreamExt};
use http::HeaderMap;
use tonic::{Request, Response, Status, Streaming};

use crate::grpc::call::memory::{Held, Memory};
use crate::grpc::call::{client, status};
use crate::grpc::proto::mnist as pb;
use crate::preprocess::Fit;
use crate::serving::Permit;
use crate::serving::batcher::Lane;
use crate::serving::classify::{self, Answer, Classifier, Input};
use crate::telemetry::Telemetry;

/// Items of one stream that are in the works at once, so that they can share a batch.
const STREAM_WINDOW: usize = 16;

/// Answers for the digit service.
#[derive(Clone, Debug)]
pub struct Mnist {
    /// Where requests go.
    pub classifier: Arc<Classifier>,
    /// Where clients are counted.
    pub telemetry: Arc<Telemetry>,
    /// What all requests may take up together.
    pub memory: Memory,
    /// Whether `x-forwarded-for` tells who the client is.
    pub trust_forwarded_for: bool,
}

impl Mnist {
    async fn answer(
        &self,
        client: IpAddr,
        request: pb::PredictRequest,
        (permit, _held): (Permit, Held),
        lane: Option<&Lane>,
    ) -> Result<pb::PredictResponse, Status> {
        let started = Instant::now();
        let answer = self
            .classifier
            .classify(read(request)?, permit, lane)
            .await?;
        let values = answer.model.network.input_len();
        self.telemetry
            .client_request(client, values, started.elapsed());
        Ok(answer.into())
    }

    /// Answers in the order of `items`.
    fn answers(
        self,
        client: IpAddr,
        lane: Option<Lane>,
        items: impl Stream<Item = Result<pb::PredictRequest, Status>>,
    ) -> impl Stream<Item = Result<pb::PredictResponse, Status>> {
        let (service, places) = (self.clone(), self);
        items
            // No item is read before the one before it has its memory and its place.
            .then(move |item| {
                let Self {
                    classifier, memory, ..
                } = places.clone();
                async move {
                    // What does not arrive whole ends the stream; a bad item, or one for which there is no memory,
                    // does not.
                    let item = item?;
                    Ok(match memory.wait(size(&item)).await {
                        Ok(held) => Ok((item, (classifier.wait_for_place().await, held))),
                        Err(status) => Err(status),
                    })
                }
            })
            .map(move |item: Result<_, Status>| {
                let (service, lane) = (service.clone(), lane.clone());
                async move {
                    let answer = match item? {
                        Ok((item, place)) => {
                            service.answer(client, item, place, lane.as_ref()).await
                        }
                        Err(status) => Err(status),
                    };
                    Ok(answer.unwrap_or_else(|status| status::item(&status)))
                }
            })
            .buffered(STREAM_WINDOW)
    }
}

/// [`Mnist`] for one connection.
#[derive(Clone, Debug)]
pub(crate) struct Connected {
    pub mnist: Mnist,
    /// The address at its other end.
    pub peer: IpAddr,
    /// That of the thread which serves it.
    pub lane: Lane,
}

impl Connected {
    /// Who the request comes from.
    pub fn client(&self, headers: &HeaderMap) -> IpAddr {
        let trusted = self.mnist.trust_forwarded_for;
        let forwarded = trusted.then(|| client::forwarded(headers)).flatten();
        forwarded.unwrap_or(self.peer)
    }

    /// `Predict`.
    pub async fn answer(
        self: Arc<Self>,
        client: IpAddr,
        request: pb::PredictRequest,
    ) -> Result<pb::PredictResponse, Status> {
        let Mnist {
            classifier, memory, ..
        } = &self.mnist;
        let place = (classifier.admit()?, memory.take(size(&request))?);
        self.mnist
            .answer(client, request, place, Some(&self.lane))
            .await
    }
}

#[tonic::async_trait]
impl pb::mnist_service_server::MnistService for Connected {
    /// tonic's way to [`Connected::answer`]; `unary` goes there at once.
    async fn predict(
        &self,
        request: Request<pb::PredictRequest>,
    ) -> Result<Response<pb::PredictResponse>, Status> {
        let client = self.client(request.metadata().as_ref());
        let answer = Arc::new(self.clone()).answer(client, request.into_inner());
        Ok(Response::new(answer.await?))
    }

    type PredictStreamStream =
        Pin<Box<dyn Stream<Item = Result<pb::PredictResponse, Status>> + Send>>;

    async fn predict_stream(
        &self,
        request: Request<Streaming<pb::PredictRequest>>,
    ) -> Result<Response<Self::PredictStreamStream>, Status> {
        let client = self.client(request.metadata().as_ref());
        let items = request.into_inner();
        let lane = Some(self.lane.clone());
        Ok(Response::new(Box::pin(
            self.mnist.clone().answers(client, lane, items),
        )))
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
            label: answer.label().unwrap_or_default().to_owned(),
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::UnboundedReceiverStream;
    use tonic::Code;

    use super::*;
    use crate::preprocess;
    use crate::serving::classify::Limits;

    #[tokio::test]
    async fn an_item_for_which_there_is_no_memory_is_refused_at_once_and_the_stream_goes_on() {
        let telemetry = Arc::new(Telemetry::new().unwrap());
        let limits = Limits {
            requests: 1,
            picture: preprocess::Limits::default(),
        };
        let mnist = Mnist {
            classifier: Arc::new(Classifier::new(Arc::clone(&telemetry), limits)),
            telemetry,
            memory: Memory::new(400),
            trust_forwarded_for: false,
        };
        let (send, items) = mpsc::unbounded_channel();
        let items = UnboundedReceiverStream::new(items);
        let client = IpAddr::from(Ipv4Addr::LOCALHOST);
        let mut answers = Box::pin(mnist.clone().answers(client, None, items));
        let item = pb::PredictRequest {
            input: Some(pb::predict_request::Input::Pixels(vec![0; 50].into())),
            ..Default::default()
        };

        let place = mnist.classifier.wait_for_place().await;
        let held = mnist.memory.wait(100).await.unwrap();
        let mut waiting = Box::pin(mnist.memory.wait(100));
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
