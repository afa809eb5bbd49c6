#!/usr/bin/env python3
"""What a forward pass and a request cost in instructions, held to tests/budgets/budgets.json.

    kiln=target/x86_64-unknown-linux-gnu/release/kiln    # the static binary that .ci/run builds
    python3 tests/budgets/run.py $kiln                   # compare; fails beyond 3 %
    python3 tests/budgets/run.py $kiln --write           # take what was counted as the budget

Counted by callgrind (Debian's valgrind), which knows no AVX-512: these are the kernels for AVX2. Each figure is the
difference of two runs, so that start and end cancel out. No clock is involved: requests go to a network so small that
it is computed by the thread that read them even at a fiftieth of the speed, where a wake-up of another thread would cost
now more and now less. It is pooled.keras, made by Keras 3.15 with

    Sequential([Input((28, 28, 1)), Rescaling(1 / 255), AveragePooling2D(7), Flatten(), Dense(10, "softmax")])
"""

import argparse
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "benches" / "serving"))
import wire  # noqa: E402

BUDGETS = HERE / "budgets.json"
SLACK = 0.03
FEW, MORE = 256, 768
"""Requests, or examples, of the shorter run, and how many the longer has on top."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kiln", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()

    picture = (ROOT / "examples" / "seven.png").read_bytes()
    counted = {}
    for model in ("mnist", "mnist-mlp"):
        counted[f"forward pass, {model}, an example of a batch"] = difference(options.kiln, infer, model)
    counted["request, 784 pixels"] = difference(options.kiln, serve, wire.grpc_message(wire.field(2, bytes(784))))
    counted["request, a PNG of 317 bytes"] = difference(options.kiln, serve, wire.grpc_message(wire.field(1, picture)))

    if options.write:
        BUDGETS.write_text(json.dumps(counted, indent=2) + "\n")
    budgets = json.loads(BUDGETS.read_text())
    over = 0
    for name, count in counted.items():
        change = count / budgets[name] - 1
        word = "OVER" if change > SLACK else "under, lower the budget" if change < -SLACK else "ok"
        over += change > SLACK
        print(f"{name}: {count:,} instructions, {change:+.1%} of the budget of {budgets[name]:,}: {word}")
    return 1 if over else 0


def difference(kiln, run, what):
    """Of a server, the least of five runs of each length: how the bytes of a request arrive is not always the same, and
    what else a run then does only adds to it."""
    runs = 5 if run is serve else 1
    few, many = (min(run(kiln, what, count) for _ in range(runs)) for count in (FEW, FEW + MORE))
    return round((many - few) / MORE)


def callgrind(command, **options):
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KILN_")}
    return subprocess.Popen([*tool, *command], stderr=subprocess.PIPE, text=True, env=environment, **options)


def collected(said):
    found = re.search(r"Collected : (\d+)", said)
    if not found:
        sys.exit(f"callgrind counted nothing:\n{said}")
    return int(found[1])


def infer(kiln, model, examples):
    """Instructions of `kiln infer` for so many examples, a digit each."""
    with tempfile.TemporaryDirectory() as folder:
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({examples}, 28, 28, 1), }}"
        header = header.ljust(118 - 1) + "\n"
        digit = (bytes(28 * 8) + (bytes(8) + bytes([200] * 12) + bytes(8)) * 12 + bytes(28 * 8)) * examples
        npy = Path(folder) / "x.npy"
        npy.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + digit)
        command = [kiln, "infer", "--model", model, "--input", npy, "--output", Path(folder) / "y.npy"]
        running = callgrind(command, stdout=subprocess.DEVNULL)
        _, said = running.communicate()
        if running.returncode:
            sys.exit(f"kiln infer failed:\n{said}")
        return collected(said)


def serve(kiln, request, requests):
    """Instructions of `kiln serve` for so many calls of Predict, one after the other."""
    grpc, http = free_port(), free_port()
    model = f"--model={HERE / 'pooled.keras'}"
    command = [kiln, "serve", model, "--threads=1", "--log=error", f"--grpc-listen=127.0.0.1:{grpc}"]
    running = callgrind([*command, f"--http-listen=127.0.0.1:{http}"])
    try:
        wait_until_ready(http, running)
        call(grpc, request, requests)
    finally:
        running.terminate()
    return collected(running.communicate()[1])


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_ready(port, running):
    for _ in range(600):
        if running.poll() is not None:
            sys.exit(f"kiln serve ended:\n{running.stderr.read()}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                if b" 200 " in connection.recv(64):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("kiln serve is not ready after a minute")


def call(port, request, requests):
    # POST, http; the others in HPACK's plainest form (RFC 7541)
    block = bytes([0x83, 0x86])
    for name, value in ((b"\x04", b"/mnist.v1.MnistService/Predict"), (b"\x01", b"localhost")):
        block += name + bytes([len(value)]) + value
    block += b"\x0f\x10\x10application/grpc" + b"\x00\x02te\x08trailers"
    with wire.Connection(port, 60) as connection:
        for number in range(requests):
            if len(connection.call(block, request)) < 45:
                sys.exit(f"call {number} has no answer")


if __name__ == "__main__":
    sys.exit(main())
