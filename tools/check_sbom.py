#!/usr/bin/env python3
"""Whether SBOMs are CycloneDX by its own schema, and whole. Wants cyclonedx-python-lib[json-validation]."""

import json
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

for path in sys.argv[1:]:
    text = Path(path).read_text()
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"{path}: {wrong}")
    bill = json.loads(text)
    names = {component["name"] for component in bill["components"]}
    # What is linked is there, what only builds or tests is not.
    assert {"burn-flex", "hyper", "tokio"} <= names, names
    assert not {"protox", "syn", "tempfile", "burn-ndarray"} & names, names
    assert all(component.get("licenses") and component.get("hashes") for component in bill["components"]), path
    print(f"{path}: {len(names)} crates, as CycloneDX 1.6 wants it")
