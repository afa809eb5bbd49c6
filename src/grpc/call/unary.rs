//! One message in, one message out (gRPC over HTTP/2, "Requests" and "Responses").
//!
//! tonic reads even a single message through the machinery of its streams: four more allocations, and the message
//! copied once more, which is a tenth of what a small network's answer costs.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::{Body as HttpBody, Frame};
use prost::Message;
use tonic::Status;
use tonic::metadata::GRPC_CONTENT_TYPE;

use super::frame::{self, Messages};
use crate::transport::refused::Refused;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Answers a call with what `method` makes of the one message that it has.
pub(crate) async fn answer<Q, A, B, F>(
    messages: Messages<B>,
    method: impl FnOnce(Q) -> F,
) -> Response<Answer>
where
    Q: Message + Default,
    A: Message,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    F: Future<Output = Result<A, Status>>,
{
    let mut messages = Some(messages);
    let answered = async {
        let message = match &mut messages {
            Some(messages) => read_one(messages).await?,
            None => return Err(Refused::CutShort.into()),
        };
        // Nobody reads on: HTTP/2 is to throw away what else the client sends, and not to keep it until the answer.
        messages = None;
        let _held = message.held;
        method(frame::decode(message.bytes)?).await
    };
    match answered.await {
        Ok(answer) => {
            let mut response = Response::new(Answer::Message(frame::encode(&answer).into()));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, GRPC_CONTENT_TYPE);
            response
        }
        Err(status) => status.into_http::<()>().map(|()| Answer::Ended),
    }
}

/// The call's message, if it is the only one.
async fn read_one<B>(messages: &mut Messages<B>) -> Result<frame::Message, Status>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let message = messages.next().await?.ok_or(Refused::CutShort)?;
    if messages.has_more() {
        let reason = "more than one message, and the method takes one";
        return Err(Status::invalid_argument(reason));
    }
    Ok(message)
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A message, and that all is well.
    Message(Bytes),
    /// That all is well.
    Ok,
    /// Nothing.
    Ended,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let (frame, next) = match std::mem::replace(&mut *self, Self::Ended) {
            Self::Message(bytes) => (Frame::data(bytes), Self::Ok),
            Self::Ok => (Frame::trailers(all_is_well()), Self::Ended),
            Self::Ended => return Poll::Ready(None),
        };
        *self = next;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Ended)
    }
}

fn all_is_well() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    trailers
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::grpc::call::frame::tests::{bounds, message, messages};

    #[tokio::test]
    async fn a_call_has_one_message() {
        let two = [message(3), message(3)].concat();
        for (bytes, reason) in [(&two[..], "one"), (&two[..4], "before"), (&[], "before")] {
            let status = read_one(&mut messages(bytes, 100))
                .await
                .err()
                .expect("a refusal");
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
            assert!(status.message().contains(reason), "{status}");
        }
    }

    /// A message, and then nothing, not even the end; it tells when it is dropped.
    struct Endless(Option<Bytes>, Arc<AtomicBool>);

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            match self.0.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => Poll::Pending,
            }
        }
    }

    impl Drop for Endless {
        fn drop(&mut self) {
            self.1.store(true, Relaxed);
        }
    }

    #[tokio::test]
    async fn a_call_reads_no_more_than_its_message_while_it_is_answered() {
        let dropped = Arc::new(AtomicBool::new(false));
        let body = Endless(Some(message(0).into()), Arc::clone(&dropped));
        let messages = Messages::new(body, [127, 0, 0, 1].into(), &bounds());
        let method = async |(): ()| {
            assert!(dropped.load(Relaxed), "the body is still there");
            Ok(())
        };
        let answered = answer(messages, method).await;
        assert!(matches!(answered.body(), Answer::Message(_)));
    }
}
