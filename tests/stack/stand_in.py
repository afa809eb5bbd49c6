"""An instance that is told by each request what to do with it: stand_in.py ADDRESS FOLDER, on the ports of Kiln.

It notes each request in FOLDER/NAME, one line with its address, before anything else. A request is `NAME VERDICT COUNT`: for
the first COUNT instances that read it the VERDICT is true, and the next answers it. Spaces may follow, to make it large.
"""

import asyncio
import fcntl
import os
import signal
import sys
from pathlib import Path

import grpc

ADDRESS, FOLDER = sys.argv[1], Path(sys.argv[2])
SERVING = b"\x08\x01"


def verdict(message):
    """What is to be done with a request now that it has been noted."""
    name, fate, count = message.decode().split()
    with (FOLDER / name).open("a+") as note:
        fcntl.flock(note, fcntl.LOCK_EX)
        note.write(f"{ADDRESS}\n")
        note.seek(0)
        return fate if len(note.readlines()) <= int(count) else "answer"


def die_of(fate):
    if fate == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fate == "hang":
        os.kill(os.getpid(), signal.SIGSTOP)


async def predict(message, context):
    fate = verdict(message)
    die_of(fate)
    if fate == "refuse":
        await context.abort(grpc.StatusCode.UNAVAILABLE, "shutting down")
    clients = [value for key, value in context.invocation_metadata() if key == "x-forwarded-for"]
    return ",".join(clients).encode()


async def stream(messages, context):
    async for message in messages:
        yield await predict(message, context)


async def health(_message, _context):
    return SERVING


async def http(reader, writer):
    """One request, with or without a body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length:")[2].split("\r\n")[0] or 0)
    body = await reader.readexactly(length)
    fate = verdict(body) if length else "answer"
    die_of(fate)
    status = "503 Service Unavailable" if fate == "refuse" else "200 OK"
    writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
    await writer.drain()
    writer.close()


async def main():
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    unary, streamed = grpc.unary_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
    for service, methods in {
        "mnist.v1.MnistService": {"Predict": unary(predict), "PredictStream": streamed(stream)},
        "kiln.v1.ClassifierService": {"Classify": unary(predict)},
        "inference.GRPCInferenceService": {"ModelInfer": unary(predict)},
        "grpc.health.v1.Health": {"Check": unary(health)},
    }.items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    server.add_insecure_port(f"{ADDRESS}:50051")
    await server.start()
    async with await asyncio.start_server(http, ADDRESS, 8000) as listener:
        await listener.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
