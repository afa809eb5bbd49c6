//! Several examples' vectors times a packed matrix: a dense layer on a batch.
//!
//! Tiles of registers as in `multiply`, but over a list of the inputs that are
//! not zero in all rows of the tile: the margins of handwritten digits are
//! empty in most of them. Four rows a tile, since eight have fewer zeros in
//! common. Where few inputs are zero the list costs more than it saves.

use pulp::{Simd, WithSimd};

use super::pack::{Packed, Panel};
use super::simd::{self, fma};
use super::vector::{CHUNK, positions};

/// Rows of a tile.
const M: usize = 4;

/// Whether rows like this one are worth a list: two thirds are zeros.
pub(super) fn is_sparse(row: &[f32]) -> bool {
    let zeros = row.iter().filter(|value| **value == 0.0).count();
    zeros * 3 >= row.len() * 2
}

/// Rows of input and of output.
pub(super) struct Rows<'a> {
    pub input: &'a [f32],
    pub input_step: usize,
    /// Values of a row that count.
    pub depth: usize,
    pub output: &'a mut [f32],
    pub output_step: usize,
}

/// `output = clamp(bias + input · matrix)`, row by row.
pub(super) fn multiply(packed: &Packed, mut rows: Rows) {
    for panel in &packed.panels {
        panel.isa.run(PanelOp {
            packed,
            panel,
            rows: &mut rows,
        });
    }
}

struct PanelOp<'a, 'b> {
    packed: &'a Packed,
    panel: &'a Panel,
    rows: &'a mut Rows<'b>,
}

impl WithSimd for PanelOp<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let total = self.rows.input.len() / self.rows.input_step;
        let mut first = 0;
        while first < total {
            first += match self.panel.vectors {
                1 => self.tile::<S, 1>(simd, first),
                2 => self.tile::<S, 2>(simd, first),
                3 => self.tile::<S, 3>(simd, first),
                _ => self.tile::<S, 4>(simd, first),
            };
        }
    }
}

impl PanelOp<'_, '_> {
    /// [`M`] rows from `first` on; what is missing repeats the last one.
    #[inline(always)]
    fn tile<S: Simd, const N: usize>(&mut self, simd: S, first: usize) -> usize {
        let Self {
            packed,
            panel,
            rows,
        } = self;
        let (vectors, _) = S::as_simd_f32s(&packed.values.as_slice()[panel.begin..]);
        let (bias, weights) = vectors.split_first_chunk::<N>().expect("bias");
        let weights = weights.as_chunks::<N>().0;
        let count = M.min(rows.input.len() / rows.input_step - first);
        let mut sums = [*bias; M];
        for (begin, weights) in (0..rows.depth).step_by(CHUNK).zip(weights.chunks(CHUNK)) {
            let len = CHUNK.min(rows.depth - begin);
            let mut inputs: [&[f32]; M] = [&[]; M];
            let mut any = [0_u32; CHUNK];
            for m in 0..M {
                let row = first + m.min(count - 1);
                inputs[m] = &rows.input[row * rows.input_step + begin..][..len];
                for (any, value) in any.iter_mut().zip(inputs[m]) {
                    *any |= value.to_bits();
                }
            }
            let mut list = [0; CHUNK];
            let used = any.map(|bits| u8::from(bits != 0));
            let count = positions(&used[..len.next_multiple_of(8)], &mut list);
            for &k in &list[..count] {
                let k = usize::from(k);
                let weights = &weights[k];
                for m in 0..M {
                    let value = simd.splat_f32s(inputs[m][k]);
                    for n in 0..N {
                        sums[m][n] = fma(simd, value, weights[n], sums[m][n]);
                    }
                }
            }
        }
        let (low, high) = packed.bounds;
        let (low, high) = (simd.splat_f32s(low), simd.splat_f32s(high));
        let mut tile = [[low; N]; M];
        for m in 0..M {
            for n in 0..N {
                tile[m][n] = simd.min_f32s(high, simd.max_f32s(low, sums[m][n]));
            }
        }
        for (m, row) in tile[..count].iter().enumerate() {
            let begin = (first + m) * rows.output_step + panel.first;
            let to = &mut rows.output[begin..][..panel.filters];
            for (to, sum) in to.chunks_mut(S::F32_LANES).zip(row) {
                simd::store(simd, to, *sum);
            }
        }
        count
    }
}
