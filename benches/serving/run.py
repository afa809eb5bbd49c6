#!/usr/bin/env python3
"""Installs and runs Kiln and its peers in turns, each on one core, and writes results.json: see ../README.md.

python3 benches/serving/run.py --check      # starts each, checks its answers, measures nothing
python3 benches/serving/run.py
"""

import argparse
import itertools
import json
import os
import pathlib
import shutil
import sys

import report
from load import load
from peers import HERE, PEERS, ROOT, Place
from prepare import export, install, installed_bytes, versions
from server import Server, check

NETWORKS = ["mnist", "mnist-mlp", "slim"]
# Each server gets ten of its own: a port that was just closed may not be free at once.
PORTS = itertools.count(18100, 10)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cache",
        type=pathlib.Path,
        default=ROOT / "target" / "bench-serving",
        help="virtual environments, exported networks, logs",
    )
    parser.add_argument(
        "--python",
        default="/usr/bin/python3",
        help="makes the environments; Triton needs one of 3.8 to 3.13 with its shared library",
    )
    parser.add_argument("--kiln", type=pathlib.Path, default=ROOT / "target" / "release" / "kiln")
    parser.add_argument("--noop", type=pathlib.Path, default=ROOT / "target" / "release" / "examples" / "noop")
    parser.add_argument("--peers", help="only those whose name has one of these words, separated by commas")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each load, without its warm-up")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "results.json")
    parser.add_argument("--check", action="store_true", help="only start each and check its answers")
    return parser.parse_args()


def bodies(call, models, network, expected):
    for name, answer in expected[network].items():
        png, pixels = (models / f"{name}.png").read_bytes(), (models / f"{name}.pixels").read_bytes()
        yield call.encode(png, pixels, network), answer


def loads(server, call, seconds):
    """At 1 client, at 64, and once more to find the most: gRPC on few connections, HTTP/1.1 on many."""
    warm_up = 0.5
    single = load(server, call, 1, 1, warm_up, seconds)
    measured = [single]
    for connections, streams in [(64, 1), (4, 32) if call.grpc else (256, 1)]:
        # A closed loop turns over once in `turn`: the load must last for some of them.
        turn = connections * streams / single["per_second"]
        if turn > 10:
            continue
        measured.append(load(server, call, connections, streams, max(warm_up, 1.2 * turn), max(seconds, 2 * turn)))
    return measured


def visit(peer, network, options, expected):
    """Starts a peer, checks it, loads it; one row for each way of asking."""
    venv = options.cache / "venv" / peer.venv / "bin" if peer.venv else None
    binaries = options.kiln.resolve(), options.noop.resolve()
    place = Place(next(PORTS), network, options.cache / "models", venv, *binaries)
    rows, start = [], None
    with Server(peer, place, options) as server:
        for call in peer.calls:
            shown = list(bodies(call, place.models, network, expected))
            call.body, answer = shown[0]
            start = start or server.until_correct(call, call.body, answer)
            for body, right in shown:
                check(peer, call, server.port, body, right)
            # The shortest of some, for Kiln says in its answer how long it took. gRPC puts five bytes before a message.
            sizes = [len(check(peer, call, server.port, call.body, answer)) for _ in range(20)]
            call.answer_bytes = min(sizes) + (5 if call.grpc else 0)
            row = {"peer": peer.name, "network": network, "kind": call.kind, "start_s": round(start, 4)}
            row["protocol"] = "gRPC" if call.grpc else "HTTP/1.1"
            row["installed_mb"] = round(installed_bytes(peer, place) / 1e6, 1)
            rows.append(row | {"loads": [] if options.check else loads(server, call, options.seconds)})
    return rows


def attempt(peer, network, options, expected):
    """The rows of a visit, or what went wrong: one peer that fails must not end the others' run."""
    try:
        rows = visit(peer, network, options, expected)
    except Exception as error:
        print(f"{peer.name}, {network}: {error}", file=sys.stderr, flush=True)
        return [], [{"peer": peer.name, "network": network, "error": str(error)}]
    for row in rows:
        best = max((one["per_second"] for one in row["loads"]), default=0)
        line = f"{peer.name}, {network}, {row['kind']}: correct after {row['start_s']:.3f} s"
        print(line if options.check else f"{line}, {best:.0f}/s", flush=True)
    return rows, []


def main():
    options = arguments()
    options.cache = options.cache.resolve()
    if not shutil.which("h2load"):
        sys.exit("h2load is missing: apt-get install nghttp2-client")
    for binary in (options.kiln, options.noop):
        if not binary.exists():
            sys.exit(f"{binary} is missing: cargo build --release --bins --example noop")
    os.sched_setaffinity(0, {options.load_core})
    words = [word.lower() for word in (options.peers or "").split(",")]
    peers = [peer for peer in PEERS if any(word in peer.name.lower() for word in words)]
    models = export(options.cache, options.python)
    for name in {peer.venv for peer in peers if peer.venv}:
        install(options.cache, options.python, name)
    expected = json.loads((models / "expected.json").read_text())
    rows, failures = [], []
    for turn in range(1 if options.check else options.rounds):
        for network in options.networks.split(","):
            for peer in peers:
                found, failed = attempt(peer, network, options, expected)
                rows += [{"round": turn} | row for row in found]
                failures += [{"round": turn} | failure for failure in failed]
    if not options.check:
        results = {"versions": versions(options), "failures": failures, "rows": rows}
        options.out.write_text(json.dumps(results, indent=1) + "\n")
        print(report.markdown(report.summary(rows)))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
