"""One server on its core, from its start to the end of all its processes, and whether it answers as Keras does."""

import contextlib
import os
import signal
import subprocess
import time

from load import tree
from peers import environment


class Server:
    def __init__(self, peer, place, options):
        self.peer, self.port = peer, place.port
        self.core, self.load_core = options.server_core, options.load_core
        logs = options.cache / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.log = logs / f"{peer.name}-{place.network}.log"
        command = ["taskset", "-c", str(self.core), *map(str, peer.command(place))]
        work = options.cache / "work"
        work.mkdir(exist_ok=True)
        with open(self.log, "wb") as log:
            self.began = time.perf_counter()
            self.process = subprocess.Popen(
                command,
                env=environment(peer, place),
                cwd=work,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Ends it and whatever it started."""
        pids = tree(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        # Its children tidy up after themselves, if they can.
        patience = time.perf_counter() + 3
        while time.perf_counter() < patience and any(os.path.exists(f"/proc/{pid}") for pid in pids[1:]):
            time.sleep(0.01)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def until_correct(self, call, body, expected, limit=120):
        """Seconds from exec to the first correct answer."""
        problem = None
        while time.perf_counter() - self.began < limit:
            if self.process.poll() is not None:
                break
            try:
                check(self.peer, call, self.port, body, expected)
                return time.perf_counter() - self.began
            except Exception as error:  # whatever a server says that has half started
                problem = error
            time.sleep(0.001)
        tail = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"no correct answer from {self.peer.name}: {problem!r}\n{tail}")


def check(peer, call, port, body, expected):
    answer = call.ask(port, body)
    found = call.decode(answer)
    if len(found) != 10:
        raise ValueError(f"{len(found)} numbers instead of 10")
    furthest = max(abs(a - b) for a, b in zip(found, expected, strict=True))
    if peer.checked and furthest > 1e-4:
        raise ValueError(f"{furthest:.4f} away from what Keras answers")
    return answer
