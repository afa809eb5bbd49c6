//! Max and average pooling that is not part of a convolution.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::layout::Layout;
use super::operation::{Pooling, Window};
use super::simd::{self, Isa};

/// A pooling from one layout to another.
#[derive(Debug)]
pub(super) struct Pool {
    pub isa: Isa,
    pub pooling: Pooling,
    pub window: Window,
    pub input: Layout,
    pub output: Layout,
}

impl Pool {
    /// One example.
    pub fn run(&self, input: &[f32], output: &mut [f32]) {
        self.isa.run(PoolOp {
            all: self,
            input,
            output,
        });
    }

    /// The window's rows (axis 0) or columns that are not padding.
    fn real(&self, axis: usize, step: usize) -> Range<usize> {
        let size = [self.input.shape.height, self.input.shape.width][axis];
        let begin = step * self.window.strides[axis];
        let before = self.window.padding[axis].0;
        let end = (begin + self.window.size[axis]).saturating_sub(before);
        begin.saturating_sub(before)..end.min(size)
    }
}

struct PoolOp<'a> {
    all: &'a Pool,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for PoolOp<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { all, input, output } = self;
        let shape = all.output.shape;
        for y in 0..shape.height {
            let rows = all.real(0, y);
            for x in 0..shape.width {
                let columns = all.real(1, x);
                let scale = 1.0 / (rows.len() * columns.len()).max(1) as f32;
                let scale = simd.splat_f32s(scale);
                let to = &mut output[all.output.pixel(y, x)..][..shape.channels];
                for (index, to) in to.chunks_mut(S::F32_LANES).enumerate() {
                    let first = index * S::F32_LANES;
                    let at = |y, x| {
                        let begin = all.input.pixel(y, x) + first;
                        simd::load(simd, &input[begin..begin + to.len()])
                    };
                    let taps = rows
                        .clone()
                        .flat_map(|y| columns.clone().map(move |x| (y, x)));
                    let result = match all.pooling {
                        Pooling::Max => {
                            let least = simd.splat_f32s(f32::NEG_INFINITY);
                            taps.fold(least, |max, (y, x)| simd.max_f32s(max, at(y, x)))
                        }
                        Pooling::Average => {
                            let zero = simd.splat_f32s(0.0);
                            let sum = taps.fold(zero, |sum, (y, x)| simd.add_f32s(sum, at(y, x)));
                            simd.mul_f32s(sum, scale)
                        }
                    };
                    simd::store(simd, to, result);
                }
            }
        }
    }
}
