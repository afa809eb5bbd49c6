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

    /// One grey byte a pixel; alpha is dropped, as Pillow's `convert("L")` does.
    pub fn into_grey(self) -> Vec<u8> {
        let Self {
            layout, samples, ..
        } = self;
        match layout {
            Layout::Grey => samples,
            Layout::GreyAlpha => samples.chunks_exact(2).map(|p| p[0]).collect(),
            Layout::Rgb => samples.chunks_exact(3).map(luma).collect(),
            Layout::Rgba => samples.chunks_exact(4).map(luma).collect(),
        }
    }
}

/// ITU-R BT.601 luma of a pixel of at least three bytes, rounded as Pillow rounds it (`L24` in
/// its Convert.c). The weights sum to 65,536, so grey stays the same grey.
#[inline]
fn luma(pixel: &[u8]) -> u8 {
    let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8
}
