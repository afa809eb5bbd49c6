//! Pooling over pictures.

use burn::prelude::*;
use burn::tensor::{
    module::{avg_pool2d, max_pool2d},
    ops::{AvgPoolOptions, MaxPoolOptions},
};

use super::window::Picture;

/// What a window is reduced to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reduce {
    Max,
    /// Padding does not count, as in Keras.
    Average,
}

/// `keras.layers.MaxPooling2D` and `AveragePooling2D`.
#[derive(Module, Debug)]
pub(super) struct Pool2d {
    #[module(skip)]
    pub reduce: Reduce,
    #[module(skip)]
    pub input: Picture,
    #[module(skip)]
    pub window: [usize; 2],
    #[module(skip)]
    pub stride: [usize; 2],
    #[module(skip)]
    pub padding: [(usize, usize); 2],
}

impl Pool2d {
    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let picture = self.input.view(values);
        let output = match self.reduce {
            Reduce::Max => max_pool2d(
                picture,
                MaxPoolOptions::new(self.window)
                    .with_stride(self.stride)
                    .with_padding_pairs(self.padding),
            ),
            Reduce::Average => avg_pool2d(
                picture,
                AvgPoolOptions::new(self.window)
                    .with_stride(self.stride)
                    .with_padding_pairs(self.padding)
                    .with_count_include_pad(false),
            ),
        };
        self.input.flatten(output)
    }
}

/// `keras.layers.GlobalAveragePooling2D`: the mean of each channel.
#[derive(Module, Debug)]
pub(super) struct GlobalAverage2d {
    #[module(skip)]
    pub input: Picture,
}

impl GlobalAverage2d {
    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let [batch, _] = values.dims();
        let pixels = self.input.height * self.input.width;
        self.input
            .view(values)
            .reshape([batch, self.input.channels, pixels])
            .mean_dim(2)
            .reshape([batch, self.input.channels])
    }
}
