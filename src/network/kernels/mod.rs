//! Hand-tuned CPU kernels for float32 inference, and a [`Program`] that runs a
//! graph of them as one custom Burn operation.
//!
//! A program is put together once, by a [`Builder`]; building packs the weights
//! for the instruction set of the machine and plans where every value lies in
//! one small workspace per thread. Running it takes a batch through all its
//! operations a few examples at a time, so that what lies between two
//! operations stays in the cache.
//!
//! Everything is channels last: a value is a picture `[height, width, channels]`
//! for each example, a vector is a picture of one pixel, a sequence one of one row.

// The kernels index arrays of sums by constants, in plain loops that unroll: it
// is what keeps the sums in registers. Iterators and closures over them do not.
#![allow(clippy::needless_range_loop, clippy::manual_memcpy)]

mod activation;
mod allocate;
mod attention;
mod builder;
mod depthwise;
mod elementwise;
mod epilogue;
mod extension;
mod few_channels;
mod gemm;
mod gemv;
mod layout;
mod math;
mod nonzero;
mod operation;
mod pack;
mod plan;
mod pointwise;
mod pool;
mod program;
mod recurrent;
#[cfg(test)]
mod reference;
mod simd;
#[cfg(test)]
mod tests;
mod transposed;
mod upsample;
mod walk;
mod winograd;

pub use activation::Activation;
pub use builder::{Builder, Value};
pub use extension::forward;
pub use operation::{
    Attention, Cell, Conv2d, DepthwiseConv2d, Outputs, Pool2d, Pooling, Recurrent, Refused, Shape,
    Statistics, Window,
};
pub use program::Program;
