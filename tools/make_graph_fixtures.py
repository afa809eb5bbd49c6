"""Makes the Keras files in tests/fixtures/keras/graphs: one small graph, as each Keras saves it.

    python tools/make_graph_fixtures.py [FOLDER]

To be run with Keras 3, with Keras 2.15 and with Keras 2.13 (made with 3.15.1, 2.15.0 and 2.13.1).
The graph has what only whole graphs show: branches, layers that are used twice, models inside
models, weights of which some are frozen, operations instead of layers.
"""

import io
import json
import os
import sys
import zipfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import h5py  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402


def graph():
    picture = keras.Input((6, 6, 2), name="picture")
    shared = layers.Conv2D(4, 3, padding="same", activation="relu", name="shared")
    first = layers.Conv2D(4, 1, name="first")(picture)
    x = layers.Add(name="sum")([shared(first), shared(shared(first))])
    x = layers.BatchNormalization(name="frozen", trainable=False)(x)
    x = block()(x)
    x = layers.SeparableConv2D(6, 3, activation="tanh", name="separable")(x)
    x = layers.Reshape((16, 6), name="rows")(x)
    x = x * 0.5 + 0.25
    attended = layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = layers.Concatenate(name="beside")([attended, x])
    x = layers.Bidirectional(layers.LSTM(3), name="both_ways")(x)
    x = tail()(x)
    return keras.Model(picture, x, name="graph")


def block():
    """A model that is used as a layer, with a model in it."""
    inside = keras.Input((6, 6, 4), name="inside")
    x = layers.DepthwiseConv2D(3, padding="same", name="deep")(inside)
    x = layers.BatchNormalization(name="norm")(x)
    x = keras.Sequential([layers.Conv2D(3, 1), layers.PReLU(shared_axes=[1, 2])], name="inner")(x)
    x = layers.Conv2D(4, 1, name="wide")(x)
    x = layers.Multiply(name="product")([x, inside])
    return keras.Model(inside, x, name="block")


def tail():
    return keras.Sequential(
        [
            layers.Dense(5, activation="hard_sigmoid", name="hidden"),
            layers.Dropout(0.5, name="drop"),
            layers.LayerNormalization(name="level"),
            layers.Dense(3, activation="softmax", name="answer"),
        ],
        name="tail",
    )


def umlauts():
    """Names that are not ASCII: HDF5 keeps groups with such members in another way."""
    dense = [layers.Dense(2, name=f"schön_{index}") for index in range(10)]
    return keras.Sequential([keras.Input((2,)), *dense], name="groß")


def randomize(model, rng):
    for weight in model.weights:
        if "variance" in weight.name or "gamma" in weight.name:
            value = rng.uniform(0.5, 2.0, weight.shape)
        else:
            value = rng.normal(0, 0.5, weight.shape)
        weight.assign(value.astype("float32"))


def weights(layer):
    """Of each weight in layer order how many values, and a sum in which every place counts."""
    if hasattr(layer, "layers"):
        return [row for inner in layer.layers for row in weights(inner)]
    values = [np.asarray(weight.numpy(), dtype="float64").ravel() for weight in layer.weights]
    return [[v.size, float(np.dot(v, np.arange(1, v.size + 1)))] for v in values]


def summary(model):
    rows = []
    # Keras 3 has operations (`x * 0.5`) beside the layers.
    for layer in getattr(model, "_operations", model.layers):
        last = layer.get_output_at(-1) if hasattr(layer, "get_output_at") else None
        shape = last.shape if last is not None else layer._inbound_nodes[-1].output_tensors[0].shape
        row = {
            "name": layer.name,
            "class": type(layer).__name__,
            "output_shape": list(shape[1:]),
            "parameters": layer.count_params() if hasattr(layer, "count_params") else 0,
            "weights": weights(layer) if hasattr(layer, "weights") else [],
        }
        rows.append(row)
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    return {"layers": rows, "trainable_parameters": trainable}


def repack(archive, target, change=lambda data: data):
    """The same archive deflated, which takes a fifth of the room, with other weights' groups."""
    with zipfile.ZipFile(archive) as old:
        members = [(name, old.read(name)) for name in old.namelist()]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in members:
            new.writestr(zipfile.ZipInfo(name), change(data) if name.endswith(".h5") else data,
                         zipfile.ZIP_DEFLATED, 9)


def with_backslashes(data):
    """The groups of layers named as Keras 2.15 names them on Windows."""
    target = io.BytesIO()
    with h5py.File(io.BytesIO(data)) as old, h5py.File(target, "w") as new:

        def copy(name, item):
            if name.endswith("vars"):
                folder = name.removesuffix("/vars").replace("/", "\\")
                group = new.create_group(folder + "/vars")
                for key, value in item.items():
                    group[key] = value[()]

        old.visititems(copy)
    return target.getvalue()


def main():
    default = Path(__file__).parent.parent / "tests" / "fixtures" / "keras" / "graphs"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    version = "keras_" + "_".join(keras.__version__.split(".")[:2])
    rng = np.random.default_rng(1)
    model = graph()
    randomize(model, rng)
    images = rng.normal(0, 1, (4, 6, 6, 2)).astype("float32")
    np.save(folder / f"{version}.input.npy", images)
    np.save(folder / f"{version}.expected.npy", model(images, training=False).numpy())
    archive = folder / f"{version}.keras"
    model.save(archive)
    repack(archive, archive)
    if version != "keras_2_13":  # whose legacy files are those of 2.15
        model.save(folder / f"{version}.h5")
    text = json.dumps(summary(model)).replace('{"name"', '\n{"name"')
    (folder / f"{version}.summary.json").write_text(text + "\n")
    if version.startswith("keras_3"):
        umlauts().save(folder / "umlauts.h5")
    if version == "keras_2_15":
        repack(archive, folder / f"{version}_windows.keras", with_backslashes)


if __name__ == "__main__":
    main()
