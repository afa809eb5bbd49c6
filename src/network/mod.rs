//! A description ([`crate::description`]) becomes a network in Burn; a batch of
//! inputs becomes a batch of outputs. Knows nothing of serving.
//!
//! `compile` is the graph compiler: it turns the description into few operations
//! over numbered values. `burn` has every operation in Burn's own operations,
//! `kernels` has hand-tuned kernels for the common ones, and `run` takes a batch
//! through them.
//!
//! Between operations a batch is one matrix `[batch, values]` with each example
//! in row-major order, channels last. Shapes are known when the network is
//! built, so each operation views that matrix as it needs, and Flatten and
//! Reshape cost nothing.

mod backend;
mod burn;
mod compile;
mod kernels;
mod rows;
mod run;

use ::burn::prelude::*;
use ::burn::tensor::TensorData;

pub use backend::Backend;
pub use compile::{Plan, Step};

use crate::description::Model;
use run::Runner;

/// Why a network could not be built or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The description holds something this network cannot run.
    #[error("layer '{layer}' ({class}): {reason}")]
    Layer {
        /// The layer's name in the model.
        layer: String,
        /// Its Keras class.
        class: String,
        /// What about it cannot be run.
        reason: String,
    },
    /// The number of values is not a whole number of examples.
    #[error("{found} values are not {batch} examples of {expected} each")]
    InputSize {
        /// Values given.
        found: usize,
        /// Examples announced.
        batch: usize,
        /// Values an example has.
        expected: usize,
    },
    /// There is no answer to this input, or Burn gave none.
    #[error("the forward pass failed: {0}")]
    Compute(String),
}

/// What is done to a network before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Fold and merge layers, as [`Network::plan`] then shows. Moves no answer by more than 1e-5.
    pub optimize: bool,
    /// Run what it can on fused kernels, the rest on Burn's own operations.
    pub fuse: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            optimize: true,
            fuse: true,
        }
    }
}

/// A Keras model, ready to run on one of Burn's backends.
#[derive(Debug)]
pub struct Network {
    runner: Runner,
    plan: Plan,
    model: Model,
    device: Device,
}

impl Network {
    /// Builds the network on `backend` and moves the weights out of `model`.
    ///
    /// # Errors
    /// [`Error::Layer`] for what cannot be run.
    pub fn new(model: Model, backend: Backend) -> Result<Self, Error> {
        Self::with_options(model, backend, Options::default())
    }

    /// Every layer as it stands, in Burn's own operations: what [`Network::new`] is checked against.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn plain(model: Model, backend: Backend) -> Result<Self, Error> {
        let options = Options {
            optimize: false,
            fuse: false,
        };
        Self::with_options(model, backend, options)
    }

    /// Builds the network as `options` say.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn with_options(
        mut model: Model,
        backend: Backend,
        options: Options,
    ) -> Result<Self, Error> {
        let device = backend.device();
        let (graph, notes) = compile::compile(&mut model, options.optimize)?;
        let (runner, steps) = Runner::new(graph, options, &device)?;
        Ok(Self {
            runner,
            plan: Plan { notes, steps },
            model,
            device,
        })
    }

    /// What the network was built from, without the weights.
    pub fn description(&self) -> &Model {
        &self.model
    }

    /// What was made of the description, for people to read.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Values in one example's input, of all inputs together.
    pub fn input_len(&self) -> usize {
        self.model.input_shape().iter().product()
    }

    /// Values in one example's output, of all outputs together.
    pub fn output_len(&self) -> usize {
        self.model.output_shape().iter().product()
    }

    /// What comes out for `batch` examples, an array for each of the model's outputs: `inputs` has one for each of its
    /// inputs, in the model's order. Each has its examples one after the other, row by row as in NumPy.
    ///
    /// # Errors
    /// As [`Network::infer`].
    pub fn infer_tensors(&self, inputs: &[&[f32]], batch: usize) -> Result<Vec<Vec<f32>>, Error> {
        let row = rows::side_by_side(inputs, &self.model.inputs(), batch)?;
        let outputs = self.infer(row, batch)?;
        Ok(rows::apart(outputs, &self.model.outputs(), batch))
    }

    /// The raw outputs of the last layer for `batch` examples, one after the
    /// other: `batch * input_len()` values in, `batch * output_len()` out, both
    /// row by row as in NumPy. Several inputs or outputs lie side by side in
    /// an example's row.
    ///
    /// # Errors
    /// [`Error::InputSize`] if `inputs` has another length, [`Error::Compute`]
    /// if the backend fails or an input has no answer.
    pub fn infer(&self, inputs: Vec<f32>, batch: usize) -> Result<Vec<f32>, Error> {
        let expected = self.input_len();
        if batch == 0 || inputs.len() / batch != expected || !inputs.len().is_multiple_of(batch) {
            return Err(Error::InputSize {
                found: inputs.len(),
                batch,
                expected,
            });
        }
        let input = TensorData::new(inputs, [batch, expected]);
        self.forward(Tensor::from_data(input, &self.device))?
            .try_into_data()
            .map_err(|error| Error::Compute(error.to_string()))?
            .try_into_vec()
            .map_err(|error| Error::Compute(error.to_string()))
    }

    /// `[batch, input_len()]` to `[batch, output_len()]`.
    ///
    /// # Errors
    /// [`Error::Compute`] if an input has no answer: an embedding without that row.
    pub fn forward(&self, input: Tensor<2>) -> Result<Tensor<2>, Error> {
        self.runner.forward(input)
    }
}
