"""What Keras says of a model: its answers and its summary."""

import itertools

import numpy as np

from .kit import FIRST, finalize

# Layers that TensorFlow cannot compute on a CPU with the channels first.
MOVED = {
    "Conv1D", "Conv2D", "Conv1DTranspose", "Conv2DTranspose", "DepthwiseConv1D", "DepthwiseConv2D",
    "SeparableConv1D", "SeparableConv2D", "MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D",
    "UpSampling2D", "Resizing",
}  # fmt: skip


def every_layer(kit, model):
    for layer in model.layers:
        if isinstance(layer, kit.keras.Model):
            yield from every_layer(kit, layer)
        else:
            yield layer
            if hasattr(layer, "layer"):
                yield layer.layer


def inputs(kit, model, count):
    """An array, or of several inputs one for each by its name."""
    if len(model.inputs) > 1:
        made = [tensor._keras_history for tensor in model.inputs]
        names = [(by.operation if kit.keras3 else by.layer).name for by in made]
        return {name: kit.values((count, *tensor.shape[1:])) for name, tensor in zip(names, model.inputs)}
    shape = (count, *model.input_shape[1:])
    if whole := getattr(model, "whole_numbers", None):
        return kit.rng.integers(0, whole, shape).astype("float32")
    first = next((layer for layer in every_layer(kit, model) if type(layer).__name__ == "Rescaling"), None)
    if first is not None and np.ndim(first.scale) == 0 and abs(first.scale) < 0.1:
        return kit.rng.uniform(0, 255, shape).astype("float32")
    return kit.values(shape)


def outputs(kit, model, x):
    """Keras's answer, an array, or of several outputs one for each by its name. Save the model before: some of its layers are made to compute in another way."""
    for layer in every_layer(kit, model):
        if type(layer).__name__ in MOVED and getattr(layer, "data_format", None) == FIRST:
            compute_with_channels_last(kit, layer)
        elif type(layer).__name__ == "BatchNormalization" and kit.first:
            compute_with_last_axis(kit, layer)
    answer = model(list(x.values()) if isinstance(x, dict) else x, training=False)
    if not isinstance(x, dict) and not isinstance(answer, (list, tuple)):
        return np.asarray(answer)
    parts = answer if isinstance(answer, (list, tuple)) else [answer]
    return {name: np.asarray(part) for name, part in zip(numbered(model.output_names), parts)}


def numbered(names):
    """The names, each of them once: the second is name_1."""
    found = []
    for name in names:
        others = (f"{name}_{number}" for number in itertools.count(1))
        found.append(next(free for free in itertools.chain([name], others) if free not in found))
    return found


def exact(kit, model, x):
    """What the model answers if Keras computes in float64."""
    wide = type(model).from_config(in_float64(model.get_config()))
    wide.set_weights(model.get_weights())
    finalize(wide)
    if isinstance(x, dict):
        return outputs(kit, wide, {name: array.astype("float64") for name, array in x.items()})
    return outputs(kit, wide, x.astype("float64"))


def in_float64(config):
    """The same configuration with another dtype, and no other one of float32 in it."""
    if isinstance(config, dict):
        return {
            key: "float64" if key == "dtype" and "float32" in str(value) else in_float64(value)
            for key, value in config.items()
        }
    if isinstance(config, tuple):
        return tuple(in_float64(item) for item in config)
    return [in_float64(item) for item in config] if isinstance(config, list) else config


def move(x, source, target):
    axes = list(range(len(x.shape)))
    axes.insert(target if target >= 0 else len(axes) - 1, axes.pop(source))
    import tensorflow as tf

    return tf.transpose(x, axes)


def twin_of(layer, changes, shape):
    """A layer of its own with the same weights and other options."""
    twin = type(layer).from_config({**layer.get_config(), **changes})
    twin.build(shape)
    twin.set_weights(layer.get_weights())
    return twin


def moved_shape(shape):
    return (shape[0], *shape[2:], shape[1])


def compute_with_channels_last(kit, layer):
    activation = getattr(layer, "activation", None)
    linear = {"activation": "linear"} if activation is not None else {}
    made = []

    def call(x, *args, **kwargs):
        if not made:
            made.append(twin_of(layer, {"data_format": "channels_last", **linear}, moved_shape(tuple(x.shape))))
        y = move(made[0](move(x, 1, -1)), -1, 1)
        return y if activation is None else activation(y)

    layer.call = call


def compute_with_last_axis(kit, layer):
    axis = layer.axis[0] if isinstance(layer.axis, (list, tuple)) else layer.axis
    made = []

    def call(x, *args, **kwargs):
        at = axis % len(x.shape)
        if not made:
            shape = [size for index, size in enumerate(x.shape) if index != at] + [x.shape[at]]
            made.append(twin_of(layer, {"axis": -1}, tuple(shape)))
        return move(made[0](move(x, at, -1), training=False), -1, at)

    layer.call = call


# The summary


def shapes(layer):
    """The shapes of what the layer gives, at each place where it is used."""
    found = []
    for node in getattr(layer, "_inbound_nodes", []):
        tensors = node.output_tensors if hasattr(node, "output_tensors") else node.outputs
        tensor = tensors[0] if isinstance(tensors, (list, tuple)) else tensors
        shape = [size for size in tensor.shape[1:]]
        if shape not in found:
            found.append(shape)
    return found


def count(weights):
    """Numbers in the weights, without the state of random generators, which Keras does not count."""
    seen = {id(weight): weight for weight in weights}
    sizes = [int(np.prod(tuple(weight.shape))) for weight in seen.values() if "uint32" not in str(weight.dtype)]
    return sum(sizes)


def shown(model):
    """The rows of model.summary(): Keras 3 shows functions of a graph as well."""
    return getattr(model, "operations", model.layers) if type(model).__name__ == "Functional" else model.layers


def summary(kit, model):
    rows = [
        {
            "name": layer.name,
            "class": type(layer).__name__,
            "shapes": shapes(layer),
            "parameters": count(getattr(layer, "weights", [])),
        }
        for layer in shown(model)
    ]
    return {
        "name": model.name,
        "layers": rows,
        "parameters": count(model.weights),
        "trainable_parameters": count(model.trainable_weights),
    }
