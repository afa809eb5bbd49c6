//! The messages in a request's body (gRPC over HTTP/2, "Length-Prefixed-Message").
//!
//! A message has room for what has come of it, and that room is counted; between messages nothing is held. tonic's own
//! reader keeps a buffer as large as the largest message until the stream ends.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use futures_util::stream;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use http_body_util::StreamBody;
use tonic::Status;

use super::status;
use crate::telemetry::Rejection;
use crate::transport::bounds::Bounds;
use crate::transport::growing::Growing;
use crate::transport::memory::{Held, Memory};
use crate::transport::pace::Pace;
use crate::transport::refused::Refused;

/// A flag, and four bytes of length.
pub(crate) const PREFIX: usize = 5;
/// The flag of a message that is not compressed.
const PLAIN: u8 = 0;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Reads the messages of a body, one after another.
pub(crate) struct Messages<B> {
    body: B,
    /// What came in one piece with the end of the last message.
    rest: Bytes,
    client: IpAddr,
    /// Largest message.
    limit: usize,
    bounds: Arc<Bounds>,
}

/// A message, and the memory that it takes.
pub(crate) struct Message {
    pub bytes: Bytes,
    pub held: Held,
}

impl<B> Messages<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// The messages that `client` sends in `body`.
    pub fn new(body: B, client: IpAddr, bounds: &Arc<Bounds>) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            client,
            limit: bounds.max_message_bytes,
            bounds: Arc::clone(bounds),
        }
    }

    /// The next message as soon as it is whole; none if the body ends before another begins.
    ///
    /// # Errors
    /// If what comes is no message, is too large, or takes too long, or if there is no memory for it.
    pub async fn next(&mut self) -> Result<Option<Message>, Status> {
        let mut data = std::mem::take(&mut self.rest);
        if data.is_empty() {
            match self.data().await? {
                Some(more) => data = more,
                None => return Ok(None),
            }
        }
        let Some(bytes) = whole(&data, self.limit)? else {
            return self.collect(data).await.map(Some);
        };
        // Nearly every message comes in one piece.
        let held = self.bounds.memory.take(bytes.len())?;
        let bytes = Bytes::copy_from_slice(bytes);
        data.advance(PREFIX + bytes.len());
        self.keep(data);
        Ok(Some(Message { bytes, held }))
    }

    /// What all messages together may take.
    pub fn memory(&self) -> &Memory {
        &self.bounds.memory
    }

    /// Who sends them.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// Whether more came in one piece with the last message.
    pub fn has_more(&self) -> bool {
        !self.rest.is_empty()
    }

    /// A message that comes in several pieces, the first of which is `data`. In a box, since most calls do without.
    fn collect(
        &mut self,
        mut data: Bytes,
    ) -> Pin<Box<impl Future<Output = Result<Message, Status>>>> {
        Box::pin(async move {
            let mut partial = Partial::new(self.bounds.memory.begin(self.client)?);
            let mut pace = Pace::begin();
            loop {
                pace.came(data.len());
                if partial.add(&mut data, self.limit)? {
                    self.keep(data);
                    return Ok(partial.into_message());
                }
                data = match pace.wait(self.data()).await {
                    Ok(data) => data?.ok_or(Refused::CutShort)?,
                    Err(stalled) => {
                        self.bounds.telemetry.rejected(Rejection::Deadline);
                        return Err(stalled.into());
                    }
                };
            }
        })
    }

    /// The next piece of the body.
    async fn data(&mut self) -> Result<Option<Bytes>, Status> {
        while let Some(frame) =
            poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await
        {
            let frame = frame.map_err(|error| Status::from_error(error.into()))?;
            match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                // Trailers, of which a request of gRPC has none.
                _ => {}
            }
        }
        Ok(None)
    }

    /// What is left of a piece. Empty bytes would hold on to the whole of it.
    fn keep(&mut self, rest: Bytes) {
        if !rest.is_empty() {
            self.rest = rest;
        }
    }
}

impl<B> Messages<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static,
{
    /// The messages as a body for tonic's reader, each in one piece and none larger than `limit`, since that reader
    /// keeps its buffer.
    pub fn into_body(mut self, limit: usize) -> tonic::body::Body {
        self.limit = limit.min(self.limit);
        let frames = stream::try_unfold(self, |mut messages| async move {
            let message = messages.next().await?;
            Ok::<_, Status>(
                message.map(|message| (Frame::data(framed(PLAIN, &message.bytes)), messages)),
            )
        });
        tonic::body::Body::new(StreamBody::new(frames))
    }
}

/// A message of which not all has come.
struct Partial {
    prefix: [u8; PREFIX],
    /// How much of the prefix has come.
    prefixed: usize,
    message: Growing,
}

impl Partial {
    fn new(held: Held) -> Self {
        Self {
            prefix: [0; PREFIX],
            prefixed: 0,
            message: Growing::new(held),
        }
    }

    /// Takes from `data` what belongs to the message; whether that was all of it.
    fn add(&mut self, data: &mut Bytes, limit: usize) -> Result<bool, Status> {
        let missing = &mut self.prefix[self.prefixed..];
        let some = data.split_to(missing.len().min(data.len()));
        missing[..some.len()].copy_from_slice(&some);
        self.prefixed += some.len();
        if self.prefixed < PREFIX {
            return Ok(false);
        }
        let length = length(self.prefix, limit)?;
        let some = data.split_to((length - self.message.len()).min(data.len()));
        self.message.add(&some, length)?;
        Ok(self.message.len() == length)
    }

    fn into_message(self) -> Message {
        let (bytes, held) = self.message.end();
        let bytes = bytes.into();
        Message { bytes, held }
    }
}

/// The message that `data` begins with, if all of it is there.
fn whole(data: &[u8], limit: usize) -> Result<Option<&[u8]>, Status> {
    let Some((&prefix, after)) = data.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    Ok(after.get(..length(prefix, limit)?))
}

/// How long the message is that begins so.
fn length(prefix: [u8; PREFIX], limit: usize) -> Result<usize, Status> {
    let [flag, length @ ..] = prefix;
    if flag != PLAIN {
        // "Compression": a flag without an encoding is INTERNAL.
        return Err(Status::internal(format!(
            "the flag of a message is {flag}, but no grpc-encoding was named"
        )));
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        return Err(Refused::TooLarge { limit }.into());
    }
    Ok(length)
}

/// Kiln asks for no compression, so a client that compresses has not listened.
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<(), Status> {
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

/// Reads a message. Bytes that are no message are the sender's fault, which tonic's codec calls INTERNAL.
pub(crate) fn decode<M: prost::Message + Default>(bytes: Bytes) -> Result<M, Status> {
    M::decode(bytes).map_err(|error| status::no_message(&error))
}

/// A message as it goes out.
pub(crate) fn encode(message: &impl prost::Message) -> Vec<u8> {
    let mut bytes = prefixed(PLAIN, message.encoded_len());
    message.encode_raw(&mut bytes);
    bytes
}

/// Bytes as a message with this flag.
pub(crate) fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut bytes = prefixed(flag, message.len());
    bytes.extend_from_slice(message);
    bytes.into()
}

/// A prefix, and room for the message.
fn prefixed(flag: u8, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PREFIX + length);
    bytes.put_u8(flag);
    // What came said its length in 32 bits. An answer has a few numbers for each class, and no network has 2^32 values.
    bytes.put_u32(length as u32);
    bytes
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use futures_util::StreamExt;
    use tonic::Code;

    use super::*;
    use crate::telemetry::Telemetry;
    use crate::transport::cors::Cors;

    const LIMIT: usize = 100_000;

    pub fn bounds() -> Arc<Bounds> {
        Arc::new(Bounds {
            telemetry: Arc::new(Telemetry::new().unwrap()),
            memory: Memory::new(4 * LIMIT, LIMIT),
            max_message_bytes: LIMIT,
            request_timeout: Duration::from_secs(30),
            trust_forwarded_for: false,
            cors: Cors::default(),
        })
    }

    /// A message of so many bytes.
    pub fn message(length: u16) -> Vec<u8> {
        let mut bytes = prefixed(PLAIN, length.into());
        bytes.extend((0..length).map(|index| index as u8));
        bytes
    }

    /// Reads a body that comes in pieces of such a size, each at once.
    pub fn messages(
        bytes: &[u8],
        size: usize,
    ) -> Messages<impl HttpBody<Data = Bytes, Error = BoxError> + Send + Unpin + use<>> {
        let pieces: Vec<_> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
        let frames = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
        read(StreamBody::new(stream::iter(frames)))
    }

    fn read<B>(body: B) -> Messages<B>
    where
        B: HttpBody<Data = Bytes, Error = BoxError> + Unpin,
    {
        Messages::new(body, [127, 0, 0, 1].into(), &bounds())
    }

    #[tokio::test]
    async fn messages_are_whole_however_the_body_is_cut_and_nothing_is_held_between_them() {
        let lengths = [0, 1, 0, 200, 60_000, 3];
        let bytes = lengths.map(message).concat();
        for size in (1..20).chain([200, 210, 5_000, 60_000, bytes.len()]) {
            let mut messages = messages(&bytes, size);
            for length in lengths {
                let read = messages.next().await.unwrap().expect("a message");
                assert_eq!(read.bytes, message(length)[PREFIX..], "pieces of {size}");
                assert_eq!(messages.bounds.memory.taken(), usize::from(length));
            }
            assert_eq!(messages.bounds.memory.taken(), 0);
            assert!(messages.next().await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn what_is_no_message_is_refused_and_leaves_nothing_behind() {
        let compressed = [&[1], &message(3)[1..]].concat();
        let large = [0, 0, 1, 134, 161];
        for (bytes, code) in [
            (&message(9)[..8], Code::InvalidArgument),
            (&message(9)[..3], Code::InvalidArgument),
            (&compressed, Code::Internal),
            (&large, Code::ResourceExhausted),
        ] {
            for size in [1, 7, 100] {
                let mut messages = messages(bytes, size);
                let status = messages.next().await.err().expect("a refusal");
                assert_eq!(
                    status.code(),
                    code,
                    "{bytes:?} in pieces of {size}: {status}"
                );
                assert_eq!(messages.bounds.memory.taken(), 0);
            }
        }
    }

    #[tokio::test]
    async fn a_message_has_room_for_what_has_come_and_not_for_what_it_claims() {
        let claim = [0, 0, 1, 134, 160];
        let body = stream::iter([Ok(Frame::data(Bytes::copy_from_slice(&claim)))]);
        let body = StreamBody::new(body.chain(stream::pending::<Result<_, BoxError>>()));
        let mut messages = read(body);
        let bounds = Arc::clone(&messages.bounds);
        let mut next = Box::pin(messages.next());
        assert!(futures_util::poll!(&mut next).is_pending());
        assert_eq!(bounds.memory.taken(), 0);
    }

    /// How reading ends when so many bytes come every second.
    async fn read_slowly(length: u16, bytes: usize) -> Result<usize, Status> {
        let whole = message(length);
        let pieces: Vec<_> = whole.chunks(bytes).map(Bytes::copy_from_slice).collect();
        let pieces = stream::iter(pieces).then(|piece| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, BoxError>(Frame::data(piece))
        });
        let silence = stream::once(async {
            tokio::time::sleep(Duration::from_hours(1)).await;
            Ok(Frame::data(Bytes::from(message(7))))
        });
        let mut messages = read(StreamBody::new(Box::pin(pieces.chain(silence))));
        let first = messages.next().await?.expect("a message").bytes.len();
        // Between messages nobody is in a hurry.
        assert_eq!(messages.next().await?.expect("a message").bytes.len(), 7);
        Ok(first)
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_has_begun_must_go_on() {
        for (length, each_second) in [(60_000, 8_000), (60_000, 60_000), (100, 30)] {
            assert_eq!(
                read_slowly(length, each_second).await.unwrap(),
                usize::from(length)
            );
        }
        for (length, each_second) in [(60_000, 5_000), (100, 10)] {
            let status = read_slowly(length, each_second).await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
            assert!(status.message().contains("did not go on"), "{status}");
        }
    }
}
