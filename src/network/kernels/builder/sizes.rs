//! The sizes of what operations make, and of the weights they need.

use super::{Refused, refused};
use crate::network::kernels::operation::{Shape, Window};

/// A picture with zeros between its rows and columns, which are these distances apart.
pub(super) fn dilated(shape: Shape, [down, right]: [usize; 2]) -> Result<Shape, Refused> {
    let along = |size: usize, step: usize| size.checked_sub(1)?.checked_mul(step)?.checked_add(1);
    let sizes = [along(shape.height, down), along(shape.width, right)];
    resized(shape, sizes, || format!("strides of {down} and {right}"))
}

/// The shape that a window makes of a picture.
pub(super) fn slide(shape: Shape, window: &Window) -> Result<Shape, Refused> {
    let steps = |axis: usize, size: usize| {
        let (before, after) = window.padding[axis];
        let padded = size.checked_add(before)?.checked_add(after)?;
        let reach = window.size[axis]
            .checked_sub(1)?
            .checked_mul(window.dilation[axis])?
            .checked_add(1)?;
        padded
            .checked_sub(reach)?
            .checked_div(window.strides[axis])?
            .checked_add(1)
    };
    let sizes = [steps(0, shape.height), steps(1, shape.width)];
    resized(shape, sizes, || format!("{window:?} on {shape:?}"))
}

/// A picture of another height and width, if there are such numbers.
pub(super) fn resized(
    shape: Shape,
    sizes: [Option<usize>; 2],
    what: impl FnOnce() -> String,
) -> Result<Shape, Refused> {
    let [Some(height), Some(width)] = sizes else {
        return Err(refused(what()));
    };
    Ok(Shape {
        height,
        width,
        ..shape
    })
}

/// Checks the length of a weight.
pub(super) fn expect(what: &str, found: usize, shape: &[usize]) -> Result<(), Refused> {
    let expected = shape
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size));
    if expected == Some(found) && found > 0 {
        Ok(())
    } else {
        Err(refused(format!("{found} values as a {what} of {shape:?}")))
    }
}
