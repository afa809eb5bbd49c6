//! The functions of `keras.activations`.

use serde::{Deserialize, Serialize};

/// An activation function.
///
/// `Softmax`, `LogSoftmax` and `Sparsemax` work along the last axis, whatever the layer's data
/// format.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `x`
    Linear,
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `x` where positive, else `negative_slope * x`
    LeakyRelu {
        /// Slope of the negative part.
        negative_slope: f32,
    },
    /// `max_value` where x reaches it, `x` where x is above `threshold`, else
    /// `negative_slope * (x - threshold)`; only for what none of the simpler ones says.
    BentRelu {
        /// The ceiling; `None` for none.
        max_value: Option<f32>,
        /// Slope up to the threshold.
        negative_slope: f32,
        /// Where x begins to pass.
        threshold: f32,
    },
    /// `x` where positive, else `alpha * (exp(x) - 1)`
    Elu {
        /// Minus the limit at minus infinity.
        alpha: f32,
    },
    /// `max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)`
    Celu {
        /// Minus the limit at minus infinity; not 0.
        alpha: f32,
    },
    /// `1.0507009873554805 * elu(x, 1.6732632423543772)`
    Selu,
    /// `x * Φ(x)`
    Gelu {
        /// Whether Φ is approximated by tanh.
        approximate: bool,
    },
    /// `x * sigmoid(x)`, also called swish
    Silu,
    /// `x * hard_sigmoid(x)` with the slope 1/6, also called hard swish
    HardSilu,
    /// `x * tanh(softplus(x))`
    Mish,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `min(max(slope * x + 0.5, 0), 1)`
    HardSigmoid {
        /// 1/6 in Keras 3 (`relu6(x + 3) / 6`), 0.2 in Keras 2.
        slope: f32,
    },
    /// `min(max(0.5 * (x + 1), 0), 1)`
    SparseSigmoid,
    /// `log(sigmoid(x))`
    LogSigmoid,
    /// Hyperbolic tangent
    Tanh,
    /// `min(max(x, -1), 1)`
    HardTanh,
    /// `x - tanh(x)`
    TanhShrink,
    /// `x` where `|x| > 0.5`, else 0
    HardShrink,
    /// `x - 0.5` above 0.5, `x + 0.5` below -0.5, else 0
    SoftShrink,
    /// `log(exp(x) + 1)`
    Softplus,
    /// `x / (|x| + 1)`
    Softsign,
    /// `(x + sqrt(x² + 4)) / 2`
    Squareplus,
    /// 0 up to -1, `(x + 1)² / 4` up to 1, `x` from there on
    SparsePlus,
    /// `exp(x)`
    Exponential,
    /// `exp(x) / sum(exp(x))` along the last axis
    Softmax,
    /// `log(softmax(x))` along the last axis
    LogSoftmax,
    /// The point of the probability simplex that is nearest to x, along the last axis
    /// (Martins and Astudillo 2016)
    Sparsemax,
}

impl Activation {
    /// The numbers in it.
    pub(super) fn parameters(self) -> Vec<f32> {
        match self {
            Self::LeakyRelu { negative_slope } => vec![negative_slope],
            Self::BentRelu {
                max_value,
                negative_slope,
                threshold,
            } => vec![max_value.unwrap_or(0.0), negative_slope, threshold],
            Self::Elu { alpha } | Self::Celu { alpha } => vec![alpha],
            Self::HardSigmoid { slope } => vec![slope],
            _ => Vec::new(),
        }
    }
}
