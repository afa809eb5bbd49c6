#!/usr/bin/env python3
"""Makes the fuzzer's first inputs in fuzz/corpus/keras from the models in tests/fixtures."""

import json
import struct
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "tests" / "fixtures"
# What fuzz_targets/parts.rs makes of the first byte.
WHOLE_FILE, KINDS = 0, {"3": 1, "2.15": 2, "2.13": 3}


def parts(path):
    """An archive as configuration and weights, which are zipped again behind every change."""
    with zipfile.ZipFile(path) as archive:
        version = json.loads(archive.read("metadata.json"))["keras_version"]
        config, weights = archive.read("config.json"), archive.read("model.weights.h5")
    kind = next(kind for start, kind in KINDS.items() if version.startswith(start))
    return bytes([kind]) + struct.pack("<I", len(config)) + config + weights


def main():
    folder = HERE / "corpus" / "keras"
    folder.mkdir(parents=True, exist_ok=True)
    models = [path for kind in ("keras", "parity") for path in (FIXTURES / kind).iterdir()]
    for path in sorted(models):
        if path.suffix in (".keras", ".h5"):
            (folder / f"{path.name}.whole").write_bytes(bytes([WHOLE_FILE]) + path.read_bytes())
        if path.suffix == ".keras":
            (folder / f"{path.name}.parts").write_bytes(parts(path))
    print(f"{len(list(folder.iterdir()))} inputs in {folder}")


if __name__ == "__main__":
    main()
