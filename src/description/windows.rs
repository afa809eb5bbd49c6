//! Shapes after what slides a window over a picture: convolution and pooling.

use super::geometry::{DataFormat, Padding, PictureShape, SpreadAxis, extent};
use super::layer::Layer;
use super::shape::{MAX_ELEMENTS, Shape, ShapeError, check, elements, error, picture};

impl Layer {
    pub(super) fn pooling(&self, input: &[usize]) -> Shape {
        let Self::Pooling2D {
            pool_size,
            strides,
            padding,
            data_format,
            ..
        } = self
        else {
            return Err(error("is no pooling"));
        };
        let window = Window {
            size: *pool_size,
            strides: *strides,
            dilation: [1, 1],
            padding: *padding,
        };
        let picture = picture(*data_format, input)?;
        window.slide(&picture, picture.channels, *data_format)
    }

    pub(super) fn convolution(&self, input: &[usize]) -> Shape {
        let Self::Conv2D {
            filters,
            kernel_size,
            strides,
            dilation_rate,
            groups,
            padding,
            data_format,
            ..
        } = self
        else {
            return Err(error("is no convolution"));
        };
        let picture = picture(*data_format, input)?;
        let divides = |n: usize| n.checked_rem(*groups) == Some(0);
        check(divides(picture.channels) && divides(*filters), || {
            format!(
                "groups = {groups} must divide both the {} input channels and the {filters} filters",
                picture.channels
            )
        })?;
        let strided = strides.iter().any(|&s| s > 1);
        check(!(strided && dilation_rate.iter().any(|&d| d > 1)), || {
            format!(
                "strides {strides:?} and dilation_rate {dilation_rate:?} cannot both be above 1"
            )
        })?;
        let window = Window {
            size: *kernel_size,
            strides: *strides,
            dilation: *dilation_rate,
            padding: *padding,
        };
        window.slide(&picture, *filters, *data_format)
    }

    pub(super) fn transposed_convolution(&self, input: &[usize]) -> Shape {
        let Self::Conv2DTranspose {
            filters,
            kernel_size,
            strides,
            dilation_rate,
            begin,
            size,
            data_format,
            ..
        } = self
        else {
            return Err(error("is no transposed convolution"));
        };
        let picture = picture(*data_format, input)?;
        let window = Window {
            size: *kernel_size,
            strides: *strides,
            dilation: *dilation_rate,
            padding: Padding::Valid,
        };
        window.check()?;
        let sizes = [picture.height, picture.width];
        let axes = [0, 1].map(|axis| SpreadAxis {
            size: sizes[axis],
            stride: strides[axis],
            reach: extent(kernel_size[axis], dilation_rate[axis]),
            begin: begin[axis],
            output: size[axis],
        });
        // The full result is a tensor too, with what is missing behind it.
        let made = axes.map(|axis| {
            let full = axis.spread().saturating_add(axis.reach - 1);
            full.max(axis.output)
        });
        elements(&[made[0], made[1], *filters])?;
        check(axes.iter().all(|axis| axis.begin < axis.reach), || {
            let reach = axes.map(|axis| axis.reach);
            format!("it begins at {begin:?}, beyond the first pixel's {reach:?}")
        })?;
        // And so is the picture with the padding of the convolution over the spread one.
        let padded = axes.map(|axis| {
            let padding = axis.padding().map(|positions| positions / axis.stride);
            padding
                .iter()
                .fold(axis.size, |size, more| size.saturating_add(*more))
        });
        elements(&[padded[0], padded[1], picture.channels])?;
        Ok(data_format.shape(*size, *filters))
    }
}

/// A window that slides over a picture: rows first, columns second.
struct Window {
    size: [usize; 2],
    strides: [usize; 2],
    dilation: [usize; 2],
    padding: Padding,
}

impl Window {
    fn check(&self) -> Result<(), ShapeError> {
        let (size, strides, dilation) = (self.size, self.strides, self.dilation);
        let mut all = [size, strides, dilation].into_iter().flatten();
        check(all.all(|n| (1..=MAX_ELEMENTS).contains(&n)), || {
            format!(
                "the window {size:?}, strides {strides:?} and dilation {dilation:?} must be 1 to {MAX_ELEMENTS}"
            )
        })
    }

    fn slide(&self, picture: &PictureShape, channels: usize, format: DataFormat) -> Shape {
        self.check()?;
        let [height, padded_height] = self.over(picture.height, 0)?;
        let [width, padded_width] = self.over(picture.width, 1)?;
        // The padded input is a tensor too, and a huge window must not make it one of terabytes.
        elements(&[padded_height, padded_width, picture.channels])?;
        Ok(format.shape([height, width], channels))
    }

    /// How many windows fit along an axis of `size`, and the size with its padding.
    fn over(&self, size: usize, axis: usize) -> Result<[usize; 2], ShapeError> {
        let reach = extent(self.size[axis], self.dilation[axis]);
        let windows = self.padding.windows(size, reach, self.strides[axis]);
        let windows = windows.ok_or_else(|| {
            error(format!(
                "its window is {reach} long (dilation included), its input only {size}"
            ))
        })?;
        let [before, after] = self.padding.amounts(size, reach, self.strides[axis]);
        let padded = size.saturating_add(before).saturating_add(after);
        Ok([windows, padded])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::Activation;
    use crate::description::Pool;

    fn convolution(kernel: usize, stride: usize, dilation: usize, padding: Padding) -> Layer {
        Layer::Conv2D {
            filters: 6,
            kernel_size: [kernel, 1],
            strides: [stride, 1],
            dilation_rate: [dilation, 1],
            groups: 1,
            padding,
            data_format: DataFormat::ChannelsLast,
            use_bias: true,
            activation: Activation::Linear,
        }
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

    fn pooling(size: usize, strides: usize, padding: Padding, data_format: DataFormat) -> Layer {
        Layer::Pooling2D {
            kind: Pool::Average,
            pool_size: [size; 2],
            strides: [strides; 2],
            padding,
            data_format,
        }
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
