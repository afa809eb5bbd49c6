//! Convolutions: one, two-dimensional, depthwise, separable and transposed.

use serde_json::Value;

use super::Use;
use crate::description::{
    Activation, Conv2D, Conv2DTranspose, DataFormat, Layer, Pad, Padding, extent,
};
use crate::keras::Error;
use crate::keras::weights::Variable;

type Read = Result<usize, Error>;

/// A layer's input as a picture: what has one dimension becomes a picture of height 1.
pub struct Flat {
    input: usize,
    /// Whether the layer has one dimension.
    is_line: bool,
    pub data_format: DataFormat,
    pub channels: usize,
    /// Height and width.
    pub size: [usize; 2],
}

impl Flat {
    pub fn of(used: &Use) -> Result<Self, Error> {
        let input = used.input()?;
        let is_line = used.options.class.contains("1D");
        let data_format = used.options.data_format()?;
        let shape = used.shape(input);
        let sizes = match is_line {
            true => data_format
                .split(&shape)
                .map(|([steps], channels)| ([1, steps], channels)),
            false => data_format.split(&shape),
        };
        let (size, channels) = sizes.ok_or_else(|| {
            used.error(format!(
                "it takes an input of {} axes (without the batch), not {shape:?}",
                if is_line { 2 } else { 3 }
            ))
        })?;
        Ok(Self {
            input,
            is_line,
            data_format,
            channels,
            size,
        })
    }

    /// An option that has one number a dimension: `missing` where it is absent, `across` for the
    /// height that a line has not.
    pub fn sizes(
        &self,
        used: &Use,
        key: &str,
        missing: usize,
        across: usize,
    ) -> Result<[usize; 2], Error> {
        if self.is_line {
            let [along] = used.options.sizes(key, [missing])?;
            return Ok([across, along]);
        }
        used.options.sizes(key, [missing; 2])
    }

    /// The node with the picture.
    pub fn picture(&self, used: &mut Use) -> Read {
        if !self.is_line {
            return Ok(self.input);
        }
        let target = self.data_format.join(self.size, self.channels);
        used.reshape("picture", self.input, target)
    }

    /// The layer's output, without the height that a line has not.
    pub fn back(&self, used: &mut Use, node: usize) -> Read {
        match self.data_format.split(&used.shape(node)) {
            Some(([1, steps], channels)) if self.is_line => {
                let line = self.data_format.join([steps], channels);
                used.reshape("line", node, line)
            }
            _ => Ok(node),
        }
    }

    /// The node with the picture, padded in front where the padding is causal, and what padding is
    /// left to do.
    fn padded(&self, used: &mut Use, reach: usize) -> Result<(usize, Padding), Error> {
        let picture = self.picture(used)?;
        let causal = Value::from("causal");
        if used.options.get("padding") != Some(&causal) {
            return Ok((picture, used.options.padding()?));
        }
        if !self.is_line {
            let hint = "only layers of one dimension can be causal";
            return Err(used.options.unsupported("padding", &causal, hint));
        }
        let rank = used.shape(picture).len();
        let mut amounts = vec![[0, 0]; rank];
        let width = self.data_format.spatial_axes(rank).last().copied();
        if let Some(ends) = width.and_then(|axis| amounts.get_mut(axis)) {
            *ends = [reach - 1, 0];
        }
        let padded = used.push_part("causal", Layer::Pad(Pad { amounts }), &[picture])?;
        Ok((padded, Padding::Valid))
    }
}

/// What all convolutions have in common.
struct Window {
    kernel_size: [usize; 2],
    strides: [usize; 2],
    dilation_rate: [usize; 2],
}

impl Window {
    fn of(used: &Use, flat: &Flat) -> Result<Self, Error> {
        if used.options.get("kernel_size").is_none() {
            return Err(used.options.absent("kernel_size"));
        }
        Ok(Self {
            kernel_size: flat.sizes(used, "kernel_size", 1, 1)?,
            strides: flat.sizes(used, "strides", 1, 1)?,
            dilation_rate: flat.sizes(used, "dilation_rate", 1, 1)?,
        })
    }

    fn reach(&self, axis: usize) -> usize {
        extent(self.kernel_size[axis], self.dilation_rate[axis])
    }
}

/// `keras.layers.Conv1D` and `Conv2D`
pub fn conv(used: &mut Use) -> Read {
    let flat = Flat::of(used)?;
    let window = Window::of(used, &flat)?;
    let (picture, padding) = flat.padded(used, window.reach(1))?;
    let layer = Layer::Conv2D(Conv2D {
        filters: used.options.size("filters")?,
        kernel_size: window.kernel_size,
        strides: window.strides,
        dilation_rate: window.dilation_rate,
        groups: used.options.size_or("groups", 1)?,
        padding,
        data_format: flat.data_format,
        use_bias: used.options.bool("use_bias", true)?,
        activation: used.options.activation()?,
    });
    let node = used.push(layer, picture)?;
    let kernel = used.specs(node).remove(0).1;
    kernel_and_bias(used, &flat, node, ("kernel", &["kernel"]), kernel);
    flat.back(used, node)
}

/// `keras.layers.DepthwiseConv1D` and `DepthwiseConv2D`: every channel is a group. The kernel
/// `(height, width, channels, multiplier)` has the order of `(height, width, 1, filters)`.
pub fn depthwise_conv(used: &mut Use) -> Read {
    let flat = Flat::of(used)?;
    let window = Window::of(used, &flat)?;
    let (picture, padding) = flat.padded(used, window.reach(1))?;
    let multiplier = used.options.size_or("depth_multiplier", 1)?;
    let layer = Conv2D {
        use_bias: used.options.bool("use_bias", true)?,
        activation: used.options.activation()?,
        ..depthwise(&flat, &window, multiplier, padding)
    };
    let node = used.push(Layer::Conv2D(layer), picture)?;
    let [height, width] = window.kernel_size;
    let kernel = vec![height, width, flat.channels, multiplier];
    let names = ("kernel", &["kernel", "depthwise_kernel"][..]);
    kernel_and_bias(used, &flat, node, names, kernel);
    flat.back(used, node)
}

/// `keras.layers.SeparableConv1D` and `SeparableConv2D`: one that is depthwise, and then one of
/// single pixels, which has the bias and the activation.
pub fn separable_conv(used: &mut Use) -> Read {
    let flat = Flat::of(used)?;
    let window = Window::of(used, &flat)?;
    let (picture, padding) = flat.padded(used, window.reach(1))?;
    let multiplier = used.options.size_or("depth_multiplier", 1)?;
    let layer = depthwise(&flat, &window, multiplier, padding);
    let deep = used.push_part("depthwise", Layer::Conv2D(layer), &[picture])?;
    let layer = Layer::Conv2D(Conv2D {
        filters: used.options.size("filters")?,
        kernel_size: [1, 1],
        strides: [1, 1],
        dilation_rate: [1, 1],
        groups: 1,
        padding: Padding::Valid,
        data_format: flat.data_format,
        use_bias: used.options.bool("use_bias", true)?,
        activation: used.options.activation()?,
    });
    let node = used.push(layer, deep)?;
    let [height, width] = window.kernel_size;
    used.variable(Variable {
        path: String::new(),
        name: "depthwise_kernel",
        names: &[],
        shape: flat.stored(vec![height, width, flat.channels, multiplier]),
        trainable: true,
        target: Some(("depthwise", 0)),
    });
    let kernel = used.specs(node).remove(0).1;
    kernel_and_bias(used, &flat, node, ("pointwise_kernel", &[]), kernel);
    flat.back(used, node)
}

/// One without bias and activation, of which every channel is a group.
fn depthwise(flat: &Flat, window: &Window, multiplier: usize, padding: Padding) -> Conv2D {
    Conv2D {
        filters: flat.channels.saturating_mul(multiplier),
        kernel_size: window.kernel_size,
        strides: window.strides,
        dilation_rate: window.dilation_rate,
        groups: flat.channels,
        padding,
        data_format: flat.data_format,
        use_bias: false,
        activation: Activation::Linear,
    }
}

impl Flat {
    /// A kernel's shape as the file has it: without the height that a line has not.
    fn stored(&self, mut kernel: Vec<usize>) -> Vec<usize> {
        if self.is_line && !kernel.is_empty() {
            kernel.remove(0);
        }
        kernel
    }
}

/// The variables of a convolution: a kernel of that shape under one of these names, and a bias.
fn kernel_and_bias(
    used: &mut Use,
    flat: &Flat,
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
    used.variable(variable(name, names, flat.stored(kernel), 0));
    if let Some((name, shape)) = used.specs(node).into_iter().nth(1) {
        used.variable(variable(name, &[], shape, 1));
    }
}

/// `keras.layers.Conv1DTranspose` and `Conv2DTranspose`
pub fn conv_transpose(used: &mut Use) -> Read {
    let flat = Flat::of(used)?;
    let window = Window::of(used, &flat)?;
    let padding = used.options.padding()?;
    let output_padding = match used.options.get("output_padding") {
        Some(_) => Some(output_padding(used, &flat)?),
        None => None,
    };
    let along = |axis: usize| Along {
        size: flat.size[axis],
        kernel: window.kernel_size[axis],
        stride: window.strides[axis],
        dilation: window.dilation_rate[axis],
        output_padding: output_padding.map(|padding| padding[axis]),
    };
    let [[begin_y, size_y], [begin_x, size_x]] = [along(0).cut(padding), along(1).cut(padding)];
    let layer = Layer::Conv2DTranspose(Conv2DTranspose {
        filters: used.options.size("filters")?,
        kernel_size: window.kernel_size,
        strides: window.strides,
        dilation_rate: window.dilation_rate,
        begin: [begin_y, begin_x],
        size: [size_y, size_x],
        data_format: flat.data_format,
        use_bias: used.options.bool("use_bias", true)?,
        activation: used.options.activation()?,
    });
    let picture = flat.picture(used)?;
    let node = used.push(layer, picture)?;
    let kernel = used.specs(node).remove(0).1;
    kernel_and_bias(used, &flat, node, ("kernel", &["kernel"]), kernel);
    flat.back(used, node)
}

fn output_padding(used: &Use, flat: &Flat) -> Result<[usize; 2], Error> {
    let key = "output_padding";
    let read = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let value = used.options.get(key).unwrap_or(&Value::Null);
    let list = match value.as_array() {
        Some(list) => list.iter().map(read).collect::<Option<Vec<_>>>(),
        None => read(value).map(|n| vec![n; if flat.is_line { 1 } else { 2 }]),
    };
    match (list.as_deref(), flat.is_line) {
        (Some(&[along]), true) => Ok([0, along]),
        (Some(&[down, right]), false) => Ok([down, right]),
        _ => Err(used
            .options
            .unsupported(key, value, "expected whole numbers from 0 on")),
    }
}

/// One axis of a transposed convolution.
struct Along {
    size: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    output_padding: Option<usize>,
}

impl Along {
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
