//! Convolutions, and their transposes.

use serde::{Deserialize, Serialize};

use super::activation::Activation;
use super::describe::Describe;
use super::geometry::{DataFormat, Padding, Window, extent};
use super::shape::{Shape, check, elements, one};
use super::weight::{WeightSpec, first, kernel_and_bias};
use super::work::{count, times};

/// Cross-correlation. Weights: `kernel (height, width, input channels / groups, filters)` in
/// either data format, `bias (filters)`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Conv2D {
    /// Channels of the output.
    pub filters: usize,
    /// Height, width.
    pub kernel_size: [usize; 2],
    /// Step down, step right.
    pub strides: [usize; 2],
    /// Distance of the kernel's taps, down and right.
    pub dilation_rate: [usize; 2],
    /// Input and output channels are split into this many independent groups.
    pub groups: usize,
    /// What happens at the border.
    pub padding: Padding,
    /// Where the channels are.
    pub data_format: DataFormat,
    /// Whether there is a bias.
    pub use_bias: bool,
    /// Applied to the result.
    pub activation: Activation,
}

/// Transposed cross-correlation: input pixel `i` times the kernel is added to the output from
/// `i * stride` on. From what comes of it, `(input - 1) * stride + (kernel - 1) * dilation + 1`
/// long, the part from `begin` on is kept; where it ends before `size` is reached, zeros follow
/// (to which the bias is added as well).
/// Weights: `kernel (height, width, filters, input channels)`, `bias (filters)`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Conv2DTranspose {
    /// Channels of the output.
    pub filters: usize,
    /// Height, width.
    pub kernel_size: [usize; 2],
    /// Step down, step right, in the output.
    pub strides: [usize; 2],
    /// Distance of the kernel's taps, down and right.
    pub dilation_rate: [usize; 2],
    /// Rows and columns that are cut off at the top and the left.
    pub begin: [usize; 2],
    /// Height and width of the output.
    pub size: [usize; 2],
    /// Where the channels are.
    pub data_format: DataFormat,
    /// Whether there is a bias.
    pub use_bias: bool,
    /// Applied to the result.
    pub activation: Activation,
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

impl Conv2D {
    /// How its kernel slides.
    #[must_use]
    pub fn window(&self) -> Window<2> {
        Window {
            size: self.kernel_size,
            strides: self.strides,
            dilation: self.dilation_rate,
            padding: self.padding,
        }
    }
}

impl Describe for Conv2D {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        self.activation.check()?;
        let (sizes, channels) = self.data_format.picture(one(inputs)?)?;
        let Self {
            filters,
            groups,
            strides,
            dilation_rate,
            ..
        } = self;
        let divides = |n: usize| n.checked_rem(*groups) == Some(0);
        check(divides(channels) && divides(*filters), || {
            format!(
                "groups = {groups} must divide both the {channels} input channels and the {filters} filters"
            )
        })?;
        let strided = strides.iter().any(|&s| s > 1);
        check(!(strided && dilation_rate.iter().any(|&d| d > 1)), || {
            format!(
                "strides {strides:?} and dilation_rate {dilation_rate:?} cannot both be above 1"
            )
        })?;
        let windows = self.window().slide(sizes, channels)?;
        Ok(self.data_format.join(windows, *filters))
    }

    fn weights(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        let channels = self.data_format.channels(first(inputs));
        let depth = channels.checked_div(self.groups).unwrap_or(0);
        let kernel = [&self.kernel_size[..], &[depth, self.filters]].concat();
        kernel_and_bias(kernel, self.filters, self.use_bias)
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        let channels = self.data_format.channels(first(inputs));
        let each = channels / self.groups.max(1);
        times(times(count(output), &self.kernel_size), &[each])
    }
}

impl Conv2DTranspose {
    /// Its axes, for an input of that height and width.
    #[must_use]
    pub fn axes(&self, input: [usize; 2]) -> [SpreadAxis; 2] {
        [0, 1].map(|axis| SpreadAxis {
            size: input[axis],
            stride: self.strides[axis],
            reach: extent(self.kernel_size[axis], self.dilation_rate[axis]),
            begin: self.begin[axis],
            output: self.size[axis],
        })
    }
}

impl Describe for Conv2DTranspose {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        self.activation.check()?;
        let (sizes, channels) = self.data_format.picture(one(inputs)?)?;
        let window = Window {
            size: self.kernel_size,
            strides: self.strides,
            dilation: self.dilation_rate,
            padding: Padding::Valid,
        };
        window.check()?;
        let axes = self.axes(sizes);
        // The full result is a tensor too, with what is missing behind it.
        let made = axes.map(|axis| {
            let full = axis.spread().saturating_add(axis.reach - 1);
            full.max(axis.output)
        });
        elements(&[made[0], made[1], self.filters])?;
        check(axes.iter().all(|axis| axis.begin < axis.reach), || {
            let (begin, reach) = (self.begin, axes.map(|axis| axis.reach));
            format!("it begins at {begin:?}, beyond the first pixel's {reach:?}")
        })?;
        // And so is the picture with the padding of the convolution over the spread one.
        let padded = axes.map(|axis| {
            let padding = axis.padding().map(|positions| positions / axis.stride);
            padding
                .iter()
                .fold(axis.size, |size, more| size.saturating_add(*more))
        });
        elements(&[padded[0], padded[1], channels])?;
        Ok(self.data_format.join(self.size, self.filters))
    }

    fn weights(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        let channels = self.data_format.channels(first(inputs));
        let kernel = [&self.kernel_size[..], &[self.filters, channels]].concat();
        kernel_and_bias(kernel, self.filters, self.use_bias)
    }

    fn work(&self, inputs: &[&[usize]], _: &[usize]) -> u64 {
        let Some((sizes, channels)) = self.data_format.split::<2>(first(inputs)) else {
            return 0;
        };
        // Each result has the taps that are on pixels, also those on padding.
        let along = |axis: usize| {
            let stride = self.strides[axis].max(1);
            let results = sizes[axis].saturating_mul(stride).max(self.size[axis]);
            [results, self.kernel_size[axis].div_ceil(stride)]
        };
        let sums = [along(0), along(1)].concat();
        times(times(1, &sums), &[channels, self.filters])
    }
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

#[cfg(test)]
mod tests {
    use super::super::layer::Layer;
    use super::*;

    fn convolution(kernel: usize, stride: usize, dilation: usize, padding: Padding) -> Layer {
        Layer::Conv2D(Conv2D {
            filters: 6,
            kernel_size: [kernel, 1],
            strides: [stride, 1],
            dilation_rate: [dilation, 1],
            groups: 1,
            padding,
            data_format: DataFormat::ChannelsLast,
            use_bias: true,
            activation: Activation::Linear,
        })
    }

    /// Sizes from `keras.src.ops.operation_utils.compute_conv_output_shape`.
    #[test]
    fn a_window_fits_as_often_as_keras_says() {
        use Padding::{Same, Valid};
        for (size, kernel, stride, dilation, padding, expected) in [
            (28, 3, 1, 1, Valid, 26),
            (28, 3, 1, 1, Same, 28),
            (11, 2, 2, 1, Valid, 5),
            (11, 2, 2, 1, Same, 6),
            (10, 3, 1, 2, Valid, 6),
            (10, 3, 1, 4, Same, 10),
            (5, 5, 1, 1, Valid, 1),
            (3, 7, 4, 1, Same, 1),
        ] {
            let layer = convolution(kernel, stride, dilation, padding);
            let shape = layer.output_shape(&[&[size, 9, 2]]);
            assert_eq!(shape, Ok(vec![expected, 9, 6]), "{layer:?} over {size}");
        }
        let too_long = convolution(4, 1, 2, Valid).output_shape(&[&[6, 9, 2]]);
        assert!(too_long.unwrap_err().to_string().contains("7 long"));
    }
}
