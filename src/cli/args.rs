//! Arguments that several subcommands share.

use std::path::PathBuf;

use clap::Args;

use crate::network::Backend;
use crate::serving::classifier::PixelRange;
use crate::source::Source;

/// Which model, and what computes it.
#[derive(Args, Clone, Debug)]
pub(super) struct ModelArgs {
    /// A Keras file, a converted .safetensors file, or the name of a built-in
    /// network: mnist, mnist-mlp
    #[arg(long, value_name = "FILE", env = "KILN_MODEL")]
    pub model: Option<Source>,
    /// Which of Burn's CPU backends computes what the fused kernels do not
    #[arg(long, value_name = "NAME", env = "KILN_BACKEND", default_value_t)]
    pub backend: Backend,
}

/// What input values the model was trained on.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct PixelArgs {
    /// Input values the model was trained on: 0-255, 0-1, or auto (0-255 if it
    /// scales its input down itself, else 0-1)
    #[arg(long, value_name = "RANGE", env = "KILN_PIXEL_RANGE", default_value_t)]
    pub pixel_range: PixelRange,
}

impl ModelArgs {
    /// The model asked for; an empty environment variable asks for none.
    pub fn given(&self) -> Option<&Source> {
        self.model
            .as_ref()
            .filter(|source| **source != Source::File(PathBuf::new()))
    }

    /// The model asked for, or the convolutional network that is built in.
    pub fn source(&self) -> Source {
        self.given().cloned().unwrap_or(Source::BuiltInCnn)
    }
}
