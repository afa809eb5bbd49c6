"""Samples of a day ago, so that what is compared with the day before has something to be compared with."""

import time

import numpy
from load import REPOSITORY

CONFIDENCES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999]
INTENSITIES = [0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9]
STEP = 15
MODELS = ("mnist", "mnist-mlp")


def _spread(bounds, values):
    """How many of `values` are at most each bound, cumulative, +Inf last."""
    return [int((values <= bound).sum()) for bound in bounds] + [len(values)]


def openmetrics(hours=3, per_step=40):
    """Text of the digits of the fixtures being asked over and over from 25.5 h to 22.5 h ago, in OpenMetrics."""
    inputs = numpy.load(REPOSITORY / "tests/fixtures/mnist/inputs.npy")
    intensity = inputs.reshape(len(inputs), -1).mean(axis=1) / 255
    now = int(time.time()) // STEP * STEP
    times = range(now - int(25.5 * 3600), now - int((25.5 - hours) * 3600), STEP)
    families = {}

    def put(family, kind, suffix, labels, values):
        text = ",".join(f'{key}="{value}"' for key, value in {"job": "kiln", **labels}.items())
        families.setdefault((family, kind), []).append((f"{family}{suffix}{{{text}}}", values))

    wave = [1 + 0.3 * numpy.sin(step / 40) for step in range(len(times))]
    done = numpy.cumsum([per_step * factor for factor in wave])
    for model in MODELS:
        scores = numpy.load(REPOSITORY / f"tests/fixtures/mnist/{model}.expected.npy")
        shares = numpy.bincount(scores.argmax(axis=1), minlength=10) / len(scores)
        recorded = {"model": model}
        labels = {"instance": "10.0.0.9:8000", "model": model, "version": "1"}
        for digit, share in enumerate(shares):
            put("kiln_predictions", "counter", "_total", {**labels, "class": digit}, numpy.floor(done * share))
            put("model_class:kiln_predictions:share1h", "gauge", "", {**recorded, "class": digit}, [share] * len(times))
        put("model:kiln_predictions:increase1h", "gauge", "", recorded, [per_step * 3600 / STEP] * len(times))
        put("model:kiln_prediction_confidence:mean1h", "gauge", "", recorded, [scores.max(axis=1).mean()] * len(times))
        for name, bounds, values in (
            ("kiln_prediction_confidence", CONFIDENCES, scores.max(axis=1)),
            ("kiln_input_mean_intensity", INTENSITIES, intensity),
        ):
            for bound, count in zip([*bounds, "+Inf"], _spread(bounds, values), strict=True):
                put(name, "histogram", "_bucket", {**labels, "le": bound}, numpy.floor(done * count / len(values)))
            put(name, "histogram", "_sum", labels, done * values.mean())
            put(name, "histogram", "_count", labels, numpy.floor(done))
    lines = []
    for (family, kind), series in families.items():
        lines.append(f"# TYPE {family} {kind}")
        lines.extend(f"{name} {float(value)} {at}" for name, values in series for at, value in zip(times, values, strict=True))
    return "\n".join([*lines, "# EOF", ""])
