//! What the services that classify pictures have in common: all but their words.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use prost::Message;
use tonic::Status;

use super::service::{Parts, Service};
use crate::grpc::call::stream::Items;
use crate::grpc::call::{Answering, Call, status};
use crate::serving::batcher::Lane;
use crate::serving::{Answer, Caller, Permit, PictureRequest, Serving};
use crate::telemetry::{Rejection, Telemetry};

/// The words of a service: its methods, its messages and what they mean.
pub(super) trait Words: Send + Sync + 'static {
    /// What its methods take.
    type Request: Message + Default + 'static;
    /// What they give.
    type Response: Message + 'static;
    /// What a request asks of its answer.
    type Wanted: Send;

    /// The method that takes one picture.
    const UNARY: &'static str;
    /// The method that takes a stream of them.
    const STREAM: &'static str;

    /// # Errors
    /// A number that is none of an enum's.
    fn read(request: Self::Request) -> Result<(PictureRequest, Self::Wanted), Status>;

    fn response(answer: Answer, wanted: Self::Wanted) -> Self::Response;

    /// Why an item of a stream has no answer.
    fn failed(status: &Status) -> Self::Response;
}

/// A service that classifies pictures, on the thread that its calls are read on.
pub(super) struct Pictures<W> {
    serving: Arc<Serving>,
    telemetry: Arc<Telemetry>,
    lane: Lane,
    words: PhantomData<W>,
}

impl<W: Words> Service for Arc<Pictures<W>> {
    fn answer(&self, call: Call) -> Answering {
        call.reading.predicts();
        let (pictures, client) = (Arc::clone(self), call.client);
        match call.method() {
            method if method == W::UNARY && pictures.is_full(&call) => call.refuse(status::full()),
            method if method == W::UNARY => call.unary(async move |request| {
                // A message that is whole gets a place; before, clients that send slowly would hold them all.
                let permit = pictures.serving.admit()?;
                pictures.classify(client, request, permit).await
            }),
            method if method == W::STREAM => call.stream(Stream { pictures, client }),
            _ => call.unimplemented(),
        }
    }
}

impl<W: Words> Pictures<W> {
    pub fn new(parts: &Parts<'_>) -> Self {
        Self {
            serving: Arc::clone(parts.serving),
            telemetry: Arc::clone(parts.telemetry),
            lane: parts.lane.clone(),
            words: PhantomData,
        }
    }

    /// Whether a call more is too many, which is counted. To be asked before its message is read: a refusal must cost
    /// less than an answer.
    fn is_full(&self, call: &Call) -> bool {
        let full = call.reading.is_late() || self.serving.is_full();
        if full {
            self.telemetry.rejected(Rejection::QueueFull);
        }
        full
    }

    async fn classify(
        &self,
        client: IpAddr,
        request: W::Request,
        permit: Permit,
    ) -> Result<W::Response, Status> {
        let caller = Caller {
            client: Some(client),
            lane: Some(&self.lane),
        };
        let (request, wanted) = W::read(request)?;
        let answer = self.serving.classify(request, permit, caller).await?;
        Ok(W::response(answer, wanted))
    }
}

/// The items of a client's stream.
struct Stream<W> {
    pictures: Arc<Pictures<W>>,
    client: IpAddr,
}

impl<W: Words> Items for Stream<W> {
    type Item = W::Request;
    type Answer = W::Response;

    async fn place(&self) -> Permit {
        self.pictures.serving.wait_for_place().await
    }

    async fn answer(&self, item: W::Request, permit: Permit) -> Result<W::Response, Status> {
        self.pictures.classify(self.client, item, permit).await
    }

    fn failed(status: &Status) -> W::Response {
        W::failed(status)
    }
}

/// What a number stands for that is none of an enum's.
pub(super) fn no_fit(number: i32) -> Status {
    let values = "0 (unspecified), 1 (resize) or 2 (digit)";
    Status::invalid_argument(format!("fit is {number}; it must be {values}"))
}
