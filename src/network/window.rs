//! What convolution and pooling share: a window that slides over a picture.

use burn::prelude::*;

use crate::keras::{DataFormat, Padding};

/// How one example, in Keras's order, is a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub data_format: DataFormat,
}

impl Picture {
    /// `shape` is an example's shape, without the batch axis; `None` unless it has three axes.
    pub fn new(shape: &[usize], data_format: DataFormat) -> Option<Self> {
        let (height, width, channels) = match (shape, data_format) {
            (&[h, w, c], DataFormat::ChannelsLast) | (&[c, h, w], DataFormat::ChannelsFirst) => {
                (h, w, c)
            }
            _ => return None,
        };
        Some(Self {
            height,
            width,
            channels,
            data_format,
        })
    }

    /// `[batch, values]` as `[batch, channels, height, width]`, which is Burn's order.
    pub fn view(&self, values: Tensor<2>) -> Tensor<4> {
        let [batch, _] = values.dims();
        let Self {
            height,
            width,
            channels,
            ..
        } = *self;
        match self.data_format {
            DataFormat::ChannelsFirst => values.reshape([batch, channels, height, width]),
            DataFormat::ChannelsLast => values
                .reshape([batch, height, width, channels])
                .permute([0, 3, 1, 2]),
        }
    }

    /// `[batch, channels, height, width]` of any size back to `[batch, values]` in Keras's order.
    pub fn flatten(&self, picture: Tensor<4>) -> Tensor<2> {
        match self.data_format {
            DataFormat::ChannelsFirst => picture.flatten(1, 3),
            DataFormat::ChannelsLast => picture.permute([0, 2, 3, 1]).flatten(1, 3),
        }
    }

    /// Padding `(begin, end)` for rows and columns.
    ///
    /// "same" as TensorFlow pads: the output has `ceil(size / stride)` steps,
    /// and the odd pixel goes to the end (`tf.nn.convolution`, "SAME").
    pub fn padding(
        &self,
        padding: Padding,
        window: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
    ) -> [(usize, usize); 2] {
        match padding {
            Padding::Valid => [(0, 0); 2],
            Padding::Same => {
                let sizes = [self.height, self.width];
                std::array::from_fn(|axis| {
                    let reach = (window[axis] - 1) * dilation[axis] + 1;
                    let last = (sizes[axis].div_ceil(stride[axis]) - 1) * stride[axis];
                    let total = (last + reach).saturating_sub(sizes[axis]);
                    (total / 2, total - total / 2)
                })
            }
        }
    }
}
