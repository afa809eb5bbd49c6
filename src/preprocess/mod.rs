//! Picture bytes (PNG, JPEG, GIF, BMP, WebP) become the pixels that a model takes, grey or in colour.
//!
//! ```text
//! bytes → decode (bounded) → Picture → Resize: the model's colours → a filter    ↘
//!                                    → Digit:  upright → ink → strokes → centred → height × width pixels
//! ```
//!
//! Nothing here knows of models or of serving. Every size is checked against [`Limits`] before
//! memory is taken, and no input makes it panic. What a picture will take is known from its headers
//! ([`memory`]), so that whoever decodes several at once can share out what there is.

mod colour;
mod decode;
mod digit;
mod error;
mod exif;
mod picture;
mod resize;
mod target;

use std::cell::Cell;
use std::time::{Duration, Instant};

use decode::Outline;
pub use decode::UnreadFormat;
pub use error::PictureError;
pub use target::{Colours, Crop, Filter, Size, Target};

use crate::thread_time;

/// How a picture of any size becomes the model's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Fit {
    /// A picture that already has the model's size and is black along its border passes as grey values, unchanged;
    /// every other picture goes the way of [`Fit::Digit`]. For a model that sees colours: as [`Fit::Resize`].
    #[default]
    Auto,
    /// Pillow's `Image.open(f).convert(mode).resize(size, filter)`, which is `keras.utils.load_img`, within one level: of
    /// [`Target::grey`] with mode `L` and `BICUBIC`. Alpha is dropped where the model has none, EXIF orientation is
    /// ignored, dark stays dark. For a model that was trained on pictures made so.
    Resize,
    /// Any scan, photo or drawing of one digit is made to look like MNIST: light ink on black,
    /// cropped, scaled into the middle 20/28 of the side and centred by its centre of mass. A page
    /// with nothing on it is refused, and so is one with several digits.
    Digit,
}

/// What a picture may cost. Checked before decoding where the header tells, and during it otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest encoded picture, in bytes.
    pub max_bytes: usize,
    /// Most pixels (width × height) that the header may announce.
    pub max_pixels: u64,
    /// Most bytes that decoding and fitting a picture may hold at once; its headers tell how many
    /// that will be. Between 3 and 5 a pixel are usual, 16 are needed for a progressive CMYK JPEG.
    pub max_memory: u64,
    /// How long one picture may keep its thread busy. It is looked at whenever a decoder asks for more bytes and
    /// between the steps after it, so a picture can overrun it by one step: one pass over its pixels.
    pub time: Duration,
}

impl Default for Limits {
    /// 64 MiB (a scan of a page in colour takes 50 as a PNG), 64 million pixels (a telephone takes 50, a scanner 35 of a
    /// page), 512 MiB, 2 seconds.
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
            max_pixels: 64_000_000,
            max_memory: 512 << 20,
            time: Duration::from_secs(2),
        }
    }
}

/// The `height * width` pixels of a picture, row by row, each value 0 to 255; a [`Size`] alone is a grey picture.
///
/// # Errors
/// [`PictureError`] says what is wrong with the picture, or which limit it passes.
pub fn decode_and_fit(
    bytes: &[u8],
    fit: Fit,
    target: impl Into<Target>,
    limits: &Limits,
) -> Result<Vec<u8>, PictureError> {
    let target = target.into();
    let (fit, size) = (fit.of(&target), target.size);
    let budget = Budget::new(limits);
    check_sizes(bytes, size, &budget)?;
    let picture = match decode::small(bytes, &budget) {
        Some(picture) => picture,
        None => {
            check_memory(
                &decode::outline(bytes, least(fit), &budget)?,
                fit,
                &target,
                &budget,
            )?;
            decode::decode(bytes, least(fit), &budget)?
        }
    };
    budget.check_time()?;
    let from = Size {
        width: picture.width,
        height: picture.height,
    };
    match fit {
        Fit::Auto if from == size && picture.has_black_border() => light(picture.into_grey()),
        Fit::Resize => colour::resize(picture, &target, &budget),
        Fit::Auto | Fit::Digit => {
            let grey = digit::fit(picture, size, &budget)?;
            Ok(colour::of_grey(grey, target.colours))
        }
    }
}

impl Fit {
    /// What is done for this model.
    fn of(self, target: &Target) -> Self {
        match self {
            Self::Auto if target.colours != Colours::Grey => Self::Resize,
            asked => asked,
        }
    }
}

/// A picture of the model's size, if it shows anything.
fn light(pixels: Vec<u8>) -> Result<Vec<u8>, PictureError> {
    const FAINTEST: u8 = 32;
    if pixels.iter().fold(0, |most, &pixel| pixel.max(most)) < FAINTEST {
        return Err(PictureError::NoDigit);
    }
    Ok(pixels)
}

/// The most bytes that [`decode_and_fit`] will hold at once for this picture, its answer included, as its headers tell.
/// To read them takes up to [`HEADERS`] bytes for each byte of the picture.
///
/// # Errors
/// [`PictureError`]: the headers are damaged, or the picture passes a limit, [`Limits::max_memory`] among them.
pub fn memory(
    bytes: &[u8],
    fit: Fit,
    target: impl Into<Target>,
    limits: &Limits,
) -> Result<u64, PictureError> {
    let target = target.into();
    let fit = fit.of(&target);
    let budget = Budget::new(limits);
    check_sizes(bytes, target.size, &budget)?;
    check_memory(
        &decode::outline(bytes, least(fit), &budget)?,
        fit,
        &target,
        &budget,
    )
}

/// How long the longer side of a picture must stay when it is decoded.
fn least(fit: Fit) -> u16 {
    match fit {
        Fit::Resize => u16::MAX,
        Fit::Auto | Fit::Digit => digit::LEAST,
    }
}

/// What reading the headers of a picture may hold, for each of its bytes: metadata in a buffer that grows.
pub const HEADERS: u64 = 3;

fn check_sizes(bytes: &[u8], size: Size, budget: &Budget) -> Result<(), PictureError> {
    if !(1..=Size::MAX_SIDE).contains(&size.width) || !(1..=Size::MAX_SIDE).contains(&size.height) {
        return Err(PictureError::ModelSize {
            width: size.width,
            height: size.height,
        });
    }
    let limit = budget.limits.max_bytes;
    if bytes.len() > limit {
        return Err(PictureError::TooManyBytes {
            bytes: bytes.len(),
            limit,
        });
    }
    Ok(())
}

/// The bytes that a picture needs, if they are within the limit.
fn check_memory(
    outline: &Outline,
    fit: Fit,
    target: &Target,
    budget: &Budget,
) -> Result<u64, PictureError> {
    let from = Size {
        width: outline.width,
        height: outline.height,
    };
    let fitting = match fit {
        Fit::Resize => outline.decoded + colour::memory(from, outline.decoded, target),
        Fit::Auto | Fit::Digit => {
            digit::memory(from, outline.decoded, target.size) + colour::coloured(target)
        }
    };
    let (needed, limit) = (outline.decoding.max(fitting), budget.limits.max_memory);
    if needed > limit {
        return Err(PictureError::TooMuchMemory {
            kind: outline.kind,
            width: outline.width,
            height: outline.height,
            needed,
            limit,
        });
    }
    Ok(needed)
}

/// The longest side of a picture, which is the longest that JPEG and GIF can express.
const MAX_SIDE: u64 = 65_535;

/// The limits of one picture, and when its time is over.
struct Budget<'a> {
    limits: &'a Limits,
    /// In time of this thread: a picture is not refused for what a busy machine does meanwhile.
    started: Duration,
    /// The time cannot be over before.
    next_look: Cell<Instant>,
}

impl<'a> Budget<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            started: thread_time::now(),
            next_look: Cell::new(Instant::now() + limits.time),
        }
    }

    fn check_time(&self) -> Result<(), PictureError> {
        let (now, limit) = (Instant::now(), self.limits.time);
        if now < self.next_look.get() {
            return Ok(());
        }
        let used = thread_time::now().saturating_sub(self.started);
        match limit.checked_sub(used) {
            Some(left) if !left.is_zero() => {
                self.next_look.set(now + left);
                Ok(())
            }
            _ => Err(PictureError::TooSlow { limit }),
        }
    }

    /// How many pixels `width × height` are, where that is more than none and within the limit.
    fn check_pixels(&self, width: u64, height: u64) -> Result<usize, PictureError> {
        if width == 0 || height == 0 {
            return Err(PictureError::Undecodable {
                format: "picture",
                reason: format!("it says that it is {width}x{height} pixels, which is no pixel"),
            });
        }
        if width.max(height) > MAX_SIDE {
            return Err(PictureError::TooLong {
                width,
                height,
                limit: MAX_SIDE,
            });
        }
        width
            .checked_mul(height)
            .filter(|&pixels| pixels <= self.limits.max_pixels)
            .and_then(|pixels| usize::try_from(pixels).ok())
            .ok_or(PictureError::TooManyPixels {
                width,
                height,
                limit: self.limits.max_pixels,
            })
    }
}
