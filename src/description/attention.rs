//! Dot-product attention.

use serde::{Deserialize, Serialize};

use super::describe::Describe;
use super::shape::{Shape, check, elements, error};
use super::weight::{NO_WEIGHTS, WeightSpec, first, weight};
use super::work::{count, times};

/// `softmax(scale * query · keyᵀ) · value` for each head. Three inputs: query
/// `(T, heads * k)`, key `(S, heads * k)`, value `(S, heads * v)`; the output is
/// `(T, heads * v)`. The values of one head stand side by side. Weight: `scale (1)`, a factor
/// as well, where `use_scale` is set.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// How many heads share the last axis.
    pub heads: usize,
    /// Factor of the scores.
    pub scale: f32,
    /// Whether a learned factor comes to it.
    pub use_scale: bool,
    /// Whether step `t` of the query only sees keys up to `t`.
    pub causal: bool,
}

impl Describe for Attention {
    fn output_shape(&self, inputs: &[&[usize]]) -> Shape {
        let (heads, scale) = (self.heads, self.scale);
        check(scale.is_finite(), || {
            format!("the scale is {scale}, it must be finite")
        })?;
        let &[&[steps, query], &[sources, key], &[values, value]] = inputs else {
            return Err(error(format!(
                "takes query, key and value of two axes each, not {inputs:?}"
            )));
        };
        let divides = |n: usize| n.checked_rem(heads) == Some(0);
        let fits = query == key && sources == values && divides(query) && divides(value);
        check(fits, || {
            format!("query, key and value {inputs:?} do not fit each other and {heads} heads")
        })?;
        // The scores are a tensor too.
        elements(&[heads, steps, sources])?;
        Ok(vec![steps, value])
    }

    fn weights(&self, _: &[&[usize]]) -> Vec<WeightSpec> {
        match self.use_scale {
            true => vec![weight("scale", vec![1])],
            false => NO_WEIGHTS,
        }
    }

    fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        let sources = inputs.get(1).and_then(|key| key.first());
        let values = count(output).saturating_add(count(first(inputs)));
        times(values, sources)
    }
}
