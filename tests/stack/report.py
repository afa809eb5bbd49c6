"""What was proved, line by line."""

import time


class Report:
    """Checks as they come; `failed` and `gaps` at the end."""

    def __init__(self):
        self.started, self.passed, self.failed, self.gaps = time.monotonic(), 0, 0, []

    def step(self, title):
        print(f"\n[{time.monotonic() - self.started:4.0f} s] {title}", flush=True)

    def check(self, promise, kept, seen=""):
        """A promise, whether it is kept, and what was seen."""
        self.passed, self.failed = self.passed + bool(kept), self.failed + (not kept)
        print(f"  {'ok  ' if kept else 'FAIL'} {promise}" + (f": {seen}" if seen else ""), flush=True)
        return kept

    def say(self, text):
        print(f"       {text}", flush=True)

    def not_proved(self, what):
        """A gap, loudly; it is repeated at the end."""
        self.gaps.append(what)
        print(f"  !!!! NOT PROVED: {what}", flush=True)

    def end(self):
        """The closing lines; the exit code."""
        print()
        for gap in self.gaps:
            print(f"NOT PROVED: {gap}")
        print(f"stack: {self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0
