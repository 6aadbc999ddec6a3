"""The task that runs a connection's requests under trio: what applications do to it, and how it ends."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any, Final

import pytest
import trio

from sansio import Connection, Exchange

from .client import Client, connected, hello, make_server
from .faults_scenes import ENDED, TIMEOUT

pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.parametrize("backend", ["trio"], indirect=True)]

OFTEN: Final = 60
"""trio runs the tasks of one turn in any order: so often, each order comes to pass."""


def request(path: str) -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: test\r\n\r\n" % path.encode()


def reported(caplog: pytest.LogCaptureFixture) -> Counter[str]:
    """Count the access log's lines by path."""
    return Counter(
        record.getMessage().split('"')[1].split()[1]
        for record in caplog.records
        if record.name == "tricorn.access"
    )


async def old_cancellation() -> BaseException:
    """Return a cancellation whose scope has been left."""
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.sleep_forever()
        except trio.Cancelled as error:
            return error  # Which nobody should do.
    raise AssertionError("it was not cancelled")


def raise_it(error: BaseException) -> None:
    raise error


def leave_scope_open(error: BaseException) -> None:
    trio.CancelScope().__enter__()


@pytest.mark.parametrize(
    ("misbehave", "settings"),
    [
        (raise_it, {}),
        (leave_scope_open, {}),
        (leave_scope_open, {"timeout_disconnect": 60}),
    ],
    ids=["cancelled", "scope", "scope and timeout"],
)
async def test_an_application_that_breaks_its_task_harms_nobody_else(
    misbehave: Any,
    settings: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next request comes at the very end, and so is handed over to a task that is gone."""
    monkeypatch.setattr("runtime.trio_listener.HOLD", 0)  # And would be given a task of its own at once.
    clients: list[Client] = []
    begun: Counter[str] = Counter()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun[scope["path"]] += 1
        await hello(scope, receive, send)
        if scope["path"] == "/first":
            cancellation = await old_cancellation()
            await clients[-1].send(request("/second"))
            misbehave(cancellation)

    async with make_server(app, access_log=True, **settings) as server, connected(server) as sibling:
        for _ in range(OFTEN):
            async with connected(server) as client:
                clients.append(client)
                with trio.fail_after(TIMEOUT), suppress(*ENDED):
                    await client.send(request("/first"))
                    for _ in range(2):
                        assert (await client.response()).status in {200, 500}
            with trio.fail_after(TIMEOUT):
                await sibling.send(request("/sibling"))
                assert (await sibling.response()).body == b"hello"
    lines = reported(caplog)
    assert lines["/first"] == lines["/sibling"] == OFTEN
    assert begun["/second"] <= lines["/second"] <= OFTEN


async def test_a_scope_that_is_left_open_is_the_applications_fault_and_holds_for_no_other_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await trio.lowlevel.checkpoint()
        await hello(scope, receive, send)
        if scope["path"] == "/first":
            trio.CancelScope(deadline=trio.current_time()).__enter__()

    async with make_server(app, timeout_disconnect=60) as server, connected(server) as client:
        for path in ("/first", "/second"):
            await client.send(request(path))
            assert (await client.response()).status == 200
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == ["ASGI application broke the contract: it has left a cancel scope open"]


async def test_a_request_that_is_opened_while_the_server_is_cancelled_is_reported(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One application works after its response, the next says goodbye when it is cancelled: that opens a third."""
    opened: set[Exchange] = set()
    take_ready = Connection.take_ready

    def watched(connection: Connection) -> list[Exchange]:
        ready = take_ready(connection)
        opened.update(ready)
        return ready

    monkeypatch.setattr(Connection, "take_ready", watched)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/second":
            second.set()
            try:
                await trio.sleep_forever()
            finally:
                await hello(scope, receive, send)
        await hello(scope, receive, send)
        await trio.sleep_forever()

    for _ in range(OFTEN):
        second = trio.Event()
        with trio.fail_after(TIMEOUT), trio.CancelScope() as scope:
            async with make_server(app, access_log=True) as server, connected(server) as client:
                await client.send(request("/first") + request("/second") + request("/third"))
                await second.wait()
                scope.cancel()
    assert reported(caplog) == Counter(exchange.scope["path"] for exchange in opened)
    assert reported(caplog)["/third"]
