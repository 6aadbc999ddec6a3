"""WebSocket clients of other people's making, on the test's own backend, with one face."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import Any, Protocol

import anyio
import anyio.to_thread
import sniffio
import trio
import trio_websocket
import websockets.asyncio.client
import websockets.exceptions
import websockets.sync.client

import runtime

from .client import Client, connected, place

Message = str | bytes
Fields = Sequence[tuple[str, str]]

_MAX_FRAME = 2_097_152  # What cannot be compressed grows a little.


class Closed(Exception):
    """The WebSocket is closed. The arguments are code and reason; 1006 if the server did not say."""


class Refused(Exception):
    """The server did not make it a WebSocket."""

    def __init__(self, status: int, fields: dict[str, str], body: bytes) -> None:
        super().__init__(status, body)
        self.status = status
        self.fields = fields
        """Names in lower case."""
        self.body = body


class Peer(Protocol):
    """The client's end of one WebSocket."""

    subprotocol: str | None
    fields: dict[str, str]
    """The response's, with names in lower case."""

    async def send(self, message: Message) -> None: ...

    async def receive(self) -> Message:
        """Return the next message, or raise `Closed`."""

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


class _ByWebsockets:
    def __init__(self, connection: websockets.asyncio.client.ClientConnection) -> None:
        assert connection.response is not None
        self._connection = connection
        self.subprotocol: str | None = connection.subprotocol
        self.fields = _lower(connection.response.headers.raw_items())

    async def send(self, message: Message) -> None:
        await self._connection.send(message)

    async def receive(self) -> Message:
        try:
            return await self._connection.recv()
        except websockets.exceptions.ConnectionClosed as error:
            raise _closed(error) from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._connection.close(code, reason)


class _ByThreads:
    """The same library without an event loop: for what trio-websocket does not have."""

    def __init__(self, connection: websockets.sync.client.ClientConnection) -> None:
        assert connection.response is not None
        self._connection = connection
        self.subprotocol: str | None = connection.subprotocol
        self.fields = _lower(connection.response.headers.raw_items())

    async def send(self, message: Message) -> None:
        await anyio.to_thread.run_sync(self._connection.send, message)

    async def receive(self) -> Message:
        try:
            return await anyio.to_thread.run_sync(self._connection.recv)
        except websockets.exceptions.ConnectionClosed as error:
            raise _closed(error) from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await anyio.to_thread.run_sync(self._connection.close, code, reason)


class _ByTrioWebsocket:
    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self._connection = connection
        self.subprotocol: str | None = connection.subprotocol
        fields = [(name.decode(), value.decode()) for name, value in connection.handshake_headers]
        self.fields = _lower(fields)

    async def send(self, message: Message) -> None:
        await self._connection.send_message(message)

    async def receive(self) -> Message:
        try:
            message: Message = await self._connection.get_message()
        except trio_websocket.ConnectionClosed as error:
            reason = error.reason
            raise Closed(1006, "") if reason is None else Closed(reason.code, reason.reason or "") from None
        return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._connection.aclose(code, reason)


def opened(
    server: runtime.Server,
    path: str = "/",
    *,
    compressed: bool = False,
    subprotocols: Sequence[str] = (),
    fields: Fields = (),
) -> AbstractAsyncContextManager[Peer]:
    """Open a WebSocket on a server, and close it in the end. Raises `Refused`."""
    host, port = place(server)
    url = f"ws://{host}:{port}{path}"
    if sniffio.current_async_library() == "asyncio":
        return _on_asyncio(url, compressed, subprotocols, fields)
    if compressed:
        return _in_threads(url, subprotocols, fields)
    return _on_trio(host, port, path, subprotocols, fields)


@asynccontextmanager
async def _on_asyncio(
    url: str, compressed: bool, subprotocols: Sequence[str], fields: Fields
) -> AsyncIterator[Peer]:
    try:
        async with websockets.asyncio.client.connect(
            url,
            compression="deflate" if compressed else None,
            subprotocols=_subprotocols(subprotocols),
            additional_headers=list(fields),
            max_size=_MAX_FRAME,
            proxy=None,
        ) as connection:
            yield _ByWebsockets(connection)
    except websockets.exceptions.InvalidStatus as error:
        raise _refused(error) from None


@asynccontextmanager
async def _in_threads(url: str, subprotocols: Sequence[str], fields: Fields) -> AsyncIterator[Peer]:
    def connect() -> websockets.sync.client.ClientConnection:
        return stack.enter_context(
            websockets.sync.client.connect(
                url,
                subprotocols=_subprotocols(subprotocols),
                additional_headers=list(fields),
                max_size=_MAX_FRAME,
                proxy=None,
            )
        )

    stack = ExitStack()
    try:
        yield _ByThreads(await anyio.to_thread.run_sync(connect))
    except websockets.exceptions.InvalidStatus as error:
        raise _refused(error) from None
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(stack.close)


@asynccontextmanager
async def _on_trio(
    host: str, port: int, path: str, subprotocols: Sequence[str], fields: Fields
) -> AsyncIterator[Peer]:
    refused: Refused | None = None
    try:
        # trio-websocket forgets to close a stream that the server has closed; ours is closed by us.
        async with await trio.open_tcp_stream(host, port) as stream, trio.open_nursery() as nursery:
            connection = await trio_websocket.wrap_client_stream(
                nursery,
                stream,
                f"{host}:{port}",
                path,
                subprotocols=list(subprotocols),
                extra_headers=[(name.encode(), value.encode()) for name, value in fields],
            )
            async with connection:
                yield _ByTrioWebsocket(connection)
    except* trio_websocket.ConnectionRejected as group:
        [error] = group.exceptions
        assert isinstance(error, trio_websocket.ConnectionRejected)
        answer = [(name.decode(), value.decode()) for name, value in error.headers or ()]
        refused = Refused(error.status_code, _lower(answer), error.body or b"")
    if refused is not None:
        raise refused


def _subprotocols(names: Sequence[str]) -> Any:
    return list(names) or None


def _lower(fields: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in fields}


def _closed(error: websockets.exceptions.ConnectionClosed) -> Closed:
    return Closed(1006, "") if error.rcvd is None else Closed(error.rcvd.code, error.rcvd.reason)


def _refused(error: websockets.exceptions.InvalidStatus) -> Refused:
    response = error.response
    return Refused(response.status_code, _lower(response.headers.raw_items()), bytes(response.body))


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
"""RFC 6455 §1.3."""


@asynccontextmanager
async def opened_by_hand(server: runtime.Server) -> AsyncIterator[Client]:
    """Open a WebSocket whose client does nothing that it is not told to."""
    async with connected(server) as client:
        await client.send(HANDSHAKE)
        status, _ = await client.head()
        assert status == 101
        yield client


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """Return a frame of a client, whose mask is zeros (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    elif size < 65536:
        head = bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, 0xFF]) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
