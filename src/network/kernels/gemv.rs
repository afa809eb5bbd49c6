//! One or two vectors times a packed matrix: dense layers, for few examples or
//! sparse ones.
//!
//! No weight is used more than twice here, so the kernel is as fast as the cache
//! that holds the weights. It helps to read less of them: those that inputs of
//! zero would multiply are skipped. A tile is two rows, or the last one: more
//! rows have fewer zeros in common, and with few zeros `gemm` is faster.

use pulp::{Simd, WithSimd};

use super::epilogue::clamp;
use super::nonzero::{CHUNK, List, with_list};
use super::pack::{Packed, Panel};
use super::simd::{self, fma};

/// With fewer examples than this the kernel is used even if they are not sparse.
pub(super) const FEW: usize = 4;

/// Rows of input and of output.
pub(super) struct Rows<'a> {
    pub input: &'a [f32],
    pub input_step: usize,
    /// Values of a row that are multiplied.
    pub depth: usize,
    pub output: &'a mut [f32],
    pub output_step: usize,
}

/// `output = clamp(bias + input · matrix)`, row by row.
pub(super) fn multiply(packed: &Packed, rows: Rows) {
    let (step, to_step) = (rows.input_step, rows.output_step);
    let outputs = rows.output.chunks_mut(2 * to_step);
    for (input, output) in rows.input.chunks(2 * step).zip(outputs) {
        let first = &input[..rows.depth];
        if input.len() > step {
            let second = &input[step..][..rows.depth];
            tile(packed, [first, second], output, to_step);
        } else {
            tile(packed, [first], output, to_step);
        }
    }
}

fn tile<const M: usize>(packed: &Packed, inputs: [&[f32]; M], output: &mut [f32], step: usize) {
    with_list(packed.panels[0].isa, inputs, |list| {
        for panel in &packed.panels {
            panel.isa.run(Tile {
                packed,
                panel,
                list,
                inputs,
                output,
                step,
            });
        }
    });
}

/// `M` rows times the filters of one panel.
struct Tile<'a, const M: usize> {
    packed: &'a Packed,
    panel: &'a Panel,
    list: &'a List,
    inputs: [&'a [f32]; M],
    output: &'a mut [f32],
    /// From one row of the output to the next.
    step: usize,
}

impl<const M: usize> WithSimd for Tile<'_, M> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Eight independent sums, or four of a single row: fewer would wait for each multiply-add to end.
        match (M, self.panel.vectors) {
            (2, 1) => self.compute::<S, 4, 1>(simd),
            (2, 2) => self.compute::<S, 2, 2>(simd),
            (2, 3) => self.compute::<S, 2, 3>(simd),
            (2, _) => self.compute::<S, 1, 4>(simd),
            (_, 1) => self.compute::<S, 4, 1>(simd),
            (_, 2) => self.compute::<S, 4, 2>(simd),
            (_, 3) => self.compute::<S, 4, 3>(simd),
            (_, _) => self.compute::<S, 4, 4>(simd),
        }
    }
}

impl<const M: usize> Tile<'_, M> {
    /// Each result is the total of `C` sums, to which products are added in turn.
    #[inline(always)]
    fn compute<S: Simd, const C: usize, const N: usize>(self, simd: S) {
        let Self { packed, panel, .. } = self;
        let depth = self.inputs[0].len();
        let (vectors, _) = S::as_simd_f32s(&packed.values.as_slice()[panel.begin..]);
        let (bias, weights) = vectors.split_first_chunk::<N>().expect("bias");
        let weights = &weights.as_chunks::<N>().0[..depth];
        let mut sums = [[[simd.splat_f32s(0.0); N]; M]; C];
        sums[0] = [*bias; M];
        for (chunk, (list, weights)) in self.list.chunks().zip(weights.chunks(CHUNK)).enumerate() {
            let mut inputs: [&[f32]; M] = [&[]; M];
            for m in 0..M {
                inputs[m] = &self.inputs[m][chunk * CHUNK..][..weights.len()];
            }
            let (turns, rest) = list.as_chunks::<C>();
            for turn in turns {
                for c in 0..C {
                    add(simd, turn[c], &inputs, weights, &mut sums[c]);
                }
            }
            for &k in rest {
                add(simd, k, &inputs, weights, &mut sums[0]);
            }
        }
        let mut total = sums[0];
        for c in 1..C {
            for m in 0..M {
                for n in 0..N {
                    total[m][n] = simd.add_f32s(total[m][n], sums[c][m][n]);
                }
            }
        }
        let (low, high) = packed.bounds;
        let bounds = (simd.splat_f32s(low), simd.splat_f32s(high));
        let mut tile = total;
        clamp::<S, M, M, N>(simd, bounds, &total, &mut tile);
        for (to, row) in self.output.chunks_mut(self.step).zip(&tile) {
            let to = &mut to[panel.first..][..panel.filters];
            for (to, sum) in to.chunks_mut(S::F32_LANES).zip(row) {
                simd::store(simd, to, *sum);
            }
        }
    }
}

/// Adds the products of value `k` of each row.
#[inline(always)]
fn add<S: Simd, const M: usize, const N: usize>(
    simd: S,
    k: u8,
    inputs: &[&[f32]; M],
    weights: &[[S::f32s; N]],
    sums: &mut [[S::f32s; N]; M],
) {
    let k = usize::from(k);
    let weights = &weights[k];
    for m in 0..M {
        let value = simd.splat_f32s(inputs[m][k]);
        for n in 0..N {
            sums[m][n] = fma(simd, value, weights[n], sums[m][n]);
        }
    }
}
