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
from to_onnx import to_onnx  # noqa: E402

NETWORKS = ["mnist", "mnist-mlp"]


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
    for network in NETWORKS:
        model = keras.models.load_model(ROOT / "weights" / f"{network}.keras")
        answers = np.asarray(model(inputs, training=False)).tolist()
        expected[network] = dict(zip(shown, answers, strict=True))
        (folder / f"{network}.onnx").write_bytes(to_onnx(model))
    (folder / "expected.json").write_text(json.dumps(expected))
    # Last: a copy that is there says that the export is whole.
    for network in NETWORKS:
        shutil.copy(ROOT / "weights" / f"{network}.keras", folder)


if __name__ == "__main__":
    main()
