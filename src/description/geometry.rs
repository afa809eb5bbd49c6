//! How a window slides over the axes of an example, and which of its axes are the channels.

use serde::{Deserialize, Serialize};

use super::limits::MAX_ELEMENTS;
use super::shape::{ShapeError, check, elements, error};

/// What a window does at the border, as TensorFlow defines it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Only whole windows: `(input - window) / stride + 1`.
    Valid,
    /// Padded so that `ceil(input / stride)` windows fit; an odd padding has the extra one at the
    /// bottom and the right.
    Same,
}

/// Where the channels of an example are.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFormat {
    /// `(height, width, channels)`
    ChannelsLast,
    /// `(channels, height, width)`
    ChannelsFirst,
}

/// A window that slides over `N` axes: over a picture, rows first and columns second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window<const N: usize> {
    /// How many values it takes along each axis.
    pub size: [usize; N],
    /// Steps from one window to the next.
    pub strides: [usize; N],
    /// Steps from one value in it to the next.
    pub dilation: [usize; N],
    /// What happens at the border.
    pub padding: Padding,
}

impl<const N: usize> Window<N> {
    /// What is padded before and after axes of these sizes (`tf.nn.convolution`, "SAME"); saturates.
    #[must_use]
    pub fn amounts(&self, sizes: [usize; N]) -> [[usize; 2]; N] {
        std::array::from_fn(|axis| {
            let reach = extent(self.size[axis], self.dilation[axis]);
            self.padding.amounts(sizes[axis], reach, self.strides[axis])
        })
    }

    /// How many windows fit along axes of these sizes, for an input of so many channels.
    pub(super) fn slide(
        &self,
        sizes: [usize; N],
        channels: usize,
    ) -> Result<[usize; N], ShapeError> {
        self.check()?;
        let mut windows = [0; N];
        for axis in 0..N {
            windows[axis] = self.fit(sizes[axis], axis)?;
        }
        // The padded input is a tensor too, and a huge window must not make it one of terabytes.
        let amounts = self.amounts(sizes);
        let padded = (0..N).map(|axis| {
            let [before, after] = amounts[axis];
            sizes[axis].saturating_add(before).saturating_add(after)
        });
        elements(&padded.chain([channels]).collect::<Vec<_>>())?;
        Ok(windows)
    }

    pub(super) fn check(&self) -> Result<(), ShapeError> {
        let (size, strides, dilation) = (self.size, self.strides, self.dilation);
        let mut all = [size, strides, dilation].into_iter().flatten();
        check(all.all(|n| (1..=MAX_ELEMENTS).contains(&n)), || {
            format!(
                "the window {size:?}, strides {strides:?} and dilation {dilation:?} must be 1 to {MAX_ELEMENTS}"
            )
        })
    }

    fn fit(&self, size: usize, axis: usize) -> Result<usize, ShapeError> {
        let reach = extent(self.size[axis], self.dilation[axis]);
        let windows = self.padding.windows(size, reach, self.strides[axis]);
        windows.ok_or_else(|| {
            error(format!(
                "its window is {reach} long (dilation included), its input only {size}"
            ))
        })
    }
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

    /// What is padded before and after an axis of `size`, for windows of `extent`; saturates.
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

    /// The sizes of the other axes, and the number of channels; `None` for a shape of another rank
    /// than `N + 1`.
    #[must_use]
    pub fn split<const N: usize>(self, shape: &[usize]) -> Option<([usize; N], usize)> {
        let (&channels, sizes) = match self {
            Self::ChannelsLast => shape.split_last()?,
            Self::ChannelsFirst => shape.split_first()?,
        };
        Some((sizes.try_into().ok()?, channels))
    }

    /// The shape with these sizes and so many channels.
    #[must_use]
    pub fn join<const N: usize>(self, sizes: [usize; N], channels: usize) -> Vec<usize> {
        match self {
            Self::ChannelsLast => [&sizes[..], &[channels]].concat(),
            Self::ChannelsFirst => [&[channels], &sizes[..]].concat(),
        }
    }

    /// The height and width of an input that must be a picture, and its channels.
    pub(super) fn picture(self, shape: &[usize]) -> Result<([usize; 2], usize), ShapeError> {
        self.split(shape).ok_or_else(|| {
            error(format!(
                "takes a picture of three axes, but its input has the shape {shape:?}"
            ))
        })
    }

    /// The channels of a picture; 0 for a shape that is no picture.
    pub(super) fn channels(self, shape: &[usize]) -> usize {
        self.split::<2>(shape).map_or(0, |(_, channels)| channels)
    }
}
