//! Around every call: how long it took and how it ended.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame};
use tonic::body::Body;
use tonic::{Code, Status};

use super::memory::{Counted, Memory};
use super::{status, unary};
use crate::telemetry::{Method, Rejection, Telemetry};

/// Records every call that passes through, and words the refusal of a message that is too large.
#[derive(Clone, Debug)]
pub(crate) struct Observe {
    pub telemetry: Arc<Telemetry>,
    pub memory: Memory,
    pub max_message_bytes: usize,
    /// Longest until an answer begins, the request's arrival included.
    pub request_timeout: Duration,
}

impl Observe {
    /// A call begins with this request.
    pub fn begin<B>(&self, request: Request<B>) -> (Begun, Request<Counted<B>>) {
        let begun = Begun {
            call: Call::begin(&self.telemetry, request.uri().path()),
            patience: timeout(request.headers()).map_or(self.request_timeout, |asked| {
                asked.min(self.request_timeout)
            }),
            limit: self.max_message_bytes,
        };
        (begun, request.map(|body| self.memory.count(body)))
    }
}

/// A call and its bounds.
pub(crate) struct Begun {
    call: Call,
    patience: Duration,
    limit: usize,
}

impl Begun {
    /// Waits for the answer, for so long, and follows it to its end.
    pub async fn answer<B>(
        self,
        response: impl Future<Output = Result<Response<B>, Infallible>>,
    ) -> Result<Response<ObservedBody>, Infallible>
    where
        AnswerBody: From<B>,
    {
        let Self {
            call,
            patience,
            limit,
        } = self;
        let Ok(response) = tokio::time::timeout(patience, response).await else {
            call.telemetry.rejected(Rejection::Deadline);
            call.end(Code::DeadlineExceeded as i32);
            let refusal = status::too_late(patience).into_http::<Body>();
            return Ok(refusal.map(|inner| ObservedBody::new(inner.into(), None, limit)));
        };
        let mut response = response?;
        name_the_limit(response.headers_mut(), limit);
        let call = match code(response.headers()) {
            // An answer without a body has its status among the headers.
            Some(code) => {
                call.end(code);
                None
            }
            None => Some(call),
        };
        Ok(response.map(|inner| ObservedBody::new(inner.into(), call, limit)))
    }
}

/// tonic calls a message that is too large OUT_OF_RANGE and names no remedy;
/// gRPC's own implementations say RESOURCE_EXHAUSTED. Kiln has no other use for
/// OUT_OF_RANGE, so the code alone tells.
fn name_the_limit(headers: &mut HeaderMap, limit: usize) {
    if code(headers) == Some(Code::OutOfRange as i32) {
        let status = status::too_large(limit);
        headers.remove(Status::GRPC_MESSAGE);
        // The text is ASCII, so this cannot fail.
        let _ = status.add_header(headers);
    }
}

fn code(headers: &HeaderMap) -> Option<i32> {
    let status: &HeaderValue = headers.get(Status::GRPC_STATUS)?;
    status.to_str().ok()?.parse().ok()
}

/// A call that has begun. Dropped before its end, it was given up.
struct Call {
    telemetry: Arc<Telemetry>,
    method: Method,
    begun: Instant,
    ended: bool,
}

impl Call {
    fn begin(telemetry: &Arc<Telemetry>, path: &str) -> Self {
        Self {
            telemetry: Arc::clone(telemetry),
            method: Method::of(path),
            begun: Instant::now(),
            ended: false,
        }
    }

    fn end(mut self, code: i32) {
        self.record(code);
    }

    fn record(&mut self, code: i32) {
        self.ended = true;
        self.telemetry
            .rpc_finished(self.method, code, self.begun.elapsed());
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            self.record(Code::Cancelled as i32);
        }
    }
}

/// The client's patience (`grpc-timeout`: at most 8 digits and a unit;
/// gRPC over HTTP/2, "Request-Headers").
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// What carries an answer.
pub(crate) enum AnswerBody {
    Unary(unary::Answer),
    Tonic(Body),
}

impl From<unary::Answer> for AnswerBody {
    fn from(body: unary::Answer) -> Self {
        Self::Unary(body)
    }
}

impl From<Body> for AnswerBody {
    fn from(body: Body) -> Self {
        Self::Tonic(body)
    }
}

/// An answer on its way out; its last frame has the status.
pub(crate) struct ObservedBody {
    inner: AnswerBody,
    /// Until its end is known.
    call: Option<Call>,
    /// Largest message, for [`name_the_limit`].
    limit: usize,
}

impl ObservedBody {
    fn new(inner: AnswerBody, call: Option<Call>, limit: usize) -> Self {
        Self { inner, call, limit }
    }
}

impl HttpBody for ObservedBody {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut frame = ready!(match &mut self.inner {
            AnswerBody::Unary(body) => Pin::new(body).poll_frame(context),
            AnswerBody::Tonic(body) => Pin::new(body).poll_frame(context),
        });
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            name_the_limit(trailers, self.limit);
        }
        let end = match &frame {
            Some(Ok(frame)) => frame.trailers_ref().and_then(code),
            Some(Err(status)) => Some(status.code() as i32),
            None => Some(Code::Ok as i32),
        };
        if let Some(code) = end
            && let Some(call) = self.call.take()
        {
            call.end(code);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            AnswerBody::Unary(body) => body.is_end_stream(),
            AnswerBody::Tonic(body) => body.is_end_stream(),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_method_that_is_served_has_a_label() {
        let sets = [
            crate::grpc::proto::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut served: Vec<String> = sets
            .iter()
            .flat_map(|set| FileDescriptorSet::decode(*set).unwrap().file)
            .flat_map(|file| {
                let package = file.package().to_owned();
                file.service
                    .into_iter()
                    .map(move |service| (package.clone(), service))
            })
            .flat_map(|(package, service)| {
                let name = format!("{package}.{}", service.name());
                service
                    .method
                    .into_iter()
                    .map(move |method| format!("{name}/{}", method.name()))
            })
            .collect();
        served.sort();
        let mut labelled: Vec<_> = Method::all()
            .map(|method| method.name().to_owned())
            .collect();
        labelled.sort();
        assert_eq!(served, labelled);
    }

    #[test]
    fn a_timeout_is_read_as_grpc_writes_it() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_str(text).unwrap());
            timeout(&headers)
        };
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for broken in ["", "m", "12", "1x", "123456789S", "-1S"] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }
}
