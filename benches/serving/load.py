"""h2load and what it did: throughput, percentiles, and what the server's processes used meanwhile."""

import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def tree(root):
    """The process and all that descend from it."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def of_each(pids, read):
    total = 0
    for pid in pids:
        try:
            total += read(pathlib.Path("/proc") / str(pid))
        except OSError:
            continue
    return total


def cpu_seconds(pids):
    def read(folder):
        values = (folder / "stat").read_text().rpartition(")")[2].split()
        return (int(values[11]) + int(values[12])) / TICK

    return of_each(pids, read)


def rss_bytes(pids):
    return of_each(pids, lambda folder: int((folder / "statm").read_text().split()[1]) * PAGE)


def pss_bytes(pids):
    """As rss, but a page that processes share counts once."""

    def read(folder):
        return int(re.search(r"^Pss:\s+(\d+)", (folder / "smaps_rollup").read_text(), re.M)[1]) * 1024

    return of_each(pids, read)


def core_seconds(core):
    """(used by anybody, stolen by the machine below) of a core since boot."""
    values = re.search(rf"^cpu{core} (.*)$", pathlib.Path("/proc/stat").read_text(), re.M)[1].split()
    user, nice, system, _, _, irq, softirq, steal = (int(value) / TICK for value in values[:8])
    return user + nice + system + irq + softirq, steal


class Watch(threading.Thread):
    """What the server used while the load lasted."""

    def __init__(self, root, core, seconds):
        super().__init__()
        self.root, self.core, self.seconds = root, core, seconds

    def run(self):
        pids = tree(self.root)
        cpu, (used, stolen) = cpu_seconds(pids), core_seconds(self.core)
        time.sleep(self.seconds - 0.05)
        pids = tree(self.root)
        self.cpu = cpu_seconds(pids) - cpu
        used_after, stolen_after = core_seconds(self.core)
        self.by_others = max(used_after - used - self.cpu, 0) + stolen_after - stolen
        self.rss, self.pss = rss_bytes(pids), pss_bytes(pids)


def h2load(call, port, connections, streams, seconds, folder, core):
    """Runs it for so long. Its own warm-up is not used: it would count the warm-up's bytes, but not its requests."""
    body, log = pathlib.Path(folder, "body"), pathlib.Path(folder, "log")
    body.write_bytes(call.body)
    log.unlink(missing_ok=True)
    command = ["taskset", "-c", core, "h2load", "-t", "1", "-c", connections, "-m", streams]
    command += ["-D", f"{seconds * 1000:.0f}ms", "--log-file", log, "-d", body]
    command += [] if call.grpc else ["--h1"]
    for name, value in call.headers.items():
        command += ["-H", f"{name}: {value}"]
    command = [str(part) for part in [*command, f"http://127.0.0.1:{port}{call.path}"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120)
    rows = [line.split("\t") for line in log.read_text().splitlines()] if log.exists() else []
    return done.stdout + done.stderr, rows


def percentile(times, share):
    return sorted(times)[min(int(len(times) * share), len(times) - 1)] if times else None


def load(server, call, connections, streams, warm_up, seconds):
    """Loads the server; refuses what did not answer as the checked request did."""
    with tempfile.TemporaryDirectory() as folder:
        h2load(call, server.port, connections, streams, warm_up, folder, server.load_core)
        watch = Watch(server.process.pid, server.core, seconds)
        watch.start()
        output, rows = h2load(call, server.port, connections, streams, seconds, folder, server.load_core)
        watch.join()
    times = [int(row[2]) / 1e6 for row in rows if row[1] == "200"]
    failed = len(rows) - len(times)
    traffic = re.search(r"\((\d+)\) data", output)
    if not (traffic and times):
        raise ValueError(f"h2load measured nothing: {output[-500:]}")
    # An error over gRPC looks like a success to h2load, but it has no answer, so the average is shorter.
    # Kiln's has two times in microseconds, of two bytes each, which are left out when they are zero.
    answer = int(traffic[1]) / len(rows)
    if failed > 0.01 * len(rows) or answer < 0.98 * (call.answer_bytes - 4):
        raise ValueError(f"{failed} of {len(rows)} failed; {answer:.1f} bytes an answer instead of {call.answer_bytes}")
    found = {
        "clients": connections * streams,
        "connections": connections,
        "seconds": seconds,
        "requests": len(times),
        "failed": failed,
        "per_second": len(times) / seconds,
        "p50_ms": statistics.median(times) * 1e3,
        "p99_ms": percentile(times, 0.99) * 1e3,
        "cpu_us_per_request": watch.cpu / len(times) * 1e6 * seconds / (seconds - 0.05),
        "core_used": watch.cpu / seconds,
        "core_lost_to_others": watch.by_others / seconds,
        "rss_mb": watch.rss / 1e6,
        "pss_mb": watch.pss / 1e6,
    }
    return {name: float(f"{value:.4g}") for name, value in found.items()}
