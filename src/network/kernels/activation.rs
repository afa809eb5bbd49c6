//! Element-wise functions.
//!
//! Clamping (linear, relu, relu6) happens in the registers of the kernel that
//! makes a value, and so do a recurrent layer's functions; every other one is a
//! pass of its own over a result that is still in the cache.

use pulp::{Simd, WithSimd};

use super::math;
use super::simd::{self, Isa};

/// A function of one value; what `keras.activations` calls it is in brackets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `min(max(x, low), high)`: with infinities linear; `0..∞` is `relu`, `0..6` is `relu6`.
    Clamp {
        /// Lower bound, or minus infinity.
        low: f32,
        /// Upper bound, or infinity.
        high: f32,
    },
    /// `keras.layers.ReLU` in full: `high` where x reaches it, x above
    /// `threshold`, else `slope * (x - threshold)` (`leaky_relu` with threshold 0).
    Leaky {
        /// Slope at and below the threshold.
        slope: f32,
        /// Where x begins to pass.
        threshold: f32,
        /// Upper bound, or infinity.
        high: f32,
    },
    /// `scale * x` above 0, `alpha * (exp(x) - 1)` below (`elu`, `selu`, `celu` with alpha 1).
    Elu {
        /// Factor above 0.
        scale: f32,
        /// Factor of the exponential part.
        alpha: f32,
    },
    /// `1 / (1 + exp(-x))` (`sigmoid`).
    Sigmoid,
    /// `x * sigmoid(x)` (`silu`, `swish`).
    Silu,
    /// `tanh`.
    Tanh,
    /// `relu6(x + 3) / 6` (`hard_sigmoid` of Keras 3).
    HardSigmoid,
    /// `x * relu6(x + 3) / 6` (`hard_silu`, `hard_swish`).
    HardSilu,
    /// `x / 2 * (1 + erf(x / √2))` (`gelu`).
    Gelu,
    /// The same by tanh (`gelu` with `approximate=True`).
    GeluTanh,
    /// `ln(1 + exp(x))` (`softplus`).
    Softplus,
    /// `x / (1 + |x|)` (`softsign`).
    Softsign,
    /// `x * tanh(softplus(x))` (`mish`).
    Mish,
    /// `exp(x)` (`exponential`).
    Exponential,
}

impl Activation {
    /// `x`.
    pub const LINEAR: Self = Self::Clamp {
        low: f32::NEG_INFINITY,
        high: f32::INFINITY,
    };
    /// `max(x, 0)`.
    pub const RELU: Self = Self::Clamp {
        low: 0.0,
        high: f32::INFINITY,
    };
    /// `min(max(x, 0), 6)`.
    pub const RELU6: Self = Self::Clamp {
        low: 0.0,
        high: 6.0,
    };
}

impl Activation {
    /// The bounds, if it is nothing but clamping.
    pub(super) fn bounds(self) -> Option<(f32, f32)> {
        match self {
            Self::Clamp { low, high } => Some((low, high)),
            _ => None,
        }
    }

    /// Whether a larger x never gives a smaller result, so that the largest of
    /// some results is the result of the largest.
    pub(super) fn is_monotonic(self) -> bool {
        match self {
            Self::Leaky { slope, .. } => slope >= 0.0,
            Self::Elu { scale, alpha } => scale >= 0.0 && alpha >= 0.0,
            Self::Clamp { .. }
            | Self::Sigmoid
            | Self::Tanh
            | Self::HardSigmoid
            | Self::Softplus
            | Self::Softsign
            | Self::Exponential => true,
            Self::Silu | Self::HardSilu | Self::Gelu | Self::GeluTanh | Self::Mish => false,
        }
    }

    /// Applies it to all `values`.
    pub(super) fn apply(self, isa: Isa, values: &mut [f32]) {
        if self != Self::LINEAR {
            isa.run(Apply {
                activation: self,
                values,
            });
        }
    }

    /// The function of a vector.
    #[inline(always)]
    pub(super) fn of<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s {
        let splat = |value| simd.splat_f32s(value);
        match self {
            Self::Clamp { low, high } => simd.min_f32s(splat(high), simd.max_f32s(splat(low), x)),
            Self::Leaky {
                slope,
                threshold,
                high,
            } => {
                let passes = simd.greater_than_f32s(x, splat(threshold));
                let below = simd.mul_f32s(simd.sub_f32s(x, splat(threshold)), splat(slope));
                simd.min_f32s(splat(high), simd.select_f32s(passes, x, below))
            }
            Self::Elu { scale, alpha } => {
                let positive = simd.greater_than_f32s(x, splat(0.0));
                let below = simd.sub_f32s(math::exp(simd, x), splat(1.0));
                let below = simd.mul_f32s(below, splat(alpha));
                simd.select_f32s(positive, simd.mul_f32s(x, splat(scale)), below)
            }
            Self::Sigmoid => math::sigmoid(simd, x),
            Self::Silu => simd.mul_f32s(x, math::sigmoid(simd, x)),
            Self::Tanh => math::tanh(simd, x),
            Self::HardSigmoid => math::hard_sigmoid(simd, x),
            Self::HardSilu => simd.mul_f32s(x, math::hard_sigmoid(simd, x)),
            Self::Gelu => math::gelu(simd, x),
            Self::GeluTanh => math::gelu_tanh(simd, x),
            Self::Softplus => math::softplus(simd, x),
            Self::Softsign => {
                let one_more = simd.add_f32s(splat(1.0), simd.abs_f32s(x));
                simd.div_f32s(x, one_more)
            }
            Self::Mish => math::mish(simd, x),
            Self::Exponential => math::exp(simd, x),
        }
    }
}

struct Apply<'a> {
    activation: Activation,
    values: &'a mut [f32],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        use Activation as A;
        let Self { activation, values } = self;
        // A loop for each, in which the compiler knows which it is.
        match activation {
            A::Clamp { .. } => map(simd, values, activation),
            A::Leaky { .. } => map(simd, values, activation),
            A::Elu { .. } => map(simd, values, activation),
            A::Sigmoid => map(simd, values, A::Sigmoid),
            A::Silu => map(simd, values, A::Silu),
            A::Tanh => map(simd, values, A::Tanh),
            A::HardSigmoid => map(simd, values, A::HardSigmoid),
            A::HardSilu => map(simd, values, A::HardSilu),
            A::Gelu => map(simd, values, A::Gelu),
            A::GeluTanh => map(simd, values, A::GeluTanh),
            A::Softplus => map(simd, values, A::Softplus),
            A::Softsign => map(simd, values, A::Softsign),
            A::Mish => map(simd, values, A::Mish),
            A::Exponential => map(simd, values, A::Exponential),
        }
    }
}

/// Replaces every value by the function of it.
#[inline(always)]
fn map<S: Simd>(simd: S, values: &mut [f32], activation: Activation) {
    for chunk in values.chunks_mut(S::F32_LANES) {
        let result = activation.of(simd, simd::load(simd, chunk));
        simd::store(simd, chunk, result);
    }
}
