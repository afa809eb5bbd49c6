//! Pictures in another size.

use serde::{Deserialize, Serialize};

use super::describe::Describe;
use super::geometry::DataFormat;
use super::shape::{Shape, one};
use super::weight::{NO_WEIGHTS, WeightSpec};
use super::work::each_value;

/// A picture in another size (`tf.image.resize` without antialiasing).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize2D {
    /// Height, width.
    pub size: [usize; 2],
    /// How values between pixels are made.
    pub interpolation: Interpolation,
    /// Where the channels are.
    pub data_format: DataFormat,
}

/// How values between pixels are made, pixels being squares whose centres are at 0.5, 1.5, ….
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel `floor((i + 0.5) * input / output)`.
    Nearest,
    /// Between the two pixels around `(i + 0.5) * input / output - 0.5` on each axis.
    Bilinear,
}

impl Describe for Resize2D {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let (_, channels) = self.data_format.picture(one(inputs)?)?;
        Ok(self.data_format.join(self.size, channels))
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        NO_WEIGHTS
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        each_value(inputs, output)
    }
}
