//! Shape inference: what comes out of a layer, with every size checked before it is used.

use super::layer::{Activation, DataFormat, Layer, Padding};

/// Most values that one example may have anywhere in a network: 2^26, which is 256 MiB of float32.
pub const MAX_ELEMENTS: usize = 1 << 26;
/// Most values that all weights of a network may have together: 2^28, which is 1 GiB of float32.
pub const MAX_PARAMETERS: usize = 1 << 28;
/// Most axes of an example, not counting the batch axis.
pub const MAX_RANK: usize = 8;

/// Why a layer cannot take an input of some shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ShapeError(String);

type Shape = Result<Vec<usize>, ShapeError>;

/// Most work for one example: 2^36 multiply-adds or comparisons, four times a large ImageNet classifier.
pub const MAX_WORK: u64 = 1 << 36;

impl Layer {
    /// Multiply-adds, or comparisons, for one example of these shapes; saturates.
    pub(super) fn work(&self, input: &[usize], output: &[usize]) -> u64 {
        let times = |product: u64, &size: &usize| product.saturating_mul(size as u64);
        let each: Vec<usize> = match self {
            Self::Dense { .. } => input.last().copied().into_iter().collect(),
            Self::Conv2D {
                kernel_size: [height, width],
                groups,
                data_format,
                ..
            } => {
                let channels = match data_format {
                    DataFormat::ChannelsLast => input.last(),
                    DataFormat::ChannelsFirst => input.first(),
                };
                let channels = channels.map_or(0, |channels| channels / (*groups).max(1));
                vec![*height, *width, channels]
            }
            Self::MaxPooling2D { pool_size, .. } | Self::AveragePooling2D { pool_size, .. } => {
                pool_size.to_vec()
            }
            _ => Vec::new(),
        };
        output.iter().chain(&each).fold(1, times)
    }

    /// The shape of one example after this layer. Checks the layer's own options too.
    ///
    /// # Errors
    /// An option out of its range, an input that the layer cannot take, or a size beyond
    /// [`MAX_ELEMENTS`].
    pub fn output_shape(&self, input: &[usize]) -> Shape {
        elements(input)?;
        let output = match self {
            Self::Input | Self::Identity { .. } => input.to_vec(),
            Self::Rescaling { scale, offset } => rescaling(scale, offset, input)?,
            Self::Flatten { .. } => vec![elements(input)?],
            Self::Reshape { target } => reshape(target, input)?,
            Self::Dense {
                units, activation, ..
            } => {
                check_activation(*activation)?;
                let (_, outer) = input.split_last().ok_or_else(|| error("has no axis"))?;
                [outer, &[*units]].concat()
            }
            Self::Conv2D { .. } => self.conv_shape(input)?,
            Self::MaxPooling2D {
                pool_size,
                strides,
                padding,
                data_format,
            }
            | Self::AveragePooling2D {
                pool_size,
                strides,
                padding,
                data_format,
            } => {
                let picture = Picture::of(input, *data_format)?;
                let window = Window::new(*pool_size, *strides, [1, 1], *padding)?;
                picture.slide(&window, picture.channels, *data_format)?
            }
            Self::GlobalAveragePooling2D {
                data_format,
                keepdims,
            } => {
                let channels = Picture::of(input, *data_format)?.channels;
                match (keepdims, data_format) {
                    (false, _) => vec![channels],
                    (true, DataFormat::ChannelsLast) => vec![1, 1, channels],
                    (true, DataFormat::ChannelsFirst) => vec![channels, 1, 1],
                }
            }
            Self::BatchNormalization { axis, epsilon, .. } => {
                check_axis(*axis, input)?;
                check(epsilon.is_finite() && *epsilon >= 0.0, || {
                    format!("epsilon is {epsilon}, it must be a number from 0 on")
                })?;
                input.to_vec()
            }
            Self::Activation { activation } => {
                check_activation(*activation)?;
                input.to_vec()
            }
            Self::ReLU {
                max_value,
                negative_slope,
                threshold,
            } => {
                let all = [max_value.unwrap_or(0.0), *negative_slope, *threshold];
                check(all.iter().all(|v| v.is_finite() && *v >= 0.0), || {
                    format!(
                        "max_value, negative_slope and threshold are {all:?}, they must be numbers from 0 on"
                    )
                })?;
                input.to_vec()
            }
            Self::Softmax { axis } => {
                check_axis(*axis, input)?;
                input.to_vec()
            }
        };
        elements(&output)?;
        Ok(output)
    }

    fn conv_shape(&self, input: &[usize]) -> Shape {
        let Self::Conv2D {
            filters,
            kernel_size,
            strides,
            dilation_rate,
            groups,
            padding,
            data_format,
            activation,
            ..
        } = self
        else {
            return Err(error("is no convolution"));
        };
        check_activation(*activation)?;
        let picture = Picture::of(input, *data_format)?;
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
        let window = Window::new(*kernel_size, *strides, *dilation_rate, *padding)?;
        picture.slide(&window, *filters, *data_format)
    }
}

/// Number of values of one example of that shape.
///
/// # Errors
/// No axis, more than [`MAX_RANK`], an empty axis, or more than [`MAX_ELEMENTS`] values.
pub(super) fn elements(shape: &[usize]) -> Result<usize, ShapeError> {
    check(!shape.is_empty() && shape.len() <= MAX_RANK, || {
        format!("the shape {shape:?} must have 1 to {MAX_RANK} axes")
    })?;
    check(!shape.contains(&0), || {
        format!("the shape {shape:?} has an empty axis")
    })?;
    product(shape)
        .filter(|&n| n <= MAX_ELEMENTS)
        .ok_or_else(|| error(format!("the shape {shape:?} exceeds {MAX_ELEMENTS} values")))
}

/// The product of the sizes, or `None` where it overflows.
pub(super) fn product(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d))
}

/// A picture's axes by their meaning.
struct Picture {
    size: [usize; 2],
    channels: usize,
}

impl Picture {
    fn of(shape: &[usize], format: DataFormat) -> Result<Self, ShapeError> {
        let &[first, second, third] = shape else {
            return Err(error(format!(
                "takes a picture of three axes, but its input has the shape {shape:?}"
            )));
        };
        let (size, channels) = match format {
            DataFormat::ChannelsLast => ([first, second], third),
            DataFormat::ChannelsFirst => ([second, third], first),
        };
        Ok(Self { size, channels })
    }

    fn slide(&self, window: &Window, channels: usize, format: DataFormat) -> Shape {
        let [height, padded_height] = window.over(self.size[0], 0)?;
        let [width, padded_width] = window.over(self.size[1], 1)?;
        // The padded input is a tensor too, and a huge window must not make it one of terabytes.
        elements(&[padded_height, padded_width, self.channels])?;
        Ok(match format {
            DataFormat::ChannelsLast => vec![height, width, channels],
            DataFormat::ChannelsFirst => vec![channels, height, width],
        })
    }
}

/// A window that slides over a picture: rows first, columns second.
struct Window {
    extent: [usize; 2],
    strides: [usize; 2],
    padding: Padding,
}

impl Window {
    fn new(
        size: [usize; 2],
        strides: [usize; 2],
        dilation: [usize; 2],
        padding: Padding,
    ) -> Result<Self, ShapeError> {
        let all = [size, strides, dilation];
        check(
            all.iter().flatten().all(|n| (1..=MAX_ELEMENTS).contains(n)),
            || {
                format!(
                    "the window {size:?}, strides {strides:?} and dilation {dilation:?} must be 1 to {MAX_ELEMENTS}"
                )
            },
        )?;
        let extent = |axis: usize| {
            (size[axis] - 1)
                .checked_mul(dilation[axis])
                .and_then(|n| n.checked_add(1))
                .ok_or_else(|| error(format!("the window {size:?} is too large")))
        };
        Ok(Self {
            extent: [extent(0)?, extent(1)?],
            strides,
            padding,
        })
    }

    /// How many windows fit along an axis of `size`, and the size with its padding.
    fn over(&self, size: usize, axis: usize) -> Result<[usize; 2], ShapeError> {
        let (extent, stride) = (self.extent[axis], self.strides[axis]);
        match self.padding {
            Padding::Same => {
                let windows = size.div_ceil(stride);
                let reach = (windows.saturating_sub(1)).saturating_mul(stride);
                Ok([windows, reach.saturating_add(extent).max(size)])
            }
            Padding::Valid => size
                .checked_sub(extent)
                .map(|room| [room / stride + 1, size])
                .ok_or_else(|| {
                    error(format!(
                        "its window is {extent} long (dilation included), its input only {size}"
                    ))
                }),
        }
    }
}

fn rescaling(scale: &[f32], offset: &[f32], input: &[usize]) -> Shape {
    let channels = input.last().copied().unwrap_or(0);
    for (name, values) in [("scale", scale), ("offset", offset)] {
        check(values.len() == 1 || values.len() == channels, || {
            format!(
                "{name} has {} values, it must have 1 or {channels}, the size of the last axis",
                values.len()
            )
        })?;
        check(values.iter().all(|v| v.is_finite()), || {
            format!("{name} holds a value that is not a finite number")
        })?;
    }
    Ok(input.to_vec())
}

fn reshape(target: &[usize], input: &[usize]) -> Shape {
    let (from, to) = (elements(input)?, elements(target)?);
    check(from == to, || {
        format!("cannot reshape {input:?} ({from} values) into {target:?} ({to} values)")
    })?;
    Ok(target.to_vec())
}

fn check_axis(axis: usize, input: &[usize]) -> Result<(), ShapeError> {
    check(axis < input.len(), || {
        format!("axis {axis} (without the batch axis) is outside the input's shape {input:?}")
    })
}

fn check_activation(activation: Activation) -> Result<(), ShapeError> {
    let parameter = match activation {
        Activation::Elu { alpha } => alpha,
        Activation::LeakyRelu { negative_slope } => negative_slope,
        _ => 0.0,
    };
    check(parameter.is_finite(), || {
        format!("the parameter of the activation is {parameter}, it must be finite")
    })
}

fn check(holds: bool, reason: impl FnOnce() -> String) -> Result<(), ShapeError> {
    if holds { Ok(()) } else { Err(error(reason())) }
}

fn error(reason: impl Into<String>) -> ShapeError {
    ShapeError(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [DataFormat; 2] = [DataFormat::ChannelsLast, DataFormat::ChannelsFirst];

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
            let shape = layer.output_shape(&[size, 9, 2]);
            assert_eq!(shape, Ok(vec![expected, 9, 6]), "{layer:?} over {size}");
        }
        let too_long = convolution(4, 1, 2, Valid).output_shape(&[6, 9, 2]);
        assert!(too_long.unwrap_err().to_string().contains("7 long"));
    }

    #[test]
    fn either_data_format_keeps_its_channels_where_they_are() {
        let inputs = [[9, 7, 4], [4, 9, 7]];
        let pooled = [[4, 3, 4], [4, 4, 3]];
        let kept = [[1, 1, 4], [4, 1, 1]];
        for (i, data_format) in FORMATS.into_iter().enumerate() {
            let pool = Layer::MaxPooling2D {
                pool_size: [2, 2],
                strides: [2, 2],
                padding: Padding::Valid,
                data_format,
            };
            assert_eq!(pool.output_shape(&inputs[i]), Ok(pooled[i].to_vec()));
            for (keepdims, expected) in [(false, vec![4]), (true, kept[i].to_vec())] {
                let global = Layer::GlobalAveragePooling2D {
                    data_format,
                    keepdims,
                };
                assert_eq!(global.output_shape(&inputs[i]), Ok(expected));
            }
        }
    }

    #[test]
    fn a_window_that_would_pad_a_picture_to_terabytes_is_refused() {
        let pool = Layer::AveragePooling2D {
            pool_size: [1 << 20, 1 << 20],
            strides: [1, 1],
            padding: Padding::Same,
            data_format: DataFormat::ChannelsLast,
        };
        let error = pool.output_shape(&[28, 28, 1]).unwrap_err();
        assert!(error.to_string().contains("exceeds"), "{error}");
    }
}
