"""An ASGI application that uses trio directly, so it needs ``--backend trio``.

The lifespan opens a nursery for a task that lives as long as the server, and ``/`` opens one of its own, with two
producers that write into one response.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import trio

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PLAIN = [(b"content-type", b"text/plain; charset=utf-8")]


@dataclass
class Clock:
    ticks: int = 0

    async def run(self) -> None:
        while True:
            await trio.sleep(0.1)
            self.ticks += 1


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    else:
        await merge(scope["state"]["clock"], send)


async def lifespan(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    await receive()  # lifespan.startup
    scope["state"]["clock"] = clock = Clock()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clock.run)
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        nursery.cancel_scope.cancel()
    await send({"type": "lifespan.shutdown.complete"})


async def merge(clock: Clock, send: Send) -> None:
    """Stream the lines of two producers in the order in which they come."""
    lines_to_send, lines = trio.open_memory_channel[str](0)
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    async with trio.open_nursery() as nursery:
        async with lines_to_send:
            nursery.start_soon(produce, "slow", 0.2, lines_to_send.clone())
            nursery.start_soon(produce, "fast", 0.1, lines_to_send.clone())
        async for line in lines:
            body = f"{line}, tick {clock.ticks}\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def produce(name: str, interval: float, lines: trio.MemorySendChannel[str]) -> None:
    async with lines:
        for number in range(3):
            await trio.sleep(interval)
            await lines.send(f"{name} {number}")
