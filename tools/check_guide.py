#!/usr/bin/env python3
"""Runs docs/serve-your-own-model.md as it is printed, and compares what its commands say with what it says they do.

    python3.11 tools/check_guide.py --kiln target/release/kiln

Wants the ports 50051 and 8000, curl, and grpcurl on the path. Keras is that of tools/keras_parity.py's venv, which is made
if it is not there; the guide's own is not made. The commands of the compose stack are not either: tests/stack/run serves
a model that way. With --write, what the commands say is written into the guide instead. Exits 1 if the guide is wrong.
"""

import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import keras_parity

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs/serve-your-own-model.md"
# A block, and whether the numbers in it are others each time.
BLOCK = re.compile(r"(<!-- numbers vary -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# In quotes only times are: protobuf writes its 64-bit numbers so.
NUMBER = re.compile(r'(?<!["\w])\d[\d.e-]*|(?<=Micros": ")\d+')
NOT_HERE = ("python3 -m venv ", ". .venv/", "pip ", "cp ", "KILN_MODEL=")
PATIENCE = 900  # seconds; training takes one minute on two cores that have other things to do


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kiln", type=Path, default=Path("target/release/kiln"), help="the program that is shown")
    parser.add_argument("--cache", type=Path, default=Path("target/parity"), help="where the venv with Keras is made")
    parser.add_argument("--write", action="store_true", help="write what the commands say into the guide")
    return parser.parse_args()


class Guide:
    """One walk through the guide, in an empty folder."""

    def __init__(self, folder, kiln, python):
        self.folder, self.server, self.said, self.wrong = Path(folder), None, "", 0
        path = [python.parent, kiln.parent, os.environ["PATH"]]
        self.environment = {**os.environ, "PATH": ":".join(map(str, path)), "TF_CPP_MIN_LOG_LEVEL": "3", "NO_COLOR": "1"}

    def block(self, found):
        """Does what a block says; answers the block as it should be printed."""
        vary, language, text = found.groups()
        if language == "python":
            name = re.match(r"# (\w+\.py)\n", text)[1]
            (self.folder / name).write_text(text)
        elif language == "sh" and text.startswith("kiln serve"):
            self.serve(text)
        elif language == "sh":
            self.said = self.run(text)
        elif not same(text, self.said, vary):
            self.wrong += 1
            print("\n".join(["THE GUIDE IS WRONG:", *difflib.ndiff(text.splitlines(), self.said.splitlines())]))
            return f"{vary or ''}```{language}\n{self.said.rstrip()}\n```"
        return found[0]

    def run(self, text):
        commands = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(NOT_HERE))
        print("".join(f"$ {line}\n" for line in commands.splitlines()), end="", flush=True)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=self.folder, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
        )
        if done.returncode:
            raise SystemExit(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
        print(done.stdout, end="", flush=True)
        return done.stdout

    def serve(self, text):
        print(f"$ {text.strip()} &", flush=True)
        with (self.folder / "serve.log").open("w") as log:
            self.server = subprocess.Popen(text.split(), cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        for _ in range(200):
            try:
                with urllib.request.urlopen("http://localhost:8000/readyz", timeout=5):
                    return
            except OSError:
                if self.server.poll() is not None:
                    break
                time.sleep(0.1)
        raise SystemExit("the server does not answer:\n" + (self.folder / "serve.log").read_text())

    def end(self):
        if self.server:
            self.server.terminate()
            self.server.wait(20)


def same(printed, said, vary):
    """Whether the guide prints what was said, but for the numbers where they are others each time."""

    def stable(text):
        lines = [line.rstrip() for line in text.strip().splitlines()]
        return [NUMBER.sub("#", " ".join(line.split())) if vary else line for line in lines]

    return stable(printed) == stable(said)


def main():
    asked = arguments()
    kiln = asked.kiln.resolve()
    python = Path(keras_parity.interpreter("3.15", {}, asked.cache)).absolute()
    # For pictures alone, so the parity of networks does without it.
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pillow==13.0.0"], check=True)
    text = GUIDE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        guide = Guide(folder, kiln, python)
        try:
            found = BLOCK.sub(guide.block, text)
        finally:
            guide.end()
    if asked.write:
        GUIDE.write_text(found, encoding="utf-8")
    elif guide.wrong:
        sys.exit(f"{GUIDE.name}: {guide.wrong} answers are others than printed")
    else:
        print(f"{GUIDE.name}: every command does as printed")


if __name__ == "__main__":
    main()
