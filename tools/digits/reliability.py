#!/usr/bin/env python3
"""How true confidence is: of the answers given with so much, how many are right.

    python tools/digits/kinds.py FOLDER --each 40 --split test --seed 31
    python tools/digits/reliability.py KILN FOLDER [--model weights/mnist.keras]

FOLDER holds the pictures of kinds.py, GROUP/KIND/NUMBER_LABEL.png ("none" where there is no digit). Writes the tables of
weights/README.md, and the temperature by which the last layer would have to be divided to be truest.
"""

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np

EDGES = (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1)


def ask(kiln, folder, model):
    """(files, label of each, probabilities of each or None where it was refused)."""
    files = sorted(f for f in folder.rglob("*.*") if f.suffix in (".png", ".jpg"))
    answers = {}
    for a in range(0, len(files), 500):
        command = [kiln, "predict", "--local", "--json", "--model", model, *map(str, files[a : a + 500])]
        done = subprocess.run(command, capture_output=True, text=True)
        for line in done.stdout.splitlines():
            answer = json.loads(line)
            if "probabilities" in answer:
                answers[answer["picture"]] = answer["probabilities"]
    if not answers:
        raise SystemExit(f"{kiln} read none of {len(files)} pictures: {done.stderr}")
    return files, [f.stem.rsplit("_", 1)[-1] for f in files], [answers.get(str(f)) for f in files]


def table(confidence, right):
    """Prints the bins; gives the expected calibration error."""
    print("| confidence | pictures | mean confidence | right |\n|---|---|---|---|")
    error = 0
    for low, high in zip(EDGES, EDGES[1:]):
        here = (confidence >= low) & ((confidence < high) | (high == 1))
        if here.any():
            said, was = confidence[here].mean(), right[here].mean()
            error += abs(said - was) * here.mean()
            print(f"| {100 * low:g} to {100 * high:g} % | {here.sum():,} | {said:.1%} | {was:.1%} |")
    return error


def softened(probabilities, temperature):
    scores = np.log(np.maximum(probabilities, 1e-30)) / temperature
    scores = np.exp(scores - scores.max(1, keepdims=True))
    return scores / scores.sum(1, keepdims=True)


def best_temperature(probabilities, labels):
    """That for which the right answers are likeliest."""
    own = np.arange(len(labels)), labels
    tries = np.exp(np.linspace(np.log(0.5), np.log(3), 60))
    return min(tries, key=lambda t: -np.log(np.maximum(softened(probabilities, t)[own], 1e-30)).mean())


def tell_digits(probabilities, wanted, all_digits):
    confidence, right = probabilities.max(1), probabilities.argmax(1) == wanted
    print(f"{all_digits:,} pictures of one digit, {all_digits - len(wanted)} refused:\n")
    error = table(confidence, right)
    print(f"\nMean confidence {confidence.mean():.2%}, right {right.mean():.2%}, expected calibration error {error:.2%}.")
    print(f"Best temperature {best_temperature(probabilities, wanted):.3f}.\n")


def tell_kinds(kinds, probabilities, wanted):
    """The groups, and the kinds where confidence is not true to within three points."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == wanted
    print("| kind | pictures | mean confidence | right |\n|---|---|---|---|")
    for level, least in ((0, 0.0), (1, 0.03)):
        names = np.array(["/".join(kind[: level + 1]) for kind in kinds])
        for name in sorted(set(names)):
            said, was = confidence[names == name].mean(), right[names == name].mean()
            if abs(said - was) >= least:
                print(f"| {name} | {(names == name).sum():,} | {said:.1%} | {was:.1%} |")
    print()


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("kiln", help="the binary")
    args.add_argument("folder", type=Path)
    args.add_argument("--model", default="mnist", help="a built-in network or a file")
    args = args.parse_args()
    files, labels, answers = ask(args.kiln, args.folder, args.model)

    read = [k for k, label in enumerate(labels) if label != "none" and answers[k]]
    digits = sum(label != "none" for label in labels)
    if read:
        probabilities, wanted = np.array([answers[k] for k in read]), np.array([int(labels[k]) for k in read])
        tell_digits(probabilities, wanted, digits)
        tell_kinds([files[k].parts[-3:-1] for k in read], probabilities, wanted)
    print("| what is no digit | pictures | refused | mean confidence of the others | 90 % and more |\n|---|---|---|---|---|")
    kinds = sorted({f.parent.name for f, label in zip(files, labels) if label == "none"})
    for kind in kinds:
        here = [a for f, a in zip(files, answers) if f.parent.name == kind]
        said = np.array([max(a) for a in here if a])
        rest = f"{said.mean():.1%} | {(said >= 0.9).sum()}" if len(said) else "- | 0"
        print(f"| {kind} | {len(here)} | {len(here) - len(said)} | {rest} |")


if __name__ == "__main__":
    main()
