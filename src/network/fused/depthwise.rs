//! Depthwise convolution: every channel with a kernel of its own.
//!
//! Two loads for each multiply-add make it a matter of memory, so four
//! neighbouring pixels share each load of weights.

use pulp::{Simd, WithSimd};

use super::layout::Layout;
use super::operation::Window;
use super::simd::{self, Isa, fma};

/// Bias, kernel and how they walk over a picture.
#[derive(Debug)]
pub(super) struct Depthwise {
    pub isa: Isa,
    /// `[channels]`.
    pub bias: Vec<f32>,
    /// `[taps, channels]`.
    pub kernel: Vec<f32>,
    pub window: Window,
    pub input: Layout,
    pub output: Layout,
    pub bounds: (f32, f32),
    /// Where a window's taps lie in it.
    pub taps: Vec<usize>,
}

impl Depthwise {
    /// One example.
    pub fn run(&self, input: &[f32], output: &mut [f32]) {
        let channels = self.bias.len();
        let [down, right] = self.window.strides;
        let width = self.output.shape.width;
        for y in 0..self.output.shape.height {
            let from = self.origin() + self.input.at(y * down, 0);
            let to = self.output.pixel(y, 0);
            self.isa.run(Row {
                all: self,
                input: &input[from..],
                step: right * channels,
                output: &mut output[to..][..width * channels],
            });
        }
    }

    /// Where the first window begins.
    fn origin(&self) -> usize {
        let before = |axis: usize| self.input.border[axis].0 - self.window.padding[axis].0;
        self.input.at(before(0), before(1))
    }
}

/// One row of the result.
struct Row<'a> {
    all: &'a Depthwise,
    input: &'a [f32],
    /// From one pixel's window to the next.
    step: usize,
    output: &'a mut [f32],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let channels = self.all.bias.len();
        for first in (0..channels).step_by(S::F32_LANES) {
            let last = channels.min(first + S::F32_LANES);
            if last - first == S::F32_LANES {
                self.channels::<S, true>(simd, first, last);
            } else {
                self.channels::<S, false>(simd, first, last);
            }
        }
    }
}

impl Row<'_> {
    /// One vector of channels, `FULL` or not.
    #[inline(always)]
    fn channels<S: Simd, const FULL: bool>(&mut self, simd: S, first: usize, last: usize) {
        let width = self.output.len() / self.all.bias.len();
        let mut x = 0;
        while x + 4 <= width {
            self.pixels::<S, 4, FULL>(simd, x, first, last);
            x += 4;
        }
        while x < width {
            self.pixels::<S, 1, FULL>(simd, x, first, last);
            x += 1;
        }
    }

    #[inline(always)]
    fn pixels<S: Simd, const P: usize, const FULL: bool>(
        &mut self,
        simd: S,
        x: usize,
        first: usize,
        last: usize,
    ) {
        let all = self.all;
        let channels = all.bias.len();
        let load = |from: &[f32]| {
            if FULL {
                simd::load_full::<S>(&from[first..])
            } else {
                simd::load(simd, &from[first..last])
            }
        };
        let mut sums = [load(&all.bias); P];
        for (tap, weights) in all.taps.iter().zip(all.kernel.chunks_exact(channels)) {
            let weights = load(weights);
            for p in 0..P {
                let values = load(&self.input[tap + (x + p) * self.step..]);
                sums[p] = fma(simd, values, weights, sums[p]);
            }
        }
        let (low, high) = (simd.splat_f32s(all.bounds.0), simd.splat_f32s(all.bounds.1));
        for p in 0..P {
            let sum = simd.min_f32s(high, simd.max_f32s(low, sums[p]));
            let to = (x + p) * channels;
            simd::store(simd, &mut self.output[to + first..to + last], sum);
        }
    }
}
