#!/usr/bin/env python3
"""Random Keras models through `kiln infer` and `kiln inspect`, compared with what Keras says.

    python3.11 tools/keras_parity.py --kiln target/release/kiln

Models of every layer, and graphs of them, with random shapes, options and weights are made with
three versions of Keras, each in a venv of its own (below --cache, or given with --python), and
saved in every format that the version writes. An answer may differ by 1e-5 of itself or by 1e-6.
Exits 1 if one differs by more, or if a model that must be refused is not.

A failing model is made again by the two numbers that are printed with it: --seed S --only N.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent / "parity"
VERSIONS = ["3.15", "2.15", "2.13"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kiln", default="target/release/kiln", help="the program to ask")
    parser.add_argument("--count", type=int, default=600, help="how many models, of all versions together")
    parser.add_argument("--sample", type=int, help="so many random ones of them")
    parser.add_argument("--seed", type=int, help="of all random numbers; another one each time if not given")
    parser.add_argument("--only", type=int, action="append", help="only this model (may be repeated)")
    parser.add_argument("--keras", choices=VERSIONS, action="append", help="only this version (may be repeated)")
    parser.add_argument("--focus", help="only models about this layer or kind of graph")
    parser.add_argument("--backend", action="append", default=[], help="of kiln; may be repeated")
    parser.add_argument("--python", action="append", default=[], metavar="VERSION=PATH", help="a venv that is there")
    parser.add_argument("--cache", type=Path, default=Path("target/parity"), help="where venvs are made")
    parser.add_argument("--keep", type=Path, help="write the files here and keep them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="versions at work at once")
    parser.add_argument("--verbose", action="store_true", help="say what Keras prints")
    parser.add_argument("--fixtures", type=Path, help="make the files of tests/fixtures/parity instead")
    return parser.parse_args()


def interpreter(version, given, cache):
    """Python of a venv with that Keras, which is made if it is not there."""
    if version in given:
        return given[version]
    venv, wanted = cache / version, (HERE / f"requirements-{version}.txt").read_text()
    python, done = venv / "bin" / "python", venv / "requirements.txt"
    if not done.exists() or done.read_text() != wanted:
        print(f"making a venv with Keras {version} in {venv}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]
        subprocess.run([*pip, HERE / f"requirements-{version}.txt"], check=True)
        done.write_text(wanted)
    return str(python)


def work(python, order, verbose, on_result):
    """Runs a worker to its end; the last lines of what it printed if it did not come to it."""
    errors = None if verbose else subprocess.PIPE
    worker = subprocess.Popen(
        [python, str(HERE / "worker.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
    )
    said = collections.deque(maxlen=15)
    listener = threading.Thread(target=lambda: said.extend(worker.stderr or []))
    listener.start()
    worker.stdin.write(json.dumps(order))
    worker.stdin.close()
    for line in worker.stdout:
        on_result(json.loads(line))
    code = worker.wait()
    listener.join()
    if code:
        raise RuntimeError(f"the worker of Keras {order['keras']} ended with exit code {code}:\n{''.join(said)}")


class Results:
    def __init__(self, seed, total):
        self.seed, self.total, self.rows = seed, total, []
        self.lock = threading.Lock()

    def add(self, row):
        with self.lock:
            self.rows.append(row)
            if row["wrong"]:
                again = f"--seed {self.seed} --only {row['number']}" if row["number"] is not None else "refused"
                print(f"FAILED {row['keras']} .{row['format']} {row['focus']} ({again})\n    {row['wrong']}", flush=True)
            elif len(self.rows) % 50 == 0:
                print(f"{len(self.rows)} of {self.total} files", flush=True)

    def table(self):
        """Files by layer and by format, and how many of them failed."""
        columns = sorted({(row["keras"], row["format"]) for row in self.rows}, reverse=True)
        lines = collections.defaultdict(lambda: collections.Counter())
        for row in self.rows:
            names = ["refused: " + row["focus"]] if row.get("refused") else row["classes"]
            for name in [*names, "ALL"]:
                lines[name][row["keras"], row["format"]] += 1
                lines[name]["failed"] += bool(row["wrong"])
                lines[name]["ratio"] = max(lines[name]["ratio"], row["ratio"])
        titles = ["", *(f"{keras} .{ending}" for keras, ending in columns), "failed", "worst"]
        table = [titles]
        order = sorted(lines, key=lambda name: (name == "ALL", name.startswith("refused"), name))
        for name in order:
            line = lines[name]
            counts = [str(line[column] or "") for column in columns]
            table.append([name, *counts, str(line["failed"] or ""), f"{line['ratio']:.2f}"])
        widths = [max(len(row[i]) for row in table) for i in range(len(titles))]
        for row in table:
            first, *rest = (cell.rjust(width) for cell, width in zip(row, widths))
            print("  ".join([row[0].ljust(widths[0]), *rest]))


def numbers(options, seed):
    """Version → the models that it makes: number N is made by version N mod 3."""
    chosen = options.only or range(options.count)
    if options.sample:
        chosen = sorted(random.Random(seed).sample(range(options.count), options.sample))
    return {
        version: [n for n in chosen if n % len(VERSIONS) == index]
        for index, version in enumerate(VERSIONS)
        if not options.keras or version in options.keras
    }


def make_fixtures(options, given):
    options.fixtures.mkdir(parents=True, exist_ok=True)
    for version in options.keras or VERSIONS:
        for old in options.fixtures.glob(f"*-{version}.*"):
            old.unlink()
    for version in options.keras or VERSIONS:
        order = {"keras": version, "fixtures": str(options.fixtures.resolve()), "kiln": "", "backends": []}
        python = interpreter(version, given, options.cache)
        work(python, order, options.verbose, lambda row: print(row["focus"]))
    size = sum(path.stat().st_size for path in options.fixtures.iterdir())
    print(f"{size:,} bytes in {options.fixtures}")


def main():
    options = arguments()
    given = dict(item.split("=", 1) for item in options.python)
    if options.fixtures:
        return make_fixtures(options, given)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    work_on = numbers(options, seed)
    count = sum(len(each) for each in work_on.values())
    print(f"{count} models, seed {seed}", flush=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        results = Results(seed, 2 * count)
        orders = {
            version: {
                "keras": version,
                "seed": seed,
                "numbers": [(n, n // len(VERSIONS)) for n in each],
                "focus": options.focus,
                "kiln": str(Path(options.kiln).resolve()),
                "backends": options.backend or [""],
                "folder": str((folder / version).resolve()),
                "keep": options.keep is not None,
                "fixtures": None,
                "refused": not options.only and not options.focus,
            }
            for version, each in work_on.items()
        }
        pythons = {version: interpreter(version, given, options.cache) for version in orders}
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            workers = [pool.submit(work, pythons[v], order, options.verbose, results.add) for v, order in orders.items()]
        for worker in workers:
            worker.result()
    results.table()
    failed = sum(bool(row["wrong"]) for row in results.rows)
    minutes = (time.monotonic() - begun) / 60
    print(f"{len(results.rows)} files, {failed} failed, seed {seed}, {minutes:.1f} minutes")
    sys.exit(1 if failed or not results.rows else 0)


if __name__ == "__main__":
    main()
