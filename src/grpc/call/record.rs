//! Around every call: how long it took and how it ended.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame};
use tonic::{Code, Status};

use super::body::{Answering, Body};
use super::deadline;
use crate::telemetry::{Method, Rejection};
use crate::transport::bounds::Bounds;
use crate::transport::refused::Refused;

/// A call that has begun. Dropped before its end, it was given up.
pub(crate) struct Record {
    bounds: Arc<Bounds>,
    method: Method,
    begun: Instant,
    /// Longest until its answer begins.
    patience: Duration,
    ended: bool,
}

impl Record {
    /// A call begins with this request.
    pub fn begin<B>(bounds: &Arc<Bounds>, request: &Request<B>) -> Self {
        Self {
            bounds: Arc::clone(bounds),
            method: Method::of(request.uri().path()),
            begun: Instant::now(),
            patience: deadline::patience(request.headers(), bounds.request_timeout),
            ended: false,
        }
    }

    /// Waits for the answer, for as long as the call may take, and follows it to its end.
    pub async fn follow(self, answering: Answering) -> Result<Response<Recorded>, Infallible> {
        let patience = self.patience;
        let Ok(response) = tokio::time::timeout(patience, answering).await else {
            self.bounds.telemetry.rejected(Rejection::Deadline);
            self.end(Code::DeadlineExceeded as i32);
            let refusal = Status::from(Refused::TooLate { patience }).into_http::<()>();
            return Ok(refusal.map(|()| Recorded::new(Body::empty(), None)));
        };
        let response = response?;
        let record = match code(response.headers()) {
            // An answer without a body has its status among the headers.
            Some(code) => {
                self.end(code);
                None
            }
            None => Some(self),
        };
        Ok(response.map(|body| Recorded::new(body, record)))
    }

    fn end(mut self, code: i32) {
        self.record(code);
    }

    fn record(&mut self, code: i32) {
        self.ended = true;
        self.bounds
            .telemetry
            .rpc_finished(self.method, code, self.begun.elapsed());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.record(Code::Cancelled as i32);
        }
    }
}

fn code(headers: &HeaderMap) -> Option<i32> {
    headers
        .get(Status::GRPC_STATUS)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// An answer on its way out; its last frame has the status.
pub(crate) struct Recorded {
    body: Body,
    /// Until its end is known.
    record: Option<Record>,
}

impl Recorded {
    fn new(body: Body, record: Option<Record>) -> Self {
        Self { body, record }
    }

    /// Nothing, of no call.
    pub fn empty() -> Self {
        Self::new(Body::empty(), None)
    }
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let end = match &frame {
            Some(Ok(frame)) => frame.trailers_ref().and_then(code),
            Some(Err(status)) => Some(status.code() as i32),
            None => Some(Code::Ok as i32),
        };
        if let Some(code) = end
            && let Some(record) = self.record.take()
        {
            record.end(code);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
