//! Pooling over windows of a picture.

use burn::prelude::*;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

use super::view::Picture;
use crate::description;
use crate::network::compile::Window;

/// `keras.layers.MaxPooling2D` and `AveragePooling2D`; padding never wins and does not count.
#[derive(Debug)]
pub(super) struct Pool {
    kind: description::Pool,
    window: Window,
    input: Picture,
}

impl Pool {
    pub fn new(kind: description::Pool, window: Window, input: &[usize]) -> Self {
        Self {
            kind,
            window,
            input: Picture::of(input),
        }
    }

    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let picture = self.input.view(values);
        let Window {
            size,
            strides,
            padding,
            ..
        } = self.window;
        Picture::flatten(match self.kind {
            description::Pool::Max => {
                let options = MaxPoolOptions::new(size)
                    .with_stride(strides)
                    .with_padding_pairs(padding);
                max_pool2d(picture, options)
            }
            description::Pool::Average => {
                let options = AvgPoolOptions::new(size)
                    .with_stride(strides)
                    .with_padding_pairs(padding)
                    .with_count_include_pad(false);
                avg_pool2d(picture, options)
            }
        })
    }
}
