//! What a model takes for a picture: its size, its colours, and how a picture of another size is resized to it.

use std::fmt;
use std::str::FromStr;

/// Width and height of the model's input in pixels, each from 1 to [`Size::MAX_SIDE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub width: usize,
    pub height: usize,
}

impl Size {
    /// The longest side that a model's input may have here.
    pub const MAX_SIDE: usize = 1024;
    /// MNIST's 28 × 28.
    pub const MNIST: Self = Self {
        width: 28,
        height: 28,
    };

    /// How many pixels it has.
    #[must_use]
    pub fn pixels(self) -> usize {
        self.width * self.height
    }
}

/// The picture that a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub size: Size,
    pub colours: Colours,
    /// How [`Fit::Resize`](super::Fit::Resize) resamples.
    pub filter: Filter,
    /// What of a picture [`Fit::Resize`](super::Fit::Resize) takes.
    pub crop: Crop,
}

/// The bytes of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    Grey,
    Rgb,
    /// With alpha, which is not multiplied into the colours.
    Rgba,
}

impl Colours {
    /// How many bytes a pixel has.
    #[must_use]
    pub fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// What a row of such bytes is.
impl fmt::Display for Colours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grey => "grey values",
            Self::Rgb => "pixels of red, green and blue",
            Self::Rgba => "pixels of red, green, blue and alpha",
        })
    }
}

/// The filters of Pillow and of `keras.utils.load_img`, under the names that they have there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The source pixel in the middle of each target pixel: `load_img`'s default.
    Nearest,
    /// The mean of the source pixels that a target pixel covers.
    Box,
    /// A triangle.
    Bilinear,
    /// A Hamming window over a sinc, as wide as a triangle.
    Hamming,
    /// R. Keys, "Cubic convolution interpolation for digital image processing" (1981), a = -0.5.
    Bicubic,
    /// A sinc of three lobes.
    Lanczos,
}

/// What of a picture is resized, if its sides are not in the proportion of the model's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Crop {
    /// All of it, stretched.
    #[default]
    Nothing,
    /// Its middle, cut to whole pixels, as `keras.utils.load_img(keep_aspect_ratio=True)` does.
    Pixels,
    /// Its middle, cut between pixels where that is more exact, as Pillow's `ImageOps.fit` does.
    Exact,
}

impl Target {
    /// A grey picture, resized as [`Fit::Resize`](super::Fit::Resize) always did: bicubic, all of it.
    #[must_use]
    pub fn grey(size: Size) -> Self {
        Self {
            size,
            colours: Colours::Grey,
            filter: Filter::Bicubic,
            crop: Crop::Nothing,
        }
    }
}

impl From<Size> for Target {
    fn from(size: Size) -> Self {
        Self::grey(size)
    }
}

impl Filter {
    const NAMES: [(&'static str, Self); 6] = [
        ("nearest", Self::Nearest),
        ("box", Self::Box),
        ("bilinear", Self::Bilinear),
        ("hamming", Self::Hamming),
        ("bicubic", Self::Bicubic),
        ("lanczos", Self::Lanczos),
    ];
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Self::NAMES[*self as usize];
        f.write_str(name)
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut named = Self::NAMES.into_iter();
        named
            .find_map(|(name, filter)| (name == text).then_some(filter))
            .ok_or_else(|| {
                format!(
                    "no filter '{text}': use nearest, box, bilinear, hamming, bicubic or lanczos"
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_is_read_back_as_it_is_shown() {
        for (_, filter) in Filter::NAMES {
            assert_eq!(filter.to_string().parse(), Ok(filter));
        }
        assert!("linear".parse::<Filter>().is_err());
    }
}
