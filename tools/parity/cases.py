"""A random model, its files, its input, and what Keras says of it."""

import zipfile
from dataclasses import dataclass, field

import numpy as np

from . import answers, checks, graphs
from .kit import randomize

BATCH = 3
ATTEMPTS = 60


@dataclass
class Case:
    focus: str
    model: object
    x: np.ndarray
    expected: np.ndarray
    summary: dict
    files: dict
    doubt: float
    notes: list = field(default_factory=list)

    def classes(self):
        return sorted(classes(self.model))


def classes(model):
    found = set()
    for layer in model.layers:
        found.add(type(layer).__name__)
        if hasattr(layer, "layers"):
            found |= classes(layer)
        if hasattr(layer, "layer"):
            found.add(type(layer.layer).__name__)
    return found


def prepare(keras, seed, number, index, stem):
    """The first try that Keras builds, saves, and answers with more certainty than is asked of kiln.

    Keras refuses some combinations of options; and some random weights magnify the last bit of a
    float32. The next try has other random numbers.
    """
    problems = []
    for attempt in range(ATTEMPTS):
        keras.backend.clear_session()
        keras.utils.set_random_seed(attempt)
        rng = np.random.default_rng([seed, number, attempt])
        try:
            focus, kit, model = graphs.build(keras, index, rng)
            case = answered(focus, kit, model, stem)
        except Exception as error:
            text = str(error).strip().splitlines()
            problems.append(f"{type(error).__name__}: {text[0][:200] if text else ''}")
            continue
        if case.doubt <= 0.5:
            case.notes = problems
            return case
        problems.append(f"Keras's own answer is off by {case.doubt:.2f} of what is allowed")
    raise RuntimeError(f"model {number}: none of {ATTEMPTS} tries succeeded: {problems[-3:]}")


def answered(focus, kit, model, stem):
    randomize(kit, model)
    x = answers.inputs(kit, model, BATCH)
    summary = answers.summary(kit, model)
    if kit.chance(0.3):
        compile_and_build(model)
    files = {"keras": stem.with_suffix(".keras"), "h5": stem.with_suffix(".h5")}
    if "RandomBrightness" in classes(model) and kit.keras3:
        del files["h5"]  # which Keras 3.15 itself cannot write
    for path in files.values():
        model.save(path)
    if kit.chance(0.1):
        deflate(files["keras"])
    exact = answers.exact(kit, model, x)
    expected = answers.outputs(kit, model, x)
    doubt, _ = checks.difference(expected, exact)
    return Case(focus, model, x, expected, summary, files, doubt)


def compile_and_build(model):
    """The file then has the state of an optimizer as well."""
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)


def deflate(path):
    """The same archive, compressed."""
    with zipfile.ZipFile(path) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
