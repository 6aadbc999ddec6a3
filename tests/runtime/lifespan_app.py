"""An application that writes down what happens in its lifespan."""

from __future__ import annotations

from typing import Any

import anyio

from .client import hello


class App:
    """An application that has a lifespan and writes down what happens in it."""

    def __init__(self, *, http: Any = hello) -> None:
        self.log: list[str] = []
        self.http = http
        self.may_start = anyio.Event()
        self.starting = anyio.Event()
        self.crash = anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.log.append("request")
            await self.http(scope, receive, send)
            return
        assert (await receive())["type"] == "lifespan.startup"
        self.log.append("startup")
        self.starting.set()
        await self.start_up(scope)
        await send({"type": "lifespan.startup.complete"})
        message = await receive()
        self.log.append(message["type"].removeprefix("lifespan."))
        await send({"type": "lifespan.shutdown.complete"})

    async def start_up(self, scope: Any) -> None:
        """Do what start-up has to do."""
