//! Rows of a picture times a packed matrix: convolutions and dense layers.
//!
//! Channels last, a pixel of a convolution's result is a product of `K` values
//! of its input with a matrix `[K, filters]`, and these values lie in a few
//! runs of neighbours (one for each row of the kernel). So this is an implicit
//! GEMM, without an im2col matrix: a tile of pixels × filters is kept in
//! registers while the kernel walks along the runs, loads `N` vectors of weights
//! once for all `M` pixels, and multiplies them by one broadcast value of each.
//! The sums begin with the bias. The epilogue, clamping and 2 × 2 pooling,
//! happens in the registers before anything is stored.
//!
//! `M` × `N` is 8 × 3 or 6 × 4 where there are 32 registers and 6 × 2 where
//! there are 16 (4 × 4 and 4 × 2 when pooling, which takes pixels in fours). So
//! there are enough independent sums to hide the latency of a multiply-add, and
//! so few loads that the multipliers are the bottleneck. The pixels of all
//! examples of a block follow each other, so only the block's last tile is not
//! full; it repeats its last pixel.
//!
//! With enough examples, pixels whose windows reach over the same edges are
//! computed together, without the products with padding. Over a dilated input
//! (see `transposed`), pixels are always grouped by the taps that they need.

use pulp::{Simd, WithSimd};

use super::epilogue::{FusedPool, clamp, pool};
use super::pack::{Packed, Panel};
use super::simd::{self, fma};
use super::walk::{Part, Walk};

/// One pass over a block of examples.
pub(super) struct Gemm<'a> {
    pub packed: &'a Packed,
    pub walk: &'a Walk,
    pub examples: usize,
    pub input: &'a [f32],
    /// From one example to the next.
    pub input_step: usize,
    pub output: &'a mut [f32],
    pub output_step: usize,
}

impl Gemm<'_> {
    pub fn run(mut self) {
        let packed = self.packed;
        for panel in &packed.panels {
            panel.isa.run(PanelOp {
                all: &mut self,
                panel,
            });
        }
    }
}

/// The filters of one panel.
struct PanelOp<'a, 'b> {
    all: &'a mut Gemm<'b>,
    panel: &'a Panel,
}

impl WithSimd for PanelOp<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let pooled = self.all.walk.pool != FusedPool::None;
        match (self.panel.vectors, S::REGISTER_COUNT >= 32) {
            (1, _) => self.parts::<S, 8, 4, 1>(simd),
            (2, true) => self.parts::<S, 8, 4, 2>(simd),
            (3, true) => self.parts::<S, 8, 4, 3>(simd),
            (_, true) if pooled => self.parts::<S, 4, 4, 4>(simd),
            (_, true) => self.parts::<S, 6, 3, 4>(simd),
            (_, false) if pooled => self.parts::<S, 4, 4, 2>(simd),
            (_, false) => self.parts::<S, 6, 3, 2>(simd),
        }
    }
}

impl PanelOp<'_, '_> {
    #[inline(always)]
    fn parts<S: Simd, const M: usize, const FEW: usize, const N: usize>(mut self, simd: S) {
        for part in self.all.walk.parts(self.all.examples, M) {
            self.tiles::<S, M, FEW, N>(simd, part);
        }
    }

    /// Computes a last tile of up to `FEW` pixels as a smaller one.
    #[inline(always)]
    fn tiles<S: Simd, const M: usize, const FEW: usize, const N: usize>(
        &mut self,
        simd: S,
        part: &Part,
    ) {
        let Self { all, panel } = self;
        let (walk, packed) = (all.walk, all.packed);
        let values = &packed.values.as_slice()[panel.begin..];
        let (vectors, _) = S::as_simd_f32s(values);
        let (bias, weights) = vectors.split_first_chunk::<N>().expect("bias");
        let weights = weights.as_chunks::<N>().0;
        let reads = Reads {
            taps: &walk.taps[part.taps.clone()],
            run: part.run.len(),
            pitch: walk.run,
        };
        let weights = &weights[part.taps.start * walk.run + part.run.start..];
        let low = simd.splat_f32s(packed.bounds.0);
        let high = simd.splat_f32s(packed.bounds.1);
        let mut tile = [[low; N]; M];
        let mut from = Cursor::new(&part.pixels, all.input_step);
        let mut to = Cursor::new(&part.stored, all.output_step);
        let mut left = part.pixels.len() * all.examples;
        // The usual case is stored from the registers.
        let whole = walk.pool == FusedPool::None && panel.filters == N * S::F32_LANES;
        while left > 0 {
            let count = M.min(left);
            left -= count;
            let mut at = from.tile::<M>(count);
            for begin in &mut at {
                *begin += panel.channel + part.run.start;
            }
            let few = at.first_chunk::<FEW>();
            if let Some(at) = few.filter(|_| FEW < M && count <= FEW) {
                let sums = sums::<S, FEW, N>(simd, (all.input, at), reads, weights, bias);
                clamp::<S, FEW, M, N>(simd, (low, high), &sums, &mut tile);
            } else {
                let sums = sums::<S, M, N>(simd, (all.input, &at), reads, weights, bias);
                if whole && count == M {
                    let places = to.tile::<M>(M);
                    for m in 0..M {
                        let to = &mut all.output[places[m] + panel.first..][..N * S::F32_LANES];
                        let (to, _) = S::as_mut_simd_f32s(to);
                        for n in 0..N {
                            to[n] = simd.min_f32s(high, simd.max_f32s(low, sums[m][n]));
                        }
                    }
                    continue;
                }
                clamp::<S, M, M, N>(simd, (low, high), &sums, &mut tile);
            }
            let count = pool(simd, &mut tile, walk.pool, count);
            for row in &tile[..count] {
                let begin = to.next() + panel.first;
                let to = &mut all.output[begin..][..panel.filters];
                for (to, sum) in to.chunks_mut(S::F32_LANES).zip(row) {
                    simd::store(simd, to, *sum);
                }
            }
        }
    }
}

/// Goes through the pixels of all examples.
struct Cursor<'a> {
    pixels: &'a [u32],
    pixel: usize,
    /// From one example to the next.
    step: usize,
    example: usize,
}

impl<'a> Cursor<'a> {
    fn new(pixels: &'a [u32], step: usize) -> Self {
        Self {
            pixels,
            pixel: 0,
            step,
            example: 0,
        }
    }

    /// Where the next `count` pixels begin; the rest of the tile repeats the last one.
    #[inline(always)]
    fn tile<const M: usize>(&mut self, count: usize) -> [usize; M] {
        let mut at = [0; M];
        let here = self.pixels[self.pixel..].first_chunk::<M>();
        if let Some(pixels) = here.filter(|_| count == M && self.pixel + M < self.pixels.len()) {
            for m in 0..M {
                at[m] = self.example + pixels[m] as usize;
            }
            self.pixel += M;
        } else {
            for m in 0..M {
                at[m] = if m < count {
                    self.next()
                } else {
                    at[count - 1]
                };
            }
        }
        at
    }

    #[inline(always)]
    fn next(&mut self) -> usize {
        let at = self.example + self.pixels[self.pixel] as usize;
        self.pixel += 1;
        if self.pixel == self.pixels.len() {
            self.pixel = 0;
            self.example += self.step;
        }
        at
    }
}

/// Which values of a window are multiplied.
#[derive(Clone, Copy)]
pub(super) struct Reads<'a> {
    /// Where each run begins.
    pub taps: &'a [u32],
    /// Values in a run.
    pub run: usize,
    /// From the first weight of a run to that of the next one.
    pub pitch: usize,
}

/// The sums of one tile: each of `M` windows begins at its `at` and has one run of
/// values at each tap.
#[inline(always)]
pub(super) fn sums<S: Simd, const M: usize, const N: usize>(
    simd: S,
    (input, at): (&[f32], &[usize; M]),
    Reads { taps, run, pitch }: Reads,
    weights: &[[S::f32s; N]],
    bias: &[S::f32s; N],
) -> [[S::f32s; N]; M] {
    let mut sums = [*bias; M];
    for (&tap, weights) in taps.iter().zip(weights.chunks(pitch)) {
        let these = &weights[..run];
        // A loop: in a large function `from_fn` would be a call, for which the sums go through memory.
        let mut rows: [&[f32]; M] = [&[]; M];
        for m in 0..M {
            rows[m] = &input[at[m] + tap as usize..][..run];
        }
        // Not unrolled by hand: link-time optimisation would mix the steps until registers run out.
        for (k, weights) in these.iter().enumerate() {
            for m in 0..M {
                let value = simd.splat_f32s(rows[m][k]);
                for n in 0..N {
                    sums[m][n] = fma(simd, value, weights[n], sums[m][n]);
                }
            }
        }
    }
    sums
}
