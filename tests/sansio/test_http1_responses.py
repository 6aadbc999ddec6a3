"""The responses of an HTTP/1 connection: their framing, and what the connection does behind them."""

from __future__ import annotations

from typing import Any

import pytest

from sansio import ClientDisconnected, DefaultFields, Message, Settings
from tests.messages import body, early_hint, start, trailers
from tests.pair import Fields, Pair, respond
from tests.sansio.websocket_client import HANDSHAKE, WebSocketPair, close_frame, frame

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
DISCONNECT: Message = {"type": "http.disconnect"}
SMALL = Settings(limit_request_body=10)
ACCEPT: Message = {"type": "websocket.accept"}
DENY: Message = {"type": "websocket.http.response.start", "status": 401}
UNANSWERED: Message = {"type": "websocket.disconnect", "code": 1006, "reason": ""}

readers = pytest.mark.parametrize("reader", ["fast", "h11"])


# Framing.


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_without_content_needs_no_framing(method: str, status: int) -> None:
    pair = Pair(respond(status=status))
    pair.request(method)
    assert pair.response.fields == []
    pair.request()
    assert len(pair.responses) == 2


def test_a_response_in_parts_is_chunked_to_its_end() -> None:
    """RFC 9112 §7.1."""
    pair = Pair()
    pair.request()
    pair.call.send(start(headers=[(b"x-a", b"b")]))
    pair.call.send(body(b"0123456789abcdef", more=True))
    pair.call.send(body(b"z"))
    assert pair.output.endswith(b"\r\n\r\n10\r\n0123456789abcdef\r\n1\r\nz\r\n0\r\n\r\n")
    assert list(pair.call.exchange.statistics(pair.now).response_fields) == [(b"x-a", b"b")]


@pytest.mark.parametrize("accepts", [False, True])
@readers
def test_trailers_stand_behind_the_last_chunk(accepts: bool, reader: Any) -> None:
    """RFC 9110 §6.5.1: only for a client that has said that it wants them."""
    pair = Pair(settings=Settings(http1_reader=reader))
    pair.request(fields=[(b"TE", b"trailers")] if accepts else [])
    pair.call.send(start(trailers=True))
    pair.call.send(body(b"content"))
    pair.call.send(trailers([(b"x-a", b"1")]))
    assert pair.output.endswith(b"\r\n0\r\nx-a: 1\r\n\r\n" if accepts else b"\r\n0\r\n\r\n")
    assert pair.response.trailers == ([(b"x-a", b"1")] if accepts else [])
    pair.request()
    assert len(pair.calls) == 2


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.1", b"GET / HTTP/1.0"])
def test_interim_responses_and_trailers_are_for_http_1_1(request_line: bytes) -> None:
    """RFC 9110 §15.2: "a server MUST NOT send a 1xx response to an HTTP/1.0 client"."""
    pair = Pair()
    pair.send(request_line + b"\r\nHost: a\r\nTE: trailers\r\n\r\n")
    pair.call.send(early_hint(b"</a>"))
    pair.call.send(start(trailers=True))
    pair.call.send(body(b"content"))
    pair.call.send(trailers([(b"x-a", b"1")]))
    current = request_line.endswith(b"1")
    assert len(pair.response.interim) == current
    assert len(pair.response.trailers) == current
    assert (pair.response.body, pair.response.complete) == (b"content", True)


@pytest.mark.parametrize("fields", [b"", b"Connection: keep-alive\r\n"])
@pytest.mark.parametrize("given", [[], [(b"content-length", b"2")]])
def test_http_1_0_gets_one_response_without_chunks(fields: bytes, given: Fields) -> None:
    """RFC 9112 §6.1: "A server MUST NOT send a response containing Transfer-Encoding" to it."""
    pair = Pair()
    pair.send(b"GET / HTTP/1.0\r\n" + fields + b"\r\n")
    assert pair.call.scope["http_version"] == "1.0"
    assert pair.call.scope["extensions"] == {}
    pair.call.send(start(headers=given))
    pair.call.send(body(b"h", more=True))
    assert not pair.response.complete
    pair.call.send(body(b"i"))
    assert pair.response.fields == [*given, (b"connection", b"close")]
    assert (pair.response.body, pair.response.complete, pair.eof_received) == (b"hi", True, True)


@pytest.mark.parametrize("fields", [[], [(b"content-length", b"9")]])
def test_an_application_that_stops_leaves_a_visible_cut(fields: Fields) -> None:
    """RFC 9112 §8: neither the last chunk nor the whole length."""
    pair = Pair()
    pair.send(GET + GET)
    pair.call.send(start(headers=fields))
    pair.call.send(body(b"part", more=True))
    pair.call.finish(ValueError())
    assert (pair.response.body, pair.response.complete, pair.eof_received) == (b"part", False, True)
    assert len(pair.calls) == 1


# The server's own fields.


def test_date_and_server_stand_once_in_each_response() -> None:
    """RFC 9110 §6.6.1: "An origin server with a clock MUST generate a Date header field"."""
    defaults = DefaultFields(b"tricorn", [(b"x-frame", b"deny")])
    defaults.set_date(b"Sun, 06 Nov 1994 08:49:37 GMT")
    pair = Pair(settings=Settings(default_fields=defaults))
    pair.request()
    pair.calls[0].respond(b"a")
    defaults.set_date(b"Sun, 06 Nov 1994 08:49:38 GMT")
    pair.request()
    pair.calls[1].respond(b"b", fields=[(b"Date", b"mine"), (b"SERVER", b"me too")])
    pair.request()
    pair.calls[2].respond(b"c", fields=[(b"date", b"mine")])
    pair.request()
    pair.calls[3].respond(b"d", fields=[(b"server", b"me")])
    defaults.set_date(None)
    pair.request()
    pair.calls[4].finish(ValueError())
    dates = [response.values(b"date") for response in pair.responses]
    assert dates[0] == [b"Sun, 06 Nov 1994 08:49:37 GMT"]
    assert dates[1:] == [[b"mine"], [b"mine"], [b"Sun, 06 Nov 1994 08:49:38 GMT"], []]
    servers = [response.values(b"server") for response in pair.responses]
    assert servers == [[b"tricorn"], [b"me too"], [b"tricorn"], [b"me"], [b"tricorn"]]
    assert [response.values(b"x-frame") for response in pair.responses] == [[b"deny"]] * 5


@pytest.mark.parametrize(("status", "reason"), [(200, b"OK"), (299, b"Unknown"), (413, b"Content Too Large")])
def test_a_status_line_has_a_reason(status: int, reason: bytes) -> None:
    """RFC 9112 §4: "A server MUST send the space that separates the status-code from the reason-phrase"."""
    pair = Pair(respond(status=status))
    pair.request()
    assert pair.output.startswith(b"HTTP/1.1 %d %b\r\n" % (status, reason))


# What the server answers of itself.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_application_that_fails_becomes_a_500(method: str) -> None:
    pair = Pair()
    pair.request(method)
    pair.send(GET)
    pair.call.send(start(trailers=True))
    pair.call.finish(ValueError())
    assert (pair.response.status, pair.response.values(b"connection")) == (500, [b"close"])
    assert pair.response.body == (b"" if method == "HEAD" else b"Internal Server Error\n")
    assert (len(pair.calls), pair.eof_received) == (1, True)


@pytest.mark.parametrize(
    "data",
    [
        b"HEAD / HTTP/1.1\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: a\r\nX:\x00\r\n\r\n",
        b"HEAD /" + b"a" * 300,
        b"\r\nHEAD / HTTP/2.0\r\n",
    ],
)
@readers
def test_a_refusal_of_head_has_no_content(data: bytes, reader: Any) -> None:
    """RFC 9110 §9.3.2: "the server MUST NOT send content in the response" to HEAD."""
    pair = Pair(settings=Settings(http1_reader=reader, limit_request_head=200, limit_request_body=10))
    pair.refused_method = "HEAD"
    pair.send(data)
    assert pair.response.status >= 400
    assert int(pair.response.values(b"content-length")[0]) > 0
    assert pair.output.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("data", [b"b\r\n12345678901\r\n", b"x\r\n"], ids=["too-much", "no-size"])
@pytest.mark.parametrize("ended", [False, True])
def test_bad_content_cuts_a_response_that_has_begun(data: bytes, ended: bool) -> None:
    """RFC 9112 §8: the client sees that the response is incomplete, and no second status line."""
    pair = Pair(settings=SMALL)
    pair.send(CHUNKED)
    pair.call.send(start(trailers=ended))
    pair.call.send(body(b"part", more=not ended))
    pair.send(data)
    assert (pair.response.status, pair.response.body, pair.response.complete) == (200, b"part", False)
    assert pair.eof_received
    assert pair.connection.error is not None
    assert pair.connection.error.status is None
    with pytest.raises(ClientDisconnected):
        pair.call.send(trailers() if ended else body(b"x"))


@pytest.mark.parametrize("denied", [False, True])
def test_an_application_that_does_not_answer_a_handshake_is_answered_for(denied: bool) -> None:
    pair = WebSocketPair(Settings(ws_handshake_timeout=60.0))
    pair.send(HANDSHAKE + frame(1, b"a"))
    pair.receive()
    if denied:
        pair.tell(DENY)
        pair.run_until(pair.now + 1000)
        assert pair.output == b""
        return
    pair.run_until(pair.now + 59.9)
    assert pair.output == b""
    pair.run_until(pair.now + 0.1)
    assert (pair.status, pair.connection.write_ended) == (500, True)
    assert pair.receive() == UNANSWERED
    with pytest.raises(ClientDisconnected):
        pair.tell(ACCEPT)
    pair.finish()
    assert pair.exchange.failure == "the application did not answer a WebSocket's handshake in time"


# Content.


def test_a_client_that_waits_for_a_100_gets_it_when_the_application_asks() -> None:
    """RFC 9110 §10.1.1."""
    pair = Pair()
    pair.send((POST % 2)[:-2] + b"Expect: 100-continue\r\n\r\n")
    assert pair.output == b""
    assert pair.call.receive() is None
    assert pair.interim == [(100, [])]
    assert pair.call.receive() is None
    pair.send(b"ab")
    assert pair.call.receive() == {"type": "http.request", "body": b"ab", "more_body": False}
    pair.call.respond(b"hi")
    assert pair.output.count(b"100 Continue") == 1
    assert not pair.eof_received


def test_an_application_that_waits_for_the_clients_departure_waits_without_a_deadline() -> None:
    pair = Pair()
    pair.request()
    assert pair.call.receive() is not None
    assert pair.call.receive() is None
    assert pair.connection.deadline == float("inf")
    pair.lose()
    assert pair.call.receive() == DISCONNECT


# What becomes of the connection.


def test_the_application_may_ask_for_the_end() -> None:
    pair = Pair(respond(b"hi", fields=[(b"Connection", b"x, Close")]))
    pair.send(GET + GET)
    assert pair.response.values(b"connection") == [b"close"]
    assert pair.eof_received


@readers
def test_content_within_the_bound_is_read_away(reader: Any) -> None:
    """RFC 9112 §9.3: "a server MUST read the entire request message body or close the connection"."""
    pair = Pair(respond(b"hi"), Settings(http1_reader=reader, limit_discard=len(GET)))
    pair.send(POST % len(GET) + GET[:3])
    assert pair.response.values(b"connection") == []
    pair.send(GET[3:10])
    pair.send(GET[10:] + GET)
    assert [call.scope["method"] for call in pair.calls] == ["POST", "GET"]


@pytest.mark.parametrize("head", [POST % (len(GET) + 1), CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize("parts", [1, 2])
def test_content_beyond_the_bound_ends_the_connection(head: bytes, parts: int) -> None:
    pair = Pair(settings=Settings(limit_discard=len(GET)))
    pair.send(head)
    pair.call.send(start())
    for number in range(parts):
        pair.call.send(body(b"hi", more=number < parts - 1))
    assert pair.response.values(b"connection") == ([b"close"] if parts == 1 else [])
    assert (pair.response.complete, pair.eof_received) == (True, True)
    pair.send(GET + GET)
    assert len(pair.calls) == 1


# Buffers.


def test_taking_content_lets_more_of_it_come() -> None:
    pair = Pair(settings=Settings(limit_read_buffer=10, timeout_request_body=5.0))
    pair.send(POST % 20 + b"a" * 10)
    assert not pair.connection.wants_read
    assert pair.call.receive() == {"type": "http.request", "body": b"a" * 10, "more_body": True}
    assert pair.connection.wants_read
    assert pair.call.receive() is None
    assert (pair.output, pair.connection.deadline) == (b"", pair.now + 5)


def test_a_full_write_buffer_stops_the_application_until_the_bytes_are_taken() -> None:
    pair = Pair(settings=Settings(limit_write_buffer=100))
    pair.request()
    call = pair.call
    pair.stall()
    call.send(start())
    call.send(body(b"a" * 20, more=True))
    assert call.exchange.can_send
    call.send(body(b"b" * 100, more=True))
    assert not call.exchange.can_send
    call.send(body(b"c", more=True))
    named = call.named
    pair.resume()
    assert (call.exchange.can_send, call.named) == (True, named + 1)
    call.send(body())
    assert pair.response.body == b"a" * 20 + b"b" * 100 + b"c"


# WebSockets.


def test_the_answer_to_a_handshake_has_the_servers_fields_and_the_frames_follow_it() -> None:
    """RFC 6455 §4.2.2, §7.1.1: the server ends the transport first."""
    defaults = DefaultFields(b"tricorn")
    defaults.set_date(b"Sun, 06 Nov 1994 08:49:37 GMT")
    pair = WebSocketPair(Settings(default_fields=defaults))
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    assert pair.status == 101
    assert {b"server: tricorn", b"date: sun, 06 nov 1994 08:49:37 gmt"} <= set(pair.head)
    pair.send(close_frame(1000))
    assert ([seen.opcode for seen in pair.frames], pair.connection.write_ended) == ([8], True)


def test_a_session_that_waits_for_room_goes_on_when_the_bytes_are_taken() -> None:
    pair = WebSocketPair(Settings(limit_write_buffer=1))
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    pair.stall()
    pair.tell({"type": "websocket.send", "text": "aa"})
    pair.send(frame(9, b"p"))
    pair.resume()
    assert [seen.payload for seen in pair.frames] == [b"aa", b"p"]


def test_a_session_that_holds_enough_is_not_read_until_it_has_room() -> None:
    """The transport's own flow control is what the peer feels of it."""
    pair = WebSocketPair(Settings(limit_read_buffer=10))
    pair.send(HANDSHAKE)
    pair.receive()
    pair.tell(ACCEPT)
    pair.send(frame(1, b"first, and enough") + frame(1, b"second"))
    assert not pair.connection.wants_read
    pair.send(frame(1, b"third"))
    assert pair.unread
    assert [pair.take() for _ in range(3)] == ["first, and enough", "second", "third"]
    assert pair.connection.wants_read
    assert not pair.unread
