#!/usr/bin/env python3
"""Make the models in tests/fixtures/colour and what Keras answers to a picture.

    python tools/make_colour_fixtures.py

Needs TensorFlow 2.13 to 2.15 (Keras 2) and Pillow. Small models of random weights, each
with what a file may say of its pictures. expected.json has for each case the model, the
flags it is served with, and Keras's own answer to PICTURE, which is read and resized by
keras.utils.load_img and made into numbers by preprocess_input.

teachable.h5.gz is a file as Google's Teachable Machine exports it: Keras 2.4's HDF5,
sequential models in one another, MobileNetV2 of alpha 0.35 in the first. Its weights are
two values a layer, so that it is small when compressed.
"""

import gzip
import json
import os
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.applications.imagenet_utils import preprocess_input
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "tests" / "fixtures" / "colour"
PICTURE = HERE.parent / "tests" / "fixtures" / "pictures" / "rgb_97x61.png"
HEIGHT, WIDTH = 12, 16
RNG = np.random.default_rng(3)


def soft(model, scale):
    """Random weights, small enough that answers are not all 0 and 1."""
    for layer in model.layers:
        if layer.weights and not isinstance(layer, layers.BatchNormalization):
            layer.set_weights([RNG.normal(0, scale, w.shape).astype("float32") for w in layer.get_weights()])
    return model


def functional(shape, body, scale=0.1):
    inputs = keras.Input(shape)
    return soft(keras.Model(inputs, body(inputs)), scale)


def head(x, units, activation):
    return layers.Dense(units, activation=activation)(layers.Flatten()(x))


def weighted(x):
    x = layers.Flatten()(x)
    first, second = (layers.Dense(3, activation="softmax")(x) for _ in range(2))
    return 0.3 * first + 0.7 * second


def normalized():
    model = functional((HEIGHT, WIDTH, 3), lambda x: head(layers.BatchNormalization()(x), 3, "softmax"))
    model.layers[1].set_weights([np.float32(v) for v in ([1] * 3, [0] * 3, [120, 110, 33], [4000, 3500, 900])])
    return model


def models():
    rgb = (HEIGHT, WIDTH, 3)
    conv = lambda x: layers.Conv2D(4, 3, activation="relu")(x)
    return {
        "rgb": functional(rgb, lambda x: head(conv(x), 5, "softmax")),
        "rgba": functional((HEIGHT, WIDTH, 4), lambda x: head(x, 3, "softmax")),
        "first": functional((3, HEIGHT, WIDTH), lambda x: head(conv(layers.Permute((2, 3, 1))(x)), 4, "softmax")),
        "pair": functional(rgb, lambda x: head(layers.Rescaling(1 / 127.5, -1)(x), 1, "sigmoid")),
        "several": functional(rgb, lambda x: head(x, 4, "sigmoid")),
        "weighted": functional(rgb, weighted),
        "normalized": normalized(),
        "raw": functional(rgb, lambda x: head(x, 4, "softmax"), 0.001),
    }


def loaded(mode="rgb", **options):
    picture = keras.utils.load_img(PICTURE, color_mode=mode, target_size=(HEIGHT, WIDTH), **options)
    return keras.utils.img_to_array(picture)


UNIT = lambda x: x / 255
SAME = lambda x: x


def cases():
    """Model, flags, how load_img is called, what the numbers become."""
    yield "rgb", [], {}, UNIT
    yield "rgb", ["--resize", "bicubic"], {"interpolation": "bicubic"}, UNIT
    yield "rgb", ["--resize=lanczos", "--keep-aspect-ratio"], {"interpolation": "lanczos", "keep_aspect_ratio": True}, UNIT
    yield "rgb", ["--pixel-range", "tf"], {}, lambda x: preprocess_input(x, mode="tf")
    yield "rgb", ["--pixel-range", "torch"], {}, lambda x: preprocess_input(x, mode="torch")
    yield "raw", ["--pixel-range", "caffe"], {}, lambda x: preprocess_input(x.copy(), mode="caffe")
    yield "raw", ["--pixel-range", "0-255"], {}, SAME
    yield "rgba", [], {"mode": "rgba"}, UNIT
    yield "first", [], {}, lambda x: UNIT(x).transpose(2, 0, 1)
    yield "pair", [], {}, SAME
    yield "several", [], {}, UNIT
    yield "weighted", [], {}, UNIT
    yield "normalized", [], {}, SAME


def old_form(value):
    """A configuration as Keras 2.4 wrote it."""
    if isinstance(value, list):
        return [old_form(one) for one in value]
    if not isinstance(value, dict):
        return value
    later = {"module", "registered_name", "build_config", "synchronized", "jit_compile"}
    value = {key: old_form(one) for key, one in value.items() if key not in later}
    if value.get("class_name") == "DepthwiseConv2D":
        value["config"]["groups"] = 1
    return value


def fixed_names(_, group):
    """Names in strings of one length, as they were then."""
    for key in ("layer_names", "weight_names"):
        if key in group.attrs:
            group.attrs[key] = np.array([str(name) for name in group.attrs[key]], "S")


def teachable():
    backbone = keras.applications.MobileNetV2((224, 224, 3), 0.35, include_top=False, weights=None)
    backbone = keras.Model(backbone.input, backbone.output, name="model1")
    first = keras.Sequential([backbone, layers.GlobalAveragePooling2D()], name="sequential_1")
    second = keras.Sequential(
        [layers.InputLayer((1280,)), layers.Dense(100, "relu"), layers.Dense(3, "softmax", use_bias=False)],
        name="sequential_3",
    )
    model = keras.Sequential([first, second], name="sequential_4")
    model.build((None, 224, 224, 3))
    for weight in model.weights:
        shape = weight.shape.as_list()
        if len(shape) > 1:
            fan_in = np.prod(shape[:-2]) if "depthwise" in weight.name else np.prod(shape[:-1])
            weight.assign(RNG.choice(np.float32([-1.0, 1.0]), shape) * np.float32((1.6 / fan_in) ** 0.5))
        elif "moving_variance" not in weight.name and "gamma" not in weight.name:
            weight.assign(RNG.choice(np.float32([-0.0625, 0.125]), shape))
    path = Path(tempfile.mkdtemp()) / "keras_model.h5"
    model.save(path, include_optimizer=False)
    with h5py.File(path, "r+") as file:
        config = old_form(json.loads(file.attrs["model_config"]))
        for attributes in (file, file["model_weights"]):
            attributes.attrs["keras_version"] = "2.4.0"
        file.attrs["model_config"] = json.dumps(config)
        file["model_weights"].visititems(fixed_names)
        fixed_names("", file["model_weights"])
    (OUT / "teachable.h5.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    # The sample code that comes with the file.
    image = ImageOps.fit(Image.open(PICTURE).convert("RGB"), (224, 224), Image.Resampling.LANCZOS)
    return model(np.asarray(image).astype(np.float32)[None] / 127.5 - 1)[0]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(3)
    made = models()
    for name, model in made.items():
        model.save(OUT / f"{name}.keras")
    expected = []
    for name, flags, options, numbers in cases():
        answer = made[name](numbers(loaded(**options))[None])[0].numpy()
        expected.append({"model": f"{name}.keras", "flags": flags, "answer": [float(v) for v in answer]})
    answer = [float(v) for v in teachable().numpy()]
    expected.append({"model": "teachable.h5.gz", "flags": [], "answer": answer})
    lines = ",\n".join(json.dumps(case) for case in expected)
    (OUT / "expected.json").write_text(f"[\n{lines}\n]\n")
    (OUT / "rgb.labels.txt").write_text("ash\nbirch\ncedar\ndogwood\nelm\n")
    (OUT / "pair.labels.txt").write_text("cat\ndog\n")
    for case in expected:
        print(case["model"], case["flags"], np.round(case["answer"], 4))
    print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")


if __name__ == "__main__":
    main()
