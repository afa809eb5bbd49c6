//! Operations between layers: what a functional model has where people wrote `x + y`,
//! `keras.ops.mean(x)`, or in Keras 2 `tf.reduce_mean(x)`. Which are read, and by what.

use super::arithmetic::{
    binary, clip, filled, logical_not, power, rescaled, select, squared_difference,
};
use super::builder::{Builder, Read};
use super::dense::identity;
use super::index::get_item;
use super::merge::of_equal_rank;
use super::ops::{
    concatenate, expand_dims, flag, function, log_softmax, parameter, reshape, setting, softmax,
    squeeze, transpose,
};
use super::rearrange::{
    flip, move_axis, pad, repeat, roll, split, stack, swap_axes, take, tile, unstack,
};
use super::statistics::{
    deviation, log_sum_exp, norm, normalize, one_hot, position, reduce, variance,
};
use crate::description::{Activation, MergeOp, Reduction};

/// The names of an operation in Keras 3 and in TensorFlow, and what reads it.
type Operation = (&'static [&'static str], fn(&mut Builder) -> Read);

/// What reads the operation of that name.
pub fn operation(name: &str) -> Option<fn(&mut Builder) -> Read> {
    // The functions of TensorFlow 1, and those of `keras.backend`, do what those of TensorFlow 2 do.
    let plain = name.strip_prefix("compat.v1.");
    let name = plain
        .or_else(|| name.strip_prefix("keras."))
        .unwrap_or(name);
    let found = OPERATIONS.iter().find(|(names, _)| names.contains(&name));
    found.map(|(_, read)| *read)
}

/// The operations that are read.
pub const OPERATIONS: &[Operation] = &[
    (
        &["Add", "math.add", "__operators__.add", "nn.bias_add"],
        |b| binary(b, MergeOp::Add),
    ),
    (&["Subtract", "math.subtract"], |b| {
        binary(b, MergeOp::Subtract)
    }),
    (&["Multiply", "math.multiply"], |b| {
        binary(b, MergeOp::Multiply)
    }),
    (
        &["Divide", "TrueDivide", "math.divide", "math.truediv"],
        |b| binary(b, MergeOp::Divide),
    ),
    (&["Maximum", "math.maximum", "backend.maximum"], |b| {
        binary(b, MergeOp::Maximum)
    }),
    (&["Minimum", "math.minimum", "backend.minimum"], |b| {
        binary(b, MergeOp::Minimum)
    }),
    (&["Power", "math.pow"], power),
    (&["Equal", "math.equal", "__operators__.eq"], |b| {
        binary(b, MergeOp::Equal)
    }),
    (&["NotEqual", "math.not_equal", "__operators__.ne"], |b| {
        binary(b, MergeOp::NotEqual)
    }),
    (&["Greater", "math.greater"], |b| {
        binary(b, MergeOp::Greater)
    }),
    (&["GreaterEqual", "math.greater_equal"], |b| {
        binary(b, MergeOp::GreaterEqual)
    }),
    (&["Less", "math.less"], |b| binary(b, MergeOp::Less)),
    (&["LessEqual", "math.less_equal"], |b| {
        binary(b, MergeOp::LessEqual)
    }),
    (&["LogicalAnd", "math.logical_and"], |b| {
        binary(b, MergeOp::Minimum)
    }),
    (&["LogicalOr", "math.logical_or"], |b| {
        binary(b, MergeOp::Maximum)
    }),
    (&["LogicalNot", "math.logical_not"], logical_not),
    (&["Where", "where"], select),
    (&["Clip", "clip_by_value", "backend.clip"], clip),
    (&["math.squared_difference"], squared_difference),
    (&["OnesLike", "ones_like", "backend.ones_like"], |b| {
        filled(b, 1.0)
    }),
    (&["ZerosLike", "zeros_like", "backend.zeros_like"], |b| {
        filled(b, 0.0)
    }),
    (&["Negative", "math.negative"], |b| {
        let input = b.input()?;
        rescaled(b, "", input, -1.0, 0.0)
    }),
    (&["Square", "math.square", "backend.square"], |b| {
        let input = b.input()?;
        of_equal_rank(b, MergeOp::Multiply, &[input, input])
    }),
    (&["Absolute", "Abs", "math.abs", "backend.abs"], |b| {
        function(b, Activation::Abs)
    }),
    (&["Sqrt", "math.sqrt", "backend.sqrt"], |b| {
        function(b, Activation::Sqrt)
    }),
    (&["Rsqrt", "math.rsqrt"], |b| function(b, Activation::Rsqrt)),
    (&["Reciprocal", "math.reciprocal"], |b| {
        function(b, Activation::Reciprocal)
    }),
    (&["Exp", "math.exp", "backend.exp"], |b| {
        function(b, Activation::Exponential)
    }),
    (&["Expm1", "math.expm1"], |b| function(b, Activation::Expm1)),
    (&["Log", "math.log", "backend.log"], |b| {
        function(b, Activation::Log)
    }),
    (&["Log1p", "math.log1p"], |b| function(b, Activation::Log1p)),
    (&["Sin", "math.sin"], |b| function(b, Activation::Sin)),
    (&["Cos", "math.cos"], |b| function(b, Activation::Cos)),
    (&["Sign", "math.sign"], |b| function(b, Activation::Sign)),
    (&["Floor", "math.floor", "floor"], |b| {
        function(b, Activation::Floor)
    }),
    (&["Ceil", "math.ceil"], |b| function(b, Activation::Ceil)),
    (&["Erf", "math.erf"], |b| function(b, Activation::Erf)),
    (&["Mean", "math.reduce_mean", "backend.mean"], |b| {
        reduce(b, Reduction::Mean)
    }),
    (&["Sum", "math.reduce_sum", "backend.sum"], |b| {
        reduce(b, Reduction::Sum)
    }),
    (&["Max", "Amax", "math.reduce_max", "backend.max"], |b| {
        reduce(b, Reduction::Max)
    }),
    (&["Min", "Amin", "math.reduce_min", "backend.min"], |b| {
        reduce(b, Reduction::Min)
    }),
    (&["Any", "math.reduce_any"], |b| reduce(b, Reduction::Max)),
    (&["All", "math.reduce_all"], |b| reduce(b, Reduction::Min)),
    (&["Var", "math.reduce_variance"], variance),
    (&["Std", "math.reduce_std"], deviation),
    (&["Norm", "norm", "math.reduce_euclidean_norm"], norm),
    (
        &["Normalize", "math.l2_normalize", "backend.l2_normalize"],
        normalize,
    ),
    (&["Logsumexp", "math.reduce_logsumexp"], log_sum_exp),
    (&["Argmax", "math.argmax"], |b| position(b, Reduction::Max)),
    (&["Argmin", "math.argmin"], |b| position(b, Reduction::Min)),
    (&["OneHot", "one_hot"], one_hot),
    (
        &["Concatenate", "concat", "backend.concatenate"],
        concatenate,
    ),
    (&["Stack", "stack", "backend.stack"], stack),
    (&["Split", "split"], split),
    (&["Unstack", "unstack"], unstack),
    (&["Reshape", "reshape", "backend.reshape"], reshape),
    (
        &["Transpose", "transpose", "backend.permute_dimensions"],
        transpose,
    ),
    (&["Swapaxes"], swap_axes),
    (&["Moveaxis"], move_axis),
    (
        &["ExpandDims", "expand_dims", "backend.expand_dims"],
        expand_dims,
    ),
    (&["Squeeze", "squeeze", "backend.squeeze"], squeeze),
    (&["GetItem", "__operators__.getitem"], get_item),
    (&["Take", "gather"], take),
    (&["Tile", "tile"], tile),
    (&["Repeat", "repeat"], repeat),
    (&["Flip", "reverse"], flip),
    (&["Roll", "roll"], roll),
    (&["Pad", "pad"], pad),
    (
        &[
            "Identity",
            "identity",
            "Cast",
            "cast",
            "StopGradient",
            "stop_gradient",
        ],
        identity,
    ),
    (&["Softmax", "nn.softmax", "backend.softmax"], softmax),
    (&["LogSoftmax", "nn.log_softmax"], log_softmax),
    (&["Relu", "nn.relu"], |b| function(b, Activation::Relu)),
    (&["ReLU", "activations.relu", "backend.relu"], |b| {
        let activation = b.options.relu()?;
        function(b, activation)
    }),
    (&["Relu6", "nn.relu6"], |b| function(b, Activation::Relu6)),
    (&["Sigmoid", "math.sigmoid", "backend.sigmoid"], |b| {
        function(b, Activation::Sigmoid)
    }),
    (&["Tanh", "math.tanh", "backend.tanh"], |b| {
        function(b, Activation::Tanh)
    }),
    (&["Silu", "nn.silu"], |b| function(b, Activation::Silu)),
    (&["Softplus", "math.softplus"], |b| {
        function(b, Activation::Softplus)
    }),
    (&["Softsign", "nn.softsign"], |b| {
        function(b, Activation::Softsign)
    }),
    (&["Selu", "nn.selu"], |b| function(b, Activation::Selu)),
    (&["Mish"], |b| function(b, Activation::Mish)),
    (&["HardSilu"], |b| function(b, Activation::HardSilu)),
    (&["HardSigmoid"], |b| {
        function(b, Activation::HardSigmoid { slope: 1.0 / 6.0 })
    }),
    (&["HardTanh"], |b| function(b, Activation::HardTanh)),
    (&["HardShrink"], |b| function(b, Activation::HardShrink)),
    (&["LogSigmoid", "math.log_sigmoid"], |b| {
        function(b, Activation::LogSigmoid)
    }),
    (&["TanhShrink"], |b| function(b, Activation::TanhShrink)),
    (&["Squareplus"], |b| function(b, Activation::Squareplus)),
    (&["Celu"], |b| {
        let alpha = parameter(b, "alpha", 1.0)?;
        function(b, Activation::Celu { alpha })
    }),
    (&["Elu", "nn.elu"], |b| {
        let alpha = parameter(b, "alpha", 1.0)?;
        function(b, Activation::Elu { alpha })
    }),
    (&["LeakyRelu", "nn.leaky_relu"], |b| {
        let key = match setting(b, &["alpha"]) {
            Some(_) => "alpha",
            None => "negative_slope",
        };
        let negative_slope = parameter(b, key, 0.2)?;
        function(b, Activation::LeakyRelu { negative_slope })
    }),
    (&["Gelu", "nn.gelu"], |b| {
        let approximate = flag(b, &["approximate"])?;
        function(b, Activation::Gelu { approximate })
    }),
];
