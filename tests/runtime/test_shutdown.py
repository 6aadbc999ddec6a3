"""Shutdown in phases, on one budget of time."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

import runtime

from .client import GET, OK, connected, hello, place, serving, until

pytestmark = pytest.mark.usefixtures("backend")
ON_ASYNCIO = pytest.mark.parametrize("backend", ["asyncio", "uvloop"], indirect=True)


LATE = b"GET /late HTTP/1.1\r\nHost: test\r\n\r\n"


async def begin(server: runtime.Server, caplog: pytest.LogCaptureFixture) -> None:
    """Ask for shutdown, and wait until it has begun."""
    server.shut_down()
    await until(lambda: "Shutting down" in caplog.text)


class Slow:
    """Answers half, waits to be released, and answers the rest."""

    def __init__(self) -> None:
        self.running = anyio.Event()
        self.release = anyio.Event()
        self.outcome = "unknown"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            self.running.set()
            await self.release.wait()
            await hello(scope, receive, send)
            self.outcome = "answered"
        except BaseException:
            self.outcome = "cancelled"
            raise


class CleansUp:
    """Works for ever, and on ``/`` has something to do when it is cancelled."""

    def __init__(self, clean_up: Callable[[], Awaitable[object]]) -> None:
        self.running = anyio.Event()
        self._clean_up = clean_up

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.running.set()
        try:
            await anyio.sleep_forever()
        finally:
            if scope["path"] == "/":
                with anyio.CancelScope(shield=True):
                    await self._clean_up()


async def test_an_idle_connection_is_closed_at_once() -> None:
    async with serving(hello) as server, connected(server) as fresh, connected(server) as used:
        await used.send(GET)
        await used.response()
        server.shut_down()
        assert await used.rest() == b""
        assert await fresh.rest() == b""


async def test_a_request_that_is_open_is_answered_with_notice(caplog: pytest.LogCaptureFixture) -> None:
    app = Slow()
    async with serving(app) as server, connected(server) as client:
        await client.send(GET)
        await app.running.wait()
        await begin(server, caplog)
        app.release.set()
        response = await client.response()
        assert response.body == b"hello"
        assert response.fields["connection"] == "close"
        assert await client.rest() == b""


async def test_a_request_whose_head_has_begun_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(hello) as server, connected(server) as client:
        await client.send(GET[:10])
        async with connected(server) as other:  # By the time of its answer, the first octets have been read.
            await other.send(GET)
            await other.response()
        await begin(server, caplog)
        await client.send(GET[10:])
        response = await client.response()
        assert (response.body, response.fields["connection"]) == (b"hello", "close")


async def test_nothing_is_accepted_any_more() -> None:
    app = Slow()
    async with serving(app) as server, connected(server) as client:
        address = server.addresses[0]
        await client.send(GET)
        await app.running.wait()
        server.shut_down()
        refused = False
        while not refused:
            try:
                async with await anyio.connect_tcp(*address) as stream:
                    await stream.receive()
            except OSError:
                refused = True
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                await anyio.lowlevel.checkpoint()
        assert app.outcome == "unknown"
        app.release.set()
        assert (await client.response()).status == 200


async def test_a_pipelined_request_is_not_opened_any_more(caplog: pytest.LogCaptureFixture) -> None:
    opened = []
    app = Slow()

    async def count(scope: Any, receive: Any, send: Any) -> None:
        opened.append(scope["path"])
        await app(scope, receive, send)

    async with serving(count) as server, connected(server) as client:
        await client.send(GET * 2)
        await app.running.wait()
        await begin(server, caplog)
        app.release.set()
        assert (await client.response()).fields["connection"] == "close"
        assert await client.rest() == b""
    assert opened == ["/"]


async def test_a_stream_is_completed_before_the_server_ends(caplog: pytest.LogCaptureFixture) -> None:
    running, release = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        await send({"type": "http.response.body", "body": b"before", "more_body": True})
        running.set()
        await release.wait()
        await send({"type": "http.response.body", "body": b"after"})

    async with serving(app) as server, connected(server) as client:
        await client.send(GET)
        await running.wait()
        await begin(server, caplog)
        release.set()
        assert (await client.response()).body == b"beforeafter"
        assert await client.rest() == b""


async def test_work_after_a_response_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    done = anyio.Event()
    release = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        await release.wait()
        done.set()

    async with serving(app) as server, connected(server) as client:
        await client.send(GET)
        assert (await client.response()).body == b"hello"
        await begin(server, caplog)
        assert await client.rest() == b""
        release.set()
    assert done.is_set()


async def test_what_is_still_open_is_cut_off_at_the_deadline() -> None:
    app = Slow()
    async with serving(app, timeout_graceful_shutdown=0.1) as server, connected(server) as client:
        await client.send(GET)
        await app.running.wait()
        server.shut_down()
        await client.rest()
    assert app.outcome == "cancelled"


async def test_no_time_to_finish_means_cut_off_at_once() -> None:
    app = Slow()
    async with serving(app, timeout_graceful_shutdown=0) as server, connected(server) as client:
        await client.send(GET)
        await app.running.wait()
        server.shut_down()
        await client.rest()
    assert app.outcome == "cancelled"


async def test_work_after_a_response_is_cut_off_at_the_deadline() -> None:
    outcome = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        try:
            await anyio.sleep_forever()
        finally:
            outcome.append("cut off")

    async with serving(app, timeout_graceful_shutdown=0.1) as server, connected(server) as client:
        await client.send(GET)
        await client.response()
        server.shut_down()
    assert outcome == ["cut off"]


async def test_a_client_that_does_not_read_is_cut_off_at_the_deadline() -> None:
    blocked = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        blocked.set()
        while True:
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})

    async with serving(app, timeout_graceful_shutdown=0.1) as server, connected(server) as client:
        await client.send(GET)
        await blocked.wait()
        server.shut_down()


async def test_a_client_that_stays_connected_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """It has got its answer and never ends its side."""
    app = Slow()
    async with serving(app, timeout_linger=0.05) as server, connected(server) as client:
        await client.send(GET)
        await app.running.wait()
        await begin(server, caplog)
        app.release.set()
        await client.rest()
        with anyio.fail_after(5):
            await until(lambda: app.outcome == "answered")


async def test_an_app_that_is_cancelled_before_its_head_answers_500() -> None:
    """Its client is told, if the server was told to stop at once."""
    app = Slow()
    async with serving(app) as server, connected(server) as client:
        await client.send(GET)
        await app.running.wait()
        server.shut_down()
        server.shut_down()
        assert (await client.response()).status == 500
    assert app.outcome == "cancelled"


async def test_a_request_that_waits_behind_the_work_after_a_response_is_answered_and_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Until then trio hopes for the end of that work.
    monkeypatch.setattr("runtime.trio_listener.HOLD", 60)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/":
            await hello(scope, receive, send)
        await anyio.sleep_forever()

    async with serving(app, access_log=True) as server, connected(server) as client:
        await client.send(GET + GET.replace(b"/ ", b"/next ", 1))
        assert (await client.response()).status == 200
        server.shut_down()
        server.shut_down()
        assert (await client.response()).status == 500
        assert await client.rest() == b""
    assert '"GET /next HTTP/1.1" 500' in caplog.text


@ON_ASYNCIO  # On trio the connection ends.
async def test_a_request_that_begins_after_the_applications_were_cancelled_is_cancelled_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cleaning, go_on = anyio.Event(), anyio.Event()

    async def clean_up() -> None:
        cleaning.set()
        await go_on.wait()

    app = CleansUp(clean_up)
    async with (
        serving(app, access_log=True) as server,
        connected(server) as late,
        connected(server) as client,
    ):
        await late.send(LATE[:10])
        await client.send(GET)
        await app.running.wait()
        server.shut_down()
        server.shut_down()
        await cleaning.wait()
        await late.send(LATE[10:])
        with anyio.fail_after(5):
            assert (await late.response()).status == 500
            go_on.set()
            assert (await client.response()).status == 500
    assert '"GET /late HTTP/1.1" 500' in caplog.text
    assert "left behind" not in caplog.text


@ON_ASYNCIO
async def test_a_request_that_begins_in_the_turn_in_which_the_last_one_ends_is_cancelled_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def clean_up() -> None:
        late.sendall(LATE[10:])  # It is read in the next turn of the event loop, in which this task ends.
        await anyio.lowlevel.checkpoint()

    app = CleansUp(clean_up)
    async with serving(app, access_log=True) as server:
        with socket.create_connection(place(server), timeout=5) as late:
            late.sendall(LATE[:10])
            async with connected(server) as client:
                await client.send(GET)
                await app.running.wait()  # So the first octets of the other one have been read, too.
                server.shut_down()
                server.shut_down()
                assert (await client.response()).status == 500
            assert (await anyio.to_thread.run_sync(late.recv, 1000)).startswith(b"HTTP/1.1 500 ")
    assert '"GET /late HTTP/1.1" 500' in caplog.text
    assert "left behind" not in caplog.text


@ON_ASYNCIO
async def test_an_app_that_swallows_a_cancellation_does_not_hang_the_server() -> None:
    swallowed, running, release = 0, anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal swallowed
        running.set()
        while not release.is_set():
            try:
                await release.wait()
            except BaseException:  # noqa: BLE001 - that is what such an application does.
                swallowed += 1

    begun = anyio.current_time()
    async with serving(app, timeout_graceful_shutdown=0.05) as server, connected(server) as client:
        await client.send(GET)
        await running.wait()
        server.shut_down()
    assert swallowed > 0
    assert anyio.current_time() - begun < 8
    release.set()


STUBBORN = """
import anyio, asyncio, sys, trio, runtime

async def app(scope, receive, send):
    print("running", flush=True)
    while True:
        try:
            await anyio.sleep(3600)
        except (asyncio.CancelledError, trio.Cancelled):
            pass

if __name__ == "__main__":
    backend = {"backend": "trio"} if sys.argv[1] == "trio" else {"loop": sys.argv[1]}
    runtime.run(app, port=0, lifespan="off", timeout_graceful_shutdown=0.05, **backend)
"""


async def test_a_process_ends_though_an_app_swallows_every_cancellation(backend: Any) -> None:
    command = [sys.executable, "-c", STUBBORN, backend.name]
    with subprocess.Popen(  # noqa: ASYNC220 - it is in a hurry.
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        try:
            line = ""
            while "Listening on" not in line:
                line = await anyio.to_thread.run_sync(process.stderr.readline)
            port = int(line.rpartition(":")[2])
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(GET)
                await anyio.to_thread.run_sync(process.stdout.readline)
                process.terminate()
                with anyio.fail_after(9):
                    await until(lambda: process.poll() is not None)
                assert process.returncode == 0
                said = process.stderr.read()
                assert "An application did not end after its cancellation" in said
                assert "Traceback" not in said
        finally:
            process.kill()
