//! The body of a call, whatever its form: the bytes of gRPC's messages.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tokio::runtime::Handle;
use tonic::Status;

use super::Form;
use crate::transport::upload;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How a body comes.
pub(crate) trait Coming:
    HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static
{
}

impl<B> Coming for B where B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

/// The body of a call.
pub(crate) struct Sent<B: Coming> {
    /// Until it is left.
    body: Option<B>,
    form: Form,
    /// Of a text, what is less than four characters yet.
    rest: Vec<u8>,
    /// Bytes that are thrown away of what nobody has read.
    discarded: usize,
}

impl<B: Coming> Sent<B> {
    /// What `body` holds, which comes in this form.
    pub fn new(body: B, form: Form) -> Self {
        Self {
            body: Some(body),
            form,
            rest: Vec::new(),
            discarded: 0,
        }
    }

    /// Of what nobody has read in the end, so much is thrown away: over HTTP/1.1 a client that is still sending would
    /// not see the answer if the connection were closed.
    pub fn discard(mut self, limit: usize) -> Self {
        self.discarded = limit;
        self
    }

    /// Whether it came by gRPC-Web.
    pub fn is_web(&self) -> bool {
        self.form != Form::Grpc
    }

    /// The bytes of all that is whole of a text, and of what came before.
    fn decode(&mut self, text: &[u8]) -> Result<Bytes, Status> {
        let text = [&std::mem::take(&mut self.rest), text].concat();
        let (quads, rest) = text.as_chunks::<4>();
        self.rest = rest.to_vec();
        let mut bytes = Vec::with_capacity(3 * quads.len());
        // Padding ends a piece that was encoded alone, and another may follow.
        for piece in quads.chunk_by(|quad, _| quad[3] != b'=') {
            STANDARD
                .decode_vec(piece.as_flattened(), &mut bytes)
                .map_err(|error| no_text(&error))?;
        }
        Ok(bytes.into())
    }
}

impl<B: Coming> Drop for Sent<B> {
    fn drop(&mut self) {
        if self.discarded > 0
            && let Some(body) = self.body.take()
            && !body.is_end_stream()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(upload::discard(body, self.discarded));
        }
    }
}

impl<B: Coming> HttpBody for Sent<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if this.form != Form::Text {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(match frame.into_data() {
                Ok(text) => match this.decode(&text) {
                    Ok(bytes) => Ok(Frame::data(bytes)),
                    Err(status) => Err(status.into()),
                },
                Err(frame) => Ok(frame),
            }),
            Some(Err(error)) => Some(Err(error.into())),
            None if this.rest.is_empty() => None,
            None => {
                this.rest.clear();
                Some(Err(no_text(&"it ends within a group of four").into()))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }
}

fn no_text(reason: &dyn std::fmt::Display) -> Status {
    Status::invalid_argument(format!(
        "application/grpc-web-text is base64 with its padding, and the body is not: {reason}"
    ))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// Reads a body that comes in pieces of such a size.
    async fn read(text: &str, form: Form, size: usize) -> Result<Bytes, BoxError> {
        let pieces = text.as_bytes().chunks(size).map(Bytes::copy_from_slice);
        let pieces: Vec<_> = pieces.collect();
        let frames = pieces.into_iter();
        let frames = frames.map(|piece| Ok::<_, BoxError>(Frame::data(piece)));
        let body = Sent::new(StreamBody::new(stream::iter(frames)), form);
        Ok(body.collect().await?.to_bytes())
    }

    #[tokio::test]
    async fn a_text_is_decoded_however_it_is_cut_and_padded() {
        // "a", "bc", "def" and "g", each encoded alone, then all in one.
        for text in ["YQ==YmM=ZGVmZw==", "YWJjZGVmZw=="] {
            for size in 1..20 {
                let read = read(text, Form::Text, size).await.unwrap();
                assert_eq!(read, "abcdefg", "{text} in pieces of {size}");
            }
        }
        assert_eq!(read("", Form::Text, 1).await.unwrap(), "");
        assert_eq!(read("YQ==", Form::Binary, 3).await.unwrap(), "YQ==");
    }

    #[tokio::test]
    async fn what_is_no_base64_is_the_callers_fault() {
        for text in ["YQ", "YQ=", "YQ==Y", "Y!==", "=YQ=", "====", "YR=="] {
            for size in [1, 3, 20] {
                let error = read(text, Form::Text, size).await.expect_err(text);
                let status = Status::from_error(error);
                assert_eq!(status.code(), tonic::Code::InvalidArgument, "{text}");
                assert!(status.message().contains("base64"), "{status}");
            }
        }
    }
}
