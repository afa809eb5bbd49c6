"""Local stand-ins for the images that compose.yaml names, made under those very names from packages and the binary at
hand, for a machine that reaches no registry of images. They live in a daemon of their own (see docker_stack.py), so that
no image of yours is replaced."""

import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BASE = "kiln-stack/debian:bookworm"
LIMIT = 15 * 1000**2

# Instead of compiling for minutes: hands out the binary that was compiled before, where cargo would put it. The rest of
# compose/Dockerfile runs as it is written.
CARGO = """#!/bin/sh
set -eu
while [ $# -gt 0 ]; do
  case $1 in --target) target=$2; shift ;; --release) release=1 ;; --locked) locked=1 ;; esac
  shift
done
test "${locked:-}" = 1
test "${release:-}" = 1
test "$RUSTFLAGS" = "-C target-feature=+crt-static"
mkdir -p "target/$target/release"
cp /kiln.compiled "target/$target/release/kiln"
"""


def is_static(binary):
    """Whether the file runs without a loader: it has no PT_INTERP."""
    described = subprocess.run(["readelf", "--program-headers", binary], capture_output=True, text=True, check=True)
    return "INTERP" not in described.stdout


def images_of(compose):
    """The image of each service, as compose.yaml says."""
    return {name: service["image"] for name, service in compose["services"].items()}


class Builder:
    """Builds the stand-ins with `docker` below `folder`."""

    def __init__(self, docker, folder, envoy, report):
        self.docker, self.folder, self.envoy, self.report = docker, folder, envoy, report

    def build(self, compose, binary):
        """Everything that `compose` names, but for Grafana, of which there is no package."""
        names = images_of(compose)
        self._base()
        self._stand_in(names["envoy"], [(self.envoy, "/usr/local/bin/envoy")], 'CMD ["envoy"]')
        self._stand_in(
            names["prometheus"],
            [(shutil.which("prometheus"), "/bin/prometheus"), (shutil.which("promtool"), "/bin/promtool")],
            'RUN mkdir /prometheus && chown 65534 /prometheus\nWORKDIR /prometheus\nENTRYPOINT ["/bin/prometheus"]',
        )
        if is_static(binary):
            self._kiln(names["kiln"], binary)
        else:
            self.report.not_proved(
                "compose/Dockerfile: the binary given is not static, so Kiln runs on a stand-in of its image. "
                "Compile it as the Dockerfile does to prove the real one."
            )
            self._stand_in(
                names["kiln"],
                [(binary, "/kiln")],
                'USER 10001:10001\nHEALTHCHECK CMD ["/kiln", "healthcheck"]\nENTRYPOINT ["/kiln"]\nCMD ["serve"]',
            )

    def _base(self):
        if self._run("image", "inspect", BASE, check=False).returncode == 0:
            return
        root = self.folder / "debian"
        if not (root / "bin/bash").exists():
            shutil.rmtree(root, ignore_errors=True)
            command = ["debootstrap", "--variant=minbase", "--include=wget", "bookworm", root]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
            self._run("import", "-", BASE, stdin=tar.stdout)

    def _stand_in(self, name, files, instructions):
        context = self.folder / "context"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir(parents=True)
        copies = []
        for source, target in files:
            shutil.copy2(source, context / Path(target).name)
            copies.append(f"COPY {Path(target).name} {target}")
        (context / "Dockerfile").write_text("\n".join([f"FROM {BASE}", *copies, instructions, ""]))
        self._run("build", "--quiet", "--network=none", "--tag", name, context)

    def _kiln(self, name, binary):
        """compose/Dockerfile itself; its builder image has the stand-in for cargo."""
        dockerfile = REPOSITORY / "compose/Dockerfile"
        builder = next(line.split()[1] for line in dockerfile.read_text().splitlines() if line.startswith("FROM rust"))
        cargo = self.folder / "cargo"
        cargo.write_text(CARGO)
        cargo.chmod(0o755)
        compiled = self.folder / "kiln.compiled"
        shutil.copy2(binary, compiled)
        self._stand_in(builder, [(cargo, "/usr/local/bin/cargo"), (compiled, "/kiln.compiled")], 'CMD ["bash"]')
        self._run("build", "--quiet", "--file", dockerfile, "--tag", name, REPOSITORY, buildkit=True)
        inspected = self._run("image", "inspect", "--format", "{{.Size}} {{.Config.User}} {{json .Config.Healthcheck.Test}}", name)
        size, user, check = inspected.stdout.split(" ", 2)
        self.report.check(
            f"the image built by compose/Dockerfile is at most {LIMIT / 1e6:.0f} MB, not root's, and checks its health",
            int(size) <= LIMIT and user == "10001:10001" and "healthcheck" in check,
            f"{int(size) / 1e6:.2f} MB, user {user}, check {check.strip()}",
        )

    def _run(self, *arguments, stdin=None, check=True, buildkit=False):
        environment = {**self.docker.environment, "DOCKER_BUILDKIT": "1" if buildkit else "0"}
        done = subprocess.run(
            [self.docker.program, *map(str, arguments)], stdin=stdin, env=environment, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"docker {arguments[0]} failed:\n{done.stdout}{done.stderr}")
        return done
