//! Attention.

use burn::prelude::*;
use burn::tensor::{Bool, TensorData, activation::softmax};

use super::{Forward, take};
use crate::network::Error;
use crate::network::compile::{self, Source};

/// Scores that are held at once for one example; longer sequences go in parts.
const SCORES: usize = 1 << 20;

/// `softmax(scale * query · keyᵀ) · value` for each head.
#[derive(Debug)]
pub(super) struct Attention {
    options: compile::Attention,
    /// Steps of the query.
    queries: usize,
    /// Steps of key and value.
    keys: usize,
}

impl Attention {
    /// `inputs` are queries, keys and values, `[steps, features]` each.
    pub fn new(options: compile::Attention, inputs: &[Source]) -> Self {
        let steps = |input: usize| {
            let source = inputs.get(input);
            source.and_then(|source| source.shape.first()).copied()
        };
        Self {
            options,
            queries: steps(0).unwrap_or(1),
            keys: steps(1).unwrap_or(1),
        }
    }

    /// `[batch, steps * heads * width]` as `[batch, heads, steps, width]`.
    fn heads(&self, values: Tensor<2>, steps: usize) -> Tensor<4> {
        let [batch, len] = values.dims();
        let heads = self.options.heads;
        values
            .reshape([batch, steps, heads, len / (steps * heads)])
            .swap_dims(1, 2)
    }

    /// Hides from step `t` the keys after it; the first step of `scores` is `first`.
    fn masked(&self, scores: Tensor<4>, first: usize) -> Tensor<4> {
        if !self.options.causal {
            return scores;
        }
        let dims = scores.dims();
        let [_, _, steps, keys] = dims;
        let hidden = (first..first + steps).flat_map(|step| (0..keys).map(move |key| key > step));
        let hidden = TensorData::new(hidden.collect::<Vec<bool>>(), [1, 1, steps, keys]);
        let hidden = Tensor::<4, Bool>::from_data(hidden, &scores.device());
        scores.mask_fill(hidden.expand(dims), f32::NEG_INFINITY)
    }
}

impl Forward for Attention {
    /// Of query, key and value.
    fn forward(&self, inputs: Vec<Tensor<2>>) -> Result<Tensor<2>, Error> {
        let [query, key, value] = take(inputs)?;
        let query = self.heads(query, self.queries) * self.options.scale;
        let key = self.heads(key, self.keys).swap_dims(2, 3);
        let value = self.heads(value, self.keys);
        let [batch, heads, _, width] = value.dims();
        let part = (SCORES / (heads * self.keys)).clamp(1, self.queries);
        let parts = (0..self.queries).step_by(part).map(|first| {
            let len = part.min(self.queries - first);
            let scores = query.clone().narrow(2, first, len).matmul(key.clone());
            softmax(self.masked(scores, first), 3).matmul(value.clone())
        });
        let attended = Tensor::cat(parts.collect(), 2);
        let output = attended.swap_dims(1, 2);
        Ok(output.reshape([batch, self.queries * heads * width]))
    }
}
