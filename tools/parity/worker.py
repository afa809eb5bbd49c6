"""Runs in the venv of one Keras: makes models, asks kiln about their files, compares.

Takes its order as JSON on standard input and prints one line of JSON for each file; what Keras
prints goes to standard error.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402

from parity import cases, checks, fixtures, graphs, refused  # noqa: E402


def load_keras():
    import logging

    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.get_logger().setLevel("ERROR")
    logging.getLogger("absl").setLevel("ERROR")
    return tf.keras


def save(stem, what, arrays):
    """One array, or several by name."""
    several = isinstance(arrays, dict)
    path = stem.with_suffix(f".{what}.npz" if several else f".{what}.npy")
    np.savez(path, **arrays) if several else np.save(path, arrays)
    return path


def random_models(order, keras, kiln, report):
    folder = Path(order["folder"])
    for number, index in order["numbers"]:
        if order["focus"] and graphs.focus(keras, index) != order["focus"]:
            continue
        begun = time.monotonic()
        stem = folder / str(number)
        case = cases.prepare(keras, order["seed"], number, index, stem)
        x_path = save(stem, "x", case.x)
        if order["keep"]:
            save(stem, "expected", case.expected)
            stem.with_suffix(".summary.json").write_text(json.dumps(case.summary, indent=1))
        built = time.monotonic() - begun
        for ending, path in case.files.items():
            ratio, wrong = kiln.answers(path, x_path, case.expected)
            wrong = wrong or kiln.summary(path, case.summary)
            report(
                number=number, focus=case.focus, classes=case.classes(), format=ending, ratio=ratio, wrong=wrong,
                seconds=built, tries=case.notes, file=str(path),
            )  # fmt: skip
            if not wrong and not order["keep"]:
                path.unlink()
        if not order["keep"]:
            x_path.unlink()


def refusals(order, keras, kiln, report):
    for name, ending, words, path in refused.files(keras, Path(order["folder"])):
        code, _, error = kiln.run("infer", "--model", path, "--input", path, "--output", path.with_suffix(".npy"))
        missing = [word for word in words if word not in error]
        wrong = None
        if code != 1 or missing:
            wrong = f"exit code {code} (wanted 1), without {missing}: {error}"
        report(number=None, focus=name, classes=[], format=ending, ratio=0.0, wrong=wrong, refused=True, said=error)


def main():
    order = json.load(sys.stdin)
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def report(**fields):
        print(json.dumps({"keras": order["keras"], **fields}), file=lines, flush=True)

    keras = load_keras()
    kiln = checks.Kiln(order["kiln"], order["backends"])
    if order["fixtures"]:
        for name in fixtures.write(keras, order["keras"], Path(order["fixtures"])):
            report(focus=name, wrong=None)
        return
    Path(order["folder"]).mkdir(parents=True, exist_ok=True)
    if order["refused"]:
        refusals(order, keras, kiln, report)
    random_models(order, keras, kiln, report)


if __name__ == "__main__":
    main()
