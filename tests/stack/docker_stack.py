"""The stack as compose.yaml describes it, in a Docker daemon of the test's own."""

import asyncio
import os
import signal
import subprocess
import time

import yaml
from images import REPOSITORY, Builder

# Ports of this machine, on loopback, that are no user's.
PORTS = {
    "KILN_GRPC_PORT": "127.0.0.1:25051",
    "KILN_HTTP_PORT": "127.0.0.1:28000",
    "PROMETHEUS_PORT": "127.0.0.1:29090",
    "GRAFANA_PORT": "127.0.0.1:23000",
}
# Grafana is left out: it has no package, and no registry of images is at hand.
SERVICES = ["kiln", "envoy", "prometheus"]


class NoDocker(Exception):
    """This machine cannot run containers; the reason."""


class Daemon:
    """A `dockerd` with its files below `folder`, ended by `stop`."""

    program = "/usr/bin/docker"  # Debian's, which builds without a plugin

    def __init__(self, folder):
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{self.socket}"}
        self.process = None

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "dockerd.pid").unlink(missing_ok=True)
        log = self.folder / "dockerd.log"
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "dockerd.pid"}
        command = ["dockerd", f"--host=unix://{self.socket}", *(f"--{flag}={self.folder / place}" for flag, place in places.items())]
        try:
            with log.open("w") as output:
                self.process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        except OSError as error:
            raise NoDocker(str(error)) from error
        for _ in range(120):
            if self.process.poll() is not None:
                break
            if subprocess.run([self.program, "info"], env=self.environment, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.5)
        self.stop()
        raise NoDocker("dockerd did not start:\n" + "\n".join(log.read_text().splitlines()[-5:]))

    def stop(self):
        """Ends the daemon and what it started."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)


class DockerStack:
    """compose.yaml, unchanged."""

    kind = "containers, as compose.yaml describes them"
    grpc, http, prometheus = PORTS["KILN_GRPC_PORT"], PORTS["KILN_HTTP_PORT"], PORTS["PROMETHEUS_PORT"]

    def __init__(self, folder, binary, envoy, report):
        self.folder, self.binary = folder, binary
        self.daemon = Daemon(folder / "docker")
        self.daemon.start()
        self.compose_program = envoy.parent / "docker-compose"
        self.environment = {**self.daemon.environment, **PORTS, "COMPOSE_PROJECT_NAME": "kiln-proof"}
        self.builder = Builder(self.daemon, folder, self._envoy_binary(envoy), report)

    @staticmethod
    def _envoy_binary(launcher):
        """The file that the Python launcher of the package starts."""
        return next(launcher.parent.parent.glob("lib/*/site-packages/envoy/_bin/envoy"))

    def prepare(self, history):
        """Images, volumes, and the samples of a day ago in Prometheus's volume, before anything runs."""
        config = self._compose_now("config", "--format", "json")
        self.builder.build(yaml.safe_load(config), self.binary)
        self._compose_now("down", "--volumes", "--remove-orphans", "--timeout=1")
        self._compose_now("create", "--no-build", *SERVICES)
        blocks = self.folder / "blocks"
        subprocess.run(["rm", "-rf", blocks], check=True)
        (self.folder / "history.txt").write_text(history)
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", self.folder / "history.txt", blocks], check=True, stdout=subprocess.DEVNULL)
        container = self._compose_now("ps", "--all", "--quiet", "prometheus").strip()
        # Through tar, which keeps the owner: Prometheus is not root.
        tar = subprocess.run(["tar", "-C", blocks, "--owner=65534", "--group=65534", "-c", "."], check=True, capture_output=True)
        self._docker_now("cp", "-", f"{container}:/prometheus", stdin=tar.stdout)

    async def up(self, instances):
        """`docker compose up`, or the change to another number of instances."""
        await self._compose("up", "--detach", "--no-build", "--wait", "--wait-timeout=120", f"--scale=kiln={instances}", *SERVICES)

    async def serve(self, folder, model):
        """`KILN_MODEL_FOLDER=… KILN_MODEL=… docker compose up` in place of what runs."""
        self.environment |= {"KILN_MODEL_FOLDER": str(folder), "KILN_MODEL": model}
        await self.up(1)

    async def instances(self):
        """Running containers of Kiln, as name → address that Prometheus calls the instance."""
        names = (await self._compose("ps", "--format", "{{.Name}}", "kiln")).split()
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}:8000"
        return {name: (await self._docker("inspect", "--format", form, name)).strip() for name in names}

    async def kill(self, name):
        """SIGKILL: no good-bye, no drain."""
        await self._docker("kill", "--signal=KILL", name)

    async def revive(self, name):
        await self._docker("start", name)

    async def limits(self, name):
        """CPU seconds used so far, how often the limit held the container back, its memory at most, and the limit in cores."""
        form = "{{.Id}}"
        identity = (await self._docker("inspect", "--format", form, name)).strip()

        def read(controller, file):
            for pattern in (f"/sys/fs/cgroup/{controller}/docker/{identity}/{file}", f"/sys/fs/cgroup/docker/{identity}/{file}"):
                if os.path.exists(pattern):
                    with open(pattern, encoding="ascii") as content:
                        return content.read()
            return None

        first = read("cpuacct", "cpuacct.usage")
        stat = dict(line.split() for line in (read("cpu", "cpu.stat") or "").splitlines())
        used = int(first) / 1e9 if first else int(stat["usage_usec"]) / 1e6
        peak = read("memory", "memory.max_usage_in_bytes") or read("memory", "memory.peak") or 0
        limit = read("cpu", "cpu.max") or f"{read('cpu', 'cpu.cfs_quota_us')} {read('cpu', 'cpu.cfs_period_us')}"
        quota, period = limit.split()
        return used, int(stat["nr_throttled"]), int(peak), int(quota) / int(period)

    async def logs(self):
        return await self._compose("logs", "--no-color", "--tail=40")

    def stop(self):
        if os.environ.get("KILN_STACK_KEEP"):
            print(f"left running: DOCKER_HOST=unix://{self.daemon.socket}, Prometheus on {self.prometheus}")
            return
        try:
            self._compose_now("down", "--volumes", "--timeout=1")
        finally:
            self.daemon.stop()

    def _command(self, *arguments):
        return [str(self.compose_program), "--project-directory", str(REPOSITORY), *arguments]

    def _compose_now(self, *arguments):
        command = self._command(*arguments)
        return self._checked(subprocess.run(command, env=self.environment, cwd=REPOSITORY, capture_output=True, check=False))

    def _docker_now(self, *arguments, stdin=None):
        command = [self.daemon.program, *arguments]
        return self._checked(subprocess.run(command, env=self.environment, input=stdin, capture_output=True, check=False))

    async def _compose(self, *arguments):
        return await asyncio.to_thread(self._compose_now, *arguments)

    async def _docker(self, *arguments):
        return await asyncio.to_thread(self._docker_now, *arguments)

    @staticmethod
    def _checked(done):
        if done.returncode:
            raise RuntimeError(f"{' '.join(done.args)} failed:\n{done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout.decode()
