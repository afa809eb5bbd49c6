//! Picture bytes → [`Picture`]: which format it is, and that format's reader. One file a format, and one for the picture of a digit.

mod bmp;
mod gif;
mod jpeg;
mod png;
mod small_png;
mod timed;
mod webp;

use super::picture::Picture;
use super::{Budget, PictureError};

/// Decodes the first (or only) frame of a picture, whose format its first bytes tell.
pub fn decode(bytes: &[u8], budget: &Budget) -> Result<Picture, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    let limit = budget.limits.max_bytes;
    if bytes.len() > limit {
        return Err(PictureError::TooManyBytes {
            bytes: bytes.len(),
            limit,
        });
    }
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => {
            small_png::decode(bytes, budget).map_or_else(|| png::decode(bytes, budget), Ok)
        }
        [0xff, 0xd8, 0xff, ..] => jpeg::decode(bytes, budget),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => gif::decode(bytes, budget),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => webp::decode(bytes, budget),
        [b'B', b'M', ..] => bmp::decode(bytes, budget),
        _ => Err(PictureError::UnknownFormat {
            first_bytes: bytes[..bytes.len().min(16)].to_vec(),
        }),
    }
}
