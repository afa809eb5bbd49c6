#!/usr/bin/env python3
"""Run the README's own commands against a running server and compare with the answers it prints.

    python tools/check_readme.py

Expects `kiln serve` on localhost:50051 and 8000, grpcurl, curl and `python -m grpc_tools` on
the path. Exits 1 if the README promises something else than what happens.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CALLERS = ("python3 -m venv ", ". .venv/", "pip ")


def blocks(text):
    """(language, code) of each fenced block, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(command, cwd=ROOT):
    print("$", command.strip())
    done = subprocess.run(["bash", "-euc", command], cwd=cwd, capture_output=True, text=True, timeout=120)
    if done.returncode:
        sys.exit(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
    print(done.stdout)
    return done.stdout


def check_grpcurl(fences):
    index = next(i for i, (_, code) in enumerate(fences) if code.startswith("grpcurl"))
    printed, found = json.loads(fences[index + 1][1]), json.loads(run(fences[index][1]))
    for answer in (printed, found):
        for time in ("queueMicros", "computeMicros"):
            answer.pop(time, None)
        for probability in answer.pop("probabilities"):
            assert 0 <= probability <= 1, answer
        answer["confidence"] = round(answer["confidence"], 4)
    if printed != found:
        sys.exit(f"the README prints {printed}\nthe server answers {found}")


def check_curl(fences):
    index = next(i for i, (_, code) in enumerate(fences) if code.startswith("curl") and "/predict" in code)
    printed = json.loads(fences[index + 1][1])
    found = [json.loads(run(line)) for line in fences[index][1].splitlines()]
    if [answer["digit"] for answer in found] != ["7", "3", "7"]:
        sys.exit(f"the server answers {found}")
    for answer in (printed, found[0]):
        answer.pop("timing")
        answer["confidence"] = round(answer["confidence"], 4)
        answer["probabilities"] = len(answer["probabilities"])
        answer["classes"] = [answer["classes"][0]["class"], len(answer["classes"])]
    if printed != found[0]:
        sys.exit(f"the README prints {printed}\nthe server answers {found[0]}")


def check_python(fences):
    generate = next(code for _, code in fences if "grpc_tools.protoc" in code)
    client = next(code for language, code in fences if language == "python")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("proto", "examples"):
            (Path(folder) / name).symlink_to(ROOT / name)
        # The environment is the caller's.
        run("\n".join(line for line in generate.splitlines() if not line.startswith(CALLERS)), folder)
        (Path(folder) / "client.py").write_text(client)
        answer = run(f"{sys.executable} client.py", folder)
    if not answer.startswith("3 "):
        sys.exit(f"examples/three.jpg is no {answer}")


def main():
    fences = blocks((ROOT / "README.md").read_text())
    check_grpcurl(fences)
    check_curl(fences)
    check_python(fences)
    print("README: 3 passed, 0 failed")


if __name__ == "__main__":
    main()
