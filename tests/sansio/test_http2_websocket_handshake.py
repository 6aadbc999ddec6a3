"""WebSockets on streams of HTTP/2: the opening handshake, and what is refused (RFC 8441 §3 to §5)."""

from __future__ import annotations

import pytest

from sansio import InvalidMessage, Settings, TransportInfo, UnexpectedMessage
from tests.peers import ENABLE_CONNECT_PROTOCOL, Code
from tests.sansio.http2_client import Http2Pair
from tests.sansio.http2_websocket_client import (
    ACCEPT,
    DENIAL_BODY,
    DENIAL_START,
    VERSION,
    ask,
    connect,
    open_socket,
)


@pytest.mark.parametrize("ws", [True, False])
def test_extended_connect_is_offered_if_websockets_are(ws: bool) -> None:
    """RFC 8441 §3."""
    assert Http2Pair(Settings(ws=ws)).observer.settings.get(ENABLE_CONNECT_PROTOCOL, 0) == ws


def test_the_scope_is_a_websocket_s() -> None:
    """RFC 8441 §5: the request has no method of its own, and nothing else is lost."""
    pair = Http2Pair(
        transport=TransportInfo(alpn="h2", secure=True, client=("192.0.2.1", 5), server=("a", 443))
    )
    offered = [(b"sec-websocket-protocol", b"chat, superchat"), (b"sec-websocket-protocol", b"v2")]
    scope = ask(pair, *offered, (b"origin", b"https://a"), path=b"/ch%61t?q=1").exchange.scope
    assert scope["type"] == "websocket"
    assert scope["http_version"] == "2"
    assert scope["scheme"] == "wss"
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/chat", b"/ch%61t", b"q=1")
    assert scope["subprotocols"] == ["chat", "superchat", "v2"]
    assert "method" not in scope
    assert (scope["client"], scope["server"]) == (("192.0.2.1", 5), ("a", 443))
    assert [(b"host", b"server.example"), VERSION, *offered, (b"origin", b"https://a")] == list(
        scope["headers"]
    )


def test_without_tls_the_scheme_is_ws() -> None:
    pair = Http2Pair(Settings(h2c="prior-knowledge"), transport=TransportInfo())
    socket = open_socket(pair)
    assert socket.exchange.scope["scheme"] == "ws"
    socket.say("a")
    assert socket.messages == ["a"]


def test_content_length_has_no_place_where_a_websocket_is_accepted() -> None:
    """RFC 9110 §9.3.6: "A server MUST NOT send any Transfer-Encoding or Content-Length header fields" there."""
    socket = open_socket(Http2Pair(), headers=[(b"content-length", b"5"), (b"x-a", b"b")])
    assert socket.view.fields == [(b"x-a", b"b")]


def test_a_subprotocol_that_was_not_offered_raises_and_nothing_was_said() -> None:
    socket = ask(Http2Pair(), (b"sec-websocket-protocol", b"a"))
    with pytest.raises(InvalidMessage, match="subprotocol"):
        socket.tell(ACCEPT, subprotocol="b")
    assert socket.view.frames == []
    socket.tell(ACCEPT, subprotocol="a")
    assert socket.view.status == 200


def test_a_denial_is_a_response_like_any_other() -> None:
    """ASGI, "Denial Response": streamed, with trailing content, and the end of the stream behind it."""
    socket = ask(Http2Pair())
    socket.tell(DENIAL_START, status=401, headers=[(b"www-authenticate", b"Basic")])
    assert socket.view.frames == []
    socket.tell(DENIAL_BODY, body=b"first, ", more_body=True)
    assert (socket.view.status, socket.view.content, socket.view.ended) == (401, b"first, ", False)
    assert socket.view.fields == [(b"www-authenticate", b"Basic")]
    with pytest.raises(UnexpectedMessage):
        socket.tell(ACCEPT)
    socket.tell(DENIAL_BODY, body=b"last")
    assert socket.view.content == b"first, last"
    socket.expect_end(by=Code.NO_ERROR)
    assert socket.disconnect() == (1006, "")


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_denial_cannot_be_what_means_that_the_websocket_is_accepted(status: int) -> None:
    """RFC 9110 §9.3.6: "Any 2xx (Successful) response indicates that the sender [...] will switch to tunnel mode"."""
    socket = ask(Http2Pair())
    with pytest.raises(InvalidMessage, match="status"):
        socket.tell(DENIAL_START, status=status)
    assert socket.view.frames == []
    socket.tell(DENIAL_START, status=300)
    socket.tell(DENIAL_BODY)
    assert socket.view.status == 300


@pytest.mark.parametrize("error", [None, ValueError()], ids=["returns", "raises"])
def test_an_application_that_does_not_answer_is_a_500(error: ValueError | None) -> None:
    pair = Http2Pair()
    socket = ask(pair)
    socket.finish(error)
    assert (socket.view.status, socket.view.content) == (500, b"Internal Server Error\n")
    socket.expect_end(by=Code.NO_ERROR)
    assert (socket.exchange.failure is None) is (error is not None)
    pair.expect_service()


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ((b"sec-websocket-version", b"8"),),
        (VERSION, VERSION),
        (VERSION, (b"content-length", b"5")),
        (VERSION, (b"content-length", b"0")),
        (VERSION, (b"sec-websocket-protocol", b"a b")),
        (VERSION, (b"sec-websocket-extensions", b"a;;")),
    ],
    ids=["no version", "other version", "two versions", "content", "no content", "subprotocol", "extension"],
)
def test_a_bad_handshake_is_a_400_and_no_application_s(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """RFC 6455 §4.2.1, RFC 8441 §5."""
    pair = Http2Pair()
    stream = pair.next_id()
    pair.send(connect(stream, fields))
    view = pair.view(stream)
    assert (view.status, view.ended, view.reset) == (400, True, Code.NO_ERROR)
    assert pair.calls == []
    assert pair.connection.error is not None
    pair.expect_service()


def test_a_handshake_that_ends_its_stream_is_a_400() -> None:
    """RFC 8441 §5: the stream is the socket, and this one is closed."""
    pair = Http2Pair()
    stream = pair.next_id()
    pair.send(connect(stream, end_stream=True))
    view = pair.view(stream)
    assert (view.status, view.ended, view.reset) == (400, True, None)
    assert pair.calls == []
    pair.expect_service()


def test_extended_connect_that_was_not_offered_is_malformed() -> None:
    """RFC 8441 §3; RFC 9113 §8.1.1."""
    pair = Http2Pair(Settings(ws=False))
    stream = pair.next_id()
    pair.send(connect(stream))
    assert pair.calls == []
    pair.expect_stream_error(stream, Code.PROTOCOL_ERROR)


def test_another_protocol_is_not_served() -> None:
    pair = Http2Pair()
    stream = pair.next_id()
    pair.send(connect(stream, protocol=b"webtransport"))
    assert pair.view(stream).status == 501
    assert pair.calls == []
