//! Normalization layers as operations along a last axis.

use super::Lowering;
use super::weights::{Weights, wide};
use super::wire::Wire;
use crate::description::{
    BatchNormalization, GroupNormalization, LayerNormalization, MergeOp, Normalization, Rescaling,
    Statistics, UnitNormalization,
};
use crate::network::Error;
use crate::network::compile::affine::Affine;
use crate::network::compile::op::{Source, Work};

/// Above this many standard deviations between zero and the mean, `x * scale +
/// offset` would lose digits that `(x - mean) / deviation` keeps.
const FAR_MEAN: f64 = 16.0;

impl Lowering<'_> {
    pub(super) fn rescaling(&mut self, layer: &Rescaling) -> Wire {
        let [scale, offset] = [&layer.scale, &layer.offset].map(|values| wide(values));
        self.affine(&scale, &offset, self.node.output_shape.len() - 1)
    }

    pub(super) fn batch_normalization(
        &mut self,
        layer: &BatchNormalization,
        mut weights: Weights,
    ) -> Result<Wire, Error> {
        let [gamma, beta, mean, variance] =
            ["gamma", "beta", "moving_mean", "moving_variance"].map(|name| weights.take(name));
        let all = [&gamma[..], &beta, &mean, &variance];
        let affine = Affine::batch_norm(all, layer.epsilon, 0);
        if !affine.is_finite() {
            let reason = "its moving_variance makes a scale that is not a finite number";
            return Err(self.refuse(reason));
        }
        Ok(self.affine(&affine.scale, &affine.offset, layer.axis))
    }

    /// `x * scale + offset` along `axis` of the node's input.
    fn affine(&mut self, scale: &[f64], offset: &[f64], axis: usize) -> Wire {
        let axis = self.wire(0).axes[axis];
        self.keep_order(Work::Affine(Affine::new(scale, offset, axis)))
    }

    pub(super) fn unit_normalization(&mut self, layer: &UnitNormalization) -> Wire {
        let (source, order, full) = self.axes_last(&layer.axes);
        let view = source.shape.clone();
        let value = self.push(Work::UnitNormalize, vec![source], &view);
        Wire::ordered(value, full, &order)
    }

    pub(super) fn layer_normalization(
        &mut self,
        layer: &LayerNormalization,
        mut weights: Weights,
    ) -> Wire {
        let (source, order, full) = self.axes_last(&layer.axes);
        let view = source.shape.clone();
        let work = Work::Normalize {
            statistics: layer.statistics,
            epsilon: layer.epsilon,
        };
        let value = self.push(work, vec![source], &view);
        let value = self.gamma_and_beta(&mut weights, value, view.clone(), view.len() - 1);
        Wire::ordered(value, full, &order)
    }

    pub(super) fn group_normalization(
        &mut self,
        layer: &GroupNormalization,
        mut weights: Weights,
    ) -> Wire {
        let (groups, axis) = (layer.groups, layer.axis);
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
            epsilon: layer.epsilon,
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
        layer: &Normalization,
        mut weights: Weights,
    ) -> Result<Wire, Error> {
        let invert = layer.invert;
        let mean = wide(&weights.take("mean"));
        let variance = weights.take("variance");
        let deviation: Vec<f64> = variance
            .iter()
            .map(|&variance| f64::from(variance).sqrt().max(1e-7))
            .collect();
        let pairs = || mean.iter().zip(&deviation);
        let far = !invert && pairs().any(|(mean, deviation)| mean.abs() > FAR_MEAN * deviation);
        let (mut source, order, full) = self.axes_last(&layer.axes);
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
