"""Applications whose lifespan breaks the rules of ASGI. They run on asyncio and on trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


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


async def _greet(send: Send) -> None:
    fields = [(b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"Hello, world!"})
