//! GIF: the first frame, on its canvas.

use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, Decoder, MemoryLimit};

use super::outline::{Outline, grown};
use super::timed::Timed;
use crate::preprocess::picture::{Layout, Picture};
use crate::preprocess::{Budget, PictureError};

/// The tables of LZW, palettes, and a buffer to read through.
const SMALL_PARTS: u64 = 256 << 10;

/// The longest metadata (XMP, a colour profile) that the decoder keeps; what it keeps of pixels is checked here.
const METADATA: NonZeroU64 = NonZeroU64::new(8 << 20).unwrap();

/// Where the first frame lies on its canvas.
struct First {
    width: usize,
    height: usize,
    left: usize,
    top: usize,
    wide: usize,
    high: usize,
    transparent: Option<u8>,
}

impl First {
    fn layout(&self) -> Layout {
        if self.transparent.is_some() || (self.wide, self.high) != (self.width, self.height) {
            Layout::Rgba
        } else {
            Layout::Rgb
        }
    }
}

pub fn outline(bytes: &[u8], budget: &Budget) -> Result<Outline, PictureError> {
    let (_, first) = open(bytes, budget)?;
    let decoded = (first.width * first.height * first.layout().channels()) as u64;
    let indices = (first.wide * first.high) as u64;
    // XMP and a colour profile are parts of the file, of which a later one takes an earlier one's place.
    let metadata = (bytes.len() as u64).min(2 * METADATA.get());
    Ok(Outline {
        kind: "GIF",
        width: first.width,
        height: first.height,
        decoding: decoded + indices + grown(metadata) + SMALL_PARTS,
        decoded,
    })
}

/// What the frame does not cover is transparent and has, as in Pillow, the transparent colour
/// of the palette, or its first colour where there is none.
pub fn decode(bytes: &[u8], budget: &Budget) -> Result<Picture, PictureError> {
    let failed = |error| budget.undecodable("GIF", error);
    let (mut decoder, first) = open(bytes, budget)?;
    let mut indices = vec![0; first.wide * first.high];
    decoder.read_into_buffer(&mut indices).map_err(failed)?;

    let colours = colours(decoder.palette().map_err(failed)?, first.transparent);
    let [r, g, b, _] = colours[usize::from(first.transparent.unwrap_or(0))];
    let layout = first.layout();
    let channels = layout.channels();
    let mut samples = [r, g, b, 0][..channels].repeat(first.width * first.height);
    let rows = samples
        .chunks_exact_mut(first.width * channels)
        .skip(first.top);
    for (to, from) in rows.zip(indices.chunks_exact(first.wide)) {
        let to = to.chunks_exact_mut(channels).skip(first.left);
        for (pixel, &index) in to.zip(from) {
            pixel.copy_from_slice(&colours[usize::from(index)][..channels]);
        }
    }
    Ok(Picture::upright(first.width, first.height, layout, samples))
}

/// Reads as far as the first frame's pixels.
fn open<'a>(
    bytes: &'a [u8],
    budget: &'a Budget,
) -> Result<(Decoder<Timed<'a>>, First), PictureError> {
    let failed = |error| budget.undecodable("GIF", error);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.set_memory_limit(MemoryLimit::Bytes(METADATA));
    let mut decoder = options
        .read_info(Timed::new(bytes, budget))
        .map_err(failed)?;
    let screen = (usize::from(decoder.width()), usize::from(decoder.height()));
    let frame = decoder
        .next_frame_info()
        .map_err(failed)?
        .ok_or_else(|| PictureError::undecodable("GIF", "it has no frame"))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (wide, high) = (usize::from(frame.width), usize::from(frame.height));
    let first = First {
        // A frame that hangs over its canvas makes the canvas larger, as in Pillow.
        width: screen.0.max(left + wide),
        height: screen.1.max(top + high),
        left,
        top,
        wide,
        high,
        transparent: frame.transparent,
    };
    budget.check_pixels(first.width as u64, first.height as u64)?;
    budget.check_pixels(wide as u64, high as u64)?;
    Ok((decoder, first))
}

/// All 256 colours as RGBA. What the palette lacks is a ramp of greys, as in Pillow.
fn colours(palette: &[u8], transparent: Option<u8>) -> [[u8; 4]; 256] {
    let mut colours: [[u8; 4]; 256] = std::array::from_fn(|i| {
        let grey = i as u8;
        [grey, grey, grey, 255]
    });
    for (colour, rgb) in colours.iter_mut().zip(palette.chunks_exact(3)) {
        colour[..3].copy_from_slice(rgb);
    }
    if let Some(index) = transparent {
        colours[usize::from(index)][3] = 0;
    }
    colours
}
