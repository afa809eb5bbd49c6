//! PNG, row by row, so that a 16-bit or interlaced picture never stands in memory at its full depth.

use std::io::Cursor;

use png::{
    BitDepth, ColorType, DecodeOptions, Decoder, InterlaceInfo, Limits, Reader, Transformations,
};

use crate::preprocess::exif::Orientation;
use crate::preprocess::picture::{Layout, Picture};
use crate::preprocess::{Budget, PictureError};

/// For the rows and the metadata that the decoder itself holds; the picture is ours.
const DECODER_BYTES: usize = 8 << 20;
/// How many rows pass between two looks at the clock.
const ROWS_A_LOOK: usize = 64;

fn failed(error: impl std::fmt::Display) -> PictureError {
    PictureError::undecodable("PNG", error)
}

/// Text and colour profiles are compressed, can be bombs, and are not needed: they are skipped
/// unread. Of an animated PNG this is the default image.
pub fn decode(bytes: &[u8], budget: &Budget) -> Result<Picture, PictureError> {
    let mut options = DecodeOptions::default();
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(Limits {
        bytes: DECODER_BYTES,
    });
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(failed)?;
    let (width, height) = (header.width, header.height);
    let pixels = budget.check_pixels(width.into(), height.into())?;

    let mut reader = decoder.read_info().map_err(failed)?;
    let (color, depth) = reader.output_color_type();
    let layout = match color {
        ColorType::Grayscale => Layout::Grey,
        ColorType::GrayscaleAlpha => Layout::GreyAlpha,
        ColorType::Rgb => Layout::Rgb,
        ColorType::Rgba => Layout::Rgba,
        ColorType::Indexed => return Err(failed("its palette is missing")),
    };
    let mut picture = Picture::upright(
        width as usize,
        height as usize,
        layout,
        vec![0; pixels * layout.channels()],
    );
    if depth == BitDepth::Eight && picture.height <= ROWS_A_LOOK {
        // A picture as small as a digit: row by row costs a tenth more.
        reader.next_frame(&mut picture.samples).map_err(failed)?;
    } else {
        read_rows(&mut reader, depth, &mut picture, budget)?;
    }
    if let Some(exif) = &reader.info().exif_metadata {
        picture.orientation = Orientation::from_exif(exif);
    }
    Ok(picture)
}

fn read_rows(
    reader: &mut Reader<Cursor<&[u8]>>,
    depth: BitDepth,
    picture: &mut Picture,
    budget: &Budget,
) -> Result<(), PictureError> {
    let channels = picture.layout.channels();
    let stride = picture.width * channels;
    let mut narrowed = Vec::new();
    let mut rows = 0_usize;
    while let Some(row) = reader.next_interlaced_row().map_err(failed)? {
        let data = if depth == BitDepth::Sixteen {
            narrowed.clear();
            narrowed.extend(row.data().chunks_exact(2).map(to_8_bits));
            &narrowed[..]
        } else {
            row.data()
        };
        match row.interlace() {
            InterlaceInfo::Adam7(info) => {
                let bits = (channels * 8) as u8;
                png::expand_interlaced_row(&mut picture.samples, stride, data, info, bits);
            }
            InterlaceInfo::Null(_) => {
                let to = picture.samples.chunks_exact_mut(stride).nth(rows);
                match to {
                    Some(to) if to.len() == data.len() => to.copy_from_slice(data),
                    _ => return Err(failed("it has more rows than its header says")),
                }
            }
        }
        rows += 1;
        if rows.is_multiple_of(ROWS_A_LOOK) {
            budget.check_time()?;
        }
    }
    Ok(())
}

/// 0 to 65,535 becomes 0 to 255, rounded to the nearest.
fn to_8_bits(sample: &[u8]) -> u8 {
    let value = u32::from(u16::from_be_bytes([sample[0], sample[1]]));
    ((value + 128) / 257) as u8
}
