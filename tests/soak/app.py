"""The application that is soaked: what it answers can be told in advance, octet by octet."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import anyio
import trio

from tests.soak import heap

__all__ = ["GREETING", "PARTS", "Application", "PlannedError", "content_of"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

GREETING: Final = b"Hello, world!"

PARTS: Final = 8
"""So many pieces a slow response has."""

_PAUSE: Final = 0.025  # Between two of them.
_OUTLIVES: Final = 0.3  # Seconds that an application works on after its client has left.
_PIECE: Final = 16_384
_PATTERN: Final = bytes(range(256)) * (_PIECE // 256 + 1)
_FRAMES: Final = 8  # So deep is the place told where memory was asked for.
_TOLD: Final = 12  # So many places are told, those with the most memory.
_OURS: Final = ("sansio", "runtime")


class PlannedError(Exception):
    """What the failing routes raise. The log is allowed to have it."""


def content_of(size: int) -> bytes:
    """Return what a download of this size is."""
    return b"".join([_piece(start, size) for start in range(0, size, _PIECE)])


class Application:
    """Answers by path. One object serves all listeners of a process.

    `renew` is called for ``/renew``, and is to load the certificate anew.
    """

    def __init__(self, renew: Callable[[], None]) -> None:
        self._renew = renew
        self._routes: dict[str, Callable[[str, Receive, Send], Awaitable[None]]] = {
            "/": self._greet,
            "/census": self._count,
            "/collect": self._collect,
            "/download": self._download,
            "/echo": self._echo,
            "/fail": self._fail,
            "/fail-midway": self._fail_midway,
            "/growth": self._tell_growth,
            "/outlive": self._outlive,
            "/renew": self._renew_certificate,
            "/slow": self._stream_slowly,
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Be an ASGI application."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await _converse(scope["path"], receive, send)
        else:
            query = scope["query_string"].decode()
            await self._routes[scope["path"]](query, receive, send)

    # What everybody may ask for.

    async def _greet(self, query: str, receive: Receive, send: Send) -> None:
        await _answer(GREETING, send)

    async def _collect(self, query: str, receive: Receive, send: Send) -> None:
        """Read all, then send it back."""
        pieces = []
        while (message := await receive())["type"] == "http.request":
            pieces.append(message["body"])
            if not message["more_body"]:
                await _answer(b"".join(pieces), send)
                return

    async def _echo(self, query: str, receive: Receive, send: Send) -> None:
        """Send back each piece as soon as it has come."""
        await _start(200, send)
        while (message := await receive())["type"] == "http.request":
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})
            if not more:
                return

    async def _download(self, query: str, receive: Receive, send: Send) -> None:
        size = int(query)
        await _start(200, send, size)
        for start in range(0, size, _PIECE):
            body = _piece(start, size)
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _stream_slowly(self, query: str, receive: Receive, send: Send) -> None:
        await _start(200, send)
        for _ in range(PARTS):
            await send({"type": "http.response.body", "body": GREETING, "more_body": True})
            await anyio.sleep(_PAUSE)
        await send({"type": "http.response.body", "body": b""})

    async def _outlive(self, query: str, receive: Receive, send: Send) -> None:
        """Begin to answer, wait until the client has left, and work on."""
        await _start(200, send)
        await send({"type": "http.response.body", "body": GREETING, "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        await anyio.sleep(_OUTLIVES)

    async def _fail(self, query: str, receive: Receive, send: Send) -> None:
        raise PlannedError("before the response")

    async def _fail_midway(self, query: str, receive: Receive, send: Send) -> None:
        await _start(200, send)
        await send({"type": "http.response.body", "body": GREETING, "more_body": True})
        raise PlannedError("in the middle of the response")

    # What only the soak asks for.

    async def _renew_certificate(self, query: str, receive: Receive, send: Send) -> None:
        self._renew()
        await _answer(b"renewed", send)

    async def _count(self, query: str, receive: Receive, send: Send) -> None:
        """Count what is there; with a query, the server's objects too, which takes longer.

        Without one, let the system have the pages that hold nothing, so that what it counts next are the others.
        """
        counted: dict[str, Any] = {
            "descriptors": _descriptors(),
            "tasks": _tasks(),
        }
        if query:
            gc.collect()
            counted["objects"] = _objects()
        else:
            counted["blocks"] = sys.getallocatedblocks()
            counted["heap"] = heap.in_use()
            heap.trim()
        await _answer(json.dumps(counted).encode(), send)

    async def _tell_growth(self, query: str, receive: Receive, send: Send) -> None:
        """From the first question on, trace memory; at the second one, tell what was not given back since."""
        lines: list[str] = []
        if not tracemalloc.is_tracing():
            tracemalloc.start(_FRAMES)
        else:
            gc.collect()
            snapshot = tracemalloc.take_snapshot()
            tracemalloc.stop()
            for held in snapshot.statistics("traceback")[:_TOLD]:
                lines += [f"{held.size:,} bytes in {held.count:,} blocks", *held.traceback.format()]
        await _answer("\n".join(lines).encode(), send)


# Parts of answers.


def _piece(start: int, size: int) -> bytes:
    turn = start // _PIECE % 256  # No two neighbours are the same.
    return _PATTERN[turn : turn + min(_PIECE, size - start)]


async def _start(status: int, send: Send, size: int | None = None) -> None:
    fields = [(b"content-type", b"application/octet-stream")]
    if size is not None:
        fields.append((b"content-length", b"%d" % size))
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def _answer(body: bytes, send: Send) -> None:
    await _start(200, send, len(body))
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _converse(path: str, receive: Receive, send: Send) -> None:
    """Send back every message, or accept and fail, or refuse, or close at the first message."""
    await receive()
    if path == "/refuse":
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    await send({"type": "websocket.accept"})
    if path == "/fail":
        raise PlannedError("in a WebSocket")
    while (message := await receive())["type"] == "websocket.receive":
        if path == "/close":
            await send({"type": "websocket.close", "code": 4000, "reason": "as planned"})
            return
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


# Counting.


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) - 1  # One is the folder itself.


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return trio.lowlevel.current_statistics().tasks_living


def _objects() -> dict[str, int]:
    """Count the objects of tricorn's classes, and TLS's, that are alive."""
    counted: Counter[str] = Counter()
    for thing in gc.get_objects():
        kind = type(thing)
        module = str(getattr(kind, "__module__", ""))
        if module.partition(".")[0] in _OURS or kind.__name__ == "SSLObject":
            counted[f"{module}.{kind.__qualname__}"] += 1
    return dict(counted)
