//! The functions of `keras.activations` and others of one value, and the layers that are nothing else.

use serde::{Deserialize, Serialize};

use super::describe::Describe;
use super::shape::{Shape, ShapeError, check, check_axes, check_some_axes, error, one};
use super::weight::{NO_WEIGHTS, WeightSpec, first, weight};
use super::work::each_value;

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
    /// `exp(x) - 1`
    Expm1,
    /// `log(x)`, the natural one
    Log,
    /// `log(1 + x)`
    Log1p,
    /// `|x|`
    Abs,
    /// `sqrt(x)`
    Sqrt,
    /// `1 / sqrt(x)`
    Rsqrt,
    /// `1 / x`
    Reciprocal,
    /// `x` to the power of a number
    Power {
        /// The number.
        exponent: f32,
    },
    /// `min(max(x, low), high)`
    Clip {
        /// The floor; `None` for none.
        low: Option<f32>,
        /// The ceiling; `None` for none.
        high: Option<f32>,
    },
    /// -1, 0 or 1
    Sign,
    /// The next whole number below
    Floor,
    /// The next whole number above
    Ceil,
    /// Sine
    Sin,
    /// Cosine
    Cos,
    /// The error function
    Erf,
    /// `exp(x) / sum(exp(x))` along the last axis
    Softmax,
    /// `log(softmax(x))` along the last axis
    LogSoftmax,
    /// The point of the probability simplex that is nearest to x, along the last axis
    /// (Martins and Astudillo 2016)
    Sparsemax,
}

/// An activation as a layer of its own: `Activation`, `ReLU`, `LeakyReLU`, `ELU`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct ActivationLayer {
    /// The function.
    pub activation: Activation,
}

/// `x` where positive, else `alpha * x`. Weight: `alpha`, the input's shape with 1 for the
/// shared axes.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PReLU {
    /// The axes along which alpha is the same, ascending.
    pub shared_axes: Vec<usize>,
}

/// Softmax over `axes` together.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// The axes over which all values sum to one; ascending, at least one.
    pub axes: Vec<usize>,
}

impl Activation {
    /// Whether it takes each value for itself, whatever the axes.
    #[must_use]
    pub fn is_elementwise(self) -> bool {
        !matches!(self, Self::Softmax | Self::LogSoftmax | Self::Sparsemax)
    }

    /// Checks the numbers in it.
    pub(super) fn check(self) -> Result<(), ShapeError> {
        match self {
            Self::LeakyRelu { negative_slope } => finite(&[negative_slope]),
            Self::Celu { alpha: 0.0 } => Err(error("alpha of celu must not be 0")),
            Self::Elu { alpha } | Self::Celu { alpha } => finite(&[alpha]),
            Self::HardSigmoid { slope } => finite(&[slope]),
            Self::Power { exponent } => finite(&[exponent]),
            Self::Clip { low, high } => finite(&[low.unwrap_or(0.0), high.unwrap_or(0.0)]),
            Self::BentRelu {
                max_value,
                negative_slope,
                threshold,
            } => {
                let numbers = [max_value.unwrap_or(0.0), negative_slope, threshold];
                finite(&numbers)?;
                check(numbers.iter().all(|&number| number >= 0.0), || {
                    format!(
                        "max_value, negative_slope and threshold are {numbers:?}, they must be numbers from 0 on"
                    )
                })
            }
            Self::Linear
            | Self::Relu
            | Self::Relu6
            | Self::Selu
            | Self::Gelu { approximate: _ }
            | Self::Silu
            | Self::HardSilu
            | Self::Mish
            | Self::Sigmoid
            | Self::SparseSigmoid
            | Self::LogSigmoid
            | Self::Tanh
            | Self::HardTanh
            | Self::TanhShrink
            | Self::HardShrink
            | Self::SoftShrink
            | Self::Softplus
            | Self::Softsign
            | Self::Squareplus
            | Self::SparsePlus
            | Self::Exponential
            | Self::Expm1
            | Self::Log
            | Self::Log1p
            | Self::Abs
            | Self::Sqrt
            | Self::Rsqrt
            | Self::Reciprocal
            | Self::Sign
            | Self::Floor
            | Self::Ceil
            | Self::Sin
            | Self::Cos
            | Self::Erf
            | Self::Softmax
            | Self::LogSoftmax
            | Self::Sparsemax => Ok(()),
        }
    }
}

fn finite(numbers: &[f32]) -> Result<(), ShapeError> {
    check(numbers.iter().all(|number| number.is_finite()), || {
        format!("the numbers of the activation are {numbers:?}, they must be finite")
    })
}

impl Describe for ActivationLayer {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        self.activation.check()?;
        Ok(one(inputs)?.to_vec())
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl PReLU {
    /// The shape of its weight for an input of that shape.
    #[must_use]
    pub fn alpha_shape(&self, input: &[usize]) -> Vec<usize> {
        let shared = |axis| self.shared_axes.contains(&axis);
        let size = |(axis, &size)| if shared(axis) { 1 } else { size };
        input.iter().enumerate().map(size).collect()
    }
}

impl Describe for PReLU {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let input = one(inputs)?;
        check_axes(&self.shared_axes, input)?;
        Ok(input.to_vec())
    }

    fn weights(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        vec![weight("alpha", self.alpha_shape(first(inputs)))]
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl Describe for Softmax {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let input = one(inputs)?;
        check_some_axes(&self.axes, input)?;
        Ok(input.to_vec())
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}
