//! WebP: lossy and lossless, with and without alpha; of an animation the first frame.

use image_webp::WebPDecoder;

use super::outline::{Outline, grown};
use super::timed::Timed;
use super::webp_codes;
use crate::preprocess::exif::Orientation;
use crate::preprocess::picture::{Layout, Picture};
use crate::preprocess::{Budget, PictureError};

/// For metadata (EXIF).
const DECODER_BYTES: usize = 1 << 20;
/// The tables of both decoders that are there once.
const SMALL_PARTS: u64 = 256 << 10;

pub fn outline(bytes: &[u8], budget: &Budget) -> Result<Outline, PictureError> {
    let decoder = open(bytes, budget)?;
    let (width, height) = decoder.dimensions();
    let parts = Parts::read(bytes, decoder.dimensions(), budget)?;
    let pixels = u64::from(width) * u64::from(height);
    let decoded = pixels * layout(&decoder).channels() as u64;
    // VP8: a plane of luma and two of a quarter, in squares of 16 × 16 pixels; while it is decoded, 30 bytes of what is
    // known of each square, in a buffer that grows.
    let planes = parts.squares * (16 * 16 * 3 / 2);
    let lossy = parts.squares * grown(30) + planes;
    // A partition that claims to be longer than the file, by up to 16 MiB, is asked for as zeros and never touched.
    // VP8L: what the transforms and the choice of codes say of squares of 4 × 4 pixels or more.
    let squares = u64::from(width.div_ceil(4)) * u64::from(height.div_ceil(4));
    let lossless = 14 * squares + parts.codes;
    // Alpha is decoded as a lossless picture of four bytes a pixel, and becomes one.
    let alpha = 5 * pixels + lossless;
    let (kind, beside) = if decoder.is_animated() {
        // The frame in a buffer of its own, and what it is decoded by or the canvas.
        let making = (pixels + lossy).max(pixels + lossless).max(4 * pixels);
        ("animated WebP", 4 * pixels + making)
    } else if parts.has_alpha {
        ("WebP with alpha", lossy.max(planes + alpha))
    } else if parts.squares > 0 {
        ("WebP", lossy)
    } else if decoder.has_alpha() {
        ("lossless WebP", lossless)
    } else {
        ("lossless WebP", 4 * pixels + lossless)
    };
    Ok(Outline {
        kind,
        width: width as usize,
        height: height as usize,
        decoding: decoded + beside + grown(bytes.len() as u64) + SMALL_PARTS,
        decoded,
    })
}

pub fn decode(bytes: &[u8], budget: &Budget) -> Result<Picture, PictureError> {
    let failed = |error| budget.undecodable("WebP", error);
    let mut decoder = open(bytes, budget)?;
    let (width, height) = decoder.dimensions();
    let layout = layout(&decoder);
    Parts::read(bytes, decoder.dimensions(), budget)?;

    let mut samples = vec![0; width as usize * height as usize * layout.channels()];
    decoder.read_image(&mut samples).map_err(failed)?;
    // Damaged EXIF data is no reason to refuse a good picture.
    let exif = decoder.exif_metadata().ok().flatten();
    Ok(Picture {
        width: width as usize,
        height: height as usize,
        layout,
        samples,
        orientation: exif
            .map(|exif| Orientation::from_exif(&exif))
            .unwrap_or_default(),
    })
}

fn open<'a>(bytes: &'a [u8], budget: &'a Budget) -> Result<WebPDecoder<Timed<'a>>, PictureError> {
    let opened = WebPDecoder::new(Timed::new(bytes, budget));
    let mut decoder = opened.map_err(|error| budget.undecodable("WebP", error))?;
    decoder.set_memory_limit(DECODER_BYTES);
    let (width, height) = decoder.dimensions();
    budget.check_pixels(width.into(), height.into())?;
    Ok(decoder)
}

fn layout(decoder: &WebPDecoder<Timed>) -> Layout {
    if decoder.has_alpha() {
        Layout::Rgba
    } else {
        Layout::Rgb
    }
}

/// What is said of pixels by the chunks of a file, the most by any of them. RFC 9649, section 2.5.
#[derive(Default)]
struct Parts {
    /// Squares of 16 × 16 pixels in a lossy frame.
    squares: u64,
    /// Bytes that the codes of lossless pixels or alpha take.
    codes: u64,
    has_alpha: bool,
}

impl Parts {
    fn read(bytes: &[u8], canvas: (u32, u32), budget: &Budget) -> Result<Self, PictureError> {
        let mut parts = Self::default();
        let canvas = (canvas.0 as usize, canvas.1 as usize);
        for (name, payload) in chunks(bytes.get(12..).unwrap_or_default()) {
            if name == b"ANMF" {
                // Place and size of a frame, and how long it is shown; then its chunks.
                let size = payload.get(6..).and_then(frame_size).unwrap_or(canvas);
                check_frame(size, canvas)?;
                for (name, payload) in chunks(payload.get(16..).unwrap_or_default()) {
                    parts.add(name, payload, size, budget)?;
                }
            } else {
                parts.add(name, payload, canvas, budget)?;
            }
        }
        Ok(parts)
    }

    fn add(
        &mut self,
        name: &[u8],
        payload: &[u8],
        size: (usize, usize),
        budget: &Budget,
    ) -> Result<(), PictureError> {
        match name {
            b"VP8 " => self.squares = self.squares.max(squares(payload, budget)?),
            // Behind a signature, the size once more, and a version.
            b"VP8L" => self.add_codes(payload.get(5..), size, budget)?,
            b"ALPH" => {
                self.has_alpha = true;
                // The first byte says how it is coded.
                if payload.first().is_some_and(|coding| coding & 3 == 1) {
                    self.add_codes(payload.get(1..), size, budget)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_codes(
        &mut self,
        stream: Option<&[u8]>,
        size: (usize, usize),
        budget: &Budget,
    ) -> Result<(), PictureError> {
        let codes = webp_codes::memory(stream.unwrap_or_default(), size, budget)?;
        self.codes = self.codes.max(codes);
        Ok(())
    }
}

/// The canvas is within the limits, and so is a frame that lies on it.
fn check_frame(frame: (usize, usize), canvas: (usize, usize)) -> Result<(), PictureError> {
    if frame.0 <= canvas.0 && frame.1 <= canvas.1 {
        return Ok(());
    }
    let ((wide, high), (width, height)) = (frame, canvas);
    let reason = format!("a frame of {wide}x{high} pixels lies on a canvas of {width}x{height}");
    Err(PictureError::undecodable("WebP", reason))
}

/// Width and height of an animation's frame, less one in three bytes each.
fn frame_size(bytes: &[u8]) -> Option<(usize, usize)> {
    let side = |at: usize| {
        let &[low, middle, high] = bytes.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes([low, middle, high, 0]) as usize + 1)
    };
    Some((side(0)?, side(3)?))
}

/// Name and content of one chunk after the other; one that ends too early has what there is.
fn chunks(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (name, rest) = bytes.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let (payload, next) = rest.split_at(length.min(rest.len()));
        bytes = next.get(length % 2..).unwrap_or_default();
        Some((&name[..], payload))
    })
}

/// Squares of 16 × 16 pixels in a lossy frame, for which the decoder takes memory before it compares the frame's own
/// size with the canvas; the size is in RFC 6386, section 9.1.
fn squares(payload: &[u8], budget: &Budget) -> Result<u64, PictureError> {
    let Some(&[w0, w1, h0, h1]) = payload.get(6..10) else {
        return Ok(0);
    };
    // The upper two bits are a hint for scaling.
    let side = |low, high| u64::from(u16::from_le_bytes([low, high]) & 0x3fff);
    let (width, height) = (side(w0, w1), side(h0, h1));
    budget.check_pixels(width, height)?;
    Ok(width.div_ceil(16) * height.div_ceil(16))
}
