"""What kiln says of a file, compared with what Keras says of the model."""

import json
import subprocess

import numpy as np

# An answer may be that far from Keras's, in parts of itself or as it is.
RELATIVE, ABSOLUTE = 1e-5, 1e-6


class Kiln:
    def __init__(self, program, backends):
        self.program = program
        self.backends = backends

    def run(self, *arguments):
        """Exit code, standard output, standard error."""
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr.strip()

    def answers(self, path, x_path, expected):
        """The worst difference in units of what is allowed, and what is wrong, if anything is."""
        worst, y_path = 0.0, path.with_suffix(".y.npz" if isinstance(expected, dict) else ".y.npy")
        for backend in self.backends:
            options = ["--backend", backend] if backend else []
            code, _, error = self.run("infer", "--model", path, "--input", x_path, "--output", y_path, *options)
            if code:
                return worst, f"infer: exit code {code}: {error}"
            found = np.load(y_path)
            ratio, where = difference(dict(found) if isinstance(expected, dict) else found, expected)
            worst = max(worst, ratio)
            if not ratio <= 1:
                return worst, f"infer {backend}: {ratio:.1f} times what is allowed, {where}"
        return worst, None

    def summary(self, path, wanted):
        """What is wrong with `kiln inspect`, if anything is."""
        code, out, error = self.run("inspect", "--json", path)
        if code:
            return f"inspect: exit code {code}: {error}"
        wrong = compare_summaries(json.loads(out), wanted)
        if wrong:
            return f"inspect: {wrong}"
        code, text, error = self.run("inspect", path)
        missing = [row["name"] for row in wanted["layers"] if f"{row['name']} (" not in text]
        total = f"Total params: {wanted['parameters']:,}"
        if code or missing or total not in text:
            return f"inspect, as a table: exit code {code}, without {missing or total} {error}"
        return None


def difference(found, expected):
    """The largest difference in units of what is allowed, and where it is."""
    if isinstance(expected, dict):
        if list(found) != list(expected):
            return float("inf"), f"outputs {list(found)}, Keras has {list(expected)}"
        worst = max(expected, key=lambda name: difference(found[name], expected[name])[0])
        ratio, where = difference(found[worst], expected[worst])
        return ratio, f"output {worst} {where}"
    if found.shape != expected.shape:
        return float("inf"), f"shape {found.shape}, Keras has {expected.shape}"
    if not np.isfinite(found).all():
        return float("inf"), "values that are not finite"
    allowed = np.maximum(ABSOLUTE, RELATIVE * np.abs(expected))
    ratio = np.abs(found.astype("float64") - expected) / allowed
    at = np.unravel_index(int(ratio.argmax()), ratio.shape)
    count = f"{int((ratio > 1).sum())} of {ratio.size}"
    return float(ratio.max()), f"at {[int(i) for i in at]}: {found[at]!r}, Keras has {expected[at]!r} ({count} wrong)"


def compare_summaries(found, wanted):
    names, wanted_names = ([row["name"] for row in s["layers"]] for s in (found, wanted))
    if names != wanted_names:
        return f"layers {names}, Keras has {wanted_names}"
    for row, keras_row in zip(found["layers"], wanted["layers"]):
        for key in ("class", "parameters"):
            if row[key] != keras_row[key]:
                return f"'{row['name']}' has {key} {row[key]!r}, Keras has {keras_row[key]!r}"
        if keras_row["shapes"] and row["output_shape"] not in keras_row["shapes"]:
            return f"'{row['name']}' has shape {row['output_shape']}, Keras has {keras_row['shapes']}"
    for key in ("name", "parameters", "trainable_parameters"):
        if found[key] != wanted[key]:
            return f"{key} is {found[key]!r}, Keras has {wanted[key]!r}"
    return None
