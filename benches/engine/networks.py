"""The networks that are compared: small picture classifiers, built in Keras with fixed seeds."""

import pathlib

import keras
from keras import layers

ROOT = pathlib.Path(__file__).resolve().parents[2]


def sequential(shape, *steps):
    return keras.Sequential([keras.Input(shape), *steps])


def conv(filters, size=3, **options):
    return layers.Conv2D(filters, size, activation="relu", **options)


def slim():
    return sequential(
        (28, 28, 1), conv(16), layers.MaxPooling2D(), conv(32), layers.MaxPooling2D(), layers.Flatten(),
        layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax"),
    )


def classic():
    return sequential(
        (28, 28, 1), conv(32), conv(32), layers.MaxPooling2D(), conv(64), conv(64), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    )


def lenet():
    def tanh(filters, **options):
        return layers.Conv2D(filters, 5, activation="tanh", **options)

    return sequential(
        (28, 28, 1), tanh(6, padding="same"), layers.AveragePooling2D(2), tanh(16), layers.AveragePooling2D(2),
        layers.Flatten(), layers.Dense(120, activation="tanh"), layers.Dense(84, activation="tanh"),
        layers.Dense(10, activation="softmax"),
    )


def mobile():
    steps = [conv(16, strides=2, padding="same")]
    for filters, strides in [(32, 1), (64, 2), (64, 1), (128, 2)]:
        steps += [
            layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False),
            layers.BatchNormalization(), layers.ReLU(6.0),
            layers.Conv2D(filters, 1, use_bias=False), layers.BatchNormalization(), layers.ReLU(6.0),
        ]
    return sequential((32, 32, 3), *steps, layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax"))


def residual():
    def block(x, filters, strides):
        y = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
        if strides != 1:
            x = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides=strides, use_bias=False)(x))
        return layers.ReLU()(layers.Add()([x, y]))

    inputs = keras.Input((32, 32, 3))
    x = conv(16, padding="same")(inputs)
    for filters, strides in [(16, 1), (32, 2), (64, 2)]:
        x = block(x, filters, strides)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def odd():
    return sequential(
        (31, 27, 3), conv(20, 5, strides=2, padding="same"), layers.AveragePooling2D(3, 2), conv(28, 3, padding="same"),
        layers.MaxPooling2D(2, padding="same"), conv(36, 2), layers.Flatten(), layers.Dense(50, activation="relu"),
        layers.Dense(7, activation="softmax"),
    )


def keyword():
    """The shape of DS-CNN, which finds words in 49 spectra of 10 values each."""
    steps = [conv(64, (10, 4), strides=2, padding="same")]
    for _ in range(4):
        steps += [layers.DepthwiseConv2D(3, padding="same", activation="relu"), conv(64, 1)]
    return sequential((49, 10, 1), *steps, layers.GlobalAveragePooling2D(), layers.Dense(12, activation="softmax"))


def lstm():
    return sequential((28, 28), layers.LSTM(64), layers.Dense(10, activation="softmax"))


def autoencoder():
    def larger(filters):
        return layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")

    return sequential(
        (28, 28, 1), conv(16, strides=2, padding="same"), conv(32, strides=2, padding="same"), larger(32), larger(16),
        layers.Conv2D(1, 3, padding="same", activation="sigmoid"), layers.Flatten(),
    )


def built_in(name):
    return lambda: keras.models.load_model(ROOT / "weights" / f"{name}.keras")


NETWORKS = {
    "mnist": built_in("mnist"),
    "mnist-mlp": built_in("mnist-mlp"),
    "slim": slim,
    "classic": classic,
    "lenet": lenet,
    "mobile": mobile,
    "residual": residual,
    "odd": odd,
    "keyword": keyword,
    "lstm": lstm,
    "autoencoder": autoencoder,
}


def randomise(model, rng):
    """Untrained networks get biases and statistics that are not all zeros and ones."""
    for variable in model.weights:
        kind = variable.path.rsplit("/", 1)[-1]
        if kind in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif kind in ("bias", "beta", "moving_mean"):
            variable.assign(rng.normal(0.0, 0.1, variable.shape))


def make(name, rng):
    keras.utils.set_random_seed(1)
    model = NETWORKS[name]()
    if not name.startswith("mnist"):
        randomise(model, rng)
    return model
