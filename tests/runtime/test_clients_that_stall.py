"""Clients that leave, wait, or do not read: what the application sees, and what ends it."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from .client import GET, OK, Client, ask, connected, hello, make_server, until

pytestmark = pytest.mark.usefixtures("backend")

POST = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n"
PIECE = b"x" * 65_536


class Endless:
    """Sends for ever, and remembers how much went and how it ended."""

    def __init__(self) -> None:
        self.sent = 0
        self.running = anyio.Event()
        self.ended = anyio.Event()
        self.error: BaseException | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(OK)
            while True:
                await send({"type": "http.response.body", "body": PIECE, "more_body": True})
                self.sent += len(PIECE)
                self.running.set()
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended.set()


# Clients that leave.


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_an_app_that_receives_is_told_when_its_client_leaves(reset: bool) -> None:
    messages: list[str] = []
    waiting, told = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting.set()
        messages.append((await receive())["type"])
        messages.append((await receive())["type"])
        told.set()

    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        await waiting.wait()
        await (client.reset() if reset else client.close())
        await told.wait()
    assert messages == ["http.disconnect"] * 2


async def test_a_request_cut_short_is_a_disconnect_and_never_a_whole_body() -> None:
    """RFC 9112 §8: an incomplete message must not look complete."""
    messages: list[Any] = []
    told = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not messages or messages[-1]["type"] != "http.disconnect":
            messages.append(await receive())
        told.set()

    async with make_server(app) as server:
        async with connected(server) as client:
            await client.send(POST % 10 + b"half")
            await until(lambda: bool(messages))
        await told.wait()
    assert all(message.get("more_body", True) for message in messages)


async def test_a_blocked_send_raises_when_its_client_leaves(caplog: pytest.LogCaptureFixture) -> None:
    """ASGI HTTP 2.4: an OSError, which is nobody's mistake and not logged as one."""
    app = Endless()
    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        await app.running.wait()
        await client.reset()
        await app.ended.wait()
        assert isinstance(app.error, OSError)
        assert (await ask(server, b"nonsense\r\n\r\n")).status == 400
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_every_send_raises_after_the_client_has_left() -> None:
    errors: list[BaseException] = []
    waiting, done = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting.set()
        await receive()
        for message in (OK, {"type": "http.response.body", "body": b"late"}, {"type": "http.response.body"}):
            try:
                await send(message)
            except OSError as error:
                errors.append(error)
        done.set()

    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        await waiting.wait()
        await client.reset()
        await done.wait()
    assert len(errors) == 3


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("timeout", [0, 0.05])
async def test_an_app_is_cancelled_some_time_after_its_client_has_left(reset: bool, timeout: float) -> None:
    running, cancelled = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        running.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    async with make_server(app, timeout_disconnect=timeout) as server, connected(server) as client:
        await client.send(GET)
        await running.wait()
        await (client.reset() if reset else client.close())
        await cancelled.wait()


async def test_an_app_is_cancelled_though_its_client_left_before_it_began() -> None:
    cancelled = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal cancelled
        try:
            await anyio.sleep_forever()
        finally:
            cancelled += 1

    async with make_server(app, timeout_disconnect=0.01) as server:
        for _ in range(20):
            async with connected(server) as client:
                await client.send(GET)
                await client.end()
                await client.rest()
    assert cancelled == 20


async def test_an_app_is_not_cancelled_for_its_clients_departure_by_default() -> None:
    release, running, done = anyio.Event(), anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        running.set()
        assert (await receive())["type"] == "http.disconnect"
        running.set()
        await release.wait()
        done.set()

    async with make_server(app) as server:
        async with connected(server) as client:
            await client.send(GET)
            await running.wait()
            await client.reset()
        assert (await ask(server, b"nonsense\r\n\r\n")).status == 400
        release.set()
        await done.wait()


async def test_an_app_is_not_cancelled_after_its_response_is_complete() -> None:
    done = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"  # The client has ended its side.
        await hello(scope, receive, send)
        # Longer than the client's departure is borne.
        await anyio.sleep(0.3)
        done.set()

    async with make_server(app, timeout_disconnect=0.1) as server, connected(server) as client:
        await client.send(GET)
        await client.end()
        assert (await client.response()).body == b"hello"
        await done.wait()


# Clients that wait.


async def test_a_client_that_says_nothing_is_let_go_without_a_word() -> None:
    async with make_server(hello, timeout_request_head=0.05) as server, connected(server) as client:
        assert await client.rest() == b""


async def test_a_client_that_is_slow_with_its_head_gets_408() -> None:
    """RFC 9110 §15.5.9. One octet after the other does not help."""
    async with make_server(hello, timeout_request_head=0.1) as server, connected(server) as client:
        async with anyio.create_task_group() as group:

            async def trickle() -> None:
                while True:
                    await client.send(b"X" if sent else b"GET / HTTP/1.1\r\nX: ")
                    sent.append(1)
                    await anyio.sleep(0.01)

            sent: list[int] = []
            group.start_soon(trickle)
            assert (await client.response()).status == 408
            group.cancel_scope.cancel()
        assert len(sent) > 1


async def test_a_client_that_is_slow_with_its_body_gets_408_and_the_app_a_disconnect() -> None:
    messages: list[Any] = []
    told = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not messages or messages[-1]["type"] != "http.disconnect":
            messages.append(await receive())
        told.set()

    async with make_server(app, timeout_request_body=0.05) as server, connected(server) as client:
        await client.send(POST % 10 + b"half")
        response = await client.response()
        assert (response.status, response.fields["connection"]) == (408, "close")
        await told.wait()
    assert [message["type"] for message in messages] == ["http.request", "http.disconnect"]


async def test_a_client_may_be_silent_while_the_app_does_not_ask() -> None:
    release = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with anyio.move_on_after(0.2):  # Longer than the silence that would be a fault.
            await release.wait()
        await hello(scope, receive, send)

    async with make_server(app, timeout_request_body=0.05) as server, connected(server) as client:
        await client.send(POST % 10 + b"half")
        assert (await client.response()).status == 200


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    async with make_server(hello, timeout_keep_alive=0.05) as server, connected(server) as client:
        await client.send(GET)
        assert (await client.response()).body == b"hello"
        assert await client.rest() == b""


async def test_a_connection_is_kept_while_requests_come_in_time() -> None:
    async with make_server(hello, timeout_keep_alive=0.2) as server, connected(server) as client:
        end = anyio.current_time() + 0.5
        while anyio.current_time() < end:
            await client.send(GET)
            assert (await client.response()).body == b"hello"


async def test_a_client_that_does_not_end_its_side_is_not_waited_for() -> None:
    async with make_server(hello, timeout_linger=0.05) as server, connected(server) as client:
        await client.send(GET.replace(b"Host", b"Connection: close\r\nHost"))
        await client.rest()
        with pytest.raises((anyio.BrokenResourceError, anyio.ClosedResourceError)):  # noqa: PT012 - some time.
            while True:  # The kernel tells with the second segment at the earliest.
                await client.send(b"more")
                await anyio.sleep(0.01)


# Clients that do not read.


@asynccontextmanager
async def deaf(server: Any) -> AsyncIterator[Client]:
    """Connect with a small window, so that little is on its way."""
    async with connected(server) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        yield client


async def test_a_client_that_never_reads_is_dropped_and_fills_no_memory() -> None:
    app = Endless()
    async with make_server(app, timeout_write=0.2) as server, deaf(server) as client:
        await client.send(GET)
        await app.ended.wait()
        assert isinstance(app.error, OSError)
        # The kernel's buffer is a few megabytes; ours is less than one.
        assert app.sent < 16_000_000


async def test_one_message_that_nobody_takes_is_dropped_with_its_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        await send({"type": "http.response.body", "body": b"x" * 20_000_000})

    async with make_server(app, timeout_write=0.2) as server, deaf(server) as client:
        await client.send(GET)
        await until(lambda: "took nothing" in caplog.text)
        assert len(await client.rest()) < 16_000_000


async def test_a_client_that_reads_slowly_is_served_to_the_end() -> None:
    size, piece = 20_000_000, 2_000_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**OK, "headers": [(b"content-length", b"%d" % size)]})
        for _ in range(size // 100_000):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await send({"type": "http.response.body"})

    async with make_server(app, timeout_write=0.8) as server, connected(server) as client:
        await client.send(GET)
        await client.head()
        for _ in range(size // piece):
            assert len(await client.exactly(piece)) == piece
            await anyio.sleep(0.12)  # In sum longer than the server bears, but not at once.


@pytest.mark.skipif(sys.platform != "linux", reason="not every system tells how much it holds")
async def test_a_client_that_takes_less_than_the_kernel_s_buffer_in_its_time_is_served() -> None:
    """The kernel takes more when a third of its buffer is free, and that has grown to megabytes."""
    size, piece = 8_000_000, 32_768

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**OK, "headers": [(b"content-length", b"%d" % size)]})
        await send({"type": "http.response.body", "body": b"x" * size})

    async with make_server(app, timeout_write=0.4) as server, deaf(server) as client:
        await client.send(GET)
        await client.head()
        for _ in range(30):
            assert len(await client.exactly(piece)) == piece
            await anyio.sleep(0.04)  # It is a slow client.
        assert len(await client.exactly(size - 30 * piece)) == size - 30 * piece


async def test_a_body_that_nobody_receives_stops_the_client() -> None:
    release = anyio.Event()
    received = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal received
        await release.wait()
        more = True
        while more:
            message = await receive()
            received += len(message["body"])
            more = message["more_body"]
        await hello(scope, receive, send)

    size = 50_000_000
    async with make_server(app) as server, connected(server) as client:
        await client.send(POST % size)
        sent = 0
        with anyio.move_on_after(0.3):  # Nothing tells that the kernel's buffers are full.
            while sent < size:
                await client.send(PIECE)
                sent += len(PIECE)
        assert sent < 20_000_000
        # A send that was cut off has sent an unknown part, so this client is of no more use.
        await client.reset()
        release.set()
        await ask(server, b"nonsense\r\n\r\n")
