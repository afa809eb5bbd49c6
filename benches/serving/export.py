"""Writes what the servers load and what they must answer: export.py FOLDER.

FOLDER/<network>.keras and .onnx, and expected.json with Keras's own answers for its pictures.
Runs where Keras and onnx are; the ONNX writer is the one that the engine's benchmark uses.
"""

import json
import pathlib
import shutil
import sys

import keras
import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benches" / "engine"))
from networks import built_in, sequential, slim  # noqa: E402
from to_onnx import to_onnx  # noqa: E402


def grey_slim():
    """The smallest convolutional network that is measured: untrained, for pixels from 0 to 255."""
    keras.utils.set_random_seed(1)
    return sequential((28, 28, 1), keras.layers.Rescaling(1 / 255), *slim().layers)


NETWORKS = {"mnist": built_in("mnist"), "mnist-mlp": built_in("mnist-mlp"), "slim": grey_slim}


def pictures():
    """The digit that is measured, and two more, lest a server answers the same to all."""
    seven = Image.open(ROOT / "examples" / "seven.png").convert("L")
    assert seven.size == (28, 28)
    return {"seven": seven, "turned": seven.rotate(90), "mirrored": seven.transpose(Image.Transpose.FLIP_LEFT_RIGHT)}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    shown = pictures()
    for name, picture in shown.items():
        picture.save(folder / f"{name}.png")
        (folder / f"{name}.pixels").write_bytes(picture.tobytes())
    shutil.copy(ROOT / "examples" / "seven.png", folder / "seven.png")
    inputs = np.stack([np.asarray(picture, np.float32) for picture in shown.values()])[..., None]
    expected = {}
    for network, make in NETWORKS.items():
        model = make()
        answers = np.asarray(model(inputs, training=False)).tolist()
        expected[network] = dict(zip(shown, answers, strict=True))
        (folder / f"{network}.onnx").write_bytes(to_onnx(model))
        model.save(folder / f"{network}.keras")
    # Last: answers that are there say that the export is whole.
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main()
