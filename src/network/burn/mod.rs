//! Every operation of a plan in Burn's own operations, on any backend.
//!
//! These are what runs where no fused kernel does, and the reference that the
//! fused kernels are checked against. Each takes and gives `[batch, values]`.

mod activation;
mod affine;
mod attention;
mod conv;
mod dense;
mod embedding;
mod merge;
mod normalize;
mod pool;
mod recurrent;
mod reduce;
mod reshape;
mod resize;
mod view;

use burn::prelude::*;

use super::compile::{Op, Work};
use super::run::Runner;
use super::{Error, Options};
use crate::description::Activation;

/// One operation, ready to run.
#[derive(Debug)]
pub(super) struct Layer {
    step: Step,
    activation: Activation,
    /// Length of the last axis of what it gives.
    last_axis: usize,
}

#[derive(Debug)]
enum Step {
    /// The activation alone.
    Nothing,
    Affine(affine::Affine),
    Attention(attention::Attention),
    Bidirectional(Box<recurrent::Bidirectional>),
    Broadcast(reshape::Broadcast),
    Concatenate(merge::Concatenate),
    Conv(conv::Conv),
    ConvTranspose(conv::ConvTranspose),
    Dense(dense::Dense),
    Each(Each),
    Embedding(embedding::Embedding),
    Merge(merge::Merge),
    MergeConstant(merge::MergeConstant),
    Normalize(normalize::Normalize),
    Pad(reshape::Pad),
    Permute(reshape::Permute),
    Pool(pool::Pool),
    PRelu(activation::PRelu),
    Recurrent(Box<recurrent::Recurrent>),
    Reduce(reduce::Reduce),
    Resize(resize::Resize),
    Slice(reshape::Slice),
    UnitNormalize(normalize::UnitNormalize),
}

impl Layer {
    /// Puts the operation's weights on `device`.
    pub fn new(op: Op, options: Options, device: &Device) -> Result<Self, Error> {
        let activation = op.activation;
        let last_axis = op.shape.last().copied().unwrap_or(1);
        Ok(Self {
            step: Step::new(op, options, device)?,
            activation,
            last_axis,
        })
    }

    /// What the operation makes of its inputs, in their order.
    pub fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let output = self.step.forward(inputs)?;
        Ok(activation::activate(
            output,
            self.activation,
            self.last_axis,
        ))
    }
}

impl Step {
    fn new(op: Op, options: Options, device: &Device) -> Result<Self, Error> {
        let input = op.input().to_vec();
        let shape = op.shape;
        Ok(match op.work {
            Work::Input | Work::Activation => Self::Nothing,
            Work::Affine(work) => Self::Affine(affine::Affine::new(&work, &input, device)),
            Work::Attention(work) => {
                let keys = op.inputs.get(1).map_or(&[][..], |source| &source.shape);
                Self::Attention(attention::Attention::new(work, &input, keys))
            }
            Work::Bidirectional {
                forward,
                backward,
                merge,
            } => {
                let work = [*forward, *backward];
                let both = recurrent::Bidirectional::new(work, merge, &input, device);
                Self::Bidirectional(Box::new(both))
            }
            Work::Broadcast => Self::Broadcast(reshape::Broadcast::new(&input, &shape)),
            Work::Concatenate { axis } => {
                Self::Concatenate(merge::Concatenate::new(axis, &op.inputs))
            }
            Work::Conv(work) if work.is_transposed() => {
                Self::ConvTranspose(conv::ConvTranspose::new(work, &input, &shape, device))
            }
            Work::Conv(work) => Self::Conv(conv::Conv::new(work, &input, device)),
            Work::Dense(work) => Self::Dense(dense::Dense::new(work, device)),
            Work::Each { plan } => Self::Each(Each {
                times: input.first().copied().unwrap_or(1),
                runner: Runner::new(plan, options, device)?.0,
            }),
            Work::Embedding { table, width } => {
                Self::Embedding(embedding::Embedding::new(table, width))
            }
            Work::Merge(kind) => Self::Merge(merge::Merge::new(kind, &op.inputs, &shape)),
            Work::MergeConstant {
                op,
                constant,
                shape: from,
            } => {
                let constant = merge::Constant::new(constant, &from, &shape, device);
                Self::MergeConstant(merge::MergeConstant::new(op, constant))
            }
            Work::Normalize {
                statistics,
                epsilon,
            } => Self::Normalize(normalize::Normalize::new(statistics, epsilon, &shape)),
            Work::Pad(amounts) => Self::Pad(reshape::Pad::new(&amounts, &input)),
            Work::Permute(axes) => Self::Permute(reshape::Permute::new(&axes, &input)),
            Work::Pool { kind, window } => Self::Pool(pool::Pool::new(kind, window, &input)),
            Work::PRelu { alpha, shape: from } => {
                let alpha = merge::Constant::new(alpha, &from, &shape, device);
                Self::PRelu(activation::PRelu::new(alpha))
            }
            Work::Recurrent(work) => {
                let recurrent = recurrent::Recurrent::new(*work, &input, device);
                Self::Recurrent(Box::new(recurrent))
            }
            Work::Reduce { kind, axes } => Self::Reduce(reduce::Reduce::new(kind, &axes, &input)),
            Work::Resize(kind) => Self::Resize(resize::Resize::new(kind, &input, &shape, device)),
            Work::Slice(ranges) => Self::Slice(reshape::Slice::new(&ranges, &input)),
            Work::UnitNormalize => Self::UnitNormalize(normalize::UnitNormalize::new(&shape)),
        })
    }

    fn forward(&self, mut inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        match self {
            Self::Attention(step) => return step.forward(inputs),
            Self::Concatenate(step) => return Ok(step.forward(inputs)),
            Self::Merge(step) => return step.forward(inputs),
            _ => {}
        }
        let Some(values) = inputs.pop() else {
            return Err(Error::Compute("an operation was given no input".to_owned()));
        };
        Ok(match self {
            Self::Nothing | Self::Attention(_) | Self::Concatenate(_) | Self::Merge(_) => values,
            Self::Affine(step) => step.forward(values),
            Self::Bidirectional(step) => step.forward(values),
            Self::Broadcast(step) => step.forward(values),
            Self::Conv(step) => step.forward(values),
            Self::ConvTranspose(step) => step.forward(values),
            Self::Dense(step) => step.forward(values),
            Self::Each(step) => step.forward(values)?,
            Self::Embedding(step) => step.forward(values)?,
            Self::MergeConstant(step) => step.forward(values),
            Self::Normalize(step) => step.forward(values),
            Self::Pad(step) => step.forward(values),
            Self::Permute(step) => step.forward(values),
            Self::Pool(step) => step.forward(values),
            Self::PRelu(step) => step.forward(values),
            Self::Recurrent(step) => step.forward(values),
            Self::Reduce(step) => step.forward(values),
            Self::Resize(step) => step.forward(values),
            Self::Slice(step) => step.forward(values),
            Self::UnitNormalize(step) => step.forward(values),
        })
    }
}

/// `keras.layers.TimeDistributed`: the entries of the first axis are a larger batch.
#[derive(Debug)]
struct Each {
    times: usize,
    runner: Runner,
}

impl Each {
    fn forward(&self, values: Tensor<2>) -> Result<Tensor<2>, Error> {
        let [batch, len] = values.dims();
        let rows = values.reshape([batch * self.times, len / self.times]);
        let output = self.runner.forward(rows)?;
        let [_, each] = output.dims();
        Ok(output.reshape([batch, self.times * each]))
    }
}

/// A tensor of a weight.
fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(burn::tensor::TensorData::new(values, shape), device)
}
