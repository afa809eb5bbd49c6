//! The PNG of a digit, as most programs write it.
//!
//! Half of what such a request costs is its picture, and more than half of that is how `png` prepares for a larger one.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_png::PngDecoder;

use crate::preprocess::Budget;
use crate::preprocess::picture::{Layout, Picture};

/// Width and height that are small, in pixels.
const SMALL: usize = 64;

/// The picture, if it is a small one of 8 bits in the plainest of files: header, samples, end, and each checksum right.
/// All others, and what to say of a broken one, are left to [`super::png`].
pub fn decode(bytes: &[u8], budget: &Budget) -> Option<Picture> {
    if !is_plain(bytes) {
        return None;
    }
    // Without its `unsafe` kernels, which such a picture does not need.
    let options = DecoderOptions::new_safe()
        .set_max_width(SMALL)
        .set_max_height(SMALL)
        .png_set_confirm_crc(true)
        .inflate_set_confirm_adler(true);
    let mut decoder = PngDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().ok()?;
    let (width, height) = decoder.dimensions()?;
    budget.check_pixels(width as u64, height as u64).ok()?;
    let layout = match decoder.colorspace()? {
        ColorSpace::Luma => Layout::Grey,
        ColorSpace::LumaA => Layout::GreyAlpha,
        ColorSpace::RGB => Layout::Rgb,
        ColorSpace::RGBA => Layout::Rgba,
        _ => return None,
    };
    let samples = decoder.decode_raw().ok()?;
    Some(Picture::upright(width, height, layout, samples))
}

/// Whether the chunks are IHDR, one IDAT and IEND, of 8 bits a sample, without a palette, not interlaced
/// (PNG specification, sections 5.3 and 11.2.1).
fn is_plain(bytes: &[u8]) -> bool {
    let [
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        0,
        0,
        0,
        13,
        b'I',
        b'H',
        b'D',
        b'R',
        rest @ ..,
    ] = bytes
    else {
        return false;
    };
    let [
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        8,
        0 | 2 | 4 | 6,
        0,
        0,
        0,
        _,
        _,
        _,
        _,
        rest @ ..,
    ] = rest
    else {
        return false;
    };
    let [0, 0, high, low, b'I', b'D', b'A', b'T', rest @ ..] = rest else {
        return false;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let end = rest.get(length + 4..);
    matches!(end, Some([0, 0, 0, 0, b'I', b'E', b'N', b'D', _, _, _, _]))
}

#[cfg(test)]
mod tests {
    use super::super::png;
    use super::*;
    use crate::preprocess::Limits;
    use ::png::{BitDepth, ColorType, Encoder, Filter};

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

    /// A picture of some size and colour type, stroked rather than noisy, so that it is compressed.
    fn some_png(numbers: &mut Numbers) -> Vec<u8> {
        let (width, height) = (1 + numbers.below(SMALL), 1 + numbers.below(SMALL));
        let color = COLORS[numbers.below(4)];
        let mut samples = vec![0; width * height * color.samples()];
        for _ in 0..numbers.below(8) {
            let from = numbers.below(samples.len());
            let to = samples.len().min(from + numbers.below(99));
            samples[from..to].fill(numbers.below(256) as u8);
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

    /// Writes over some bytes of the samples, and makes up the checksum.
    fn break_samples(bytes: &mut [u8], numbers: &mut Numbers) {
        let (start, end) = (37, bytes.len() - 16);
        for _ in 0..1 + numbers.below(3) {
            bytes[start + 4 + numbers.below(end - start - 4)] = numbers.below(256) as u8;
        }
        let mut checksum = flate2::Crc::new();
        checksum.update(&bytes[start..end]);
        bytes[end..end + 4].copy_from_slice(&checksum.sum().to_be_bytes());
    }

    #[test]
    fn a_small_picture_is_what_png_makes_of_it() {
        let (limits, mut numbers) = (Limits::default(), Numbers(1));
        for _ in 0..300 {
            let bytes = some_png(&mut numbers);
            let budget = Budget::new(&limits);
            let picture = decode(&bytes, &budget).expect("it is small and plain");
            assert_eq!(picture, png::decode(&bytes, &budget).unwrap());
        }
    }

    #[test]
    fn a_broken_picture_is_left_to_png() {
        let (limits, mut numbers) = (Limits::default(), Numbers(2));
        for _ in 0..3_000 {
            let mut bytes = some_png(&mut numbers);
            let budget = Budget::new(&limits);
            let whole = png::decode(&bytes, &budget).unwrap();
            break_samples(&mut bytes, &mut numbers);
            // What was written over need not matter.
            if let Some(picture) = decode(&bytes, &budget) {
                assert_eq!(picture, whole);
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_png() {
        let (limits, mut numbers) = (Limits::default(), Numbers(3));
        let plain = some_png(&mut numbers);
        let budget = Budget::new(&limits);
        assert!(decode(&plain, &budget).is_some());
        for length in 0..plain.len() {
            assert_eq!(decode(&plain[..length], &budget), None, "{length} bytes");
        }
        for (at, byte) in [(23, 1), (24, 16), (25, 3), (28, 1), (40, b'X'), (45, 0)] {
            let mut other = plain.clone();
            other[at] = byte;
            assert_eq!(decode(&other, &budget), None, "{byte} at {at}");
        }
        let limits = Limits {
            max_pixels: 0,
            ..limits
        };
        assert_eq!(decode(&plain, &Budget::new(&limits)), None);
    }
}
