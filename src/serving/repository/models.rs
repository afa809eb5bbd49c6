//! The table of models by name and version.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::serving::Model;

/// Models by name, each with its versions, the newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Models {
    versions: BTreeMap<String, Vec<Arc<Model>>>,
    /// The name of the first model ever added.
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
        /// The versions there are.
        loaded: String,
    },
}

impl Models {
    /// The model of that name and version; empty strings mean the default model and its newest version.
    pub fn find(&self, name: &str, version: &str) -> Result<&Arc<Model>, NotFound> {
        let wanted = if name.is_empty() { &self.default } else { name };
        let versions = self.versions.get(wanted);
        let newest = versions.and_then(|versions| versions.last());
        let (Some(versions), Some(newest)) = (versions, newest) else {
            return Err(self.no_model(wanted));
        };
        if version.is_empty() || version == newest.version {
            return Ok(newest);
        }
        let found = versions.iter().find(|model| model.version == version);
        found.ok_or_else(|| no_version(wanted, version, versions))
    }

    /// The name of the default, and all models.
    pub fn list(&self) -> (String, Vec<Arc<Model>>) {
        let all = self.versions.values().flatten().cloned();
        (self.default.clone(), all.collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Adds a model; one of the same name and version makes way and comes back.
    pub fn insert(&mut self, model: Arc<Model>) -> Option<Arc<Model>> {
        if self.default.is_empty() {
            self.default.clone_from(&model.name);
        }
        let versions = self.versions.entry(model.name.clone()).or_default();
        match versions.binary_search_by(|other| by_age(&other.version, &model.version)) {
            Ok(at) => Some(std::mem::replace(&mut versions[at], model)),
            Err(at) => {
                versions.insert(at, model);
                None
            }
        }
    }

    /// Takes a version of a model out.
    pub fn remove(&mut self, name: &str, version: &str) -> Result<Arc<Model>, NotFound> {
        let Some(versions) = self.versions.get_mut(name) else {
            return Err(self.no_model(name));
        };
        let Some(at) = versions.iter().position(|model| model.version == version) else {
            return Err(no_version(name, version, versions));
        };
        let removed = versions.remove(at);
        if versions.is_empty() {
            self.versions.remove(name);
        }
        Ok(removed)
    }

    fn no_model(&self, name: &str) -> NotFound {
        NotFound::Model {
            name: printable(name),
            loaded: list(self.versions.keys().map(String::as_str)),
        }
    }
}

fn no_version(name: &str, version: &str, versions: &[Arc<Model>]) -> NotFound {
    NotFound::Version {
        name: name.to_owned(),
        version: printable(version),
        loaded: list(versions.iter().map(|model| &*model.version)),
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names = names.collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        "none".to_owned()
    } else {
        names
    }
}

/// Numbers by their value, as folders of versions are counted; what is no number comes before them, by its letters.
fn by_age(a: &str, b: &str) -> Ordering {
    let number = |version: &str| version.parse::<u64>().ok();
    number(a).cmp(&number(b)).then_with(|| a.cmp(b))
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
    use super::*;

    #[test]
    fn a_name_from_a_client_is_shown_bounded_and_escaped() {
        assert_eq!(printable("a\nb"), "a\\nb");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 65);
    }

    #[test]
    fn the_newest_version_has_the_largest_number() {
        let mut versions = ["10", "9", "b", "2", "a"];
        versions.sort_by(|a, b| by_age(a, b));
        assert_eq!(versions, ["a", "b", "2", "9", "10"]);
    }
}
