"""What clients do while something goes wrong, and the stage on which they do it: a server with a sibling to watch."""

from __future__ import annotations

import gc
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

import anyio
import pytest

import runtime
from runtime.tls import SecureConnection
from sansio import Connection, Exchange

from .client import OK, Client, connected, hello, make_server, read_body, until
from .conftest import descriptors, living_tasks
from .http2_client import Session, connected_http2
from .secure_client import Authority, secured

__all__ = ["ENDED", "SCENES", "SIBLING", "TIMEOUT", "Scene", "Stage", "app", "staged"]

ENDED: Final = (EOFError, OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)
"""What a client sees of a connection that was ended. `ssl.SSLError` is an `OSError`."""

TIMEOUT: Final = 5.0
"""Seconds for what should take milliseconds."""

SIBLING: Final = b"GET /sibling HTTP/1.1\r\nHost: test\r\n\r\n"

PIECE: Final = b"x" * 300


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echo bodies and messages, stream, or be brief to siblings."""
    if scope["path"] == "/sibling":
        await hello(scope, receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": message["bytes"], "text": message["text"]})
    elif scope["path"] == "/stream":
        await send(OK)
        for _ in range(3):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
            await anyio.lowlevel.checkpoint()
        await send({"type": "http.response.body"})
        await anyio.lowlevel.checkpoint()
    else:
        try:
            body = await read_body(receive)
        except EOFError:
            return
        await send(OK)
        await send({"type": "http.response.body", "body": body})


# Scenes. Each ends with its connection, which in some the server ends and in some the client.


def _request(path: bytes, body: bytes = b"", *fields: bytes) -> bytes:
    lines = [b"POST %s HTTP/1.1" % path, b"Host: test", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join([*lines, b"", body])


async def _answers(client: Client, body: bytes) -> None:
    response = await client.response()
    if response.status >= 500:
        raise EOFError
    assert response.body == body


async def _receives(client: Client, frame: bytes) -> None:
    head = await client.exactly(2)
    content = await client.exactly(head[1])
    if head[0] == 0x88 and head + content != frame:
        raise EOFError
    assert head + content == frame


async def _keep_alive(client: Client, server: runtime.Server) -> None:
    for body in (b"first", b"second" * 50):
        await client.send(_request(b"/", body))
        await _answers(client, body)
    await client.send(_request(b"/", b"last", b"Connection: close"))
    await _answers(client, b"last")
    with pytest.raises(EOFError):
        await client.exactly(1)


async def _pipelined(client: Client, server: runtime.Server) -> None:
    await client.send(_request(b"/", b"first") + _request(b"/stream") + _request(b"/", b"last"))
    await _answers(client, b"first")
    await _answers(client, PIECE * 3)
    await _answers(client, b"last")


async def _streamed(client: Client, server: runtime.Server) -> None:
    await client.send(_request(b"/stream", b"", b"Connection: close"))
    await _answers(client, PIECE * 3)
    with pytest.raises(EOFError):
        await client.exactly(1)


async def _websocket(client: Client, server: runtime.Server) -> None:
    await client.send(
        b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    status, _ = await client.head()
    if status >= 400:
        raise EOFError
    assert status == 101
    # Frames of a client are masked, here with zeros: RFC 6455 §5.3.
    for _ in range(2):
        await client.send(b"\x81\x85\0\0\0\0hello")
        await _receives(client, b"\x81\x05hello")
    await client.send(b"\x88\x82\0\0\0\0\x03\xe8")
    await _receives(client, b"\x88\x02\x03\xe8")
    with pytest.raises(EOFError):
        await client.exactly(1)


async def _shutdown(client: Client, server: runtime.Server) -> None:
    await client.send(_request(b"/", b"first"))
    await _answers(client, b"first")
    await client.send(_request(b"/", b"last", b"Expect: 100-continue").removesuffix(b"last"))
    status, _ = await client.head()
    if status >= 500:
        raise EOFError
    assert status == 100
    server.shut_down()
    await anyio.lowlevel.checkpoint()
    await client.send(b"last")
    await _answers(client, b"last")
    with pytest.raises(EOFError):
        await client.exactly(1)


async def _http2(server: runtime.Server, context: ssl.SSLContext | None) -> None:
    async with connected_http2(server, context=context) as client:
        streams = [await client.open(b"/stream"), await client.open(method=b"POST", end_stream=False)]
        session = await Session.ask(client, b"/")
        if session.view.status != 200:
            raise EOFError
        await client.upload(streams[1], b"body", end_stream=True)
        await session.send("hello")
        for stream, content in zip(streams, [PIECE * 3, b"body"], strict=True):
            view = await client.response(stream)
            if not view.ended or view.status != 200:
                raise EOFError
            assert view.content == content
        if (message := await session.receive()) is None:
            raise EOFError
        assert message == "hello"
        await session.send_close(1000)
        await client.response(session.stream)


@cache
def _speaking_http2(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.authorities)
    context.set_alpn_protocols(["h2"])
    return context


@dataclass(frozen=True)
class Scene:
    """What a client does over one connection. Raises one of `ENDED` where the server ends it too early."""

    name: str
    talk: Callable[[Client, runtime.Server], Awaitable[None]] | None
    """None: HTTP/2, with streams side by side."""
    ends_server: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """Options of the server."""
        return {} if self.talk is not None else {"h2c": "prior-knowledge"}

    async def play(self, server: runtime.Server, authority: Authority | None) -> None:
        """Play it from beginning to end."""
        if self.talk is None:
            await _http2(server, None if authority is None else _speaking_http2(authority))
            return
        opened = connected(server) if authority is None else secured(server, authority.client)
        async with opened as client:
            await self.talk(client, server)


SCENES: Final = [
    Scene("keep-alive", _keep_alive),
    Scene("pipelined", _pipelined),
    Scene("streamed", _streamed),
    Scene("websocket", _websocket),
    Scene("http2", None),
    Scene("shutdown", _shutdown, ends_server=True),
]


class Stage:
    """A server on which scenes are played, with a client that was there before them."""

    def __init__(
        self,
        scene: Scene,
        make: Callable[[], runtime.Server],
        server: runtime.Server,
        sibling: Client,
        authority: Authority | None,
    ) -> None:
        self.server = server
        self._scene = scene
        self._make = make
        self._authority = authority
        self._sibling = sibling
        self._before = descriptors(), living_tasks()

    async def play(self) -> bool:
        """Play the scene, and say whether it came to its end. In time it must."""
        with anyio.fail_after(TIMEOUT):
            try:
                if self._scene.ends_server:
                    async with self._make() as server:
                        await self._scene.play(server, self._authority)
                else:
                    await self._scene.play(self.server, self._authority)
            except ENDED:
                return False
            return True

    async def check(self) -> None:
        """A sibling and a newcomer are served, and of whoever was there before nothing is left."""
        with anyio.fail_after(TIMEOUT):
            await _is_served(self._sibling)
            async with _opened(self.server, self._authority) as newcomer:
                await _is_served(newcomer)
        with anyio.move_on_after(TIMEOUT):
            await until(lambda: (descriptors(), living_tasks()) == self._before)
        now = descriptors(), living_tasks()
        assert now == self._before, f"descriptors and tasks {self._before} have become {now}"


@asynccontextmanager
async def staged(
    scene: Scene, authority: Authority | None, application: Any = app, **settings: Any
) -> AsyncIterator[Stage]:
    """Begin a server that ends within the block's end, in time, and of whose connections nothing lives on."""
    options: dict[str, Any] = {
        "timeout_linger": 0.05,
        **({} if authority is None else authority.options),
        **scene.settings,
        **settings,
    }
    make = partial(make_server, application, **options)
    with anyio.CancelScope() as ending:
        async with make() as server:
            async with _opened(server, authority) as sibling:
                await _is_served(sibling)
                stage = Stage(scene, make, server, sibling, authority)
                await stage.check()
                before = _living_objects()
                yield stage
                with anyio.move_on_after(TIMEOUT):
                    await until(lambda: _living_objects() <= before)
                now = _living_objects()
                assert now <= before, f"{before} have become {now}"
            ending.deadline = anyio.current_time() + TIMEOUT
    assert not ending.cancelled_caught, "the server did not end"


def _opened(server: runtime.Server, authority: Authority | None) -> AbstractAsyncContextManager[Client]:
    return connected(server) if authority is None else secured(server, authority.client)


async def _is_served(client: Client) -> None:
    await client.send(SIBLING)
    assert (await client.response()).body == b"hello"


def _living_objects() -> Counter[str]:
    gc.collect()
    living = Counter[str]()
    for thing in gc.get_objects():
        for kind in (Connection, SecureConnection, Exchange, socket.socket):
            if issubclass(type(thing), kind):
                living[kind.__name__] += 1
    return living
