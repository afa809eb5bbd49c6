"""Makes the files in tests/fixtures/keras/ends: models with several inputs and outputs, as each Keras saves them.

    python tools/make_ends_fixtures.py [FOLDER]

To be run with Keras 3 and with Keras 2.15 (made with 3.15.1 and 2.15.0). Beside each model are what goes in and what Keras
answers, as `.npz` with the names of the model's inputs and of the layers that give its outputs.
"""

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

BATCH = 5


def pair():
    """A nested model with two inputs and two outputs."""
    left, right = keras.Input((4, 4, 2), name="inner_left"), keras.Input((4, 4, 2), name="inner_right")
    total = layers.Add(name="inner_total")([left, right])
    apart = layers.Subtract(name="inner_apart")([left, right])
    return keras.Model([left, right], [layers.Conv2D(3, 3, name="inner_conv")(total), apart], name="pair")


def listed():
    """Three inputs in an order that is not that of their names, three outputs of which one is an input of a layer too."""
    picture, numbers, mask = (
        keras.Input((4, 4, 2), name="picture"),
        keras.Input((3,), name="numbers"),
        keras.Input((4, 4, 1), name="a_mask"),
    )
    masked = layers.Multiply(name="masked")([picture, mask])
    seen, apart = pair()([picture, masked])
    features = layers.Flatten(name="features")(seen)
    both = layers.Concatenate(name="both")([features, numbers])
    classes = layers.Dense(4, activation="softmax", name="classes")(both)
    return keras.Model([picture, numbers, mask], [classes, features, apart], name="listed")


def by_name():
    """Inputs and outputs in dictionaries."""
    ends = {"zeta": keras.Input((3,), name="zeta"), "alpha": keras.Input((2,), name="alpha")}
    both = layers.Concatenate(name="both")([ends["zeta"], ends["alpha"]])
    outputs = {"up": layers.Dense(2, name="up")(both), "down": layers.Dense(3, activation="tanh", name="down")(both)}
    return keras.Model(ends, outputs, name="by_name")


def main():
    default = Path(__file__).parent.parent / "tests" / "fixtures" / "keras" / "ends"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    version = "_".join(keras.__version__.split(".")[:2])
    for make in (listed, by_name):
        keras.utils.set_random_seed(1)
        model = make()
        rng = np.random.default_rng(1)
        inputs = {tensor.name.split(":")[0]: rng.normal(0, 1, (BATCH, *tensor.shape[1:])).astype("float32") for tensor in model.inputs}
        names = list(model.output_names)
        given = inputs if make is by_name else list(inputs.values())
        answers = model.predict(given, verbose=0)
        if isinstance(answers, dict):
            answers = {name: answers[name] for name in ("up", "down")}
        else:
            answers = dict(zip(names, answers))
        stem = folder / f"{make.__name__}_{version}"
        model.save(f"{stem}.keras")
        model.save(f"{stem}.h5")
        np.savez_compressed(f"{stem}.input.npz", **inputs)
        np.savez(f"{stem}.expected.npz", **answers)
        print(stem, names, {name: answer.shape for name, answer in answers.items()})


if __name__ == "__main__":
    main()
