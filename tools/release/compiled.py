"""The static binary for a target."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

TARGETS = {
    "x86_64-unknown-linux-gnu": "x86_64-linux-gnu-gcc",
    "aarch64-unknown-linux-gnu": "aarch64-linux-gnu-gcc",
}
"""The targets, and the linker that Debian has for each on any machine."""
MACHINES = {"x86_64": 62, "aarch64": 183}
"""What an ELF header calls a processor."""


def architecture(target):
    return target.split("-")[0]


def host():
    said = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return next(line.removeprefix("host: ") for line in said.splitlines() if line.startswith("host: "))


def missing(target):
    """What has to be installed before this machine can compile for `target`, a line each."""
    library = subprocess.run(
        ["rustc", "--print", "target-libdir", "--target", target], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not any(Path(library).glob("libstd-*")):
        yield f"  Rust's library for {target}: rustup target add {target}"
    if target != host() and not shutil.which(TARGETS[target]):
        name = architecture(target).replace("_", "-")
        short = {"x86-64": "amd64", "aarch64": "arm64"}[name]
        yield f"  a linker for {target}: apt-get install gcc-{name}-linux-gnu libc6-dev-{short}-cross"


def build(root, target):
    environment = os.environ | {"RUSTFLAGS": "-C target-feature=+crt-static"}
    if target != host():
        environment[f"CARGO_TARGET_{target.upper().replace('-', '_')}_LINKER"] = TARGETS[target]
    command = ["cargo", "build", "--locked", "--release", "--target", target, "--bin", "kiln"]
    subprocess.run(command, cwd=root, env=environment, check=True)
    return root / "target" / target / "release" / "kiln"


def check(binary, target):
    """Ends the program unless `binary` is a static one for `target`: a wheel with another would install and not run."""
    data = binary.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01" or int.from_bytes(data[18:20], "little") != MACHINES[architecture(target)]:
        sys.exit(f"{binary} is no program for {target}")
    begin, size, count = (int.from_bytes(data[at : at + length], "little") for at, length in ((32, 8), (54, 2), (56, 2)))
    kinds = {int.from_bytes(data[at : at + 4], "little") for at in range(begin, begin + size * count, size)}
    if 3 in kinds:  # PT_INTERP: asks for a dynamic loader
        sys.exit(f"{binary} is not static: compile it with RUSTFLAGS='-C target-feature=+crt-static'")
