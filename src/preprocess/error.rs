//! What can be wrong with a picture.

use std::time::Duration;

use super::decode::UnreadFormat;

/// Why a picture could not be made into a model's input. Every text is short and bounded, whatever
/// the bytes were.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    #[error("the picture is empty: send the bytes of a PNG, JPEG, GIF, BMP or WebP file")]
    Empty,
    #[error("the picture has {bytes} bytes and at most {limit} are taken: send a smaller one")]
    TooManyBytes { bytes: usize, limit: usize },
    #[error(
        "the picture is {width}x{height} pixels and at most {limit} pixels are taken: send a smaller one"
    )]
    TooManyPixels { width: u64, height: u64, limit: u64 },
    #[error("the picture is {width}x{height} pixels and at most {limit} pixels a side are taken")]
    TooLong { width: u64, height: u64, limit: u64 },
    #[error(
        "the {kind} is {width}x{height} pixels and takes {needed} bytes of memory to decode, where at most {limit} are \
         taken: send a smaller one{}, or raise --max-picture-memory",
        if .kind.starts_with("progressive") { " or a baseline JPEG" } else { "" }
    )]
    TooMuchMemory {
        /// What kind of picture it is: "progressive JPEG".
        kind: &'static str,
        width: usize,
        height: usize,
        needed: u64,
        limit: u64,
    },
    #[error(
        "the bytes are no PNG, JPEG, GIF, BMP or WebP picture: they start with \"{}\"",
        .first_bytes.escape_ascii()
    )]
    UnknownFormat {
        /// At most the first 16 bytes.
        first_bytes: Vec<u8>,
    },
    #[error(
        "the {0} has lost its line breaks on the way: curl sends a file whole with --data-binary, not with -d"
    )]
    SentAsText(&'static str),
    #[error("{} is not read: {}", .0.name(), .0.advice())]
    UnreadFormat(UnreadFormat),
    #[error("the {format} cannot be decoded: {reason}")]
    Undecodable {
        format: &'static str,
        reason: String,
    },
    #[error(
        "no digit found in the picture: nothing stands out from its ground as ink does from paper; send one digit, dark on \
         light or light on dark"
    )]
    NoDigit,
    #[error("several digits found in the picture, or other writing: send one digit at a time")]
    SeveralDigits,
    #[error(
        "the picture took longer than {} ms to decode: send a smaller or a simpler one",
        .limit.as_millis()
    )]
    TooSlow { limit: Duration },
    #[error(
        "the model takes {width}x{height} pixels; pictures are fitted to 1 to 1024 pixels a side"
    )]
    ModelSize { width: usize, height: usize },
}

impl PictureError {
    /// A decoder's own complaint, cut to a length that may be shown.
    pub(super) fn undecodable(format: &'static str, reason: impl std::fmt::Display) -> Self {
        const SHOWN: usize = 200;
        let mut reason = reason.to_string();
        if reason.len() > SHOWN {
            let end = (0..=SHOWN).rev().find(|&i| reason.is_char_boundary(i));
            reason.truncate(end.unwrap_or(0));
            reason.push('…');
        }
        Self::Undecodable { format, reason }
    }
}
