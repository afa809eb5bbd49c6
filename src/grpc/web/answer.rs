//! An answer in the form of its call.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Response, header};
use http_body::{Body as HttpBody, Frame};
use tonic::Status;

use super::Form;
use crate::grpc::call::frame::framed;

/// The flag of the message that holds the trailers.
const TRAILERS: u8 = 0x80;

/// The body of an answer.
pub(crate) struct Answer<B> {
    body: B,
    form: Form,
    /// Whether the trailers are sent, after which nothing comes.
    ended: bool,
}

impl<B: HttpBody<Data = Bytes, Error = Status> + Unpin> Answer<B> {
    /// An answer of gRPC, to a call that came in this form.
    pub fn new(answer: Response<B>, form: Form) -> Response<Self> {
        let mut answer = answer.map(|body| Self {
            body,
            form,
            ended: false,
        });
        if let Some(content_type) = form.content_type() {
            let headers = answer.headers_mut();
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        answer
    }

    /// The next frame of an answer by gRPC-Web.
    fn poll_web(&mut self, context: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(frame) => frame.unwrap_or_else(|status| {
                let mut trailers = HeaderMap::new();
                // A status without metadata has nothing that is no header.
                let _ = Status::new(status.code(), status.message()).add_header(&mut trailers);
                Frame::trailers(trailers)
            }),
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                self.ended = true;
                message(&frame.into_trailers().unwrap_or_default())
            }
        };
        let data = match self.form {
            Form::Text => STANDARD.encode(data).into(),
            Form::Grpc | Form::Binary => data,
        };
        Poll::Ready(Some(Frame::data(data)))
    }
}

/// Trailers as a message: lines as HTTP/1.1 has them.
fn message(trailers: &HeaderMap) -> Bytes {
    let mut lines = Vec::new();
    for (name, value) in trailers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    framed(TRAILERS, &lines)
}

impl<B: HttpBody<Data = Bytes, Error = Status> + Unpin> HttpBody for Answer<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.form {
            Form::Grpc => Pin::new(&mut self.body).poll_frame(context),
            Form::Binary | Form::Text => self.poll_web(context).map(|frame| frame.map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    type Frames = Vec<Result<Frame<Bytes>, Status>>;

    /// The pieces and the content type of an answer that gRPC would give so.
    async fn answer(frames: Frames, form: Form) -> (Vec<Bytes>, String) {
        let body = StreamBody::new(stream::iter(frames));
        let answer = Answer::new(Response::new(body), form);
        let content_type = answer.headers()[header::CONTENT_TYPE].to_str().unwrap();
        let content_type = content_type.to_owned();
        let (mut body, mut pieces) = (answer.into_body(), Vec::new());
        while let Some(frame) = body.frame().await {
            pieces.push(frame.unwrap().into_data().expect("no trailers"));
        }
        assert!(body.is_end_stream());
        (pieces, content_type)
    }

    fn data(bytes: &'static [u8]) -> Frame<Bytes> {
        Frame::data(Bytes::from_static(bytes))
    }

    fn trailers() -> Frame<Bytes> {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("x-y", "z".parse().unwrap());
        Frame::trailers(trailers)
    }

    const LAST: &[u8] = b"\x80\0\0\0\x18grpc-status: 0\r\nx-y: z\r\n";

    #[tokio::test]
    async fn trailers_come_as_a_last_message() {
        let frames = [data(b"\0\0\0\0\x01a"), data(b"\0\0\0\0\0"), trailers()];
        let frames = frames.map(Ok).into();
        let (pieces, content_type) = answer(frames, Form::Binary).await;
        assert_eq!(content_type, "application/grpc-web+proto");
        assert_eq!(pieces, [&b"\0\0\0\0\x01a"[..], b"\0\0\0\0\0", LAST]);
    }

    #[tokio::test]
    async fn a_text_is_base64_and_each_piece_of_it_is_whole() {
        let (pieces, content_type) =
            answer(vec![Ok(data(b"\0\0\0\0\0")), Ok(trailers())], Form::Text).await;
        assert_eq!(content_type, "application/grpc-web-text+proto");
        assert_eq!(pieces, [b"AAAAAAA=".to_vec(), STANDARD.encode(LAST).into()]);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_tells_its_status() {
        let broken = vec![Ok(data(b"\0\0\0\0\0")), Err(Status::internal("lost: ä"))];
        let (pieces, _) = answer(broken, Form::Binary).await;
        let last = String::from_utf8(pieces[1][5..].to_vec()).unwrap();
        assert!(last.contains("grpc-status: 13\r\n"), "{last}");
        assert!(last.contains("grpc-message: lost:%20%C3%A4\r\n"), "{last}");
    }
}
