//! What goes into a model and what comes out of it, by name.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::Error;
use super::limits::check_name;
use super::shape::{elements, product};

/// A tensor that a model takes or gives.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name in Keras.
    pub name: String,
    /// The shape of one example, without the batch axis.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// How many values one example has.
    #[must_use]
    pub fn len(&self) -> usize {
        product(&self.shape).unwrap_or(usize::MAX)
    }

    /// Whether it has no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Several tensors must have names of their own, and fill one row together.
pub(super) fn check_row(what: &str, tensors: &[TensorSpec], row: &[usize]) -> Result<(), Error> {
    let mut names = HashSet::new();
    let mut total = 0_usize;
    for tensor in tensors {
        check_name(&tensor.name)?;
        if !names.insert(&tensor.name) {
            let name = &tensor.name;
            return Err(Error::Model(format!("it has two {what}s '{name}'")));
        }
        let size = elements(&tensor.shape)
            .map_err(|e| Error::Model(format!("{what} '{}': {e}", tensor.name)))?;
        total = total.saturating_add(size);
    }
    if tensors.is_empty() || *row == [total] {
        return Ok(());
    }
    Err(Error::Model(format!(
        "its {what}s have {total} values together, its graph has a row of {row:?}"
    )))
}
