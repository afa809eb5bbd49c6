//! WebP: lossy and lossless, with and without alpha; of an animation the first frame.

use image_webp::WebPDecoder;

use super::timed::Timed;
use crate::preprocess::exif::Orientation;
use crate::preprocess::picture::{Layout, Picture};
use crate::preprocess::{Budget, PictureError};

/// For metadata (EXIF).
const DECODER_BYTES: usize = 1 << 20;

pub fn decode(bytes: &[u8], budget: &Budget) -> Result<Picture, PictureError> {
    let failed = |error| budget.undecodable("WebP", error);
    let mut decoder = WebPDecoder::new(Timed::new(bytes, budget)).map_err(failed)?;
    decoder.set_memory_limit(DECODER_BYTES);
    let (width, height) = decoder.dimensions();
    let pixels = budget.check_pixels(width.into(), height.into())?;
    check_frames(bytes.get(12..).unwrap_or_default(), budget)?;

    let layout = if decoder.has_alpha() {
        Layout::Rgba
    } else {
        Layout::Rgb
    };
    let mut samples = vec![0; pixels * layout.channels()];
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

/// A lossy frame carries a size of its own, which the decoder takes memory for before it compares
/// it with the canvas. RFC 9649, section 2.5; the size is in RFC 6386, section 9.1.
fn check_frames(mut chunks: &[u8], budget: &Budget) -> Result<(), PictureError> {
    const ANMF_HEADER: usize = 16;
    while let Some((header, rest)) = chunks.split_at_checked(8) {
        if header.starts_with(b"ANMF") {
            // A frame of an animation holds chunks: step into it.
            chunks = rest.get(ANMF_HEADER..).unwrap_or_default();
            continue;
        }
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let (payload, next) = rest.split_at(length.min(rest.len()));
        if let (b"VP8 ", Some(&[w0, w1, h0, h1])) = (&header[..4], payload.get(6..10)) {
            // The upper two bits are a hint for scaling.
            let side = |low, high| u64::from(u16::from_le_bytes([low, high]) & 0x3fff);
            budget.check_pixels(side(w0, w1), side(h0, h1))?;
        }
        chunks = next.get(length % 2..).unwrap_or_default();
    }
    Ok(())
}
