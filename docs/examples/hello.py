"""A plain ASGI application: a greeting, a stream, and a lifespan that keeps state.

It runs under trio and asyncio alike, because it waits with anyio.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PLAIN = [(b"content-type", b"text/plain; charset=utf-8")]


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["path"] == "/":
        await answer(send, 200, "Hello, world!\n")
    elif scope["path"] == "/stream":
        await stream(send)
    elif scope["path"] == "/uptime":
        await answer(send, 200, f"{anyio.current_time() - scope['state']['started']:.1f} s\n")
    else:
        await answer(send, 404, "Not found\n")


async def lifespan(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    await receive()  # lifespan.startup
    scope["state"]["started"] = anyio.current_time()
    await send({"type": "lifespan.startup.complete"})
    await receive()  # lifespan.shutdown
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send: Send, status: int, text: str) -> None:
    await send({"type": "http.response.start", "status": status, "headers": PLAIN})
    await send({"type": "http.response.body", "body": text.encode()})


async def stream(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    for number in range(5):
        await send({"type": "http.response.body", "body": b"line %d\n" % number, "more_body": True})
        await anyio.sleep(0.2)
    await send({"type": "http.response.body", "body": b"", "more_body": False})
