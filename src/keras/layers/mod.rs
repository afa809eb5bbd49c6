//! One call of a Keras layer → the nodes that compute it.
//!
//! Most layers become one node. One that is another in disguise, or a combination of others,
//! becomes those; which class is read by which function is the table in [`supported`].

mod arithmetic;
mod attention;
mod builder;
mod conv;
mod dense;
mod einsum;
mod index;
mod merge;
mod normalization;
mod operations;
mod ops;
mod picture;
mod picture_input;
mod pooling;
mod rearrange;
mod recurrent;
mod reshape;
mod statistics;
mod supported;
mod training;

use super::Error;
use super::graph::Graph;
use super::saved::{Call, SavedLayer};
use builder::Builder;

pub use builder::Scope;
pub use supported::{
    LayerSupport, SUPPORTED_FORMATS, SUPPORTED_LAYERS, supported_markdown, supported_operations,
};
pub use training::training;

/// Adds the nodes of a call to the graph, and returns those that hold the outputs.
pub(super) fn layer(
    graph: &mut Graph,
    saved: &SavedLayer,
    call: &Call<'_, usize>,
    scope: Scope,
) -> Result<Vec<usize>, Error> {
    let options = saved.options;
    options.check_dtype()?;
    for key in ["quantization_config", "lora_rank"] {
        options.check_unset(key)?;
    }
    if scope.training == Some(true) {
        training::check(&options)?;
    }
    let read = supported::reader(saved)?;
    let mut builder = Builder::new(graph, options, call, saved.id, scope);
    let output = read(&mut builder)?;
    Ok(builder.finish(output))
}
