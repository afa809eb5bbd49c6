//! What a network is: layers in a graph, their shapes, their weights, and the file that keeps them.
//!
//! A [`Model`] is one flat graph, checked through and through: every shape is inferred here, every
//! weight has the shape its layer asks for, and every size was bounded before memory was taken.
//! Nothing here knows which file a network came from, nor how it is computed.
//!
//! Each family of layers has a file, from `activation` to `resize`; `layer` lists them all.

mod activation;
mod attention;
mod convolution;
mod dense;
mod describe;
mod error;
mod geometry;
mod layer;
mod limits;
mod merge;
mod model;
mod movement;
mod normalization;
mod pooling;
mod recurrent;
mod resize;
mod safetensors;
mod shape;
mod summary;
mod tensor_spec;
mod weight;
mod work;

pub use self::safetensors::{from_safetensors, to_safetensors};
pub use activation::{Activation, ActivationLayer, PReLU, Softmax};
pub use attention::Attention;
pub use convolution::{Conv2D, Conv2DTranspose, SpreadAxis};
pub use dense::{Dense, Embedding};
pub use error::Error;
pub use geometry::{DataFormat, Padding, Window, extent};
pub use layer::Layer;
pub use limits::{
    MAX_ELEMENTS, MAX_NAME, MAX_NODES, MAX_PARAMETERS, MAX_RANK, MAX_VALUES, MAX_WORK,
};
pub use merge::{Concatenate, Merge, MergeConstant, MergeOp};
pub use model::{Description, Model, Node, Weight};
pub use movement::{Broadcast, Pad, Permute, Reshape, Slice, StridedSlice};
pub use normalization::{
    BatchNormalization, GroupNormalization, LayerNormalization, Normalization, Rescaling,
    Statistics, UnitNormalization,
};
pub use pooling::{Pool, Pooling2D, Reduce, Reduction};
pub use recurrent::{Bidirectional, BidirectionalMerge, Cell, Recurrent, TimeDistributed};
pub use resize::{Interpolation, Resize2D};
pub use shape::ShapeError;
pub use summary::{Row, Summary};
pub use tensor_spec::TensorSpec;
pub use weight::WeightSpec;

pub(crate) use limits::check_name;
pub(crate) use shape::{elements, product};
