//! PNG, row by row, so that a 16-bit or interlaced picture never stands in memory at its full depth.

use std::io::Cursor;

use png::{
    BitDepth, ColorType, DecodeOptions, Decoder, InterlaceInfo, Limits, Reader, Transformations,
};

use super::outline::{Outline, grown};
use crate::preprocess::exif::Orientation;
use crate::preprocess::picture::{Layout, Picture};
use crate::preprocess::{Budget, PictureError};

/// For the rows and the metadata that the decoder itself holds; the picture is ours.
const DECODER_BYTES: usize = 8 << 20;
/// How many rows pass between two looks at the clock.
const ROWS_A_LOOK: usize = 64;

type Rows<'a> = Reader<Cursor<&'a [u8]>>;

fn failed(error: impl std::fmt::Display) -> PictureError {
    PictureError::undecodable("PNG", error)
}

/// A buffer of compressed bytes, and the tables of inflate.
const SMALL_PARTS: u64 = 256 << 10;
/// What is inflated at once, where rows are short.
const INFLATED: u64 = 256 << 10;

pub fn outline(bytes: &[u8], budget: &Budget) -> Result<Outline, PictureError> {
    let (reader, layout) = open(bytes, budget)?;
    let info = reader.info();
    let (width, height) = (info.width as usize, info.height as usize);
    let decoded = (width * height * layout.channels()) as u64;
    // A handful of rows is inflated at once, into a buffer that grows; one is unfiltered, one expanded, one narrowed.
    let row = info.raw_row_length() as u64;
    let inflated = grown(row + (5 * row).max(INFLATED));
    let rows = inflated + row + 3 * 2 * (width * layout.channels()) as u64;
    let exif = info.exif_metadata.as_ref().map_or(0, |exif| exif.len());
    Ok(Outline {
        kind: "PNG",
        width,
        height,
        decoding: decoded + rows + grown(exif as u64) + SMALL_PARTS,
        decoded,
    })
}

pub fn decode(bytes: &[u8], budget: &Budget) -> Result<Picture, PictureError> {
    let (mut reader, layout) = open(bytes, budget)?;
    let (_, depth) = reader.output_color_type();
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let samples = vec![0; width * height * layout.channels()];
    let mut picture = Picture::upright(width, height, layout, samples);
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

/// Reads as far as the pixels. Text and colour profiles are compressed, can be bombs, and are not needed: they are
/// skipped unread. Of an animated PNG this is the default image.
fn open<'a>(bytes: &'a [u8], budget: &Budget) -> Result<(Rows<'a>, Layout), PictureError> {
    let mut options = DecodeOptions::default();
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(Limits {
        bytes: DECODER_BYTES,
    });
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(failed)?;
    budget.check_pixels(header.width.into(), header.height.into())?;
    let reader = decoder.read_info().map_err(failed)?;
    let layout = match reader.output_color_type().0 {
        ColorType::Grayscale => Layout::Grey,
        ColorType::GrayscaleAlpha => Layout::GreyAlpha,
        ColorType::Rgb => Layout::Rgb,
        ColorType::Rgba => Layout::Rgba,
        ColorType::Indexed => return Err(failed("its palette is missing")),
    };
    Ok((reader, layout))
}

fn read_rows(
    reader: &mut Rows,
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
