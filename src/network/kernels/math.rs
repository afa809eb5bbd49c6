//! Vectors of exp, tanh and what is made of them, to about 1e-7.

use pulp::Simd;

use super::simd::fma;

/// `coefficients[0] + x * (coefficients[1] + …)`.
#[inline(always)]
fn polynomial<S: Simd>(simd: S, x: S::f32s, coefficients: &[f32]) -> S::f32s {
    let (last, rest) = coefficients.split_last().expect("a coefficient");
    let mut sum = simd.splat_f32s(*last);
    for coefficient in rest.iter().rev() {
        sum = fma(simd, sum, x, simd.splat_f32s(*coefficient));
    }
    sum
}

/// `e^x`; zero below -87, infinite above 88.7.
///
/// Cephes `expf`: `x = n ln 2 + r`, a polynomial for `e^r`, and `n` put into the exponent.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let splat = |value| simd.splat_f32s(value);
    // Beyond these the exponent below would overflow into the sign.
    let x = simd.min_f32s(splat(89.0), simd.max_f32s(splat(-87.0), x));
    // Adding 1.5 * 2^23 rounds to an integer; 126 more is the exponent's bias less one.
    let magic = splat(12_582_912.0 + 126.0);
    let shifted = fma(simd, x, splat(std::f32::consts::LOG2_E), magic);
    let n = simd.sub_f32s(shifted, magic);
    let r = fma(simd, n, splat(-0.693_359_4), x);
    let r = fma(simd, n, splat(2.121_944_4e-4), r);
    let tail = polynomial(
        simd,
        r,
        &[
            0.5,
            1.666_666_5e-1,
            4.166_579_6e-2,
            8.333_452e-3,
            1.398_199_9e-3,
            1.987_569_1e-4,
        ],
    );
    let power = fma(simd, tail, simd.mul_f32s(r, r), r);
    let bits = simd.transmute_u32s_f32s(shifted);
    let half = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23)));
    // 2^n as two factors, since 2^128 is no float but e^88.5 is one.
    let power = simd.add_f32s(power, splat(1.0));
    simd.mul_f32s(simd.mul_f32s(power, half), splat(2.0))
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(super) fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    simd.div_f32s(one, simd.add_f32s(one, exp(simd, simd.neg_f32s(x))))
}

/// `relu6(x + 3) / 6`.
#[inline(always)]
pub(super) fn hard_sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let shifted = simd.add_f32s(x, simd.splat_f32s(3.0));
    let positive = simd.max_f32s(simd.splat_f32s(0.0), shifted);
    let relu6 = simd.min_f32s(simd.splat_f32s(6.0), positive);
    simd.mul_f32s(relu6, simd.splat_f32s(1.0 / 6.0))
}

/// A rational function, as in Eigen's `ptanh`: about 3e-7 off at most, the
/// same fraction of x near zero.
#[inline(always)]
pub(super) fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Here the fraction reaches 1.
    let limit = 7.905_311;
    let x = simd.min_f32s(
        simd.splat_f32s(limit),
        simd.max_f32s(simd.splat_f32s(-limit), x),
    );
    let square = simd.mul_f32s(x, x);
    let above = [
        4.893_524_6e-3,
        6.372_619_3e-4,
        1.485_722_4e-5,
        5.122_297_1e-8,
        -8.604_672e-11,
        2.000_188e-13,
        -2.760_768_5e-16,
    ];
    let below = [4.893_525e-3, 2.268_434_6e-3, 1.185_347_1e-4, 1.198_258_4e-6];
    let above = simd.mul_f32s(x, polynomial(simd, square, &above));
    simd.div_f32s(above, polynomial(simd, square, &below))
}

/// `ln(1 + e^x)`, as `max(x, 0) + ln(1 + e^-|x|)`.
#[inline(always)]
pub(super) fn softplus<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let power = exp(simd, simd.neg_f32s(simd.abs_f32s(x)));
    // ln(1 + u) = 2 atanh(u / (2 + u)), whose argument is at most a third.
    let s = simd.div_f32s(power, simd.add_f32s(power, simd.splat_f32s(2.0)));
    let series = [
        2.0,
        2.0 / 3.0,
        2.0 / 5.0,
        2.0 / 7.0,
        2.0 / 9.0,
        2.0 / 11.0,
        2.0 / 13.0,
    ];
    let logarithm = simd.mul_f32s(s, polynomial(simd, simd.mul_f32s(s, s), &series));
    simd.add_f32s(simd.max_f32s(simd.splat_f32s(0.0), x), logarithm)
}

/// `x tanh(softplus(x))`; with `n = e^x (e^x + 2)` that is `x n / (n + 2)`.
#[inline(always)]
pub(super) fn mish<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let two = simd.splat_f32s(2.0);
    // Beyond 20 the fraction is 1 and the square would overflow.
    let power = exp(simd, simd.min_f32s(simd.splat_f32s(20.0), x));
    let n = simd.mul_f32s(power, simd.add_f32s(power, two));
    simd.mul_f32s(x, simd.div_f32s(n, simd.add_f32s(n, two)))
}

/// `x / 2 (1 + erf(x / √2))`; erf by Abramowitz and Stegun 7.1.26 (1.5e-7).
#[inline(always)]
pub(super) fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let splat = |value| simd.splat_f32s(value);
    let one = splat(1.0);
    let z = simd.mul_f32s(simd.abs_f32s(x), splat(std::f32::consts::FRAC_1_SQRT_2));
    let t = simd.div_f32s(one, fma(simd, z, splat(0.327_591_1), one));
    let series = [
        0.254_829_6,
        -0.284_496_74,
        1.421_413_7,
        -1.453_152_1,
        1.061_405_4,
    ];
    let tail = simd.mul_f32s(t, polynomial(simd, t, &series));
    // 1 - erf(|z|), half of it is what the smaller side keeps.
    let rest = simd.mul_f32s(tail, exp(simd, simd.neg_f32s(simd.mul_f32s(z, z))));
    let half = simd.mul_f32s(splat(0.5), rest);
    let negative = simd.less_than_f32s(x, splat(0.0));
    simd.mul_f32s(
        x,
        simd.select_f32s(negative, half, simd.sub_f32s(one, half)),
    )
}

/// `x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
#[inline(always)]
pub(super) fn gelu_tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let cubic = simd.mul_f32s(simd.mul_f32s(x, x), simd.splat_f32s(0.044_715));
    let inner = simd.mul_f32s(fma(simd, cubic, x, x), simd.splat_f32s(0.797_884_6));
    // 1/2 (1 + tanh y) is sigmoid(2y).
    simd.mul_f32s(x, sigmoid(simd, simd.add_f32s(inner, inner)))
}
