"""The clients that speak HTTP/1: wrk for many small requests, plain sockets for bodies and for idle connections.

They run on the core of the process that calls them, and add no more work to the server than the
requests that they report.
"""

import re
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.apps import BODY_SIZE, GREETING, PIECE, PIECES

SOCKET_TIMEOUT: Final = 30.0
READ_SIZE: Final = 256 * 1024
SPARE_DESCRIPTORS: Final = 256
HEAD_END: Final = b"\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"

WRK_TOTAL: Final = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
WRK_TROUBLE: Final = re.compile(r"^\s*(Non-2xx or 3xx responses: .*|Socket errors: .*)$", re.MULTILINE)


class LoadError(Exception):
    """The server's answers were not the ones asked for, so the figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Wrk:
    """One run of wrk, from one thread, against `path` or what the Lua `script` asks for."""

    connections: int = 64
    path: str = "/"
    script: Path | None = None

    def run(self, port: int, seconds: int) -> int:
        """Send as many requests as the server takes in `seconds` and return how many were answered.

        Raises `LoadError` when some were not, or not with success.
        """
        script = ["--script", str(self.script)] if self.script else []
        done = subprocess.run(
            [
                "wrk",
                "--threads=1",
                f"--connections={self.connections}",
                f"--duration={seconds}s",
                *script,
                f"http://127.0.0.1:{port}{self.path}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        total = WRK_TOTAL.search(done.stdout)
        trouble = WRK_TROUBLE.search(done.stdout)
        if total is None or trouble is not None:
            raise LoadError(trouble[1] if trouble else done.stderr.strip() or "wrk reported nothing")
        return int(total[1])


def warm_up(port: int, requests: int) -> None:
    """Send plain requests, one after the other on one connection, so that nothing lazy is measured later."""
    with connect(port) as connection:
        for _ in range(requests):
            _greet(connection)


def download(port: int, path: str, seconds: float) -> int:
    """Fetch `path` again and again on one connection for `seconds`, and return how many times."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    buffer = memoryview(bytearray(READ_SIZE))
    with connect(port) as connection:
        done = 0
        give_up_at = time.monotonic() + seconds
        while not done or time.monotonic() < give_up_at:
            connection.sendall(request)
            _read_down(connection, buffer)
            done += 1
    return done


def upload(port: int, seconds: float) -> int:
    """Send 10 MiB to `/up` again and again on one connection for `seconds`, and return how many times."""
    head = f"POST /up HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {BODY_SIZE}\r\n\r\n".encode()
    expected = str(BODY_SIZE).encode()
    with connect(port) as connection:
        done = 0
        give_up_at = time.monotonic() + seconds
        while not done or time.monotonic() < give_up_at:
            connection.sendall(head)
            for _ in range(PIECES):
                connection.sendall(PIECE)
            _expect(connection, expected)
            done += 1
    return done


@contextmanager
def idle_connections(port: int, count: int) -> Iterator[None]:
    """Hold `count` connections that have had one answer each, and say nothing more on them.

    Raises `LoadError` at the end when the server has closed one of them meanwhile.
    """
    connections: list[socket.socket] = []
    try:
        for _ in range(count):
            connections.append(connect(port))
            _greet(connections[-1])
        yield
        closed = sum(not _is_open(connection) for connection in connections)
        if closed:
            raise LoadError(f"{closed} of {count} idle connections were closed by the server")
    finally:
        for connection in connections:
            connection.close()


def connect(port: int) -> socket.socket:
    """Connect to 127.0.0.1 at `port`; what takes longer than `SOCKET_TIMEOUT` raises `TimeoutError`."""
    connection = socket.create_connection(("127.0.0.1", port), SOCKET_TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def raise_descriptor_limit(connections: int) -> int:
    """Let this process and those that it starts hold `connections`, and return how many they can hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_DESCRIPTORS
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < wanted:
        soft = wanted if hard == unlimited else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == unlimited else soft - SPARE_DESCRIPTORS


def _greet(connection: socket.socket) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    _expect(connection, GREETING)


def _expect(connection: socket.socket, body: bytes) -> None:
    """Read a short response with status 200 whose content is `body`."""
    answer = b""
    while HEAD_END not in answer or not answer.endswith(body):
        data = connection.recv(READ_SIZE)
        answer += data
        if not data or not b"HTTP/1.1 200"[: len(answer)] == answer[:12]:
            raise LoadError(f"expected {body!r}, got {answer[:200]!r}")


def _read_down(connection: socket.socket, buffer: memoryview) -> None:
    """Read one response of 10 MiB, in either framing, without looking at what is inside."""
    head = b""
    while HEAD_END not in head:
        size = connection.recv_into(buffer)
        head += buffer[:size]
        if not size:
            raise LoadError("the connection ended inside a response's head")
    head, _, body = head.partition(HEAD_END)
    chunked = b"chunked" in head.lower()
    received = len(body)
    tail = body[-len(LAST_CHUNK) :]
    while tail != LAST_CHUNK if chunked else received < BODY_SIZE:
        size = connection.recv_into(buffer)
        if not size:
            raise LoadError(f"the connection ended after {received} bytes of a response")
        received += size
        if chunked:
            tail = (tail + buffer[max(0, size - len(LAST_CHUNK)) : size])[-len(LAST_CHUNK) :]
    if not head.startswith(b"HTTP/1.1 200") or received < BODY_SIZE or (received > BODY_SIZE and not chunked):
        raise LoadError(f"got {received} bytes of content after {head[:200]!r}")


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
