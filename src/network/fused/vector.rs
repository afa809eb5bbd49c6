//! One example's vector times a packed matrix: a dense layer at batch 1.
//!
//! Nothing can be reused here: every weight is read once, so the cache that
//! holds them sets the pace. What helps is to read less: rows that a zero would
//! multiply are skipped, and a handwritten digit or the output of a relu is
//! mostly zeros. Weights are finite, so nothing is lost.

use pulp::{Simd, WithSimd};

use super::pack::{Packed, Panel};
use super::simd::{self, fma};

/// Inputs that are looked through at once; the list of them lies on the stack.
pub(super) const CHUNK: usize = 256;

/// `output = clamp(bias + input · matrix)`.
pub(super) fn multiply(packed: &Packed, input: &[f32], output: &mut [f32]) {
    for panel in &packed.panels {
        panel.isa.run(PanelOp {
            packed,
            panel,
            input,
            output: &mut output[panel.first..][..panel.filters],
        });
    }
}

struct PanelOp<'a> {
    packed: &'a Packed,
    panel: &'a Panel,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for PanelOp<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.panel.vectors {
            1 => self.sums::<S, 1>(simd),
            2 => self.sums::<S, 2>(simd),
            3 => self.sums::<S, 3>(simd),
            _ => self.sums::<S, 4>(simd),
        }
    }
}

impl PanelOp<'_> {
    #[inline(always)]
    fn sums<S: Simd, const N: usize>(self, simd: S) {
        let values = &self.packed.values.as_slice()[self.panel.begin..];
        let (vectors, _) = S::as_simd_f32s(values);
        let (bias, weights) = vectors.split_first_chunk::<N>().expect("bias");
        let weights = weights.as_chunks::<N>().0;
        let zero = simd.splat_f32s(0.0);
        // Four sums in turn: one alone would wait for each multiply-add to end.
        let mut sums = [*bias, [zero; N], [zero; N], [zero; N]];
        for (chunk, weights) in self.input.chunks(CHUNK).zip(weights.chunks(CHUNK)) {
            let mut list = [0_u8; CHUNK];
            let mut used = [0_u8; CHUNK];
            for (used, value) in used.iter_mut().zip(chunk) {
                *used = u8::from(*value != 0.0);
            }
            let count = positions(&used[..chunk.len().next_multiple_of(8)], &mut list);
            let (fours, rest) = list[..count].as_chunks::<4>();
            for four in fours {
                for u in 0..4 {
                    let k = usize::from(four[u]);
                    let value = simd.splat_f32s(chunk[k]);
                    for n in 0..N {
                        sums[u][n] = fma(simd, value, weights[k][n], sums[u][n]);
                    }
                }
            }
            for &k in rest {
                let k = usize::from(k);
                let value = simd.splat_f32s(chunk[k]);
                for n in 0..N {
                    sums[0][n] = fma(simd, value, weights[k][n], sums[0][n]);
                }
            }
        }
        let (low, high) = self.packed.bounds;
        let (low, high) = (simd.splat_f32s(low), simd.splat_f32s(high));
        for n in 0..N {
            let [a, b, c, d] = [sums[0][n], sums[1][n], sums[2][n], sums[3][n]];
            let sum = simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d));
            let sum = simd.min_f32s(high, simd.max_f32s(low, sum));
            let end = self.output.len().min((n + 1) * S::F32_LANES);
            simd::store(simd, &mut self.output[n * S::F32_LANES..end], sum);
        }
    }
}

/// Lists where `used`, up to [`CHUNK`] ones and zeros in eights, is one; how many that are.
///
/// Eight at a time: a multiplication gathers eight bytes' lowest bits in the
/// highest byte, and a table has the positions of its ones.
#[inline(always)]
pub(super) fn positions(used: &[u8], list: &mut [u8; CHUNK]) -> usize {
    let mut count = 0;
    for (eighth, used) in used.as_chunks::<8>().0.iter().enumerate() {
        let bits = (u64::from_le_bytes(*used).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8;
        // No more have been counted than were looked at, so there is room for eight.
        if let Some(list) = list[count..].first_chunk_mut::<8>() {
            let first = 0x0101_0101_0101_0101 * (eighth as u64 * 8);
            *list = (ONES[usize::from(bits)] + first).to_le_bytes();
        }
        count += bits.count_ones() as usize;
    }
    count
}

/// For each byte the positions of its ones, the lowest first, a byte each.
const ONES: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut count) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                table[byte] |= bit << (8 * count);
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_the_ones() {
        let check = |used: &[u8]| {
            let mut list = [0; CHUNK];
            let count = positions(used, &mut list);
            let ones = (0..used.len()).filter(|at| used[*at] == 1);
            let list: Vec<usize> = list[..count].iter().map(|at| usize::from(*at)).collect();
            assert_eq!(list, ones.collect::<Vec<_>>(), "{used:?}");
        };
        for byte in 0..256 {
            let eight: Vec<u8> = (0..8).map(|bit| (byte >> bit & 1) as u8).collect();
            for (before, after) in [(0, 0), (31, 0), (3, 28)] {
                check(&[vec![1; before * 8], eight.clone(), vec![0; after * 8]].concat());
            }
        }
        check(&[1; CHUNK]);
        check(&[]);
    }
}
