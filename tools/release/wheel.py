"""A wheel that holds the static binary as a script, so that `pip install kiln-serve` gives the `kiln` command."""

import base64
import hashlib
import json
import time
import zipfile

from compiled import architecture

NAME = "kiln-serve"
"""On the Python Package Index, where `kiln` is taken."""
TAGS = {"x86_64": "manylinux2014_x86_64.musllinux_1_1_x86_64", "aarch64": "manylinux2014_aarch64.musllinux_1_1_aarch64"}
"""A static binary needs no C library at all, so it runs wherever either is."""


def write(root, output, package, target, binary, bill):
    stem = f"{NAME.replace('-', '_')}-{package['version']}"
    tag = f"py3-none-{TAGS[architecture(target)]}"
    path = output / f"{stem}-{tag}.whl"
    info = f"{stem}.dist-info"
    files = {
        f"{stem}.data/scripts/kiln": binary.read_bytes(),
        f"{info}/METADATA": metadata(root, package).encode(),
        f"{info}/WHEEL": wheel(tag).encode(),
        f"{info}/licenses/LICENSE-APACHE": (root / "LICENSE-APACHE").read_bytes(),
        f"{info}/licenses/LICENSE-MIT": (root / "LICENSE-MIT").read_bytes(),
        # PEP 770: the SBOM lies in the wheel that it describes.
        f"{info}/sboms/kiln.cdx.json": json.dumps(bill, indent=1).encode(),
    }
    record = f"{info}/RECORD"
    files[record] = "".join([*(row(name, data) for name, data in files.items()), f"{record},,\n"]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, time.gmtime(package["time"])[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if "/scripts/" in name else 0o100644) << 16
            archive.writestr(entry, data)
    return path


def row(name, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def metadata(root, package):
    heading = [
        "Metadata-Version: 2.4",
        f"Name: {NAME}",
        f"Version: {package['version']}",
        f"Summary: {package['description']}",
        f"License-Expression: {package['license']}",
        "License-File: LICENSE-APACHE",
        "License-File: LICENSE-MIT",
        "Requires-Python: >=3.8",
        "Classifier: Environment :: Console",
        "Classifier: Operating System :: POSIX :: Linux",
        "Classifier: Programming Language :: Rust",
        "Classifier: Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(heading) + "\n\n" + (root / "README.md").read_text()


def wheel(tag):
    python, abi, platforms = tag.split("-")
    tags = [f"Tag: {python}-{abi}-{platform}" for platform in platforms.split(".")]
    return "\n".join(["Wheel-Version: 1.0", "Generator: kiln tools/release", "Root-Is-Purelib: false", *tags]) + "\n"
