//! Puts a [`Program`] together, one operation after the other.

mod sequences;
mod sizes;

use std::sync::Arc;

use sizes::{dilated, expect, resized, slide};

use super::operation::{
    Binary, Conv2d, DepthwiseConv2d, Node, Operation, Pool2d, Pooling, Refused, Shape, Statistics,
    Window,
};
use super::simd::Isa;
use super::{Activation, Program, plan, transposed};

/// The result of an operation, named to be read by later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value(pub(super) usize);

/// Collects operations; every method that adds one gives the value it makes.
///
/// All fail with [`Refused`] if no kernel covers the operation or the sizes do
/// not fit together.
#[derive(Clone, Debug)]
pub struct Builder {
    nodes: Vec<Node>,
}

/// Offsets within an example are kept in 32 bits.
const MAX_VALUES: usize = 1 << 28;

impl Builder {
    /// Begins with the program's one input.
    ///
    /// # Errors
    /// [`Refused`] if it is empty or huge.
    pub fn new(input: Shape) -> Result<(Self, Value), Refused> {
        let mut builder = Self { nodes: Vec::new() };
        let value = builder.push(Operation::Input, &[], input)?;
        Ok((builder, value))
    }

    #[cfg(test)]
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The shape of a value.
    pub fn shape(&self, value: Value) -> Shape {
        self.nodes[value.0].shape
    }

    /// Convolution, `keras.layers.Conv2D`, and `Conv2DTranspose` as a convolution
    /// over a dilated input, with its kernel turned by half. A 2 × 2 pooling
    /// becomes part of it if nothing else reads the convolution.
    ///
    /// # Errors
    /// [`Refused`], see [`Builder`].
    pub fn conv2d(&mut self, input: Value, conv: Conv2d) -> Result<Value, Refused> {
        let Shape { channels, .. } = self.shape(input);
        let filters = conv.bias.len();
        let [rows, columns] = conv.window.size;
        let groups = conv.groups.max(1);
        if !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
            return Err(refused(format!("{groups} groups of {channels} channels")));
        }
        expect(
            "kernel",
            conv.kernel.len(),
            &[rows, columns, channels / groups, filters],
        )?;
        let plain = groups == 1 && conv.window.strides == [1, 1];
        if conv.input_dilation.contains(&0) || conv.is_transposed() && !plain {
            return Err(refused("strides or groups over a dilated input".into()));
        }
        let dilated = dilated(self.shape(input), conv.input_dilation)?;
        let shape = Shape {
            channels: filters,
            ..slide(dilated, &conv.window)?
        };
        if !transposed::fits(conv.input_dilation, [shape.height, shape.width]) {
            return Err(refused(format!("strides of {:?}", conv.input_dilation)));
        }
        let operation = if groups > 1 && groups == channels && groups == filters {
            Operation::Depthwise(conv)
        } else {
            Operation::Conv(conv)
        };
        self.push(operation, &[input], shape)
    }

    /// Depthwise convolution, `keras.layers.DepthwiseConv2D`.
    ///
    /// # Errors
    /// [`Refused`], see [`Builder`].
    pub fn depthwise_conv2d(
        &mut self,
        input: Value,
        conv: DepthwiseConv2d,
    ) -> Result<Value, Refused> {
        // [.., channels, multiplier] and [.., 1, filters] are the same in memory.
        let conv = Conv2d {
            window: conv.window,
            input_dilation: [1, 1],
            groups: self.shape(input).channels,
            kernel: conv.kernel,
            bias: conv.bias,
            activation: conv.activation,
        };
        self.conv2d(input, conv)
    }

    /// `activation(x · kernel + bias)` along the channels of every pixel; kernel `[channels, units]`.
    pub fn dense(
        &mut self,
        input: Value,
        kernel: Arc<Vec<f32>>,
        bias: Arc<Vec<f32>>,
        activation: Activation,
    ) -> Result<Value, Refused> {
        let window = Window {
            size: [1, 1],
            strides: [1, 1],
            dilation: [1, 1],
            padding: [(0, 0); 2],
        };
        let conv = Conv2d {
            window,
            input_dilation: [1, 1],
            groups: 1,
            kernel,
            bias,
            activation,
        };
        self.conv2d(input, conv)
    }

    /// Max and average pooling.
    pub fn pool2d(&mut self, input: Value, pool: Pool2d) -> Result<Value, Refused> {
        let Window {
            size,
            dilation,
            padding,
            ..
        } = pool.window;
        let covers = |axis: usize| padding[axis].0 < size[axis] && padding[axis].1 < size[axis];
        if dilation != [1, 1] || !covers(0) || !covers(1) {
            return Err(refused("a pooling window that lies in the padding".into()));
        }
        let shape = slide(self.shape(input), &pool.window)?;
        self.push(Operation::Pool(pool), &[input], shape)
    }

    /// Pooling over all pixels: `1 × 1 × channels`.
    pub fn global_pool(&mut self, input: Value, pooling: Pooling) -> Result<Value, Refused> {
        let Shape { height, width, .. } = self.shape(input);
        let window = Window {
            size: [height, width],
            strides: [1, 1],
            dilation: [1, 1],
            padding: [(0, 0); 2],
        };
        self.pool2d(input, Pool2d { pooling, window })
    }

    /// `activation(a + b)`; `b` may be one pixel that is added to all.
    pub fn add(&mut self, a: Value, b: Value, activation: Activation) -> Result<Value, Refused> {
        self.binary(a, b, Operation::Binary(Binary::Add, activation))
    }

    /// `activation(a * b)`; `b` may be one pixel that multiplies all.
    pub fn multiply(
        &mut self,
        a: Value,
        b: Value,
        activation: Activation,
    ) -> Result<Value, Refused> {
        self.binary(a, b, Operation::Binary(Binary::Multiply, activation))
    }

    fn binary(&mut self, a: Value, b: Value, operation: Operation) -> Result<Value, Refused> {
        let shape = self.shape(a);
        if self.shape(b) != shape && self.shape(b) != Shape::vector(shape.channels) {
            return Err(refused(format!("{shape:?} with {:?}", self.shape(b))));
        }
        self.push(operation, &[a, b], shape)
    }

    /// `activation(x * scale + offset)`, each one value or one a channel.
    pub fn affine(
        &mut self,
        input: Value,
        scale: Vec<f32>,
        offset: Vec<f32>,
        activation: Activation,
    ) -> Result<Value, Refused> {
        let shape = self.shape(input);
        let each_channel = |values: Vec<f32>| match values[..] {
            [value] => vec![value; shape.channels],
            _ => values,
        };
        let (scale, offset) = (each_channel(scale), each_channel(offset));
        expect("scale", scale.len(), &[shape.channels])?;
        expect("offset", offset.len(), &[shape.channels])?;
        let operation = Operation::Affine {
            scale,
            offset,
            activation,
        };
        self.push(operation, &[input], shape)
    }

    /// The function alone.
    pub fn activation(&mut self, input: Value, activation: Activation) -> Result<Value, Refused> {
        self.push(
            Operation::Activation(activation),
            &[input],
            self.shape(input),
        )
    }

    /// `x` where positive, else `alpha * x`, `keras.layers.PReLU`. The alphas are repeated along each row, whose length is
    /// a multiple of theirs, or there is one for each value of the picture.
    pub fn prelu(&mut self, input: Value, alpha: Vec<f32>) -> Result<Value, Refused> {
        let shape = self.shape(input);
        let row = shape.width * shape.channels;
        let in_rows = !alpha.is_empty() && row.is_multiple_of(alpha.len());
        if !in_rows && alpha.len() != shape.values() {
            return Err(refused(format!("{} alphas for {shape:?}", alpha.len())));
        }
        self.push(Operation::PRelu { alpha }, &[input], shape)
    }

    /// Each pixel by its own statistics, `keras.layers.LayerNormalization` without gamma and beta.
    pub fn normalize(
        &mut self,
        input: Value,
        statistics: Statistics,
        epsilon: f32,
    ) -> Result<Value, Refused> {
        let operation = Operation::Normalize {
            statistics,
            epsilon,
        };
        self.push(operation, &[input], self.shape(input))
    }

    /// Softmax along the channels of every pixel.
    pub fn softmax(&mut self, input: Value) -> Result<Value, Refused> {
        self.push(Operation::Softmax, &[input], self.shape(input))
    }

    /// Joins pictures of one size along the channels.
    pub fn concat(&mut self, inputs: &[Value]) -> Result<Value, Refused> {
        let shapes: Vec<_> = inputs.iter().map(|input| self.shape(*input)).collect();
        let Some(first) = shapes.first() else {
            return Err(refused("a concatenation of nothing".into()));
        };
        let size = |shape: &Shape| (shape.height, shape.width);
        if shapes.iter().any(|shape| size(shape) != size(first)) {
            return Err(refused(format!("a concatenation of {shapes:?}")));
        }
        let channels = shapes.iter().map(|shape| shape.channels).sum();
        let shape = Shape { channels, ..*first };
        self.push(Operation::Concat, inputs, shape)
    }

    /// Zeros around a picture: before and after the rows, before and after the columns.
    pub fn zero_pad(
        &mut self,
        input: Value,
        padding: [(usize, usize); 2],
    ) -> Result<Value, Refused> {
        let shape = self.shape(input);
        let larger = |size: usize, (before, after): (usize, usize)| {
            before.checked_add(after)?.checked_add(size)
        };
        let sizes = [
            larger(shape.height, padding[0]),
            larger(shape.width, padding[1]),
        ];
        let shape = resized(shape, sizes, || format!("a padding of {padding:?}"))?;
        self.push(Operation::Pad(padding), &[input], shape)
    }

    /// Every row and every column this many times, `keras.layers.UpSampling2D`.
    pub fn upsample(&mut self, input: Value, times: [usize; 2]) -> Result<Value, Refused> {
        let shape = self.shape(input);
        let sizes = [
            shape.height.checked_mul(times[0]),
            shape.width.checked_mul(times[1]),
        ];
        let shape = resized(shape, sizes, || format!("{shape:?} {times:?} times"))?;
        self.push(Operation::Upsample(times), &[input], shape)
    }

    /// The same values in the same order under another shape, as Flatten and
    /// Reshape do; costs nothing.
    pub fn reshape(&mut self, input: Value, shape: Shape) -> Result<Value, Refused> {
        if shape.values() != self.shape(input).values() {
            return Err(refused(format!("{:?} as {shape:?}", self.shape(input))));
        }
        self.push(Operation::Reshape, &[input], shape)
    }

    /// Packs the weights and plans the workspace; `output` is what the program gives.
    pub fn build(self, output: Value) -> Result<Program, Refused> {
        self.build_for(output, Isa::all()[0])
    }

    /// For one instruction set.
    pub(super) fn build_for(mut self, output: Value, isa: Isa) -> Result<Program, Refused> {
        // What comes later cannot be read by it.
        self.nodes.truncate(output.0 + 1);
        plan::plan(self.nodes, output.0, isa)
    }

    fn push(
        &mut self,
        operation: Operation,
        inputs: &[Value],
        shape: Shape,
    ) -> Result<Value, Refused> {
        let values = shape
            .height
            .checked_mul(shape.width)
            .and_then(|pixels| pixels.checked_mul(shape.channels));
        if !values.is_some_and(|values| (1..=MAX_VALUES).contains(&values)) {
            return Err(refused(format!("a picture of {shape:?}")));
        }
        self.nodes.push(Node {
            operation,
            inputs: inputs.iter().map(|input| input.0).collect(),
            shape,
        });
        Ok(Value(self.nodes.len() - 1))
    }
}

fn refused(what: String) -> Refused {
    Refused(what)
}
