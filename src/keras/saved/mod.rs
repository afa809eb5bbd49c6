//! The architecture as Keras saved it: a tree of models and layers, with their options and their calls.
//!
//! Turns the JSON into types, as far as all layers have it in common.

mod calls;
mod config;
mod functions;
mod input;
mod options;

pub use calls::{Argument, Call};
pub use config::{
    SavedGraph, SavedLayer, SavedModel, Target, json, keras_version, malformed, saved_model,
};
pub use functions::ACTIVATIONS;
pub use input::{declared_shape, implied_shape};
pub use options::{Options, brief, is_custom, number, plain, resolve_axis, size};
