"""The same configuration files with plain processes on loopback, for a machine that cannot run containers. What differs
from them is said aloud: addresses, and how the instances are found."""

import asyncio
import os
import re
import signal
import subprocess
import urllib.request

import yaml
from images import REPOSITORY

GRPC, HTTP, METRICS, ADMIN, PROMETHEUS = 25051, 28000, 29902, 29901, 29090


class PlainStack:
    """Kiln on 127.0.0.11, .12 and so on, Envoy and Prometheus beside it."""

    kind = "plain processes with the same configuration files; NOT the containers"
    grpc, http, prometheus = f"127.0.0.1:{GRPC}", f"127.0.0.1:{HTTP}", f"127.0.0.1:{PROMETHEUS}"

    def __init__(self, folder, binary, envoy, report):
        self.folder, self.binary, self.envoy = folder / "plain", binary, envoy
        self.folder.mkdir(parents=True, exist_ok=True)
        self.running, self.servers, self.front_is_up = {}, [], False
        for what in ("compose.yaml itself", "compose/Dockerfile", "limits of CPU and memory", "finding instances by DNS"):
            report.not_proved(f"{what}: this machine cannot run containers")

    def prepare(self, history):
        data = self.folder / "data"
        subprocess.run(["rm", "-rf", data], check=True)
        (self.folder / "history.txt").write_text(history)
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", self.folder / "history.txt", data], check=True, stdout=subprocess.DEVNULL)
        self._write_instances([])
        (self.folder / "envoy.yaml").write_text(yaml.safe_dump(self._envoy_config()))
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(self._prometheus_config()))

    def _envoy_config(self):
        """compose/envoy/envoy.yaml on loopback; the instances come from a file instead of DNS."""
        text = (REPOSITORY / "compose/envoy/envoy.yaml").read_text()
        ports = {50051: GRPC, 8000: HTTP, 9902: METRICS, 9901: ADMIN}
        config = yaml.safe_load(text)
        config["node"] = {"id": "proof", "cluster": "proof"}
        config["admin"]["address"]["socket_address"]["port_value"] = ADMIN
        for listener in config["static_resources"]["listeners"]:
            address = listener["address"]["socket_address"]
            address.update(address="127.0.0.1", port_value=ports[address["port_value"]])
        for cluster in config["static_resources"]["clusters"]:
            if cluster["name"] == "admin":
                cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"] = ADMIN
                continue
            del cluster["cluster_type"], cluster["load_assignment"]
            source = {"path": str(self.folder / f"{cluster['name']}.yaml"), "watched_directory": {"path": str(self.folder)}}
            cluster.update(type="EDS", eds_cluster_config={"eds_config": {"path_config_source": source, "resource_api_version": "V3"}})
        return config

    def _prometheus_config(self):
        text = (REPOSITORY / "compose/prometheus/prometheus.yml").read_text()
        config = yaml.safe_load(text)
        config["rule_files"] = [str(REPOSITORY / "compose/prometheus/rules/*.yml")]
        for job in config["scrape_configs"]:
            if job.pop("dns_sd_configs", None):
                job["file_sd_configs"] = [{"files": [str(self.folder / "targets.yml")], "refresh_interval": "5s"}]
            elif job["job_name"] == "envoy":
                job["static_configs"] = [{"targets": [f"127.0.0.1:{METRICS}"]}]
            else:
                job["static_configs"] = [{"targets": [self.prometheus]}]
        return config

    def _write_instances(self, addresses):
        """Tells Envoy and Prometheus which instances there are; renamed into place, as Envoy watches for that."""
        self._replace("targets.yml", [{"targets": [f"{address}:8000" for address in addresses]}])
        for name, port in (("kiln_grpc", 50051), ("kiln_http", 8000)):
            ends = [{"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}} for address in addresses]
            assignment = {
                "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": ends}],
            }
            self._replace(f"{name}.yaml", {"version_info": str(addresses), "resources": [assignment]})

    def _replace(self, name, content):
        new = self.folder / f"{name}.new"
        new.write_text(yaml.safe_dump(content))
        new.rename(self.folder / name)

    def _spawn(self, name, *command):
        log = (self.folder / f"{name}.log").open("a")
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, start_new_session=True)
        self.servers.append(process)
        return process

    def _start(self, address):
        self.running[address] = self._spawn(
            f"kiln-{address}", self.binary, "serve", f"--grpc-listen={address}:50051", f"--http-listen={address}:8000", "--threads=1"
        )

    async def up(self, instances):
        wanted = [f"127.0.0.{11 + number}" for number in range(instances)]
        for address in wanted:
            if address not in self.running:
                self._start(address)
        for address in wanted:
            await self._answers(f"http://{address}:8000/readyz")
        # As with containers: one that goes is first told to, and leaves the list when it is told.
        self._write_instances(wanted)
        for address in [each for each in self.running if each not in wanted]:
            process = self.running.pop(address)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 15)
        if not self.front_is_up:
            self.front_is_up = True
            self._spawn("envoy", self.envoy, "-c", self.folder / "envoy.yaml", "--log-level", "warning", "--use-dynamic-base-id")
            self._spawn(
                "prometheus", "prometheus", f"--config.file={self.folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.folder / 'data'}", f"--web.listen-address={self.prometheus}", "--storage.tsdb.retention.time=15d",
            )
            await self._answers(f"http://{self.prometheus}/-/ready")
        await self._answers(f"http://127.0.0.1:{HTTP}/readyz")

    @staticmethod
    async def _answers(url):
        def once():
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status

        for _ in range(120):
            try:
                await asyncio.to_thread(once)
                return
            except OSError:
                await asyncio.sleep(0.25)
        raise RuntimeError(f"nothing answers at {url}")

    async def instances(self):
        return {address: f"{address}:8000" for address in self.running}

    async def kill(self, name):
        self.running[name].kill()
        self.running[name].wait()
        left = [address for address in self.running if address != name]
        self._write_instances(left)

    async def revive(self, name):
        self._start(name)
        await self._answers(f"http://{name}:8000/readyz")
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
        for process in self.servers:
            if process.poll() is None:
                process.terminate()
        for process in self.servers:
            process.wait(20)
