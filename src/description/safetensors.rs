//! A model as one safetensors file, and back.
//!
//! The file holds the weights as Keras has them, one tensor for each, named
//! `layer.weight`: nothing of what the graph compiler or the kernels of one
//! machine make of them, and shared weights once. The description travels in
//! the file's metadata, as JSON under [`DESCRIPTION`], so that one file is the
//! whole model.
//!
//! Any reader of safetensors finds the weights; a test has burn-store do so.

use std::borrow::Cow;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::{Error, Model, Weight, WeightSpec};

/// The metadata key of the description.
const DESCRIPTION: &str = "kiln.model";
/// Raised when the file changes so that older readers would misread it.
const FORMAT: u32 = 2;
/// Longest word on what is wrong with a file; its names may be of any length.
const MAX_REASON: usize = 400;

/// What stands under [`DESCRIPTION`].
#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    model: &'a Model,
}

/// The first thing to be read: another format has another model.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Deserialize)]
struct Description {
    model: Model,
}

/// Writes `model` with its weights; the same model gives the same bytes every time.
///
/// # Errors
/// [`Error::Safetensors`] if the description is longer than a header may be, 100 MB.
pub fn to_safetensors(model: &Model) -> Result<Vec<u8>, Error> {
    let description = Written {
        format: FORMAT,
        model,
    };
    let description = serde_json::to_string(&description).map_err(failed)?;
    // One entry only: several would be written in a random order.
    let metadata = std::iter::once((DESCRIPTION.to_owned(), description)).collect();
    let weights = model.nodes().iter().flat_map(|node| {
        let weights = node.weights.iter();
        weights.map(|weight| (format!("{}.{}", node.name, weight.name), Values(weight)))
    });
    safetensors::serialize(weights, Some(metadata)).map_err(failed)
}

/// A weight as safetensors writes it.
struct Values<'a>(&'a Weight);

impl View for Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = self.0.values.iter();
        values.flat_map(|value| value.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        size_of_val(&self.0.values[..])
    }
}

/// Reads what [`to_safetensors`] wrote: the model with its weights.
///
/// # Errors
/// [`Error::Safetensors`] if `bytes` are no such file, hold other weights than
/// their description needs, or if the description contradicts itself.
pub fn from_safetensors(bytes: &[u8]) -> Result<Model, Error> {
    let mut model = description(bytes)?;
    let file = SafeTensors::deserialize(bytes).map_err(failed)?;
    let mut expected = 0;
    for index in 0..model.nodes().len() {
        let node = &model.nodes()[index];
        let specs = model.weight_specs(node);
        expected += specs.len();
        let weights = specs.into_iter().map(|spec| {
            let name = format!("{}.{}", node.name, spec.name);
            weight(&file, &name, spec)
        });
        let weights = weights.collect::<Result<_, Error>>()?;
        model.set_weights(index, weights).map_err(failed)?;
    }
    if file.len() != expected {
        return Err(failed(format!(
            "{} weights, and its description has a place for {expected}",
            file.len()
        )));
    }
    Ok(model)
}

/// The description alone, checked.
fn description(bytes: &[u8]) -> Result<Model, Error> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(failed)?;
    let description = header
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(DESCRIPTION))
        .ok_or_else(|| {
            failed(format!(
                "no '{DESCRIPTION}' in the metadata: make the file with `kiln convert`"
            ))
        })?;
    let Format { format } = serde_json::from_str(description).map_err(failed)?;
    if format != FORMAT {
        return Err(failed(format!(
            "its description has format {format}, this version reads {FORMAT}: convert the model again"
        )));
    }
    let Description { model } = serde_json::from_str(description).map_err(failed)?;
    Ok(model)
}

/// The weight of that name, which must be what `spec` says. Allocates no more than the file has.
fn weight(file: &SafeTensors, name: &str, spec: WeightSpec) -> Result<Weight, Error> {
    let tensor = file
        .tensor(name)
        .map_err(|_| failed(format!("there is no tensor {name:?}")))?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != spec.shape {
        return Err(failed(format!(
            "tensor {name:?} is {:?} {:?}, expected F32 {:?}",
            tensor.dtype(),
            tensor.shape(),
            spec.shape
        )));
    }
    Ok(Weight {
        name: spec.name,
        shape: spec.shape,
        values: values(&tensor, name)?,
    })
}

fn values(tensor: &TensorView, name: &str) -> Result<Vec<f32>, Error> {
    let (bytes, _) = tensor.data().as_chunks();
    let values: Vec<f32> = bytes
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect();
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(at) => Err(failed(format!(
            "value {at} of tensor {name:?} is not a finite number"
        ))),
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    let reason = error.to_string();
    let shown = reason.chars().filter(|char| !char.is_control());
    Error::Safetensors(shown.take(MAX_REASON).collect())
}
