//! Moving channels from the front to the back.

use burn::prelude::*;

/// What `keras.layers.Flatten(data_format="channels_first")` does before it
/// flattens: `[channels, rest]` becomes `[rest, channels]`.
#[derive(Module, Debug)]
pub(super) struct ChannelsToLast {
    #[module(skip)]
    pub channels: usize,
}

impl ChannelsToLast {
    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        let [batch, len] = values.dims();
        values
            .reshape([batch, self.channels, len / self.channels])
            .swap_dims(1, 2)
            .reshape([batch, len])
    }
}
