//! Depthwise convolution: every channel with a kernel of its own.
//!
//! With two loads for each multiply-add it would be a matter of memory. So four
//! neighbouring pixels share each load of weights and, where their windows
//! overlap in one of the usual ways, each load of a column.

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
    fn with_simd<S: Simd>(self, simd: S) {
        let Window {
            size,
            strides,
            dilation,
            ..
        } = self.all.window;
        match (size[1], strides[1], dilation[1]) {
            (3, 1, 1) => self.all_channels::<S, 3, 1>(simd),
            (3, 2, 1) => self.all_channels::<S, 3, 2>(simd),
            (5, 1, 1) => self.all_channels::<S, 5, 1>(simd),
            (5, 2, 1) => self.all_channels::<S, 5, 2>(simd),
            _ => self.all_channels::<S, 0, 0>(simd),
        }
    }
}

/// Windows are `WIDE` columns wide and `STRIDE` apart; of any width and distance if both are 0.
impl Row<'_> {
    #[inline(always)]
    fn all_channels<S: Simd, const WIDE: usize, const STRIDE: usize>(mut self, simd: S) {
        let channels = self.all.bias.len();
        for first in (0..channels).step_by(S::F32_LANES) {
            let last = channels.min(first + S::F32_LANES);
            if last - first == S::F32_LANES {
                self.channels::<S, WIDE, STRIDE, true>(simd, first, last);
            } else {
                self.channels::<S, WIDE, STRIDE, false>(simd, first, last);
            }
        }
    }

    /// One vector of channels, `FULL` or not.
    #[inline(always)]
    fn channels<S: Simd, const WIDE: usize, const STRIDE: usize, const FULL: bool>(
        &mut self,
        simd: S,
        first: usize,
        last: usize,
    ) {
        let width = self.output.len() / self.all.bias.len();
        let mut x = 0;
        while x + 4 <= width {
            self.pixels::<S, 4, WIDE, STRIDE, FULL>(simd, x, first, last);
            x += 4;
        }
        while x < width {
            self.pixels::<S, 1, WIDE, STRIDE, FULL>(simd, x, first, last);
            x += 1;
        }
    }

    #[inline(always)]
    fn pixels<S: Simd, const P: usize, const WIDE: usize, const STRIDE: usize, const FULL: bool>(
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
                simd::load_full::<S>(from)
            } else {
                simd::load(simd, &from[..last - first])
            }
        };
        let mut sums = [load(&all.bias[first..]); P];
        if WIDE == 0 {
            for (tap, weights) in all.taps.iter().zip(all.kernel.chunks_exact(channels)) {
                let weights = load(&weights[first..]);
                for p in 0..P {
                    let values = load(&self.input[tap + (x + p) * self.step + first..]);
                    sums[p] = fma(simd, values, weights, sums[p]);
                }
            }
        } else {
            // Never 0 here, but the compiler has to see it.
            let rows = all.taps.chunks_exact(WIDE.max(1));
            for (taps, kernel) in rows.zip(all.kernel.chunks_exact(WIDE.max(1) * channels)) {
                // Filled with anything at all first.
                let mut weights = [sums[0]; WIDE];
                for (weights, kernel) in weights.iter_mut().zip(kernel.chunks_exact(channels)) {
                    *weights = load(&kernel[first..]);
                }
                // A column is loaded once for all the windows that it is in.
                let columns = self.input[taps[0] + x * self.step + first..].chunks(channels);
                for (column, values) in columns.take((P - 1) * STRIDE + WIDE).enumerate() {
                    let values = load(values);
                    for p in 0..P {
                        if let Some(&weights) = column
                            .checked_sub(p * STRIDE)
                            .and_then(|tap| weights.get(tap))
                        {
                            sums[p] = fma(simd, values, weights, sums[p]);
                        }
                    }
                }
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
