//! JPEG: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK.

use std::io::Read;
use std::thread::available_parallelism;

use jpeg_decoder::{CodingProcess, Decoder, ImageInfo, PixelFormat};

use super::outline::Outline;
use super::timed::Timed;
use crate::preprocess::exif::Orientation;
use crate::preprocess::picture::{Layout, Picture, narrow};
use crate::preprocess::{Budget, PictureError};

/// Tables, and segments that are read and dropped again, each shorter than 64 KiB.
const SMALL_PARTS: u64 = 256 << 10;

pub fn outline(bytes: &[u8], least: u16, budget: &Budget) -> Result<Outline, PictureError> {
    let mut reader = Timed::new(bytes, budget);
    let mut decoder = Decoder::new(&mut reader);
    let info = read_info(&mut decoder, budget)?;
    let made = scaled(&mut decoder, least, budget)?;
    drop(decoder);
    let is_progressive = info.coding_process == CodingProcess::DctProgressive;
    // The decoder takes one byte at a time, so it stands where the frame header ends.
    let blocks = Blocks::of(&info, &bytes[..reader.position()])
        .ok_or_else(|| PictureError::undecodable("JPEG", "its frame header is cut off"))?;
    let (width, height) = (usize::from(made.width), usize::from(made.height));
    let decoded = (width * height * info.pixel_format.pixel_bytes()) as u64;
    // Of a block of 8 × 8 coefficients, a smaller picture makes fewer samples.
    let samples = |coefficients: u64| (coefficients * scale(&info, &made).pow(2)).div_ceil(64);
    // Of each component there is a plane of samples, of which the picture is made line by line. A progressive picture
    // has the coefficients of all blocks beside, two bytes each, until it is done. What is on its way from coefficients
    // to samples is a row of blocks, or a whole component that no scan has completed.
    let (held, on_the_way) = if is_progressive {
        (2 * blocks.all + samples(blocks.all), 2 * blocks.largest)
    } else {
        (samples(blocks.all), 4 * blocks.row)
    };
    let cores = available_parallelism().map_or(1, usize::from) as u64;
    let making = match info.pixel_format {
        PixelFormat::L8 | PixelFormat::L16 => 0, // The plane is the picture.
        PixelFormat::RGB24 | PixelFormat::CMYK32 => decoded + cores * blocks.line,
    };
    Ok(Outline {
        kind: kind(&info),
        width,
        height,
        // A colour profile and EXIF data are kept, and are parts of the file.
        decoding: held + making.max(on_the_way) + bytes.len() as u64 + SMALL_PARTS,
        decoded,
    })
}

pub fn decode(bytes: &[u8], least: u16, budget: &Budget) -> Result<Picture, PictureError> {
    let mut decoder = Decoder::new(Timed::new(bytes, budget));
    read_info(&mut decoder, budget)?;
    let info = scaled(&mut decoder, least, budget)?;
    let decoded = decoder.decode();
    let mut samples = decoded.map_err(|error| budget.undecodable("JPEG", error))?;
    let orientation = decoder
        .exif_data()
        .map(Orientation::from_exif)
        .unwrap_or_default();
    // With it go the coefficients.
    drop(decoder);
    let layout = match info.pixel_format {
        PixelFormat::L8 | PixelFormat::L16 => Layout::Grey,
        PixelFormat::RGB24 => Layout::Rgb,
        PixelFormat::CMYK32 => {
            narrow(&mut samples, rgb_of_cmyk);
            Layout::Rgb
        }
    };
    Ok(Picture {
        width: info.width.into(),
        height: info.height.into(),
        layout,
        samples,
        orientation,
    })
}

fn read_info(decoder: &mut Decoder<impl Read>, budget: &Budget) -> Result<ImageInfo, PictureError> {
    let read = decoder.read_info();
    read.map_err(|error| budget.undecodable("JPEG", error))?;
    let info = decoder
        .info()
        .ok_or_else(|| PictureError::undecodable("JPEG", "it has no frame header"))?;
    budget.check_pixels(info.width.into(), info.height.into())?;
    if info.coding_process == CodingProcess::Lossless {
        return Err(PictureError::undecodable("JPEG", "it is a lossless JPEG"));
    }
    Ok(info)
}

/// Makes a large picture at a half, a quarter or an eighth of its size, where its longer side has `least` pixels even so:
/// as good as averaged, for less memory and time.
fn scaled(
    decoder: &mut Decoder<impl Read>,
    least: u16,
    budget: &Budget,
) -> Result<ImageInfo, PictureError> {
    let scaled = decoder.scale(least, least);
    scaled.map_err(|error| budget.undecodable("JPEG", error))?;
    decoder
        .info()
        .ok_or_else(|| PictureError::undecodable("JPEG", "it has no frame header"))
}

/// How many eighths of its size a picture is made at.
fn scale(info: &ImageInfo, made: &ImageInfo) -> u64 {
    let (whole, made) = (
        u64::from(info.width.max(info.height)),
        u64::from(made.width.max(made.height)),
    );
    [1, 2, 4]
        .into_iter()
        .find(|eighths| made <= (whole * eighths).div_ceil(8))
        .unwrap_or(8)
}

fn kind(info: &ImageInfo) -> &'static str {
    match (info.coding_process, info.pixel_format) {
        (CodingProcess::DctProgressive, PixelFormat::CMYK32) => "progressive CMYK JPEG",
        (CodingProcess::DctProgressive, _) => "progressive JPEG",
        (_, PixelFormat::CMYK32) => "CMYK JPEG",
        _ => "JPEG",
    }
}

/// How many samples a frame has, cut into blocks of 8 × 8.
struct Blocks {
    /// Of all components.
    all: u64,
    /// Of the component that has the most.
    largest: u64,
    /// Of all components, in one row of units.
    row: u64,
    /// Of all components, in one line of the picture, as long as it may be laid out.
    line: u64,
}

impl Blocks {
    /// A frame header ends with three bytes a component: its number, how many blocks it has across and down in a unit
    /// of the picture, and its quantization table (ITU-T T.81, sections A.1.1 and B.2.2).
    fn of(info: &ImageInfo, frame_header: &[u8]) -> Option<Self> {
        let count = info.pixel_format.pixel_bytes();
        let start = frame_header.len().checked_sub(3 * count)?;
        let (components, _) = frame_header[start..].as_chunks::<3>();
        let factors = components.iter().map(|&[_, factors, _]| {
            let (across, down) = (factors >> 4, factors & 15);
            (u64::from(across), u64::from(down))
        });
        let (across, down) = factors.clone().fold((1, 1), |(a, d), (across, down)| {
            (a.max(across), d.max(down))
        });
        let units_across = u64::from(info.width).div_ceil(8 * across);
        let units_down = u64::from(info.height).div_ceil(8 * down);
        let rows = factors.map(|(across, down)| 64 * units_across * across * down);
        let row: u64 = rows.clone().sum();
        Some(Self {
            all: row * units_down,
            largest: rows.max()? * units_down,
            row,
            line: count as u64 * u64::from(info.width) * across,
        })
    }
}

/// As Pillow's `cmyk2rgb` in its Convert.c.
fn rgb_of_cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let light = u32::from(255 - k);
    [c, m, y].map(|ink| {
        let product = u32::from(ink) * light + 128;
        let absorbed = ((product >> 8) + product) >> 8;
        light.saturating_sub(absorbed) as u8
    })
}
