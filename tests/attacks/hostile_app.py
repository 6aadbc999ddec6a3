"""Routes that break the rules of ASGI. They run on asyncio and on trio."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import anyio.lowlevel
import sniffio

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Route = Callable[[Scope, Receive, Send], Awaitable[None]]

HUGE: Final = 32 * 1024 * 1024
EMPTY_EVENTS: Final = 200_000
BLOCKED_FOR: Final = 0.7
OUTLIVES_BY: Final = 0.3
"""Seconds."""


def _start(status: Any = 200, *fields: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(fields)}


def _body(body: Any, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def _saying(*messages: Any) -> Route:
    """Return an application that sends these messages, lets nobody stop it, and returns."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return route


BAD_FIELDS: Final[dict[str, Any]] = {
    "value": (b"x", b"a\r\nInjected: yes"),
    "lf": (b"x", b"a\nInjected: yes"),
    "name": (b"x\r\nInjected", b"yes"),
    "null": (b"x", b"a\x00Injected: yes"),
    "end": (b"x", b"a\r\n\r\nInjected: yes"),
    "space": (b"Injected: yes\r\nx y", b"z"),
}

WRONG: Final[dict[str, list[Any]]] = {
    "none": [None],
    "empty": [{}],
    "unknown-type": [{"type": "nonsense"}],
    "no-start": [_body(b"x")],
    "two-starts": [_start(), _start()],
    "text": [_start(), _body("text")],
    "status-as-text": [_start("200"), _body(b"x")],
    "status-99": [_start(99), _body(b"x")],
    "status-1000": [_start(1000), _body(b"x")],
    "status-101": [_start(101), _body(b"x")],
    "no-status": [{"type": "http.response.start"}, _body(b"x")],
    "fields-as-text": [_start(200, ("x", "y")), _body(b"x")],
    "fields-of-three": [_start(200, (b"x", b"y", b"z")), _body(b"x")],
    "fields-of-none": [{"type": "http.response.start", "status": 200, "headers": None}, _body(b"x")],
    "number-as-body": [_start(), _body(5)],
    "start-only": [_start()],
    "nothing": [],
    "two-lengths": [_start(200, (b"content-length", b"1"), (b"content-length", b"2")), _body(b"x")],
    "length-and-coding": [
        _start(200, (b"content-length", b"50"), (b"transfer-encoding", b"chunked")),
        _body(b"x"),
    ],
}


async def _crlf(scope: Scope, receive: Receive, send: Send) -> None:
    await send(_start(200, BAD_FIELDS[scope["path"].rpartition("/")[2]]))
    await send(_body(b""))


async def _wrong(scope: Scope, receive: Receive, send: Send) -> None:
    await _saying(*WRONG[scope["path"].rpartition("/")[2]])(scope, receive, send)


async def _raise_before(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("on purpose")


async def _raise_after_start(scope: Scope, receive: Receive, send: Send) -> None:
    await send(_start())
    raise LookupError("on purpose")


async def _raise_in_chunks(scope: Scope, receive: Receive, send: Send) -> None:
    await send(_start())
    await send(_body(b"half", more=True))
    raise LookupError("on purpose")


async def _raise_in_length(scope: Scope, receive: Receive, send: Send) -> None:
    await send(_start(200, (b"content-length", b"8")))
    await send(_body(b"half", more=True))
    raise LookupError("on purpose")


async def _raise_after_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    await send(_start(200, (b"content-length", b"5")))
    await send(_body(b"whole"))
    raise LookupError("on purpose")


async def _never_read(scope: Scope, receive: Receive, send: Send) -> None:
    await anyio.sleep(2)
    await send(_start(200, (b"content-length", b"5")))
    await send(_body(b"whole"))


async def _swallow_cancellation(scope: Scope, receive: Receive, send: Send) -> None:
    """Works for two minutes, however often it is cancelled."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with contextlib.suppress(anyio.get_cancelled_exc_class()):
            await anyio.sleep(0.05)


async def _send_for_ever(scope: Scope, receive: Receive, send: Send) -> None:
    """Asks nobody, waits for nothing but `send`, and goes on until that raises (ASGI HTTP 2.4), or for two seconds."""
    await send(_start())
    until = time.monotonic() + 2
    while time.monotonic() < until:
        await send(_body(b"x" * 65_536, more=True))


async def _send_until_told(scope: Scope, receive: Receive, send: Send) -> None:
    """Goes on for two seconds whatever `send` says, but lets others have their turns."""
    await send(_start())
    until = time.monotonic() + 2
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            await send(_body(b"x" * 65_536, more=True))
        await anyio.lowlevel.checkpoint()


async def _huge(scope: Scope, receive: Receive, send: Send) -> None:
    await send(_start(200, (b"content-length", b"%d" % HUGE)))
    await send(_body(bytes(HUGE)))


async def _empty_events(scope: Scope, receive: Receive, send: Send) -> None:
    await send(_start())
    for _ in range(EMPTY_EVENTS):
        await send(_body(b"", more=True))
    await send(_body(b"done"))


async def _too_much(scope: Scope, receive: Receive, send: Send) -> None:
    await send(_start(200, (b"content-length", b"2")))
    await send(_body(b"okHTTP/1.1 200 OK\r\ninjected: yes\r\n\r\n"))


async def _too_little(scope: Scope, receive: Receive, send: Send) -> None:
    await send(_start(200, (b"content-length", b"20")))
    await send(_body(b"half"))


async def _outlive(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers, and has a task that sends more when the next request is at work."""

    async def late() -> None:
        await anyio.sleep(OUTLIVES_BY)
        for message in (_start(200, (b"injected", b"yes")), _body(b"Injected: yes")):
            with contextlib.suppress(Exception):
                await send(message)

    if sniffio.current_async_library() == "trio":
        import trio

        trio.lowlevel.spawn_system_task(late)
    else:
        task = asyncio.ensure_future(late())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
    await send(_start(200, (b"content-length", b"5")))
    await send(_body(b"whole"))


_tasks: set[asyncio.Future[None]] = set()


async def _block(scope: Scope, receive: Receive, send: Send) -> None:
    time.sleep(BLOCKED_FOR)  # noqa: ASYNC251 - it is hostile.
    await send(_start(200, (b"content-length", b"5")))
    await send(_body(b"whole"))


async def _change_later(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends one buffer again and again, and writes over it and over its messages at once."""
    fields = [(b"x-first", b"first"), (b"content-length", b"%d" % (100 * 65_536))]
    start = _start(200, *fields)
    await send(start)
    start["headers"][0] = (b"injected", b"yes")
    start["status"] = 500
    buffer = bytearray(65_536)
    for number in range(100):
        buffer[:] = b"%c" % (97 + number % 26) * 65_536
        message = _body(bytes(buffer), more=number < 99)
        await send(message)
        message["body"] = b"Injected: yes"
    scope["path"] = None
    scope["headers"] = None


HOSTILE: Final[dict[str, Route]] = {
    "/crlf": _crlf,
    "/wrong": _wrong,
    "/raise-before": _raise_before,
    "/raise-after-start": _raise_after_start,
    "/raise-in-chunks": _raise_in_chunks,
    "/raise-in-length": _raise_in_length,
    "/raise-after-the-end": _raise_after_the_end,
    "/never-read": _never_read,
    "/swallow": _swallow_cancellation,
    "/send-for-ever": _send_for_ever,
    "/send-until-told": _send_until_told,
    "/huge": _huge,
    "/empty-events": _empty_events,
    "/too-much": _too_much,
    "/too-little": _too_little,
    "/outlive": _outlive,
    "/block": _block,
    "/change-later": _change_later,
}
