"""A server with a free port, and a client that speaks to it octet by octet."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream

import runtime

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
OK = {"type": "http.response.start", "status": 200, "headers": []}


def make_server(app: Any, **settings: Any) -> runtime.Server:
    """Return a server on a free port, without lifespan and access log unless they are asked for."""
    options: dict[str, Any] = {"port": 0, "lifespan": "off", "access_log": False, **settings}
    return runtime.Server(app, **options)


def place(server: runtime.Server) -> tuple[str, int]:
    """Return the host and port of a server that listens in one place."""
    [address] = server.addresses
    assert not isinstance(address, str)
    return address


@asynccontextmanager
async def serving(app: Any, **settings: Any) -> AsyncIterator[runtime.Server]:
    """Serve in a task; the block ends when the server has."""

    async def serve(*, task_status: Any) -> None:
        await server.serve(task_status=task_status)

    server = make_server(app, **settings)
    async with anyio.create_task_group() as group:
        await group.start(serve)
        yield server


@dataclass(frozen=True)
class Response:
    status: int
    fields: dict[str, str]
    """Names in lower case; of several fields with one name, the last."""
    body: bytes
    trailers: dict[str, str]


class Client:
    """One connection. Reading raises `EOFError` where the server has ended it."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self._buffer = bytearray()

    @property
    def socket(self) -> socket.socket:
        return self.stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - it is no query.

    async def send(self, data: bytes) -> None:
        await self.stream.send(data)

    async def end(self) -> None:
        """Send FIN and go on reading."""
        await self.stream.send_eof()

    async def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.stream.aclose()

    async def close(self) -> None:
        await self.stream.aclose()

    async def _more(self) -> None:
        try:
            self._buffer += await self.stream.receive(1_048_576)
        except (anyio.EndOfStream, anyio.BrokenResourceError) as error:
            raise EOFError(bytes(self._buffer[:1000])) from error

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def until(self, end: bytes) -> bytes:
        """Return what comes up to and with these octets."""
        while (at := self._buffer.find(end)) < 0:
            await self._more()
        return self._take(at + len(end))

    async def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more()
        return self._take(size)

    async def rest(self) -> bytes:
        """Return what comes until the server ends the connection, by FIN or RST."""
        try:
            while True:
                await self._more()
        except EOFError:
            return self._take(len(self._buffer))

    async def head(self) -> tuple[int, dict[str, str]]:
        line, *lines = (await self.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        return int(line.split(" ")[1]), _fields(lines)

    async def response(self, *, method: str = "GET") -> Response:
        """Read a final response, whatever its framing."""
        status, fields = await self.head()
        trailers: dict[str, str] = {}
        if method == "HEAD" or status in {204, 304}:
            body = b""
        elif "content-length" in fields:
            body = await self.exactly(int(fields["content-length"]))
        elif fields.get("transfer-encoding") == "chunked":
            chunks = []
            while size := int(await self.until(b"\r\n"), 16):
                chunks.append(await self.exactly(size))
                assert await self.exactly(2) == b"\r\n"
            body = b"".join(chunks)
            while (line := await self.until(b"\r\n")) != b"\r\n":
                trailers |= _fields([line.decode("latin-1").removesuffix("\r\n")])
        else:
            body = await self.rest()
        return Response(status, fields, body, trailers)


def _fields(lines: list[str]) -> dict[str, str]:
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


@asynccontextmanager
async def connected(server: runtime.Server) -> AsyncIterator[Client]:
    """Connect to a server, and close in the end whatever happened."""
    address = server.addresses[0]
    stream: SocketStream
    if isinstance(address, str):
        stream = await anyio.connect_unix(address)
    else:
        stream = await anyio.connect_tcp(*address)
    async with stream:
        yield Client(stream)


async def ask(server: runtime.Server, request: bytes = GET, *, method: str = "GET") -> Response:
    """Send one request over a connection of its own and return the response."""
    async with connected(server) as client:
        await client.send(request)
        return await client.response(method=method)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what no event tells. The test's timeout is the limit."""
    while not condition():  # noqa: ASYNC110 - as it says.
        await anyio.sleep(0.001)


async def old_cancellation() -> BaseException:
    """Return a cancellation whose scope has been left."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class() as error:
            return error  # Which nobody should do.
    raise AssertionError("it was not cancelled")


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """The least of applications."""
    await send(OK)
    await send({"type": "http.response.body", "body": b"hello"})


async def read_body(receive: Any) -> bytes:
    """Take a whole request body, as an application does. Raises `EOFError` where the client has left."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise EOFError
        pieces.append(message["body"])
        if not message["more_body"]:
            return b"".join(pieces)
