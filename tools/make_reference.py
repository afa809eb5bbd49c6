#!/usr/bin/env python3
"""Make the inputs and Keras's own answers that `cargo test` holds the built-in networks to.

    python tools/make_reference.py [--data FOLDER]

Writes tests/fixtures/mnist/: inputs.npy (uint8, n x 28 x 28) and, for each
network of weights/, NAME.expected.npy (float32, n x 10); where the MNIST test
images are at hand (--data) also NAME.test-set.npy, Keras's answers for them. The inputs are drawn
by this script, digits of pen strokes beside noise and flat grey, so that no
picture of MNIST is in the repository. Also draws examples/*.png for the README.
"""

import argparse
import gzip
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

ROOT = Path(__file__).resolve().parent.parent
SIDE = 28

# Each digit as pen strokes on a unit square, x to the right and y down.
STROKES = {
    0: [[(0.5, 0.05), (0.2, 0.2), (0.15, 0.5), (0.25, 0.85), (0.5, 0.95), (0.78, 0.8), (0.85, 0.45), (0.75, 0.15), (0.5, 0.05)]],
    1: [[(0.35, 0.25), (0.55, 0.05), (0.5, 0.95)]],
    2: [[(0.2, 0.25), (0.4, 0.05), (0.7, 0.1), (0.78, 0.35), (0.5, 0.65), (0.2, 0.92), (0.85, 0.9)]],
    3: [[(0.2, 0.15), (0.55, 0.05), (0.75, 0.25), (0.45, 0.47), (0.8, 0.7), (0.55, 0.95), (0.2, 0.85)]],
    4: [[(0.6, 0.05), (0.15, 0.6), (0.85, 0.6)], [(0.62, 0.35), (0.6, 0.98)]],
    5: [[(0.8, 0.07), (0.3, 0.07), (0.25, 0.45), (0.6, 0.42), (0.8, 0.65), (0.6, 0.93), (0.2, 0.88)]],
    6: [[(0.65, 0.05), (0.35, 0.35), (0.2, 0.7), (0.4, 0.95), (0.72, 0.85), (0.7, 0.6), (0.45, 0.55), (0.25, 0.7)]],
    7: [[(0.15, 0.1), (0.82, 0.1), (0.5, 0.5), (0.38, 0.97)]],
    8: [[(0.5, 0.48), (0.25, 0.28), (0.4, 0.06), (0.65, 0.07), (0.75, 0.27), (0.5, 0.48), (0.22, 0.75), (0.45, 0.96), (0.75, 0.85), (0.75, 0.65), (0.5, 0.48)]],
    9: [[(0.75, 0.3), (0.5, 0.05), (0.25, 0.25), (0.4, 0.48), (0.7, 0.4), (0.75, 0.25), (0.72, 0.6), (0.6, 0.97)]],
}


def smooth(points, steps=12):
    """A Catmull-Rom curve through the points."""
    p = np.array([points[0], *points, points[-1]], float)
    out = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:]):
        for t in np.linspace(0, 1, steps):
            out.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return out


def draw(digit, side, box, pen, rng=None, ink=255, paper=0):
    """A digit in a box (left, top, width, height) on a square picture, `pen` pixels thick."""
    scale = 4
    image = Image.new("L", (side * scale, side * scale), paper)
    canvas = ImageDraw.Draw(image)
    left, top, width, height = (value * scale for value in box)
    for stroke in STROKES[digit]:
        points = stroke if rng is None else [(x + rng.normal(0, 0.03), y + rng.normal(0, 0.03)) for x, y in stroke]
        dots = [(left + x * width, top + y * height) for x, y in smooth(points)]
        radius = pen * scale / 2
        canvas.line(dots, fill=ink, width=round(2 * radius), joint="curve")
        for x, y in (dots[0], dots[-1]):
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
    return image.resize((side, side), Image.LANCZOS)


def inputs(rng):
    digits = []
    for index in range(200):
        width, height = rng.uniform(12, 19), rng.uniform(17, 21)
        box = (14 - width / 2 + rng.normal(0, 1), 14 - height / 2 + rng.normal(0, 1), width, height)
        image = draw(index % 10, SIDE, box, rng.uniform(1.6, 3.2), rng)
        digits.append(np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.6)))))
    noise = rng.integers(0, 256, (32, SIDE, SIDE))
    speckle = np.where(rng.random((16, SIDE, SIDE)) < 0.1, 255, 0)
    flat = [np.full((SIDE, SIDE), value) for value in (0, 1, 127, 254, 255)]
    return np.concatenate([digits, noise, speckle, flat]).astype(np.uint8)


def answers(model, images):
    return model.predict(images[..., None].astype(np.float32), batch_size=64, verbose=0).astype(np.float32)


def test_images(folder):
    path = folder / "t10k-images-idx3-ubyte.gz"
    if not path.exists():
        print(f"{path} is not there: NAME.test-set.npy stays as it is")
        return None
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16).reshape(-1, SIDE, SIDE)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--data", type=Path, default=ROOT.parent / "shared/mnist", help="folder of the IDX files")
    args = args.parse_args()
    test = test_images(args.data)
    folder = ROOT / "tests/fixtures/mnist"
    folder.mkdir(parents=True, exist_ok=True)
    images = inputs(np.random.default_rng(28))
    np.save(folder / "inputs.npy", images)
    for name in ("mnist", "mnist-mlp"):
        model = keras.models.load_model(ROOT / f"weights/{name}.keras")
        expected = answers(model, images)
        np.save(folder / f"{name}.expected.npy", expected)
        if test is not None:
            np.save(folder / f"{name}.test-set.npy", answers(model, test))
        drawn = expected[:200].argmax(1) == np.arange(200) % 10
        print(f"{name}: {drawn.sum()} of 200 drawn digits read as drawn")
    (ROOT / "examples").mkdir(exist_ok=True)
    draw(7, 28, (6, 4, 15, 20), 2.4).save(ROOT / "examples/seven.png", optimize=True)
    paper = draw(3, 480, (150, 110, 170, 240), 16, ink=40, paper=238).convert("RGB")
    paper.save(ROOT / "examples/three.jpg", quality=85)


if __name__ == "__main__":
    main()
