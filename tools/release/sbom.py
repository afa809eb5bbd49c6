"""What is in the binary, as CycloneDX 1.6: each crate with its version, licence, checksum and what it needs."""

import json
import subprocess
import tomllib
import uuid
from datetime import datetime, timezone

from compiled import architecture


def write(bill, output, package, target):
    path = output / f"{package['name']}-{package['version']}-{architecture(target)}-linux.cdx.json"
    path.write_text(json.dumps(bill, indent=1) + "\n")
    return path


def of(root, package, target):
    crates, needs = described(root, target), linked(root, target)
    sums = checksums(root)
    kiln = (package["name"], package["version"])
    top = component(crates[kiln], sums) | {"type": "application"}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"{top['purl']}?target={target}&time={package['time']}").urn,
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(package["time"], timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": top,
            "properties": [{"name": "cargo:target", "value": target}],
        },
        "components": [component(crates[crate], sums) for crate in sorted(needs) if crate != kiln],
        "dependencies": [
            {"ref": reference(*crate), "dependsOn": [reference(*other) for other in sorted(others)]}
            for crate, others in sorted(needs.items())
        ],
    }


def described(root, target):
    """What each crate says of itself."""
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform", target]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return {(crate["name"], crate["version"]): crate for crate in json.loads(said)["packages"]}


def linked(root, target):
    """What goes into the binary, and what needs what: no build scripts, tests or derive macros.

    From `cargo tree`, as `cargo metadata` has crates too that only a feature would bring which is off.
    """
    command = ["cargo", "tree", "--locked", "--target", target, "--edges", "normal,no-proc-macro"]
    command += ["--prefix", "depth", "--format", " {p}", "--charset", "ascii"]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    needs, above = {}, []
    for line in said.splitlines():
        depth, name, version = line.split()[:3]
        crate = (name, version.removeprefix("v"))
        del above[int(depth) :]
        if above:
            needs[above[-1]].add(crate)
        needs.setdefault(crate, set())
        above.append(crate)
    return needs


def checksums(root):
    lock = tomllib.loads((root / "Cargo.lock").read_text())
    return {(crate["name"], crate["version"]): crate.get("checksum") for crate in lock["package"]}


def reference(name, version):
    return f"pkg:cargo/{name}@{version}".replace("+", "%2B")


def component(crate, sums):
    purl = reference(crate["name"], crate["version"])
    made = {
        "type": "library",
        "bom-ref": purl,
        "name": crate["name"],
        "version": crate["version"],
        "purl": purl,
    }
    if crate["description"]:
        made["description"] = " ".join(crate["description"].split())
    if crate["license"]:
        # Older crates write a slash for OR.
        made["licenses"] = [{"expression": crate["license"].replace(" / ", " OR ").replace("/", " OR ")}]
    if checksum := sums.get((crate["name"], crate["version"])):
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if crate["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": crate["repository"]}]
    return made
