"""What has to be there before anything runs: environments, exported networks; and what they are."""

import datetime
import hashlib
import os
import pathlib
import platform
import re
import subprocess

from peers import HERE, PEERS, ROOT


def install(cache, python, name):
    """The virtual environment of requirements/<name>.txt."""
    venv, requirements = cache / "venv" / name, HERE / "requirements" / f"{name}.txt"
    stamp, wanted = venv / "installed", hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {name}", flush=True)
        subprocess.run([python, "-m", "venv", "--clear", venv], check=True)
        subprocess.run(
            [venv / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements], check=True
        )
        stamp.write_text(wanted)
    return venv


def export(cache, python):
    """Networks and expected answers, written where Keras is; onnx goes beside it, so as not to count as the peer's."""
    models, onnx = cache / "models", cache / "onnx"
    venv = install(cache, python, "fastapi-keras")
    if not onnx.exists():
        pip = [venv / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", onnx]
        subprocess.run([*pip, "-r", HERE / "requirements" / "export.txt"], check=True)
    sources = [*(ROOT / "weights").glob("*.keras"), HERE / "export.py", *(ROOT / "benches" / "engine").glob("*.py")]
    answers = models / "expected.json"
    if not answers.exists() or answers.stat().st_mtime < max(file.stat().st_mtime for file in sources):
        path = os.pathsep.join(filter(None, [str(onnx), os.environ.get("PYTHONPATH")]))
        env = dict(os.environ, PYTHONPATH=path, TF_CPP_MIN_LOG_LEVEL="3")
        subprocess.run([venv / "bin" / "python", HERE / "export.py", models], check=True, env=env)
    return models


def installed_bytes(peer, place):
    """Packages without pip and setuptools, which serve nothing; Python itself is not counted."""
    if peer.venv is None:
        return pathlib.Path(peer.command(place)[0]).stat().st_size
    skipped = ("pip", "setuptools", "_distutils_hack")
    folders = [entry for entry in place.packages.iterdir() if not entry.name.startswith(skipped)]
    listing = subprocess.run(
        ["du", "-sbc", "--exclude=__pycache__", *folders], capture_output=True, text=True, check=True
    )
    return int(listing.stdout.splitlines()[-1].split()[0])


def versions(options):
    def output(*command):
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    wanted = {"fastapi", "uvicorn", "keras", "tensorflow_cpu", "onnxruntime"}
    wanted |= {"litserve", "bentoml", "mlserver", "nvidia-pytriton"}
    found = {}
    for venv in sorted({peer.venv for peer in PEERS if peer.venv}):
        lines = (HERE / "requirements" / f"{venv}.txt").read_text().splitlines()
        found[venv] = [line for line in lines if line.split("==")[0] in wanted]
    cpu = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "python": output(options.python, "--version"),
        "h2load": output("h2load", "--version"),
        "kiln": output(options.kiln, "--version"),
        "commit": output("git", "-C", ROOT, "describe", "--always", "--dirty"),
        "packages": found,
        "command": f"python3 benches/serving/run.py --rounds {options.rounds} --seconds {options.seconds:g}",
    }
