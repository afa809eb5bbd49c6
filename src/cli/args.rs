//! Arguments that several subcommands share.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::network::Backend;
use crate::preprocess::Filter;
use crate::serving::classifier::{Pictures, PixelRange};
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
    /// Input values the model was trained on, as Keras's preprocess_input names them: 0-255, 0-1, tf (-1 to 1), torch,
    /// caffe, or auto (0-255 if it scales its input down itself, else 0-1)
    #[arg(
        long,
        value_name = "RANGE",
        env = "KILN_PIXEL_RANGE",
        default_value_t,
        allow_hyphen_values = true
    )]
    pub pixel_range: PixelRange,
}

/// How the pictures were made that the model was trained on.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct PictureArgs {
    #[command(flatten)]
    pub pixels: PixelArgs,
    /// How pictures are resized, as load_img(interpolation=…) names it: nearest, box, bilinear, hamming, bicubic, lanczos
    /// [default: nearest for colour, bicubic for grey]
    #[arg(long, value_name = "FILTER", env = "KILN_RESIZE")]
    pub resize: Option<Filter>,
    /// Cut the middle out of a picture instead of stretching it, as load_img(keep_aspect_ratio=True)
    #[arg(long, env = "KILN_KEEP_ASPECT_RATIO", value_parser = BoolishValueParser::new())]
    pub keep_aspect_ratio: bool,
}

impl PictureArgs {
    pub fn pictures(self) -> Pictures {
        Pictures {
            pixel_range: self.pixels.pixel_range,
            resize: self.resize,
            keep_aspect_ratio: self.keep_aspect_ratio,
        }
    }
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
