//! One layer of a description becomes one step of the network.

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::{TensorData, ops::ConvOptions};

use super::Error;
use super::activation::{Activate, Relu, Softmax};
use super::affine::{Affine, BatchNorm, Rescale, fold_batch_norm};
use super::conv::Conv2d;
use super::dense::Dense;
use super::pool::{GlobalAverage2d, Pool2d, Reduce};
use super::transpose::ChannelsToLast;
use super::window::Picture;
use crate::keras::{DataFormat, Layer, Node, Weight};

/// A layer that computes; the others leave no step behind.
#[derive(Module, Debug)]
pub(super) enum Step {
    Activate(Activate),
    Affine(Affine),
    ChannelsToLast(ChannelsToLast),
    Conv2d(Conv2d),
    Dense(Dense),
    GlobalAverage2d(GlobalAverage2d),
    Pool2d(Pool2d),
    Relu(Relu),
    Rescale(Rescale),
    Softmax(Softmax),
}

impl Step {
    pub fn forward(&self, values: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Activate(step) => step.forward(values),
            Self::Affine(step) => step.forward(values),
            Self::ChannelsToLast(step) => step.forward(values),
            Self::Conv2d(step) => step.forward(values),
            Self::Dense(step) => step.forward(values),
            Self::GlobalAverage2d(step) => step.forward(values),
            Self::Pool2d(step) => step.forward(values),
            Self::Relu(step) => step.forward(values),
            Self::Rescale(step) => step.forward(values),
            Self::Softmax(step) => step.forward(values),
        }
    }

    /// The step for `nodes[index]`, or none if the layer changes no value at inference.
    ///
    /// The description has been validated: shapes and weights fit the layer.
    pub fn new(
        nodes: &[Node],
        index: usize,
        weights: Vec<Weight>,
        device: &Device,
    ) -> Result<Option<Self>, Error> {
        let node = &nodes[index];
        let builder = Builder {
            node,
            input: match node.inputs[..] {
                [] => &[],
                // Each step takes what the one before it gave.
                [input] if input + 1 == index => &nodes[input].output_shape,
                _ => return Err(unsupported(node, "branches are not supported yet")),
            },
            device,
        };
        builder.step(Weights(weights))
    }
}

fn unsupported(node: &Node, reason: impl Into<String>) -> Error {
    Error::Layer {
        layer: node.name.clone(),
        class: node.layer.class_name().to_owned(),
        reason: reason.into(),
    }
}

/// A layer and what is known around it.
struct Builder<'a> {
    node: &'a Node,
    /// One example's shape as it comes in.
    input: &'a [usize],
    device: &'a Device,
}

impl Builder<'_> {
    fn step(&self, weights: Weights) -> Result<Option<Step>, Error> {
        Ok(Some(match &self.node.layer {
            Layer::Input | Layer::Identity { .. } | Layer::Reshape { .. } => return Ok(None),
            Layer::Flatten { data_format } => match (data_format, self.input) {
                (DataFormat::ChannelsFirst, &[channels, _, ..]) => {
                    Step::ChannelsToLast(ChannelsToLast { channels })
                }
                _ => return Ok(None),
            },
            Layer::Rescaling { scale, offset } => self.rescaling(scale, offset),
            Layer::BatchNormalization { axis, epsilon, .. } => {
                self.batch_normalization(weights, *axis, *epsilon)?
            }
            Layer::Dense { activation, .. } => Step::Dense(Dense {
                kernel: self.param(weights.require(self.node, "kernel")?),
                bias: weights.get("bias").map(|bias| self.param(bias)),
                activation: *activation,
            }),
            Layer::Conv2D { .. } => Step::Conv2d(self.convolution(weights)?),
            Layer::MaxPooling2D { .. } | Layer::AveragePooling2D { .. } => {
                Step::Pool2d(self.pooling()?)
            }
            Layer::GlobalAveragePooling2D { data_format, .. } => {
                Step::GlobalAverage2d(GlobalAverage2d {
                    input: self.picture(*data_format)?,
                })
            }
            Layer::Activation { activation } => Step::Activate(Activate {
                activation: *activation,
                last_axis: self.input.last().copied().unwrap_or(1),
            }),
            Layer::ReLU {
                max_value,
                negative_slope,
                threshold,
            } => Step::Relu(Relu {
                max_value: *max_value,
                negative_slope: *negative_slope,
                threshold: *threshold,
            }),
            Layer::Softmax { axis } => Step::Softmax(Softmax {
                len: self.input[*axis],
                inner: self.input[axis + 1..].iter().product(),
            }),
        }))
    }

    fn picture(&self, data_format: DataFormat) -> Result<Picture, Error> {
        Picture::new(self.input, data_format).ok_or_else(|| {
            unsupported(
                self.node,
                format!("its input {:?} is not a picture", self.input),
            )
        })
    }

    fn rescaling(&self, scale: &[f32], offset: &[f32]) -> Step {
        if let (&[scale], &[offset]) = (scale, offset) {
            return Step::Rescale(Rescale { scale, offset });
        }
        let channels = scale.len().max(offset.len());
        let spread = |values: &[f32]| match values {
            [value] => vec![*value; channels],
            _ => values.to_vec(),
        };
        self.affine(spread(scale), spread(offset), 1)
    }

    fn batch_normalization(
        &self,
        weights: Weights,
        axis: usize,
        epsilon: f32,
    ) -> Result<Step, Error> {
        let values = |name| weights.get(name).map(|weight| weight.values.clone());
        let (scale, offset) = fold_batch_norm(&BatchNorm {
            gamma: values("gamma"),
            beta: values("beta"),
            mean: weights.require(self.node, "moving_mean")?.values.clone(),
            variance: weights
                .require(self.node, "moving_variance")?
                .values
                .clone(),
            epsilon,
        });
        if !scale.iter().chain(&offset).all(|value| value.is_finite()) {
            let reason = "its moving_variance makes a scale that is not a finite number";
            return Err(unsupported(self.node, reason));
        }
        Ok(self.affine(scale, offset, self.input[axis + 1..].iter().product()))
    }

    fn affine(&self, scale: Vec<f32>, offset: Vec<f32>, inner: usize) -> Step {
        Step::Affine(Affine {
            scale: Param::from_data(scale.as_slice(), self.device),
            offset: Param::from_data(offset.as_slice(), self.device),
            inner,
        })
    }

    fn convolution(&self, weights: Weights) -> Result<Conv2d, Error> {
        let Layer::Conv2D {
            kernel_size,
            strides,
            dilation_rate,
            groups,
            padding,
            data_format,
            activation,
            ..
        } = &self.node.layer
        else {
            return Err(unsupported(self.node, "is not a convolution"));
        };
        let input = self.picture(*data_format)?;
        let padding = input.padding(*padding, *kernel_size, *strides, *dilation_rate);
        // Keras keeps [rows, columns, in / groups, filters]; through data the
        // permuted kernel is laid out anew, once.
        let kernel =
            Tensor::<4>::from_data(data(weights.require(self.node, "kernel")?), self.device)
                .permute([3, 2, 0, 1])
                .into_data();
        Ok(Conv2d {
            kernel: Param::from_data(kernel, self.device),
            bias: weights.get("bias").map(|bias| self.param(bias)),
            input,
            options: ConvOptions::new_with_padding(*strides, padding, *dilation_rate, *groups),
            activation: *activation,
        })
    }

    fn pooling(&self) -> Result<Pool2d, Error> {
        let (reduce, window, stride, padding, data_format) = match &self.node.layer {
            Layer::MaxPooling2D {
                pool_size,
                strides,
                padding,
                data_format,
            } => (Reduce::Max, pool_size, strides, padding, data_format),
            Layer::AveragePooling2D {
                pool_size,
                strides,
                padding,
                data_format,
            } => (Reduce::Average, pool_size, strides, padding, data_format),
            _ => return Err(unsupported(self.node, "is not a pooling layer")),
        };
        let input = self.picture(*data_format)?;
        Ok(Pool2d {
            reduce,
            input,
            window: *window,
            stride: *stride,
            padding: input.padding(*padding, *window, *stride, [1, 1]),
        })
    }

    fn param<const D: usize>(&self, weight: &Weight) -> Param<Tensor<D>> {
        Param::from_data(data(weight), self.device)
    }
}

fn data(weight: &Weight) -> TensorData {
    TensorData::new(weight.values.clone(), weight.shape.clone())
}

/// A layer's weights, found by their Keras names.
struct Weights(Vec<Weight>);

impl Weights {
    fn get(&self, name: &str) -> Option<&Weight> {
        self.0.iter().find(|weight| weight.name == name)
    }

    fn require(&self, node: &Node, name: &str) -> Result<&Weight, Error> {
        self.get(name)
            .ok_or_else(|| unsupported(node, format!("its weight '{name}' is missing")))
    }
}
