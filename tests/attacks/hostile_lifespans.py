"""Applications whose lifespan breaks the rules of ASGI. They run on asyncio and on trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import anyio

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

GREETING: Final = b"Hello, world!"


async def lifespan_fails(scope: Scope, receive: Receive, send: Send) -> None:
    """Says that its start has failed."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "on purpose"})


async def lifespan_never_completes(scope: Scope, receive: Receive, send: Send) -> None:
    """Waits for a minute before anything."""
    await anyio.sleep(60)


async def lifespan_never_shuts_down(scope: Scope, receive: Receive, send: Send) -> None:
    """Starts, and then waits for a minute."""
    if scope["type"] != "lifespan":
        await _greet(send)
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await anyio.sleep(60)


async def lifespan_completes_twice(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers out of turn and twice, and tells at /refused how often that was refused."""
    if scope["type"] != "lifespan":
        await _greet(send, b"%d" % len(_refused) if scope["path"] == "/refused" else GREETING)
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await _try(send, "lifespan.startup.complete")
    await _try(send, "lifespan.startup.failed")
    await _try(send, "lifespan.shutdown.complete")
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
    await _try(send, "lifespan.shutdown.complete")


_refused: list[str] = []


async def _try(send: Send, kind: str) -> None:
    try:
        await send({"type": kind})
    except Exception:  # noqa: BLE001 - whichever it is.
        _refused.append(kind)


async def lifespan_raises_late(scope: Scope, receive: Receive, send: Send) -> None:
    """Starts, and raises when a client asks for /fail."""
    if scope["type"] != "lifespan":
        await _greet(send)
        if scope["path"] == "/fail":
            _fail.pop().set()
        return
    await receive()
    _fail.append(failed := anyio.Event())
    await send({"type": "lifespan.startup.complete"})
    await failed.wait()
    raise LookupError("on purpose")


_fail: list[anyio.Event] = []


async def lifespan_raises_at_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers everything, and raises then."""
    if scope["type"] != "lifespan":
        await _greet(send)
        return
    for _ in range(2):
        await send({"type": (await receive())["type"] + ".complete"})
    raise LookupError("on purpose")


async def _greet(send: Send, content: bytes = GREETING) -> None:
    fields = [(b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": content})
