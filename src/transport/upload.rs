//! A request's body, read whole.

use std::net::IpAddr;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;

use super::bounds::Bounds;
use super::growing::Growing;
use super::memory::Held;
use super::pace::Pace;
use super::refused::Refused;

/// A body, and the memory that it takes.
pub(crate) struct Whole {
    pub bytes: Bytes,
    pub held: Held,
}

/// Reads all that `client` sends in `body`, at most `limit` bytes.
///
/// # Errors
/// If it is too large, ends early or takes too long, or if there is no memory for it.
pub(crate) async fn read<B>(
    body: &mut B,
    client: IpAddr,
    bounds: &Bounds,
    limit: usize,
) -> Result<Whole, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = body.size_hint();
    if announced.lower() > limit as u64 {
        return Err(Refused::TooLarge { limit });
    }
    let mut pace = Pace::begin();
    let first = pace.wait(piece(body)).await??.unwrap_or_default();
    if body.is_end_stream() && first.len() <= limit {
        // Nearly every picture of a digit comes in one piece.
        return Ok(Whole {
            held: bounds.memory.take(first.len())?,
            bytes: Bytes::copy_from_slice(&first),
        });
    }
    let most = announced
        .exact()
        .map_or(limit, |length| length as usize)
        .max(first.len());
    let mut growing = Growing::new(bounds.memory.begin(client)?);
    let mut next = Some(first);
    while let Some(some) = next {
        if growing.len() + some.len() > limit {
            return Err(Refused::TooLarge { limit });
        }
        pace.came(some.len());
        growing.add(&some, most)?;
        drop(some);
        next = pace.wait(piece(body)).await??;
    }
    let (bytes, held) = growing.end();
    let bytes = bytes.into();
    Ok(Whole { bytes, held })
}

/// Throws away what else comes in a body, up to `limit` bytes and while it keeps coming, so that a client that sends
/// before it reads gets to see why it was turned away.
pub(crate) async fn discard<B>(mut body: B, limit: usize)
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut left, mut pace) = (limit, Pace::begin());
    while let Ok(Ok(Some(some))) = pace.wait(piece(&mut body)).await {
        pace.came(some.len());
        match left.checked_sub(some.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// The next piece that is not empty.
async fn piece<B>(body: &mut B) -> Result<Option<Bytes>, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    while let Some(frame) = body.frame().await {
        // What is cut off in the middle has nobody left to be told why.
        match frame.map_err(|_| Refused::CutShort)?.into_data() {
            Ok(data) if !data.is_empty() => return Ok(Some(data)),
            _ => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;
    use crate::telemetry::Telemetry;
    use crate::transport::memory::Memory;

    const LIMIT: usize = 100_000;

    fn bounds() -> Bounds {
        Bounds {
            telemetry: Arc::new(Telemetry::new().unwrap()),
            memory: Memory::new(4 * LIMIT, LIMIT),
            max_message_bytes: LIMIT,
            request_timeout: Duration::from_secs(30),
            trust_forwarded_for: false,
            cors: crate::transport::cors::Cors::default(),
        }
    }

    /// Reads a body of which so many bytes come every second, in the end for ever nothing if it is not `whole`.
    async fn read_slowly(length: usize, each: usize, whole: bool) -> Result<usize, Refused> {
        let bounds = bounds();
        let bytes: Vec<u8> = (0..length).map(|index| index as u8).collect();
        let pieces: Vec<_> = bytes.chunks(each).map(Bytes::copy_from_slice).collect();
        let pieces = stream::iter(pieces).then(|piece| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, Refused>(Frame::data(piece))
        });
        let silence = stream::pending().take(usize::from(!whole));
        let mut body = StreamBody::new(Box::pin(pieces.chain(silence)));
        let read = read(&mut body, [127, 0, 0, 1].into(), &bounds, LIMIT).await;
        let length = read.map(|whole| {
            assert_eq!(whole.bytes, bytes);
            assert!((length..=2 * length.max(4096)).contains(&bounds.memory.taken()));
            whole.bytes.len()
        });
        assert_eq!(bounds.memory.taken(), 0);
        length
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_whole_however_it_is_cut_and_must_go_on() {
        for (length, each) in [(0, 1), (1, 1), (60_000, 8_000), (LIMIT, LIMIT), (100, 30)] {
            assert_eq!(read_slowly(length, each, true).await, Ok(length));
        }
        for (length, each, whole) in [(60_000, 5_000, true), (100, 10, true), (10, 10, false)] {
            let refused = read_slowly(length, each, whole).await.unwrap_err();
            assert!(matches!(refused, Refused::Stalled { .. }), "{refused}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_too_large_is_refused_as_soon_as_that_is_known() {
        let refused = read_slowly(LIMIT + 1, LIMIT, false).await;
        assert_eq!(refused, Err(Refused::TooLarge { limit: LIMIT }));
    }
}
