"""Makes the Keras files in tests/fixtures/keras: tiny models, an input, and Keras's own answers.

    python tools/make_keras_fixtures.py [FOLDER]

Needs keras 3 with the TensorFlow backend (made with keras 3.15.1, tensorflow 2.21). Weights and
inputs are the same in every run; the archives differ by the date that Keras writes into them.
"""

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

BATCH = 4
FIRST = "channels_first"


def name_trap():
    """Layers whose names are those of other layers' groups; every shape fits every other."""
    return [
        keras.Input((6, 6, 4), name="dense"),
        layers.Conv2D(4, 3, padding="same", activation="relu", name="stem"),
        layers.Conv2D(4, 3, padding="same", name="conv2d"),
        layers.GlobalAveragePooling2D(name="dense_2"),
        layers.Dense(4, activation="tanh", name="dense_1"),
        layers.Dense(4, name="dense_3"),
        layers.Dense(4, activation="softmax", name="conv2d_1"),
    ]


def convolutions():
    """Every padding, with strides, dilation, groups, even and oblong kernels, without bias."""
    return [
        keras.Input((23, 19, 4)),
        layers.Conv2D(6, (3, 2), strides=(2, 1), activation="relu"),
        layers.Conv2D(8, 3, strides=2, padding="same"),
        layers.Conv2D(8, (3, 5), dilation_rate=(2, 1), padding="same", activation="tanh"),
        layers.Conv2D(4, 4, padding="same", groups=2, use_bias=False),
        layers.Conv2D(12, 2, dilation_rate=2, groups=4, activation="elu"),
        layers.Conv2D(5, 1, strides=(3, 2), padding="same"),
        layers.Conv2D(3, (1, 2), activation="softmax"),
    ]


def pooling():
    """Both poolings at both paddings; the input is negative in places, so padding shows."""
    return [
        keras.Input((19, 17, 3)),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        layers.AveragePooling2D(3, strides=2, padding="same"),
        layers.MaxPooling2D(2, strides=1),
        layers.AveragePooling2D((3, 2), strides=(1, 2)),
        layers.AveragePooling2D(2, strides=1, padding="same"),
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.Flatten(),
    ]


def batch_normalization():
    """Center and scale on and off, other axes and epsilons, one layer frozen."""
    return [
        keras.Input((5, 4, 3)),
        layers.BatchNormalization(),
        layers.BatchNormalization(center=False, epsilon=0.1),
        layers.BatchNormalization(scale=False, axis=1),
        layers.BatchNormalization(center=False, scale=False, axis=-2),
        layers.BatchNormalization(trainable=False),
        layers.Flatten(),
        layers.BatchNormalization(),
        layers.Dense(3, trainable=False),
    ]


def activations_smooth():
    return activations("tanh elu selu gelu silu sigmoid linear softsign mish".split())


def activations_bent():
    return activations("hard_sigmoid exponential leaky_relu relu6 softplus hard_silu relu".split())


def activations_given():
    """Those that work along an axis, and those that a layer object stands for."""
    given = [layers.LeakyReLU(0.1), layers.ELU(0.5), layers.ReLU(6.0), layers.Softmax()]
    return activations(["log_softmax", *given, "softmax"])


def activations(each):
    return [keras.Input((5,)), *(layers.Dense(5, activation=one) for one in each)]


def activation_layers():
    """Activations as layers of their own, on an input of two axes."""
    return [
        keras.Input((4, 6)),
        layers.Activation("leaky_relu"),
        layers.ReLU(max_value=1.5, negative_slope=0.25, threshold=0.5),
        layers.ReLU(),
        layers.Rescaling(3.0, offset=-1.0),
        layers.LeakyReLU(0.3),
        layers.ELU(0.7),
        layers.Activation("gelu"),
        layers.Softmax(axis=1),
        layers.Activation("tanh"),
        layers.Softmax(),
    ]


def dense():
    """Dense on one and on two axes, and every way to write a shape."""
    return [
        keras.Input((4, 6)),
        layers.Dense(5, activation="relu"),
        layers.Reshape((2, -1)),
        layers.Dense(3, use_bias=False),
        layers.Reshape((3, 1, 2)),
        layers.Flatten(),
        layers.Reshape((6,)),
        layers.Dense(7, activation="softmax"),
    ]


def inference_only():
    """Rescaling in each form, and layers that only do something in training."""
    return [
        keras.Input((8, 8, 3)),
        layers.Rescaling(1 / 127.5, offset=-1),
        layers.RandomFlip(),
        layers.RandomRotation(0.2),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomZoom(0.2),
        layers.RandomContrast(0.3),
        layers.RandomBrightness(0.3),
        layers.Rescaling([0.5, 1.0, 2.0], offset=np.array([0.1, -0.2, 0.3])),
        layers.GaussianNoise(0.3),
        layers.SpatialDropout2D(0.5),
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.5),
        layers.GaussianDropout(0.2),
        layers.AlphaDropout(0.2),
        layers.ActivityRegularization(l2=0.1),
        layers.Identity(),
        layers.Dense(3),
    ]


def channels_first():
    """A network whose pictures have the channels in front."""
    return [
        keras.Input((3, 11, 9)),
        layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", data_format=FIRST),
        layers.BatchNormalization(axis=1),
        layers.Conv2D(6, (2, 3), groups=2, data_format=FIRST),
        layers.MaxPooling2D(2, strides=1, padding="same", data_format=FIRST),
        layers.AveragePooling2D((2, 1), strides=2, padding="same", data_format=FIRST),
        layers.Flatten(data_format=FIRST),
        layers.Dense(5, activation="softmax"),
    ]


def channels_first_pooled():
    """Channels in front up to the end: the answer keeps them there."""
    return [
        keras.Input((2, 7, 6)),
        layers.Conv2D(3, 3, dilation_rate=2, data_format=FIRST),
        layers.AveragePooling2D(2, strides=1, data_format=FIRST),
        layers.MaxPooling2D((2, 1), data_format=FIRST),
        layers.GlobalAveragePooling2D(data_format=FIRST, keepdims=True),
    ]


def half_precision():
    """Weights saved as bfloat16 and float16, and mixed policies."""
    return [
        keras.Input((5,)),
        layers.Dense(6, activation="tanh", dtype="bfloat16"),
        layers.Dense(6, activation="tanh", dtype="float16"),
        layers.BatchNormalization(dtype="mixed_float16"),
        layers.Dense(3, dtype="mixed_bfloat16"),
    ]


def randomize(model, rng):
    """Fills all weights, biases and moving averages too, so that each of them shows."""
    # Long chains of activations would otherwise forget their input.
    gain = 2.0 if model.name.startswith("activations") else 1.0
    for layer in model.layers:
        # The state of random number generators is a variable as well, but no weight.
        for weight in (w for w in layer.weights if w.dtype != "uint32"):
            if weight.name in ("moving_variance", "gamma"):
                value = rng.uniform(0.5, 2.0, weight.shape)
            else:
                fan_in = int(np.prod(weight.shape[:-1])) if weight.name == "kernel" else 4
                value = rng.normal(0, gain * fan_in**-0.5, weight.shape)
            weight.assign(value.astype("float32"))


def reference(model):
    """The same network in float32 with the channels last, which TensorFlow can compute on a CPU."""
    twins = []
    for layer in model.layers:
        config = layer.get_config()
        config["dtype"] = "float32"
        if config.get("data_format") == FIRST:
            config["data_format"] = "channels_last"
        if isinstance(layer, layers.BatchNormalization) and is_channels_first(model):
            config["axis"] = -1
        twins.append(type(layer).from_config(config))
    shape = model.input_shape[1:]
    shape = (*shape[1:], shape[0]) if is_channels_first(model) else shape
    twin = keras.Sequential([keras.Input(shape), *twins])
    for ours, theirs in zip(twin.layers, model.layers):
        for ours_weight, theirs_weight in zip(ours.weights, theirs.weights):
            if theirs_weight.dtype != "uint32":
                ours_weight.assign(np.asarray(theirs_weight.numpy(), dtype="float32"))
    return twin


def is_channels_first(model):
    return any(getattr(layer, "data_format", None) == FIRST for layer in model.layers)


def answers(model, images):
    moved = is_channels_first(model)
    twin = reference(model)
    out = twin(np.moveaxis(images, 1, -1) if moved else images, training=False).numpy()
    return np.moveaxis(out, -1, 1) if moved and out.ndim == 4 else out


def parameters(layer):
    """What Keras counts, without the state of random number generators."""
    return int(sum(np.prod(w.shape) for w in layer.weights if w.dtype != "uint32"))


def weights(layer):
    """Name, shape, first value and sum of each weight in the order in which it is saved."""
    order = ["kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"]
    rows = []
    for weight in sorted(layer.weights, key=lambda weight: order.index(weight.name)):
        values = np.asarray(weight.numpy(), dtype="float64")
        rows.append([weight.name, list(weight.shape), float(values.flat[0]), float(values.sum())])
    return rows


def summary(model):
    rows = [
        [layer.name, type(layer).__name__, list(layer.output.shape[1:]), parameters(layer)]
        for layer in model.layers
    ]
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    return {
        "layers": rows,
        "weights": {layer.name: weights(layer) for layer in model.layers if parameters(layer)},
        "parameters": sum(row[3] for row in rows),
        "trainable_parameters": trainable,
    }


def make(make_layers, folder, seed):
    keras.utils.set_random_seed(seed)
    keras.backend.clear_session()
    rng = np.random.default_rng(seed)
    name = make_layers.__name__
    model = keras.Sequential(make_layers(), name=name)
    randomize(model, rng)
    scale = 80.0 if name == "inference_only" else 1.0
    images = rng.normal(0, scale, (BATCH, *model.input_shape[1:])).astype("float32")
    expected = answers(model, images)
    assert expected.dtype == np.float32 and np.isfinite(expected).all()
    assert expected.shape[1:] == model.output_shape[1:], (expected.shape, model.output_shape)
    model.save(folder / f"{name}.keras")
    np.save(folder / f"{name}.input.npy", images)
    np.save(folder / f"{name}.expected.npy", np.ascontiguousarray(expected))
    (folder / f"{name}.summary.json").write_text(json.dumps(summary(model), indent=1) + "\n")
    print(f"{name}: {model.input_shape[1:]} -> {model.output_shape[1:]}")


def main():
    default = Path(__file__).parent.parent / "tests" / "fixtures" / "keras"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    makers = [
        name_trap,
        convolutions,
        pooling,
        batch_normalization,
        activations_smooth,
        activations_bent,
        activations_given,
        activation_layers,
        dense,
        inference_only,
        channels_first,
        channels_first_pooled,
        half_precision,
    ]
    for seed, maker in enumerate(makers, start=1):
        make(maker, folder, seed)


if __name__ == "__main__":
    main()
