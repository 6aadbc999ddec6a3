"""Serving from start to end: `serve`, `Server`, their stop, the limits of a server as a whole."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import sniffio

import runtime

from .client import GET, OK, ask, connected, hello, make_server, old_cancellation, place
from .conftest import descriptors
from .lifespan_app import App

pytestmark = pytest.mark.usefixtures("backend")
ON_ASYNCIO = pytest.mark.parametrize("backend", ["asyncio", "uvloop"], indirect=True)


@asynccontextmanager
async def serving(app: Any, **settings: Any) -> AsyncIterator[Any]:
    """Run `serve` in a task; end it by cancellation if nothing else has."""
    async with anyio.create_task_group() as group:
        settings = {"port": 0, "access_log": False} | settings
        yield await group.start(_serve, app, settings)
        group.cancel_scope.cancel()


async def _serve(app: Any, settings: dict[str, Any], *, task_status: Any) -> None:
    await runtime.serve(app, task_status=task_status, **settings)


# Starting.


async def test_serve_tells_its_addresses_when_start_up_is_complete() -> None:
    app = App()
    async with serving(app) as addresses:
        assert app.log == ["startup"]
        [(host, port)] = addresses
        assert host == "127.0.0.1"
        assert port != 0
        stream = await anyio.connect_tcp(host, port)
        async with stream:
            await stream.send(GET)
            assert (await stream.receive()).startswith(b"HTTP/1.1 200")


async def test_a_server_tells_its_addresses_and_answers_inside_its_block() -> None:
    app = App()
    server = make_server(app, lifespan="on")
    assert server.addresses == []
    async with server:
        assert app.log == ["startup"]
        assert (await ask(server)).body == b"hello"
    assert app.log == ["startup", "request", "shutdown"]


async def test_a_client_that_connects_during_start_up_is_served_after_it() -> None:
    """ASGI Lifespan: no connection is processed before ``lifespan.startup.complete``."""

    class Slow(App):
        async def start_up(self, scope: Any) -> None:
            await self.may_start.wait()
            self.log.append("started")

    app = Slow()
    sock = socket.create_server(("127.0.0.1", 0))
    address = sock.getsockname()
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: runtime.serve(app, fd=sock.detach(), access_log=False))
        await app.starting.wait()
        async with await anyio.connect_tcp(*address) as stream:
            await stream.send(GET)
            app.may_start.set()
            assert (await stream.receive()).startswith(b"HTTP/1.1 200")
        group.cancel_scope.cancel()
    assert app.log == ["startup", "started", "request", "shutdown"]


@pytest.mark.parametrize("mode", ["auto", "on"])
async def test_an_app_that_fails_to_start_says_why_in_a_plain_exception(mode: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(runtime.StartupFailed, match="no database"):
        await runtime.serve(app, port=0, lifespan=mode)
    with pytest.raises(runtime.StartupFailed, match="no database"):
        async with make_server(app, lifespan=mode):
            pytest.fail("the block must not begin")


async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise LookupError("what is a lifespan?")
    await hello(scope, receive, send)


async def returns_early(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await hello(scope, receive, send)


@pytest.mark.parametrize("app", [without_lifespan, returns_early])
async def test_an_app_without_lifespan_is_served_by_default(app: Any) -> None:
    """ASGI Lifespan: "the server must continue but not send any lifespan events"."""
    async with make_server(app, lifespan="auto") as server:
        assert (await ask(server)).status == 200


async def test_an_app_without_lifespan_is_refused_if_one_was_demanded() -> None:
    with pytest.raises(runtime.StartupFailed) as caught:
        await runtime.serve(without_lifespan, port=0, lifespan="on")
    assert isinstance(caught.value.__cause__, LookupError)
    with pytest.raises(runtime.StartupFailed):
        await runtime.serve(returns_early, port=0, lifespan="on")


async def test_an_app_is_not_asked_for_a_lifespan_that_is_off() -> None:
    app = App()
    async with make_server(app, lifespan="off") as server:
        await ask(server)
    assert app.log == ["request"]


async def test_start_up_that_takes_too_long_fails_without_waiting_for_anything_else() -> None:
    class Endless(App):
        async def start_up(self, scope: Any) -> None:
            await anyio.sleep_forever()

    begun = anyio.current_time()
    with pytest.raises(runtime.StartupFailed, match="took longer"):
        await runtime.serve(Endless(), port=0, timeout_startup=0.05, timeout_shutdown=8)
    assert anyio.current_time() - begun < 4


async def test_a_port_in_use_is_told_in_a_plain_exception() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        app = App()
        with pytest.raises(runtime.ConfigError, match="already in use"):
            await runtime.serve(app, port=port)
        with pytest.raises(runtime.ConfigError, match="already in use"):
            async with make_server(app, port=port):
                pytest.fail("the block must not begin")
    assert app.log == []


async def test_a_port_is_free_again_when_the_server_has_stopped() -> None:
    async with make_server(hello) as server:
        _, port = place(server)
    async with make_server(hello, port=port) as server:
        assert (await ask(server)).status == 200


# Stopping.


async def test_the_trigger_stops_the_server() -> None:
    app = App()
    trigger = anyio.Event()
    async with anyio.create_task_group() as group:

        async def serve(*, task_status: Any) -> None:
            await runtime.serve(app, port=0, task_status=task_status, shutdown_trigger=trigger.wait)
            app.log.append("returned")

        await group.start(serve)
        trigger.set()
    assert app.log == ["startup", "shutdown", "returned"]


async def test_cancelling_is_a_clean_stop() -> None:
    app = App()
    async with serving(app):
        pass
    assert app.log == ["startup", "shutdown"]


@ON_ASYNCIO
async def test_cancelling_the_task_that_serves_is_a_clean_stop() -> None:
    app = App()
    started = asyncio.Event()

    class Status:
        def started(self, value: Any = None) -> None:
            started.set()

    task = asyncio.create_task(runtime.serve(app, port=0, task_status=Status()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert app.log == ["startup", "shutdown"]


async def test_cancelling_cuts_off_a_request_and_still_shuts_the_lifespan_down() -> None:
    running = anyio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        running.set()
        try:
            await anyio.sleep_forever()
        finally:
            app.log.append("cut off")

    app = App(http=endless)
    async with serving(app) as addresses, await anyio.connect_tcp(*addresses[0]) as stream:
        await stream.send(GET)
        await running.wait()
    assert app.log == ["startup", "request", "cut off", "shutdown"]


async def test_a_stop_during_start_up_is_clean_and_waits_for_nothing() -> None:
    class Endless(App):
        async def start_up(self, scope: Any) -> None:
            await anyio.sleep_forever()

    app = Endless()
    server = make_server(app, lifespan="on")
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve)
            await app.starting.wait()
            server.shut_down()
    assert server.addresses == []


async def test_cancelling_during_start_up_waits_for_nothing() -> None:
    class Endless(App):
        async def start_up(self, scope: Any) -> None:
            await anyio.sleep_forever()

    app = Endless()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: runtime.serve(app, port=0))
            await app.starting.wait()
            group.cancel_scope.cancel()


async def test_an_error_in_the_block_stops_the_server_and_comes_out_as_itself() -> None:
    app = App()
    with pytest.raises(ZeroDivisionError):
        async with make_server(app, lifespan="on"):
            raise ZeroDivisionError
    assert app.log == ["startup", "shutdown"]


async def test_asking_twice_to_shut_down_waits_for_nobody() -> None:
    running = anyio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        running.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        server = make_server(App(http=endless), lifespan="on")
        async with anyio.create_task_group() as inner:
            await inner.start(_serve_server, server)
            async with connected(server) as client:
                await client.send(GET)
                await running.wait()
                server.shut_down()
                server.shut_down()
                await client.rest()
        group.cancel_scope.cancel()


async def _serve_server(server: runtime.Server, *, task_status: Any) -> None:
    await server.serve(task_status=task_status)


# Limits of the server.


async def test_the_server_stops_after_as_many_requests_as_it_may_serve() -> None:
    app = App()
    async with make_server(app, lifespan="on", limit_max_requests=2) as server, connected(server) as client:
        await client.send(GET)
        assert "connection" not in (await client.response()).fields
        await client.send(GET)
        assert (await client.response()).body == b"hello"
        assert await client.rest() == b""
    assert app.log == ["startup", "request", "request", "shutdown"]


async def test_a_request_on_one_connection_too_many_gets_503() -> None:
    release, running = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        running.set()
        await release.wait()
        await hello(scope, receive, send)

    async with make_server(app, limit_concurrency=1) as server, connected(server) as client:
        await client.send(GET)
        await running.wait()
        refused = await ask(server)
        assert refused.status == 503
        assert refused.fields["retry-after"] == "1"
        assert refused.fields["connection"] == "close"
        release.set()
        assert (await client.response()).status == 200


async def test_a_server_that_is_stopped_while_it_starts_has_not_started() -> None:
    app = App()

    async def stopping(scope: Any, receive: Any, send: Any) -> None:
        server.shut_down()
        await app(scope, receive, send)

    server = make_server(stopping, lifespan="on")
    with pytest.raises(runtime.StartupFailed, match="asked to stop before it had started"):
        async with server:
            pass


async def test_a_server_serves_once() -> None:
    app = App()
    server = make_server(app, lifespan="on")
    async with server:
        pass
    with pytest.raises(RuntimeError, match="served already: make another"):
        async with server:
            pass
    with pytest.raises(RuntimeError, match="served already: make another"):
        await server.serve()
    assert app.log.count("startup") == 1


async def test_a_server_that_is_cancelled_at_any_turn_of_its_start_lets_go_of_everything() -> None:
    called = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal called
        called += 1

    async with make_server(app):
        pass  # uvloop keeps a descriptor from its first server on.
    for turn in count():
        listening = socket.create_server(("127.0.0.1", 0))
        with socket.create_connection(listening.getsockname()) as client, anyio.fail_after(5):
            client.sendall(GET)
            before = descriptors()
            server = make_server(app, fd=listening.detach())
            async with anyio.create_task_group() as group:
                group.start_soon(server.serve)
                for _ in range(turn):
                    await anyio.lowlevel.checkpoint()
                if complete := bool(server.addresses):
                    server.shut_down()
                else:
                    group.cancel_scope.cancel()
            called_before = called
            assert len(descriptors()) == len(before) - 1, turn
            # Others get the numbers that are free now. The event loop is not to take them for what they were.
            for _ in range(8):
                await anyio.lowlevel.checkpoint()
            one, other = socket.socketpair()
            with one, other:
                other.send(b"hello")
                await anyio.wait_readable(one)
            assert called == called_before
        if complete:
            break
    assert turn


# Applications that raise.


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad"),
        ExceptionGroup("bad", [ValueError("worse")]),
        OSError("a file of the app's is missing"),
    ],
    ids=repr,
)
async def test_an_app_that_raises_is_answered_for_and_written_down(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/":
            raise error
        await hello(scope, receive, send)

    async with make_server(app) as server, connected(server) as sibling:
        refused = await ask(server)
        assert refused.status == 500
        assert b"bad" not in refused.body
        await sibling.send(GET.replace(b"/ ", b"/fine ", 1))
        assert (await sibling.response()).status == 200
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.exc_info is not None
    assert record.exc_info[1] is error


async def raise_foreign_cancellation() -> None:
    """Await what somebody else has cancelled. In trio there is no such thing, but old cancellations."""
    if sniffio.current_async_library() == "asyncio":
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future
    raise await old_cancellation()


async def test_a_cancellation_that_nobody_has_asked_for_is_the_apps_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await raise_foreign_cancellation()

    async with make_server(app) as server:
        assert (await ask(server)).status == 500
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "Exception in ASGI application"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], anyio.get_cancelled_exc_class())


async def test_an_app_that_raises_after_its_response_leaves_the_connection_usable() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        raise ValueError("too late to matter")

    async with make_server(app) as server, connected(server) as client:
        for _ in range(2):
            await client.send(GET)
            assert (await client.response()).body == b"hello"


async def test_an_app_that_returns_in_the_middle_of_a_response_is_cut_off() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        status, fields = await client.head()
        assert (status, fields["transfer-encoding"]) == (200, "chunked")
        assert await client.rest() == b"4\r\nhalf\r\n"


@pytest.mark.parametrize("backend", ["trio"], indirect=True)  # asyncio itself ends at once.
async def test_neither_the_error_of_the_server_nor_that_of_the_block_is_lost() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise SystemExit(3)

    async def fail(server: runtime.Server) -> None:
        try:
            await ask(server)
            await anyio.sleep_forever()
        finally:
            raise ValueError("while the server ended")

    with pytest.raises(BaseExceptionGroup) as raised:
        async with make_server(app) as server:
            await fail(server)
    assert sorted(map(repr, raised.value.exceptions)) == [
        "SystemExit(3)",
        "ValueError('while the server ended')",
    ]
