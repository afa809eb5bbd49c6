//! What a network is: layers in a graph, their shapes, their weights, and the file that keeps them.
//!
//! A [`Model`] is one flat graph, checked through and through: every shape is inferred here, every
//! weight has the shape its layer asks for, and every size was bounded before memory was taken.
//! Nothing here knows in which file a network came, nor how it is computed.

mod activation;
mod error;
mod geometry;
mod layer;
mod model;
mod safetensors;
mod shape;
mod spec;
mod summary;
mod windows;
mod work;

pub use self::safetensors::{from_safetensors, to_safetensors};
pub use activation::Activation;
pub use error::Error;
pub use geometry::{DataFormat, Padding, PictureShape, SpreadAxis, extent};
pub use layer::{
    BidirectionalMerge, Cell, Interpolation, Layer, MergeOp, Pool, Recurrent, Reduction, Statistics,
};
pub use model::{Description, MAX_NAME, MAX_NODES, Model, Node, Weight};
pub use shape::{MAX_ELEMENTS, MAX_PARAMETERS, MAX_RANK, MAX_VALUES, MAX_WORK, ShapeError};
pub use spec::WeightSpec;
pub use summary::{Row, Summary};

pub(crate) use model::check_name;
pub(crate) use shape::{elements, product};
