//! A decoded picture: 8-bit samples, and the way up that its EXIF data gives.

use super::exif::Orientation;

/// `height` rows of `width` pixels of `layout.channels()` bytes, without padding.
#[derive(Debug, PartialEq, Eq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub layout: Layout,
    pub samples: Vec<u8>,
    pub orientation: Orientation,
}

/// What the bytes of a pixel are. Colours are sRGB, alpha is not multiplied into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
}

impl Layout {
    pub fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// Red, green, blue and alpha of one pixel; `pixel` has at least `channels()` bytes.
    #[inline]
    pub fn rgba(self, pixel: &[u8]) -> [u8; 4] {
        match (self, pixel) {
            (Self::Grey, &[grey, ..]) => [grey, grey, grey, 255],
            (Self::GreyAlpha, &[grey, alpha, ..]) => [grey, grey, grey, alpha],
            (Self::Rgb, &[r, g, b, ..]) => [r, g, b, 255],
            (Self::Rgba, &[r, g, b, a, ..]) => [r, g, b, a],
            _ => [0; 4],
        }
    }
}

impl Picture {
    /// A picture that lies as it is stored: no EXIF data.
    pub fn upright(width: usize, height: usize, layout: Layout, samples: Vec<u8>) -> Self {
        Self {
            width,
            height,
            layout,
            samples,
            orientation: Orientation::default(),
        }
    }

    /// Whether most pixels along the border are black, or nearly: light ink on a dark ground, as MNIST has it.
    pub fn has_black_border(&self) -> bool {
        const NEAR_BLACK: u8 = 20;
        let step = self.layout.channels();
        let stride = step * self.width;
        let is_black = |pixel: &[u8]| {
            let [r, g, b, a] = self.layout.rgba(pixel);
            luma(r, g, b) <= NEAR_BLACK && a == u8::MAX
        };
        let count = |row: &[u8]| match self.layout {
            Layout::Grey => row.iter().filter(|&&grey| grey <= NEAR_BLACK).count(),
            _ => row
                .chunks_exact(step)
                .filter(|pixel| is_black(pixel))
                .count(),
        };
        let inner = self.height.saturating_sub(2);
        let most = |black: usize| black > self.width + inner;
        let ends =
            count(&self.samples[..stride]) + count(&self.samples[self.samples.len() - stride..]);
        // Nearly always that is enough of them.
        if most(ends) {
            return true;
        }
        let edges = self.samples.chunks_exact(stride).skip(1).take(inner);
        let sides: usize = edges
            .map(|row| count(&row[..step]) + count(&row[stride - step..]))
            .sum();
        most(ends + sides)
    }

    /// One grey byte a pixel, in place; alpha is dropped, as Pillow's `convert("L")` does.
    pub fn into_grey(self) -> Vec<u8> {
        let Self {
            layout,
            mut samples,
            ..
        } = self;
        match layout {
            Layout::Grey => {}
            Layout::GreyAlpha => narrow(&mut samples, |[grey, _]| [grey]),
            Layout::Rgb => narrow(&mut samples, |[r, g, b]| [luma(r, g, b)]),
            Layout::Rgba => narrow(&mut samples, |[r, g, b, _]| [luma(r, g, b)]),
        }
        samples
    }
}

/// Makes of each `FROM` bytes `TO` ones, which are not more, in place: a second buffer would be as large as a picture.
pub fn narrow<const FROM: usize, const TO: usize>(
    samples: &mut Vec<u8>,
    convert: impl Fn([u8; FROM]) -> [u8; TO],
) {
    const { assert!(TO <= FROM) };
    let pixels = samples.len() / FROM;
    for i in 0..pixels {
        let from = std::array::from_fn(|k| samples[FROM * i + k]);
        samples[TO * i..][..TO].copy_from_slice(&convert(from));
    }
    samples.truncate(TO * pixels);
}

/// ITU-R BT.601 luma, rounded as Pillow rounds it (`L24` in its Convert.c). The weights sum to 65,536, so grey stays
/// the same grey.
#[inline]
fn luma(r: u8, g: u8, b: u8) -> u8 {
    let [r, g, b] = [r, g, b].map(u32::from);
    ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8
}
