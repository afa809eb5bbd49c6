//! GIF: the first frame, on its canvas.

use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, MemoryLimit};

use super::timed::Timed;
use crate::preprocess::picture::{Layout, Picture};
use crate::preprocess::{Budget, PictureError};

/// What the frame does not cover is transparent and has, as in Pillow, the transparent colour
/// of the palette, or its first colour where there is none.
pub fn decode(bytes: &[u8], budget: &Budget) -> Result<Picture, PictureError> {
    let failed = |error| budget.undecodable("GIF", error);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    if let Some(limit) = NonZeroU64::new(budget.limits.max_pixels) {
        options.set_memory_limit(MemoryLimit::Bytes(limit));
    }
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
    let transparent = frame.transparent;
    // A frame that hangs over its canvas makes the canvas larger, as in Pillow.
    let (width, height) = (screen.0.max(left + wide), screen.1.max(top + high));
    let pixels = budget.check_pixels(width as u64, height as u64)?;
    let frame_pixels = budget.check_pixels(wide as u64, high as u64)?;

    let mut indices = vec![0; frame_pixels];
    decoder.read_into_buffer(&mut indices).map_err(failed)?;

    let colours = colours(decoder.palette().map_err(failed)?, transparent);
    let [r, g, b, _] = colours[usize::from(transparent.unwrap_or(0))];
    let has_alpha = transparent.is_some() || (wide, high) != (width, height);
    let layout = if has_alpha { Layout::Rgba } else { Layout::Rgb };
    let channels = layout.channels();
    let mut samples = [r, g, b, 0][..channels].repeat(pixels);
    let rows = samples.chunks_exact_mut(width * channels).skip(top);
    for (to, from) in rows.zip(indices.chunks_exact(wide)) {
        let to = to.chunks_exact_mut(channels).skip(left);
        for (pixel, &index) in to.zip(from) {
            pixel.copy_from_slice(&colours[usize::from(index)][..channels]);
        }
    }
    Ok(Picture::upright(width, height, layout, samples))
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
