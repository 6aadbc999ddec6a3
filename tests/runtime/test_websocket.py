"""WebSockets over real sockets, with the clients that people have: messages, the handshake, and how they end."""

from __future__ import annotations

import hashlib
from typing import Any

import anyio
import pytest

from .client import GET, OK, ask, connected, make_server, until
from .websocket_apps import ACCEPT, Echo, Sends
from .websocket_clients import CLOSE, HANDSHAKE, TEXT, Closed, Refused, frame, opened, opened_by_hand

pytestmark = pytest.mark.usefixtures("backend")

MEBIBYTE = 1_048_576
COMPRESSED = pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])


async def closed(peer: Any) -> tuple[int, str]:
    """Read until the server has closed, and return code and reason."""
    while True:
        try:
            await peer.receive()
        except Closed as error:
            return error.args[0], error.args[1]


# Messages.


@COMPRESSED
async def test_messages_come_back_as_they_were(compressed: bool) -> None:
    messages: list[str | bytes] = [
        "text",
        b"binary",
        "",
        b"",
        "grün 🦄\0",
        bytes(range(256)),
        "a" * 100,
        "é" * (MEBIBYTE // 2),
        hashlib.shake_128(b"seed").digest(MEBIBYTE),
        bytes(MEBIBYTE),
        "the last",
    ]
    async with make_server(Echo()) as server, opened(server, compressed=compressed) as peer:
        assert ("permessage-deflate" in peer.fields.get("sec-websocket-extensions", "")) is compressed
        for message in messages:
            await peer.send(message)
            assert await peer.receive() == message


async def test_compression_can_be_declined() -> None:
    """RFC 7692 §5: a server that does not want it leaves it out of its answer."""
    server = make_server(Echo(), ws_per_message_deflate=False)
    async with server, opened(server, compressed=True) as peer:
        assert "sec-websocket-extensions" not in peer.fields
        await peer.send("a" * 1000)
        assert await peer.receive() == "a" * 1000


async def test_many_messages_at_once_come_back_in_their_order() -> None:
    payloads = [b"%d" % number for number in range(2000)]
    async with make_server(Echo()) as server, opened_by_hand(server) as client:
        await client.send(b"".join([frame(TEXT, payload) for payload in payloads]))
        for payload in payloads:
            assert await client.exactly(2 + len(payload)) == bytes([0x81, len(payload)]) + payload


async def test_a_message_octet_by_octet() -> None:
    async with make_server(Echo()) as server, opened_by_hand(server) as client:
        for octet in frame(TEXT, "grün".encode()):
            await client.send(bytes([octet]))
        assert await client.exactly(7) == b"\x81\x05" + "grün".encode()


async def test_sending_and_receiving_do_not_wait_for_each_other() -> None:
    release = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def talk() -> None:
            for number in range(100):
                await send({"type": "websocket.send", "text": str(number)})
            await release.wait()
            await send({"type": "websocket.close"})

        await receive()
        await send(ACCEPT)
        async with anyio.create_task_group() as group:
            group.start_soon(talk)
            assert (await receive())["text"] == "stop"
            release.set()
            assert (await receive())["type"] == "websocket.disconnect"

    async with make_server(app) as server, opened(server) as peer:
        assert [await peer.receive() for _ in range(100)] == [str(number) for number in range(100)]
        await peer.send("stop")
        assert await closed(peer) == (1000, "")


async def test_a_cancelled_receive_loses_no_message() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        taken: list[str] = []
        while len(taken) < 100:
            with anyio.move_on_after(0):
                taken.append((await receive())["text"])
            await anyio.lowlevel.checkpoint()
        await send({"type": "websocket.send", "text": " ".join(taken)})
        await receive()

    async with make_server(app) as server, opened(server) as peer:
        for number in range(100):
            await peer.send(str(number))
        assert await peer.receive() == " ".join(map(str, range(100)))


async def test_a_message_over_the_limit_is_closed_with_1009() -> None:
    """RFC 6455 §7.4.1."""
    app = Echo()
    async with make_server(app, ws_max_size=1000) as server, opened(server) as peer:
        await peer.send(b"x" * 1000)
        assert await peer.receive() == b"x" * 1000
        await peer.send(b"x" * 1001)
        assert (await closed(peer))[0] == 1009
        await app.gone.wait()
    assert [code for code, _ in app.disconnects] == [1009]


# The handshake.


async def test_the_scope_says_what_was_asked_for() -> None:
    app = Echo()
    server = make_server(app)
    async with server, opened(server, "/a%20b?c=d", subprotocols=["one", "two"], fields=[("X-Word", "hi")]):
        pass
    assert app.scope["type"] == "websocket"
    assert (app.scope["path"], app.scope["query_string"]) == ("/a b", b"c=d")
    assert app.scope["subprotocols"] == ["one", "two"]
    assert (b"x-word", b"hi") in app.scope["headers"]
    assert (app.scope["scheme"], app.scope["http_version"]) == ("ws", "1.1")


@pytest.mark.parametrize("chosen", ["two", None])
async def test_the_application_chooses_a_subprotocol_and_fields(chosen: str | None) -> None:
    fields = [(b"x-word", b"hello"), (b"set-cookie", b"a=b")]
    app = Sends({**ACCEPT, "subprotocol": chosen, "headers": fields})
    async with make_server(app) as server, opened(server, subprotocols=["one", "two"]) as peer:
        assert peer.subprotocol == chosen
        assert (peer.fields["x-word"], peer.fields["set-cookie"]) == ("hello", "a=b")


async def test_a_refusal_is_403() -> None:
    """ASGI, "Close - send event": a close before the accept is a 403; the disconnect then says 1006."""
    app = Sends({"type": "websocket.close", "code": 3000})
    async with make_server(app) as server:
        with pytest.raises(Refused) as caught:
            async with opened(server):
                pass
        assert caught.value.status == 403
        await app.done.wait()
    assert [message.get("code") for message in app.received] == [1006]


@pytest.mark.parametrize("pieces", [[b"no"], [b"n", b"", b"o"]], ids=["one piece", "pieces"])
async def test_a_denial_is_a_response_of_the_applications_own(pieces: list[bytes]) -> None:
    """ASGI, extension "websocket.http.response"."""
    kind = "websocket.http.response"
    messages = [{"type": f"{kind}.body", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False
    fields = [(b"x-word", b"sorry")]
    async with make_server(
        Sends({"type": f"{kind}.start", "status": 418, "headers": fields}, *messages)
    ) as server:
        with pytest.raises(Refused) as caught:
            async with opened(server):
                pass
        assert (caught.value.status, caught.value.fields["x-word"]) == (418, "sorry")
        async with connected(server) as client:
            await client.send(HANDSHAKE)
            response = await client.response()
            assert (response.status, response.body) == (418, b"no")
            assert await client.rest() == b""


async def test_requests_come_before_a_websocket_on_one_connection() -> None:
    echo = Echo()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await echo(scope, receive, send)
        else:
            await send(OK)
            await send({"type": "http.response.body", "body": b"http"})

    async with make_server(app) as server, connected(server) as client:
        await client.send(GET)
        assert (await client.response()).body == b"http"
        await client.send(GET + HANDSHAKE)
        assert (await client.response()).body == b"http"
        assert (await client.head())[0] == 101
        await client.send(frame(TEXT, b"now"))
        assert await client.exactly(5) == b"\x81\x03now"


async def test_without_websockets_the_request_is_an_ordinary_one() -> None:
    """RFC 9110 §7.8: a server may ignore an upgrade."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(OK)
        await send({"type": "http.response.body", "body": scope["type"].encode()})

    async with make_server(app, ws=False) as server:
        assert (await ask(server, HANDSHAKE)).body == b"http"


async def test_too_many_at_one_time_are_told_503() -> None:
    app = Echo()
    async with make_server(app, limit_concurrency=1) as server, opened(server) as peer:
        with pytest.raises(Refused) as caught:
            async with opened(server):
                pass
        assert (caught.value.status, caught.value.fields["retry-after"]) == (503, "1")
        await peer.send("still here")
        assert await peer.receive() == "still here"


async def test_an_application_that_does_not_answer_the_handshake_is_500() -> None:
    gone = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["code"] == 1006
        gone.set()

    async with make_server(app, ws_handshake_timeout=0.05) as server:
        assert (await ask(server, HANDSHAKE)).status == 500
        await gone.wait()


# Failures.


class Fails:
    """Raises, or returns, after some messages."""

    def __init__(self, error: Exception | None, *messages: Any) -> None:
        self._error = error
        self._messages = messages

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in self._messages:
            await send(message)
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize("error", [ValueError("mine"), None], ids=["raises", "returns"])
async def test_failing_before_the_answer_is_500(
    error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with make_server(Fails(error)) as server:
        with pytest.raises(Refused) as caught:
            async with opened(server):
                pass
        assert caught.value.status == 500
    assert b"mine" not in caught.value.body
    expected = "Exception in ASGI application" if error else "ASGI application broke the contract"
    assert [record.message for record in caplog.records if expected in record.message]


async def test_raising_in_a_session_is_1011(caplog: pytest.LogCaptureFixture) -> None:
    """RFC 6455 §7.4.1: an unexpected condition. What it was is nobody's business but the operator's."""
    async with make_server(Fails(ValueError("mine"), ACCEPT)) as server, opened(server) as peer:
        assert await closed(peer) == (1011, "")
    assert "ValueError: mine" in caplog.text


async def test_returning_from_a_session_is_1000(caplog: pytest.LogCaptureFixture) -> None:
    app = Fails(None, ACCEPT, {"type": "websocket.send", "text": "all"})
    async with make_server(app) as server, opened(server) as peer:
        assert await peer.receive() == "all"
        assert await closed(peer) == (1000, "")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# Closing.


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, ""), (1001, "away"), (1012, "later"), (3000, "grün"), (4999, "x" * 123)],
    ids=["1000", "1001", "1012", "3000", "4999"],
)
async def test_the_application_closes_with_code_and_reason(code: int, reason: str) -> None:
    app = Sends(ACCEPT, {"type": "websocket.close", "code": code, "reason": reason})
    async with make_server(app) as server:
        async with opened(server) as peer:
            assert await closed(peer) == (code, reason)
        await app.done.wait()
    [disconnect] = app.received
    assert (disconnect["type"], disconnect["code"]) == ("websocket.disconnect", code)


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "away"), (3000, "grün"), (4999, "x" * 123)], ids=str
)
async def test_the_client_closes_with_code_and_reason(code: int, reason: str) -> None:
    app = Echo()
    async with make_server(app) as server, opened(server) as peer:
        await peer.close(code, reason)
        await app.gone.wait()
    assert app.disconnects == [(code, reason)]


async def test_a_close_without_a_code_is_1005() -> None:
    """RFC 6455 §7.1.5. It is echoed without a code (§5.5.1), and the server ends the connection first (§7.1.1)."""
    app = Echo()
    async with make_server(app) as server, opened_by_hand(server) as client:
        await client.send(frame(CLOSE))
        assert await client.rest() == b"\x88\x00"
        await app.gone.wait()
    assert app.disconnects == [(1005, "")]


async def test_messages_before_the_close_are_still_the_applications() -> None:
    release, done = anyio.Event(), anyio.Event()
    received: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await release.wait()
        received.extend([await receive() for _ in range(4)])
        done.set()

    async with make_server(app) as server, opened_by_hand(server) as client:
        await client.send(frame(TEXT, b"1") + frame(TEXT, b"2") + frame(CLOSE, b"\x0b\xb8bye"))
        assert await client.rest() == b"\x88\x05\x0b\xb8bye"
        release.set()
        await done.wait()
    assert [message.get("text") for message in received[:2]] == ["1", "2"]
    assert [(message["code"], message["reason"]) for message in received[2:]] == [(3000, "bye")] * 2


async def test_sending_to_a_client_that_closed_raises_and_nobody_calls_that_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """ASGI, "Disconnected Client - send exception": a subclass of OSError."""
    caught: list[type] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        assert (await receive())["type"] == "websocket.disconnect"
        try:
            await send({"type": "websocket.send", "text": "late"})
        except OSError as error:
            caught.append(type(error))
            raise

    async with make_server(app) as server, opened(server) as peer:
        await peer.close()
        await until(lambda: bool(caught))
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_client_that_does_not_answer_the_close_is_left() -> None:
    """RFC 6455 §7.1.1: within `ws_close_timeout`."""
    app = Sends(ACCEPT, {"type": "websocket.close", "code": 3001})
    server = make_server(app, ws_close_timeout=0.05, timeout_linger=0.05)
    async with server, opened_by_hand(server) as client:
        assert await client.rest() == b"\x88\x02\x0b\xb9"
