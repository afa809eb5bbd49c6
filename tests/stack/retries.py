"""What Envoy sends again, how often, and to whom: six stand-ins behind compose/envoy/envoy.yaml. Usage: retries.py FOLDER"""

import asyncio
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

import grpc
from front import Front, answers, spawn, stop
from report import Report

PREDICTIONS = [
    "/mnist.v1.MnistService/Predict",
    "/kiln.v1.ClassifierService/Classify",
    "/inference.GRPCInferenceService/ModelInfer",
]
STREAM = "/mnist.v1.MnistService/PredictStream"
LARGEST = 8 * 2**20  # What envoy.yaml keeps
ADDRESSES = [f"127.0.0.{21 + number}" for number in range(6)]


class Retries:
    """The promises, one function each; all six instances are up and known to Envoy before each."""

    def __init__(self, folder, envoy, report):
        self.folder, self.report, self.front = folder / "retries", report, Front(folder / "retries", envoy)
        self.instances = {}

    async def run(self):
        self.front.prepare()
        for note in self.folder.glob("note-*"):
            note.unlink()
        self.front.set_instances(ADDRESSES)
        await self.all_are_up()
        self.front.start()
        await answers(f"http://{self.front.metrics}/stats/prometheus")
        for number, path in enumerate(PREDICTIONS):
            await self.a_request_kills_two_at_most(path, f"note-kills-{number}")
            await self.a_request_lost_once_is_answered(path, f"note-lost-{number}")
            await self.a_refused_request_finds_the_last_instance(path, f"note-refused-{number}")
        await self.a_large_request_is_sent_again_whole()
        await self.a_hung_instance_loses_nothing()
        await self.a_stream_is_not_sent_again()
        await self.the_client_stays_the_client()
        await self.http_likewise()
        await self.what_is_no_prediction_is_not_sent_again()

    async def all_are_up(self):
        for _ in range(120):
            # Each time anew: one that was told to die has closed its sockets before its end is known here.
            for address in ADDRESSES:
                process = self.instances.get(address)
                if process is None or process.poll() is not None:
                    self.instances[address] = spawn(self.folder, address, sys.executable, Path(__file__).with_name("stand_in.py"), address, self.folder)
            if all([await listens(address) for address in ADDRESSES]):
                break
            await asyncio.sleep(0.25)
        if self.front.process:
            await self.front_knows_all()

    async def front_knows_all(self):
        """Healthy, none thrown out, by Envoy's own count."""
        for _ in range(120):
            _, text = await http(self.front.metrics, "/stats/prometheus")
            counts = re.findall(r'envoy_cluster_(membership_healthy|outlier_detection_ejections_active){envoy_cluster_name="kiln_\w+"} (\d+)', text)
            if sorted(counts) == 2 * [("membership_healthy", "6")] + 2 * [("outlier_detection_ejections_active", "0")]:
                return
            await asyncio.sleep(0.25)
        raise RuntimeError(f"Envoy does not find all instances: {counts}")

    async def send(self, path, message, metadata=()):
        """How a call ended, its answer, and what came with it."""
        await self.all_are_up()
        async with grpc.aio.insecure_channel(self.front.grpc) as channel:
            call = channel.unary_unary(path)(message.encode(), timeout=30, metadata=metadata)
            try:
                answer, status = await call, "OK"
            except grpc.aio.AioRpcError as error:
                answer, status = error.details(), error.code().name
            came = [*(await call.initial_metadata()), *(await call.trailing_metadata())]
        return status, answer, {key for key, _ in came}

    def readers(self, name):
        """The instances that read a request, in order."""
        return (self.folder / name).read_text().split()

    async def a_request_kills_two_at_most(self, path, name):
        status, details, came = await self.send(path, f"{name} kill 9")
        died = self.readers(name)
        self.report.check(f"a request that kills its instance kills two of six, {path}", len(died) == len(set(died)) == 2, died)
        self.report.check("and its client hears UNAVAILABLE", status == "UNAVAILABLE", f"{status}: {details}")
        self.report.check("and nothing of how Envoy tells", "x-instance-lost" not in came, came)

    async def a_request_lost_once_is_answered(self, path, name):
        status, _, _ = await self.send(path, f"{name} kill 1")
        self.report.check(f"a request lost with its instance is answered by another, {path}", status == "OK" and len(self.readers(name)) == 2, status)

    async def a_refused_request_finds_the_last_instance(self, path, name):
        status, details, _ = await self.send(path, f"{name} refuse 5")
        readers = self.readers(name)
        kept = status == "OK" and len(readers) == len(set(readers)) == 6
        self.report.check(f"what five instances refuse the sixth answers, {path}", kept, f"{status} after {len(readers)}, {details}")

    async def a_large_request_is_sent_again_whole(self):
        status, details, _ = await self.send(PREDICTIONS[0], "note-large kill 1".ljust(LARGEST))
        kept = status == "OK" and len(self.readers("note-large")) == 2
        self.report.check("a request as large as Kiln's largest is sent again whole", kept, f"{status}, {details}")

    async def a_hung_instance_loses_nothing(self):
        status, details, _ = await self.send(PREDICTIONS[0], "note-hung hang 1")
        readers = self.readers("note-hung")
        self.report.check("a request at an instance that hangs is answered by another", status == "OK" and len(set(readers)) == 2, f"{status}, {details}")
        self.instances[readers[0]].kill()
        self.instances[readers[0]].wait()

    async def a_stream_is_not_sent_again(self):
        await self.all_are_up()

        async def items():
            yield b"note-stream kill 9"

        async with grpc.aio.insecure_channel(self.front.grpc) as channel:
            try:
                async for _ in channel.stream_stream(STREAM)(items(), timeout=30):
                    pass
                status = "OK"
            except grpc.aio.AioRpcError as error:
                status = error.code().name
        self.report.check("a stream ends with its instance", status == "UNAVAILABLE" and len(self.readers("note-stream")) == 1, status)

    async def the_client_stays_the_client(self):
        _, answer, _ = await self.send(PREDICTIONS[0], "note-client answer 0", [("x-forwarded-for", "192.0.2.7")])
        claimed, *seen = answer.decode().split(",")
        self.report.check("x-forwarded-for ends with the client that Envoy saw", claimed == "192.0.2.7" and len(seen) == 1, answer)

    async def http_likewise(self):
        await self.all_are_up()
        status, _ = await http(self.front.http, "/predict", "note-http kill 9")
        died = self.readers("note-http")
        self.report.check("over HTTP too it kills two of six", status == 503 and len(died) == len(set(died)) == 2, f"{status}, {died}")
        await self.all_are_up()
        status, _ = await http(self.front.http, "/predict", "note-http-lost kill 1")
        self.report.check("and is answered when lost once", status == 200 and len(self.readers("note-http-lost")) == 2, status)
        await self.all_are_up()
        status, _ = await http(self.front.http, "/predict", "note-http-refused refuse 5")
        readers = self.readers("note-http-refused")
        self.report.check("what five instances refuse the sixth answers, over HTTP", status == 200 and len(set(readers)) == len(readers) == 6, f"{status}, {readers}")
        await self.all_are_up()
        status, _ = await http(self.front.http, "/predict", "note-http-refused-by-all refuse 99")
        self.report.check("and what all refuse is refused", status == 503 and len(self.readers("note-http-refused-by-all")) == 6, status)

    async def what_is_no_prediction_is_not_sent_again(self):
        for number, path in enumerate(["/load_model?model_path=a.keras", "/models", "/"]):
            await self.all_are_up()
            status, _ = await http(self.front.http, path, f"note-once-{number} kill 9", method="GET")
            readers = self.readers(f"note-once-{number}")
            self.report.check(f"GET {path} is not sent again once an instance has it", status == 503 and len(readers) == 1, f"{status}, {readers}")

    def stop(self):
        stop([*self.instances.values(), *filter(None, [self.front.process])])


async def listens(address):
    """Whether an instance answers over HTTP, which it does last."""
    try:
        return (await http(f"{address}:8000", "/readyz"))[0] == 200
    except OSError:
        return False


async def http(address, path, body=None, method=None):
    """Status and text of an answer."""
    request = urllib.request.Request(f"http://{address}{path}", body and body.encode(), method=method)

    def once():
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return await asyncio.to_thread(once)


def main():
    report = Report()
    report.step("What Envoy sends again")
    retries = Retries(Path(sys.argv[1]).resolve(), Path(sys.prefix) / "bin/envoy", report)
    try:
        asyncio.run(retries.run())
    finally:
        retries.stop()
    sys.exit(report.end())


if __name__ == "__main__":
    main()
