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
