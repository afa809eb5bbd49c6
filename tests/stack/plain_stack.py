"""The same configuration files with plain processes on loopback, for a machine that cannot run containers. What differs
from them is said aloud: addresses, and how the instances are found."""

import asyncio
import os
import re
import signal
import subprocess

import yaml
from front import Front, answers, replace, spawn, stop
from images import REPOSITORY


class PlainStack:
    """Kiln on 127.0.0.11, .12 and so on, Envoy and Prometheus beside it."""

    kind = "plain processes with the same configuration files; NOT the containers"
    grpc, http, prometheus = Front.grpc, Front.http, "127.0.0.1:29090"

    def __init__(self, folder, binary, envoy, report):
        self.folder, self.binary = folder / "plain", binary
        self.front = Front(self.folder, envoy)
        self.running, self.servers = {}, []
        self.model = {}
        for what in ("compose.yaml itself", "compose/Dockerfile", "limits of CPU and memory", "finding instances by DNS"):
            report.not_proved(f"{what}: this machine cannot run containers")

    def prepare(self, history):
        data = self.folder / "data"
        subprocess.run(["rm", "-rf", data], check=True)
        (self.folder / "history.txt").write_text(history)
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", self.folder / "history.txt", data], check=True, stdout=subprocess.DEVNULL)
        self._write_instances([])
        self.front.prepare()
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(self._prometheus_config()))

    def _prometheus_config(self):
        text = (REPOSITORY / "compose/prometheus/prometheus.yml").read_text()
        config = yaml.safe_load(text)
        config["rule_files"] = [str(REPOSITORY / "compose/prometheus/rules/*.yml")]
        for job in config["scrape_configs"]:
            if job.pop("dns_sd_configs", None):
                job["file_sd_configs"] = [{"files": [str(self.folder / "targets.yml")], "refresh_interval": "5s"}]
            elif job["job_name"] == "envoy":
                job["static_configs"] = [{"targets": [Front.metrics]}]
            else:
                job["static_configs"] = [{"targets": [self.prometheus]}]
        return config

    def _write_instances(self, addresses):
        """Tells Envoy and Prometheus which instances there are."""
        replace(self.folder / "targets.yml", [{"targets": [f"{address}:8000" for address in addresses]}])
        self.front.set_instances(addresses)

    def _spawn(self, name, *command, **options):
        process = spawn(self.folder, name, *command, **options)
        self.servers.append(process)
        return process

    def _start(self, address):
        self.running[address] = self._spawn(
            f"kiln-{address}", self.binary, "serve", f"--grpc-listen={address}:50051", f"--http-listen={address}:8000", "--threads=1",
            **self.model,
        )

    async def up(self, instances):
        wanted = [f"127.0.0.{11 + number}" for number in range(instances)]
        for address in wanted:
            if address not in self.running:
                self._start(address)
        for address in wanted:
            await answers(f"http://{address}:8000/readyz")
        # As with containers: one that goes is first told to, and leaves the list when it is told.
        self._write_instances(wanted)
        for address in [each for each in self.running if each not in wanted]:
            process = self.running.pop(address)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 15)
        if self.front.process is None:
            self.front.start()
            self.servers.append(self.front.process)
            self._spawn(
                "prometheus", "prometheus", f"--config.file={self.folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.folder / 'data'}", f"--web.listen-address={self.prometheus}", "--storage.tsdb.retention.time=15d",
            )
            await answers(f"http://{self.prometheus}/-/ready")
        if wanted:
            await answers(f"http://{self.http}/readyz")

    async def serve(self, folder, model):
        """Another model, in the instances' working folder as it is in their containers."""
        await self.up(0)
        self.model = {"cwd": folder, "env": {**os.environ, "KILN_MODEL": model}}
        await self.up(1)

    async def instances(self):
        return {address: f"{address}:8000" for address in self.running}

    async def kill(self, name):
        self.running[name].kill()
        self.running[name].wait()
        left = [address for address in self.running if address != name]
        self._write_instances(left)

    async def revive(self, name):
        self._start(name)
        await answers(f"http://{name}:8000/readyz")
        self._write_instances(list(self.running))

    async def limits(self, name):
        """As DockerStack.limits; nothing holds a process back here."""
        with open(f"/proc/{self.running[name].pid}/stat", encoding="ascii") as content:
            fields = content.read().rsplit(")", 1)[1].split()
        with open(f"/proc/{self.running[name].pid}/status", encoding="ascii") as content:
            peak = int(re.search(r"VmHWM:\s+(\d+)", content.read())[1]) * 1024
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 0, peak, None

    async def logs(self):
        return "\n".join(f"== {log.name}\n" + "\n".join(log.read_text().splitlines()[-15:]) for log in sorted(self.folder.glob("*.log")))

    def stop(self):
        stop(self.servers)
