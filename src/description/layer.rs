//! The layers that a network is made of, with Keras 3's meaning of every option.
//!
//! They are fewer than Keras has: a layer that is another one in disguise is taken apart when it is
//! read, so that only one way to compute it is needed. `DepthwiseConv2D` is a [`Conv2D`] with as many
//! groups as channels, `Conv1D` a [`Conv2D`] over a picture of height 1, `MultiHeadAttention` four
//! [`Dense`] around an [`Attention`].
//!
//! Each family of layers has a file of its own, which says what there is to say of them; here they
//! are only listed.

use serde::{Deserialize, Serialize};

use super::activation::{ActivationLayer, PReLU, Softmax};
use super::attention::Attention;
use super::convolution::{Conv2D, Conv2DTranspose};
use super::dense::{Dense, Embedding};
use super::describe::Describe;
use super::merge::{Concatenate, Merge, MergeConstant};
use super::movement::{Broadcast, Pad, Permute, Reshape, Slice, StridedSlice, Unchanged};
use super::normalization::{
    BatchNormalization, GroupNormalization, LayerNormalization, Normalization, Rescaling,
    UnitNormalization,
};
use super::pooling::{Pooling2D, Reduce};
use super::recurrent::{Bidirectional, Recurrent, TimeDistributed};
use super::resize::Resize2D;
use super::shape::{Shape, elements};
use super::weight::WeightSpec;

/// One step of the network. Axes and shapes never count the batch axis; axes count from 0.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Layer {
    /// Where the network begins; only ever the first node. No inputs.
    Input,
    /// Does nothing at inference, such as `Dropout` or `RandomFlip`.
    Identity,
    Reshape(Reshape),
    Permute(Permute),
    Broadcast(Broadcast),
    Pad(Pad),
    Slice(Slice),
    StridedSlice(StridedSlice),
    Resize2D(Resize2D),
    Rescaling(Rescaling),
    Normalization(Normalization),
    Dense(Dense),
    Conv2D(Conv2D),
    Conv2DTranspose(Conv2DTranspose),
    Pooling2D(Pooling2D),
    Reduce(Reduce),
    Merge(Merge),
    MergeConstant(MergeConstant),
    Concatenate(Concatenate),
    BatchNormalization(BatchNormalization),
    LayerNormalization(LayerNormalization),
    GroupNormalization(GroupNormalization),
    UnitNormalization(UnitNormalization),
    Activation(ActivationLayer),
    PReLU(PReLU),
    Softmax(Softmax),
    Embedding(Embedding),
    Recurrent(Recurrent),
    Bidirectional(Bidirectional),
    TimeDistributed(TimeDistributed),
    Attention(Attention),
}

impl Layer {
    /// The shape of one example after this layer. Checks the layer's own options too.
    ///
    /// # Errors
    /// Another number of inputs than the layer takes, an option out of its range, inputs that the
    /// layer cannot take, or a size beyond [`MAX_ELEMENTS`](super::MAX_ELEMENTS).
    pub fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        for input in inputs {
            elements(input)?;
        }
        let output = self.describe().output_shape(inputs)?;
        elements(&output)?;
        Ok(output)
    }

    /// The weights this layer has for inputs of these shapes, in Keras's order.
    #[must_use]
    pub fn weight_specs(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        self.describe().weights(inputs)
    }

    /// Multiply-adds, or comparisons, for one example of these shapes, more or less; saturates. It
    /// is bounded, so that a small file cannot ask for hours.
    pub(super) fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        self.describe().work(inputs, output)
    }

    /// Whether what comes out are values that went in, moved, repeated, left out or between their
    /// neighbours, with zeros around them perhaps.
    #[must_use]
    pub fn moves_only(&self) -> bool {
        match self {
            Self::Input
            | Self::Identity
            | Self::Reshape(_)
            | Self::Permute(_)
            | Self::Broadcast(_)
            | Self::Pad(_)
            | Self::Slice(_)
            | Self::StridedSlice(_)
            | Self::Resize2D(_) => true,
            Self::Rescaling(_)
            | Self::Normalization(_)
            | Self::Dense(_)
            | Self::Conv2D(_)
            | Self::Conv2DTranspose(_)
            | Self::Pooling2D(_)
            | Self::Reduce(_)
            | Self::Merge(_)
            | Self::MergeConstant(_)
            | Self::Concatenate(_)
            | Self::BatchNormalization(_)
            | Self::LayerNormalization(_)
            | Self::GroupNormalization(_)
            | Self::UnitNormalization(_)
            | Self::Activation(_)
            | Self::PReLU(_)
            | Self::Softmax(_)
            | Self::Embedding(_)
            | Self::Recurrent(_)
            | Self::Bidirectional(_)
            | Self::TimeDistributed(_)
            | Self::Attention(_) => false,
        }
    }

    fn describe(&self) -> &dyn Describe {
        match self {
            Self::Input | Self::Identity => &Unchanged,
            Self::Reshape(layer) => layer,
            Self::Permute(layer) => layer,
            Self::Broadcast(layer) => layer,
            Self::Pad(layer) => layer,
            Self::Slice(layer) => layer,
            Self::StridedSlice(layer) => layer,
            Self::Resize2D(layer) => layer,
            Self::Rescaling(layer) => layer,
            Self::Normalization(layer) => layer,
            Self::Dense(layer) => layer,
            Self::Conv2D(layer) => layer,
            Self::Conv2DTranspose(layer) => layer,
            Self::Pooling2D(layer) => layer,
            Self::Reduce(layer) => layer,
            Self::Merge(layer) => layer,
            Self::MergeConstant(layer) => layer,
            Self::Concatenate(layer) => layer,
            Self::BatchNormalization(layer) => layer,
            Self::LayerNormalization(layer) => layer,
            Self::GroupNormalization(layer) => layer,
            Self::UnitNormalization(layer) => layer,
            Self::Activation(layer) => layer,
            Self::PReLU(layer) => layer,
            Self::Softmax(layer) => layer,
            Self::Embedding(layer) => layer,
            Self::Recurrent(layer) => layer,
            Self::Bidirectional(layer) => layer,
            Self::TimeDistributed(layer) => layer,
            Self::Attention(layer) => layer,
        }
    }
}
