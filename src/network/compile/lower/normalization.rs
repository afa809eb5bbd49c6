//! Normalization layers as operations along a last axis.

use super::Lowering;
use super::weights::{Weights, wide};
use super::wire::Wire;
use crate::description::{MergeOp, Statistics};
use crate::network::Error;
use crate::network::compile::affine::Affine;
use crate::network::compile::op::{Source, Work};

/// Above this many standard deviations between zero and the mean, `x * scale +
/// offset` would lose digits that `(x - mean) / deviation` keeps.
const FAR_MEAN: f64 = 16.0;

impl Lowering<'_> {
    pub(super) fn layer_normalization(
        &mut self,
        mut weights: Weights,
        axes: &[usize],
        statistics: Statistics,
        epsilon: f32,
    ) -> Wire {
        let (source, order, full) = self.axes_last(axes);
        let view = source.shape.clone();
        let work = Work::Normalize {
            statistics,
            epsilon,
        };
        let value = self.push(work, vec![source], &view);
        let value = self.gamma_and_beta(&mut weights, value, view.clone(), view.len() - 1);
        Wire::ordered(value, full, &order)
    }

    pub(super) fn group_normalization(
        &mut self,
        mut weights: Weights,
        groups: usize,
        axis: usize,
        epsilon: f32,
    ) -> Wire {
        let rank = self.node.output_shape.len();
        let others = (0..rank).filter(|&other| other != axis);
        let order: Vec<usize> = std::iter::once(axis).chain(others).collect();
        let mut source = self.arrange(0, &order);
        let full = source.shape.clone();
        let channels = full[0];
        let total: usize = full.iter().product();
        let view = vec![groups, total / groups];
        source.shape.clone_from(&view);
        let work = Work::Normalize {
            statistics: Statistics::MeanAndVariance,
            epsilon,
        };
        let value = self.push(work, vec![source], &view);
        let by_channel = vec![channels, total / channels];
        let value = self.gamma_and_beta(&mut weights, value, by_channel, 0);
        Wire::ordered(value, full, &order)
    }

    /// `x * gamma + beta` along `axis` of a value seen as `shape`, if there are any.
    fn gamma_and_beta(
        &mut self,
        weights: &mut Weights,
        value: usize,
        shape: Vec<usize>,
        axis: usize,
    ) -> usize {
        let [gamma, beta] = ["gamma", "beta"].map(|name| wide(&weights.take(name)));
        let or = |values: Vec<f64>, default: f64| {
            if values.is_empty() {
                vec![default]
            } else {
                values
            }
        };
        if gamma.is_empty() && beta.is_empty() {
            return value;
        }
        let affine = Affine::new(&or(gamma, 1.0), &or(beta, 0.0), axis);
        let source = Source {
            value,
            shape: shape.clone(),
        };
        self.push(Work::Affine(affine), vec![source], &shape)
    }

    /// `(x - mean) / deviation`, or the other way round.
    pub(super) fn normalization(
        &mut self,
        mut weights: Weights,
        axes: &[usize],
        invert: bool,
    ) -> Result<Wire, Error> {
        let mean = wide(&weights.take("mean"));
        let variance = weights.take("variance");
        let deviation: Vec<f64> = variance
            .iter()
            .map(|&variance| f64::from(variance).sqrt().max(1e-7))
            .collect();
        let pairs = || mean.iter().zip(&deviation);
        let far = !invert && pairs().any(|(mean, deviation)| mean.abs() > FAR_MEAN * deviation);
        let (mut source, order, full) = self.axes_last(axes);
        let view = source.shape.clone();
        let axis = view.len() - 1;
        let (scale, offset): (Vec<f64>, Vec<f64>) = if invert {
            (deviation.clone(), mean.clone())
        } else {
            let offset =
                |(mean, deviation): (&f64, &f64)| if far { 0.0 } else { -mean / deviation };
            let offset = pairs().map(offset).collect();
            (deviation.iter().map(|d| 1.0 / d).collect(), offset)
        };
        let affine = Affine {
            scale,
            offset,
            axis,
        };
        if !affine.is_finite() {
            return Err(self.refuse("its mean or variance is out of range"));
        }
        if far {
            let subtract = Work::MergeConstant {
                op: MergeOp::Subtract,
                constant: mean.iter().map(|&mean| mean as f32).collect(),
                shape: constant_shape(view.len(), affine.scale.len()),
            };
            source.value = self.push(subtract, vec![source.clone()], &view);
        }
        let value = self.push(Work::Affine(affine), vec![source], &view);
        Ok(Wire::ordered(value, full, &order))
    }
}

/// All ones but for the last axis.
fn constant_shape(rank: usize, last: usize) -> Vec<usize> {
    let mut shape = vec![1; rank];
    shape[rank - 1] = last;
    shape
}
