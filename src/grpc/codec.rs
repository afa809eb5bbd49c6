//! Messages to bytes and back, as prost does it, with our word on bytes that are no message.

use std::marker::PhantomData;

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
        U::decode(bytes)
            .map(Some)
            .map_err(|error| status::no_message(&error))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(REQUEST_BUFFER, YIELD_AT)
    }
}
