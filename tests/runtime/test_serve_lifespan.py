"""The lifespan is the parent of the requests: how it ends, and what they have of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import runtime

from .client import GET, ask, connected, hello, make_server, until
from .lifespan_app import App

pytestmark = pytest.mark.usefixtures("backend")
VAR: ContextVar[str] = ContextVar("VAR", default="nothing")


async def ends_early(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["crash"] = anyio.Event()
        await send({"type": "lifespan.startup.complete"})
        await scope["state"]["crash"].wait()
        return
    scope["state"]["crash"].set()
    await hello(scope, receive, send)


async def crashes_at_once(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    raise ZeroDivisionError("in the background")


async def test_a_lifespan_that_crashes_stops_the_server() -> None:
    with pytest.raises(runtime.LifespanFailed, match="in the background"):
        await runtime.serve(crashes_at_once, port=0)


async def test_a_lifespan_that_returns_before_shutdown_stops_the_server() -> None:
    with pytest.raises(runtime.LifespanFailed):  # noqa: PT012 - the block is the point.
        async with make_server(ends_early, lifespan="on") as server:
            assert (await ask(server)).status == 200
            await anyio.sleep_forever()


async def test_a_lifespan_that_fails_to_shut_down_is_told() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "lost the data"})

    with pytest.raises(runtime.LifespanFailed, match="lost the data"):
        async with make_server(app, lifespan="on"):
            pass


async def test_a_lifespan_that_does_not_shut_down_in_time_is_told_and_ended() -> None:
    ended = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    with pytest.raises(runtime.LifespanFailed, match="took longer"):
        async with make_server(app, lifespan="on", timeout_shutdown=0.05):
            pass
    assert ended.is_set()


async def test_requests_see_the_context_of_the_lifespan_and_not_of_each_other() -> None:
    seen = []

    class Context(App):
        async def start_up(self, scope: Any) -> None:
            VAR.set("set in the lifespan")

    async def http(scope: Any, receive: Any, send: Any) -> None:
        seen.append(VAR.get())
        VAR.set("set in a request")
        await hello(scope, receive, send)

    async with make_server(Context(http=http), lifespan="on") as server, connected(server) as client:
        for _ in range(3):
            await client.send(GET)
            await client.response()
        await client.send(GET * 2)
        await client.response()
        await client.response()
    assert seen == ["set in the lifespan"] * 5


@pytest.mark.parametrize("mode", ["auto", "off"])
async def test_requests_see_the_context_in_which_the_server_was_started(mode: str) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        seen.append(VAR.get())
        await hello(scope, receive, send)

    VAR.set("set by the caller")
    async with make_server(app, lifespan=mode) as server:
        await ask(server)
    assert seen == ["set by the caller"]


async def test_the_state_is_copied_for_each_request() -> None:
    """ASGI Lifespan, "Lifespan State": a shallow copy per request."""
    seen = []

    class State(App):
        async def start_up(self, scope: Any) -> None:
            scope["state"].update(count=0, shared=[])

    async def http(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["count"] += 1
        scope["state"]["shared"].append("x")
        seen.append((scope["state"]["count"], len(scope["state"]["shared"])))
        await hello(scope, receive, send)

    async with make_server(State(http=http), lifespan="on") as server, connected(server) as client:
        for _ in range(2):
            await client.send(GET)
            await client.response()
    assert seen == [(1, 1), (1, 2)]


@pytest.mark.parametrize("mode", ["auto", "off"])
async def test_there_is_no_state_without_a_lifespan(mode: str) -> None:
    seen: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        seen.append("state" in scope)
        await hello(scope, receive, send)

    async with make_server(app, lifespan=mode) as server:
        await ask(server)
    assert seen == [False]


# A lifespan that leaves a task group open.


class LeavesGroupOpen:
    """Enters a task group for good, as a list of start-up functions might, and then does what it is told to."""

    def __init__(
        self, *, says: str, wait: Callable[[], Awaitable[object]] = anyio.lowlevel.checkpoint
    ) -> None:
        self._says = says
        self._wait = wait  # What a request does first.
        self._requested = anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            self._requested.set()
            await self._wait()
            await hello(scope, receive, send)
            return
        await receive()
        await anyio.create_task_group().__aenter__()
        if self._says == "failed":
            await send({"type": "lifespan.startup.failed", "message": "the database is away"})
        elif self._says == "later":
            await send({"type": "lifespan.startup.complete"})
            await self._requested.wait()
            raise ValueError("the database has gone")
        else:
            raise ValueError("what is a lifespan?")


async def test_a_lifespan_that_leaves_a_task_group_open_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(runtime.StartupFailed, match="the database is away"):
        async with make_server(LeavesGroupOpen(says="failed"), lifespan="on"):
            pass
    app = LeavesGroupOpen(says="later", wait=partial(until, lambda: "Shutting down" in caplog.text))
    with pytest.raises(runtime.LifespanFailed, match="the database has gone"):
        async with make_server(app, lifespan="on") as server:
            assert (await ask(server)).status == 200
    async with make_server(LeavesGroupOpen(says="nothing"), lifespan="auto") as server:
        assert (await ask(server)).status == 200
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told.count("The lifespan broke the contract: it has left a cancel scope open") == 3
