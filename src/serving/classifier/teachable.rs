//! What Google's Teachable Machine exports as `keras_model.h5`, told by its form.
//!
//! Its pictures are fitted as the sample code fits them that comes with the file: `ImageOps.fit(image, (224, 224),
//! LANCZOS)`, and each byte divided by 127.5, less 1.

use super::pixels::{Chosen, PixelRange};
use crate::description::{Activation, Dense, Layer, Model, Reduction};
use crate::preprocess::{Crop, Filter, Target};

/// The input of its image models.
const INPUT: [usize; 3] = [224, 224, 3];
/// Channels of the first convolution: MobileNetV2 with alpha 0.35.
const FIRST_CHANNELS: usize = 16;
/// Units of the layer that is trained before the last.
const UNITS: usize = 100;

/// Whether it ends as Teachable Machine's models do, in two layers of which the last has no bias, after the mean of what
/// MobileNetV2 of alpha 0.35 gives.
pub fn is_export(model: &Model) -> bool {
    let mut last_first = model.nodes().iter().rev();
    let mut next = || {
        last_first
            .find(|node| !node.layer.moves_only())
            .map(|node| &node.layer)
    };
    let ends_so = matches!(
        next(),
        Some(Layer::Dense(Dense {
            use_bias: false,
            activation: Activation::Softmax,
            ..
        }))
    ) && matches!(
        next(),
        Some(Layer::Dense(Dense {
            units: UNITS,
            use_bias: true,
            activation: Activation::Relu
        }))
    ) && matches!(next(), Some(Layer::Reduce(mean)) if mean.kind == Reduction::Mean);
    let first = model.nodes().iter().find(|node| !node.layer.moves_only());
    let begins_so = first.is_some_and(
        |node| matches!(&node.layer, Layer::Conv2D(conv) if conv.filters == FIRST_CHANNELS),
    );
    ends_so && begins_so && model.input_shape() == INPUT
}

/// The values that it was trained on.
pub fn range() -> Chosen {
    Chosen {
        range: PixelRange::Tf,
        why: "it has the form of a Teachable Machine export".to_owned(),
        is_a_guess: false,
    }
}

/// How its pictures are fitted.
pub fn fitted(picture: Target) -> Target {
    Target {
        filter: Filter::Lanczos,
        crop: Crop::Exact,
        ..picture
    }
}
