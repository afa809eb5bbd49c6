//! What each layer says of itself.

use super::shape::Shape;
use super::weight::WeightSpec;

/// What a layer says of itself. Both its options and the shapes of its inputs may come from a hostile
/// file; only the number of values in an input is bounded before.
pub(super) trait Describe {
    /// The shape of one example after it.
    ///
    /// # Errors
    /// Another number of inputs than it takes, an option or a number that is out of its range, or
    /// inputs that it cannot take.
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape;

    /// The weights it has for such inputs, in Keras's order. Must not panic for inputs that it
    /// cannot take.
    fn weights(&self, inputs: &[&[usize]]) -> Vec<WeightSpec>;

    /// Multiply-adds, or comparisons, for one example, more or less; saturates.
    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64;
}
