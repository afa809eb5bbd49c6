//! Which models are loaded, and under which names and versions.

mod labels;
mod load;
mod model;
mod pixels;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use labels::LabelsError;
pub use load::{Format, LoadError, Options, Reason, Source, load};
pub use model::Model;
pub use pixels::PixelRange;

/// The models that are served. Never empty.
#[derive(Debug)]
pub struct Repository {
    models: BTreeMap<String, Arc<Model>>,
    default: String,
}

/// Why a model was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No model of that name.
    #[error("no model '{name}'; loaded: {loaded}")]
    Model {
        /// The name asked for, cut to a printable length.
        name: String,
        /// The names there are.
        loaded: String,
    },
    /// The model has no such version.
    #[error("model '{name}' has no version '{version}'; loaded: {loaded}")]
    Version {
        /// The model.
        name: String,
        /// The version asked for, cut to a printable length.
        version: String,
        /// The version there is.
        loaded: String,
    },
}

impl Repository {
    /// `first` is the default model; a later one of the same name replaces an earlier one.
    pub fn new(first: Model, others: impl IntoIterator<Item = Model>) -> Self {
        let default = first.name.clone();
        let models = std::iter::once(first)
            .chain(others)
            .map(|model| (model.name.clone(), Arc::new(model)))
            .collect();
        Self { models, default }
    }

    /// The model of that name and version; empty strings mean the default
    /// model and its newest version.
    ///
    /// # Errors
    /// [`NotFound`], naming what there is.
    pub fn get(&self, name: &str, version: &str) -> Result<&Arc<Model>, NotFound> {
        let wanted = if name.is_empty() { &self.default } else { name };
        let model = self.models.get(wanted).ok_or_else(|| NotFound::Model {
            name: printable(wanted),
            loaded: self.names().collect::<Vec<_>>().join(", "),
        })?;
        if version.is_empty() || version == model.version {
            Ok(model)
        } else {
            Err(NotFound::Version {
                name: model.name.clone(),
                version: printable(version),
                loaded: model.version.clone(),
            })
        }
    }

    /// Every loaded model's name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }
}

/// What a client sent, fit to be shown back: bounded, control characters escaped.
fn printable(text: &str) -> String {
    const LONGEST: usize = 64;
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_name_from_a_client_is_shown_bounded_and_escaped() {
        assert_eq!(printable("a\nb"), "a\\nb");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 65);
    }
}
