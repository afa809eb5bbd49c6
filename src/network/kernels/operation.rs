//! What a program is made of: pictures, windows and operations.

use std::sync::Arc;

use super::Activation;

/// No kernel does this: run it on the backend's own operations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no fused kernel for {0}")]
pub struct Refused(pub String);

/// What a value is for one example, channels last; a vector is `1 × 1 × n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels, the axis that runs fastest.
    pub channels: usize,
}

impl Shape {
    /// One pixel of `channels`.
    pub fn vector(channels: usize) -> Self {
        Self {
            height: 1,
            width: 1,
            channels,
        }
    }

    /// How many values it has.
    pub fn values(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// How a window slides over a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows, columns.
    pub size: [usize; 2],
    /// Step down, step right.
    pub strides: [usize; 2],
    /// Distance of the taps, down and right; 1 for pooling.
    pub dilation: [usize; 2],
    /// Pixels before and after the rows, before and after the columns.
    pub padding: [(usize, usize); 2],
}

/// A convolution with bias and activation.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// How the kernel slides.
    pub window: Window,
    /// Distance of the input's rows and columns, with zeros between them: the strides of a transposed convolution, which is
    /// a convolution over such a picture, with its kernel turned by half. 1 for any other.
    pub input_dilation: [usize; 2],
    /// Input and output channels are split into this many independent groups.
    pub groups: usize,
    /// Keras's order: `[rows, columns, channels / groups, filters]`.
    pub kernel: Arc<Vec<f32>>,
    /// `[filters]`.
    pub bias: Arc<Vec<f32>>,
    /// Applied to the result.
    pub activation: Activation,
}

impl Conv2d {
    pub(super) fn is_transposed(&self) -> bool {
        self.input_dilation != [1, 1]
    }

    /// Pixels around the input that the kernel reads.
    pub(super) fn border(&self) -> [(usize, usize); 2] {
        [0, 1].map(|axis| {
            let (before, after) = self.window.padding[axis];
            (
                before / self.input_dilation[axis],
                after / self.input_dilation[axis],
            )
        })
    }
}

/// A depthwise convolution with bias and activation.
#[derive(Clone, Debug)]
pub struct DepthwiseConv2d {
    /// How the kernel slides.
    pub window: Window,
    /// Keras's order: `[rows, columns, channels, multiplier]`.
    pub kernel: Arc<Vec<f32>>,
    /// `[channels * multiplier]`.
    pub bias: Arc<Vec<f32>>,
    /// Applied to the result.
    pub activation: Activation,
}

/// What a window is reduced to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The largest value; padding never wins.
    Max,
    /// The mean; padding does not count.
    Average,
}

/// Pooling over windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// What a window is reduced to.
    pub pooling: Pooling,
    /// How it slides.
    pub window: Window,
}

/// Scaled dot-product attention: `softmax(scale * query · keyᵀ) · value` for each head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// How many parts the channels are split into.
    pub heads: usize,
    /// What each product of a query with a key is multiplied by.
    pub scale: f32,
    /// Whether a query sees no keys of later steps.
    pub causal: bool,
}

/// What a recurrent layer does in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `SimpleRNN`: the activation of the sum.
    Simple,
    /// `LSTM`: gates for input, forgetting, candidate and output.
    Lstm,
    /// `GRU` with `reset_after`: gates for update, reset and candidate.
    Gru,
}

impl Cell {
    /// How many kernels of `units` columns stand side by side.
    pub(super) fn gates(self) -> usize {
        match self {
            Self::Simple => 1,
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// How many vectors of `units` sums a step computes: a GRU's candidate is made of two.
    pub(super) fn sums(self) -> usize {
        match self {
            Self::Simple => 1,
            Self::Lstm | Self::Gru => 4,
        }
    }
}

/// What the values of a pixel are normalized by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// `(x - mean) / deviation`.
    MeanAndVariance,
    /// `x / deviation`.
    Variance,
    /// `x / root of the mean square`.
    MeanSquare,
}

/// Which states a recurrent layer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// The last one.
    Last,
    /// All in the order in which they are made.
    AsMade,
    /// All, the last one first.
    Reversed,
}

/// A recurrent layer over a picture of one row, a pixel a step.
#[derive(Clone, Debug)]
pub struct Recurrent {
    /// What it does in a step.
    pub cell: Cell,
    /// Size of the state.
    pub units: usize,
    /// Of candidates, and of an LSTM's output.
    pub activation: Activation,
    /// Of the other gates.
    pub recurrent_activation: Activation,
    /// Keras's order: `[features, gates * units]`.
    pub kernel: Arc<Vec<f32>>,
    /// `[units, gates * units]`.
    pub recurrent_kernel: Arc<Vec<f32>>,
    /// `[gates * units]`.
    pub bias: Vec<f32>,
    /// `[gates * units]`, added to the product of the state.
    pub recurrent_bias: Vec<f32>,
    /// Whether the last step comes first.
    pub backwards: bool,
    /// Which states are given.
    pub outputs: Outputs,
}

/// How two pictures become one, value by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Multiply,
    /// `a` where it is positive, else `a * b`.
    PRelu,
}

/// What makes a value.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Input,
    Conv(Conv2d),
    /// A convolution with as many groups as channels and filters.
    Depthwise(Conv2d),
    Pool(Pool2d),
    Binary(Binary, Activation),
    Affine {
        scale: Vec<f32>,
        offset: Vec<f32>,
        activation: Activation,
    },
    Activation(Activation),
    /// Each pixel by its own statistics; epsilon is added to the mean of the squares.
    Normalize {
        statistics: Statistics,
        epsilon: f32,
    },
    /// `x` where positive, else `alpha * x`. The alphas are repeated along a row, whose length is a multiple of theirs, or
    /// there is one for each value of the picture.
    PRelu {
        alpha: Vec<f32>,
    },
    /// Of queries, keys and values.
    Attention(Attention),
    Recurrent(Box<Recurrent>),
    /// Every row and every column this many times.
    Upsample([usize; 2]),
    Softmax,
    Concat,
    /// A copy, with this many zeros around it.
    Pad([(usize, usize); 2]),
    Reshape,
}

/// An operation, what it reads and what it makes.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub operation: Operation,
    /// Always made by earlier nodes.
    pub inputs: Vec<usize>,
    pub shape: Shape,
}
