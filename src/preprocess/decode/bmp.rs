//! Windows bitmaps: 1, 4, 8, 16, 24 and 32 bits a pixel, run-length coding and bit fields.
//!
//! Microsoft's "Bitmap Storage" (BITMAPINFOHEADER and its successors) is the source.

use super::outline::Outline;
use crate::preprocess::picture::{Layout, Picture};
use crate::preprocess::{Budget, PictureError};

fn failed(reason: impl std::fmt::Display) -> PictureError {
    PictureError::undecodable("BMP", reason)
}

fn truncated() -> PictureError {
    failed("it ends too early")
}

/// What the headers say.
struct Header {
    width: usize,
    height: usize,
    bottom_up: bool,
    bits: u16,
    coding: Coding,
    /// Where the pixels begin in the file.
    pixels_at: usize,
    /// Where the palette begins, how many colours it has and how many bytes each has.
    palette_at: usize,
    colours: usize,
    colour_bytes: usize,
}

enum Coding {
    Plain,
    RunLength,
    /// Red, green, blue and alpha.
    Masks([u32; 4]),
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, PictureError> {
    let field = bytes.get(at..at + 2).ok_or_else(truncated)?;
    Ok(u16::from_le_bytes([field[0], field[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, PictureError> {
    let field = bytes.get(at..at + 4).ok_or_else(truncated)?;
    Ok(u32::from_le_bytes([field[0], field[1], field[2], field[3]]))
}

pub fn outline(bytes: &[u8], budget: &Budget) -> Result<Outline, PictureError> {
    let header = Header::read(bytes)?;
    let pixels = budget.check_pixels(header.width as u64, header.height as u64)? as u64;
    let (indices, channels) = match header.coding {
        Coding::Plain => (0, 3),
        // All palette indices come before all colours.
        Coding::RunLength => (pixels, 3),
        Coding::Masks(_) => (0, 4),
    };
    Ok(Outline {
        kind: "BMP",
        width: header.width,
        height: header.height,
        decoding: channels * pixels + indices,
        decoded: channels * pixels,
    })
}

pub fn decode(bytes: &[u8], budget: &Budget) -> Result<Picture, PictureError> {
    let header = Header::read(bytes)?;
    let pixels = budget.check_pixels(header.width as u64, header.height as u64)?;
    let data = bytes.get(header.pixels_at..).ok_or_else(truncated)?;
    let (layout, mut samples) = match (&header.coding, header.bits) {
        (Coding::RunLength, 4 | 8) => {
            let indices = run_length(data, &header, pixels);
            (Layout::Rgb, header.paint(bytes, indices.into_iter())?)
        }
        (Coding::Plain, 1 | 4 | 8) => {
            let indices = header
                .rows(data)?
                .flat_map(|row| unpack(row, header.bits, header.width));
            (Layout::Rgb, header.paint(bytes, indices)?)
        }
        (Coding::Plain, 24 | 32) => {
            let step = usize::from(header.bits / 8);
            let mut samples = Vec::with_capacity(pixels * 3);
            for row in header.rows(data)? {
                samples.extend(row.chunks_exact(step).flat_map(|p| [p[2], p[1], p[0]]));
            }
            (Layout::Rgb, samples)
        }
        (Coding::Plain, 16) => header.bit_fields(data, [0x7c00, 0x03e0, 0x001f, 0])?,
        (Coding::Masks(masks), 16 | 32) => header.bit_fields(data, *masks)?,
        _ => {
            return Err(failed(format_args!(
                "its coding does not go with {} bits a pixel",
                header.bits
            )));
        }
    };
    if header.bottom_up {
        flip(&mut samples, header.width * layout.channels());
    }
    Ok(Picture::upright(
        header.width,
        header.height,
        layout,
        samples,
    ))
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, PictureError> {
        const FILE_HEADER: usize = 14;
        const CORE_HEADER: usize = 12;
        let pixels_at = u32_at(bytes, 10)? as usize;
        let size = u32_at(bytes, FILE_HEADER)? as usize;
        if size == CORE_HEADER {
            let bits = u16_at(bytes, 24)?;
            return Ok(Self {
                width: u16_at(bytes, 18)?.into(),
                height: u16_at(bytes, 20)?.into(),
                bottom_up: true,
                bits,
                coding: Coding::Plain,
                pixels_at,
                palette_at: FILE_HEADER + CORE_HEADER,
                colours: 1 << bits.min(8),
                colour_bytes: 3,
            });
        }
        if !(40..=124).contains(&size) {
            return Err(failed(format_args!("its header has {size} bytes")));
        }
        let bits = u16_at(bytes, 28)?;
        let (coding, masks_after) = match u32_at(bytes, 30)? {
            0 => (Coding::Plain, 0),
            1 | 2 => (Coding::RunLength, 0),
            // The masks lie where a longer header has them, so the place is the same for all.
            3 | 6 => {
                let alpha = if size >= 56 { u32_at(bytes, 66)? } else { 0 };
                let masks = [u32_at(bytes, 54)?, u32_at(bytes, 58)?, u32_at(bytes, 62)?];
                let after = if size < 52 { 12 } else { 0 };
                (Coding::Masks([masks[0], masks[1], masks[2], alpha]), after)
            }
            other => return Err(failed(format_args!("compression {other} is not known"))),
        };
        // Width and height are signed; a negative height means that the top row comes first.
        let width = u32_at(bytes, 18)?.cast_signed();
        let height = u32_at(bytes, 22)?.cast_signed();
        let most = 1 << bits.min(8);
        Ok(Self {
            width: usize::try_from(width).map_err(|_| failed("its width is negative"))?,
            height: height.unsigned_abs() as usize,
            bottom_up: height > 0,
            bits,
            coding,
            pixels_at,
            palette_at: FILE_HEADER + size + masks_after,
            colours: match u32_at(bytes, 46)? as usize {
                0 => most,
                used => used.min(most),
            },
            colour_bytes: 4,
        })
    }

    /// The rows as they lie in the file, without the bytes that fill each up to a multiple of four.
    fn rows<'a>(&self, data: &'a [u8]) -> Result<impl Iterator<Item = &'a [u8]>, PictureError> {
        let used = (self.width * usize::from(self.bits)).div_ceil(8);
        let stride = used.next_multiple_of(4);
        // The last row may lack its filling.
        if data.len() < stride * (self.height - 1) + used {
            return Err(truncated());
        }
        Ok(data
            .chunks(stride)
            .take(self.height)
            .map(move |row| &row[..used]))
    }

    /// RGB of palette indices; an index beyond the palette is black.
    fn paint(
        &self,
        bytes: &[u8],
        indices: impl Iterator<Item = u8>,
    ) -> Result<Vec<u8>, PictureError> {
        let end = self.palette_at + self.colours * self.colour_bytes;
        let palette = bytes.get(self.palette_at..end).ok_or_else(truncated)?;
        let mut colours = [[0; 3]; 256];
        for (colour, bgr) in colours
            .iter_mut()
            .zip(palette.chunks_exact(self.colour_bytes))
        {
            *colour = [bgr[2], bgr[1], bgr[0]];
        }
        let mut samples = Vec::with_capacity(self.width * self.height * 3);
        samples.extend(indices.flat_map(|index| colours[usize::from(index)]));
        Ok(samples)
    }

    fn bit_fields(&self, data: &[u8], masks: [u32; 4]) -> Result<(Layout, Vec<u8>), PictureError> {
        let layout = if masks[3] == 0 {
            Layout::Rgb
        } else {
            Layout::Rgba
        };
        let fields = masks.map(|mask| (mask, mask.trailing_zeros() % 32));
        let step = usize::from(self.bits / 8);
        let mut samples = Vec::with_capacity(self.width * self.height * layout.channels());
        for pixel in self.rows(data)?.flat_map(|row| row.chunks_exact(step)) {
            let value = pixel
                .iter()
                .rfold(0, |value, &byte| value << 8 | u32::from(byte));
            samples.extend(fields[..layout.channels()].iter().map(|&(mask, shift)| {
                let most = u64::from(mask >> shift).max(1);
                (u64::from((value & mask) >> shift) * 255 / most) as u8
            }));
        }
        Ok((layout, samples))
    }
}

/// The palette indices of one row.
fn unpack(row: &[u8], bits: u16, width: usize) -> impl Iterator<Item = u8> {
    let each = usize::from(8 / bits);
    let mask = (0xff_u16 >> (8 - bits)) as u8;
    (0..width).map(move |x| {
        let shift = 8 - usize::from(bits) * (x % each + 1);
        (row[x / each] >> shift) & mask
    })
}

/// RLE8 and RLE4, row by row in the order of the file. What is skipped over, and what is missing
/// at the end, has index 0.
fn run_length(data: &[u8], header: &Header, pixels: usize) -> Vec<u8> {
    let nibbles = header.bits == 4;
    let mut indices = vec![0; pixels];
    let (mut x, mut y) = (0_usize, 0_usize);
    let mut put = |x: &mut usize, y: usize, index: u8| {
        if *x < header.width && y < header.height {
            indices[y * header.width + *x] = index;
        }
        *x += 1;
    };
    let half = |byte: u8, i: usize| {
        if i.is_multiple_of(2) {
            byte >> 4
        } else {
            byte & 15
        }
    };
    let mut rest = data;
    while let [count, value, after @ ..] = rest {
        rest = after;
        match (*count, *value) {
            (0, 0) => (x, y) = (0, y + 1),
            (0, 1) => break,
            (0, 2) => {
                let [right, up, after @ ..] = rest else { break };
                rest = after;
                x = (x + usize::from(*right)).min(header.width);
                y += usize::from(*up);
            }
            (0, literal) => {
                let literal = usize::from(literal);
                let bytes = if nibbles {
                    literal.div_ceil(2)
                } else {
                    literal
                };
                for i in 0..literal {
                    let Some(&byte) = rest.get(if nibbles { i / 2 } else { i }) else {
                        break;
                    };
                    put(&mut x, y, if nibbles { half(byte, i) } else { byte });
                }
                // Each literal run is filled up to an even number of bytes.
                rest = rest.get(bytes.next_multiple_of(2)..).unwrap_or_default();
            }
            (count, value) => {
                for i in 0..usize::from(count) {
                    put(&mut x, y, if nibbles { half(value, i) } else { value });
                }
            }
        }
    }
    indices
}

/// Turns the order of the rows round.
fn flip(samples: &mut [u8], stride: usize) {
    let rows = samples.len() / stride;
    let (upper, lower) = samples.split_at_mut(rows / 2 * stride);
    for (a, b) in upper
        .chunks_exact_mut(stride)
        .zip(lower.rchunks_exact_mut(stride))
    {
        a.swap_with_slice(b);
    }
}
