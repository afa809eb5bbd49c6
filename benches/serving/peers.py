"""Who is measured: how each is started, asked, and what it answers with."""

import dataclasses
import json
import os
import pathlib
import shutil

import wire

HERE = pathlib.Path(__file__).resolve().parent
SERVERS = HERE / "servers"
ROOT = HERE.parents[1]

GRPC = {"content-type": "application/grpc", "te": "trailers"}
PREDICT = "/mnist.v1.MnistService/Predict"
MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"


@dataclasses.dataclass
class Call:
    """One way of asking: the body made of a picture (PNG bytes, 784 grey bytes), and how the answer is read."""

    kind: str  # what travels: "picture" or "pixels"
    grpc: bool
    path: str
    headers: dict
    encode: object  # (png, pixels, network) -> body
    decode: object  # answer -> ten probabilities
    body: bytes = b""
    answer_bytes: int = 0

    def ask(self, port, body, timeout=30):
        send = wire.call if self.grpc else wire.post
        return send(port, self.path, self.headers, body, timeout)


def upload(path, name):
    content_type, _ = wire.multipart(name, b"")
    return Call(
        "picture",
        False,
        path,
        {"content-type": content_type},
        lambda png, pixels, network: wire.multipart(name, png)[1],
        wire.from_json,
    )


def mnist(number, kind):
    """mnist.v1: the picture is field 1 or 2, the model's name field 4; the probabilities are field 3."""

    def encode(png, pixels, network):
        content = png if kind == "picture" else pixels
        return wire.grpc_message(wire.field(number, content) + wire.field(4, network))

    return Call(kind, True, PREDICT, GRPC, encode, lambda data: wire.floats(wire.fields(data, 3)[0]))


def open_inference():
    """inference.ModelInferRequest: model_name 1, inputs 5 (name 1, datatype 2, shape 3), raw_input_contents 7."""
    shape = wire.varint(1) + wire.varint(784)
    tensor = wire.field(1, "PIXELS") + wire.field(2, "UINT8") + wire.field(3, shape)

    def encode(png, pixels, network):
        return wire.grpc_message(wire.field(1, "digits") + wire.field(5, tensor) + wire.field(7, pixels))

    return Call("pixels", True, MODEL_INFER, GRPC, encode, lambda data: wire.floats(wire.fields(data, 6)[0]))


def open_inference_json():
    """The same over REST, which is what MLServer answers faster."""

    def encode(png, pixels, network):
        tensor = {"name": "PIXELS", "shape": [1, 784], "datatype": "UINT8", "data": list(pixels)}
        return json.dumps({"inputs": [tensor]}).encode()

    def decode(answer):
        return json.loads(answer)["outputs"][0]["data"]

    return Call("pixels", False, "/v2/models/digits/infer", {"content-type": "application/json"}, encode, decode)


@dataclasses.dataclass
class Peer:
    name: str
    venv: str | None  # also the name of its requirements file
    command: object  # (Place) -> argv
    calls: list
    env: dict = dataclasses.field(default_factory=dict)
    checked: bool = True  # False: it computes nothing, so any ten numbers will do


@dataclasses.dataclass
class Place:
    """Where things are while a peer runs."""

    port: int
    network: str
    models: pathlib.Path
    bin: pathlib.Path | None  # of the peer's venv
    kiln: pathlib.Path
    noop: pathlib.Path

    @property
    def packages(self):
        return next(self.bin.parent.glob("lib/python3.*/site-packages"))


def uvicorn(module):
    return lambda place: [
        place.bin / "uvicorn",
        f"{module}:app",
        "--host",
        "127.0.0.1",
        "--port",
        place.port,
        "--no-access-log",
        "--log-level",
        "warning",
    ]


def triton(place):
    """The binary that PyTriton carries, with the one backend it carries, as Triton's own image would run it."""
    home = place.packages / "pytriton" / "tritonserver"
    stub = home / "backends" / "python" / "triton_python_backend_stub"
    if not stub.exists():
        # One is carried for each Python; PyTriton puts the right one there as it starts.
        version = place.packages.parent.name.removeprefix("python")
        shutil.copy(home / "python_backend_stubs" / version / stub.name, stub)
    return [
        home / "bin" / "tritonserver",
        "--model-repository",
        SERVERS / "triton",
        "--backend-directory",
        home / "backends",
        "--grpc-address",
        "127.0.0.1",
        "--grpc-port",
        place.port,
        "--http-port",
        place.port + 1,
        "--metrics-port",
        place.port + 2,
        "--log-info",
        "false",
    ]


PEERS = [
    Peer(
        "FastAPI + Keras predict",
        "fastapi-keras",
        uvicorn("fastapi_keras"),
        [upload("/predict", "file")],
        {"TF_CPP_MIN_LOG_LEVEL": "3"},
    ),
    Peer("FastAPI + onnxruntime", "fastapi-onnx", uvicorn("fastapi_onnx"), [upload("/predict", "file")]),
    Peer(
        "LitServe",
        "litserve",
        lambda place: [place.bin / "python", SERVERS / "litserve_server.py"],
        [upload("/predict", "request")],
    ),
    Peer(
        "BentoML",
        "bentoml",
        lambda place: [
            place.bin / "bentoml",
            "serve",
            "bento:Digits",
            "--working-dir",
            SERVERS,
            "--host",
            "127.0.0.1",
            "--port",
            place.port,
        ],
        [upload("/predict", "file")],
        {"BENTOML_DO_NOT_TRACK": "True"},
    ),
    Peer(
        "MLServer",
        "mlserver",
        lambda place: [place.bin / "mlserver", "start", "."],
        [open_inference_json()],
        {
            "MLSERVER_MODEL_NAME": "digits",
            "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_runtime.Digits",
            "MLSERVER_PARALLEL_WORKERS": "0",
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_DEBUG": "false",
        },
    ),
    Peer(
        "PyTriton", "triton", lambda place: [place.bin / "python", SERVERS / "pytriton_server.py"], [open_inference()]
    ),
    Peer("Triton, Python backend", "triton", triton, [open_inference()]),
    Peer(
        "Kiln",
        None,
        lambda place: [
            place.kiln,
            "serve",
            "--threads",
            "1",
            "--model",
            place.models / f"{place.network}.keras",
            "--grpc-listen",
            f"127.0.0.1:{place.port}",
            "--http-listen",
            f"127.0.0.1:{place.port + 1}",
        ],
        [mnist(1, "picture"), mnist(2, "pixels")],
    ),
    Peer(
        "tonic that does nothing",
        None,
        lambda place: [place.noop, f"127.0.0.1:{place.port}"],
        [mnist(1, "picture"), mnist(2, "pixels")],
        checked=False,
    ),
]


def environment(peer, place):
    env = dict(os.environ)
    env |= {
        "NETWORK": place.network,
        "MODELS": str(place.models),
        "PORT": str(place.port),
        "PYTHONPATH": str(SERVERS),
        "MLSERVER_HTTP_PORT": str(place.port),
        "MLSERVER_GRPC_PORT": str(place.port + 1),
        "MLSERVER_METRICS_PORT": str(place.port + 2),
    }
    if place.bin:
        # As an activated environment has it; Triton's Python backend finds its packages by it.
        env["PATH"] = f"{place.bin}{os.pathsep}{env['PATH']}"
    return env | peer.env
