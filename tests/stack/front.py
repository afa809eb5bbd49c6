"""Envoy with compose/envoy/envoy.yaml on loopback, for instances that are plain processes."""

import asyncio
import subprocess
import urllib.request

import yaml
from images import REPOSITORY

GRPC, HTTP, METRICS, ADMIN = 25051, 28000, 29902, 29901


class Front:
    """What differs from the file: addresses, and that the instances come from a file instead of DNS."""

    grpc, http, metrics = f"127.0.0.1:{GRPC}", f"127.0.0.1:{HTTP}", f"127.0.0.1:{METRICS}"

    def __init__(self, folder, program):
        self.folder, self.program, self.process = folder, program, None
        self.folder.mkdir(parents=True, exist_ok=True)

    def prepare(self):
        self.set_instances([])
        (self.folder / "envoy.yaml").write_text(yaml.safe_dump(self._config()))

    def start(self):
        self.process = spawn(self.folder, "envoy", self.program, "-c", self.folder / "envoy.yaml", "--log-level", "warning", "--use-dynamic-base-id")

    def set_instances(self, addresses):
        for name, port in (("kiln_grpc", 50051), ("kiln_http", 8000)):
            ends = [{"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}} for address in addresses]
            assignment = {
                "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": ends}],
            }
            replace(self.folder / f"{name}.yaml", {"version_info": str(addresses), "resources": [assignment]})

    def _config(self):
        config = yaml.safe_load((REPOSITORY / "compose/envoy/envoy.yaml").read_text())
        ports = {50051: GRPC, 8000: HTTP, 9902: METRICS, 9901: ADMIN}
        config["node"] = {"id": "proof", "cluster": "proof"}
        config["admin"]["address"]["socket_address"]["port_value"] = ADMIN
        for listener in config["static_resources"]["listeners"]:
            if "internal_listener" in listener:
                continue
            address = listener["address"]["socket_address"]
            address.update(address="127.0.0.1", port_value=ports[address["port_value"]])
        for cluster in config["static_resources"]["clusters"]:
            if cluster["name"] == "admin":
                cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"] = ADMIN
            if "cluster_type" not in cluster:
                continue
            del cluster["cluster_type"], cluster["load_assignment"]
            source = {"path": str(self.folder / f"{cluster['name']}.yaml"), "watched_directory": {"path": str(self.folder)}}
            cluster.update(type="EDS", eds_cluster_config={"eds_config": {"path_config_source": source, "resource_api_version": "V3"}})
        return config


def replace(path, content):
    """Renamed into place, as Envoy watches for that."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(yaml.safe_dump(content))
    new.rename(path)


def spawn(folder, name, *command, **options):
    """A process whose output goes to NAME.log."""
    with (folder / f"{name}.log").open("a") as log:
        return subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, start_new_session=True, **options)


def stop(processes):
    """Ends them, those that hang too."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def answers(url):
    """Waits until it does."""

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
