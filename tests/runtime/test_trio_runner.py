"""The task that runs a connection's requests under trio: what applications do to it, and how it ends."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any, Final

import pytest
import trio

from sansio import Connection, Exchange

from .client import Client, connected, hello, make_server, old_cancellation
from .faults_scenes import ENDED, TIMEOUT
from .http2_client import connected_http2, make_http2_server

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


async def raise_it(error: BaseException) -> None:
    raise error


async def leave_scope_open(error: BaseException) -> None:
    trio.CancelScope().__enter__()


async def leave_nursery_open(error: BaseException) -> None:
    nursery = await trio.open_nursery().__aenter__()
    nursery.start_soon(trio.sleep_forever)


async def leave_all_open(error: BaseException) -> None:
    """With a scope in a nursery in a scope in a nursery, none of which is the last to be entered."""
    for _ in range(2):
        await leave_nursery_open(error)
        await leave_scope_open(error)


@pytest.mark.parametrize(
    ("misbehave", "settings"),
    [
        (raise_it, {}),
        (leave_scope_open, {}),
        (leave_scope_open, {"timeout_disconnect": 60}),
        (leave_nursery_open, {}),
        (leave_nursery_open, {"timeout_disconnect": 60}),
        (leave_all_open, {}),
        (leave_all_open, {"timeout_disconnect": 60}),
    ],
    ids=["cancelled", "scope", "scope, timeout", "nursery", "nursery, timeout", "all", "all, timeout"],
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
            await misbehave(cancellation)

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


async def test_a_nursery_that_is_left_open_is_left_and_what_its_children_raise_is_written_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def child() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("the child's")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        if scope["path"] == "/first":
            nursery = await trio.open_nursery().__aenter__()
            nursery.start_soon(child)
            await trio.lowlevel.checkpoint()

    async with make_server(app) as server, connected(server) as client:
        for path in ("/first", "/second"):
            await client.send(request(path))
            assert (await client.response()).status == 200
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in errors] == [
        "ASGI application broke the contract: it has left a nursery open",
        "Exception in ASGI application",
    ]
    assert errors[1].exc_info is not None
    assert isinstance(errors[1].exc_info[1], BaseExceptionGroup)
    assert [repr(error) for error in errors[1].exc_info[1].exceptions] == ["""ValueError("the child's")"""]


@pytest.mark.parametrize("settings", [{}, {"timeout_disconnect": 60}], ids=["", "timeout"])
@pytest.mark.parametrize("misbehave", [raise_it, leave_scope_open, leave_nursery_open, leave_all_open])
async def test_a_stream_whose_application_breaks_its_task_harms_no_other_stream(
    misbehave: Any, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    finished = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/":
            await finished.wait()
            await hello(scope, receive, send)
        else:
            cancellation = await old_cancellation()
            if scope["path"] == "/late":
                await hello(scope, receive, send)
            await misbehave(cancellation)

    async with make_http2_server(app, **settings) as server, connected_http2(server) as client:
        with trio.fail_after(TIMEOUT):
            sibling = await client.open(b"/")
            early = await client.response(await client.open(b"/early"))
            late = await client.response(await client.open(b"/late"))
            finished.set()
            assert [early.status, late.status, (await client.response(sibling)).content] == [
                500,
                200,
                b"hello",
            ]
    assert "Internal error" not in caplog.text
    if misbehave is raise_it:
        assert caplog.text.count("Exception in ASGI application") == 2


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
