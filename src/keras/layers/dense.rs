//! Dense, Embedding, and the layers that are an activation.

use super::builder::{Builder, Read};
use crate::description::{Activation, ActivationLayer, Dense, Embedding, Layer, PReLU, Softmax};

/// `keras.layers.Dense`
pub fn dense(builder: &mut Builder) -> Read {
    let layer = Layer::Dense(Dense {
        units: builder.options.size("units")?,
        use_bias: builder.options.bool("use_bias", true)?,
        activation: builder.options.activation()?,
    });
    with_weights(builder, layer)
}

/// `keras.layers.Embedding`
pub fn embedding(builder: &mut Builder) -> Read {
    builder.options.check_unset("mask_zero")?;
    let layer = Layer::Embedding(Embedding {
        input_dim: builder.options.size("input_dim")?,
        output_dim: builder.options.size("output_dim")?,
    });
    with_weights(builder, layer)
}

/// `keras.layers.PReLU`
pub fn prelu(builder: &mut Builder) -> Read {
    let rank = builder.shape(builder.input()?).len();
    let shared_axes = match builder.options.get("shared_axes") {
        None => Vec::new(),
        Some(_) => builder.options.axes("shared_axes", rank)?,
    };
    with_weights(builder, Layer::PReLU(PReLU { shared_axes }))
}

fn with_weights(builder: &mut Builder, layer: Layer) -> Read {
    let input = builder.input()?;
    let node = builder.push(layer, input)?;
    builder.stored("", node);
    Ok(node)
}

/// `keras.layers.Activation`
pub fn activation(builder: &mut Builder) -> Read {
    let activation = builder.options.activation()?;
    let input = builder.input()?;
    builder.push(Layer::Activation(ActivationLayer { activation }), input)
}

/// `keras.layers.ReLU`
pub fn relu(builder: &mut Builder) -> Read {
    let activation = builder.options.relu()?;
    let input = builder.input()?;
    builder.push(Layer::Activation(ActivationLayer { activation }), input)
}

/// `keras.layers.ThresholdedReLU` of Keras 2: `x` where it is above `theta`, else 0.
pub fn thresholded_relu(builder: &mut Builder) -> Read {
    let activation = Activation::BentRelu {
        max_value: None,
        negative_slope: 0.0,
        threshold: builder.options.number("theta", 1.0)?,
    };
    let input = builder.input()?;
    builder.push(Layer::Activation(ActivationLayer { activation }), input)
}

/// `keras.layers.LeakyReLU`
pub fn leaky_relu(builder: &mut Builder) -> Read {
    let activation = builder.options.leaky_relu()?;
    let input = builder.input()?;
    builder.push(Layer::Activation(ActivationLayer { activation }), input)
}

/// `keras.layers.ELU`
pub fn elu(builder: &mut Builder) -> Read {
    let activation = builder.options.elu()?;
    let input = builder.input()?;
    builder.push(Layer::Activation(ActivationLayer { activation }), input)
}

/// `keras.layers.Softmax`
pub fn softmax(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let axes = builder.options.axes("axis", builder.shape(input).len())?;
    builder.push(Layer::Softmax(Softmax { axes }), input)
}

/// Every layer that does nothing at inference.
pub fn identity(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    builder.push(Layer::Identity, input)
}
