"""Writes every network as .keras, .onnx and .tflite with an input and Keras's own answer: make_models.py FOLDER."""

import pathlib
import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf

from networks import NETWORKS, make
from to_onnx import to_onnx

EXAMPLES = 128
BATCHES = [1, 8, 32, 128]


def tflite(model, batch):
    # XNNPACK takes the whole graph only if the batch is fixed.
    signature = [tf.TensorSpec([batch, *model.input_shape[1:]], tf.float32)]
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, input_signature=signature, verbose=False)
        return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for name in NETWORKS:
        model = make(name, rng)
        shape = model.input_shape[1:]
        high = 255.0 if name.startswith("mnist") else 1.0
        # Four values in five are zero, as in a handwritten digit.
        inputs = rng.uniform(0.0, high, (EXAMPLES, *shape)) * (rng.uniform(0.0, 1.0, (EXAMPLES, *shape)) < 0.2)
        inputs = inputs.astype(np.float32)
        model.save(folder / f"{name}.keras")
        np.save(folder / f"{name}.input.npy", inputs)
        np.save(folder / f"{name}.expected.npy", np.asarray(model(inputs, training=False)))
        (folder / f"{name}.onnx").write_bytes(to_onnx(model))
        for batch in BATCHES:
            (folder / f"{name}.{batch}.tflite").write_bytes(tflite(model, batch))
        print(name, model.count_params(), "parameters", flush=True)


if __name__ == "__main__":
    main()
