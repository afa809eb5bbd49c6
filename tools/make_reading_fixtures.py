"""Makes the files in tests/fixtures/keras/reading: small models in forms that are easily read wrong.

    python tools/make_reading_fixtures.py [FOLDER]
    TF_USE_LEGACY_KERAS=1 python tools/make_reading_fixtures.py [FOLDER]

First with Keras 3 (made with 3.15.1), then with tf_keras (2.21.0), which writes the files of Keras 2.
Each model has an input `NAME.input.npy` and Keras's answer `NAME.expected.npy`.
"""

import os
import sys
import zipfile
from pathlib import Path

LEGACY = os.environ.get("TF_USE_LEGACY_KERAS") == "1"
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

if LEGACY:
    import tensorflow as tf
    import tf_keras as keras
else:
    import keras

import numpy as np  # noqa: E402

layers = keras.layers


def model(shape, of):
    inputs = keras.Input(shape)
    return keras.Model(inputs, of(inputs))


def shared_by_two_nested():
    """One layer in two models, and one model in two."""
    dense, norm = layers.Dense(4), layers.BatchNormalization()
    encoder = model((4,), lambda x: layers.Dense(4)(norm(layers.Dense(4)(x))))
    first = model((4,), lambda x: dense(encoder(x)))
    second = model((4,), lambda x: encoder(layers.ReLU()(dense(x))))
    return model((4,), lambda x: layers.Concatenate()([first(x), second(x)]))


def shared_at_every_depth():
    """A layer of the outermost model that is also in models three deep."""
    dense = layers.Dense(4, activation="tanh")
    inner = model((4,), lambda x: layers.Dense(4)(dense(x)))
    middle = model((4,), lambda x: layers.Subtract()([inner(x), layers.Dense(4)(inner(layers.ReLU()(x)))]))
    return model((4,), lambda x: layers.Dense(3)(dense(middle(x))))


def used_twice_is_output():
    inner = model((4,), lambda x: layers.Dense(4)(x))
    return model((4,), lambda x: inner(layers.ReLU()(inner(x))))


def at_several_depths():
    dense = layers.Dense(4, activation="tanh")
    return model((4,), lambda x: layers.Concatenate()([dense(x), dense(dense(x)), layers.Dense(2)(dense(dense(dense(x))))]))


def partly_frozen():
    """Models in models that are frozen in part: the order of weights in HDF5 depends on it."""

    def block(x):
        x = layers.BatchNormalization()(layers.Dense(4)(x))
        return layers.Dense(4)(x)

    inner = model((4,), block)
    inner.layers[1].trainable = False
    middle = model((4,), lambda x: layers.Dense(4)(inner(layers.BatchNormalization()(x))))
    middle.trainable = False
    inner.layers[3].trainable = True
    other = model((4,), block)
    other.layers[3].trainable = False
    return model((4,), lambda x: layers.Dense(3)(other(middle(x))))


def given_a_dictionary():
    """Keras takes the values in the order of their keys."""
    a, b = keras.Input((4,), name="zz"), keras.Input((4,), name="aa")
    inner = keras.Model({"q": a, "p": b}, layers.Subtract()([layers.Dense(4)(a), b]))
    return model((4,), lambda x: inner({"q": layers.Dense(4)(x), "p": x}))


def nested_deep():
    inner = model((4,), lambda x: layers.Dense(4, activation="tanh")(x))
    for _ in range(24):
        inner = model((4,), inner)
    return inner


def each_step():
    """`TimeDistributed` around a model, around itself, and around layers that are several."""
    each = layers.TimeDistributed
    inner = keras.Input((4, 5, 2))
    x = layers.Conv2D(2, 3, padding="same")(inner)
    x = layers.Add()([layers.BatchNormalization()(x), inner])
    x = layers.Concatenate()([x, layers.SeparableConv2D(2, 2, padding="same")(x)])
    inner = keras.Model(inner, layers.GlobalMaxPooling2D()(x))

    def outer(x):
        flat = each(each(layers.Conv1D(3, 2)))(x)
        flat = each(layers.Flatten())(each(layers.PReLU())(flat))
        return layers.LSTM(3)(layers.Concatenate()([each(inner)(x), flat]))

    return model((3, 4, 5, 2), outer)


def flattened(x, results):
    return layers.Concatenate()([layers.Flatten()(result) for result in [x, *results]])


def operations_beside_layers():
    """Operations of the same names as layers, which Keras 3 does not count when it names weights."""
    from keras import ops

    def of(x):
        a = layers.Add()([x + 1.0, layers.Dense(4)(x)])
        a = layers.Multiply()([a * 2.0, layers.Dense(4)(a)])
        a = layers.Reshape((4,))(ops.reshape(layers.ReLU()(ops.relu(a - 0.5)), (-1, 2, 2)))
        return layers.Dense(3)(layers.Concatenate()([ops.concatenate([a, x], axis=-1), layers.Dense(4)(a)]))

    return model((4,), of)


def arithmetic():
    from keras import ops

    def of(x):
        positive = ops.abs(x) + 0.1
        powers = [x**3, positive**0.5, positive**-1.5, 2.0**x, ops.power(positive, x)]
        constants = [1.0 / positive, 3.0 - x, ops.divide(np.arange(1, 7, dtype="float32"), positive)]
        constants += [x[:, :, :1] * np.arange(5, dtype="float32"), ops.maximum(0.2, x), ops.clip(x, -0.5, 1)]
        one = [ops.sqrt(positive), ops.rsqrt(positive), ops.log(positive), ops.log1p(positive), ops.expm1(x)]
        one += [ops.sin(x), ops.sign(x), ops.floor(x), ops.erf(x), ops.reciprocal(positive)]
        chosen = [ops.where(x > 0, x, 0.5), ops.where(ops.logical_and(x > -1, x < 1), x * 2, -x)]
        chosen += [ops.cast(ops.any(x > 1, axis=1), "float32"), ops.cast(ops.not_equal(x, 0), "float32")]
        return flattened(x, [*powers, *constants, *one, *chosen])

    return model((4, 6), of)


def statistics():
    from keras import ops

    def of(x):
        results = [ops.var(x, axis=1), ops.std(x, axis=-1, keepdims=True), ops.logsumexp(x, axis=1)]
        results += [ops.norm(x, axis=-1), ops.normalize(x, axis=1), ops.log_softmax(x, axis=1), ops.log_softmax(x)]
        results += [ops.cast(ops.argmax(x, axis=1), "float32"), ops.amax(x, axis=(1, 2), keepdims=True)]
        results += [ops.one_hot(ops.argmax(x, axis=-1), 6)]
        return flattened(x, results)

    return model((4, 6), of)


def rearranged():
    from keras import ops

    def of(x):
        a, b, c = ops.split(x, 3, axis=-1)
        results = [ops.stack([a, c], axis=-1), ops.stack([b, a], axis=1), *ops.split(x, [1, 3], axis=1)]
        results += [ops.tile(x, (1, 2, 3)), ops.repeat(x, 2, axis=1), ops.flip(x, axis=(1, 2)), ops.roll(x, 1, axis=2)]
        results += [ops.swapaxes(x, 1, 2), ops.moveaxis(x, 1, 2), ops.take(x, [2, 0], axis=1), *ops.unstack(x, axis=1)]
        results += [x[:, ::-1, ::2], x[:, 3:0:-2], ops.pad(x, ((0, 0), (1, 2), (0, 1)))]
        results += [ops.pad(x, ((0, 0), (1, 2), (2, 1)), mode=mode) for mode in ("reflect", "symmetric")]
        results += [ops.pad(x, ((0, 0), (1, 0), (0, 0)), constant_values=2.0)]
        return flattened(x, results)

    return model((4, 6), of)


def applications():
    """Layers of keras.applications, and normalization on an axis that is not the last."""
    from keras.src.applications.convnext import LayerScale, StochasticDepth
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    def of(x):
        y = StochasticDepth(0.3)(LayerScale(1e-6, 6)(layers.Dense(6)(x)))
        y = layers.EinsumDense("abcd,de->abce", (6, 6, 6), bias_axes="e", activation="tanh")(y)
        y = layers.EinsumDense("...x,xyz->...yz", (2, 3), bias_axes="yz")(y)
        y = layers.EinsumDense("abcde,def->abfc", (6, 6, 6))(y)
        y = CustomScaleLayer(0.17)([x, layers.Conv2D(6, 1)(y)])
        y = layers.RMSNormalization(axis=1)(y)
        small = layers.Resizing(3, 5, crop_to_aspect_ratio=True)(y)
        wide = layers.Resizing(4, 3, pad_to_aspect_ratio=True, fill_value=0.5)(y)
        return flattened(y, [small, wide, layers.CenterCrop(8, 5)(y)])

    return model((6, 6, 6), of)


def tensorflow():
    """Functions of TensorFlow, and of TensorFlow 1, in a model of Keras 2."""

    def of(x):
        v1 = tf.compat.v1
        positive = tf.abs(x) + 0.1
        results = [v1.squeeze(v1.expand_dims(x, 1), 1), v1.transpose(x, [0, 2, 1]), v1.pad(x, [[0, 0], [1, 0], [0, 2]])]
        results += [1.0 / positive, 3.0 - x, positive**1.5, tf.sqrt(positive), tf.math.rsqrt(positive), tf.math.log(positive)]
        results += [tf.clip_by_value(x, -0.5, 1.0), tf.stack([x, x], axis=-1), tf.tile(x, [1, 2, 1]), tf.reverse(x, [1])]
        results += [tf.nn.log_softmax(x), tf.where(x > 0.0, x, 2.0 * x), tf.math.l2_normalize(x, axis=-1)]
        results += [tf.math.reduce_std(x, axis=1), *tf.split(x, 2, axis=2), *tf.unstack(x, axis=1), x[..., ::-1]]
        results += [layers.ThresholdedReLU(0.3)(x)]
        return flattened(x, results)

    return model((4, 6), of)


def randomize(of, rng):
    for weight in of.weights:
        name = weight.name.split("/")[-1]
        if "variance" in name or "gamma" in name:
            value = rng.uniform(0.5, 1.5, weight.shape)
        else:
            value = rng.normal(0, 0.5, weight.shape)
        weight.assign(value.astype("float32"))


def deflate(archive):
    """Takes a fifth of the room."""
    with zipfile.ZipFile(archive) as old:
        members = [(name, old.read(name)) for name in old.namelist()]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in members:
            new.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)


def make(maker, endings, folder, seed):
    keras.utils.set_random_seed(seed)
    keras.backend.clear_session()
    rng = np.random.default_rng(seed)
    made = maker()
    randomize(made, rng)
    name = maker.__name__ + ("_keras2" if LEGACY else "")
    inputs = rng.normal(0, 1, (2, *made.input_shape[1:])).astype("float32")
    expected = np.asarray(made(inputs, training=False))
    assert np.isfinite(expected).all(), name
    np.save(folder / f"{name}.input.npy", inputs)
    np.save(folder / f"{name}.expected.npy", expected)
    for ending in endings:
        made.save(folder / f"{name}.{ending}")
    if "keras" in endings:
        deflate(folder / f"{name}.keras")
    print(name)


def called_as_in_training(folder):
    inputs = keras.Input((4,))
    for name, layer in [
        ("norm", layers.BatchNormalization()),
        ("drop", layers.Dropout(0.5)),
        ("model", keras.Sequential([layers.Dense(3), layers.Dropout(0.5)])),
    ]:
        path = folder / f"training_{name}{'_keras2' if LEGACY else ''}.keras"
        keras.Model(inputs, layer(inputs, training=True)).save(path)
        deflate(path)


def in_a_folder(folder):
    """What `zipped=False` writes, and the archive of a model whose class is not in the file."""
    rng = np.random.default_rng(1)
    made = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    randomize(made, rng)
    inputs = rng.normal(0, 1, (2, 3)).astype("float32")
    made.save(folder / "unzipped", zipped=False)
    np.save(folder / "unzipped.input.npy", inputs)
    np.save(folder / "unzipped.expected.npy", np.asarray(made(inputs)))

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    own = Own()
    own(inputs)
    own.save(folder / "subclassed.keras")
    deflate(folder / "subclassed.keras")


def of_keras_2_1(folder):
    """The file of a Sequential model as Keras had it up to 2.2: its configuration is a list."""
    import json

    import h5py

    rng = np.random.default_rng(1)
    made = keras.Sequential([layers.Conv1D(3, 2, input_shape=(5, 2)), layers.GRU(2, reset_after=False), layers.Dense(2)])
    randomize(made, rng)
    inputs = rng.normal(0, 1, (2, 5, 2)).astype("float32")
    made.save(folder / "list_of_layers.h5")
    np.save(folder / "list_of_layers.input.npy", inputs)
    np.save(folder / "list_of_layers.expected.npy", np.asarray(made(inputs)))
    with h5py.File(folder / "list_of_layers.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"] = [layer for layer in config["config"]["layers"] if layer["class_name"] != "InputLayer"]
        for layer in config["config"]:
            layer["config"].pop("reset_after", None)
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.1.6"


def main():
    default = Path(__file__).parent.parent / "tests" / "fixtures" / "keras" / "reading"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    both, archive = ["keras", "h5"], ["keras"]
    makers = [
        (shared_by_two_nested, both),
        (used_twice_is_output, both),
        (at_several_depths, archive),
        (partly_frozen, both),
        (given_a_dictionary, archive),
        (nested_deep, archive),
        (each_step, both),
    ]
    if LEGACY:
        makers += [(tensorflow, ["h5"])]
    else:
        makers += [(shared_at_every_depth, archive)]
        more = [operations_beside_layers, arithmetic, statistics, rearranged, applications]
        makers += [(maker, archive) for maker in more]
    for seed, (maker, endings) in enumerate(makers, start=1):
        make(maker, endings, folder, seed)
    called_as_in_training(folder)
    of_keras_2_1(folder) if LEGACY else in_a_folder(folder)


if __name__ == "__main__":
    main()
