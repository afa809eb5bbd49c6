//! The epilogue: what happens to sums before they are stored, clamping and 2 × 2
//! pooling.

use pulp::Simd;

/// Nothing is clamped.
pub(super) const NO_BOUNDS: (f32, f32) = (f32::NEG_INFINITY, f32::INFINITY);

/// 2 × 2 pooling of pixels that are computed one after the other, before they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FusedPool {
    None,
    /// The largest of four is stored.
    Max4,
    /// The mean of four is stored.
    Mean4,
}

impl FusedPool {
    /// The result of two rows of two pixels.
    #[inline(always)]
    pub fn four<S: Simd>(self, simd: S, [[a, b], [c, d]]: [[S::f32s; 2]; 2]) -> S::f32s {
        if self == Self::Max4 {
            simd.max_f32s(simd.max_f32s(a, b), simd.max_f32s(c, d))
        } else {
            let sum = simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d));
            simd.mul_f32s(sum, simd.splat_f32s(0.25))
        }
    }
}

/// Copies the sums, clamped, into another array: indexed by anything but
/// constants, the sums would not stay in registers.
#[inline(always)]
pub(super) fn clamp<S: Simd, const FEW: usize, const M: usize, const N: usize>(
    simd: S,
    (low, high): (S::f32s, S::f32s),
    sums: &[[S::f32s; N]; FEW],
    tile: &mut [[S::f32s; N]; M],
) {
    for m in 0..FEW {
        for n in 0..N {
            tile[m][n] = simd.min_f32s(high, simd.max_f32s(low, sums[m][n]));
        }
    }
}

/// Pools each four rows into one, in place; returns how many rows are left.
#[inline(always)]
pub(super) fn pool<S: Simd, const M: usize, const N: usize>(
    simd: S,
    rows: &mut [[S::f32s; N]; M],
    pool: FusedPool,
    count: usize,
) -> usize {
    if pool == FusedPool::None {
        return count;
    }
    for group in 0..M / 4 {
        for n in 0..N {
            let pixel = |i: usize| rows[group * 4 + i][n];
            let four = [[pixel(0), pixel(1)], [pixel(2), pixel(3)]];
            rows[group][n] = pool.four(simd, four);
        }
    }
    count / 4
}
