#!/usr/bin/env python3
"""Train the networks that are built into Kiln and write them as Keras saves them.

    python tools/train_mnist.py cnn weights/mnist.keras
    python tools/train_mnist.py mlp weights/mnist-mlp.keras

Needs Keras 3 on TensorFlow (tools/requirements.txt). The four IDX files are
taken from --data where they are, and otherwise from Keras's own download.
With --holdout N the last N training images are kept out and measured instead
of the test set: that is how a recipe is chosen. The test set is measured once,
at the end of a run on all 60,000 images, and chooses nothing.
"""

import argparse
import gzip
import hashlib
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

SIDE = 28
CLASSES = 10


def cnn():
    """Four convolutions, 46,106 parameters and 1.37 million multiply-adds for one digit."""
    net = [keras.Input((SIDE, SIDE, 1), name="image"), layers.Rescaling(1 / 255)]
    # 26x26x16, 13x13x24, 6x6x40, 4x4x64. Strides shrink the picture where pooling would cost a larger convolution.
    for filters, strides, padding in ((16, 1, "valid"), (24, 2, "same"), (40, 2, "valid"), (64, 1, "valid")):
        net += [
            layers.Conv2D(filters, 3, strides=strides, padding=padding, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
        ]
    net += [layers.Flatten(), layers.Dropout(0.3), layers.Dense(CLASSES, activation="softmax")]
    return keras.Sequential(net, name="mnist")


def mlp():
    """One hidden layer, 101,770 parameters."""
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1), name="image"),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ],
        name="mnist-mlp",
    )


def distort(images, strength):
    """Rotate, scale, shear, shift and bend each image by a random small amount.

    images: (n, 28, 28, 1). One bilinear look-up does it all: every output
    pixel is read from where the affine map and a smooth random displacement
    (elastic distortion, Simard et al. 2003) send it.
    """
    n = tf.shape(images)[0]

    def uniform(limit):
        return tf.random.uniform((n, 1, 1), -limit * strength, limit * strength)

    line = tf.linspace(-1.0, 1.0, SIDE) * (SIDE - 1) / 2
    y, x = tf.meshgrid(line, line, indexing="ij")
    angle, shear = uniform(0.26), uniform(0.2)
    sy, sx = tf.exp(uniform(0.16)), tf.exp(uniform(0.16))
    cos, sin = tf.cos(angle), tf.sin(angle)
    src_y = sy * (cos * y - sin * x) + uniform(2.5)
    src_x = sx * (sin * y + cos * x) + shear * y + uniform(2.5)
    bend = tf.random.normal((n, 6, 6, 2), stddev=1.1 * strength)
    bend = tf.image.resize(bend, (SIDE, SIDE), "bicubic")
    src_y += bend[..., 0] + (SIDE - 1) / 2
    src_x += bend[..., 1] + (SIDE - 1) / 2

    y0, x0 = tf.floor(src_y), tf.floor(src_x)
    wy, wx = src_y - y0, src_x - x0
    flat = tf.reshape(images, (n, SIDE * SIDE))

    def at(row, column):
        inside = (row >= 0) & (row < SIDE) & (column >= 0) & (column < SIDE)
        index = tf.cast(row * SIDE + column, tf.int32)
        index = tf.where(inside, index, 0)
        picked = tf.gather(flat, tf.reshape(index, (n, -1)), batch_dims=1)
        return tf.where(inside, tf.reshape(picked, (n, SIDE, SIDE)), 0.0)

    top = at(y0, x0) * (1 - wx) + at(y0, x0 + 1) * wx
    bottom = at(y0 + 1, x0) * (1 - wx) + at(y0 + 1, x0 + 1) * wx
    return (top * (1 - wy) + bottom * wy)[..., None]


# How each network is trained: what to build, epochs, batch, peak learning rate, strength of distortion.
RECIPES = {
    "cnn": (cnn, 60, 128, 3e-3, 0.7),
    "mlp": (mlp, 30, 128, 2e-3, 0.4),
}


def read_idx(path):
    raw = gzip.decompress(path.read_bytes())
    dims = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dims)


def load(folder):
    """((train images, train labels), (test images, test labels)), images as float32 0..255."""
    if folder.is_dir():
        names = [("train", "train"), ("t10k", "t10k")]
        parts = [
            (read_idx(folder / f"{a}-images-idx3-ubyte.gz"), read_idx(folder / f"{b}-labels-idx1-ubyte.gz"))
            for a, b in names
        ]
    else:
        print(f"{folder} is not there: using Keras's own download")
        parts = keras.datasets.mnist.load_data()
    return [(x[..., None].astype(np.float32), y.astype(np.int32)) for x, y in parts]


def train(build, epochs, batch, peak, strength, images, labels):
    """Adam with decoupled weight decay; a short warm-up, then a cosine to zero; an average of the weights."""
    steps = epochs * (len(images) // batch)
    rate = keras.optimizers.schedules.CosineDecay(
        peak / 20, steps, warmup_target=peak, warmup_steps=steps // 20
    )
    model = build()
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=1e-3, use_ema=True, ema_momentum=0.9995),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    data = (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .shuffle(len(images))
        .batch(batch, drop_remainder=True)
        .map(lambda x, y: (distort(x, strength), y), num_parallel_calls=2)
        .prefetch(8)
    )
    model.fit(data, epochs=epochs, verbose=2)
    return settle(model, images, strength)


def settle(model, images, strength):
    """Measure the batch statistics again for the averaged weights that `fit` has just put in place."""
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    if norms:
        for layer in norms:
            layer.momentum = 0.98
        for start in range(0, len(images) - 500, 500):
            model(distort(tf.constant(images[start : start + 500]), strength), training=True)
        for layer in norms:
            layer.momentum = 0.99
    return model


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("network", choices=RECIPES)
    args.add_argument("output", type=Path)
    args.add_argument("--data", type=Path, default=Path("../shared/mnist"), help="folder of the IDX files")
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--epochs", type=int, help="instead of the recipe's own number")
    args.add_argument("--holdout", type=int, default=0, help="training images to measure on instead of the test set")
    args = args.parse_args()

    keras.utils.set_random_seed(args.seed)
    (images, labels), measured = load(args.data)
    if args.holdout:
        measured = images[-args.holdout :], labels[-args.holdout :]
        images, labels = images[: -args.holdout], labels[: -args.holdout]
    build, epochs, *recipe = RECIPES[args.network]
    model = train(build, args.epochs or epochs, *recipe, images, labels)
    model.summary()
    print("accuracy", model.evaluate(*measured, batch_size=500, verbose=0)[1], "on", len(measured[0]))
    # A fresh model has no optimizer, which would quadruple the file; a fresh session numbers its layers from the start.
    weights = model.get_weights()
    keras.utils.clear_session()
    bare = build()
    bare.set_weights(weights)
    bare.save(args.output)
    print(args.output, "sha256", hashlib.sha256(args.output.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
