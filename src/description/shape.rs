//! What shapes may be, and the checks that layers make on them.

use super::limits::{MAX_ELEMENTS, MAX_RANK};

/// Why a layer cannot take an input of some shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ShapeError(String);

pub(super) type Shape = Result<Vec<usize>, ShapeError>;

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

/// The input of a layer that takes one.
pub(super) fn one<'a>(inputs: &[&'a [usize]]) -> Result<&'a [usize], ShapeError> {
    match inputs {
        [input] => Ok(input),
        _ => Err(error(format!("takes one input but gets {}", inputs.len()))),
    }
}

/// The shape with another size of the last axis.
pub(super) fn with_last(shape: &[usize], size: usize) -> Vec<usize> {
    let outer = shape.split_last().map_or(&[][..], |(_, outer)| outer);
    [outer, &[size]].concat()
}

/// The shape that all of them have when axes of size 1 are repeated.
pub(super) fn broadcast_all(shapes: &[&[usize]]) -> Shape {
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

/// Checks that axes are those of the input, ascending and each once.
pub(super) fn check_axes(axes: &[usize], input: &[usize]) -> Result<(), ShapeError> {
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

/// The same, and that there is one at least.
pub(super) fn check_some_axes(axes: &[usize], input: &[usize]) -> Result<(), ShapeError> {
    check_axes(axes, input)?;
    check(!axes.is_empty(), || "it needs an axis".to_owned())
}

/// Checks what is added to a variance.
pub(super) fn check_epsilon(epsilon: f32) -> Result<(), ShapeError> {
    check(epsilon.is_finite() && epsilon >= 0.0, || {
        format!("epsilon is {epsilon}, it must be a number from 0 on")
    })
}

pub(super) fn check(holds: bool, reason: impl FnOnce() -> String) -> Result<(), ShapeError> {
    if holds { Ok(()) } else { Err(error(reason())) }
}

pub(super) fn error(reason: impl Into<String>) -> ShapeError {
    ShapeError(reason.into())
}
