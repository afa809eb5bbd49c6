//! Which weights a layer asks for.

use super::layer::{Cell, Layer, Recurrent, Statistics};

/// A weight that a layer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightSpec {
    /// Its name, as the [`Layer`] documents it.
    pub name: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
}

type Specs = Vec<WeightSpec>;

impl Layer {
    /// The weights this layer has for inputs of these shapes, in Keras's order.
    #[must_use]
    pub fn weight_specs(&self, inputs: &[&[usize]]) -> Vec<WeightSpec> {
        let input = inputs.first().copied().unwrap_or(&[]);
        match self {
            Self::Normalization { axes, .. } => {
                let sizes = match axes[..] {
                    [] => vec![1],
                    _ => sizes(input, axes),
                };
                vec![spec("mean", sizes.clone()), spec("variance", sizes)]
            }
            Self::Dense {
                units, use_bias, ..
            } => kernel_and_bias(vec![last(input), *units], *units, *use_bias),
            Self::Conv2D { .. } | Self::Conv2DTranspose { .. } => self.convolution_specs(input),
            Self::MergeConstant { shape, .. } => vec![spec("constant", shape.clone())],
            Self::BatchNormalization {
                axis,
                center,
                scale,
                ..
            } => {
                let size = sizes(input, &[*axis]);
                let mut specs = gamma_and_beta(&size, *scale, *center);
                specs.push(spec("moving_mean", size.clone()));
                specs.push(spec("moving_variance", size));
                specs
            }
            Self::LayerNormalization {
                axes,
                statistics,
                center,
                scale,
                ..
            } => {
                let center = *center && *statistics == Statistics::MeanAndVariance;
                gamma_and_beta(&sizes(input, axes), *scale, center)
            }
            Self::GroupNormalization {
                axis,
                center,
                scale,
                ..
            } => gamma_and_beta(&sizes(input, &[*axis]), *scale, *center),
            Self::PReLU { shared_axes } => {
                let size = |(axis, &size)| if shared_axes.contains(&axis) { 1 } else { size };
                vec![spec("alpha", input.iter().enumerate().map(size).collect())]
            }
            Self::Embedding {
                input_dim,
                output_dim,
            } => vec![spec("embeddings", vec![*input_dim, *output_dim])],
            Self::Recurrent(recurrent) => recurrent.weight_specs(input, RECURRENT),
            Self::Bidirectional {
                forward, backward, ..
            } => {
                let mut specs = forward.weight_specs(input, FORWARD);
                specs.extend(backward.weight_specs(input, BACKWARD));
                specs
            }
            Self::TimeDistributed { layer } => match &**layer {
                Self::TimeDistributed { .. } => Vec::new(),
                inner => inner.weight_specs(&[input.get(1..).unwrap_or(&[])]),
            },
            Self::Attention {
                use_scale: true, ..
            } => vec![spec("scale", vec![1])],
            _ => Vec::new(),
        }
    }

    fn convolution_specs(&self, input: &[usize]) -> Specs {
        match self {
            Self::Conv2D {
                filters,
                kernel_size: [height, width],
                groups,
                data_format,
                use_bias,
                ..
            } => {
                let channels = data_format.picture(input).map_or(0, |p| p.channels);
                let depth = channels.checked_div(*groups).unwrap_or(0);
                let kernel = vec![*height, *width, depth, *filters];
                kernel_and_bias(kernel, *filters, *use_bias)
            }
            Self::Conv2DTranspose {
                filters,
                kernel_size: [height, width],
                data_format,
                use_bias,
                ..
            } => {
                let channels = data_format.picture(input).map_or(0, |p| p.channels);
                let kernel = vec![*height, *width, *filters, channels];
                kernel_and_bias(kernel, *filters, *use_bias)
            }
            _ => Vec::new(),
        }
    }
}

const RECURRENT: [&str; 3] = ["kernel", "recurrent_kernel", "bias"];
const FORWARD: [&str; 3] = ["forward_kernel", "forward_recurrent_kernel", "forward_bias"];
const BACKWARD: [&str; 3] = [
    "backward_kernel",
    "backward_recurrent_kernel",
    "backward_bias",
];

impl Cell {
    /// How many blocks of `units` stand side by side in its kernels.
    #[must_use]
    pub fn gates(self) -> usize {
        match self {
            Self::Simple => 1,
            Self::Gru { .. } => 3,
            Self::Lstm => 4,
        }
    }
}

impl Recurrent {
    fn weight_specs(&self, input: &[usize], names: [&'static str; 3]) -> Specs {
        let width = self.units.saturating_mul(self.cell.gates());
        let mut specs = vec![
            spec(names[0], vec![last(input), width]),
            spec(names[1], vec![self.units, width]),
        ];
        if self.use_bias {
            let shape = match self.cell {
                Cell::Gru { reset_after: true } => vec![2, width],
                _ => vec![width],
            };
            specs.push(spec(names[2], shape));
        }
        specs
    }
}

fn spec(name: &'static str, shape: Vec<usize>) -> WeightSpec {
    WeightSpec { name, shape }
}

fn kernel_and_bias(kernel: Vec<usize>, outputs: usize, use_bias: bool) -> Specs {
    let mut specs = vec![spec("kernel", kernel)];
    if use_bias {
        specs.push(spec("bias", vec![outputs]));
    }
    specs
}

fn gamma_and_beta(shape: &[usize], scale: bool, center: bool) -> Specs {
    let all = [(scale, "gamma"), (center, "beta")];
    let present = all.into_iter().filter(|(present, _)| *present);
    present
        .map(|(_, name)| spec(name, shape.to_vec()))
        .collect()
}

fn sizes(input: &[usize], axes: &[usize]) -> Vec<usize> {
    let size = |&axis: &usize| input.get(axis).copied().unwrap_or(0);
    axes.iter().map(size).collect()
}

fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(0)
}
