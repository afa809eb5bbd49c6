"""What a release consists of, into one folder:

    python3 tools/release                             # for x86-64 and aarch64, compiled here
    python3 tools/release --target x86_64-unknown-linux-gnu --binary target/x86_64-unknown-linux-gnu/release/kiln
    python3 tools/release --image                     # and the container image, in the local Docker

For each target an archive with the static binary, a wheel (`pip install` gives the `kiln` command) and an SBOM in
CycloneDX; SHA256SUMS for all of them. Packed twice from the same binary and commit, each is the same, byte for byte.
Standard library only.
"""

import argparse
import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

import archive
import compiled
import image
import sbom
import wheel

ROOT = Path(__file__).resolve().parent.parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "target" / "dist")
    parser.add_argument("--target", action="append", choices=compiled.TARGETS, help="may be repeated; all without it")
    parser.add_argument("--binary", type=Path, help="one already compiled, for the one --target")
    parser.add_argument("--image", action="store_true", help="build the container image of this machine's target too")
    options = parser.parse_args()
    targets = options.target or list(compiled.TARGETS)
    if options.binary and len(targets) != 1:
        parser.error("--binary is for one --target")
    if not options.binary and (missing := [line for target in targets for line in compiled.missing(target)]):
        sys.exit("\n".join(["This machine cannot compile all of it:", *missing]))

    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    package["time"] = committed()
    options.output.mkdir(parents=True, exist_ok=True)
    made = []
    for target in targets:
        binary = options.binary or compiled.build(ROOT, target)
        compiled.check(binary, target)
        bill = sbom.of(ROOT, package, target)
        made += [
            sbom.write(bill, options.output, package, target),
            archive.write(ROOT, options.output, package, target, binary),
            wheel.write(ROOT, options.output, package, target, binary, bill),
        ]
        if options.image and target == compiled.host():
            image.build(ROOT, package, binary)
    sums = options.output / "SHA256SUMS"
    sums.write_text("".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(made)))
    for path in [*sorted(made), sums]:
        print(f"{path}: {path.stat().st_size:,} bytes")


def committed():
    """When this commit was made: the time of every file, so that a second run gives the same bytes."""
    said = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return int(said)


if __name__ == "__main__":
    main()
