//! Convolutions: one, two-dimensional, depthwise, separable and transposed.

use serde_json::Value;

use super::builder::{Builder, Read};
use super::picture_input::PictureInput;
use crate::description::{Activation, Conv2D, Conv2DTranspose, Layer, Padding, extent};
use crate::keras::Error;
use crate::keras::graph::Variable;

/// The options of a kernel that all convolutions have.
struct KernelOptions {
    kernel_size: [usize; 2],
    strides: [usize; 2],
    dilation_rate: [usize; 2],
}

impl KernelOptions {
    fn of(builder: &Builder, input: &PictureInput) -> Result<Self, Error> {
        if builder.options.get("kernel_size").is_none() {
            return Err(builder.options.absent("kernel_size"));
        }
        Ok(Self {
            kernel_size: input.sizes(builder, "kernel_size", 1, 1)?,
            strides: input.sizes(builder, "strides", 1, 1)?,
            dilation_rate: input.sizes(builder, "dilation_rate", 1, 1)?,
        })
    }

    fn reach(&self, axis: usize) -> usize {
        extent(self.kernel_size[axis], self.dilation_rate[axis])
    }
}

/// `keras.layers.Conv1D` and `Conv2D`
pub fn conv(builder: &mut Builder) -> Read {
    let input = PictureInput::of(builder)?;
    let window = KernelOptions::of(builder, &input)?;
    let (picture, padding) = input.padded(builder, window.reach(1))?;
    let layer = Layer::Conv2D(Conv2D {
        filters: builder.options.size("filters")?,
        kernel_size: window.kernel_size,
        strides: window.strides,
        dilation_rate: window.dilation_rate,
        groups: builder.options.size_or("groups", 1)?,
        padding,
        data_format: input.data_format,
        use_bias: builder.options.bool("use_bias", true)?,
        activation: builder.options.activation()?,
    });
    let node = builder.push(layer, picture)?;
    let kernel = builder.specs(node).remove(0).1;
    kernel_and_bias(builder, &input, node, ("kernel", &["kernel"]), kernel);
    input.back(builder, node)
}

/// `keras.layers.DepthwiseConv1D` and `DepthwiseConv2D`: every channel is a group. The kernel
/// `(height, width, channels, multiplier)` has the order of `(height, width, 1, filters)`.
pub fn depthwise_conv(builder: &mut Builder) -> Read {
    let input = PictureInput::of(builder)?;
    let window = KernelOptions::of(builder, &input)?;
    let (picture, padding) = input.padded(builder, window.reach(1))?;
    let multiplier = builder.options.size_or("depth_multiplier", 1)?;
    let layer = Conv2D {
        use_bias: builder.options.bool("use_bias", true)?,
        activation: builder.options.activation()?,
        ..depthwise(&input, &window, multiplier, padding)
    };
    let node = builder.push(Layer::Conv2D(layer), picture)?;
    let [height, width] = window.kernel_size;
    let kernel = vec![height, width, input.channels, multiplier];
    let names = ("kernel", &["kernel", "depthwise_kernel"][..]);
    kernel_and_bias(builder, &input, node, names, kernel);
    input.back(builder, node)
}

/// `keras.layers.SeparableConv1D` and `SeparableConv2D`: one that is depthwise, and then one of
/// single pixels, which has the bias and the activation.
pub fn separable_conv(builder: &mut Builder) -> Read {
    let input = PictureInput::of(builder)?;
    let window = KernelOptions::of(builder, &input)?;
    let (picture, padding) = input.padded(builder, window.reach(1))?;
    let multiplier = builder.options.size_or("depth_multiplier", 1)?;
    let layer = depthwise(&input, &window, multiplier, padding);
    let deep = builder.push_part("depthwise", Layer::Conv2D(layer), &[picture])?;
    let layer = Layer::Conv2D(Conv2D {
        filters: builder.options.size("filters")?,
        kernel_size: [1, 1],
        strides: [1, 1],
        dilation_rate: [1, 1],
        groups: 1,
        padding: Padding::Valid,
        data_format: input.data_format,
        use_bias: builder.options.bool("use_bias", true)?,
        activation: builder.options.activation()?,
    });
    let node = builder.push(layer, deep)?;
    let [height, width] = window.kernel_size;
    builder.variable(Variable {
        path: String::new(),
        name: "depthwise_kernel",
        names: &[],
        shape: input.stored(vec![height, width, input.channels, multiplier]),
        trainable: true,
        target: Some(("depthwise", 0)),
    });
    let kernel = builder.specs(node).remove(0).1;
    kernel_and_bias(builder, &input, node, ("pointwise_kernel", &[]), kernel);
    input.back(builder, node)
}

/// A convolution without bias and activation, in which every channel is a group.
fn depthwise(
    input: &PictureInput,
    window: &KernelOptions,
    multiplier: usize,
    padding: Padding,
) -> Conv2D {
    Conv2D {
        filters: input.channels.saturating_mul(multiplier),
        kernel_size: window.kernel_size,
        strides: window.strides,
        dilation_rate: window.dilation_rate,
        groups: input.channels,
        padding,
        data_format: input.data_format,
        use_bias: false,
        activation: Activation::Linear,
    }
}

/// The variables of a convolution: a kernel of that shape under one of these names, and a bias.
fn kernel_and_bias(
    builder: &mut Builder,
    input: &PictureInput,
    node: usize,
    (name, names): (&'static str, &'static [&'static str]),
    kernel: Vec<usize>,
) {
    let variable = |name, names, shape, index| Variable {
        path: String::new(),
        name,
        names,
        shape,
        trainable: true,
        target: Some(("", index)),
    };
    builder.variable(variable(name, names, input.stored(kernel), 0));
    if let Some((name, shape)) = builder.specs(node).into_iter().nth(1) {
        builder.variable(variable(name, &[], shape, 1));
    }
}

/// `keras.layers.Conv1DTranspose` and `Conv2DTranspose`
pub fn conv_transpose(builder: &mut Builder) -> Read {
    let input = PictureInput::of(builder)?;
    let window = KernelOptions::of(builder, &input)?;
    let padding = builder.options.padding()?;
    let output_padding = match builder.options.get("output_padding") {
        Some(_) => Some(output_padding(builder, &input)?),
        None => None,
    };
    let along = |axis: usize| TransposedAxis {
        size: input.size[axis],
        kernel: window.kernel_size[axis],
        stride: window.strides[axis],
        dilation: window.dilation_rate[axis],
        output_padding: output_padding.map(|padding| padding[axis]),
    };
    let [[begin_y, size_y], [begin_x, size_x]] = [along(0).cut(padding), along(1).cut(padding)];
    let layer = Layer::Conv2DTranspose(Conv2DTranspose {
        filters: builder.options.size("filters")?,
        kernel_size: window.kernel_size,
        strides: window.strides,
        dilation_rate: window.dilation_rate,
        begin: [begin_y, begin_x],
        size: [size_y, size_x],
        data_format: input.data_format,
        use_bias: builder.options.bool("use_bias", true)?,
        activation: builder.options.activation()?,
    });
    let picture = input.picture(builder)?;
    let node = builder.push(layer, picture)?;
    let kernel = builder.specs(node).remove(0).1;
    kernel_and_bias(builder, &input, node, ("kernel", &["kernel"]), kernel);
    input.back(builder, node)
}

fn output_padding(builder: &Builder, input: &PictureInput) -> Result<[usize; 2], Error> {
    let key = "output_padding";
    let read = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let value = builder.options.get(key).unwrap_or(&Value::Null);
    let list = match value.as_array() {
        Some(list) => list.iter().map(read).collect::<Option<Vec<_>>>(),
        None => read(value).map(|n| vec![n; if input.is_line { 1 } else { 2 }]),
    };
    match (list.as_deref(), input.is_line) {
        (Some(&[along]), true) => Ok([0, along]),
        (Some(&[down, right]), false) => Ok([down, right]),
        _ => Err(builder
            .options
            .unsupported(key, value, "expected whole numbers from 0 on")),
    }
}

/// One axis of a transposed convolution.
struct TransposedAxis {
    size: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    output_padding: Option<usize>,
}

impl TransposedAxis {
    /// Where the output begins in the full result, and how long it is. The length is that of
    /// `keras.src.backend.common.backend_utils._get_output_shape_given_tf_padding`; where it begins
    /// is how TensorFlow pads the convolution of which this is the gradient.
    fn cut(&self, padding: Padding) -> [usize; 2] {
        let reach = extent(self.kernel, self.dilation);
        let steps = self.size.saturating_sub(1).saturating_mul(self.stride);
        let rest = match (padding, self.output_padding) {
            (Padding::Valid, None) => reach.max(self.stride),
            (Padding::Same, None) => self.stride,
            (Padding::Valid, Some(more)) => reach.saturating_add(more),
            (Padding::Same, Some(more)) => (reach % 2).saturating_add(more),
        };
        let length = steps.saturating_add(rest);
        let begin = match padding {
            Padding::Valid => 0,
            Padding::Same => padding.amounts(length, reach, self.stride)[0],
        };
        [begin, length]
    }
}
