//! The operations that a network is made of, with Keras 3's meaning of every option.
//!
//! They are fewer than Keras has layers: a layer that is another one in disguise is taken apart when
//! it is read (see `lower`), so that only one way to compute it is needed. `DepthwiseConv2D` is a
//! [`Layer::Conv2D`] with as many groups as channels, `Conv1D` a [`Layer::Conv2D`] over a picture of
//! height 1, `MultiHeadAttention` four [`Layer::Dense`] around an [`Layer::Attention`].

use serde::{Deserialize, Serialize};

use super::activation::Activation;
use super::geometry::{DataFormat, Padding};

/// One step of the network. Axes and shapes never count the batch axis; axes count from 0.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Layer {
    /// Where the network begins; only ever the first node. No inputs.
    Input,
    /// Does nothing at inference, such as `Dropout` or `RandomFlip`.
    Identity,
    /// The same values in row-major order under another shape; `Flatten` too.
    Reshape {
        /// The shape to have; a `-1` of Keras is already replaced by its size.
        target: Vec<usize>,
    },
    /// Axis `i` of the output is axis `axes[i]` of the input.
    Permute {
        /// Each axis of the input once.
        axes: Vec<usize>,
    },
    /// Repeats the input along axes where it has size 1 (`numpy.broadcast_to`, same rank).
    Broadcast {
        /// The shape to have.
        target: Vec<usize>,
    },
    /// Surrounds the input with zeros.
    Pad {
        /// How many come before and after, for each axis.
        amounts: Vec<[usize; 2]>,
    },
    /// A part of the input, with its rank.
    Slice {
        /// The first position kept and the first not kept any more, for each axis.
        ranges: Vec<[usize; 2]>,
    },
    /// A picture in another size (`tf.image.resize` without antialiasing).
    Resize2D {
        /// Height, width.
        size: [usize; 2],
        /// How values between pixels are made.
        interpolation: Interpolation,
        /// Where the channels are.
        data_format: DataFormat,
    },
    /// `x * scale + offset`. Each of the two has one value, or one for each entry of the last axis.
    Rescaling {
        /// The factor.
        scale: Vec<f32>,
        /// What is added after it.
        offset: Vec<f32>,
    },
    /// `(x - mean) / max(sqrt(variance), 1e-7)`, inverted `mean + x * max(sqrt(variance), 1e-7)`.
    /// Weights: `mean`, `variance`, both of the sizes of `axes` (one value where there are none).
    Normalization {
        /// The axes along which they differ, ascending; none for one mean for all.
        axes: Vec<usize>,
        /// Whether the layer undoes a normalization.
        invert: bool,
    },
    /// `activation(x · kernel + bias)` over the last axis.
    /// Weights: `kernel (inputs, units)`, `bias (units)`.
    Dense {
        /// Size of the last axis of the output.
        units: usize,
        /// Whether there is a bias.
        use_bias: bool,
        /// Applied to the result.
        activation: Activation,
    },
    /// Cross-correlation. Weights: `kernel (height, width, input channels / groups, filters)` in
    /// either data format, `bias (filters)`.
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
        /// Whether there is a bias.
        use_bias: bool,
        /// Applied to the result.
        activation: Activation,
    },
    /// Transposed cross-correlation: input pixel `i` times the kernel is added to the output from
    /// `i * stride` on. From what comes of it, `(input - 1) * stride + (kernel - 1) * dilation + 1`
    /// long, the part from `begin` on is kept; where it ends before `size` is reached, zeros follow
    /// (to which the bias is added as well).
    /// Weights: `kernel (height, width, filters, input channels)`, `bias (filters)`.
    Conv2DTranspose {
        /// Channels of the output.
        filters: usize,
        /// Height, width.
        kernel_size: [usize; 2],
        /// Step down, step right, in the output.
        strides: [usize; 2],
        /// Distance of the kernel's taps, down and right.
        dilation_rate: [usize; 2],
        /// Rows and columns that are cut off at the top and the left.
        begin: [usize; 2],
        /// Height and width of the output.
        size: [usize; 2],
        /// Where the channels are.
        data_format: DataFormat,
        /// Whether there is a bias.
        use_bias: bool,
        /// Applied to the result.
        activation: Activation,
    },
    /// Each window as one value; what is padded never wins and does not count.
    Pooling2D {
        /// What is made of a window.
        kind: Pool,
        /// Height, width.
        pool_size: [usize; 2],
        /// Step down, step right.
        strides: [usize; 2],
        /// What happens at the border.
        padding: Padding,
        /// Where the channels are.
        data_format: DataFormat,
    },
    /// Whole axes as one value; global pooling.
    Reduce {
        /// What is made of the values.
        kind: Reduction,
        /// Ascending, at least one.
        axes: Vec<usize>,
        /// Whether the axes stay, with size 1.
        keepdims: bool,
    },
    /// Several inputs of equal rank, value by value from left to right; where one has an axis of
    /// size 1 it is repeated (as NumPy broadcasts).
    Merge {
        /// What is done with them.
        op: MergeOp,
    },
    /// `op(x, constant)`, value by value, with broadcasting as in `Merge`; the output has the
    /// input's shape. Weight: `constant`.
    MergeConstant {
        /// What is done.
        op: MergeOp,
        /// The constant's shape, of the input's rank.
        shape: Vec<usize>,
    },
    /// Several inputs one after the other along an axis.
    Concatenate {
        /// The axis that grows.
        axis: usize,
    },
    /// `gamma * (x - moving_mean) / sqrt(moving_variance + epsilon) + beta` along `axis`.
    /// Weights: `gamma`, `beta`, `moving_mean`, `moving_variance`, each `(size of the axis)`.
    BatchNormalization {
        /// The axis that is normalized.
        axis: usize,
        /// Added to the variance.
        epsilon: f32,
        /// Whether there is a `beta`.
        center: bool,
        /// Whether there is a `gamma`.
        scale: bool,
    },
    /// Normalized by statistics of the example itself over `axes`.
    /// Weights: `gamma`, `beta`, both of the sizes of `axes`, in that order.
    LayerNormalization {
        /// The axes that are normalized together, ascending.
        axes: Vec<usize>,
        /// By what.
        statistics: Statistics,
        /// Added to the variance or the mean square.
        epsilon: f32,
        /// Whether there is a `beta`.
        center: bool,
        /// Whether there is a `gamma`.
        scale: bool,
    },
    /// As [`Statistics::MeanAndVariance`], over everything but `axis`, which is cut into `groups`
    /// of neighbours that are normalized each for itself. Weights: `gamma`, `beta`, both of the
    /// size of the axis.
    GroupNormalization {
        /// How many groups.
        groups: usize,
        /// The axis that is cut.
        axis: usize,
        /// Added to the variance.
        epsilon: f32,
        /// Whether there is a `beta`.
        center: bool,
        /// Whether there is a `gamma`.
        scale: bool,
    },
    /// `x / sqrt(max(sum(x²), 1e-12))` over `axes` together.
    UnitNormalization {
        /// Ascending, at least one.
        axes: Vec<usize>,
    },
    /// An activation as a layer of its own: `Activation`, `ReLU`, `LeakyReLU`, `ELU`.
    Activation {
        /// The function.
        activation: Activation,
    },
    /// `x` where positive, else `alpha * x`. Weight: `alpha`, the input's shape with 1 for the
    /// shared axes.
    PReLU {
        /// The axes along which alpha is the same, ascending.
        shared_axes: Vec<usize>,
    },
    /// Softmax over `axes` together.
    Softmax {
        /// The axes over which all values sum to one; ascending, at least one.
        axes: Vec<usize>,
    },
    /// A row of the table for each value, which is a whole number; `(…) → (…, output_dim)`.
    /// Weight: `embeddings (input_dim, output_dim)`.
    Embedding {
        /// Rows of the table.
        input_dim: usize,
        /// Size of one row.
        output_dim: usize,
    },
    /// `(steps, features)` step by step: `LSTM`, `GRU`, `SimpleRNN`.
    /// Weights: as [`Recurrent`] says.
    Recurrent(Recurrent),
    /// Two of them, one from each end. Weights: those of `forward`, then those of `backward`, with
    /// `forward_` and `backward_` before their names.
    Bidirectional {
        /// The one that begins at the start.
        forward: Recurrent,
        /// The one that begins at the end (its `go_backwards` is set). With `return_sequences` its
        /// output is reversed before it is merged, so that steps stand beside their own.
        backward: Recurrent,
        /// How the two outputs become one.
        merge: BidirectionalMerge,
    },
    /// A layer of one input, applied to each entry of the first axis by itself. Weights: those of
    /// the layer.
    TimeDistributed {
        /// The layer; no other `TimeDistributed`.
        layer: Box<Layer>,
    },
    /// `softmax(scale * query · keyᵀ) · value` for each head. Three inputs: query
    /// `(T, heads * k)`, key `(S, heads * k)`, value `(S, heads * v)`; the output is
    /// `(T, heads * v)`. The values of one head stand side by side. Weight: `scale (1)`, a factor
    /// as well, where `use_scale` is set.
    Attention {
        /// How many heads share the last axis.
        heads: usize,
        /// Factor of the scores.
        scale: f32,
        /// Whether a learned factor comes to it.
        use_scale: bool,
        /// Whether step `t` of the query only sees keys up to `t`.
        causal: bool,
    },
}

/// A recurrent layer of `units`, for an input `(steps, features)`.
///
/// Weights: `kernel (features, gates * units)`, `recurrent_kernel (units, gates * units)`, and with
/// `use_bias` `bias (gates * units)`; for a GRU with `reset_after` `bias (2, 3 * units)`, the input's
/// first and the state's second. The gates side by side: LSTM i, f, c, o; GRU z, r, h.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Recurrent {
    /// Which one.
    pub cell: Cell,
    /// Size of the output.
    pub units: usize,
    /// Of what is written (and for LSTM of what is read as well); `tanh` by default.
    pub activation: Activation,
    /// Of the gates; `sigmoid` by default. Not used by `SimpleRNN`.
    pub recurrent_activation: Activation,
    /// Whether there is a bias.
    pub use_bias: bool,
    /// Whether the output of every step is given, `(steps, units)`, or of the last one, `(units)`.
    pub return_sequences: bool,
    /// Whether the last step comes first; outputs are in the order in which they are made.
    pub go_backwards: bool,
}

/// A recurrent cell.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `keras.layers.SimpleRNN`
    Simple,
    /// `keras.layers.LSTM`
    Lstm,
    /// `keras.layers.GRU`
    Gru {
        /// Whether the reset gate comes after the product with the state (and biases are two).
        reset_after: bool,
    },
}

/// How the two directions become one output.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum BidirectionalMerge {
    /// Side by side along the last axis: forward, backward.
    Concat,
    /// Their sum.
    Sum,
    /// Their product.
    Multiply,
    /// Their mean.
    Average,
}

/// What pooling makes of a window.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The largest value.
    Max,
    /// The mean.
    Average,
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

/// What is done with several values.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeOp {
    /// `a + b + …`
    Add,
    /// `a - b`; two inputs only.
    Subtract,
    /// `a * b * …`
    Multiply,
    /// `a / b`; two inputs only.
    Divide,
    /// `(a + b + …) / n`
    Average,
    /// The largest.
    Maximum,
    /// The smallest.
    Minimum,
}

/// What a [`Layer::LayerNormalization`] divides by.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`
    MeanAndVariance,
    /// `gamma * x / sqrt(variance + epsilon)`: `LayerNormalization(rms_scaling=True)`
    Variance,
    /// `gamma * x / sqrt(mean(x²) + epsilon)`: `RMSNormalization`
    MeanSquare,
}

/// How values between pixels are made, pixels being squares whose centres are at 0.5, 1.5, ….
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel `floor((i + 0.5) * input / output)`.
    Nearest,
    /// Between the two pixels around `(i + 0.5) * input / output - 0.5` on each axis.
    Bilinear,
}
