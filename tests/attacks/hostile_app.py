"""Routes that break the rules of ASGI. They run on asyncio and on trio."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import anyio.lowlevel
import sniffio

from tests.attacks.hostile_messages import BAD_FIELDS, HOP_BY_HOP, INJECTIONS, WRONG, body, start

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


def _saying(*messages: Any) -> Route:
    """Return an application that sends these messages, lets nobody stop it, and returns."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return route


async def _crlf(scope: Scope, receive: Receive, send: Send) -> None:
    *_, way, name = scope["path"].split("/")
    await _saying(*INJECTIONS[way](BAD_FIELDS[name]))(scope, receive, send)


async def _hop_by_hop(scope: Scope, receive: Receive, send: Send) -> None:
    fields = HOP_BY_HOP[scope["path"].rpartition("/")[2]]
    await _saying(start(200, (b"x-kept", b"yes"), *fields), body(b"whole"))(scope, receive, send)


async def _hop_by_hop_trailers(scope: Scope, receive: Receive, send: Send) -> None:
    fields = HOP_BY_HOP[scope["path"].rpartition("/")[2]]
    trailers = {"type": "http.response.trailers", "headers": fields}
    await _saying({**start(), "trailers": True}, body(b"whole"), trailers)(scope, receive, send)


async def _complete_twice(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends another response behind one that is complete."""
    first = (start(200, (b"content-length", b"5")), body(b"whole"))
    second = (start(201, (b"injected", b"yes")), body(b"Injected"))
    await _saying(*first, *second)(scope, receive, send)


async def _wrong(scope: Scope, receive: Receive, send: Send) -> None:
    await _saying(*WRONG[scope["path"].rpartition("/")[2]])(scope, receive, send)


async def _raise_before(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("on purpose")


async def _raise_after_start(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    raise LookupError("on purpose")


async def _raise_in_chunks(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    await send(body(b"half", more=True))
    raise LookupError("on purpose")


async def _raise_in_length(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"8")))
    await send(body(b"half", more=True))
    raise LookupError("on purpose")


async def _raise_after_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"5")))
    await send(body(b"whole"))
    raise LookupError("on purpose")


async def _never_read(scope: Scope, receive: Receive, send: Send) -> None:
    await anyio.sleep(2)
    await send(start(200, (b"content-length", b"5")))
    await send(body(b"whole"))


async def _swallow_cancellation(scope: Scope, receive: Receive, send: Send) -> None:
    """Works for two minutes, however often it is cancelled."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with contextlib.suppress(anyio.get_cancelled_exc_class()):
            await anyio.sleep(0.05)


async def _send_for_ever(scope: Scope, receive: Receive, send: Send) -> None:
    """Asks nobody, waits for nothing but `send`, and goes on until that raises (ASGI HTTP 2.4), or for two seconds."""
    await send(start())
    until = time.monotonic() + 2
    while time.monotonic() < until:
        await send(body(b"x" * 65_536, more=True))


async def _send_until_told(scope: Scope, receive: Receive, send: Send) -> None:
    """Goes on for two seconds whatever `send` says, but lets others have their turns."""
    await send(start())
    until = time.monotonic() + 2
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            await send(body(b"x" * 65_536, more=True))
        await anyio.lowlevel.checkpoint()


async def _huge(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"%d" % HUGE)))
    await send(body(bytes(HUGE)))


async def _empty_events(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    for _ in range(EMPTY_EVENTS):
        await send(body(b"", more=True))
    await send(body(b"done"))


async def _too_much(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"2")))
    await send(body(b"okHTTP/1.1 200 OK\r\ninjected: yes\r\n\r\n"))


async def _too_little(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(200, (b"content-length", b"20")))
    await send(body(b"half"))


async def _outlive(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers, and has a task that sends more when the next request is at work."""

    async def late() -> None:
        await anyio.sleep(OUTLIVES_BY)
        for message in (start(200, (b"injected", b"yes")), body(b"Injected: yes")):
            with contextlib.suppress(Exception):
                await send(message)

    if sniffio.current_async_library() == "trio":
        import trio

        trio.lowlevel.spawn_system_task(late)
    else:
        task = asyncio.ensure_future(late())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
    await send(start(200, (b"content-length", b"5")))
    await send(body(b"whole"))


_tasks: set[asyncio.Future[None]] = set()


async def _block(scope: Scope, receive: Receive, send: Send) -> None:
    time.sleep(BLOCKED_FOR)  # noqa: ASYNC251 - it is hostile.
    await send(start(200, (b"content-length", b"5")))
    await send(body(b"whole"))


async def _change_later(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends one buffer again and again, and writes over it and over its messages at once.

    At /change-later/octets it sends copies; at the other paths the buffer itself, or a view of it.
    """
    made = _BUFFERS[scope["path"].rpartition("/")[2]]
    fields = [(b"x-first", b"first"), (b"content-length", b"%d" % (100 * 65_536))]
    first = start(200, *fields)
    await send(first)
    first["headers"][0] = (b"injected", b"yes")
    first["status"] = 500
    buffer = bytearray(65_536)
    for number in range(100):
        buffer[:] = b"%c" % (97 + number % 26) * 65_536
        message = body(made(buffer), more=number < 99)
        await send(message)
        message["body"] = b"Injected: yes"
    buffer[:] = b"!" * 65_536
    scope["path"] = None
    scope["headers"] = None


_BUFFERS: Final[dict[str, Callable[[bytearray], Any]]] = {
    "octets": bytes,
    "buffer": lambda buffer: buffer,
    "view": memoryview,
}


async def _tell_scope(scope: Scope, receive: Receive, send: Send) -> None:
    """Tells all that it was called with but who asks."""
    told = {name: scope[name] for name in sorted(scope) if name not in {"client", "state"}}
    told["state"] = sorted(scope.get("state", ()))
    await _saying(start(), body(repr(told).encode()))(scope, receive, send)


async def _change_scope(scope: Scope, receive: Receive, send: Send) -> None:
    """Changes whatever can be changed, before and behind its response, at any depth."""
    _change(scope)
    await _saying(start(200, (b"content-length", b"5")), body(b"whole"))(scope, receive, send)
    _change(scope)


def _change(value: Any) -> None:
    if isinstance(value, dict):
        for inner in list(value.values()):
            _change(inner)
        value.clear()
        value["injected"] = {"Injected": "yes"}
    elif isinstance(value, list):
        value[:] = [(b"injected", b"yes")]


HOSTILE: Final[dict[str, Route]] = {
    "/crlf": _crlf,
    "/hop-by-hop": _hop_by_hop,
    "/hop-by-hop-trailers": _hop_by_hop_trailers,
    "/complete-twice": _complete_twice,
    "/scope": _tell_scope,
    "/change-scope": _change_scope,
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
