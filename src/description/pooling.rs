//! Windows, and whole axes, as one value each.

use serde::{Deserialize, Serialize};

use super::describe::Describe;
use super::geometry::{DataFormat, Padding, Window};
use super::shape::{Shape, check_some_axes, one};
use super::weight::{NO_WEIGHTS, WeightSpec};
use super::work::{count, each_value, times};

/// Each window as one value; what is padded never wins and does not count.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling2D {
    /// What is made of a window.
    pub kind: Pool,
    /// Height, width.
    pub pool_size: [usize; 2],
    /// Step down, step right.
    pub strides: [usize; 2],
    /// What happens at the border.
    pub padding: Padding,
    /// Where the channels are.
    pub data_format: DataFormat,
}

/// What pooling makes of a window.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The largest value.
    Max,
    /// The mean.
    Average,
}

/// Whole axes as one value; global pooling.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Reduce {
    /// What is made of the values.
    pub kind: Reduction,
    /// Ascending, at least one.
    pub axes: Vec<usize>,
    /// Whether the axes stay, with size 1.
    pub keepdims: bool,
}

/// What is made of whole axes.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The mean.
    Mean,
    /// The sum.
    Sum,
    /// The largest value.
    Max,
    /// The smallest value.
    Min,
}

impl Pooling2D {
    /// How its window slides.
    #[must_use]
    pub fn window(&self) -> Window<2> {
        Window {
            size: self.pool_size,
            strides: self.strides,
            dilation: [1, 1],
            padding: self.padding,
        }
    }
}

impl Describe for Pooling2D {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let (sizes, channels) = self.data_format.picture(one(inputs)?)?;
        let windows = self.window().slide(sizes, channels)?;
        Ok(self.data_format.join(windows, channels))
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, _: &[&[usize]], output: &[usize]) -> u64 {
        times(count(output), &self.pool_size)
    }
}

impl Describe for Reduce {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let input = one(inputs)?;
        check_some_axes(&self.axes, input)?;
        let sizes = input.iter().enumerate();
        Ok(sizes
            .filter_map(
                |(axis, &size)| match (self.axes.contains(&axis), self.keepdims) {
                    (false, _) => Some(size),
                    (true, true) => Some(1),
                    (true, false) => None,
                },
            )
            .collect())
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

#[cfg(test)]
mod tests {
    use super::super::layer::Layer;
    use super::*;

    fn pooling(size: usize, strides: usize, padding: Padding, data_format: DataFormat) -> Layer {
        Layer::Pooling2D(Pooling2D {
            kind: Pool::Average,
            pool_size: [size; 2],
            strides: [strides; 2],
            padding,
            data_format,
        })
    }

    #[test]
    fn either_data_format_keeps_its_channels_where_they_are() {
        let cases = [
            (DataFormat::ChannelsLast, [9, 7, 4], [4, 3, 4]),
            (DataFormat::ChannelsFirst, [4, 9, 7], [4, 4, 3]),
        ];
        for (data_format, input, output) in cases {
            let layer = pooling(2, 2, Padding::Valid, data_format);
            assert_eq!(layer.output_shape(&[&input]), Ok(output.to_vec()));
        }
    }

    #[test]
    fn a_window_that_would_pad_a_picture_to_terabytes_is_refused() {
        let layer = pooling(1 << 20, 1, Padding::Same, DataFormat::ChannelsLast);
        let error = layer.output_shape(&[&[28, 28, 1]]).unwrap_err();
        assert!(error.to_string().contains("exceeds"), "{error}");
    }
}
