//! Operations on each value or pixel by itself: sums and products of two
//! pictures, scale and offset, PReLU, normalization, softmax.

use pulp::{Simd, WithSimd};

use super::math;
use super::operation::{Binary, Statistics};
use super::simd::{self, Isa, fma};

/// Makes each value of `to` from one of `a` and one of `b`, which is repeated.
pub(super) fn binary(isa: Isa, binary: Binary, a: &[f32], b: &[f32], to: &mut [f32]) {
    for (a, to) in a.chunks(b.len()).zip(to.chunks_mut(b.len())) {
        isa.run(BinaryOp { binary, a, b, to });
    }
}

struct BinaryOp<'a> {
    binary: Binary,
    a: &'a [f32],
    b: &'a [f32],
    to: &'a mut [f32],
}

impl WithSimd for BinaryOp<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let zero = simd.splat_f32s(0.0);
        let values = self.a.chunks(lanes).zip(self.b.chunks(lanes));
        for (to, (a, b)) in self.to.chunks_mut(lanes).zip(values) {
            let (a, b) = (simd::load(simd, a), simd::load(simd, b));
            let result = match self.binary {
                Binary::Add => simd.add_f32s(a, b),
                Binary::Multiply => simd.mul_f32s(a, b),
                Binary::PRelu => {
                    let negative = simd.mul_f32s(b, simd.min_f32s(zero, a));
                    simd.add_f32s(simd.max_f32s(zero, a), negative)
                }
            };
            simd::store(simd, to, result);
        }
    }
}

/// `to = from * scale + offset`; scale and offset are repeated.
pub(super) fn affine(isa: Isa, (scale, offset): (&[f32], &[f32]), from: &[f32], to: &mut [f32]) {
    let rows = from.chunks(scale.len()).zip(to.chunks_mut(scale.len()));
    for (from, to) in rows {
        isa.run(Affine {
            scale,
            offset,
            from,
            to,
        });
    }
}

struct Affine<'a> {
    scale: &'a [f32],
    offset: &'a [f32],
    from: &'a [f32],
    to: &'a mut [f32],
}

impl WithSimd for Affine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let factors = self.scale.chunks(lanes).zip(self.offset.chunks(lanes));
        let values = self.from.chunks(lanes).zip(factors);
        for (to, (from, (scale, offset))) in self.to.chunks_mut(lanes).zip(values) {
            let (scale, offset) = (simd::load(simd, scale), simd::load(simd, offset));
            let product = simd.mul_f32s(simd::load(simd, from), scale);
            simd::store(simd, to, simd.add_f32s(product, offset));
        }
    }
}

/// Normalizes each `channels` values, in place. Epsilon is added to the mean of the squares.
pub(super) fn normalize(
    isa: Isa,
    (statistics, epsilon): (Statistics, f32),
    channels: usize,
    values: &mut [f32],
) {
    isa.run(Normalize {
        statistics,
        epsilon,
        channels,
        values,
    });
}

struct Normalize<'a> {
    statistics: Statistics,
    epsilon: f32,
    channels: usize,
    values: &'a mut [f32],
}

impl WithSimd for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let count = self.channels as f64;
        for pixel in self.values.chunks_exact_mut(self.channels) {
            let mut mean = 0.0;
            if self.statistics != Statistics::MeanSquare {
                mean = (total::<S, false>(simd, pixel) / count) as f32;
                // The values become their differences from the mean.
                for values in pixel.chunks_mut(lanes) {
                    let difference = simd.sub_f32s(simd::load(simd, values), simd.splat_f32s(mean));
                    simd::store(simd, values, difference);
                }
            }
            let square = (total::<S, true>(simd, pixel) / count) as f32;
            let scale = simd.splat_f32s(1.0 / (square + self.epsilon).sqrt());
            let back = match self.statistics {
                Statistics::Variance => simd.splat_f32s(mean),
                Statistics::MeanAndVariance | Statistics::MeanSquare => simd.splat_f32s(0.0),
            };
            for values in pixel.chunks_mut(lanes) {
                let value = simd.add_f32s(simd::load(simd, values), back);
                simd::store(simd, values, simd.mul_f32s(value, scale));
            }
        }
    }
}

/// The sum of the values, or of their squares. It is summed up in parts, so that small values are not lost in a large sum.
#[inline(always)]
fn total<S: Simd, const SQUARES: bool>(simd: S, values: &[f32]) -> f64 {
    let mut total = 0.0;
    for part in values.chunks(64 * S::F32_LANES) {
        let mut sum = simd.splat_f32s(0.0);
        // The missing end of a last vector is zero.
        for values in part.chunks(S::F32_LANES) {
            let values = simd::load(simd, values);
            sum = if SQUARES {
                fma(simd, values, values, sum)
            } else {
                simd.add_f32s(sum, values)
            };
        }
        total += f64::from(simd.reduce_sum_f32s(sum));
    }
    total
}

/// Softmax of each `channels` values, in place.
pub(super) fn softmax(isa: Isa, channels: usize, values: &mut [f32]) {
    isa.run(Softmax { channels, values });
}

struct Softmax<'a> {
    channels: usize,
    values: &'a mut [f32],
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for pixel in self.values.chunks_exact_mut(self.channels) {
            let max = pixel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let max = simd.splat_f32s(max);
            for values in pixel.chunks_mut(S::F32_LANES) {
                let below = simd.sub_f32s(simd::load(simd, values), max);
                simd::store(simd, values, math::exp(simd, below));
            }
            let sum: f32 = pixel.iter().sum();
            let scale = 1.0 / sum;
            for value in pixel {
                *value *= scale;
            }
        }
    }
}
