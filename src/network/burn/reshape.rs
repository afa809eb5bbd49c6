//! Layers that move, repeat, add or leave out values: Permute, RepeatVector,
//! ZeroPadding, Cropping.
//!
//! Each works on one axis after the other, so that any rank needs tensors of
//! three or four axes only; burn-ndarray has at most six.

use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::ops::PadMode;

use super::view::Axis;
use super::{Forward, take};
use crate::network::Error;

/// Axes of size 1 repeated (`numpy.broadcast_to`).
#[derive(Debug)]
pub(super) struct Broadcast {
    /// Each axis that is repeated, and how often.
    axes: Vec<(Axis, usize)>,
}

impl Broadcast {
    pub fn new(from: &[usize], to: &[usize]) -> Self {
        let mut shape = from.to_vec();
        let mut axes = Vec::new();
        for axis in 0..to.len() {
            if shape[axis] != to[axis] {
                axes.push((Axis::of(&shape, axis), to[axis]));
                shape[axis] = to[axis];
            }
        }
        Self { axes }
    }

    pub fn repeat(&self, values: Tensor<2>) -> Tensor<2> {
        self.axes.iter().fold(values, |values, (axis, times)| {
            axis.flatten(axis.view(values).repeat_dim(1, *times))
        })
    }
}

impl Forward for Broadcast {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        Ok(self.repeat(values))
    }
}

/// Zeros around the values.
#[derive(Debug)]
pub(super) struct Pad {
    axes: Vec<(Axis, [usize; 2])>,
}

impl Pad {
    pub fn new(amounts: &[[usize; 2]], input: &[usize]) -> Self {
        let mut shape = input.to_vec();
        let mut axes = Vec::new();
        for (axis, &[before, after]) in amounts.iter().enumerate() {
            if before + after > 0 {
                axes.push((Axis::of(&shape, axis), [before, after]));
                shape[axis] += before + after;
            }
        }
        Self { axes }
    }
}

impl Forward for Pad {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        Ok(self
            .axes
            .iter()
            .fold(values, |values, (axis, [before, after])| {
                let padding = [(*before, *after), (0, 0)];
                axis.flatten(axis.view(values).pad(padding, PadMode::Constant(0.0)))
            }))
    }
}

/// A part of each axis.
#[derive(Debug)]
pub(super) struct Slice {
    axes: Vec<(Axis, [usize; 2])>,
}

impl Slice {
    pub fn new(ranges: &[[usize; 2]], input: &[usize]) -> Self {
        let mut shape = input.to_vec();
        let mut axes = Vec::new();
        for (axis, &[first, end]) in ranges.iter().enumerate() {
            if end - first != shape[axis] {
                axes.push((Axis::of(&shape, axis), [first, end]));
                shape[axis] = end - first;
            }
        }
        Self { axes }
    }
}

impl Forward for Slice {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        Ok(self
            .axes
            .iter()
            .fold(values, |values, (axis, [first, end])| {
                axis.flatten(axis.view(values).narrow(1, *first, end - first))
            }))
    }
}

/// Some positions of each axis.
#[derive(Debug)]
pub(super) struct Take {
    axes: Vec<(Axis, Tensor<1, Int>)>,
}

impl Take {
    pub fn new(positions: &[Vec<usize>], input: &[usize], device: &Device) -> Self {
        let mut shape = input.to_vec();
        let mut axes = Vec::new();
        for (axis, positions) in positions.iter().enumerate() {
            if !positions.iter().copied().eq(0..shape[axis]) {
                let kept: Vec<i64> = positions.iter().map(|&at| at as i64).collect();
                let kept = Tensor::from_data(TensorData::new(kept, [positions.len()]), device);
                axes.push((Axis::of(&shape, axis), kept));
                shape[axis] = positions.len();
            }
        }
        Self { axes }
    }
}

impl Forward for Take {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        Ok(self.axes.iter().fold(values, |values, (axis, kept)| {
            axis.flatten(axis.view(values).select(1, kept.clone()))
        }))
    }
}

/// Axes in another order.
#[derive(Debug)]
pub(super) struct Permute {
    swaps: Vec<Swap>,
}

/// Two neighbouring blocks of axes change places: `[outer, a, b, inner]` becomes
/// `[outer, b, a, inner]`.
#[derive(Debug, PartialEq, Eq)]
struct Swap {
    outer: usize,
    a: usize,
    b: usize,
    inner: usize,
}

impl Permute {
    /// Output axis `i` is input axis `axes[i]`.
    pub fn new(axes: &[usize], input: &[usize]) -> Self {
        // Axes that stay together move as one, and those of size 1 do not matter.
        let long: Vec<usize> = axes.iter().copied().filter(|&a| input[a] != 1).collect();
        let between = |a: usize, b: usize| (a + 1..b).all(|axis| input[axis] == 1);
        let wanted: Vec<&[usize]> = long.chunk_by(|&a, &b| a < b && between(a, b)).collect();
        let mut blocks: Vec<&[usize]> = wanted.clone();
        blocks.sort_unstable_by_key(|block| block[0]);
        let size = |block: &[usize]| block.iter().map(|&axis| input[axis]).product::<usize>();
        let sizes = |blocks: &[&[usize]]| blocks.iter().map(|block| size(block)).product();
        let mut swaps = Vec::new();
        for (at, block) in wanted.iter().enumerate() {
            let found = blocks.iter().position(|candidate| candidate == block);
            let Some(found) = found.filter(|&found| found > at) else {
                continue;
            };
            swaps.push(Swap {
                outer: sizes(&blocks[..at]),
                a: sizes(&blocks[at..found]),
                b: size(block),
                inner: sizes(&blocks[found + 1..]),
            });
            blocks[at..=found].rotate_right(1);
        }
        Self { swaps }
    }
}

impl Forward for Permute {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
        let [batch, len] = values.dims();
        Ok(self.swaps.iter().fold(values, |values, swap| {
            values
                .reshape([batch * swap.outer, swap.a, swap.b, swap.inner])
                .swap_dims(1, 2)
                .reshape([batch, len])
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_move_in_one_swap_and_axes_of_size_one_are_free() {
        let swap = |outer, a, b, inner| vec![Swap { outer, a, b, inner }];
        assert_eq!(
            Permute::new(&[2, 0, 1], &[5, 6, 3]).swaps,
            swap(1, 30, 3, 1)
        );
        assert_eq!(
            Permute::new(&[1, 2, 0], &[3, 5, 6]).swaps,
            swap(1, 3, 30, 1)
        );
        assert_eq!(Permute::new(&[2, 0, 1], &[5, 6, 1]).swaps, vec![]);
        assert_eq!(Permute::new(&[0, 2, 1], &[4, 1, 6]).swaps, vec![]);
        assert_eq!(Permute::new(&[2, 1, 0], &[4, 5, 6]).swaps.len(), 2);
    }
}
