//! JPEG: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK.

use jpeg_decoder::{CodingProcess, Decoder, PixelFormat};

use super::timed::Timed;
use crate::preprocess::exif::Orientation;
use crate::preprocess::picture::{Layout, Picture};
use crate::preprocess::{Budget, PictureError};

pub fn decode(bytes: &[u8], budget: &Budget) -> Result<Picture, PictureError> {
    let failed = |error| budget.undecodable("JPEG", error);
    let mut decoder = Decoder::new(Timed::new(bytes, budget));
    decoder.read_info().map_err(failed)?;
    let info = decoder
        .info()
        .ok_or_else(|| PictureError::undecodable("JPEG", "it has no frame header"))?;
    budget.check_pixels(info.width.into(), info.height.into())?;
    if info.coding_process == CodingProcess::Lossless {
        return Err(PictureError::undecodable("JPEG", "it is a lossless JPEG"));
    }
    let mut samples = decoder.decode().map_err(failed)?;
    let layout = match info.pixel_format {
        PixelFormat::L8 | PixelFormat::L16 => Layout::Grey,
        PixelFormat::RGB24 => Layout::Rgb,
        PixelFormat::CMYK32 => {
            samples = samples.chunks_exact(4).flat_map(rgb_of_cmyk).collect();
            Layout::Rgb
        }
    };
    let orientation = decoder
        .exif_data()
        .map(Orientation::from_exif)
        .unwrap_or_default();
    Ok(Picture {
        width: info.width.into(),
        height: info.height.into(),
        layout,
        samples,
        orientation,
    })
}

/// As Pillow's `cmyk2rgb` in its Convert.c.
fn rgb_of_cmyk(pixel: &[u8]) -> [u8; 3] {
    let light = u32::from(255 - pixel[3]);
    [pixel[0], pixel[1], pixel[2]].map(|ink| {
        let product = u32::from(ink) * light + 128;
        let absorbed = ((product >> 8) + product) >> 8;
        light.saturating_sub(absorbed) as u8
    })
}
