#!/usr/bin/env python3
"""Kiln with more to do than it can: what it still answers, how soon, and whether a health check is held up.

    cargo build --release --bin kiln && cargo build --release --example noop --example press
    python3 benches/serving/overload.py target/release [--seconds 4]

The server has core 0, h2load (Debian's nghttp2-client) and the health checks share core 1, so the latter are an upper
bound. The loads are 128 calls at once over 4 connections, and 64 to 4,096 over 64; the last is twice what Kiln lets in,
and each refusal is followed by another call at once. Answers, and how soon they came, are taken from Kiln's own
histogram, as is how long its thread takes to turn to a socket ("event loop"); the health checks go over a connection of
their own.

At the end one thread is compared with two, for Kiln and for the server that does nothing. Two threads have both cores
and share them with the load, which is therefore `press`, at a fraction of what h2load takes; the processor time that an
answer takes of the server does not know the load at all.
"""

import argparse
import contextlib
import pathlib
import re
import statistics
import subprocess
import tempfile
import threading
import time
import typing
import urllib.request

import load
import peers
import wire

GRPC, HTTP = 50061, 50062
ANSWERED = r'call_duration_seconds_bucket{rpc_method="mnist.v1.MnistService/Predict",rpc_status_code="OK",'
LOOP = "kiln_event_loop_delay_seconds_bucket{"
CALL = peers.mnist(2, "pixels")
# Connections, and calls of each at once.
LOADS = ((4, 32), *((64, streams) for streams in (1, 2, 4, 8, 16, 32, 64)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    overload(options)
    two_threads(options)


def overload(options):
    print("| network | calls at once | answered/s | p99, ms | refused/s | health check p50, p99, ms |", end="")
    print(" event loop p50, most, ms |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for network in ("mnist-mlp", "mnist"):
        found = {calls: [] for calls in LOADS}
        with serving(kiln(options, 1), "0"):
            h2load(network, 4, 32, 1, "1")
            for calls in LOADS * 3:
                found[calls].append(measure(network, *calls, options.seconds))
        for (connections, streams), runs in found.items():
            middle = Measured(*map(statistics.median, zip(*runs)))
            load_name = f"{connections * streams:,} over {connections}"
            print(f"| `{network}` | {load_name} | {middle.cells()} |", flush=True)


class Measured(typing.NamedTuple):
    """Answers and refusals a second; seconds."""

    answered: float
    p99: float
    refused: float
    check_p50: float
    check_p99: float
    turn_p50: float
    turn_most: float

    def cells(self):
        rates = f"{self.answered:,.0f} | {self.p99 * 1e3:.1f} | {self.refused:,.0f}"
        checks = f"{self.check_p50 * 1e3:.2f}, {self.check_p99 * 1e3:.1f}"
        return f"{rates} | {checks} | {self.turn_p50 * 1e3:.2f}, {self.turn_most * 1e3:.1f}"


def two_threads(options):
    print("\n| server | one thread/s | two threads/s | ratio | of the processor, µs: one thread, two |")
    print("|---|--:|--:|--:|--:|")
    for name, network in (("no-op", "mnist-mlp"), ("`mnist-mlp`", "mnist-mlp"), ("`mnist`", "mnist")):
        found = {1: [], 2: []}
        for _ in range(3):
            for threads, cores, load_cores in ((1, "0", "1"), (2, "0,1", "0,1")):
                noop = [options.binaries / "examples" / "noop", f"127.0.0.1:{GRPC}", str(threads)]
                with serving(noop if name == "no-op" else kiln(options, threads), cores) as server:
                    press(options, network, 0.5, load_cores)
                    before = server.seconds()
                    count, rate = press(options, network, options.seconds / 2, load_cores)
                    found[threads].append((rate, (server.seconds() - before) / count * 1e6))
        one, two = (sorted(found[threads])[1] for threads in (1, 2))
        rates = f"{one[0]:,.0f} | {two[0]:,.0f} | {two[0] / one[0]:.2f}"
        print(f"| {name} | {rates} | {one[1]:.1f}, {two[1]:.1f} |", flush=True)


def press(options, network, seconds, cores):
    """Answers in all and a second."""
    with request(network) as file:
        command = ["taskset", "-c", cores, options.binaries / "examples" / "press", f"127.0.0.1:{GRPC}", CALL.path]
        command += [file, "8", "32", str(seconds)]
        found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    answered, refused, rate = map(int, re.findall(r"\d+", found))
    assert refused == 0, found
    return answered, rate


def kiln(options, threads):
    addresses = [f"--grpc-listen=127.0.0.1:{GRPC}", f"--http-listen=127.0.0.1:{HTTP}"]
    return [options.binaries / "kiln", "serve", f"--threads={threads}", *addresses, "--log=error"]


class serving:
    def __init__(self, command, cores):
        self.command = ["taskset", "-c", cores, *command]

    def __enter__(self):
        self.process = subprocess.Popen(self.command)
        while True:
            with contextlib.suppress(OSError, ValueError):  # not there yet, or not ready
                CALL.ask(GRPC, body("mnist"))
                return self
            time.sleep(0.02)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def seconds(self):
        """What it has had of the processors."""
        return load.cpu_seconds([self.process.pid])


def body(network):
    return CALL.encode(None, bytes(784), network)


@contextlib.contextmanager
def request(network):
    """The name of a file with the body of a call."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(body(network))
        file.flush()
        yield file.name


def h2load(network, connections, streams, seconds, core):
    """Without the log of each call that `load.h2load` reads afterwards: what is asked for here is counted by Kiln."""
    with request(network) as file:
        command = ["taskset", "-c", core, "h2load", "-t1", f"-c{connections}", f"-m{streams}"]
        command += [f"-D{seconds * 1000:.0f}ms", "-d", file]
        for name, value in CALL.headers.items():
            command += ["-H", f"{name}: {value}"]
        subprocess.run([*command, f"http://127.0.0.1:{GRPC}{CALL.path}"], check=True, capture_output=True)


def scrape():
    return urllib.request.urlopen(f"http://127.0.0.1:{HTTP}/metrics", timeout=30).read().decode()


def buckets(text, begin):
    """What a histogram has counted so far, by its upper bounds in seconds."""
    return {float(bound): int(count) for bound, count in re.findall(rf'{begin}.*?le="(.*?)"}} (\d+)', text)}


def since(before, after, begin):
    earlier = buckets(before, begin)
    return {bound: count - earlier.get(bound, 0) for bound, count in buckets(after, begin).items()}


def refused(text):
    return int(re.search(r'rejections_total{reason="queue_full"} (\d+)', text)[1])


def measure(network, connections, streams, seconds):
    before, began = scrape(), time.perf_counter()
    health = Health()
    health.start()
    h2load(network, connections, streams, seconds, "1")
    took = time.perf_counter() - began
    times = health.end()
    after = scrape()
    calls, loop = since(before, after, ANSWERED), since(before, after, LOOP)
    total = max(calls.values())
    return Measured(
        total / took,
        quantile(calls, 0.99 * total),
        (refused(after) - refused(before)) / took,
        *(load.percentile(times, share) for share in (0.5, 0.99)),
        *(quantile(loop, share * max(loop.values())) for share in (0.5, 1.0)),
    )


def quantile(calls, rank):
    """As Prometheus's histogram_quantile: along a straight line within the bucket."""
    low, below = 0.0, 0
    for bound in sorted(calls):
        if calls[bound] >= rank:
            return low + (bound - low) * (rank - below) / max(calls[bound] - below, 1)
        low, below = bound, calls[bound]
    return low


class Health(threading.Thread):
    """Asks gRPC's health service every few milliseconds over one connection."""

    def __init__(self):
        super().__init__()
        self.ended, self.times = threading.Event(), []

    def run(self):
        block = wire.header_block("/grpc.health.v1.Health/Check", peers.GRPC)
        with wire.Connection(GRPC, 30) as connection:
            while not self.ended.wait(0.005):
                began = time.perf_counter()
                connection.call(block, wire.grpc_message(b""))
                self.times.append(time.perf_counter() - began)

    def end(self):
        self.ended.set()
        self.join()
        return self.times


if __name__ == "__main__":
    main()
