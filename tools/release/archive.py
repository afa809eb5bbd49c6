"""kiln-VERSION-ARCHITECTURE-linux.tar.gz: the binary and what its licences ask for."""

import gzip
import io
import tarfile

from compiled import architecture


def write(root, output, package, target, binary):
    name = f"{package['name']}-{package['version']}-{architecture(target)}-linux"
    path = output / f"{name}.tar.gz"
    files = [("kiln", binary, 0o755)]
    files += [(file, root / file, 0o644) for file in ("README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT")]
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=package["time"]) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for file, source, mode in files:
            data = source.read_bytes()
            entry = tarfile.TarInfo(f"{name}/{file}")
            entry.size, entry.mode, entry.mtime = len(data), mode, package["time"]
            archive.addfile(entry, io.BytesIO(data))
    return path
