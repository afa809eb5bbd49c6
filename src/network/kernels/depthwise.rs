//! Depthwise convolution: every channel with a kernel of its own.
//!
//! Two loads for each multiply-add would make loading the bottleneck. So four
//! neighbouring pixels share each load of weights and, where their windows
//! overlap in one of the usual ways, each load of a column.

use pulp::{Simd, WithSimd};

use super::epilogue::NO_BOUNDS;
use super::layout::Layout;
use super::operation::{Conv2d, Window};
use super::pack::{Matrix, Packed, Panel};
use super::simd::{self, Isa, fma};
use super::walk::taps;

/// Bias, kernel and how they walk over a picture.
#[derive(Debug)]
pub(super) struct Depthwise {
    /// `[taps, channels]`, a vector of channels a panel.
    pub packed: Packed,
    pub window: Window,
    pub input: Layout,
    pub output: Layout,
    /// Where a window's taps lie in it.
    pub taps: Vec<usize>,
}

impl Depthwise {
    pub fn new(conv: &Conv2d, input: Layout, output: Layout, isa: Isa) -> Self {
        let matrix = Matrix {
            values: &conv.kernel,
            bias: &conv.bias,
            channels: input.shape.channels,
            groups: 1,
            bounds: conv.activation.bounds().unwrap_or(NO_BOUNDS),
        };
        Self {
            packed: Packed::new(&matrix, isa, 1),
            window: conv.window,
            input,
            output,
            taps: taps(&input, &conv.window),
        }
    }

    /// One example.
    pub fn run(&self, input: &[f32], output: &mut [f32]) {
        for panel in &self.packed.panels {
            panel.isa.run(PanelOp {
                all: self,
                panel,
                input: &input[self.origin() + panel.first..],
                output,
            });
        }
    }

    /// Where the first window begins.
    fn origin(&self) -> usize {
        let before = |axis: usize| self.input.border[axis].0 - self.window.padding[axis].0;
        self.input.at(before(0), before(1))
    }
}

/// The channels of one panel.
struct PanelOp<'a> {
    all: &'a Depthwise,
    panel: &'a Panel,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for PanelOp<'_> {
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
            (3, 1, 1) => self.rows::<S, 3, 1, 6>(simd),
            (3, 2, 1) => self.rows::<S, 3, 2, 9>(simd),
            (5, 1, 1) => self.rows::<S, 5, 1, 8>(simd),
            (5, 2, 1) => self.rows::<S, 5, 2, 11>(simd),
            _ => self.rows::<S, 1, 1, 4>(simd),
        }
    }
}

/// Taps are multiplied in groups of `WIDE` neighbouring columns, for pixels that are `STRIDE` columns apart. `COLUMNS` is
/// how many columns four pixels see together: `3 * STRIDE + WIDE`. Unusual windows have groups of one tap, and a column
/// for each pixel.
impl PanelOp<'_> {
    #[inline(always)]
    fn rows<S: Simd, const WIDE: usize, const STRIDE: usize, const COLUMNS: usize>(self, simd: S) {
        if self.panel.filters == S::F32_LANES {
            self.all_rows::<S, WIDE, STRIDE, COLUMNS, true>(simd);
        } else {
            self.all_rows::<S, WIDE, STRIDE, COLUMNS, false>(simd);
        }
    }

    /// `FULL` says that the panel is a whole vector of channels.
    #[inline(always)]
    fn all_rows<
        S: Simd,
        const WIDE: usize,
        const STRIDE: usize,
        const COLUMNS: usize,
        const FULL: bool,
    >(
        self,
        simd: S,
    ) {
        let Self {
            all,
            panel,
            input,
            output,
        } = self;
        let [down, right] = all.window.strides;
        let channels = all.input.shape.channels;
        let values = &all.packed.values.as_slice()[panel.begin..];
        let (bias, weights) = S::as_simd_f32s(values).0.split_first().expect("bias");
        let (low, high) = all.packed.bounds;
        let taps = Taps::<S, WIDE> {
            bias: *bias,
            weights: weights.as_chunks().0,
            begins: all.taps.as_chunks().0,
            column: if WIDE > 1 { channels } else { right * channels },
            filters: panel.filters,
            bounds: (simd.splat_f32s(low), simd.splat_f32s(high)),
            channels,
        };
        let width = all.output.shape.width;
        for y in 0..all.output.shape.height {
            let from = &input[all.input.at(y * down, 0)..];
            let to = &mut output[all.output.pixel(y, 0)..][..width * channels];
            let mut x = 0;
            while x < width {
                let from = &from[x * right * channels..];
                let to = &mut to[x * channels + panel.first..];
                if x + 4 <= width {
                    let sums = taps.pixels::<4, STRIDE, COLUMNS, FULL>(simd, from);
                    taps.store(simd, &sums, to);
                    x += 4;
                } else {
                    let sums = taps.pixels::<1, STRIDE, WIDE, FULL>(simd, from);
                    taps.store(simd, &sums, to);
                    x += 1;
                }
            }
        }
    }
}

/// What a vector of channels multiplies, and where.
struct Taps<'a, S: Simd, const WIDE: usize> {
    bias: S::f32s,
    weights: &'a [[S::f32s; WIDE]],
    /// Where the columns lie that the weights multiply.
    begins: &'a [[usize; WIDE]],
    /// From one column to the next.
    column: usize,
    /// Channels in the vector, which may be less than its length.
    filters: usize,
    /// Of a pixel.
    channels: usize,
    bounds: (S::f32s, S::f32s),
}

impl<S: Simd, const WIDE: usize> Taps<'_, S, WIDE> {
    /// The sums of `P` pixels, of which the first one's window begins where `input` does.
    #[inline(always)]
    fn pixels<const P: usize, const STRIDE: usize, const COLUMNS: usize, const FULL: bool>(
        &self,
        simd: S,
        input: &[f32],
    ) -> [S::f32s; P] {
        let mut sums = [self.bias; P];
        for (begins, weights) in self.begins.iter().zip(self.weights) {
            // A column is loaded once for all the windows that it is in.
            let mut columns = [self.bias; COLUMNS];
            for (column, values) in columns.iter_mut().enumerate() {
                let from = &input[begins[0] + column * self.column..];
                *values = if FULL {
                    simd::load_full::<S>(from)
                } else {
                    simd::load(simd, &from[..self.filters])
                };
            }
            for tap in 0..WIDE {
                for p in 0..P {
                    let values = columns[p * STRIDE + tap];
                    sums[p] = fma(simd, values, weights[tap], sums[p]);
                }
            }
        }
        sums
    }

    #[inline(always)]
    fn store<const P: usize>(&self, simd: S, sums: &[S::f32s; P], output: &mut [f32]) {
        let (low, high) = self.bounds;
        for p in 0..P {
            let sum = simd.min_f32s(high, simd.max_f32s(low, sums[p]));
            let to = &mut output[p * self.channels..][..self.filters];
            simd::store(simd, to, sum);
        }
    }
}
