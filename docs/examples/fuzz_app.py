"""Fuzz an application of your own: hostile peers on one side, your application on the other, nothing in between.

``PYTHONPATH=. python docs/examples/fuzz_app.py [SECONDS]``, from the top of tricorn's source tree.
"""

import contextlib
import random
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from fuzz.campaign import Campaign
from fuzz.generate import Chooser, mutate, pipeline
from fuzz.targets import Target
from fuzz.wire import ResponseReader
from sansio import ClientDisconnected, Connection, Exchange, Message, Scope, Settings, TransportInfo


async def app(
    scope: Scope,  # noqa: ARG001 - this one does not care.
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Your application in place of this one. It may await nothing but `receive` and `send`."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-size", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


class Pause:
    """Awaited, it gives the turn back to whoever steps the application."""

    def __await__(self) -> Generator[None, None, None]:
        yield


async def run(exchange: Exchange) -> None:
    async def receive() -> Message:
        while (message := exchange.receive(0.0)) is None:
            await Pause()
        return message

    async def send(message: Message) -> None:
        exchange.send(message, 0.0)
        while not exchange.can_send:
            await Pause()

    with contextlib.suppress(ClientDisconnected):
        await app(exchange.scope, receive, send)


def check(data: bytes) -> None:
    """One connection. Whatever the peer sends, the application must not raise, and a client must read the answers."""
    connection = Connection(TransportInfo(), Settings(ws=False), 0.0)
    methods: list[str] = []
    reader = ResponseReader(lambda number: methods[number] if number < len(methods) else "GET")
    running: list[tuple[Exchange, Coroutine[Any, Any, None]]] = []

    def serve() -> None:
        while connection.has_ready or connection.wants_write:
            reader.receive_data(connection.data_to_send())
            connection.handle_timeout(0.0)  # No time passes here, but something may be due.
            for exchange in connection.take_ready():
                if exchange.tag is None:
                    exchange.tag = "running"
                    methods.append(exchange.scope["method"])
                    running.append((exchange, run(exchange)))
            for exchange, steps in list(running):
                try:
                    steps.send(None)
                except StopIteration:
                    running.remove((exchange, steps))
                    exchange.finish(None, 0.0)
                    if exchange.failure is not None:
                        raise RuntimeError(
                            f"the application broke its contract: {exchange.failure}"
                        ) from None

    # The first octet says how the others are cut.
    cut = (data[0] if data else 0) or len(data)
    for start in range(1, len(data), cut):
        connection.receive_data(data[start : start + cut], 0.0)
        serve()
    connection.connection_lost(0.0)
    serve()
    if running:
        raise RuntimeError("the application does not end when its client has left")


def seeds() -> list[bytes]:
    rng = random.Random(1)  # noqa: S311 - for variety, not for secrets.
    return [bytes([rng.choice((0, 1, 7))]) + pipeline(rng) for _ in range(100)]


def change(data: bytes, chooser: Chooser) -> bytes:
    return data + pipeline(chooser) if chooser.randint(0, 3) == 0 else mutate(data, chooser)


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    target = Target(check, seeds, change, "an application of one's own")
    sys.exit(Campaign("app", seconds).attack(target, plain=True))
