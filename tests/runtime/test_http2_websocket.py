"""WebSockets on the streams of HTTP/2 (RFC 8441) over real sockets, side by side with each other and with requests."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.peers import rst, window_update

from .client import OK, hello, read_body, serving, until
from .http2_client import Session, connected_http2, is_served, make_http2_server
from .secure_client import Authority
from .websocket_apps import BIG, Echo, Floods, Waits

pytestmark = pytest.mark.usefixtures("backend")


async def test_the_scope_says_what_it_is(tmp_path: Any) -> None:
    app, authority = Echo(), Authority(tmp_path)
    context = authority.certified()
    context.set_alpn_protocols(["h2"])
    async with (
        make_http2_server(app, h2c="off", **authority.options) as server,
        connected_http2(server, context=context) as client,
    ):
        mine = client.client.socket.getsockname()
        fields = [(b"sec-websocket-protocol", b"chat, other"), (b"x-word", b"hello")]
        socket = await Session.open(client, b"/a%20b?c", fields, scheme=b"https", authority=b"test.example")
        await socket.send("hello")
        assert await socket.receive() == "hello"
        scope = app.scope
        assert (scope["type"], scope["http_version"], scope["scheme"]) == ("websocket", "2", "wss")
        assert (scope["path"], scope["query_string"]) == ("/a b", b"c")
        assert scope["subprotocols"] == ["chat", "other"]
        assert (b"host", b"test.example") in scope["headers"]
        assert (b"x-word", b"hello") in scope["headers"]
        assert not any(name.startswith(b":") for name, _ in scope["headers"])
        assert (tuple(scope["client"]), tuple(scope["server"])) == (mine, server.addresses[0])


async def test_many_at_once_beside_requests() -> None:
    app = Echo()

    async def both(scope: Any, receive: Any, send: Any) -> None:
        await (app if scope["type"] == "websocket" else hello)(scope, receive, send)

    async with make_http2_server(both) as server, connected_http2(server) as client:
        sockets = [await Session.open(client, b"/%d" % number) for number in range(50)]
        for number, socket in enumerate(sockets):
            await socket.send(f"one {number}")
            await socket.send(b"two %d" % number)
            assert (await client.fetch()).content == b"hello"
        for number, socket in reversed(list(enumerate(sockets))):
            assert await socket.receive() == f"one {number}"
            assert await socket.receive() == b"two %d" % number
        for number, socket in enumerate(sockets):
            await socket.send_close(3000 + number)
            assert await socket.receive() is None
            assert socket.close == (3000 + number, "")
            await client.response(socket.stream)
    assert sorted(app.disconnects) == [(3000 + number, "") for number in range(50)]


async def test_a_large_message_goes_both_ways() -> None:
    async with make_http2_server(Echo()) as server, connected_http2(server) as client:
        socket = await Session.open(client)
        for message in (bytes(range(256)) * 8_000, "grün" * 200_000):
            await socket.send(message)
            assert await socket.receive() == message


async def test_one_that_does_not_receive_stalls_nobody() -> None:
    """RFC 9113 §5.2.2: it has its window, and no more."""
    waits = Waits()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await waits(scope, receive, send)
        else:
            body = await read_body(receive)
            await send(OK)
            await send({"type": "http.response.body", "body": b"%d" % len(body)})

    limits = {"http2_max_concurrent_streams": 4, "http2_initial_window_size": 65_536}
    async with make_http2_server(app, **limits) as server, connected_http2(server) as client:
        lazy = [await Session.open(client) for _ in range(3)]
        for socket in lazy:  # One message for which there is far too little credit.
            await client.upload(socket.stream, b"\x82\xff" + (2**20).to_bytes(8, "big") + bytes(4))
            view = client.view(socket.stream)
            while view.credit > 0:
                await client.fill(socket.stream)
        stream = await client.open(method=b"POST", end_stream=False)
        await client.upload(stream, bytes(500_000), end_stream=True)
        assert (await client.response(stream)).content == b"500000"
        waits.release.set()


async def test_one_that_is_not_read_stops_its_application_and_stalls_nobody() -> None:
    app = Floods()
    async with make_http2_server(app) as server, connected_http2(server, window=0) as client:
        await client.send(window_update(0, 2**30))
        flood = await Session.open(client)
        await app.accepted.wait()
        quiet = await Session.open(client, b"/sibling")
        await client.send(window_update(quiet.stream, 2**30))
        for number in range(20):
            await quiet.send(f"{number}")
            assert await quiet.receive() == f"{number}"
        assert app.sent < 3
        await client.send(window_update(flood.stream, 2 * len(BIG)))
        assert await flood.receive() == BIG
        await client.send(rst(flood.stream))
        await app.ended.wait()
        assert isinstance(app.outcome, OSError)
        await quiet.send("still here")
        assert await quiet.receive() == "still here"


async def test_a_client_that_is_silent_is_pinged_and_let_go() -> None:
    app = Echo()

    async def both(scope: Any, receive: Any, send: Any) -> None:
        await (app if scope["type"] == "websocket" else hello)(scope, receive, send)

    limits = {"ws_ping_interval": 0.05, "ws_ping_timeout": 0.05, "ws_close_timeout": 0.05}
    async with make_http2_server(both, **limits) as server, connected_http2(server) as client:
        socket = await Session.open(client)
        await client.response(socket.stream)
        await until(lambda: len(app.disconnects) == 1)
        await is_served(server, client)


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_when_the_client_leaves_each_is_told(reset: bool) -> None:
    app = Echo()
    async with make_http2_server(app) as server, connected_http2(server) as client:
        for _ in range(10):
            await Session.open(client)
        await (client.client.reset() if reset else client.client.close())
        await until(lambda: len(app.disconnects) == 10)
    assert {code for code, _ in app.disconnects} == {1006}


async def test_an_application_is_cancelled_some_time_after_its_stream_was_reset() -> None:
    app = Waits()
    async with (
        make_http2_server(app, timeout_disconnect=0.01) as server,
        connected_http2(server) as client,
    ):
        socket = await Session.open(client)
        await app.accepted.wait()
        await client.send(rst(socket.stream))
        await app.ended.wait()
        assert isinstance(app.outcome, anyio.get_cancelled_exc_class())
        assert (await Session.open(client, b"/sibling")).view.status == 200


async def test_shutdown_closes_each_with_1012() -> None:
    """And the connection when the last has ended."""
    app = Echo()
    async with (
        serving(app, h2c="prior-knowledge") as server,
        connected_http2(server) as client,
    ):
        sockets = [await Session.open(client) for _ in range(5)]
        server.shut_down()
        for socket in sockets:
            assert await socket.receive() is None
            assert socket.close is not None
            assert socket.close[0] == 1012
        for socket in sockets:
            await socket.send_close(1012)
        with anyio.fail_after(2):
            await client.rest()
        assert client.observer.goaways[-1] == (sockets[-1].stream, 0)
    assert len(app.disconnects) == 5


async def test_without_websockets_it_is_not_offered() -> None:
    """RFC 8441 §3, §4: without the setting ":protocol" is malformed."""
    async with make_http2_server(hello, ws=False) as server, connected_http2(server) as client:
        assert 8 not in client.observer.settings
        socket = await Session.ask(client)
        assert socket.view.status in {None, 400}
        assert (await client.fetch()).content == b"hello"


async def test_the_access_log_tells_its_beginning_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        make_http2_server(Echo(), access_log=True) as server,
        connected_http2(server) as client,
    ):
        socket = await Session.open(client, b"/chat")
        await socket.send("hello")
        await socket.receive()
        await socket.send_close(1000)
        await client.response(socket.stream)
    lines = [record.getMessage() for record in caplog.records if record.name == "tricorn.access"]
    assert len(lines) == 2
    assert '"WebSocket /chat HTTP/2" 200 accepted' in lines[0]
    assert "closed with 1000, 1 messages of 5B in, 1 of 5B out" in lines[1]
