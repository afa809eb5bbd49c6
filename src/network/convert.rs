//! A network as one safetensors file, and back.
//!
//! The weights are stored by burn-store as the network holds them (kernels in
//! Burn's order, batch normalization folded to a scale and an offset). The
//! description travels beside them in the file's metadata, as JSON under
//! [`DESCRIPTION`], so that one file is the whole model.

use burn_store::{ModuleSnapshot, SafetensorsStore};
use safetensors::SafeTensors;

use super::{Backend, Error, Network};
use crate::keras::Model;

/// The metadata key of the description.
const DESCRIPTION: &str = "kiln.model";

/// Writes `network`; the same network gives the same bytes every time.
///
/// # Errors
/// [`Error::Safetensors`] if burn-store cannot write it.
pub fn to_safetensors(network: &Network) -> Result<Vec<u8>, Error> {
    let description = serde_json::to_string(network.description()).map_err(failed)?;
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
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(failed)?;
    let description = header
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(DESCRIPTION))
        .ok_or_else(|| {
            Error::Safetensors(format!(
                "no '{DESCRIPTION}' in the metadata: make the file with `kiln convert`"
            ))
        })?;
    let mut model: Model = serde_json::from_str(description).map_err(failed)?;
    model.validate()?;
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
        return Err(Error::Safetensors(format!(
            "weights that the description has no place for: {:?}",
            result.unused
        )));
    }
    Ok(network)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Safetensors(error.to_string())
}
