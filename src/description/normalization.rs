//! Layers that scale and shift values, by numbers that are given or by the values' own statistics.

use serde::{Deserialize, Serialize};

use super::describe::Describe;
use super::shape::{Shape, check, check_axes, check_epsilon, check_some_axes, one};
use super::weight::{NO_WEIGHTS, WeightSpec, first, sizes, weight};
use super::work::each_value;

/// `x * scale + offset`. Each of the two has one value, or one for each entry of the last axis.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Rescaling {
    /// The factor.
    pub scale: Vec<f32>,
    /// What is added after it.
    pub offset: Vec<f32>,
}

/// `(x - mean) / max(sqrt(variance), 1e-7)`, inverted `mean + x * max(sqrt(variance), 1e-7)`.
/// Weights: `mean`, `variance`, both of the sizes of `axes` (one value where there are none).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Normalization {
    /// The axes along which they differ, ascending; none for one mean for all.
    pub axes: Vec<usize>,
    /// Whether the layer undoes a normalization.
    pub invert: bool,
}

/// `gamma * (x - moving_mean) / sqrt(moving_variance + epsilon) + beta` along `axis`.
/// Weights: `gamma`, `beta`, `moving_mean`, `moving_variance`, each `(size of the axis)`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct BatchNormalization {
    /// The axis that is normalized.
    pub axis: usize,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether there is a `beta`.
    pub center: bool,
    /// Whether there is a `gamma`.
    pub scale: bool,
}

/// Normalized by statistics of the example itself over `axes`.
/// Weights: `gamma`, `beta`, both of the sizes of `axes`, in that order.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct LayerNormalization {
    /// The axes that are normalized together, ascending.
    pub axes: Vec<usize>,
    /// By what.
    pub statistics: Statistics,
    /// Added to the variance or the mean square.
    pub epsilon: f32,
    /// Whether there is a `beta`.
    pub center: bool,
    /// Whether there is a `gamma`.
    pub scale: bool,
}

/// What a [`LayerNormalization`] divides by.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`
    MeanAndVariance,
    /// `gamma * x / sqrt(variance + epsilon)`: `LayerNormalization(rms_scaling=True)`
    Variance,
    /// `gamma * x / sqrt(mean(x²) + epsilon)`: `RMSNormalization`
    MeanSquare,
}

/// As [`Statistics::MeanAndVariance`], over everything but `axis`, which is cut into `groups`
/// of neighbours that are normalized each for itself. Weights: `gamma`, `beta`, both of the
/// size of the axis.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct GroupNormalization {
    /// How many groups.
    pub groups: usize,
    /// The axis that is cut.
    pub axis: usize,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether there is a `beta`.
    pub center: bool,
    /// Whether there is a `gamma`.
    pub scale: bool,
}

/// `x / sqrt(max(sum(x²), 1e-12))` over `axes` together.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct UnitNormalization {
    /// Ascending, at least one.
    pub axes: Vec<usize>,
}

impl Describe for Rescaling {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let input = one(inputs)?;
        let channels = input.last().copied().unwrap_or(0);
        for (name, values) in [("scale", &self.scale), ("offset", &self.offset)] {
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

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl Describe for Normalization {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let input = one(inputs)?;
        check_axes(&self.axes, input)?;
        Ok(input.to_vec())
    }

    fn weights(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        let sizes = match self.axes[..] {
            [] => vec![1],
            _ => sizes(first(inputs), &self.axes),
        };
        vec![weight("mean", sizes.clone()), weight("variance", sizes)]
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl Describe for BatchNormalization {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        check_epsilon(self.epsilon)?;
        let input = one(inputs)?;
        check_axes(&[self.axis], input)?;
        Ok(input.to_vec())
    }

    fn weights(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        let size = sizes(first(inputs), &[self.axis]);
        let mut weights = gamma_and_beta(&size, self.scale, self.center);
        weights.push(weight("moving_mean", size.clone()));
        weights.push(weight("moving_variance", size));
        weights
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl Describe for LayerNormalization {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        check_epsilon(self.epsilon)?;
        let input = one(inputs)?;
        check_some_axes(&self.axes, input)?;
        Ok(input.to_vec())
    }

    fn weights(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        let center = self.center && self.statistics == Statistics::MeanAndVariance;
        gamma_and_beta(&sizes(first(inputs), &self.axes), self.scale, center)
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl Describe for GroupNormalization {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        check_epsilon(self.epsilon)?;
        let (input, groups) = (one(inputs)?, self.groups);
        check_axes(&[self.axis], input)?;
        let size = input[self.axis];
        check(size.checked_rem(groups) == Some(0), || {
            format!("groups = {groups} must divide {size}, the size of the axis")
        })?;
        Ok(input.to_vec())
    }

    fn weights(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        let size = sizes(first(inputs), &[self.axis]);
        gamma_and_beta(&size, self.scale, self.center)
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}

impl Describe for UnitNormalization {
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

fn gamma_and_beta(shape: &[usize], scale: bool, center: bool) -> Vec<WeightSpec> {
    let all = [(scale, "gamma"), (center, "beta")];
    let present = all.into_iter().filter(|(present, _)| *present);
    present
        .map(|(_, name)| weight(name, shape.to_vec()))
        .collect()
}
