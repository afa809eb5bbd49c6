//! What a program is made of: pictures, windows and operations.

use std::sync::Arc;

use super::Activation;

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
    /// Input and output channels are split into this many independent groups.
    pub groups: usize,
    /// Keras's order: `[rows, columns, channels / groups, filters]`.
    pub kernel: Arc<Vec<f32>>,
    /// `[filters]`.
    pub bias: Arc<Vec<f32>>,
    /// Applied to the result.
    pub activation: Activation,
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

/// Two pictures become one, value by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Multiply,
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
    /// `x` where positive, else `alpha * x`; one alpha for each value of a row, or of all rows.
    PRelu {
        alpha: Vec<f32>,
    },
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
