//! Layers that move, repeat or leave out values, and compute none.

use serde::{Deserialize, Serialize};

use super::describe::Describe;
use super::shape::{Shape, ShapeError, broadcast_all, check, elements, one};
use super::weight::{NO_WEIGHTS, WeightSpec};
use super::work::each_value;

/// Gives what it gets: the input of a network, and what does nothing at inference.
pub(super) struct Unchanged;

/// The same values in row-major order under another shape; `Flatten` too.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Reshape {
    /// The shape to have; a `-1` of Keras is already replaced by its size.
    pub target: Vec<usize>,
}

/// Axis `i` of the output is axis `axes[i]` of the input.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Permute {
    /// Each axis of the input once.
    pub axes: Vec<usize>,
}

/// Repeats the input along axes where it has size 1 (`numpy.broadcast_to`, same rank).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// The shape to have.
    pub target: Vec<usize>,
}

/// Surrounds the input with zeros.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Pad {
    /// How many come before and after, for each axis.
    pub amounts: Vec<[usize; 2]>,
}

/// A part of the input, with its rank.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The first position kept and the first not kept any more, for each axis.
    pub ranges: Vec<[usize; 2]>,
}

/// Along each axis `size` values, the first at `begin` and each next one `stride` further
/// (`x[begin::stride]`); backwards where that is negative.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct StridedSlice {
    /// Where the first is, for each axis.
    pub begin: Vec<usize>,
    /// How far it is to the next, for each axis; not 0.
    pub strides: Vec<isize>,
    /// How many there are, for each axis.
    pub size: Vec<usize>,
}

impl Describe for Unchanged {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        Ok(one(inputs)?.to_vec())
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl Describe for Reshape {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let (input, target) = (one(inputs)?, &self.target);
        let (from, to) = (elements(input)?, elements(target)?);
        check(from == to, || {
            format!("cannot reshape {input:?} ({from} values) into {target:?} ({to} values)")
        })?;
        Ok(target.clone())
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl Describe for Permute {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let (input, axes) = (one(inputs)?, &self.axes);
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        check(sorted.into_iter().eq(0..input.len()), || {
            format!("the axes {axes:?} are not those of {input:?}, each of them once")
        })?;
        Ok(axes.iter().map(|&axis| input[axis]).collect())
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl Describe for Broadcast {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let (input, target) = (one(inputs)?, &self.target);
        let output = broadcast_all(&[input, target])?;
        check(output == *target && target.len() == input.len(), || {
            format!("cannot repeat {input:?} to {target:?}")
        })?;
        Ok(output)
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl Describe for Pad {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let input = one(inputs)?;
        same_rank(self.amounts.len(), input)?;
        let sizes = self.amounts.iter().zip(input);
        Ok(sizes
            .map(|(&[before, after], &size)| size.saturating_add(before).saturating_add(after))
            .collect())
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl Describe for Slice {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let (input, ranges) = (one(inputs)?, &self.ranges);
        same_rank(ranges.len(), input)?;
        let inside = |(&[begin, end], &size): (&[usize; 2], &usize)| begin < end && end <= size;
        check(ranges.iter().zip(input).all(inside), || {
            format!("cannot keep {ranges:?} of {input:?}")
        })?;
        Ok(ranges.iter().map(|[begin, end]| end - begin).collect())
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl StridedSlice {
    /// The positions that it keeps of an axis.
    #[must_use]
    pub fn positions(&self, axis: usize) -> Vec<usize> {
        let (begin, stride, size) = (self.begin[axis], self.strides[axis], self.size[axis]);
        let next = |at: &usize| Some(at.wrapping_add_signed(stride));
        std::iter::successors(Some(begin), next)
            .take(size)
            .collect()
    }

    /// Whether the first and the last value of an axis are among `length`.
    fn fits(&self, axis: usize, length: usize) -> bool {
        let (begin, stride, size) = (self.begin[axis], self.strides[axis], self.size[axis]);
        let steps = isize::try_from(size).ok().and_then(|n| n.checked_sub(1));
        let offset = steps.and_then(|steps| steps.checked_mul(stride));
        let last = offset.and_then(|offset| begin.checked_add_signed(offset));
        stride != 0 && size > 0 && begin < length && last.is_some_and(|last| last < length)
    }
}

impl Describe for StridedSlice {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let input = one(inputs)?;
        for rank in [self.begin.len(), self.strides.len(), self.size.len()] {
            same_rank(rank, input)?;
        }
        let mut axes = input.iter().enumerate();
        check(axes.all(|(axis, &length)| self.fits(axis, length)), || {
            format!(
                "cannot keep {:?} values of {input:?} from {:?} on in steps of {:?}",
                self.size, self.begin, self.strides
            )
        })?;
        Ok(self.size.clone())
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

fn same_rank(rank: usize, input: &[usize]) -> Result<(), ShapeError> {
    check(rank == input.len(), || {
        format!("it works on {rank} axes, but its input has the shape {input:?}")
    })
}
