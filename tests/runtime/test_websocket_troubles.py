"""WebSockets whose clients vanish or stall, whose applications do, and whose server stops."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

import runtime

from .client import Client, connected, make_server, serving, until
from .websocket_apps import ACCEPT, BIG, Echo, Floods, Waits
from .websocket_clients import (
    BINARY,
    CLOSE,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    Closed,
    frame,
    opened,
    opened_by_hand,
)

pytestmark = pytest.mark.usefixtures("backend")


async def assert_served(server: runtime.Server) -> None:
    """Nobody else has to suffer."""
    async with opened(server, "/sibling") as peer:
        await peer.send("and I?")
        assert await peer.receive() == "and I?"


async def stalled(app: Any) -> None:
    """Wait until something has not sent anything for a while: nothing tells that the kernel's buffers are full."""
    sent = -1
    while sent < app.sent:
        sent = app.sent
        await anyio.sleep(0.05)


def small_window(client: Client) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


class Pusher:
    """A client that sends much, and then ends its side."""

    sent = 0

    async def push(self, client: Client, messages: int) -> None:
        for number in range(messages):
            await client.send(frame(BINARY, b"%d" % number + BIG))
            self.sent += 1
        await client.end()


# Clients that vanish.


@pytest.mark.parametrize("how", ["reset", "close", "end"])
async def test_a_client_that_vanishes_is_1006_and_its_siblings_stay(how: str) -> None:
    """RFC 6455 §7.1.5: closed without a close frame."""
    app = Echo()
    async with make_server(app) as server, opened(server) as sibling:
        async with opened_by_hand(server) as client:
            await client.send(frame(TEXT, b"a") + frame(TEXT, b"cut short")[:5])
            assert await client.exactly(3) == b"\x81\x01a"
            await getattr(client, how)()
            await app.gone.wait()
        assert app.disconnects == [(1006, "")]
        await sibling.send("I stay")
        assert await sibling.receive() == "I stay"


async def test_a_client_that_leaves_before_the_answer_is_1006() -> None:
    begun = anyio.Event()
    seen: list[Any] = []
    raised: list[OSError] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        begun.set()
        seen.append(await receive())
        try:
            await send(ACCEPT)
        except OSError as error:
            raised.append(error)
        seen.append(await receive())

    async with make_server(app) as server, connected(server) as client:
        await client.send(HANDSHAKE)
        await begun.wait()
        await client.reset()
        await until(lambda: len(seen) == 2)
    assert [(message["type"], message["code"]) for message in seen] == [("websocket.disconnect", 1006)] * 2
    assert len(raised) == 1


async def test_what_takes_long_to_read_comes_whole_and_in_order() -> None:
    """More than is read in one turn of the event loop, in frames that are a lot of work, and then the end."""
    app = Echo()
    content = bytes(number % 251 for number in range(90_000))
    pieces = [b"\x00\x81\0\0\0\0%c" % octet for octet in content]  # Continuations, each with more to come.
    message = [b"\x02" + pieces[0][1:], *pieces[1:-1], b"\x80" + pieces[-1][1:]]
    async with make_server(app) as server, opened_by_hand(server) as client, opened(server) as sibling:
        await client.send(b"".join(message) + frame(TEXT, b"behind"))
        await client.end()
        await client.exactly(len(content) + 10)
        assert await client.exactly(8) == b"\x81\x06behind"
        await app.gone.wait()
        await sibling.send("and I?")
        assert await sibling.receive() == "and I?"
    assert app.disconnects[0] == (1006, "")


# Clients that stall.


async def test_a_client_that_does_not_read_holds_up_nobody_but_its_own_application() -> None:
    app = Floods()
    async with make_server(app) as server, opened_by_hand(server) as client:
        small_window(client)
        await stalled(app)
        await assert_served(server)
        assert not app.ended.is_set()
        await client.reset()
        await app.ended.wait()
        assert isinstance(app.outcome, OSError)


async def test_a_client_that_reads_again_gets_everything() -> None:
    app = Floods()
    async with make_server(app) as server, opened_by_hand(server) as client:
        await stalled(app)
        size = 10 + len(BIG)
        for _ in range(app.sent + 5):
            message = await client.exactly(size)
            assert message[:10] == b"\x82\x7f" + len(BIG).to_bytes(8, "big")
            assert message[10:] == BIG


async def test_a_client_that_never_reads_is_dropped_in_the_end() -> None:
    app = Floods()
    async with make_server(app, timeout_write=0.1) as server, opened_by_hand(server) as client:
        small_window(client)
        await app.ended.wait()
        assert isinstance(app.outcome, OSError)


async def test_a_close_behind_what_nobody_reads_ends_the_senders_too() -> None:
    """One task waits in send, another closes: the first must not wait for ever."""

    class App(Floods):
        closed = False

        async def work(self, receive: Any, send: Any) -> None:
            async def close() -> None:
                await self.release.wait()
                await send({"type": "websocket.close"})
                self.closed = True

            async with anyio.create_task_group() as group:
                group.start_soon(close)
                await super().work(receive, send)

    app = App()
    server = make_server(app, timeout_write=0.1, ws_close_timeout=0.1, timeout_linger=0.1)
    async with server, opened_by_hand(server) as client:
        small_window(client)
        await stalled(app)
        app.release.set()
        with anyio.fail_after(5):
            await app.ended.wait()


async def test_pings_are_answered_and_do_not_reach_the_application() -> None:
    """RFC 6455 §5.5.3: with the ping's own data."""
    async with make_server(Echo()) as server, opened_by_hand(server) as client:
        await client.send(frame(PING, b"hello") + frame(TEXT, b"a") + frame(PONG) + frame(TEXT, b"b"))
        assert await client.exactly(13) == b"\x8a\x05hello\x81\x01a\x81\x01b"


async def test_a_flood_of_pings_from_a_client_that_does_not_read_is_not_kept() -> None:
    """RFC 6455 §5.5.3: the server may answer the most recent one only."""
    async with make_server(Echo()) as server, opened_by_hand(server) as client:
        flood = frame(PING, b"x" * 125) * 1000
        for _ in range(60):
            await client.send(flood)
        await client.send(frame(PING, b"the last"))
        await assert_served(server)
        assert len(await client.until(b"\x8a\x08the last")) < 60_000 * 127


async def test_a_client_that_answers_pings_stays() -> None:
    app = Echo()
    server = make_server(app, ws_ping_interval=0.02, ws_ping_timeout=5)
    async with server, opened_by_hand(server) as client:
        payloads = []
        for _ in range(5):
            head = await client.exactly(2)
            assert head[0] == 0x80 | PING
            payloads.append(await client.exactly(head[1]))
            await client.send(frame(PONG, payloads[-1]))
        await client.send(frame(TEXT, b"still here"))
        await client.until(b"still here")
        assert len(set(payloads)) == 5
        assert not app.gone.is_set()


async def test_a_client_that_answers_no_ping_is_closed() -> None:
    app = Echo()
    async with make_server(app, ws_ping_interval=0.02, ws_ping_timeout=0.05, timeout_linger=0.05) as server:
        async with opened_by_hand(server) as client:
            seen = await client.rest()
        await app.gone.wait()
    assert seen[0] == 0x80 | PING
    assert bytes([0x80 | CLOSE]) in seen
    assert [code for code, _ in app.disconnects] == [1006]


# Applications that stall.


async def test_an_application_that_never_receives_stops_its_own_client_only() -> None:
    app = Waits()
    async with make_server(app) as server, opened_by_hand(server) as client:
        await app.accepted.wait()
        pusher = Pusher()
        async with anyio.create_task_group() as group:
            group.start_soon(pusher.push, client, 100)
            await stalled(pusher)
            assert pusher.sent < 100
            await assert_served(server)
            app.release.set()  # It returns: what it did not take is read away.
            await app.ended.wait()


async def test_an_application_that_receives_late_gets_everything() -> None:
    class App(Waits):
        async def work(self, receive: Any, send: Any) -> None:
            await super().work(receive, send)
            for number in range(100):
                assert await receive() == {
                    "type": "websocket.receive",
                    "bytes": b"%d" % number + BIG,
                    "text": None,
                }
            assert (await receive())["code"] == 1006

    app, pusher = App(), Pusher()
    async with (
        make_server(app) as server,
        opened_by_hand(server) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(pusher.push, client, 100)
        await stalled(pusher)
        assert pusher.sent < 100
        app.release.set()
        await app.ended.wait()
    assert app.outcome is None


async def test_an_application_that_ignores_the_departure_is_cancelled_if_the_operator_wants() -> None:
    app = Waits()
    async with make_server(app, timeout_disconnect=0.05) as server:
        async with opened(server):
            await app.accepted.wait()
        await app.ended.wait()
        assert isinstance(app.outcome, anyio.get_cancelled_exc_class())


async def test_an_application_that_has_closed_may_work_on() -> None:
    class App(Waits):
        async def work(self, receive: Any, send: Any) -> None:
            await send({"type": "websocket.close"})
            await super().work(receive, send)

    app = App()
    async with make_server(app, timeout_disconnect=0.02) as server:
        async with opened(server) as peer:
            with pytest.raises(Closed):
                await peer.receive()
        others = Waits()  # For whom the timeout is, and who is cancelled meanwhile.
        async with make_server(others, timeout_disconnect=0.05) as second:
            async with opened(second):
                await others.accepted.wait()
            await others.ended.wait()
        assert not app.ended.is_set()
        app.release.set()
        await app.ended.wait()
        assert app.outcome is None


# Shutdown.


async def test_shutdown_closes_with_1012_and_tells_the_application() -> None:
    """RFC 6455 §7.4.2 and the registry: service restart."""
    app = Echo()
    async with serving(app) as server, opened(server) as peer:
        await peer.send("a")
        assert await peer.receive() == "a"
        server.shut_down()
        with pytest.raises(Closed) as caught:
            await peer.receive()
        assert caught.value.args == (1012, "")
        await app.gone.wait()
    assert app.disconnects == [(1012, "")]


async def test_messages_before_shutdown_are_still_the_applications(caplog: pytest.LogCaptureFixture) -> None:
    class App(Waits):
        received: list[Any] = []  # noqa: RUF012 - of one test.

        async def work(self, receive: Any, send: Any) -> None:
            assert (await receive())["text"] == "0"
            await super().work(receive, send)
            self.received = [await receive() for _ in range(4)]

    app = App()
    async with serving(app, access_log=True) as server, opened(server) as peer:
        await app.accepted.wait()
        for text in "012":
            await peer.send(text)
        await assert_served(server)  # By then the server has read them.
        server.shut_down()
        with pytest.raises(Closed):
            await peer.receive()
        app.release.set()
        await app.ended.wait()
    assert app.outcome is None
    assert [message.get("text") for message in app.received] == ["1", "2", None, None]
    assert [message.get("code") for message in app.received] == [None, None, 1012, 1012]


async def test_shutdown_waits_for_no_client_that_does_not_answer() -> None:
    app = Echo()
    async with opened_late() as late, serving(app, ws_close_timeout=0.1, timeout_linger=0.1) as server:
        client = await late(server)
        with anyio.fail_after(5):
            server.shut_down()
            assert await client.rest() == b"\x88\x02\x03\xf4"
    assert app.disconnects == [(1012, "")]


async def test_a_handshake_that_is_open_at_shutdown_comes_to_an_end() -> None:
    begun, release = anyio.Event(), anyio.Event()
    app = Echo()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await release.wait()
        await app(scope, receive, send)

    server_ends = serving(slow, ws_close_timeout=0.1, timeout_linger=0.1)
    async with server_ends as server, connected(server) as client:
        await client.send(HANDSHAKE)
        await begun.wait()
        server.shut_down()
        release.set()
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert answer.endswith(b"\r\n\r\n\x88\x02\x03\xf4")
    assert [code for code, _ in app.disconnects] == [1012]


async def test_a_sender_that_waits_is_told_of_shutdown() -> None:
    app = Floods()
    async with opened_late() as late, serving(app, timeout_graceful_shutdown=5) as server:
        client = await late(server)
        small_window(client)
        await stalled(app)
        server.shut_down()
        await app.ended.wait()
        assert isinstance(app.outcome, OSError)
        await client.reset()


async def test_an_application_that_ignores_shutdown_is_cancelled_at_the_deadline() -> None:
    app = Waits()
    async with serving(app, timeout_graceful_shutdown=0.2) as server, opened(server) as peer:
        await app.accepted.wait()
        server.shut_down()
        with pytest.raises(Closed) as caught:
            await peer.receive()
        assert caught.value.args == (1012, "")
        await app.ended.wait()
        assert isinstance(app.outcome, anyio.get_cancelled_exc_class())


async def test_nothing_is_opened_after_shutdown_has_begun() -> None:
    app = Waits()
    async with (
        serving(app, timeout_graceful_shutdown=0.2) as server,
        connected(server) as idle,
        opened(server),
    ):
        await app.accepted.wait()
        server.shut_down()
        assert await idle.rest() == b""
        with pytest.raises((OSError, EOFError)):
            await opened_by_hand(server).__aenter__()


@asynccontextmanager
async def opened_late() -> AsyncIterator[Any]:
    """Open WebSockets by hand that are still there when the server has gone."""
    clients = []

    async def open_one(server: runtime.Server) -> Client:
        context = opened_by_hand(server)
        clients.append(context)
        return await context.__aenter__()

    try:
        yield open_one
    finally:
        for context in clients:
            await context.__aexit__(None, None, None)


# What is written down.


@pytest.mark.parametrize(
    ("how", "code"), [("client", 1001), ("application", 1000)], ids=["client", "application"]
)
async def test_a_session_has_a_line_for_its_beginning_and_one_for_its_end(
    how: str, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = Waits()
    async with make_server(app, access_log=True) as server:
        async with opened(server, "/here") as peer:
            await peer.send("four")
            if how == "application":
                app.release.set()
                with pytest.raises(Closed):
                    await peer.receive()
            else:
                await peer.close(code)
        app.release.set()
        await app.ended.wait()
    begin, end = [record.getMessage() for record in caplog.records if record.name == "tricorn.access"]
    assert '"WebSocket /here HTTP/1.1" 101 accepted' in begin
    assert f'"WebSocket /here HTTP/1.1" 101 closed with {code}, ' in end


async def test_a_broken_frame_is_one_line_in_the_error_log(caplog: pytest.LogCaptureFixture) -> None:
    app = Echo()
    async with make_server(app) as server, opened_by_hand(server) as client:
        await client.send(frame(0x3))
        assert (await client.rest())[:4] == b"\x88\x02\x03\xea"
        await app.gone.wait()
        await client.close()
        await until(lambda: any("closed:" in record.getMessage() for record in caplog.records))
    assert app.disconnects[0][0] == 1002
