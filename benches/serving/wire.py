"""One request and its answer, with nothing but sockets: an upload over HTTP/1.1, a unary call over gRPC, and the few
protobuf messages that are sent. For checking answers and for the time to the first one; the load comes from h2load.
"""

import http.client
import json
import socket
import struct

# ---- protobuf


def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    """A length-delimited field: bytes, a string, a message."""
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(message, number):
    """Contents of every length-delimited field of this number."""
    found, at = [], 0

    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = take()
        kind = key & 7
        if kind == 0:
            take()
        elif kind == 2:
            size = take()
            if key >> 3 == number:
                found.append(message[at : at + size])
            at += size
        else:
            at += {1: 8, 5: 4}[kind]
    return found


def floats(data):
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def grpc_message(message):
    return b"\0" + struct.pack(">I", len(message)) + message


# ---- HTTP/1.1


def multipart(name, picture):
    """Content type and body of a form with one file."""
    boundary = "kiln-benchmark-boundary"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="digit.png"\r\n'
    body = head.encode() + b"Content-Type: image/png\r\n\r\n" + picture + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


def post(port, path, headers, body, timeout):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        data = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise ValueError(f"HTTP status {response.status}: {data[:300]!r}")
    return data


# ---- HTTP/2, as much of it as one unary call needs (RFC 9113; headers as RFC 7541 section 6.2.2 literals)

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def header_block(path, headers):
    names = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost", **headers}
    return b"".join(literal(name, value) for name, value in names.items())


class Connection:
    """Unary gRPC calls, one after the other. `with` closes it."""

    def __init__(self, port, timeout):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + frame(SETTINGS, 0, 0)
            # Room for the answers of as many calls as a connection can have.
            + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30))
        )
        self.answers = self.connection.makefile("rb")
        self.stream = 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answers.close()
        self.connection.close()

    def call(self, block, body):
        """The message that a call with these headers (see `header_block`) and this body is answered with."""
        stream, self.stream = self.stream, self.stream + 2
        self.connection.sendall(frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, body))
        data = b""
        while True:
            head = self.answers.read(9)
            if len(head) < 9:
                raise ValueError("the connection was closed before the answer")
            kind, flags = head[3], head[4]
            payload = self.answers.read(int.from_bytes(head[:3], "big"))
            if kind == SETTINGS and not flags & ACK:
                self.connection.sendall(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self.connection.sendall(frame(PING, ACK, 0, payload))
            elif kind == DATA:
                data += payload
            elif kind in (RST_STREAM, GOAWAY):
                raise ValueError(f"the server ended the call: {payload!r}")
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                break
        if len(data) < 5:
            raise ValueError(f"the call failed; its trailers are {payload!r}")
        return data[5:]


def call(port, path, headers, body, timeout):
    """The message that a unary gRPC call answers with."""
    with Connection(port, timeout) as connection:
        return connection.call(header_block(path, headers), body)


def from_json(data):
    return json.loads(data)["probabilities"]
