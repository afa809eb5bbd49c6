//! The PNG of a digit, as most programs write it.
//!
//! A third of what such a request costs would be `png`'s preparations for a larger picture: it lays out a table of 4,096
//! codes before it reads the first. Nothing of PNG is left for a picture that is small, plain and without fault but to
//! inflate it and to undo five filters.

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};

use crate::preprocess::Budget;
use crate::preprocess::picture::{Layout, Picture};

/// Width and height that are small, in pixels.
const SMALL: usize = 64;
/// Bytes of the longest row.
const LONGEST_ROW: usize = SMALL * 4;
/// The last chunk, checksum and all.
const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

thread_local! {
    /// Kilobytes of tables, which need not be made each time.
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(true));
}

/// The picture, if it is a small one of 8 bits in the plainest of files: header, samples, end, and each checksum right.
/// All others, and what to say of a broken one, are left to [`super::png`].
pub fn decode(bytes: &[u8], budget: &Budget) -> Option<Picture> {
    let plain = Plain::read(bytes)?;
    let (width, height) = (plain.width, plain.height);
    let pixels = budget.check_pixels(width as u64, height as u64).ok()?;
    let (step, stride) = (plain.layout.channels(), width * plain.layout.channels());
    let filtered = inflate(plain.data, (1 + stride) * height)?;
    let mut samples = vec![0; pixels * step];
    let mut above = &[0; LONGEST_ROW][..stride];
    let rows = samples.chunks_exact_mut(stride);
    for (row, filtered) in rows.zip(filtered.chunks_exact(1 + stride)) {
        unfilter(filtered, above, row, step)?;
        above = row;
    }
    Some(Picture::upright(width, height, plain.layout, samples))
}

/// What a plain file says.
struct Plain<'a> {
    width: usize,
    height: usize,
    layout: Layout,
    /// The samples: filtered, compressed.
    data: &'a [u8],
}

impl<'a> Plain<'a> {
    /// A file of the chunks IHDR, one IDAT and IEND, of 8 bits a sample, without a palette, not interlaced (PNG
    /// specification, sections 5.3 and 11.2.1).
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = chunk(bytes.get(8..)?, b"IHDR")?;
        let (data, rest) = chunk(rest, b"IDAT")?;
        let (width, header) = header.split_first_chunk()?;
        let (height, header) = header.split_first_chunk()?;
        let layout = match header {
            [8, 0, 0, 0, 0] => Layout::Grey,
            [8, 4, 0, 0, 0] => Layout::GreyAlpha,
            [8, 2, 0, 0, 0] => Layout::Rgb,
            [8, 6, 0, 0, 0] => Layout::Rgba,
            _ => return None,
        };
        let [width, height] = [width, height].map(|side| u32::from_be_bytes(*side) as usize);
        let is_small = width.max(height) <= SMALL && width.min(height) > 0;
        (is_small && rest == END).then_some(Self {
            width,
            height,
            layout,
            data,
        })
    }
}

/// The data of a chunk of this type whose checksum is right, and what follows it.
fn chunk<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<(&'a [u8], &'a [u8])> {
    let (length, bytes) = bytes.split_first_chunk()?;
    let length = u32::from_be_bytes(*length) as usize;
    let (summed, bytes) = bytes.split_at_checked(length.checked_add(4)?)?;
    let (checksum, rest) = bytes.split_first_chunk()?;
    let data = summed.strip_prefix(name)?;
    let mut sum = flate2::Crc::new();
    sum.update(summed);
    (sum.sum() == u32::from_be_bytes(*checksum)).then_some((data, rest))
}

/// The `length` bytes that a zlib stream holds, if it holds as many, its checksum is right and nothing follows it.
fn inflate(stream: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    INFLATE.with_borrow_mut(|inflate| {
        inflate.reset(true);
        let status = inflate.decompress(stream, &mut bytes, FlushDecompress::Finish);
        let ended = matches!(status, Ok(Status::StreamEnd));
        let whole =
            (inflate.total_in(), inflate.total_out()) == (stream.len() as u64, length as u64);
        (ended && whole).then_some(bytes)
    })
}

/// Undoes a row's filter, which its first byte names; `step` bytes are a pixel (PNG specification, section 9.2).
fn unfilter(filtered: &[u8], above: &[u8], row: &mut [u8], step: usize) -> Option<()> {
    let (filter, filtered) = filtered.split_first()?;
    row.copy_from_slice(filtered);
    match filter {
        0 => {}
        1 => undo(row, above, step, |left, _, _| left),
        2 => undo(row, above, step, |_, above, _| above),
        3 => undo(row, above, step, |left, above, _| u8::midpoint(left, above)),
        4 => undo(row, above, step, paeth),
        _ => return None,
    }
    Some(())
}

/// Adds to each byte what is guessed from the ones to its left, above it, and above that to its left.
#[inline(always)]
fn undo(row: &mut [u8], above: &[u8], step: usize, guess: impl Fn(u8, u8, u8) -> u8) {
    for at in 0..row.len() {
        let (left, corner) = match at.checked_sub(step) {
            Some(before) => (row[before], above[before]),
            None => (0, 0),
        };
        row[at] = row[at].wrapping_add(guess(left, above[at], corner));
    }
}

/// The neighbour that is nearest to left + above − corner; the first of them, if two are.
fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, above, corner].map(i16::from);
    let (to_left, to_above, to_corner) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    if to_left <= to_above && to_left <= to_corner {
        left
    } else if to_above <= to_corner {
        above
    } else {
        corner
    }
}

#[cfg(test)]
mod tests {
    use ::png::{BitDepth, ColorType, Encoder, Filter};

    use super::super::png;
    use super::*;
    use crate::preprocess::Limits;

    /// Numbers that look random: xorshift.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % bound as u64) as usize
        }
    }

    const COLORS: [ColorType; 4] = [
        ColorType::Grayscale,
        ColorType::GrayscaleAlpha,
        ColorType::Rgb,
        ColorType::Rgba,
    ];
    const FILTERS: [Filter; 6] = [
        Filter::NoFilter,
        Filter::Sub,
        Filter::Up,
        Filter::Avg,
        Filter::Paeth,
        Filter::Adaptive,
    ];

    /// A picture of this size and some colour type: strokes, or noise.
    fn some_png(numbers: &mut Numbers, [width, height]: [usize; 2]) -> Vec<u8> {
        let color = COLORS[numbers.below(4)];
        let mut samples = vec![0; width * height * color.samples()];
        for _ in 0..numbers.below(8) {
            let from = numbers.below(samples.len());
            let to = samples.len().min(from + numbers.below(99));
            samples[from..to].fill(numbers.below(256) as u8);
        }
        if numbers.below(4) == 0 {
            let levels = 1 + numbers.below(256);
            samples.fill_with(|| numbers.below(levels) as u8);
        }
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, width as u32, height as u32);
        encoder.set_color(color);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_filter(FILTERS[numbers.below(6)]);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&samples).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn some_size(numbers: &mut Numbers) -> [usize; 2] {
        [0; 2].map(|_| 1 + numbers.below(SMALL))
    }

    /// Makes the checksum of the chunk that begins at `at` right again.
    fn sum_up(bytes: &mut [u8], at: usize) {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let end = at + 8 + length;
        let mut checksum = flate2::Crc::new();
        checksum.update(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&checksum.sum().to_be_bytes());
    }

    /// Where IHDR and IDAT begin.
    const HEADER: usize = 8;
    const DATA: usize = 33;

    #[test]
    fn a_small_picture_is_what_png_makes_of_it() {
        let (limits, mut numbers) = (Limits::default(), Numbers(1));
        for _ in 0..600 {
            let size = some_size(&mut numbers);
            let bytes = some_png(&mut numbers, size);
            let budget = Budget::new(&limits);
            let picture = decode(&bytes, &budget).expect("it is small and plain");
            assert_eq!(picture, png::decode(&bytes, &budget).unwrap());
        }
    }

    #[test]
    fn a_picture_whose_samples_are_broken_is_left_to_png() {
        let (limits, mut numbers) = (Limits::default(), Numbers(2));
        let mut left = 0;
        for _ in 0..3_000 {
            let size = some_size(&mut numbers);
            let mut bytes = some_png(&mut numbers, size);
            let budget = Budget::new(&limits);
            let whole = png::decode(&bytes, &budget).unwrap();
            for _ in 0..=numbers.below(3) {
                let at = DATA + 8 + numbers.below(bytes.len() - 16 - DATA - 8);
                bytes[at] = numbers.below(256) as u8;
            }
            sum_up(&mut bytes, DATA);
            match decode(&bytes, &budget) {
                None => left += 1,
                // What was written over need not matter.
                Some(picture) => assert_eq!(picture, whole),
            }
        }
        assert!(left > 2_000, "{left} of 3,000");
    }

    #[test]
    fn what_is_not_plain_and_small_is_left_to_png() {
        let (limits, mut numbers) = (Limits::default(), Numbers(3));
        let budget = Budget::new(&limits);
        let plain = some_png(&mut numbers, [SMALL, SMALL]);
        assert!(decode(&plain, &budget).is_some());
        for length in 0..plain.len() {
            assert_eq!(decode(&plain[..length], &budget), None, "{length} bytes");
        }
        for size in [[SMALL + 1, 1], [1, SMALL + 1]] {
            assert_eq!(decode(&some_png(&mut numbers, size), &budget), None);
        }
        // No width, no height, 16 bits, a palette, another compression, other filters, interlaced.
        for (at, byte) in [
            (11, 0),
            (15, 0),
            (16, 16),
            (17, 3),
            (18, 1),
            (19, 1),
            (20, 1),
        ] {
            let mut other = plain.clone();
            other[HEADER + at] = byte;
            sum_up(&mut other, HEADER);
            assert_eq!(decode(&other, &budget), None, "{byte} at {at}");
        }
        let mut unsummed = plain.clone();
        unsummed[DATA + 8] ^= 1;
        assert_eq!(decode(&unsummed, &budget), None);
        let limits = Limits {
            max_pixels: 0,
            ..limits
        };
        assert_eq!(decode(&plain, &Budget::new(&limits)), None);
    }
}
