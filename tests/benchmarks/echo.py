"""The WebSocket client, a process of its own: sends binary messages and expects each of them back.

`python -m tests.benchmarks.echo PORT SECONDS SIZE CONNECTIONS DEFLATE` opens its connections, warms the server
up, and writes a line. Once it has read one, it begins, and writes at the end how many echoes it had. It stays on
the core of the process that starts it. Frames are made before they are needed, and nothing is done for an echo
but to look at its header and to count its octets; a compressed one is inflated.
"""

import json
import random
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from tests.benchmarks.load import HEAD_END, SOCKET_TIMEOUT, LoadError, connect

WARM_UP_SECONDS: Final = 0.2
SPARE_ROOM: Final = 4096

# The example of RFC 6455 §1.3: nothing depends on the key, and the answer to it is known.
KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT: Final = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
MASK: Final = b"\x37\xfa\x21\x3d"
BINARY: Final = 0x82
COMPRESSED: Final = 0xC2
MASKED: Final = 0x80

# A server that remembers what it sent would compress one message sent twice to nothing. These, taken in turn, are
# together more than the 32 KiB that it can remember.
VARIANTS: Final = 64
NAMES: Final = ("temperature", "pressure", "humidity", "wind")
# The distance inside 1 KiB: a server may ask for a window as small as that, and some do.
WINDOW_BITS: Final = 10
FLUSHED: Final = b"\x00\x00\xff\xff"


@dataclass(frozen=True, slots=True)
class Echo:
    """Messages of `size` octets, one under way on each connection; compressed, or octets at random."""

    size: int
    connections: int = 8
    deflate: bool = False

    @contextmanager
    def ready(self, port: int, seconds: int) -> Iterator[Callable[[], int]]:
        """Start the client, and yield what makes it work for `seconds` and returns how many echoes it had.

        Raises `LoadError` when the server did not agree, or when an echo was not what was sent.
        """
        numbers = (port, seconds, self.size, self.connections, int(self.deflate))
        with subprocess.Popen(
            [sys.executable, "-m", __name__, *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as client:

            def line() -> str:
                assert client.stdout is not None
                assert client.stderr is not None
                text = client.stdout.readline()
                if not text:
                    raise LoadError(client.stderr.read().strip() or "the client ended without a word")
                return text

            def work() -> int:
                assert client.stdin is not None
                client.stdin.write("\n")
                client.stdin.flush()
                return int(line())

            try:
                line()
                yield work
            finally:
                client.kill()


def main() -> int:
    """Be the client, and return the exit code."""
    port, seconds, size, connections, deflate = map(int, sys.argv[1:])
    try:
        with ExitStack() as stack:
            clients = [
                _Client(stack.enter_context(connect(port)), size, deflate=bool(deflate))
                for _ in range(connections)
            ]
            for client in clients:
                client.open()
            _work(clients, WARM_UP_SECONDS)
            print("ready", flush=True)
            sys.stdin.readline()
            print(_work(clients, seconds), flush=True)
    except (LoadError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _work(clients: list["_Client"], seconds: float) -> int:
    """Keep one message under way on each connection, and return how many came back: all that were sent."""
    until = time.monotonic() + seconds
    for client in clients:
        client.send()
    echoes = len(clients)
    while time.monotonic() < until:
        for client in clients:
            client.receive()
            client.send()
        echoes += len(clients)
    for client in clients:
        client.receive()
    return echoes


class _Client:
    """One connection, with its messages and the frames that they are sent in."""

    def __init__(self, connection: socket.socket, size: int, *, deflate: bool) -> None:
        messages = _texts(size) if deflate else [random.Random(size).randbytes(size)]
        # A timeout of Python's own costs a call of poll each time, and the client is to be faster than the servers.
        connection.settimeout(None)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", int(SOCKET_TIMEOUT), 0))
        self._connection = connection
        self._size = size
        self._first_message = messages[0]
        self._first_octet = COMPRESSED if deflate else BINARY
        self._frames = cycle([_frame(self._first_octet, _deflated(m) if deflate else m) for m in messages])
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if deflate else None
        self._buffer = bytearray(size + SPARE_ROOM)
        self._view = memoryview(self._buffer)

    def open(self) -> None:
        """Shake hands, and look once at a whole echo."""
        offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        request = (
            "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{offer if self._inflater else ''}\r\n"
        )
        self._connection.sendall(request.encode())
        answer = b""
        while HEAD_END not in answer:
            data = self._connection.recv(len(self._buffer))
            answer += data
            if not data:
                break
        if not answer.startswith(b"HTTP/1.1 101") or ACCEPT not in answer or not answer.endswith(HEAD_END):
            raise LoadError(f"the handshake was answered with {answer[:200]!r}")
        if (b"permessage-deflate" in answer.lower()) != bool(self._inflater):
            raise LoadError(f"compression is not as it was asked for: {answer[:400]!r}")
        self.send()
        if self.receive() != self._first_message:
            raise LoadError("the first echo was not what was sent")

    def send(self) -> None:
        """Send the next message."""
        self._connection.sendall(next(self._frames))

    def receive(self) -> bytes | memoryview:
        """Wait for an echo, a frame and nothing after it, and return its payload, inflated."""
        received = 0
        while received < (span := _span(self._buffer, received)).stop:
            if span.stop > len(self._buffer):
                raise LoadError(f"an echo was longer than what was sent: {bytes(self._buffer[:16])!r}")
            size = self._connection.recv_into(self._view[received:])
            if not size:
                raise LoadError(f"the connection ended after {received} bytes of an echo")
            received += size
        payload: bytes | memoryview = self._view[span]
        if self._buffer[0] == COMPRESSED and self._inflater:
            payload = self._inflater.decompress(bytes(payload) + FLUSHED)
        if self._buffer[0] != self._first_octet or received > span.stop or len(payload) != self._size:
            raise LoadError(f"not an echo of {self._size} bytes: {bytes(self._view[:received])[:200]!r}")
        return payload


def _span(buffer: bytearray, received: int) -> slice:
    """Where the payload of the frame in `buffer` is; without a whole header, its end is the header's."""
    if received < 2:
        return slice(2, 2)
    length = buffer[1]
    start = 2 if length < 126 else 4 if length == 126 else 10
    if start > 2:
        length = 0 if received < start else int.from_bytes(buffer[2:start])
    return slice(start, start + length)


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        header = struct.pack("!BB", first, MASKED | size)
    elif size < 2**16:
        header = struct.pack("!BBH", first, MASKED | 126, size)
    else:
        header = struct.pack("!BBQ", first, MASKED | 127, size)
    key = (MASK * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload) ^ int.from_bytes(key)
    return header + MASK + masked.to_bytes(size)


def _texts(size: int) -> list[bytes]:
    """Different messages of `size` octets each that look like what applications send."""
    chance = random.Random(size)
    texts = []
    for _ in range(VARIANTS):
        text = ""
        while len(text) < size:
            fields = {"id": chance.randrange(10**6), "name": chance.choice(NAMES), "at": chance.random()}
            text += json.dumps(fields) + "\n"
        texts.append(text[:size].encode())
    return texts


def _deflated(message: bytes) -> bytes:
    """Compress it with no memory of others, so that it can be sent at any time (RFC 7692 §7.2.1)."""
    compressor = zlib.compressobj(wbits=-WINDOW_BITS)
    data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(FLUSHED)


if __name__ == "__main__":
    sys.exit(main())
