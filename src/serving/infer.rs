//! Tensors in, tensors out: any network, one example or many in a call.

use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument as _;

use super::batcher::{Input, Output, Timing};
use super::{Caller, Error, Model, Permit, Serving, span};

/// Most values that the outputs of one call may have: 64 MiB of float32.
const MAX_OUTPUT_VALUES: usize = 1 << 24;

/// What to compute, and with what.
#[derive(Debug)]
pub struct InferRequest {
    /// The model's name; empty for the default.
    pub model: String,
    /// The model's version; empty for the newest.
    pub version: String,
    /// The input values of all examples, one after the other, each in row-major order.
    pub values: Vec<f32>,
    /// How many examples they are, at least 1.
    pub examples: usize,
}

/// What a network gave.
#[derive(Debug)]
pub struct Outputs {
    /// The raw outputs of the last layer, example by example, each in row-major order.
    pub values: Vec<f32>,
    /// The model that answered.
    pub model: Arc<Model>,
    /// How long it waited and computed.
    pub timing: Timing,
}

impl Serving {
    /// Computes the outputs of one request, which holds its place until its work is done. Dropping the future gives the
    /// request up.
    ///
    /// # Errors
    /// [`Error`]; what was turned away is counted.
    pub async fn infer(
        &self,
        request: InferRequest,
        permit: Permit,
        caller: Caller<'_>,
    ) -> Result<Outputs, Error> {
        let (span, started) = (span::infer(), Instant::now());
        let count = request.values.len();
        let outputs = self.outputs(request, permit, caller);
        let outputs = self.counted(outputs.instrument(span.clone()).await);
        let done = outputs
            .as_ref()
            .map(|outputs| (&*outputs.model, &outputs.timing));
        span::end(&span, done);
        let outputs = outputs?;
        self.answered(caller, count, started.elapsed());
        Ok(outputs)
    }

    async fn outputs(
        &self,
        request: InferRequest,
        permit: Permit,
        caller: Caller<'_>,
    ) -> Result<Outputs, Error> {
        let model = self.repository.find(&request.model, &request.version)?;
        let input = checked(request, &model)?;
        let Output { values, timing } = model.batcher.infer(input, permit, caller.lane).await?;
        Ok(Outputs {
            values,
            model,
            timing,
        })
    }
}

/// The input of a request that has as many values as it should, and asks for no more than it may.
fn checked(request: InferRequest, model: &Model) -> Result<Input, Error> {
    let InferRequest {
        values, examples, ..
    } = request;
    let (expected, outputs) = (model.network.input_len(), model.network.output_len());
    if examples == 0 || examples.checked_mul(expected) != Some(values.len()) {
        return Err(Error::InputSize {
            found: values.len(),
            examples,
            expected,
            model: model.name.clone(),
        });
    }
    // One example is always answered: how large its output is was bounded when the model was read.
    let limit = (MAX_OUTPUT_VALUES / outputs.max(1)).max(1);
    if examples > limit {
        return Err(Error::TooManyExamples {
            examples,
            limit,
            model: model.name.clone(),
        });
    }
    Ok(Input::values(values, examples))
}
