//! Where a picture's axes are, and how a window moves over them.

use serde::{Deserialize, Serialize};

/// What a window does at the border, as TensorFlow defines it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Only whole windows: `(input - window) / stride + 1`.
    Valid,
    /// Padded so that `ceil(input / stride)` windows fit; an odd padding has the extra one at the
    /// bottom and the right.
    Same,
}

/// Where the channels of a picture are.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFormat {
    /// `(height, width, channels)`
    ChannelsLast,
    /// `(channels, height, width)`
    ChannelsFirst,
}

/// The sizes of a picture by their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureShape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
}

impl Padding {
    /// How many windows of `extent` fit along an axis of `size`; `None` where none does, or where
    /// the stride is 0.
    #[must_use]
    pub fn windows(self, size: usize, extent: usize, stride: usize) -> Option<usize> {
        match self {
            Self::Same if stride > 0 => Some(size.div_ceil(stride)),
            Self::Same => None,
            Self::Valid => size.checked_sub(extent)?.checked_div(stride).map(|n| n + 1),
        }
    }

    /// What is padded before and after an axis of `size`, for windows of `extent`
    /// (`tf.nn.convolution`, "SAME"); saturates.
    #[must_use]
    pub fn amounts(self, size: usize, extent: usize, stride: usize) -> [usize; 2] {
        match self {
            Self::Valid => [0, 0],
            Self::Same => {
                let last = size.div_ceil(stride.max(1)).saturating_sub(1);
                let reach = last.saturating_mul(stride).saturating_add(extent);
                let total = reach.saturating_sub(size);
                [total / 2, total - total / 2]
            }
        }
    }
}

/// How far a kernel of `size` reaches whose taps are `dilation` apart; saturates.
#[must_use]
pub fn extent(size: usize, dilation: usize) -> usize {
    size.saturating_sub(1)
        .saturating_mul(dilation)
        .saturating_add(1)
}

/// One axis of a transposed convolution, as that of a convolution over a picture whose pixels are
/// as far apart as the strides, with zeros between them. All of it saturates.
#[derive(Clone, Copy, Debug)]
pub struct SpreadAxis {
    /// Pixels of the input, at least one.
    pub size: usize,
    /// Positions from one pixel to the next.
    pub stride: usize,
    /// How far the kernel reaches, see [`extent`]; at least one.
    pub reach: usize,
    /// Where the output begins in what all pixels reach; before `reach`.
    pub begin: usize,
    /// How long the output is.
    pub output: usize,
}

impl SpreadAxis {
    /// Positions from the first pixel to the last, both included.
    #[must_use]
    pub fn spread(&self) -> usize {
        let steps = self.size.saturating_sub(1);
        steps.saturating_mul(self.stride).saturating_add(1)
    }

    /// Positions of padding before and after.
    #[must_use]
    pub fn padding(&self) -> [usize; 2] {
        let before = self.reach.saturating_sub(1).saturating_sub(self.begin);
        let end = self.begin.saturating_add(self.output);
        [before, end.saturating_sub(self.spread())]
    }

    /// How many results there are with that padding: more than the output has if that ends before
    /// the last pixel.
    #[must_use]
    pub fn results(&self) -> usize {
        self.output.max(self.spread().saturating_sub(self.begin))
    }
}

impl DataFormat {
    /// The axis of the channels of an example of that rank (1 at least).
    #[must_use]
    pub fn channel_axis(self, rank: usize) -> usize {
        match self {
            Self::ChannelsLast => rank.saturating_sub(1),
            Self::ChannelsFirst => 0,
        }
    }

    /// The axes that are not the channels', ascending.
    #[must_use]
    pub fn spatial_axes(self, rank: usize) -> Vec<usize> {
        let channel = self.channel_axis(rank);
        (0..rank).filter(|&axis| axis != channel).collect()
    }

    /// A shape of three axes by their meaning; `None` for any other.
    #[must_use]
    pub fn picture(self, shape: &[usize]) -> Option<PictureShape> {
        let &[first, second, third] = shape else {
            return None;
        };
        let (height, width, channels) = match self {
            Self::ChannelsLast => (first, second, third),
            Self::ChannelsFirst => (second, third, first),
        };
        Some(PictureShape {
            height,
            width,
            channels,
        })
    }

    /// The shape of such a picture.
    #[must_use]
    pub fn shape(self, [height, width]: [usize; 2], channels: usize) -> Vec<usize> {
        match self {
            Self::ChannelsLast => vec![height, width, channels],
            Self::ChannelsFirst => vec![channels, height, width],
        }
    }
}
