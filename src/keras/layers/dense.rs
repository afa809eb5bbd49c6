//! Dense, Embedding, and the layers that are an activation.

use super::Use;
use crate::description::{ActivationLayer, Dense, Embedding, Layer, PReLU, Softmax};
use crate::keras::Error;

type Read = Result<usize, Error>;

/// `keras.layers.Dense`
pub fn dense(used: &mut Use) -> Read {
    let layer = Layer::Dense(Dense {
        units: used.options.size("units")?,
        use_bias: used.options.bool("use_bias", true)?,
        activation: used.options.activation()?,
    });
    with_weights(used, layer)
}

/// `keras.layers.Embedding`
pub fn embedding(used: &mut Use) -> Read {
    used.options.check_unset("mask_zero")?;
    let layer = Layer::Embedding(Embedding {
        input_dim: used.options.size("input_dim")?,
        output_dim: used.options.size("output_dim")?,
    });
    with_weights(used, layer)
}

/// `keras.layers.PReLU`
pub fn prelu(used: &mut Use) -> Read {
    let rank = used.shape(used.input()?).len();
    let shared_axes = match used.options.get("shared_axes") {
        None => Vec::new(),
        Some(_) => used.options.axes("shared_axes", rank)?,
    };
    with_weights(used, Layer::PReLU(PReLU { shared_axes }))
}

fn with_weights(used: &mut Use, layer: Layer) -> Read {
    let input = used.input()?;
    let node = used.push(layer, input)?;
    used.stored("", node);
    Ok(node)
}

/// `keras.layers.Activation`
pub fn activation(used: &mut Use) -> Read {
    let activation = used.options.activation()?;
    let input = used.input()?;
    used.push(Layer::Activation(ActivationLayer { activation }), input)
}

/// `keras.layers.ReLU`
pub fn relu(used: &mut Use) -> Read {
    let activation = used.options.relu()?;
    let input = used.input()?;
    used.push(Layer::Activation(ActivationLayer { activation }), input)
}

/// `keras.layers.LeakyReLU`
pub fn leaky_relu(used: &mut Use) -> Read {
    let activation = used.options.leaky_relu()?;
    let input = used.input()?;
    used.push(Layer::Activation(ActivationLayer { activation }), input)
}

/// `keras.layers.ELU`
pub fn elu(used: &mut Use) -> Read {
    let activation = used.options.elu()?;
    let input = used.input()?;
    used.push(Layer::Activation(ActivationLayer { activation }), input)
}

/// `keras.layers.Softmax`
pub fn softmax(used: &mut Use) -> Read {
    let input = used.input()?;
    let axes = used.options.axes("axis", used.shape(input).len())?;
    used.push(Layer::Softmax(Softmax { axes }), input)
}

/// Everything that does nothing at inference.
pub fn identity(used: &mut Use) -> Read {
    let input = used.input()?;
    used.push(Layer::Identity, input)
}
