//! What is read: the table of the layers. The README's list is made from it.

use super::builder::Reader;
use super::{
    attention, conv, dense, einsum, merge, normalization, operations, picture, pooling, recurrent,
    reshape,
};
use crate::keras::error::{Error, SEE_README};
use crate::keras::saved::{ACTIVATIONS, Options, SavedLayer};

/// A class of layers that is read.
pub struct LayerSupport {
    /// Its name in Keras.
    pub class: &'static str,
    /// What is worth knowing about it, in one line.
    pub note: &'static str,
    read: Reader,
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
    layer("Activation", "every activation below", dense::activation),
    layer("ActivityRegularization", NOTHING, dense::identity),
    layer("Add", MERGE, merge::merge),
    layer("AlphaDropout", NOTHING, dense::identity),
    layer(
        "Attention",
        "dot product, with a causal mask or none",
        attention::attention,
    ),
    layer("AugMix", NOTHING, dense::identity),
    layer("Average", MERGE, merge::merge),
    layer("AveragePooling1D", BOTH, pooling::pooling),
    layer("AveragePooling2D", BOTH, pooling::pooling),
    layer(
        "BatchNormalization",
        "any axis",
        normalization::batch_normalization,
    ),
    layer(
        "Bidirectional",
        "around LSTM, GRU and SimpleRNN",
        recurrent::bidirectional,
    ),
    layer("CenterCrop", BOTH, picture::center_crop),
    layer("Concatenate", "any axis but the batch", merge::concatenate),
    layer(
        "Conv1D",
        "groups, dilation, valid, same and causal padding",
        conv::conv,
    ),
    layer("Conv1DTranspose", "", conv::conv_transpose),
    layer(
        "Conv2D",
        "groups, dilation, both paddings and data formats",
        conv::conv,
    ),
    layer("Conv2DTranspose", "", conv::conv_transpose),
    layer("Cropping1D", "", picture::cropping),
    layer("Cropping2D", BOTH, picture::cropping),
    layer(
        "CustomScaleLayer",
        "of InceptionResNetV2",
        merge::custom_scale,
    ),
    layer("CutMix", NOTHING, dense::identity),
    layer("Dense", "any number of axes", dense::dense),
    layer("DepthwiseConv1D", "", conv::depthwise_conv),
    layer(
        "DepthwiseConv2D",
        "depth multiplier, dilation, both data formats",
        conv::depthwise_conv,
    ),
    layer("Dropout", NOTHING, dense::identity),
    layer("ELU", "", dense::elu),
    layer(
        "EinsumDense",
        "a kernel that has the summed axes first",
        einsum::einsum_dense,
    ),
    layer("Embedding", "without mask_zero", dense::embedding),
    layer("Flatten", BOTH, reshape::flatten),
    layer("GRU", RECURRENT, recurrent::recurrent),
    layer("GaussianDropout", NOTHING, dense::identity),
    layer("GaussianNoise", NOTHING, dense::identity),
    layer("GlobalAveragePooling1D", BOTH, pooling::global_pooling),
    layer("GlobalAveragePooling2D", BOTH, pooling::global_pooling),
    layer("GlobalMaxPooling1D", BOTH, pooling::global_pooling),
    layer("GlobalMaxPooling2D", BOTH, pooling::global_pooling),
    layer(
        "GroupNormalization",
        "any axis",
        normalization::group_normalization,
    ),
    layer("Identity", "", dense::identity),
    layer(
        "InputLayer",
        "any number, with fixed sizes but for the batch",
        dense::identity,
    ),
    layer("LSTM", RECURRENT, recurrent::recurrent),
    layer(
        "LayerNormalization",
        "any axes, rms_scaling",
        normalization::layer_normalization,
    ),
    layer("LayerScale", "of ConvNeXt", normalization::layer_scale),
    layer("LeakyReLU", "", dense::leaky_relu),
    layer("MaxPooling1D", BOTH, pooling::pooling),
    layer("MaxPooling2D", BOTH, pooling::pooling),
    layer("Maximum", MERGE, merge::merge),
    layer("Minimum", MERGE, merge::merge),
    layer("MixUp", NOTHING, dense::identity),
    layer(
        "MultiHeadAttention",
        "over all axes but the last, with a causal mask or none",
        attention::multi_head_attention,
    ),
    layer("Multiply", MERGE, merge::merge),
    layer(
        "Normalization",
        "adapted or given, inverted too",
        normalization::normalization,
    ),
    layer("PReLU", "shared axes", dense::prelu),
    layer("Permute", "", reshape::permute),
    layer(
        "RMSNormalization",
        "any axes",
        normalization::rms_normalization,
    ),
    layer("RandAugment", NOTHING, dense::identity),
    layer("RandomBrightness", NOTHING, dense::identity),
    layer("RandomColorDegeneration", NOTHING, dense::identity),
    layer("RandomColorJitter", NOTHING, dense::identity),
    layer("RandomContrast", NOTHING, dense::identity),
    layer("RandomElasticTransform", NOTHING, dense::identity),
    layer("RandomErasing", NOTHING, dense::identity),
    layer("RandomFlip", NOTHING, dense::identity),
    layer("RandomGaussianBlur", NOTHING, dense::identity),
    layer("RandomGrayscale", NOTHING, dense::identity),
    layer("RandomHue", NOTHING, dense::identity),
    layer("RandomInvert", NOTHING, dense::identity),
    layer("RandomPerspective", NOTHING, dense::identity),
    layer("RandomPosterization", NOTHING, dense::identity),
    layer("RandomRotation", NOTHING, dense::identity),
    layer("RandomSaturation", NOTHING, dense::identity),
    layer("RandomSharpness", NOTHING, dense::identity),
    layer("RandomShear", NOTHING, dense::identity),
    layer("RandomTranslation", NOTHING, dense::identity),
    layer("RandomZoom", NOTHING, dense::identity),
    layer("ReLU", "max_value, negative_slope, threshold", dense::relu),
    layer("RepeatVector", "", reshape::repeat_vector),
    layer(
        "Rescaling",
        "numbers, or one for each entry of the last axis",
        picture::rescaling,
    ),
    layer("Reshape", "", reshape::reshape),
    layer(
        "Resizing",
        "nearest and bilinear, cropped or padded to the aspect ratio",
        picture::resizing,
    ),
    layer("SeparableConv1D", "", conv::separable_conv),
    layer(
        "SeparableConv2D",
        "depth multiplier, dilation, both data formats",
        conv::separable_conv,
    ),
    layer("SimpleRNN", RECURRENT, recurrent::recurrent),
    layer("Softmax", "any axes", dense::softmax),
    layer("SpatialDropout1D", NOTHING, dense::identity),
    layer("SpatialDropout2D", NOTHING, dense::identity),
    layer("SpatialDropout3D", NOTHING, dense::identity),
    layer("StochasticDepth", NOTHING, dense::identity),
    layer("Subtract", MERGE, merge::merge),
    layer("ThresholdedReLU", "", dense::thresholded_relu),
    layer(
        "TimeDistributed",
        "around any layer or model, without a mask",
        recurrent::time_distributed,
    ),
    layer(
        "UnitNormalization",
        "any axes",
        normalization::unit_normalization,
    ),
    layer("UpSampling1D", "", picture::up_sampling),
    layer("UpSampling2D", "nearest and bilinear", picture::up_sampling),
    layer("ZeroPadding1D", "", picture::zero_padding),
    layer("ZeroPadding2D", BOTH, picture::zero_padding),
];

const NOTHING: &str = "does nothing at inference";
const MERGE: &str = "any number of inputs, with broadcasting";
const BOTH: &str = "both data formats";
const RECURRENT: &str = "not stateful, without return_state";

const fn layer(class: &'static str, note: &'static str, read: Reader) -> LayerSupport {
    LayerSupport { class, note, read }
}

/// The names of the operations between layers that are read: classes of `keras.ops`, and the
/// TensorFlow functions that Keras 2 has in their place.
pub fn supported_operations() -> impl Iterator<Item = &'static str> {
    operations::OPERATIONS
        .iter()
        .flat_map(|(names, _)| names.iter().copied())
}

/// What is read, as a section of a document in Markdown: formats, layers, activations, operations.
#[must_use]
pub fn supported_markdown() -> String {
    let formats = SUPPORTED_FORMATS
        .iter()
        .map(|(name, note)| format!("| {name} | {note} |\n"));
    let (nothing, layers): (Vec<_>, Vec<_>) = SUPPORTED_LAYERS
        .iter()
        .partition(|layer| layer.note == NOTHING);
    let layers = layers
        .iter()
        .map(|layer| format!("| `{}` | {} |\n", layer.class, layer.note));
    let names = |names: Vec<&str>| {
        let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(", ")
    };
    let nothing = names(nothing.iter().map(|layer| layer.class).collect());
    let activations = ACTIVATIONS.iter().map(|(name, _)| *name).collect();
    // Keras's are classes, TensorFlow's functions.
    let is_keras = |name: &&str| name.starts_with(|first: char| first.is_ascii_uppercase());
    let (of_keras, of_tensorflow): (Vec<_>, Vec<_>) = supported_operations().partition(is_keras);
    format!(
        "| format | written by |\n|---|---|\n{}\n| layer | |\n|---|---|\n{}| {nothing} | each {NOTHING} |\n\nActivations: {}.\n\n\
         Operations between layers in Keras 3, `x + y` and those of `keras.ops`: {}.\n\n\
         Functions of TensorFlow between layers in Keras 2: {}.\n",
        formats.collect::<String>(),
        layers.collect::<String>(),
        names(activations),
        names(of_keras),
        names(of_tensorflow),
    )
}

/// Whether layers of that class do nothing at inference.
pub fn does_nothing(class: &str) -> bool {
    let row = SUPPORTED_LAYERS.iter().find(|layer| layer.class == class);
    row.is_some_and(|layer| layer.note == NOTHING)
}

/// What reads a layer.
pub fn reader(saved: &SavedLayer) -> Result<Reader, Error> {
    match saved.options.class {
        class if saved.is_operation() => operation(&saved.options, class),
        "TFOpLambda" | "SlicingOpLambda" => {
            let name = saved.options.get("function").and_then(|name| name.as_str());
            operation(&saved.options, name.unwrap_or("(none)"))
        }
        _ => layer_reader(&saved.options),
    }
}

/// What reads a layer of that class, which is no operation.
fn layer_reader(options: &Options) -> Result<Reader, Error> {
    let at = SUPPORTED_LAYERS.binary_search_by_key(&options.class, |layer| layer.class);
    match at {
        Ok(at) => Ok(SUPPORTED_LAYERS[at].read),
        Err(_) => Err(Error::UnsupportedLayer {
            layer: options.layer.to_owned(),
            class: options.class.to_owned(),
            hint: hint(options.class),
        }),
    }
}

fn operation(options: &Options, name: &str) -> Result<Reader, Error> {
    operations::operation(name).ok_or_else(|| Error::UnsupportedOperation {
        layer: options.layer.to_owned(),
        operation: name.escape_debug().to_string(),
    })
}

/// What to do about a class that is not supported.
fn hint(class: &str) -> String {
    if class == "Lambda" {
        return "it holds Python code; use Keras's layers and keras.ops instead".to_owned();
    }
    // Classes whose names differ in a digit only, such as `Conv2D` for `Conv3D`.
    let kind = |class: &str| class.replace(|letter: char| letter.is_ascii_digit(), "");
    let near: Vec<&str> = SUPPORTED_LAYERS
        .iter()
        .map(|layer| layer.class)
        .filter(|near| kind(near).eq_ignore_ascii_case(&kind(class)))
        .collect();
    match near[..] {
        [] => SEE_README.to_owned(),
        _ => format!("{} would be; {SEE_README}", near.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_a_class_is_found() {
        assert!(SUPPORTED_LAYERS.is_sorted_by_key(|layer| layer.class));
    }
}
