//! Dense layers and what slides over pictures.

use std::sync::Arc;

use super::Translation;
use crate::description::{Interpolation, Pool, Reduction};
use crate::network::compile::op::{Conv, Linear};
use crate::network::kernels::{Conv2d, DepthwiseConv2d, Pool2d, Pooling, Refused, Value, Window};

impl Translation<'_> {
    pub(super) fn dense(&mut self, linear: &Linear) -> Result<Value, Refused> {
        let (kernel, bias) = (Arc::clone(&linear.kernel), bias(linear));
        let input = self.input()?;
        self.builder.dense(input, kernel, bias, self.activation)
    }

    pub(super) fn convolution(&mut self, conv: &Conv) -> Result<Value, Refused> {
        let input = self.input()?;
        let window = conv.window;
        let kernel = Arc::clone(&conv.linear.kernel);
        let bias = bias(&conv.linear);
        let activation = self.activation;
        let channels = self.op.input().last().copied().unwrap_or(0);
        if conv.groups == channels && channels > 1 {
            // Keras's [rows, columns, 1, channels * multiplier] is the same in memory.
            let depthwise = DepthwiseConv2d {
                window,
                kernel,
                bias,
                activation,
            };
            return self.builder.depthwise_conv2d(input, depthwise);
        }
        let conv = Conv2d {
            window,
            input_dilation: conv.input_dilation,
            groups: conv.groups,
            kernel,
            bias,
            activation,
        };
        self.builder.conv2d(input, conv)
    }

    pub(super) fn pool(&mut self, kind: Pool, window: Window) -> Result<Value, Refused> {
        let pooling = match kind {
            Pool::Max => Pooling::Max,
            Pool::Average => Pooling::Average,
        };
        let input = self.input()?;
        self.builder.pool2d(input, Pool2d { pooling, window })
    }

    /// All axes but the last: global pooling.
    pub(super) fn reduce(&mut self, kind: Reduction, axes: &[usize]) -> Result<Value, Refused> {
        let pooling = match kind {
            Reduction::Max => Pooling::Max,
            Reduction::Mean => Pooling::Average,
            Reduction::Sum | Reduction::Min => return Err(self.refused()),
        };
        let last = self.op.input().len().saturating_sub(1);
        if !axes.iter().copied().eq(0..last) {
            return Err(self.refused());
        }
        let input = self.input()?;
        self.builder.global_pool(input, pooling)
    }

    /// Zeros around a picture, none behind its channels.
    pub(super) fn pad(&mut self, amounts: &[[usize; 2]]) -> Result<Value, Refused> {
        let &[rows, columns, [0, 0]] = amounts else {
            return Err(self.refused());
        };
        let input = self.input()?;
        self.builder.zero_pad(input, [rows.into(), columns.into()])
    }

    /// To a whole multiple of the size, each pixel repeated.
    pub(super) fn resize(&mut self, interpolation: Interpolation) -> Result<Value, Refused> {
        match interpolation {
            Interpolation::Nearest => {}
            Interpolation::Bilinear => return Err(self.refused()),
        }
        let (from, to) = (self.op.input(), &self.op.shape);
        let [height, width, _] = *from else {
            return Err(self.refused());
        };
        if !to[0].is_multiple_of(height) || !to[1].is_multiple_of(width) {
            return Err(self.refused());
        }
        let times = [to[0] / height, to[1] / width];
        let input = self.input()?;
        self.builder.upsample(input, times)
    }
}

/// The kernels always add one.
fn bias(linear: &Linear) -> Arc<Vec<f32>> {
    if linear.bias.is_empty() {
        Arc::new(vec![0.0; linear.outputs])
    } else {
        Arc::clone(&linear.bias)
    }
}
