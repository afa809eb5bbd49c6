//! A description from [`crate::keras`] becomes a Burn module; a batch of inputs
//! becomes a batch of outputs. Knows nothing of serving.
//!
//! Between layers a batch is one matrix `[batch, values]` with each example in
//! the row-major order Keras uses (channels last unless the file says
//! otherwise), whatever its rank. Shapes are known when the network is built,
//! so each layer views that matrix as it needs, and Flatten and Reshape cost
//! nothing.

mod activation;
mod affine;
mod backend;
mod conv;
mod convert;
mod dense;
mod meaning;
mod pool;
mod step;
mod transpose;
mod window;

use burn::prelude::*;
use burn::tensor::TensorData;

pub use backend::Backend;
pub use convert::{from_safetensors, to_safetensors};
pub use meaning::Meaning;

use crate::keras;
use step::Step;

/// Why a network could not be built or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The description holds something this network cannot run.
    #[error("layer '{layer}' ({class}): {reason}")]
    Layer {
        /// The layer's configured name.
        layer: String,
        /// Its Keras class.
        class: String,
        /// What about it cannot be run.
        reason: String,
    },
    /// The description does not hold together.
    #[error(transparent)]
    Description(#[from] keras::Error),
    /// The converted file cannot be read or written.
    #[error("converted model: {0}")]
    Safetensors(String),
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
    /// Burn gave no answer.
    #[error("the forward pass failed: {0}")]
    Compute(String),
}

/// A Keras model as a Burn module, on one device.
#[derive(Module, Debug)]
pub struct Network {
    steps: Vec<Step>,
    #[module(skip)]
    model: keras::Model,
    #[module(skip)]
    device: Device,
}

impl Network {
    /// Builds the network on `backend` and moves the weights out of `model`.
    ///
    /// # Errors
    /// [`Error::Description`] if the description contradicts itself (it may
    /// come from an untrusted file), [`Error::Layer`] for what cannot be run.
    pub fn new(mut model: keras::Model, backend: Backend) -> Result<Self, Error> {
        model.validate()?;
        let device = backend.device();
        let mut steps = Vec::new();
        for index in 0..model.nodes.len() {
            let weights = std::mem::take(&mut model.nodes[index].weights);
            steps.extend(Step::new(&model.nodes, index, weights, &device)?);
        }
        Ok(Self {
            steps,
            model,
            device,
        })
    }

    /// What the network was built from, without the weights.
    pub fn description(&self) -> &keras::Model {
        &self.model
    }

    /// Values in one example's input.
    pub fn input_len(&self) -> usize {
        self.model.input_shape().iter().product()
    }

    /// Values in one example's output.
    pub fn output_len(&self) -> usize {
        self.model.output_shape().iter().product()
    }

    /// The raw outputs of the last layer for `batch` examples, one after the
    /// other: `batch * input_len()` values in, `batch * output_len()` out, both
    /// row by row as in NumPy.
    ///
    /// # Errors
    /// [`Error::InputSize`] if `inputs` has another length, [`Error::Compute`]
    /// if the backend fails.
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
        self.forward(Tensor::from_data(input, &self.device))
            .try_into_data()
            .map_err(|error| Error::Compute(error.to_string()))?
            .try_into_vec()
            .map_err(|error| Error::Compute(error.to_string()))
    }

    /// `[batch, input_len()]` to `[batch, output_len()]`.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.steps
            .iter()
            .fold(input, |values, step| step.forward(values))
    }
}
