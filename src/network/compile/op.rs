//! The operations that a description is turned into: few, channels last, each
//! with its weights, over numbered values.

use std::sync::Arc;

use crate::description::{
    Activation, BidirectionalMerge, Interpolation, MergeOp, Pool, Recurrent, Reduction, Statistics,
};

use super::Graph;
use super::affine::Affine;
pub(in crate::network) use crate::network::kernels::{Attention, Window};

/// The value that the network is given. Value `n` is what operation `n` makes.
pub(in crate::network) const INPUT: usize = 0;

/// One operation of a graph.
#[derive(Clone, Debug)]
pub(in crate::network) struct Op {
    /// The nodes of the description whose work it does.
    pub nodes: Vec<String>,
    pub work: Work,
    /// What it reads.
    pub inputs: Vec<Source>,
    /// The shape of one example of what it makes.
    pub shape: Vec<usize>,
    /// Applied to the result of `work`. Softmax and its like work along the last axis of `shape`.
    pub activation: Activation,
}

/// A value, and the shape under which an operation sees one example of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::network) struct Source {
    pub value: usize,
    pub shape: Vec<usize>,
}

impl Op {
    /// The shape of its first input.
    pub fn input(&self) -> &[usize] {
        self.inputs.first().map_or(&[], |source| &source.shape)
    }
}

/// What an operation does. Pictures are `[height, width, channels]`.
#[derive(Clone, Debug)]
pub(in crate::network) enum Work {
    /// Where the graph begins: operation 0, and only that one.
    Input,
    /// Nothing but its activation.
    Activation,
    Affine(Affine),
    Attention(Attention),
    Bidirectional {
        forward: Box<RecurrentWork>,
        backward: Box<RecurrentWork>,
        merge: BidirectionalMerge,
    },
    /// Repeats axes of size 1 until the shape is the operation's.
    Broadcast,
    Concatenate {
        axis: usize,
    },
    Conv(Conv),
    Dense(Linear),
    /// A graph of its own, run for each entry of the first axis.
    Each {
        graph: Graph,
    },
    Embedding {
        /// `[rows, width]`.
        table: Vec<f32>,
        width: usize,
    },
    Merge(MergeOp),
    /// With a constant of the shape `shape`, which has the input's rank.
    MergeConstant {
        op: MergeOp,
        constant: Vec<f32>,
        shape: Vec<usize>,
    },
    /// The last axis by its own statistics.
    Normalize {
        statistics: Statistics,
        epsilon: f32,
    },
    /// Zeros before and after each axis.
    Pad(Vec<[usize; 2]>),
    /// Output axis `i` is input axis `axes[i]`.
    Permute(Vec<usize>),
    Pool {
        kind: Pool,
        window: Window,
    },
    /// `x` where positive, else `alpha * x`; alpha broadcasts from its shape.
    PRelu {
        alpha: Vec<f32>,
        shape: Vec<usize>,
    },
    Recurrent(Box<RecurrentWork>),
    /// Each of these axes becomes one value; the operation's shape has size 1 there, or not the axis.
    Reduce {
        kind: Reduction,
        axes: Vec<usize>,
    },
    Resize(Interpolation),
    /// First and one past the last position of each axis.
    Slice(Vec<[usize; 2]>),
    /// The positions that are kept of each axis, in their order.
    Take(Vec<Vec<usize>>),
    /// `x / sqrt(max(sum(x²), 1e-12))` along the last axis.
    UnitNormalize,
}

/// The weights of a layer that multiplies.
#[derive(Clone, Debug)]
pub(in crate::network) struct Linear {
    /// In Keras's order; outputs on the last axis.
    pub kernel: Arc<Vec<f32>>,
    /// One for each output, or empty.
    pub bias: Arc<Vec<f32>>,
    pub outputs: usize,
}

#[derive(Clone, Debug)]
pub(in crate::network) struct Conv {
    /// Kernel `[rows, columns, channels / groups, outputs]`.
    pub linear: Linear,
    pub window: Window,
    /// Distance of the input's rows and columns, with zeros between them: the strides of a transposed convolution, which is
    /// a convolution over such a picture, with its kernel turned by half. 1 for any other.
    pub input_dilation: [usize; 2],
    pub groups: usize,
}

impl Conv {
    pub fn is_transposed(&self) -> bool {
        self.input_dilation != [1, 1]
    }
}

#[derive(Clone, Debug)]
pub(in crate::network) struct RecurrentWork {
    pub options: Recurrent,
    /// `[features, gates * units]`.
    pub kernel: Arc<Vec<f32>>,
    /// `[units, gates * units]`.
    pub recurrent_kernel: Arc<Vec<f32>>,
    /// `[gates * units]`, twice that for a GRU with `reset_after`, or empty.
    pub bias: Vec<f32>,
}

impl Work {
    /// Its name in what `kiln inspect --optimized` prints.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Activation => "activation",
            Self::Affine(_) => "scale and shift",
            Self::Attention(_) => "attention",
            Self::Bidirectional { .. } => "bidirectional",
            Self::Broadcast => "broadcast",
            Self::Concatenate { .. } => "concatenate",
            Self::Conv(conv) if conv.is_transposed() => "transposed convolution",
            Self::Conv(_) => "convolution",
            Self::Dense(_) => "dense",
            Self::Each { .. } => "each step",
            Self::Embedding { .. } => "embedding",
            Self::Merge(_) | Self::MergeConstant { .. } => "merge",
            Self::Normalize { .. } | Self::UnitNormalize => "normalize",
            Self::Pad(_) => "pad",
            Self::Permute(_) => "permute",
            Self::Pool { .. } => "pooling",
            Self::PRelu { .. } => "prelu",
            Self::Recurrent(_) => "recurrent",
            Self::Reduce { .. } => "reduce",
            Self::Resize(_) => "resize",
            Self::Slice(_) => "slice",
            Self::Take(_) => "take",
        }
    }

    /// What can be folded into it or moved past it.
    pub fn folding(&self) -> Folding {
        match self {
            Self::Affine(_) | Self::Conv(_) | Self::Dense(_) => Folding::Absorbs,
            Self::Merge(MergeOp::Add | MergeOp::Multiply) => Folding::AbsorbsActivation,
            Self::Pool { kind, .. } => match kind {
                Pool::Average => Folding::Passes,
                Pool::Max => Folding::PassesPositive,
            },
            Self::Reduce { kind, .. } => match kind {
                Reduction::Mean => Folding::Passes,
                Reduction::Max | Reduction::Min => Folding::PassesPositive,
                Reduction::Sum => Folding::Nothing,
            },
            Self::Input
            | Self::Activation
            | Self::Attention(_)
            | Self::Bidirectional { .. }
            | Self::Broadcast
            | Self::Concatenate { .. }
            | Self::Each { .. }
            | Self::Embedding { .. }
            | Self::Merge(_)
            | Self::MergeConstant { .. }
            | Self::Normalize { .. }
            | Self::Pad(_)
            | Self::Permute(_)
            | Self::PRelu { .. }
            | Self::Recurrent(_)
            | Self::Resize(_)
            | Self::Slice(_)
            | Self::Take(_)
            | Self::UnitNormalize => Folding::Nothing,
        }
    }
}

/// What can be folded into an operation or moved past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::network) enum Folding {
    /// A scale and shift beside it, and an activation behind it.
    Absorbs,
    /// An activation behind it: its kernel applies one before it stores a value.
    AbsorbsActivation,
    /// A scale and shift before it may as well come behind it.
    Passes,
    /// The same if the scale is positive: what is largest stays the largest.
    PassesPositive,
    Nothing,
}
