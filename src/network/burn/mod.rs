//! Every operation in Burn's own operations, on any backend.
//!
//! These run where there is no kernel, and the kernels are checked against them.
//! [`forward`] has a line for each operation; what it makes is in the file of
//! its family.

mod activation;
mod attention;
mod conv;
mod dense;
mod merge;
mod normalize;
mod pool;
mod recurrent;
mod reshape;
mod resize;
mod view;

use std::fmt;

use burn::prelude::*;

use super::compile::{Op, Work};
use super::run::Runner;
use super::{Error, Options};
use crate::description::Activation;

/// One operation, ready to run.
#[derive(Debug)]
pub(super) struct Operation {
    work: Box<dyn Forward>,
    activation: Activation,
    /// Length of the last axis of what it makes.
    last_axis: usize,
}

/// What an operation makes of its inputs, in their order. Each is `[batch, values]`.
trait Forward: fmt::Debug + Send + Sync {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error>;
}

impl Operation {
    /// Puts the operation's weights on `device`.
    pub fn new(op: Op, options: Options, device: &Device) -> Result<Self, Error> {
        Ok(Self {
            activation: op.activation,
            last_axis: op.shape.last().copied().unwrap_or(1),
            work: forward(op, options, device)?,
        })
    }

    /// What it makes of its inputs, in their order.
    pub fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let made = self.work.forward(inputs)?;
        Ok(activation::activate(made, self.activation, self.last_axis))
    }
}

/// An operation without its activation.
fn forward(op: Op, options: Options, device: &Device) -> Result<Box<dyn Forward>, Error> {
    let input = op.input().to_vec();
    let shape = op.shape;
    Ok(match op.work {
        Work::Input | Work::Activation => Box::new(activation::Identity),
        Work::Affine(work) => Box::new(normalize::Affine::new(&work, &input, device)),
        Work::Attention(work) => Box::new(attention::Attention::new(work, &op.inputs)),
        Work::Bidirectional {
            forward,
            backward,
            merge,
        } => {
            let work = [*forward, *backward];
            Box::new(recurrent::Bidirectional::new(work, merge, &input, device))
        }
        Work::Broadcast => Box::new(reshape::Broadcast::new(&input, &shape)),
        Work::Concatenate { axis } => Box::new(merge::Concatenate::new(axis, &op.inputs)),
        Work::Conv(work) if work.is_transposed() => {
            Box::new(conv::ConvTranspose::new(work, &input, &shape, device))
        }
        Work::Conv(work) => Box::new(conv::Conv::new(work, &input, device)),
        Work::Dense(work) => Box::new(dense::Dense::new(work, device)),
        Work::Each { graph } => Box::new(Each {
            times: input.first().copied().unwrap_or(1),
            runner: Runner::new(graph, options, device)?.0,
        }),
        Work::Embedding { table, width } => Box::new(dense::Embedding::new(table, width)),
        Work::Merge(kind) => Box::new(merge::Merge::new(kind, &op.inputs, &shape)),
        Work::MergeConstant {
            op,
            constant,
            shape: from,
        } => {
            let constant = merge::Constant::new(constant, &from, &shape, device);
            Box::new(merge::MergeConstant::new(op, constant))
        }
        Work::Normalize {
            statistics,
            epsilon,
        } => Box::new(normalize::Normalize::new(statistics, epsilon, &shape)),
        Work::Pad(amounts) => Box::new(reshape::Pad::new(&amounts, &input)),
        Work::Permute(axes) => Box::new(reshape::Permute::new(&axes, &input)),
        Work::Pool { kind, window } => Box::new(pool::Pool::new(kind, window, &input)),
        Work::PRelu { alpha, shape: from } => {
            let alpha = merge::Constant::new(alpha, &from, &shape, device);
            Box::new(activation::PRelu::new(alpha))
        }
        Work::Recurrent(work) => Box::new(recurrent::Recurrent::new(*work, &input, device)),
        Work::Reduce { kind, axes } => Box::new(pool::Reduce::new(kind, &axes, &input)),
        Work::Resize(kind) => Box::new(resize::Resize::new(kind, &input, &shape, device)),
        Work::Slice(ranges) => Box::new(reshape::Slice::new(&ranges, &input)),
        Work::Take(positions) => Box::new(reshape::Take::new(&positions, &input, device)),
        Work::UnitNormalize => Box::new(normalize::UnitNormalize::new(&shape)),
    })
}

/// The inputs of an operation that takes `N`.
fn take<const N: usize>(inputs: Vec<Tensor<2>>) -> Result<[Tensor<2>; N], Error> {
    let found = inputs.len();
    let failed = |_| Error::Compute(format!("an operation of {N} inputs was given {found}"));
    inputs.try_into().map_err(failed)
}

/// `keras.layers.TimeDistributed`: the entries of the first axis are a larger batch.
#[derive(Debug)]
struct Each {
    times: usize,
    runner: Runner,
}

impl Forward for Each {
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [values] = take(inputs)?;
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
