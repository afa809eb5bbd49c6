"""The container image from a binary that is already compiled, by the Dockerfile that otherwise compiles it."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def build(root, package, binary):
    if not shutil.which("docker") or subprocess.run(["docker", "buildx", "version"], capture_output=True).returncode:
        sys.exit("--image wants Docker with buildx")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy2(binary, Path(folder) / "kiln")
        command = ["docker", "buildx", "build", "--load", "--file", "compose/Dockerfile"]
        # In the place of the stage that compiles.
        command += ["--build-context", f"build={folder}", "--build-arg", f"VERSION={package['version']}"]
        subprocess.run([*command, "--tag", f"kiln:{package['version']}", "."], cwd=root, check=True)
