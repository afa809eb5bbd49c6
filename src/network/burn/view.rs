//! `[batch, values]` seen as something else.

use burn::prelude::*;

/// One axis of an example: how many values lie outside of it, its length, how many lie inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    pub outer: usize,
    pub len: usize,
    pub inner: usize,
}

impl Axis {
    pub fn of(shape: &[usize], axis: usize) -> Self {
        Self {
            outer: shape[..axis].iter().product(),
            len: shape[axis],
            inner: shape[axis + 1..].iter().product(),
        }
    }

    /// `[batch * outer, len, inner]`.
    pub fn view(self, values: Tensor<2>) -> Tensor<3> {
        let [batch, _] = values.dims();
        values.reshape([batch * self.outer, self.len, self.inner])
    }

    /// Back to `[batch, values]`, whatever length the axis has now.
    pub fn flatten(self, values: Tensor<3>) -> Tensor<2> {
        let [rows, len, inner] = values.dims();
        values.reshape([rows / self.outer, self.outer * len * inner])
    }
}

/// A picture as Keras has it, channels last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Picture {
    /// Of a shape `[height, width, channels]`.
    pub fn of(shape: &[usize]) -> Self {
        Self {
            height: shape[0],
            width: shape[1],
            channels: shape[2],
        }
    }

    /// `[batch, channels, height, width]`, which is Burn's order.
    pub fn view(self, values: Tensor<2>) -> Tensor<4> {
        let [batch, _] = values.dims();
        values
            .reshape([batch, self.height, self.width, self.channels])
            .permute([0, 3, 1, 2])
    }

    /// `[batch, channels, height, width]` of any size back to `[batch, values]`.
    pub fn flatten(picture: Tensor<4>) -> Tensor<2> {
        picture.permute([0, 2, 3, 1]).flatten(1, 3)
    }
}
