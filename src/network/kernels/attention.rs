//! Scaled dot-product attention.
//!
//! A head's keys and values are copied into matrices as the kernels want them,
//! so that scores and results are products of tiles of queries with them, and
//! no more than a tile's scores are ever held.

use std::cell::RefCell;

use pulp::{Simd, WithSimd};

use super::gemm::{Reads, sums};
use super::layout::Layout;
use super::math;
use super::operation::{Attention, Shape};
use super::simd::{self, Aligned, Isa};

thread_local! {
    /// A head's keys and values, and a tile's scores.
    static SCRATCH: RefCell<Aligned> = RefCell::default();
}

/// Values of it that a thread may keep: 16 MB.
const MAX_SCRATCH: usize = 1 << 22;
/// Queries of a tile.
const TILE: usize = 6;

/// Whether a head's keys and values, which the kernel keeps, are few enough.
pub(super) fn fits(keys: Shape, values: Shape, heads: usize) -> bool {
    // No panel is wider than two vectors of AVX-512.
    let whole = |len: usize| len.next_multiple_of(32);
    let head = |shape: Shape| whole(shape.channels / heads.max(1));
    let columns = head(keys) + head(values) + TILE;
    let len = whole(keys.width).checked_mul(columns);
    len.is_some_and(|len| len <= MAX_SCRATCH)
}

/// Queries, keys and values are pictures of one row, a pixel a step, heads side by side.
#[derive(Debug)]
pub(super) struct AttentionKernel {
    pub isa: Isa,
    pub attention: Attention,
    /// Of queries, keys and values.
    pub inputs: [Layout; 3],
    pub output: Layout,
}

impl AttentionKernel {
    /// Values for a head's keys and values, and a tile's scores.
    fn scratch(&self) -> usize {
        let whole = |len: usize| len.next_multiple_of(2 * self.isa.lanes());
        let head = |input: usize| self.inputs[input].shape.channels / self.attention.heads;
        let steps = self.inputs[1].shape.width;
        whole(steps) * (head(1) + TILE) + steps * whole(head(2))
    }

    /// All examples. Each slice comes with the distance of two examples in it.
    pub fn run(&self, sources: [(&[f32], usize); 3], (output, output_step): (&mut [f32], usize)) {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.ensure(self.scratch());
            for (example, output) in output.chunks_exact_mut(output_step).enumerate() {
                let inputs = [0, 1, 2].map(|input| {
                    let (values, step) = sources[input];
                    &values[example * step + self.inputs[input].pixel(0, 0)..]
                });
                self.isa.run(Example {
                    all: self,
                    inputs,
                    output: &mut output[self.output.pixel(0, 0)..],
                    scratch: scratch.as_mut_slice(),
                });
            }
        });
    }
}

struct Example<'a> {
    all: &'a AttentionKernel,
    inputs: [&'a [f32]; 3],
    output: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl WithSimd for Example<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.all.inputs[2].shape.channels / self.all.attention.heads;
        if width <= S::F32_LANES {
            self.heads::<S, 1>(simd);
        } else {
            self.heads::<S, 2>(simd);
        }
    }
}

impl Example<'_> {
    /// The matrix of values has panels of `N` vectors.
    #[inline(always)]
    fn heads<S: Simd, const N: usize>(mut self, simd: S) {
        let heads = self.all.attention.heads;
        let [queries, keys, values] = [0, 1, 2].map(|input| self.all.inputs[input].shape);
        let (depth, width) = (queries.channels / heads, values.channels / heads);
        let steps = keys.width.next_multiple_of(2 * S::F32_LANES);
        let columns = width.next_multiple_of(N * S::F32_LANES);
        let scratch = std::mem::take(&mut self.scratch);
        let (key_matrix, rest) = scratch.split_at_mut(steps * depth);
        let (value_matrix, rest) = rest.split_at_mut(keys.width * columns);
        let scores = &mut rest[..TILE * steps];
        for head in 0..heads {
            let of = |input: usize, size: usize| {
                let pixels = self.inputs[input].chunks(heads * size).take(keys.width);
                pixels.map(move |pixel| &pixel[head * size..][..size])
            };
            // A step's key is a column, its value a row. Columns beyond the last step may hold anything.
            for (step, key) in of(1, depth).enumerate() {
                let panel = 2 * S::F32_LANES;
                let begin = step / panel * panel * depth + step % panel;
                for (k, value) in key.iter().enumerate() {
                    key_matrix[begin + k * panel] = *value;
                }
            }
            for (step, value) in of(2, width).enumerate() {
                let panel = N * S::F32_LANES;
                for (index, part) in value.chunks(panel).enumerate() {
                    let begin = (index * keys.width + step) * panel;
                    value_matrix[begin..begin + part.len()].copy_from_slice(part);
                    value_matrix[begin + part.len()..begin + panel].fill(0.0);
                }
            }
            for first in (0..queries.width).step_by(TILE) {
                let matrices = (&*key_matrix, &*value_matrix);
                self.tile::<S, N>(simd, (head, first), matrices, scores);
            }
        }
    }

    /// Some queries of a head, from `first` on.
    #[inline(always)]
    fn tile<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        (head, first): (usize, usize),
        (keys, values): (&[f32], &[f32]),
        scores: &mut [f32],
    ) {
        let all = self.all;
        let [queries, key, value] = [0, 1, 2].map(|input| all.inputs[input].shape);
        let Attention {
            heads,
            scale,
            causal,
        } = all.attention;
        let (depth, width) = (queries.channels / heads, value.channels / heads);
        let steps = scores.len() / TILE;
        let count = TILE.min(queries.width - first);
        // What is missing in the last tile repeats its last query.
        let mut at = [0; TILE];
        for m in 0..TILE {
            at[m] = (first + m.min(count - 1)) * queries.channels + head * depth;
        }
        let scale = simd.splat_f32s(scale);
        let products = Product {
            input: self.inputs[0],
            at: &at,
            depth,
        };
        for (panel, weights) in keys.chunks_exact(depth * 2 * S::F32_LANES).enumerate() {
            let sums = products.panel::<S, 2>(simd, weights);
            for m in 0..TILE {
                let to = &mut scores[m * steps + panel * 2 * S::F32_LANES..][..2 * S::F32_LANES];
                for (to, sum) in S::as_mut_simd_f32s(to).0.iter_mut().zip(sums[m]) {
                    *to = simd.mul_f32s(scale, sum);
                }
            }
        }
        for m in 0..count {
            let seen = if causal {
                key.width.min(first + m + 1)
            } else {
                key.width
            };
            softmax(simd, &mut scores[m * steps..][..steps], seen);
        }
        for m in 0..TILE {
            at[m] = m.min(count - 1) * steps;
        }
        let products = Product {
            input: scores,
            at: &at,
            depth: key.width,
        };
        for (panel, weights) in values
            .chunks_exact(key.width * N * S::F32_LANES)
            .enumerate()
        {
            let sums = products.panel::<S, N>(simd, weights);
            for m in 0..count {
                let begin = (first + m) * value.channels + head * width;
                let to = &mut self.output[begin..][..width];
                let to = to.chunks_mut(S::F32_LANES).skip(panel * N);
                for (to, sum) in to.zip(sums[m]) {
                    simd::store(simd, to, sum);
                }
            }
        }
    }
}

/// Rows that begin at `at`, to be multiplied with panels of a matrix.
struct Product<'a> {
    input: &'a [f32],
    at: &'a [usize; TILE],
    depth: usize,
}

impl Product<'_> {
    #[inline(always)]
    fn panel<S: Simd, const N: usize>(&self, simd: S, weights: &[f32]) -> [[S::f32s; N]; TILE] {
        let reads = Reads {
            taps: &[0],
            run: self.depth,
            pitch: self.depth,
        };
        let weights = S::as_simd_f32s(weights).0.as_chunks().0;
        let zeros = [simd.splat_f32s(0.0); N];
        sums::<S, TILE, N>(simd, (self.input, self.at), reads, weights, &zeros)
    }
}

/// Softmax of the first `seen` values, in place; the others become zeros. `values` are whole vectors.
#[inline(always)]
fn softmax<S: Simd>(simd: S, values: &mut [f32], seen: usize) {
    values[seen..].fill(f32::NEG_INFINITY);
    let (vectors, _) = S::as_mut_simd_f32s(values);
    let mut max = simd.splat_f32s(f32::NEG_INFINITY);
    for vector in vectors.iter() {
        max = simd.max_f32s(max, *vector);
    }
    let max = simd.splat_f32s(simd.reduce_max_f32s(max));
    let mut sum = simd.splat_f32s(0.0);
    for vector in vectors.iter_mut() {
        *vector = math::exp(simd, simd.sub_f32s(*vector, max));
        sum = simd.add_f32s(sum, *vector);
    }
    let share = simd.splat_f32s(1.0 / simd.reduce_sum_f32s(sum));
    for vector in vectors {
        *vector = simd.mul_f32s(*vector, share);
    }
    values[seen..].fill(0.0);
}
