"""WebSocket applications for the tests."""

from __future__ import annotations

from typing import Any

import anyio

ACCEPT = {"type": "websocket.accept"}
BIG = b"x" * 262_144


class Echo:
    """Sends every message back, until the client is gone."""

    def __init__(self) -> None:
        self.scope: Any = None
        """Of the last WebSocket."""
        self.disconnects: list[tuple[int, str]] = []
        """Code and reason of each that has ended."""
        self.gone = anyio.Event()
        """One has ended."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        assert await receive() == {"type": "websocket.connect"}
        await send(ACCEPT)
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": message["bytes"], "text": message["text"]})
        self.disconnects.append((message["code"], message["reason"]))
        self.gone.set()


class Sends:
    """Sends some messages, one after the other, and keeps what it receives then."""

    def __init__(self, *messages: Any) -> None:
        self._messages = messages
        self.received: list[Any] = []
        self.done = anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in self._messages:
            await send(message)
        while not self.received or self.received[-1]["type"] != "websocket.disconnect":
            self.received.append(await receive())
        self.done.set()


class Waits:
    """An application that accepts, says so, and awaits what it is told to; siblings get an echo."""

    def __init__(self) -> None:
        self.accepted = anyio.Event()
        self.release = anyio.Event()
        self.outcome: BaseException | None = None
        self.ended = anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/sibling":
            await Echo()(scope, receive, send)
            return
        await receive()
        await send(ACCEPT)
        self.accepted.set()
        try:
            await self.work(receive, send)
        except BaseException as error:
            self.outcome = error
            raise
        finally:
            self.ended.set()

    async def work(self, receive: Any, send: Any) -> None:
        await self.release.wait()


class Floods(Waits):
    """Sends more than any client takes that does not read."""

    sent = 0

    async def work(self, receive: Any, send: Any) -> None:
        while True:
            await send({"type": "websocket.send", "bytes": BIG})
            self.sent += 1
