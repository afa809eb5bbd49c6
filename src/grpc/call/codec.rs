//! Messages to bytes and back, as prost does it, with our word on bytes that are no message.

use std::marker::PhantomData;

use bytes::Buf;
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec as TonicCodec, DecodeBuf, Decoder as TonicDecoder};
use tonic_prost::ProstEncoder;

use super::status;

/// First room for a request, in bytes; anything larger makes it grow. 784 pixels fit twice: once the length of a message
/// is known, tonic makes room for that much beside what has come of it already.
const REQUEST_BUFFER: usize = 2048;
/// First room for an answer: ten classes and the names fit.
const ANSWER_BUFFER: usize = 256;
/// A stream's answers are sent on once there are so many bytes of them; tonic's own default.
const YIELD_AT: usize = 32 * 1024;

/// Messages up to this many bytes are not looked at for what nobody reads.
const SMALL: usize = 4 * 1024;

/// Reads a message.
///
/// Its fields are slices of all its bytes, and what it takes up is counted by its fields: where most of the bytes are
/// something else, which protobuf allows, the fields are copied out.
pub(crate) fn decode<M: Message + Default>(bytes: impl Buf) -> Result<M, Status> {
    let length = bytes.remaining();
    let decoded = M::decode(bytes).and_then(|message| {
        if length > SMALL && length > 2 * message.encoded_len() {
            M::decode(&message.encode_to_vec()[..])
        } else {
            Ok(message)
        }
    });
    decoded.map_err(|error| status::no_message(&error))
}

/// The codec of Kiln's own services; `build.rs` names it to the code that is generated.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> TonicCodec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Decoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::new(ANSWER_BUFFER, YIELD_AT))
    }

    fn decoder(&mut self) -> Self::Decoder {
        Decoder(PhantomData)
    }
}

/// Bytes that are no message are the sender's fault, which prost's own decoder calls INTERNAL.
#[derive(Debug)]
pub struct Decoder<U>(PhantomData<U>);

impl<U: Message + Default> TonicDecoder for Decoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        decode(bytes).map(Some)
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(REQUEST_BUFFER, YIELD_AT)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, Bytes};

    use super::*;
    use crate::grpc::proto::mnist::PredictRequest;
    use crate::grpc::proto::mnist::predict_request::Input;

    #[test]
    fn a_message_does_not_hold_on_to_what_nobody_reads() {
        let request = PredictRequest {
            input: Some(Input::Image(vec![7; 100].into())),
            ..Default::default()
        };
        let mut bytes = request.encode_to_vec();
        // Field 1000, of a type with a length.
        prost::encoding::encode_key(1000, prost::encoding::WireType::LengthDelimited, &mut bytes);
        prost::encoding::encode_varint(10_000, &mut bytes);
        bytes.put_bytes(0, 10_000);
        let bytes = Bytes::from(bytes);
        assert_eq!(decode::<PredictRequest>(bytes.clone()).unwrap(), request);
        assert!(bytes.is_unique(), "its image is a slice of all of it");
    }
}
