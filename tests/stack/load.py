"""Requests to Kiln over gRPC, bounded in number and time, and how they ended. As a program, `load.py GRPC HTTP SECONDS`,
mixed traffic in waves, to look at the dashboards by."""

import asyncio
import collections
import dataclasses
import json
import random
import struct
import sys
import time
import zlib
from pathlib import Path

import grpc
import numpy
from mnist.v1 import mnist_pb2, mnist_pb2_grpc  # generated below target/ by `run`

REPOSITORY = Path(__file__).resolve().parents[2]
PREDICT = "/mnist.v1.MnistService/Predict"
MODELS = ["", "mnist", "mnist-mlp"]
SEVEN = REPOSITORY / "examples/seven.png"
# What a person opens over HTTP.
PAGES = ["/", "/", "/models", "/docs", "/openapi.json"]


def digits():
    """Real digits, 784 grey bytes each."""
    inputs = numpy.load(REPOSITORY / "tests/fixtures/mnist/inputs.npy")
    return [bytes(digit) for digit in inputs.reshape(len(inputs), -1)]


def big_picture(side=3000):
    """A grey PNG that takes a while to decode: work for one instance's core."""
    noise = random.Random(1)
    return png((bytes(noise.randrange(256) for _ in range(64)) * (side // 64 + 1))[:side])


def png(row):
    """A grey square picture, every row of it the same."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixels = zlib.compress((b"\0" + row) * len(row), 1)
    header = struct.pack(">IIBBBBB", len(row), len(row), 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@dataclasses.dataclass
class Result:
    """What came of a load."""

    ended: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    failures: list = dataclasses.field(default_factory=list)
    seconds: list = dataclasses.field(default_factory=list)
    elapsed: float = 0.0

    @property
    def sent(self):
        return sum(self.ended.values())

    @property
    def lost(self):
        return self.sent - self.ended["OK"]

    def quantile(self, q):
        ordered = sorted(self.seconds)
        return ordered[min(int(q * len(ordered)), len(ordered) - 1)] if ordered else float("nan")

    def __str__(self):
        rate = self.sent / self.elapsed if self.elapsed else 0
        return (
            f"{self.sent} requests in {self.elapsed:.1f} s ({rate:.0f}/s), {self.lost} lost, "
            f"p50 {self.quantile(0.5) * 1e3:.1f} ms, p99 {self.quantile(0.99) * 1e3:.1f} ms, worst {self.quantile(1) * 1e3:.0f} ms"
        )


def request(kind, rng, pool):
    """One good request: pixels by default."""
    message = mnist_pb2.PredictRequest(model=rng.choice(MODELS))
    if kind == "image":
        message.image = SEVEN.read_bytes()
    elif kind == "values":
        message.values.values.extend(byte / 255 for byte in rng.choice(pool))
    else:
        message.pixels = rng.choice(pool)
    return message


async def flood(target, stop, workers=24, connections=1, picture=None, timeout=20):
    """Good requests, one after another from each worker, until `stop` is set. A single connection by default: that
    requests are spread all the same is the promise."""
    result, pool, started = Result(), digits(), time.monotonic()
    channels = [grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(connections)]

    async def work(number):
        rng = random.Random(number)
        stub = mnist_pb2_grpc.MnistServiceStub(channels[number % connections])
        while not stop.is_set():
            message = request("pixels", rng, pool)
            if picture:
                # It shows no digit, and need not.
                message = mnist_pb2.PredictRequest(image=picture, fit=mnist_pb2.FIT_RESIZE)
            begun = time.monotonic()
            try:
                await stub.Predict(message, timeout=timeout)
                result.ended["OK"] += 1
            except grpc.aio.AioRpcError as error:
                result.ended[error.code().name] += 1
                result.failures.append(f"{error.code().name}: {error.details()}")
                await asyncio.sleep(0.05)
            result.seconds.append(time.monotonic() - begun)

    await asyncio.gather(*(work(number) for number in range(workers)))
    result.elapsed = time.monotonic() - started
    await asyncio.gather(*(channel.close() for channel in channels))
    return result


async def flood_for(target, seconds, **options):
    """`flood` for so long."""
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    return await flood(target, stop, **options)


async def flood_http(address, stop, workers=4):
    """As `flood`, over HTTP: POST /predict from each worker, one after another."""
    result, pool, started = Result(), digits(), time.monotonic()

    async def work(number):
        rng = random.Random(number)
        while not stop.is_set():
            begun = time.monotonic()
            try:
                status, answer = await post(address, rng, pool)
                result.ended["OK" if status == 200 else str(status)] += 1
                if status != 200:
                    result.failures.append(f"{status}: {answer[:200]}")
            except (OSError, asyncio.IncompleteReadError) as error:
                result.ended[type(error).__name__] += 1
                result.failures.append(repr(error))
                await asyncio.sleep(0.05)
            result.seconds.append(time.monotonic() - begun)

    await asyncio.gather(*(work(number) for number in range(workers)))
    result.elapsed = time.monotonic() - started
    return result


async def post(address, rng, pool):
    """One good request over HTTP: a digit's pixels in JSON."""
    body = json.dumps({"pixels": list(rng.choice(pool)), "model": rng.choice(MODELS)}).encode()
    return await ask(address, "/predict", body, ["Content-Type: application/json"])


async def mixed(target, http, stop, pause=0.02):
    """Everything that clients do: good, wrong, given up, too late, streamed, unknown, over gRPC and HTTP."""
    ended, pool, rng, picture = collections.Counter(), digits(), random.Random(7), big_picture(1500)
    async with grpc.aio.insecure_channel(target) as channel:
        stub = mnist_pb2_grpc.MnistServiceStub(channel)
        unknown = channel.unary_unary("/mnist.v1.MnistService/Guess")
        # Wrong by the bytes 0xff: no message at all would begin with them.
        wrong = [
            mnist_pb2.PredictRequest(pixels=b"too few"),
            mnist_pb2.PredictRequest(image=b"no picture"),
            mnist_pb2.PredictRequest(image=png(b"\xff" * 100)),
            mnist_pb2.PredictRequest(),
            mnist_pb2.PredictRequest(pixels=pool[0], model="no-such-model"),
        ]

        async def items():
            for number in range(20):
                yield wrong[0] if number == 10 else request("pixels", rng, pool)

        async def given_up():
            call = stub.Predict(mnist_pb2.PredictRequest(image=picture))
            await asyncio.sleep(0.005)
            call.cancel()
            await call

        async def streamed():
            async for _ in stub.PredictStream(items(), timeout=20):
                pass

        async def asked(path, body=None):
            status, _ = await ask(http, path, body)
            return str(status)

        async def posted():
            status, _ = await post(http, rng, pool)
            return str(status)

        # Mostly good, as in life. Too late, unknown and given up are rare: the first two count as errors of the server.
        calls = {
            "good": (60, lambda: stub.Predict(request(rng.choice(["pixels", "image", "values"]), rng, pool), timeout=20)),
            "wrong": (12, lambda: stub.Predict(rng.choice(wrong), timeout=20)),
            "streamed": (6, streamed),
            "given up": (4, given_up),
            "unknown": (2, lambda: unknown(b"", timeout=20)),
            "posted": (40, posted),
            "posted wrong": (6, lambda: asked("/predict", b"no picture")),
            "looked": (8, lambda: asked(rng.choice(PAGES))),
            "probed": (8, lambda: asked(rng.choice(["/readyz", "/livez", "/metrics"]))),
            "lost its way": (2, lambda: asked("/nothing")),
        }
        names, weights = list(calls), [weight for weight, _ in calls.values()]

        async def work():
            while not stop.is_set():
                name = rng.choices(names, weights)[0]
                try:
                    answer = await calls[name][1]()
                    ended[name, answer if isinstance(answer, str) else "OK"] += 1
                except grpc.aio.AioRpcError as error:
                    ended[name, error.code().name] += 1
                except asyncio.CancelledError:
                    if name != "given up":
                        raise
                    ended[name, "CANCELLED"] += 1
                await asyncio.sleep(pause)

        await asyncio.gather(*(work() for _ in range(8)))
    return ended


async def predict(target, message):
    """The answer to one request."""
    async with grpc.aio.insecure_channel(target) as channel:
        return await mnist_pb2_grpc.MnistServiceStub(channel).Predict(message, timeout=20)


async def ask(address, path, body=None, headers=()):
    """An HTTP request without a library, a POST if it has a body: status, and the answer's body."""
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", "Host: kiln", "Connection: close", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    writer.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        answer = await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()
    if b"transfer-encoding: chunked" in head.lower():
        answer = unchunked(answer)
    return int(head.split(b" ", 2)[1]), answer


async def predict_grpc_web(address):
    """The digit of a picture by a call as a page makes it, and how the answer ended: gRPC-Web over HTTP/1.1."""
    message = mnist_pb2.PredictRequest(image=SEVEN.read_bytes()).SerializeToString()
    frame = struct.pack(">BI", 0, len(message)) + message
    headers = ["Content-Type: application/grpc-web+proto", "X-Grpc-Web: 1"]
    status, answer = await ask(address, PREDICT, frame, headers)
    digit, ended = None, f"HTTP {status}"
    while len(answer) >= 5:
        kind, length = struct.unpack(">BI", answer[:5])
        body, answer = answer[5 : 5 + length], answer[5 + length :]
        if kind & 0x80:
            ended = body.decode().strip()
        else:
            digit = mnist_pb2.PredictResponse.FromString(body).digit
    return digit if "grpc-status:0" in ended.replace(" ", "") else None, ended


def unchunked(body):
    """What a body in chunks says."""
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        whole += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return whole


async def waves(target, http, seconds):
    """Mixed traffic all the time; good requests from more workers and fewer."""
    stop, until = asyncio.Event(), time.monotonic() + seconds
    traffic = asyncio.create_task(mixed(target, http, stop))
    for workers in (4, 8, 16, 32, 16, 8) * 1000:
        left = until - time.monotonic()
        if left <= 0:
            break
        print(f"{workers} workers: {await flood_for(target, min(20, left), workers=workers)}", flush=True)
    stop.set()
    await traffic


if __name__ == "__main__":
    asyncio.run(waves(sys.argv[1], sys.argv[2], float(sys.argv[3])))
