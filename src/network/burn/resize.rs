//! Resizing pictures: UpSampling2D, Resizing.

use burn::prelude::*;
use burn::tensor::TensorData;

use super::view::Axis;
use super::{Forward, take, tensor};
use crate::description::Interpolation;
use crate::network::Error;

/// `tf.image.resize` without antialiasing: rows first, then columns.
#[derive(Debug)]
pub(super) struct Resize {
    axes: Vec<Resample>,
}

/// One axis in another length.
#[derive(Debug)]
struct Resample {
    axis: Axis,
    /// `[len]`: where each value comes from.
    low: Tensor<1, Int>,
    /// For bilinear: the neighbour, and its share `[1, len, 1]`.
    high: Option<(Tensor<1, Int>, Tensor<3>)>,
}

impl Resize {
    /// From a picture `[height, width, channels]` to another.
    pub fn new(kind: Interpolation, from: &[usize], to: &[usize], device: &Device) -> Self {
        let mut shape = from.to_vec();
        let mut axes = Vec::new();
        for axis in 0..2 {
            if shape[axis] != to[axis] {
                axes.push(Resample::new(
                    kind,
                    Axis::of(&shape, axis),
                    to[axis],
                    device,
                ));
                shape[axis] = to[axis];
            }
        }
        Self { axes }
    }
}

impl Forward for Resize {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        Ok(self
            .axes
            .iter()
            .fold(values, |values, axis| axis.forward(values)))
    }
}

impl Resample {
    fn new(kind: Interpolation, axis: Axis, len: usize, device: &Device) -> Self {
        // As TensorFlow computes it, in float32.
        let scale = axis.len as f32 / len as f32;
        let last = axis.len - 1;
        let centre = |index: usize| (index as f32 + 0.5) * scale;
        let positions = |of: &dyn Fn(usize) -> usize| {
            let values: Vec<i64> = (0..len).map(|index| of(index).min(last) as i64).collect();
            Tensor::from_data(TensorData::new(values, [len]), device)
        };
        match kind {
            Interpolation::Nearest => Self {
                axis,
                low: positions(&|index| centre(index).floor() as usize),
                high: None,
            },
            Interpolation::Bilinear => {
                let before = |index: usize| centre(index) - 0.5;
                let low = positions(&|index| before(index).floor().max(0.0) as usize);
                let high = positions(&|index| before(index).ceil().max(0.0) as usize);
                let share = (0..len).map(|index| before(index) - before(index).floor());
                let share = tensor(share.collect(), [1, len, 1], device);
                Self {
                    axis,
                    low,
                    high: Some((high, share)),
                }
            }
        }
    }

    fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let view = self.axis.view(values);
        let low = view.clone().select(1, self.low.clone());
        self.axis.flatten(match &self.high {
            None => low,
            Some((high, share)) => {
                let high = view.select(1, high.clone());
                low.clone() + (high - low) * share.clone()
            }
        })
    }
}
