"""A client that speaks HTTP/2 frame by frame, legal or not, and whose every frame from the server is judged."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, TextMessage

import runtime
from tests.peers import (
    PING,
    PREFACE,
    Fields,
    Frame,
    Observer,
    StreamView,
    data,
    ping,
    request,
    settings,
    window_update,
)

from .client import Client, connected, hello, make_server
from .secure_client import secured

__all__ = [
    "INITIAL_WINDOW_SIZE",
    "Http2Client",
    "Session",
    "Waits",
    "connected_http2",
    "fetch",
    "is_served",
    "make_http2_server",
]

INITIAL_WINDOW_SIZE: Final = 0x4

_LARGEST_WINDOW: Final = 2**31 - 1
_MAX_PIECE: Final = 16_384

_VERSION: Final = (b"sec-websocket-version", b"13")


def make_http2_server(app: Any, **settings: Any) -> runtime.Server:
    """Return a server that takes HTTP/2 without TLS."""
    return make_server(app, **{"h2c": "prior-knowledge", **settings})


class Http2Client:
    """One connection. Reading raises `EOFError` where the server has ended it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.observer = Observer()
        self.observer.exact = False  # What is on its way is older than what was sent.
        self.cut: int | None = None
        """Send so many octets at a time, and let others have their turn between. None: all at once."""
        self._next_id = 1

    # Octets.

    async def send(self, *pieces: bytes) -> None:
        """Send octets."""
        octets = b"".join(pieces)
        self.observer.sent(octets)
        if self.cut is None:
            await self.client.send(octets)
            return
        for start in range(0, len(octets), self.cut):
            await self.client.send(octets[start : start + self.cut])
            await anyio.lowlevel.checkpoint()

    async def read(self) -> Frame:
        """Read the next frame. A ping is answered."""
        while True:
            head = await self.client.exactly(9)
            payload = await self.client.exactly(int.from_bytes(head[:3], "big"))
            for frame in self.observer.read(head + payload):
                if frame.kind == PING and not frame.flags:
                    with suppress(anyio.BrokenResourceError):
                        await self.send(ping(frame.payload, ack=True))
                return frame

    async def read_until(self, condition: Callable[[], bool]) -> None:
        """Read frames until something is so."""
        while not condition():
            await self.read()

    async def rest(self) -> None:
        """Read frames until the server ends the connection, by FIN or RST."""
        try:
            while True:
                await self.read()
        except EOFError:
            pass

    # Connections.

    async def start(self, *items: tuple[int, int], window: int = _LARGEST_WINDOW) -> None:
        """Begin: settings go both ways and are acknowledged. `window` is each stream's, and the connection's."""
        octets = PREFACE + settings((INITIAL_WINDOW_SIZE, window), *items)
        if window > 65_535:
            octets += window_update(0, window - 65_535)
        await self.send(octets)
        await self.read_until(lambda: bool(self.observer.settings) and self.observer.acknowledged == 1)
        await self.send(settings(ack=True))

    @property
    def error(self) -> int | None:
        """The code of the GOAWAY that ended the connection; None while there is none."""
        codes = [code for _, code in self.observer.goaways if code]
        return codes[0] if codes else None

    # Streams.

    def next_id(self) -> int:
        """Return a stream that is new."""
        stream = self._next_id
        self._next_id += 2
        return stream

    def view(self, stream: int) -> StreamView:
        return self.observer.streams[stream]

    async def open(
        self,
        path: bytes = b"/",
        fields: Fields = (),
        *,
        method: bytes = b"GET",
        end_stream: bool = True,
        **more: Any,
    ) -> int:
        """Send the head of a request and return its stream."""
        stream = self.next_id()
        await self.send(
            request(stream, method, path, fields, end_stream=end_stream, **{"scheme": b"http", **more})
        )
        return stream

    async def upload(self, stream: int, content: bytes, *, end_stream: bool = False) -> None:
        """Send content as fast as the server gives credit."""
        view = self.view(stream)
        place = 0
        while place < len(content):
            await self.read_until(lambda: min(view.credit, self.observer.credit) > 0)
            size = min(view.credit, self.observer.credit, _MAX_PIECE, len(content) - place)
            piece = content[place : place + size]
            place += size
            await self.send(data(stream, piece, end_stream=end_stream and place == len(content)))

    async def fill(self, stream: int) -> int:
        """Send as much content as there is credit for; return how much it was."""
        size = min(self.view(stream).credit, self.observer.credit)
        await self.upload(stream, bytes(size))
        return size

    async def head(self, stream: int) -> StreamView:
        """Read until the response's head is there."""
        view = self.view(stream)
        await self.read_until(lambda: view.status is not None or view.reset is not None)
        return view

    async def content(self, stream: int, octets: bytes) -> None:
        """Read until the response's content begins with these octets, all of it."""
        view = self.view(stream)
        await self.read_until(lambda: len(view.octets) >= len(octets))
        assert view.content == octets

    async def response(self, stream: int) -> StreamView:
        """Read until the stream has ended, well or badly."""
        view = self.view(stream)
        await self.read_until(lambda: view.ended or view.reset is not None)
        return view

    async def fetch(self, path: bytes = b"/", fields: Fields = (), **more: Any) -> StreamView:
        """Send a request and read its response."""
        return await self.response(await self.open(path, fields, **more))


class Session:
    """A WebSocket on a stream (RFC 8441). wsproto reads what the server says."""

    def __init__(self, client: Http2Client, stream: int) -> None:
        self.client = client
        self.stream = stream
        self.view = client.view(stream)
        self._peer = Connection(ConnectionType.CLIENT)
        self._seen = 0
        self._messages: deque[str | bytes] = deque()
        self.close: tuple[int, str] | None = None
        """Code and reason of the server's close frame."""

    @classmethod
    async def ask(cls, client: Http2Client, path: bytes = b"/", fields: Fields = (), **more: Any) -> Session:
        """Ask for a WebSocket; whether it is granted stands in `view.status`."""
        fields = [(b":protocol", b"websocket"), _VERSION, *fields]
        stream = await client.open(path, fields, method=b"CONNECT", end_stream=False, **more)
        session = cls(client, stream)
        await client.head(stream)
        return session

    @classmethod
    async def open(cls, client: Http2Client, path: bytes = b"/", fields: Fields = (), **more: Any) -> Session:
        """Open a WebSocket."""
        session = await cls.ask(client, path, fields, **more)
        assert session.view.status == 200
        return session

    async def send(self, message: str | bytes) -> None:
        octets = self._peer.send(
            TextMessage(message) if isinstance(message, str) else BytesMessage(bytearray(message))
        )
        await self.client.upload(self.stream, octets)

    async def send_close(self, code: int, reason: str = "") -> None:
        """Close, or answer the server's close."""
        await self.client.upload(self.stream, self._peer.send(CloseConnection(code, reason)))

    async def receive(self) -> str | bytes | None:
        """Return the next message; None: the server has closed, or reset the stream."""
        whole: list[Any] = []
        while not self._messages and self.close is None and self.view.reset is None:
            for event in self._peer.events():
                if isinstance(event, CloseConnection):
                    self.close = int(event.code), event.reason or ""
                elif isinstance(event, TextMessage | BytesMessage):
                    whole.append(event.data)
                    if event.message_finished:
                        self._messages.append(_join(whole))
                        whole = []
            if self._messages or self.close is not None:
                break
            await self.client.read_until(
                lambda: len(self.view.octets) > self._seen or self.view.reset is not None
            )
            self._peer.receive_data(bytes(self.view.octets[self._seen :]))
            self._seen = len(self.view.octets)
        return self._messages.popleft() if self._messages else None


def _join(pieces: list[Any]) -> str | bytes:
    return "".join(pieces) if isinstance(pieces[0], str) else b"".join(map(bytes, pieces))


@asynccontextmanager
async def connected_http2(
    server: runtime.Server,
    *items: tuple[int, int],
    window: int = _LARGEST_WINDOW,
    context: ssl.SSLContext | None = None,
    start: bool = True,
) -> AsyncIterator[Http2Client]:
    """Connect to a server, with TLS if there is a context for it, and begin; close in the end whatever happened."""
    opened = connected(server) if context is None else secured(server, context)
    async with opened as stream:
        client = Http2Client(stream)
        if start:
            await client.start(*items, window=window)
        yield client


async def fetch(server: runtime.Server, path: bytes = b"/") -> StreamView:
    """Send one request over a connection of its own and return the response."""
    async with connected_http2(server) as client:
        return await client.fetch(path)


async def is_served(server: runtime.Server, sibling: Http2Client) -> None:
    """A client that was there before and one that comes now are answered at once."""
    with anyio.fail_after(2):
        for view in (await sibling.fetch(b"/sibling"), await fetch(server, b"/sibling")):
            assert (view.status, view.content) == (200, b"hello")


class Waits:
    """Applications that wait to be released, but for those at /sibling, and what has become of them."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.answered = 0
        self.cancelled = 0
        self.release = anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/sibling":
            await hello(scope, receive, send)
            return
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.release.wait()
            await hello(scope, receive, send)
            self.answered += 1
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
