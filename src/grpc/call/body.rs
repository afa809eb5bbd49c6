//! An answer, however it is made.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Response;
use http_body::{Body as HttpBody, Frame};
use tonic::Status;

use super::{stream, unary};

/// The answer to a call, on its way. In a box: it is larger than what is around it, which is moved several times.
pub(crate) type Answering = BoxFuture<'static, Result<Response<Body>, Infallible>>;

/// The body of an answer.
pub(crate) enum Body {
    /// At most one message.
    Unary(unary::Answer),
    /// A message for each of many.
    Stream(stream::Answers),
    /// What the code makes that tonic has generated.
    Tonic(tonic::body::Body),
}

impl Body {
    /// Nothing: the status is among the headers.
    pub fn empty() -> Self {
        Self::Unary(unary::Answer::Ended)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut *self {
            Self::Unary(body) => Pin::new(body).poll_frame(context),
            Self::Stream(body) => Pin::new(body).poll_frame(context),
            Self::Tonic(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Unary(body) => body.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
            Self::Tonic(body) => body.is_end_stream(),
        }
    }
}
