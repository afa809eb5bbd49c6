//! Keras's activations as the kernels have them.

use crate::description::Activation;
use crate::network::kernels::Activation as Kernel;

/// Keras's scale of `selu`, and that times its alpha.
const SELU: [f32; 2] = [1.050_701, 1.758_099_3];

/// The kernels' function for it, if they have one. Softmax is an operation of its own there.
pub(in crate::network::compile) fn activation(activation: Activation) -> Option<Kernel> {
    Some(match activation {
        Activation::Linear => Kernel::LINEAR,
        Activation::Relu => Kernel::RELU,
        Activation::Relu6 => Kernel::RELU6,
        Activation::HardTanh => Kernel::Clamp {
            low: -1.0,
            high: 1.0,
        },
        Activation::Clip { low, high } => Kernel::Clamp {
            low: low.unwrap_or(f32::NEG_INFINITY),
            high: high.unwrap_or(f32::INFINITY),
        },
        Activation::LeakyRelu { negative_slope } => Kernel::Leaky {
            slope: negative_slope,
            threshold: 0.0,
            high: f32::INFINITY,
        },
        Activation::BentRelu {
            max_value,
            negative_slope,
            threshold,
        } => Kernel::Leaky {
            slope: negative_slope,
            threshold,
            high: max_value.unwrap_or(f32::INFINITY),
        },
        Activation::Elu { alpha } => Kernel::Elu { scale: 1.0, alpha },
        Activation::Celu { alpha: 1.0 } => Kernel::Elu {
            scale: 1.0,
            alpha: 1.0,
        },
        Activation::Selu => Kernel::Elu {
            scale: SELU[0],
            alpha: SELU[1],
        },
        Activation::Sigmoid => Kernel::Sigmoid,
        Activation::Silu => Kernel::Silu,
        Activation::Tanh => Kernel::Tanh,
        // Keras 3's slope.
        Activation::HardSigmoid { slope } if slope == 1.0 / 6.0 => Kernel::HardSigmoid,
        Activation::HardSilu => Kernel::HardSilu,
        Activation::Gelu { approximate: false } => Kernel::Gelu,
        Activation::Gelu { approximate: true } => Kernel::GeluTanh,
        Activation::Softplus => Kernel::Softplus,
        Activation::Softsign => Kernel::Softsign,
        Activation::Mish => Kernel::Mish,
        Activation::Exponential => Kernel::Exponential,
        Activation::Softmax
        | Activation::LogSoftmax
        | Activation::Sparsemax
        | Activation::Celu { .. }
        | Activation::HardSigmoid { .. }
        | Activation::SparseSigmoid
        | Activation::LogSigmoid
        | Activation::TanhShrink
        | Activation::HardShrink
        | Activation::SoftShrink
        | Activation::Squareplus
        | Activation::SparsePlus
        | Activation::Expm1
        | Activation::Log
        | Activation::Log1p
        | Activation::Abs
        | Activation::Sqrt
        | Activation::Rsqrt
        | Activation::Reciprocal
        | Activation::Power { .. }
        | Activation::Sign
        | Activation::Floor
        | Activation::Ceil
        | Activation::Sin
        | Activation::Cos
        | Activation::Erf => return None,
    })
}
