//! JPEG: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::preprocess::exif::Orientation;
use crate::preprocess::picture::{Layout, Picture};
use crate::preprocess::{Budget, PictureError};

/// A real progressive picture has about ten scans. Each one walks the whole picture again, and may
/// take only a few bytes to say so.
const MAX_SCANS: usize = 40;
/// Pixels walked over in all scans: sixteen scans of the largest picture there is by default.
const MAX_SCANNED: usize = 400_000_000;

fn failed(error: impl std::fmt::Debug) -> PictureError {
    PictureError::undecodable("JPEG", format_args!("{error:?}"))
}

pub fn decode(bytes: &[u8], budget: &Budget) -> Result<Picture, PictureError> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(failed)?;
    let info = decoder
        .info()
        .ok_or_else(|| failed("it has no frame header"))?;
    let pixels = budget.check_pixels(info.width.into(), info.height.into())?;

    // Each scan walks the whole picture, and nothing looks at the clock meanwhile.
    let scans = (MAX_SCANNED / pixels.max(1)).clamp(1, MAX_SCANS);

    let (layout, colours) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (Layout::Grey, ColorSpace::Luma),
        _ => (Layout::Rgb, ColorSpace::RGB),
    };
    decoder.set_options(
        options
            .jpeg_set_max_scans(scans)
            .jpeg_set_out_colorspace(colours),
    );
    let mut samples = vec![0; pixels * layout.channels()];
    decoder.decode_into(&mut samples).map_err(failed)?;
    let orientation = decoder
        .exif()
        .map(|exif| Orientation::from_exif(exif))
        .unwrap_or_default();
    Ok(Picture {
        width: info.width.into(),
        height: info.height.into(),
        layout,
        samples,
        orientation,
    })
}
