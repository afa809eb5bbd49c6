//! Shape inference: what comes out of a layer, with every size checked before it is used.

use super::activation::Activation;
use super::geometry::{DataFormat, PictureShape};
use super::layer::{BidirectionalMerge, Layer, MergeOp, Recurrent};

/// Most values that one example may have anywhere in a network: 2^26, which is 256 MiB of float32.
pub const MAX_ELEMENTS: usize = 1 << 26;
/// Most values that one example may have in all places of a network together: 2^28.
pub const MAX_VALUES: usize = 1 << 28;
/// Most values that all weights of a network may have together: 2^28, which is 1 GiB of float32.
pub const MAX_PARAMETERS: usize = 1 << 28;
/// Most axes of an example, not counting the batch axis.
pub const MAX_RANK: usize = 8;
/// Most work for one example: 2^36 multiply-adds or comparisons, four times a large ImageNet classifier.
pub const MAX_WORK: u64 = 1 << 36;

/// Why a layer cannot take an input of some shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ShapeError(String);

pub(super) type Shape = Result<Vec<usize>, ShapeError>;

impl Layer {
    /// The shape of one example after this layer. Checks the layer's own options too.
    ///
    /// # Errors
    /// Another number of inputs than the layer takes, an option out of its range, inputs that the
    /// layer cannot take, or a size beyond [`MAX_ELEMENTS`].
    pub fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        for input in inputs {
            elements(input)?;
        }
        self.check_numbers()?;
        let output = match (self, inputs) {
            (Self::Merge { op }, inputs) => merge(*op, inputs)?,
            (Self::Concatenate { axis }, inputs) => concatenate(*axis, inputs)?,
            (Self::Attention { heads, .. }, inputs) => attention(*heads, inputs)?,
            (layer, &[input]) => layer.shape_of_one(input)?,
            (_, inputs) => {
                return Err(error(format!("takes one input but gets {}", inputs.len())));
            }
        };
        elements(&output)?;
        Ok(output)
    }

    fn shape_of_one(&self, input: &[usize]) -> Shape {
        match self {
            Self::Input | Self::Identity | Self::Activation { .. } => Ok(input.to_vec()),
            Self::Reshape { target } => reshape(target, input),
            Self::Permute { axes } => permute(axes, input),
            Self::Broadcast { target } => broadcast(target, input),
            Self::Pad { amounts } => pad(amounts, input),
            Self::Slice { ranges } => slice(ranges, input),
            Self::Rescaling { scale, offset } => rescaling(scale, offset, input),
            Self::Dense { units, .. } => Ok(with_last(input, *units)),
            Self::Resize2D {
                size, data_format, ..
            } => Ok(data_format.shape(*size, picture(*data_format, input)?.channels)),
            Self::Conv2D { .. } => self.convolution(input),
            Self::Conv2DTranspose { .. } => self.transposed_convolution(input),
            Self::Pooling2D { .. } => self.pooling(input),
            Self::Reduce { axes, keepdims, .. } => reduce(axes, *keepdims, input),
            Self::MergeConstant { shape, .. } => {
                let output = broadcast_all(&[input, shape])?;
                check(output == input, || {
                    format!("its constant {shape:?} does not fit its input {input:?}")
                })?;
                Ok(output)
            }
            Self::Normalization { axes, .. } | Self::PReLU { shared_axes: axes } => {
                check_axes(axes, input)?;
                Ok(input.to_vec())
            }
            Self::BatchNormalization { axis, .. } => {
                check_axes(&[*axis], input)?;
                Ok(input.to_vec())
            }
            Self::GroupNormalization { groups, axis, .. } => groups_fit(*groups, *axis, input),
            Self::LayerNormalization { axes, .. }
            | Self::UnitNormalization { axes }
            | Self::Softmax { axes } => {
                check_axes(axes, input)?;
                check(!axes.is_empty(), || "it needs an axis".to_owned())?;
                Ok(input.to_vec())
            }
            Self::Embedding { output_dim, .. } => Ok([input, &[*output_dim]].concat()),
            Self::Recurrent(recurrent) => recurrent.shape(input),
            Self::Bidirectional {
                forward,
                backward,
                merge,
            } => bidirectional(forward, backward, *merge, input),
            Self::TimeDistributed { layer } => time_distributed(layer, input),
            Self::Merge { .. } | Self::Concatenate { .. } | Self::Attention { .. } => {
                Err(error("takes several inputs"))
            }
        }
    }

    /// Checks that the numbers that the layer computes with are in their ranges.
    fn check_numbers(&self) -> Result<(), ShapeError> {
        match self {
            Self::BatchNormalization { epsilon, .. }
            | Self::LayerNormalization { epsilon, .. }
            | Self::GroupNormalization { epsilon, .. } => {
                check(epsilon.is_finite() && *epsilon >= 0.0, || {
                    format!("epsilon is {epsilon}, it must be a number from 0 on")
                })
            }
            Self::Attention { scale, .. } => check(scale.is_finite(), || {
                format!("the scale is {scale}, it must be finite")
            }),
            Self::Dense { activation, .. }
            | Self::Conv2D { activation, .. }
            | Self::Conv2DTranspose { activation, .. }
            | Self::Activation { activation } => check_activation(*activation),
            Self::Recurrent(recurrent) => recurrent.check_numbers(),
            Self::Bidirectional {
                forward, backward, ..
            } => forward.check_numbers().and(backward.check_numbers()),
            _ => Ok(()),
        }
    }
}

impl Recurrent {
    fn shape(&self, input: &[usize]) -> Shape {
        let &[steps, _] = input else {
            return Err(error(format!(
                "takes steps of features, but its input has the shape {input:?}"
            )));
        };
        check((1..=MAX_ELEMENTS).contains(&self.units), || {
            format!("units is {}, it must be 1 to {MAX_ELEMENTS}", self.units)
        })?;
        Ok(match self.return_sequences {
            true => vec![steps, self.units],
            false => vec![self.units],
        })
    }

    fn check_numbers(&self) -> Result<(), ShapeError> {
        check_activation(self.activation).and(check_activation(self.recurrent_activation))
    }
}

/// Number of values of one example of that shape.
///
/// # Errors
/// No axis, more than [`MAX_RANK`], an empty axis, or more than [`MAX_ELEMENTS`] values.
pub(crate) fn elements(shape: &[usize]) -> Result<usize, ShapeError> {
    check(!shape.is_empty() && shape.len() <= MAX_RANK, || {
        format!("the shape {shape:?} must have 1 to {MAX_RANK} axes")
    })?;
    check(!shape.contains(&0), || {
        format!("the shape {shape:?} has an empty axis")
    })?;
    product(shape)
        .filter(|&n| n <= MAX_ELEMENTS)
        .ok_or_else(|| error(format!("the shape {shape:?} exceeds {MAX_ELEMENTS} values")))
}

/// The product of the sizes, or `None` where it overflows.
pub(crate) fn product(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d))
}

pub(super) fn picture(format: DataFormat, shape: &[usize]) -> Result<PictureShape, ShapeError> {
    format.picture(shape).ok_or_else(|| {
        error(format!(
            "takes a picture of three axes, but its input has the shape {shape:?}"
        ))
    })
}

fn with_last(shape: &[usize], size: usize) -> Vec<usize> {
    let outer = shape.split_last().map_or(&[][..], |(_, outer)| outer);
    [outer, &[size]].concat()
}

fn rescaling(scale: &[f32], offset: &[f32], input: &[usize]) -> Shape {
    let channels = input.last().copied().unwrap_or(0);
    for (name, values) in [("scale", scale), ("offset", offset)] {
        check(values.len() == 1 || values.len() == channels, || {
            format!(
                "{name} has {} values, it must have 1 or {channels}, the size of the last axis",
                values.len()
            )
        })?;
        check(values.iter().all(|v| v.is_finite()), || {
            format!("{name} holds a value that is not a finite number")
        })?;
    }
    Ok(input.to_vec())
}

fn reshape(target: &[usize], input: &[usize]) -> Shape {
    let (from, to) = (elements(input)?, elements(target)?);
    check(from == to, || {
        format!("cannot reshape {input:?} ({from} values) into {target:?} ({to} values)")
    })?;
    Ok(target.to_vec())
}

fn permute(axes: &[usize], input: &[usize]) -> Shape {
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    check(sorted.into_iter().eq(0..input.len()), || {
        format!("the axes {axes:?} are not those of {input:?}, each of them once")
    })?;
    Ok(axes.iter().map(|&axis| input[axis]).collect())
}

fn broadcast(target: &[usize], input: &[usize]) -> Shape {
    let output = broadcast_all(&[input, target])?;
    check(output == target && target.len() == input.len(), || {
        format!("cannot repeat {input:?} to {target:?}")
    })?;
    Ok(output)
}

fn pad(amounts: &[[usize; 2]], input: &[usize]) -> Shape {
    same_rank(amounts.len(), input)?;
    let sizes = amounts.iter().zip(input);
    Ok(sizes
        .map(|(&[before, after], &size)| size.saturating_add(before).saturating_add(after))
        .collect())
}

fn slice(ranges: &[[usize; 2]], input: &[usize]) -> Shape {
    same_rank(ranges.len(), input)?;
    let inside = |(&[begin, end], &size): (&[usize; 2], &usize)| begin < end && end <= size;
    check(ranges.iter().zip(input).all(inside), || {
        format!("cannot keep {ranges:?} of {input:?}")
    })?;
    Ok(ranges.iter().map(|[begin, end]| end - begin).collect())
}

fn same_rank(rank: usize, input: &[usize]) -> Result<(), ShapeError> {
    check(rank == input.len(), || {
        format!("it works on {rank} axes, but its input has the shape {input:?}")
    })
}

fn reduce(axes: &[usize], keepdims: bool, input: &[usize]) -> Shape {
    check_axes(axes, input)?;
    check(!axes.is_empty(), || "it needs an axis".to_owned())?;
    let sizes = input.iter().enumerate();
    Ok(sizes
        .filter_map(|(axis, &size)| match (axes.contains(&axis), keepdims) {
            (false, _) => Some(size),
            (true, true) => Some(1),
            (true, false) => None,
        })
        .collect())
}

fn merge(op: MergeOp, inputs: &[&[usize]]) -> Shape {
    let two = matches!(op, MergeOp::Subtract | MergeOp::Divide);
    check(!inputs.is_empty() && (!two || inputs.len() == 2), || {
        format!("{op:?} cannot be done with {} inputs", inputs.len())
    })?;
    broadcast_all(inputs)
}

/// The shape that all of them have when axes of size 1 are repeated.
fn broadcast_all(shapes: &[&[usize]]) -> Shape {
    let rank = shapes.first().map_or(0, |shape| shape.len());
    let mut output = vec![1; rank];
    for shape in shapes {
        check(shape.len() == rank, || {
            format!(
                "its inputs have different numbers of axes: {:?}",
                &shapes[..2]
            )
        })?;
        for (size, &new) in output.iter_mut().zip(*shape) {
            check(*size == 1 || new == 1 || *size == new, || {
                format!("its inputs have sizes {size} and {new} on the same axis")
            })?;
            *size = if *size == 1 { new } else { *size };
        }
    }
    Ok(output)
}

fn concatenate(axis: usize, inputs: &[&[usize]]) -> Shape {
    let Some((first, rest)) = inputs.split_first() else {
        return Err(error("it gets no input"));
    };
    check_axes(&[axis], first)?;
    let mut output = first.to_vec();
    for input in rest {
        let fits = input.len() == first.len()
            && (0..first.len()).all(|at| at == axis || input[at] == first[at]);
        check(fits, || {
            format!("cannot put {input:?} beside {first:?} along axis {axis}")
        })?;
        output[axis] = output[axis].saturating_add(input[axis]);
    }
    Ok(output)
}

fn attention(heads: usize, inputs: &[&[usize]]) -> Shape {
    let &[&[steps, query], &[sources, key], &[values, value]] = inputs else {
        return Err(error(format!(
            "takes query, key and value of two axes each, not {inputs:?}"
        )));
    };
    let divides = |n: usize| n.checked_rem(heads) == Some(0);
    let fits = query == key && sources == values && divides(query) && divides(value);
    check(fits, || {
        format!("query, key and value {inputs:?} do not fit each other and {heads} heads")
    })?;
    // The scores are a tensor too.
    elements(&[heads, steps, sources])?;
    Ok(vec![steps, value])
}

fn groups_fit(groups: usize, axis: usize, input: &[usize]) -> Shape {
    check_axes(&[axis], input)?;
    check(input[axis].checked_rem(groups) == Some(0), || {
        format!(
            "groups = {groups} must divide {}, the size of the axis",
            input[axis]
        )
    })?;
    Ok(input.to_vec())
}

fn bidirectional(
    forward: &Recurrent,
    backward: &Recurrent,
    merge: BidirectionalMerge,
    input: &[usize],
) -> Shape {
    let (there, back) = (forward.shape(input)?, backward.shape(input)?);
    check(there.len() == back.len(), || {
        "one direction gives every step, the other only the last".to_owned()
    })?;
    check(forward.go_backwards != backward.go_backwards, || {
        "both directions begin at the same end".to_owned()
    })?;
    match merge {
        BidirectionalMerge::Concat => {
            let width = forward.units.saturating_add(backward.units);
            Ok(with_last(&there, width))
        }
        _ if there == back => Ok(there),
        _ => Err(error(format!(
            "its directions give {there:?} and {back:?}, which cannot be merged"
        ))),
    }
}

fn time_distributed(layer: &Layer, input: &[usize]) -> Shape {
    let single = !matches!(layer, Layer::TimeDistributed { .. } | Layer::Input);
    check(single, || "it cannot be repeated over steps".to_owned())?;
    let Some((steps, step)) = input.split_first() else {
        return Err(error("has no steps"));
    };
    Ok([&[*steps], &layer.output_shape(&[step])?[..]].concat())
}

fn check_axes(axes: &[usize], input: &[usize]) -> Result<(), ShapeError> {
    let ascending = axes.is_sorted_by(|a, b| a < b);
    check(
        ascending && axes.iter().all(|&axis| axis < input.len()),
        || {
            format!(
                "axes {axes:?} (without the batch axis) are not those of the input's shape {input:?}"
            )
        },
    )
}

fn check_activation(activation: Activation) -> Result<(), ShapeError> {
    let numbers = activation.parameters();
    check(numbers.iter().all(|number| number.is_finite()), || {
        format!("the numbers of the activation are {numbers:?}, they must be finite")
    })?;
    match activation {
        Activation::Celu { alpha: 0.0 } => Err(error("alpha of celu must not be 0")),
        Activation::BentRelu { .. } => check(numbers.iter().all(|&number| number >= 0.0), || {
            format!(
                "max_value, negative_slope and threshold are {numbers:?}, they must be numbers from 0 on"
            )
        }),
        _ => Ok(()),
    }
}

pub(super) fn check(holds: bool, reason: impl FnOnce() -> String) -> Result<(), ShapeError> {
    if holds { Ok(()) } else { Err(error(reason())) }
}

pub(super) fn error(reason: impl Into<String>) -> ShapeError {
    ShapeError(reason.into())
}
