//! One message in, one message out (gRPC over HTTP/2, "Requests" and "Responses").
//!
//! tonic reads even a single message through the machinery of its streams: four more allocations, and the message
//! copied once more, which is a tenth of what a small network's answer costs.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::{Body as HttpBody, Frame};
use prost::Message;
use tonic::Status;
use tonic::metadata::GRPC_CONTENT_TYPE;

use super::{codec, status};

/// A flag, and four bytes of length ("Length-Prefixed-Message").
const PREFIX: usize = 5;
/// Room for a message before any of it has come: its length is but a claim.
const FIRST_ROOM: usize = 4 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Answers a call with what `method` makes of its message, which may have `limit` bytes.
pub(crate) fn answer<Q, A, B, F>(
    request: Request<B>,
    limit: usize,
    method: impl FnOnce(Q) -> F,
) -> impl Future<Output = Response<Answer>>
where
    Q: Message + Default,
    A: Message,
    B: HttpBody<Data = Bytes, Error = BoxError> + Unpin,
    F: Future<Output = Result<A, Status>>,
{
    let readable = check_encoding(request.headers());
    // What a future is given stays in it to its end, even if it is moved on: the headers are not needed any more.
    let mut body = Some(request.into_body());
    async move {
        let answered = async {
            readable?;
            let bytes = match &mut body {
                Some(body) => read_message(body, limit).await?,
                None => Bytes::new(),
            };
            // Nobody reads on: HTTP/2 is to throw away what else the client sends, and not to keep it until the answer.
            body = None;
            method(codec::decode(bytes)?).await
        };
        match answered.await {
            Ok(answer) => {
                let mut response = Response::new(Answer::Message(framed(&answer)));
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, GRPC_CONTENT_TYPE);
                response
            }
            Err(status) => status.into_http::<()>().map(|()| Answer::Ended),
        }
    }
}

/// Kiln asks for no compression, so a client that compresses has not listened.
fn check_encoding(headers: &HeaderMap) -> Result<(), Status> {
    match headers.get("grpc-encoding") {
        Some(encoding) if encoding != "identity" => {
            let mut status = Status::unimplemented(format!(
                "messages must not be compressed, and this one is said to be with {encoding:?}"
            ));
            let metadata = status.metadata_mut();
            metadata.insert(
                "grpc-accept-encoding",
                tonic::metadata::MetadataValue::from_static("identity"),
            );
            Err(status)
        }
        _ => Ok(()),
    }
}

/// The one message of a body, without its prefix.
async fn read_message<B>(body: &mut B, limit: usize) -> Result<Bytes, Status>
where
    B: HttpBody<Data = Bytes, Error = BoxError> + Unpin,
{
    let mut whole = Vec::new();
    let mut length = None;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(Status::from_error)?.into_data() else {
            continue;
        };
        if length.is_none() && whole.len() + data.len() >= PREFIX {
            let mut prefix = [0; PREFIX];
            let (before, after) = prefix.split_at_mut(whole.len());
            before.copy_from_slice(&whole);
            after.copy_from_slice(&data[..after.len()]);
            let wanted = PREFIX + message_length(prefix, limit)?;
            whole.reserve_exact(wanted.min(FIRST_ROOM).saturating_sub(whole.len()));
            length = Some(wanted);
        }
        if length.is_some_and(|length| whole.len() + data.len() > length) {
            let reason = "more than one message, and the method takes one";
            return Err(Status::invalid_argument(reason));
        }
        whole.extend_from_slice(&data);
        // Not waiting for the end of the stream: until then nobody would count these bytes.
        if length == Some(whole.len()) {
            break;
        }
    }
    if length == Some(whole.len()) {
        let mut message = Bytes::from(whole);
        message.advance(PREFIX);
        Ok(message)
    } else {
        Err(Status::invalid_argument(
            "the call ended before its message did",
        ))
    }
}

fn message_length(prefix: [u8; PREFIX], limit: usize) -> Result<usize, Status> {
    let [flag, length @ ..] = prefix;
    if flag != 0 {
        // "Compression": a flag without an encoding is INTERNAL.
        return Err(Status::internal(format!(
            "the flag of a message is {flag}, but no grpc-encoding was named"
        )));
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        return Err(status::too_large(limit));
    }
    Ok(length)
}

fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX + length);
    bytes.put_u8(0);
    // An answer has a few numbers for each class, and a network of 2^32 values is not loaded.
    bytes.put_u32(length as u32);
    message.encode_raw(&mut bytes);
    bytes.freeze()
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

    use futures_util::stream;
    use http_body_util::StreamBody;
    use tonic::Code;

    use super::*;

    const LIMIT: usize = 300;

    /// What is read of a body that comes in such pieces.
    async fn read_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Bytes, Status> {
        let frames: Vec<_> = pieces
            .map(|piece| Ok::<_, BoxError>(Frame::data(Bytes::copy_from_slice(piece))))
            .collect();
        read_message(&mut StreamBody::new(stream::iter(frames)), LIMIT).await
    }

    fn message(length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0, length];
        bytes.extend(1..=length);
        bytes
    }

    #[tokio::test]
    async fn a_message_is_whole_however_it_is_cut() {
        for length in [0, 1, 200] {
            let bytes = message(length);
            for size in 1..=bytes.len() {
                let read = read_pieces(bytes.chunks(size)).await.unwrap();
                assert_eq!(read, bytes[PREFIX..], "{length} bytes in pieces of {size}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_not_one_message_is_refused() {
        let two = [message(3), message(3)].concat();
        let status = read_pieces([&two[..]].into_iter()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let compressed = [&[1], &message(3)[1..]].concat();
        let large = [0, 0, 0, 1, 45];
        for (bytes, code) in [
            (&message(9)[..8], Code::InvalidArgument),
            (&[], Code::InvalidArgument),
            (&compressed, Code::Internal),
            (&large, Code::ResourceExhausted),
        ] {
            for size in [1, 7, 100] {
                let status = read_pieces(bytes.chunks(size)).await.unwrap_err();
                assert_eq!(
                    status.code(),
                    code,
                    "{bytes:?} in pieces of {size}: {status}"
                );
            }
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
        let method = async |(): ()| {
            assert!(dropped.load(Relaxed), "the body is still there");
            Ok(())
        };
        let answered = answer(Request::new(body), LIMIT, method).await;
        assert!(matches!(answered.body(), Answer::Message(_)));
    }
}
