//! The layers a network is made of, with Keras 3's meaning of every option.

use serde::{Deserialize, Serialize};

/// One step of the network. Axes and shapes never count the batch axis.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Layer {
    /// Where the network begins; only ever the first node.
    Input,
    /// `x * scale + offset`. Each of the two has one value, or one for each entry of the last axis.
    Rescaling {
        /// The factor.
        scale: Vec<f32>,
        /// What is added after it.
        offset: Vec<f32>,
    },
    /// All axes into one, in channels-last order whatever `data_format` the input has.
    Flatten {
        /// `ChannelsFirst` moves the first axis to the end before flattening.
        data_format: DataFormat,
    },
    /// The same values in row-major order under another shape.
    Reshape {
        /// The shape to have; a `-1` of Keras is already replaced by its size.
        target: Vec<usize>,
    },
    /// `activation(x · kernel + bias)` over the last axis, kernel `(inputs, units)`.
    Dense {
        /// Size of the last axis of the output.
        units: usize,
        /// Whether there is a bias `(units)`.
        use_bias: bool,
        /// Applied to the result.
        activation: Activation,
    },
    /// Cross-correlation, kernel `(height, width, input channels / groups, filters)` in either
    /// data format.
    Conv2D {
        /// Channels of the output.
        filters: usize,
        /// Height, width.
        kernel_size: [usize; 2],
        /// Step down, step right.
        strides: [usize; 2],
        /// Distance of the kernel's taps, down and right.
        dilation_rate: [usize; 2],
        /// Input and output channels are split into this many independent groups.
        groups: usize,
        /// What happens at the border.
        padding: Padding,
        /// Where the channels are.
        data_format: DataFormat,
        /// Whether there is a bias `(filters)`.
        use_bias: bool,
        /// Applied to the result.
        activation: Activation,
    },
    /// Largest value of each window; what is padded never wins.
    MaxPooling2D {
        /// Height, width.
        pool_size: [usize; 2],
        /// Step down, step right.
        strides: [usize; 2],
        /// What happens at the border.
        padding: Padding,
        /// Where the channels are.
        data_format: DataFormat,
    },
    /// Mean of each window; what is padded does not count.
    AveragePooling2D {
        /// Height, width.
        pool_size: [usize; 2],
        /// Step down, step right.
        strides: [usize; 2],
        /// What happens at the border.
        padding: Padding,
        /// Where the channels are.
        data_format: DataFormat,
    },
    /// Mean over height and width.
    GlobalAveragePooling2D {
        /// Where the channels are.
        data_format: DataFormat,
        /// Whether the two axes stay, with size 1.
        keepdims: bool,
    },
    /// `gamma * (x - moving_mean) / sqrt(moving_variance + epsilon) + beta` along `axis`.
    BatchNormalization {
        /// The axis that is normalized, not counting the batch axis.
        axis: usize,
        /// Added to the variance.
        epsilon: f32,
        /// Whether there is a `beta`.
        center: bool,
        /// Whether there is a `gamma`.
        scale: bool,
    },
    /// An activation as a layer of its own; also what `LeakyReLU` and `ELU` layers become.
    Activation {
        /// The function.
        activation: Activation,
    },
    /// `max_value` where x reaches it, x above `threshold`, else `negative_slope * (x - threshold)`.
    ReLU {
        /// The ceiling; `None` for none.
        max_value: Option<f32>,
        /// Slope below the threshold.
        negative_slope: f32,
        /// Where x begins to pass.
        threshold: f32,
    },
    /// Softmax along `axis`.
    Softmax {
        /// The axis that sums to one, not counting the batch axis.
        axis: usize,
    },
    /// A layer that does nothing at inference, such as `Dropout` or `RandomFlip`.
    Identity {
        /// Its Keras class.
        class: String,
    },
}

/// An activation function of `keras.activations`.
///
/// `Softmax` and `LogSoftmax` work along the last axis, whatever the layer's data format.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `x`
    Linear,
    /// `max(x, 0)`
    Relu,
    /// `exp(x) / sum(exp(x))` along the last axis
    Softmax,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// Hyperbolic tangent
    Tanh,
    /// `x` where positive, else `alpha * (exp(x) - 1)`
    Elu {
        /// Minus the limit at minus infinity.
        alpha: f32,
    },
    /// `1.0507009873554805 * elu(x, 1.6732632423543772)`
    Selu,
    /// `x * Φ(x)`
    Gelu {
        /// Whether Φ is approximated by tanh.
        approximate: bool,
    },
    /// `x * sigmoid(x)`, also called swish
    Silu,
    /// `x` where positive, else `negative_slope * x`
    LeakyRelu {
        /// Slope of the negative part.
        negative_slope: f32,
    },
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `log(exp(x) + 1)`
    Softplus,
    /// `x / (|x| + 1)`
    Softsign,
    /// `exp(x)`
    Exponential,
    /// `relu6(x + 3) / 6`
    HardSigmoid,
    /// `x * hard_sigmoid(x)`, also called hard swish
    HardSilu,
    /// `log(softmax(x))` along the last axis
    LogSoftmax,
    /// `x * tanh(softplus(x))`
    Mish,
}

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

/// A weight that a layer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightSpec {
    /// Keras's name of it: `kernel`, `bias`, `gamma`, `beta`, `moving_mean`, `moving_variance`.
    pub name: &'static str,
    /// Its shape as Keras has it.
    pub shape: Vec<usize>,
    /// Whether training changes it.
    pub trainable: bool,
}

impl Layer {
    /// The Keras class, as `model.summary()` shows it (`Activation` for `LeakyReLU` and `ELU`).
    #[must_use]
    pub fn class_name(&self) -> &str {
        match self {
            Self::Input => "InputLayer",
            Self::Rescaling { .. } => "Rescaling",
            Self::Flatten { .. } => "Flatten",
            Self::Reshape { .. } => "Reshape",
            Self::Dense { .. } => "Dense",
            Self::Conv2D { .. } => "Conv2D",
            Self::MaxPooling2D { .. } => "MaxPooling2D",
            Self::AveragePooling2D { .. } => "AveragePooling2D",
            Self::GlobalAveragePooling2D { .. } => "GlobalAveragePooling2D",
            Self::BatchNormalization { .. } => "BatchNormalization",
            Self::Activation { .. } => "Activation",
            Self::ReLU { .. } => "ReLU",
            Self::Softmax { .. } => "Softmax",
            Self::Identity { class } => class,
        }
    }

    /// The weights this layer has for an input of that shape, in Keras's order.
    #[must_use]
    pub fn weight_specs(&self, input: &[usize]) -> Vec<WeightSpec> {
        match *self {
            Self::Dense {
                units, use_bias, ..
            } => kernel_and_bias(vec![last(input), units], units, use_bias),
            Self::Conv2D {
                filters,
                kernel_size: [height, width],
                groups,
                data_format,
                use_bias,
                ..
            } => {
                let channels = match data_format {
                    DataFormat::ChannelsLast => last(input),
                    DataFormat::ChannelsFirst => input.first().copied().unwrap_or(0),
                };
                let depth = channels.checked_div(groups).unwrap_or(0);
                kernel_and_bias(vec![height, width, depth, filters], filters, use_bias)
            }
            Self::BatchNormalization {
                axis,
                center,
                scale,
                ..
            } => {
                let size = input.get(axis).copied().unwrap_or(0);
                [
                    (scale, "gamma", true),
                    (center, "beta", true),
                    (true, "moving_mean", false),
                    (true, "moving_variance", false),
                ]
                .into_iter()
                .filter(|&(present, ..)| present)
                .map(|(_, name, trainable)| WeightSpec {
                    name,
                    shape: vec![size],
                    trainable,
                })
                .collect()
            }
            _ => Vec::new(),
        }
    }
}

fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(0)
}

fn kernel_and_bias(kernel: Vec<usize>, outputs: usize, use_bias: bool) -> Vec<WeightSpec> {
    let mut specs = vec![WeightSpec {
        name: "kernel",
        shape: kernel,
        trainable: true,
    }];
    if use_bias {
        specs.push(WeightSpec {
            name: "bias",
            shape: vec![outputs],
            trainable: true,
        });
    }
    specs
}
