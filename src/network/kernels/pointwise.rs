//! Pointwise kernels: each pixel of the result depends on that pixel of one or two
//! pictures alone.

use std::ops::Range;

use super::activation::Activation;
use super::elementwise;
use super::layout::Layout;
use super::operation::{Binary, Operation, Shape, Statistics};
use super::simd::Isa;

/// A function that is applied to each pixel.
#[derive(Debug)]
pub(super) struct Pointwise {
    pub isa: Isa,
    pub function: Function,
    /// One, or two for [`Function::Binary`].
    pub inputs: Vec<Layout>,
    pub output: Layout,
}

#[derive(Debug)]
pub(super) enum Function {
    Affine {
        /// Those of one pixel, repeated for some more.
        scale: Vec<f32>,
        offset: Vec<f32>,
    },
    Binary(Binary),
    /// A copy into the channels from `channel` on.
    Copy {
        channel: usize,
    },
    Normalize {
        statistics: Statistics,
        epsilon: f32,
    },
    PRelu {
        /// For a part of a row, repeated for some more, or for the whole picture.
        alpha: Vec<f32>,
    },
    Softmax,
}

impl Function {
    /// The function of an operation that makes a picture of `shape`, and the activation that follows; `None` if the
    /// operation is not pointwise.
    pub fn of(operation: &Operation, shape: Shape) -> Option<(Self, Activation)> {
        Some(match operation {
            Operation::Activation(activation) => (Self::Copy { channel: 0 }, *activation),
            Operation::Affine {
                scale,
                offset,
                activation,
            } => {
                let scale = repeated(scale, shape.width);
                let offset = repeated(offset, shape.width);
                (Self::Affine { scale, offset }, *activation)
            }
            Operation::Binary(binary, activation) => (Self::Binary(*binary), *activation),
            &Operation::Normalize {
                statistics,
                epsilon,
            } => {
                let function = Self::Normalize {
                    statistics,
                    epsilon,
                };
                (function, Activation::LINEAR)
            }
            Operation::PRelu { alpha } => {
                let row = shape.width * shape.channels;
                let alpha = repeated(alpha, row / alpha.len());
                (Self::PRelu { alpha }, Activation::LINEAR)
            }
            Operation::Softmax => (Self::Softmax, Activation::LINEAR),
            Operation::Input
            | Operation::Conv(_)
            | Operation::Depthwise(_)
            | Operation::Pool(_)
            | Operation::Attention(_)
            | Operation::Recurrent(_)
            | Operation::Upsample(_)
            | Operation::Concat
            | Operation::Pad(_)
            | Operation::Reshape => return None,
        })
    }
}

/// Repeats `values` until there are about 1024, but `most` times at most. The kernels begin again at the first one
/// whenever they reach the last: more would save little, and could take much memory for a few weights.
fn repeated(values: &[f32], most: usize) -> Vec<f32> {
    values.repeat(most.min(1024_usize.div_ceil(values.len())).max(1))
}

impl Pointwise {
    /// All examples. Each slice comes with the distance of two examples in it.
    pub fn run(&self, sources: [(&[f32], usize); 2], (output, output_step): (&mut [f32], usize)) {
        let [(first, first_step), (second, second_step)] = sources;
        let inputs = first.chunks_exact(first_step);
        let seconds = second.chunks_exact(second_step);
        let outputs = output.chunks_exact_mut(output_step);
        for ((from, second), to) in inputs.zip(seconds).zip(outputs) {
            self.picture(from, second, to);
        }
        let channels = self.output.shape.channels;
        match self.function {
            Function::Normalize {
                statistics,
                epsilon,
            } => each_piece(&self.output, (output, output_step), |values| {
                elementwise::normalize(self.isa, (statistics, epsilon), channels, values);
            }),
            Function::Softmax => each_piece(&self.output, (output, output_step), |values| {
                elementwise::softmax(self.isa, channels, values);
            }),
            Function::Affine { .. }
            | Function::Binary(_)
            | Function::Copy { .. }
            | Function::PRelu { .. } => {}
        }
    }

    /// One example, row by row. Functions of whole pixels are applied later, to a copy.
    fn picture(&self, from: &[f32], second: &[f32], to: &mut [f32]) {
        let rows = self.inputs[0]
            .picture_rows()
            .zip(self.output.picture_rows());
        let width = self.inputs[0].shape.width * self.inputs[0].shape.channels;
        for (y, (from_row, to_row)) in rows.enumerate() {
            let (from, to) = (&from[from_row], &mut to[to_row]);
            match &self.function {
                Function::Affine { scale, offset } => {
                    elementwise::affine(self.isa, (scale, offset), from, to);
                }
                Function::Binary(binary) => {
                    elementwise::binary(self.isa, *binary, from, &second[self.second_row(y)], to);
                }
                Function::PRelu { alpha } => {
                    let whole = alpha.len() > width;
                    let alpha = if whole {
                        &alpha[y * width..][..width]
                    } else {
                        alpha
                    };
                    elementwise::binary(self.isa, Binary::PRelu, from, alpha, to);
                }
                Function::Copy { channel } => self.copy(*channel, from, to),
                Function::Normalize { .. } | Function::Softmax => self.copy(0, from, to),
            }
        }
    }

    /// The second input for row `y`: a row of a picture of the same size, or one pixel.
    fn second_row(&self, y: usize) -> Range<usize> {
        let second = &self.inputs[1];
        if second.shape == self.inputs[0].shape {
            second.row(y)
        } else {
            let begin = second.pixel(0, 0);
            begin..begin + second.shape.channels
        }
    }

    /// Copies a row, into the channels from `channel` on if the result has more channels.
    fn copy(&self, channel: usize, from: &[f32], to: &mut [f32]) {
        let channels = self.inputs[0].shape.channels;
        if channels == self.output.shape.channels {
            to.copy_from_slice(from);
            return;
        }
        let pixels = to.chunks_exact_mut(self.output.shape.channels);
        for (from, to) in from.chunks_exact(channels).zip(pixels) {
            to[channel..channel + channels].copy_from_slice(from);
        }
    }
}

/// Calls `each` with the values of some pictures: all at once if nothing lies between and around them.
pub(super) fn each_piece(
    layout: &Layout,
    (pictures, step): (&mut [f32], usize),
    mut each: impl FnMut(&mut [f32]),
) {
    if layout.is_dense() && layout.len() == step {
        return each(pictures);
    }
    for picture in pictures.chunks_exact_mut(step) {
        for row in layout.rows() {
            each(&mut picture[row]);
        }
    }
}
