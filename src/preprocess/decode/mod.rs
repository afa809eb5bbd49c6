//! Picture bytes → [`Picture`]: which format it is, and that format's reader. One file a format, and one for the picture of a digit.

mod bmp;
mod gif;
mod jpeg;
mod outline;
mod png;
mod small_png;
mod timed;
mod unread;
mod webp;
mod webp_codes;

pub use self::outline::Outline;
pub use self::unread::UnreadFormat;
use super::picture::Picture;
use super::{Budget, PictureError};

/// What the headers of a picture tell. A picture may be made smaller than it is, but not shorter along its longer side than
/// `least`.
pub fn outline(bytes: &[u8], least: u16, budget: &Budget) -> Result<Outline, PictureError> {
    match Format::of(bytes)? {
        Format::Png => png::outline(bytes, budget),
        Format::Jpeg => jpeg::outline(bytes, least, budget),
        Format::Gif => gif::outline(bytes, budget),
        Format::WebP => webp::outline(bytes, budget),
        Format::Bmp => bmp::outline(bytes, budget),
    }
}

/// Decodes the first (or only) frame of a picture.
pub fn decode(bytes: &[u8], least: u16, budget: &Budget) -> Result<Picture, PictureError> {
    match Format::of(bytes)? {
        Format::Png => png::decode(bytes, budget),
        Format::Jpeg => jpeg::decode(bytes, least, budget),
        Format::Gif => gif::decode(bytes, budget),
        Format::WebP => webp::decode(bytes, budget),
        Format::Bmp => bmp::decode(bytes, budget),
    }
}

/// The picture, if it is one of those that [`small_png`] is for.
pub fn small(bytes: &[u8], budget: &Budget) -> Option<Picture> {
    matches!(Format::of(bytes), Ok(Format::Png))
        .then(|| small_png::decode(bytes, budget))
        .flatten()
}

enum Format {
    Png,
    Jpeg,
    Gif,
    WebP,
    Bmp,
}

impl Format {
    /// The first bytes tell.
    fn of(bytes: &[u8]) -> Result<Self, PictureError> {
        if let Some(kind) = sent_as_text(bytes) {
            return Err(PictureError::SentAsText(kind));
        }
        match bytes {
            [] => Err(PictureError::Empty),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Ok(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Ok(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Self::Gif),
            [b'R', b'I', b'F', b'F', ..] if bytes.get(8..12) == Some(b"WEBP") => Ok(Self::WebP),
            [b'B', b'M', ..] => Ok(Self::Bmp),
            _ => Err(match UnreadFormat::of(bytes) {
                Some(format) => PictureError::UnreadFormat(format),
                None => PictureError::UnknownFormat {
                    first_bytes: bytes[..bytes.len().min(16)].to_vec(),
                },
            }),
        }
    }
}

/// What kind of picture it was, if it begins as one does that has lost its line breaks and zeros.
fn sent_as_text(bytes: &[u8]) -> Option<&'static str> {
    match *bytes {
        [0x89, b'P', b'N', b'G', 0x1a, ..] => Some("PNG"),
        // JFIF's first segment has 16 bytes, and names itself. What is longer ends where the next begins.
        [0xff, 0xd8, 0xff, 0xe0, high, low, ..] if high != 0 => {
            let next = 4 + usize::from(u16::from_be_bytes([high, low]));
            let is_whole = bytes.get(6..10) == Some(b"JFIF") || bytes.get(next) == Some(&0xff);
            (!is_whole).then_some("JPEG")
        }
        [
            0xff,
            0xd8,
            0xff,
            0xe1,
            _,
            _,
            b'E',
            b'x',
            b'i',
            b'f',
            after,
            ..,
        ] if after != 0 => Some("JPEG"),
        _ => None,
    }
}
