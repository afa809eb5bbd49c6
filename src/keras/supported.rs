//! What is read: one table of the layers, and of the operations, from which the messages and the
//! documents list them.

use super::Error;
use super::config::SavedLayer;
use super::functions::ACTIVATIONS;
use super::lower::{self, Use};
use super::options::Options;

/// A class of layers that is read.
pub struct LayerSupport {
    /// Its name in Keras.
    pub class: &'static str,
    /// What is worth knowing about it, in one line.
    pub note: &'static str,
    read: fn(&mut Use) -> Result<usize, Error>,
}

/// Files that are read: what they are, and by which versions of Keras they are written.
pub const SUPPORTED_FORMATS: &[(&str, &str)] = &[
    ("Keras 3 `.keras`", "the zip archive of Keras 3.0 and later"),
    ("Keras 2 `.keras`", "the zip archive of Keras 2.13 to 2.15"),
    (
        "legacy HDF5",
        "`.h5` of Keras 2.3 to 3, tf.keras and tf_keras, whatever its name",
    ),
];

/// The layers that are read, in alphabetical order.
pub const SUPPORTED_LAYERS: &[LayerSupport] = &[
    layer("Activation", "every activation below", lower::activation),
    layer("ActivityRegularization", NOTHING, lower::identity),
    layer("Add", MERGE, lower::merge),
    layer("AlphaDropout", NOTHING, lower::identity),
    layer(
        "Attention",
        "dot product, with a causal mask or none",
        lower::attention,
    ),
    layer("AugMix", NOTHING, lower::identity),
    layer("Average", MERGE, lower::merge),
    layer("AveragePooling1D", BOTH, lower::pooling),
    layer("AveragePooling2D", BOTH, lower::pooling),
    layer("BatchNormalization", "any axis", lower::batch_normalization),
    layer(
        "Bidirectional",
        "around LSTM, GRU and SimpleRNN",
        lower::bidirectional,
    ),
    layer(
        "CenterCrop",
        "of pictures that are not smaller",
        lower::center_crop,
    ),
    layer("Concatenate", "any axis but the batch", lower::concatenate),
    layer(
        "Conv1D",
        "groups, dilation, valid, same and causal padding",
        lower::conv,
    ),
    layer("Conv1DTranspose", "", lower::conv_transpose),
    layer(
        "Conv2D",
        "groups, dilation, both paddings and data formats",
        lower::conv,
    ),
    layer("Conv2DTranspose", "", lower::conv_transpose),
    layer("Cropping1D", "", lower::cropping),
    layer("Cropping2D", BOTH, lower::cropping),
    layer("CutMix", NOTHING, lower::identity),
    layer("Dense", "any number of axes", lower::dense),
    layer("DepthwiseConv1D", "", lower::depthwise_conv),
    layer(
        "DepthwiseConv2D",
        "depth multiplier, dilation, both data formats",
        lower::depthwise_conv,
    ),
    layer("Dropout", NOTHING, lower::identity),
    layer("ELU", "", lower::elu),
    layer("Embedding", "without mask_zero", lower::embedding),
    layer("Flatten", BOTH, lower::flatten),
    layer("GRU", RECURRENT, lower::recurrent),
    layer("GaussianDropout", NOTHING, lower::identity),
    layer("GaussianNoise", NOTHING, lower::identity),
    layer("GlobalAveragePooling1D", BOTH, lower::global_pooling),
    layer("GlobalAveragePooling2D", BOTH, lower::global_pooling),
    layer("GlobalMaxPooling1D", BOTH, lower::global_pooling),
    layer("GlobalMaxPooling2D", BOTH, lower::global_pooling),
    layer("GroupNormalization", "any axis", lower::group_normalization),
    layer("Identity", "", lower::identity),
    layer(
        "InputLayer",
        "one, with fixed sizes but for the batch",
        lower::identity,
    ),
    layer("LSTM", RECURRENT, lower::recurrent),
    layer(
        "LayerNormalization",
        "any axes, rms_scaling",
        lower::layer_normalization,
    ),
    layer("LeakyReLU", "", lower::leaky_relu),
    layer("MaxPooling1D", BOTH, lower::pooling),
    layer("MaxPooling2D", BOTH, lower::pooling),
    layer("Maximum", MERGE, lower::merge),
    layer("Minimum", MERGE, lower::merge),
    layer("MixUp", NOTHING, lower::identity),
    layer(
        "MultiHeadAttention",
        "over all axes but the last, with a causal mask or none",
        lower::multi_head_attention,
    ),
    layer("Multiply", MERGE, lower::merge),
    layer(
        "Normalization",
        "adapted or given, inverted too",
        lower::normalization,
    ),
    layer("PReLU", "shared axes", lower::prelu),
    layer("Permute", "", lower::permute),
    layer("RMSNormalization", "any axes", lower::rms_normalization),
    layer("RandAugment", NOTHING, lower::identity),
    layer("RandomBrightness", NOTHING, lower::identity),
    layer("RandomColorDegeneration", NOTHING, lower::identity),
    layer("RandomColorJitter", NOTHING, lower::identity),
    layer("RandomContrast", NOTHING, lower::identity),
    layer("RandomElasticTransform", NOTHING, lower::identity),
    layer("RandomErasing", NOTHING, lower::identity),
    layer("RandomFlip", NOTHING, lower::identity),
    layer("RandomGaussianBlur", NOTHING, lower::identity),
    layer("RandomGrayscale", NOTHING, lower::identity),
    layer("RandomHue", NOTHING, lower::identity),
    layer("RandomInvert", NOTHING, lower::identity),
    layer("RandomPerspective", NOTHING, lower::identity),
    layer("RandomPosterization", NOTHING, lower::identity),
    layer("RandomRotation", NOTHING, lower::identity),
    layer("RandomSaturation", NOTHING, lower::identity),
    layer("RandomSharpness", NOTHING, lower::identity),
    layer("RandomShear", NOTHING, lower::identity),
    layer("RandomTranslation", NOTHING, lower::identity),
    layer("RandomZoom", NOTHING, lower::identity),
    layer("ReLU", "max_value, negative_slope, threshold", lower::relu),
    layer("RepeatVector", "", lower::repeat_vector),
    layer(
        "Rescaling",
        "numbers, or one for each entry of the last axis",
        lower::rescaling,
    ),
    layer("Reshape", "", lower::reshape),
    layer(
        "Resizing",
        "nearest and bilinear, without cropping or padding",
        lower::resizing,
    ),
    layer("SeparableConv1D", "", lower::separable_conv),
    layer(
        "SeparableConv2D",
        "depth multiplier, dilation, both data formats",
        lower::separable_conv,
    ),
    layer("SimpleRNN", RECURRENT, lower::recurrent),
    layer("Softmax", "any axes", lower::softmax),
    layer("SpatialDropout1D", NOTHING, lower::identity),
    layer("SpatialDropout2D", NOTHING, lower::identity),
    layer("SpatialDropout3D", NOTHING, lower::identity),
    layer("Subtract", MERGE, lower::merge),
    layer(
        "TimeDistributed",
        "around a layer that is one operation",
        lower::time_distributed,
    ),
    layer("UnitNormalization", "any axes", lower::unit_normalization),
    layer("UpSampling1D", "", lower::up_sampling),
    layer("UpSampling2D", "nearest and bilinear", lower::up_sampling),
    layer("ZeroPadding1D", "", lower::zero_padding),
    layer("ZeroPadding2D", BOTH, lower::zero_padding),
];

const NOTHING: &str = "does nothing at inference";
const MERGE: &str = "any number of inputs, with broadcasting";
const BOTH: &str = "both data formats";
const RECURRENT: &str = "not stateful, without return_state";

const fn layer(
    class: &'static str,
    note: &'static str,
    read: fn(&mut Use) -> Result<usize, Error>,
) -> LayerSupport {
    LayerSupport { class, note, read }
}

/// The names of the `keras.ops` that are read where a functional model has them as layers, and of
/// the TensorFlow functions that Keras 2 has in their place.
pub fn supported_operations() -> impl Iterator<Item = &'static str> {
    lower::OPERATIONS
        .iter()
        .flat_map(|(names, _)| names.iter().copied())
}

/// What is read, as a section of a document in Markdown: formats, layers, activations, operations.
#[must_use]
pub fn supported_markdown() -> String {
    let formats = SUPPORTED_FORMATS
        .iter()
        .map(|(name, note)| format!("| {name} | {note} |\n"));
    let layers = SUPPORTED_LAYERS
        .iter()
        .map(|layer| format!("| `{}` | {} |\n", layer.class, layer.note));
    let names = |names: Vec<&str>| {
        let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(", ")
    };
    let activations = ACTIVATIONS.iter().map(|(name, _)| *name).collect();
    format!(
        "| format | written by |\n|---|---|\n{}\n| layer | |\n|---|---|\n{}\nActivations: {}.\n\n\
         Operations between layers (`x + y`, `keras.ops`, TensorFlow functions in Keras 2): {}.\n",
        formats.collect::<String>(),
        layers.collect::<String>(),
        names(activations),
        names(supported_operations().collect()),
    )
}

/// The classes in one line, as the messages list them.
pub(super) fn classes() -> String {
    let classes: Vec<_> = SUPPORTED_LAYERS.iter().map(|layer| layer.class).collect();
    classes.join(", ")
}

type Reader = fn(&mut Use) -> Result<usize, Error>;

/// What reads a layer.
pub(super) fn reader(saved: &SavedLayer) -> Result<Reader, Error> {
    match saved.options.class {
        class if is_operation(saved) => operation(&saved.options, class),
        "TFOpLambda" | "SlicingOpLambda" => {
            let name = saved.options.get("function").and_then(|name| name.as_str());
            operation(&saved.options, name.unwrap_or("(none)"))
        }
        _ => layer_reader(&saved.options),
    }
}

/// Whether it is one of `keras.ops`, which may have the name of a layer (`Add`). A legacy file does
/// not say which module it is from, but layers have options that operations have not.
fn is_operation(saved: &SavedLayer) -> bool {
    let module = saved
        .object
        .get("module")
        .and_then(|module| module.as_str());
    let operations = ["keras.src.ops", "keras.ops", "keras.src.activations"];
    match module {
        Some(module) => operations.iter().any(|ops| module.starts_with(ops)),
        None => {
            let has = |key| saved.options.config.contains_key(key);
            let used = saved.calls.iter().any(|call| !call.args.is_empty());
            used && !has("trainable") && !has("dtype")
        }
    }
}

/// What reads a layer of that class, which is no operation.
pub(super) fn layer_reader(options: &Options) -> Result<Reader, Error> {
    let at = SUPPORTED_LAYERS.binary_search_by_key(&options.class, |layer| layer.class);
    match at {
        Ok(at) => Ok(SUPPORTED_LAYERS[at].read),
        Err(_) => Err(Error::UnsupportedLayer {
            layer: options.layer.to_owned(),
            class: options.class.to_owned(),
        }),
    }
}

fn operation(options: &Options, name: &str) -> Result<Reader, Error> {
    let found = lower::OPERATIONS
        .iter()
        .find(|(names, _)| names.contains(&name));
    found
        .map(|(_, read)| *read)
        .ok_or_else(|| Error::UnsupportedOperation {
            layer: options.layer.to_owned(),
            operation: name.escape_debug().to_string(),
        })
}

/// The supported operations in one line.
pub(super) fn operations() -> String {
    supported_operations().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_a_class_is_found() {
        assert!(SUPPORTED_LAYERS.is_sorted_by_key(|layer| layer.class));
    }
}
