//! A network as one safetensors file, and back.
//!
//! The weights are stored by burn-store as the network holds them (kernels in
//! Burn's order, batch normalization folded to a scale and an offset). The
//! description travels beside them in the file's metadata, as JSON under
//! [`DESCRIPTION`], so that one file is the whole model.

use burn_store::{ModuleSnapshot, SafetensorsStore};
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::{Backend, Error, Network};
use crate::keras::Model;

/// The metadata key of the description.
const DESCRIPTION: &str = "kiln.model";
/// Raised when the description changes so that older readers would misread it.
const FORMAT: u32 = 1;
/// Longest word on what is wrong with a file; its names may be of any length.
const MAX_REASON: usize = 400;

/// What stands under [`DESCRIPTION`].
#[derive(Serialize, Deserialize)]
struct Description {
    format: u32,
    model: Model,
}

/// Writes `network`; the same network gives the same bytes every time.
///
/// # Errors
/// [`Error::Safetensors`] if burn-store cannot write it.
pub fn to_safetensors(network: &Network) -> Result<Vec<u8>, Error> {
    let description = Description {
        format: FORMAT,
        model: network.description().clone(),
    };
    let description = serde_json::to_string(&description).map_err(failed)?;
    // One entry only: several would be written in a random order.
    let mut store = SafetensorsStore::from_bytes(None)
        .clear_metadata()
        .metadata(DESCRIPTION, description);
    network.save_into(&mut store).map_err(failed)?;
    store.get_bytes().map_err(failed)
}

/// Reads what [`to_safetensors`] wrote.
///
/// # Errors
/// [`Error::Safetensors`] if `bytes` are no such file or hold other weights
/// than their description needs, [`Error::Description`] if it contradicts itself.
pub fn from_safetensors(bytes: Vec<u8>, backend: Backend) -> Result<Network, Error> {
    let (header_len, header) = SafeTensors::read_metadata(&bytes).map_err(failed)?;
    let description = header
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(DESCRIPTION))
        .ok_or_else(|| {
            Error::Safetensors(format!(
                "no '{DESCRIPTION}' in the metadata: make the file with `kiln convert`"
            ))
        })?;
    let Description { format, mut model } = serde_json::from_str(description).map_err(failed)?;
    if format != FORMAT {
        return Err(Error::Safetensors(format!(
            "its description has format {format}, this version reads {FORMAT}: convert the model again"
        )));
    }
    model.validate()?;
    check_values(&header, bytes.get(8 + header_len..).unwrap_or_default())?;
    // The weights below are zeros until the file's take their place: a file
    // too small for its description must not make us allocate for it.
    if model.parameters().saturating_mul(size_of::<f32>()) > bytes.len().saturating_mul(2) {
        return Err(Error::Safetensors(format!(
            "the description needs {} weights, and the file has {} bytes",
            model.parameters(),
            bytes.len()
        )));
    }
    model.fill_with_zeros()?;
    let mut network = Network::new(model, backend)?;
    let mut store = SafetensorsStore::from_bytes(Some(bytes));
    let result = network.load_from(&mut store).map_err(failed)?;
    if !result.unused.is_empty() {
        return Err(failed(format!(
            "weights that the description has no place for: {:?}",
            result.unused
        )));
    }
    Ok(network)
}

/// Burn would take any type of float and panic on it later.
fn check_values(header: &Metadata, data: &[u8]) -> Result<(), Error> {
    if let Some((name, tensor)) = header
        .tensors()
        .iter()
        .find(|(_, tensor)| tensor.dtype != Dtype::F32)
    {
        return Err(failed(format!(
            "tensor {name:?} is {:?}, expected F32",
            tensor.dtype
        )));
    }
    let finite = |value: &[u8; 4]| f32::from_le_bytes(*value).is_finite();
    match data.as_chunks().0.iter().position(|value| !finite(value)) {
        None => Ok(()),
        Some(at) => Err(failed(format!("the weight at {at} is not a finite number"))),
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    let reason = error.to_string();
    let shown = reason.chars().filter(|char| !char.is_control());
    Error::Safetensors(shown.take(MAX_REASON).collect())
}
