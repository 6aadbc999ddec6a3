"""One HTTP/1 connection: what is kept open, what is closed, and what is refused."""

from __future__ import annotations

from typing import Any

import h11
import pytest

from sansio import ClientDisconnected, Connection, DefaultFields, Message, PeerError, Settings, TransportInfo
from tests.messages import body, early_hint, start
from tests.pair import Pair, respond
from tests.sansio.websocket_client import HANDSHAKE, WebSocketPair, close_frame, frame

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
DISCONNECT: Message = {"type": "http.disconnect"}

readers = pytest.mark.parametrize("reader", ["fast", "h11"])


# Which connections persist.


@readers
def test_a_connection_serves_one_request_after_the_other(reader: Any) -> None:
    """RFC 9112 §9.3: "HTTP/1.1 defaults to the use of persistent connections"."""
    pair = Pair(respond(b"hi"), Settings(http1_reader=reader))
    for number in range(1, 4):
        pair.request()
        assert [response.body for response in pair.responses] == [b"hi"] * number
        assert pair.responses[-1].values(b"connection") == []
    assert not pair.eof_received


@readers
@pytest.mark.parametrize(
    "fields",
    [
        b"Connection: close\r\n",
        b"connection: CLOSE\r\n",
        b"Connection: foo, Close ,bar\r\n",
        b"Connection: keep-alive\r\nConnection: close\r\n",
        b"Connection: keep-alive, close\r\n",
    ],
)
def test_a_request_with_close_is_the_last(reader: Any, fields: bytes) -> None:
    """RFC 9112 §9.6: "MUST NOT process any further requests received on that connection"."""
    pair = Pair(respond(b"hi"), Settings(http1_reader=reader))
    pair.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n" + GET)
    assert len(pair.calls) == 1
    assert pair.response.values(b"connection") == [b"close"]
    assert (pair.response.body, pair.eof_received) == (b"hi", True)
    pair.send(GET)
    assert len(pair.calls) == 1


@pytest.mark.parametrize("fields", [b"Connection: keep-alive\r\n", b"Connection: closed, un-close\r\n"])
def test_a_connection_field_without_close_ends_nothing(fields: bytes) -> None:
    pair = Pair(respond())
    pair.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n" + GET)
    assert len(pair.responses) == 2


def test_the_last_request_that_is_allowed_is_answered_with_notice() -> None:
    pair = Pair(respond(b"hi"), Settings(limit_requests_per_connection=2))
    pair.send(GET * 4)
    assert [response.values(b"connection") for response in pair.responses] == [[], [b"close"]]
    assert (len(pair.calls), pair.eof_received) == (2, True)


# What is refused.

SMALL = Settings(limit_request_head=200, limit_request_fields=5, limit_request_body=10)
REFUSED = {
    "malformed": (b"GET  / HTTP/1.1\r\n", 400, b"Bad Request"),
    "tls": (b"\x16\x03\x01\x02\x00", 400, b"Bad Request"),
    "no-host": (b"GET / HTTP/1.1\r\n\r\n", 400, b"Bad Request"),
    "bad-host": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, b"Bad Request"),
    "both-framings": (CHUNKED[:-2] + b"Content-Length: 1\r\n\r\n", 400, b"Bad Request"),
    "bare-lf": (b"GET / HTTP/1.1\n", 400, b"Bad Request"),
    "too-long-a-target": (b"GET /" + b"a" * 300, 414, b"URI Too Long"),
    "too-long-a-head": (b"GET / HTTP/1.1\r\nX: " + b"a" * 300, 431, b"Request Header Fields Too Large"),
    "too-many-fields": (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 6, 431, b"Request Header Fields Too Large"),
    "too-much-content": (POST % 11, 413, b"Content Too Large"),
    "expectation": (GET[:-2] + b"Expect: the-worst\r\n\r\n", 417, b"Expectation Failed"),
    "coding": (GET[:-2] + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, b"Not Implemented"),
    "connect": (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501, b"Not Implemented"),
    "lower-case": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501, b"Not Implemented"),
    "version": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, b"HTTP Version Not Supported"),
    "preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, b"HTTP Version Not Supported"),
}


@pytest.mark.parametrize(("data", "status", "reason"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(
    "before", [b"", GET, GET + b"\r\n"], ids=["first", "second", "second-after-empty-line"]
)
def test_a_refused_request_is_answered_once_and_ends_the_connection(
    data: bytes, status: int, reason: bytes, bytewise: bool, before: bytes
) -> None:
    """RFC 9110 §15.5, §15.6; RFC 9112 §2.2, §6.3, §9.6."""
    defaults = DefaultFields()
    defaults.set_date(b"Sun, 06 Nov 1994 08:49:37 GMT")
    settings = Settings(
        limit_request_head=200, limit_request_fields=5, limit_request_body=10, default_fields=defaults
    )
    pair = Pair(respond(b"hi"), settings)
    pair.send(before + data, cuts=range(500) if bytewise else ())
    response = pair.responses[-1]
    assert (response.status, response.reason, response.complete) == (status, reason, True)
    assert response.values(b"connection") == [b"close"]
    assert response.values(b"content-length") == [b"%d" % len(response.body)]
    assert response.values(b"date") == [b"Sun, 06 Nov 1994 08:49:37 GMT"]
    assert response.values(b"content-type") == [b"text/plain; charset=utf-8"]
    assert len(pair.responses) == 1 + bool(before)
    assert len(pair.calls) == bool(before)
    assert pair.connection.error is not None
    assert pair.connection.error.status == status
    assert pair.eof_received
    output = pair.output
    pair.send(GET)
    pair.eof()
    assert (pair.output, len(pair.calls), pair.closed) == (output, bool(before), True)


def test_a_reason_holds_nothing_that_came_from_the_peer() -> None:
    pair = Pair()
    pair.send(b"GET /<script> HTTP/1.1\r\nHost: a\r\nEvil\x1b[31m\r\n\r\n")
    assert pair.response.body == b"Bad Request: field line without a colon\n"
    assert pair.connection.error == PeerError(400, "field line without a colon")


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"5\r\n12345\r\n6\r\n123456\r\n", 413), (b"5\r\n12345\r\n5\r\n678901", 400), (b"x\r\n", 400)],
    ids=["too-much", "no-crlf", "no-size"],
)
@pytest.mark.parametrize("messages", [[], [start(204)], [early_hint(b"</a>"), start()]])
def test_bad_content_is_answered_while_no_response_has_begun(
    data: bytes, status: int, messages: list[Message]
) -> None:
    pair = Pair(settings=SMALL)
    pair.send(CHUNKED)
    for message in messages:
        pair.call.send(message)
    pair.send(data)
    assert (pair.response.status, pair.response.complete, pair.eof_received) == (status, True, True)
    assert pair.call.receive() == DISCONNECT
    with pytest.raises(ClientDisconnected):
        pair.call.send(body(b"x"))
    pair.call.finish(ClientDisconnected())
    assert len(pair.responses) == 1
    statistics = pair.call.exchange.statistics(pair.now)
    assert (statistics.status, statistics.complete) == (status, False)


def test_content_up_to_the_limit_is_taken() -> None:
    pair = Pair(settings=SMALL)
    pair.send(POST % 10 + b"1234567890" + CHUNKED + b"a\r\n1234567890\r\n0\r\n\r\n")
    for number in range(2):
        assert pair.calls[number].receive() == {
            "type": "http.request",
            "body": b"1234567890",
            "more_body": False,
        }
        pair.calls[number].respond()
    assert [response.status for response in pair.responses] == [200, 200]


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"unknown/1, h2c"])
def test_an_upgrade_to_what_is_not_served_is_ignored(upgrade: bytes) -> None:
    """RFC 9110 §7.8: a server MAY ignore it; RFC 9113 has dropped h2c. The content is not lost."""
    pair = Pair()
    fields = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: " + upgrade
    pair.send((POST % 3)[:-2] + fields + b"\r\n\r\nabc" + GET)
    assert pair.calls[0].receive() == {"type": "http.request", "body": b"abc", "more_body": False}
    pair.calls[0].respond(b"hi")
    assert len(pair.calls) == 2
    pair.calls[1].respond(b"ho")
    assert [response.status for response in pair.responses] == [200, 200]


# Content.


@readers
@pytest.mark.parametrize(
    "content", [POST % 3 + b"abc", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"], ids=["length", "chunks"]
)
def test_content_that_came_with_its_request_never_becomes_another_request(
    content: bytes, reader: Any
) -> None:
    pair = Pair(respond(b"hi"), Settings(http1_reader=reader))
    pair.send(content + GET)
    assert [call.scope["method"] for call in pair.calls] == ["POST", "GET"]


# Buffers.


def test_reading_stops_while_the_application_does_not_take_the_content() -> None:
    pair = Pair(settings=Settings(limit_read_buffer=10))
    pair.send(POST % 30 + b"a" * 9)
    assert pair.connection.wants_read
    pair.send(b"b" * 6)
    assert not pair.connection.wants_read
    pair.send(b"c" * 15)
    assert pair.unread == 15
    assert pair.call.receive() == {"type": "http.request", "body": b"a" * 9 + b"b" * 6, "more_body": True}
    assert pair.unread == 0
    assert pair.call.receive() == {"type": "http.request", "body": b"c" * 15, "more_body": False}


@pytest.mark.parametrize("end", [False, True])
def test_a_full_write_buffer_keeps_the_next_request_waiting(end: bool) -> None:
    pair = Pair(settings=Settings(limit_write_buffer=100))
    pair.stall()
    pair.send(GET + GET)
    pair.call.respond(b"a" * 100)
    assert len(pair.calls) == 1
    if end:
        pair.shut_down()
    pair.resume()
    assert pair.response.body == b"a" * 100
    pair.run_until(pair.now)
    assert (len(pair.calls), pair.eof_received) == ((1, True) if end else (2, False))


# Ends.


def test_an_end_in_the_middle_of_a_head_is_answered() -> None:
    """RFC 9112 §8: "a server that receives an incomplete request message [...] MAY send an error response"."""
    pair = Pair()
    pair.send(GET[:-1])
    pair.eof()
    assert (pair.response.status, pair.closed) == (400, True)
    assert pair.calls == []


@pytest.mark.parametrize("data", [b"", b"\r\n", GET, GET + b"\r\n"])
def test_an_end_between_requests_closes_in_silence(data: bytes) -> None:
    pair = Pair(respond())
    pair.send(data)
    pair.eof()
    assert (len(pair.responses), pair.closed, pair.connection.error) == (len(data) > 2, True, None)


def test_an_end_in_the_middle_of_content_is_a_bad_request() -> None:
    """RFC 9112 §6.3: "the recipient MUST consider the message to be incomplete and close the connection"."""
    pair = Pair()
    pair.send(POST % 5 + b"abc")
    pair.eof()
    assert pair.call.receive() == DISCONNECT
    assert (pair.response.status, pair.closed) == (400, True)


def test_an_end_after_the_request_still_lets_the_response_out() -> None:
    """RFC 9112 §9.6: a half-closed client may wait for its response."""
    pair = Pair()
    pair.send(GET)
    pair.eof()
    assert pair.call.receive() is not None
    assert pair.call.receive() == DISCONNECT
    assert not pair.closed
    pair.call.respond(b"hi")
    assert (pair.response.body, pair.response.complete, pair.closed) == (b"hi", True, True)
    assert pair.response.values(b"connection") == [b"close"]


def test_requests_that_came_before_the_end_are_all_answered() -> None:
    pair = Pair()
    pair.send(GET + POST % 2 + b"ab" + GET)
    pair.eof()
    for number in range(3):
        pair.calls[number].respond(b"%d" % number)
    assert [response.body for response in pair.responses] == [b"0", b"1", b"2"]
    assert pair.closed


def test_an_end_may_come_although_reading_had_stopped() -> None:
    pair = Pair()
    pair.send(GET + GET + b"GET")
    pair.connection.receive_eof(pair.now)
    pair.settle()
    pair.calls[0].respond(b"a")
    pair.calls[1].respond(b"b")
    assert [response.status for response in pair.responses] == [200, 200, 400]
    assert pair.closed


def test_a_lost_connection_ends_everything_at_once() -> None:
    pair = Pair()
    pair.send(GET)
    pair.lose()
    assert pair.call.exchange.disconnected
    with pytest.raises(ClientDisconnected):
        pair.call.send(start())
    pair.call.finish()
    assert (pair.output, pair.closed, pair.advance()) == (b"", True, False)


def test_after_the_last_response_the_peer_has_time_to_read_it() -> None:
    """RFC 9112 §9.6: "the server [...] performs a half-close by closing only the write side"."""
    pair = Pair(respond(b"hi"), Settings(limit_discard=10, timeout_linger=2.0))
    pair.send(b"GET / HTTP/1.0\r\n\r\n")
    assert (pair.eof_received, pair.closed) == (True, False)
    pair.send(b"x" * 10)
    assert not pair.closed
    at = pair.now
    pair.run_until_closed()
    assert pair.now == at + 2.0
    pair = Pair(respond(b"hi"), Settings(limit_discard=10))
    pair.send(b"GET / HTTP/1.0\r\n\r\n")
    pair.send(b"x" * 11)
    assert pair.closed


# Time.


def test_each_state_has_its_time() -> None:
    settings = Settings(
        timeout_request_head=3, timeout_request_body=5, timeout_keep_alive=7, timeout_discard=11
    )
    pair = Pair(settings=settings, now=0.0)
    assert pair.connection.deadline == 3
    pair.send(POST % 5)
    assert pair.connection.deadline == float("inf")
    assert pair.call.receive() is None
    assert pair.connection.deadline == 5
    pair.call.respond()
    assert pair.connection.deadline == 11
    pair.send(b"123")
    assert pair.connection.deadline == 11
    pair.send(b"45")
    assert pair.connection.deadline == 7
    pair.run_until(6.0)
    pair.send(b"GET")
    assert pair.connection.deadline == 9.0
    pair.run_until_closed()
    assert [response.status for response in pair.responses] == [200, 408]


@pytest.mark.parametrize("begin", [b"", b"\r\n", GET, GET + b"\r\n"])
def test_silence_before_a_request_is_answered_with_silence(begin: bytes) -> None:
    pair = Pair(respond())
    pair.send(begin)
    pair.run_until_closed()
    assert (len(pair.responses), pair.connection.error) == (len(begin) > 2, None)


def test_silence_within_content_that_is_waited_for_is_a_timeout() -> None:
    pair = Pair()
    pair.send(POST % 5 + b"a")
    assert pair.call.receive() is not None
    assert pair.call.receive() is None
    pair.send(b"b")
    assert pair.connection.deadline == float("inf")
    assert pair.call.receive() is not None
    assert pair.call.receive() is None
    pair.run_until_closed()
    assert pair.response.status == 408
    assert pair.call.receive() == DISCONNECT


def test_content_that_nobody_wants_is_not_waited_for_long() -> None:
    pair = Pair(respond(b"hi"), Settings(timeout_discard=4.0, timeout_linger=2.0))
    at = pair.now
    pair.send(POST % 5 + b"ab")
    pair.run_until_closed()
    assert (pair.response.body, pair.now) == (b"hi", at + 6)


# Shutdown.


@pytest.mark.parametrize("begin", [b"", b"\r\n", GET])
def test_an_idle_connection_is_closed_at_shutdown(begin: bytes) -> None:
    pair = Pair(respond())
    pair.send(begin)
    pair.shut_down()
    pair.shut_down()
    assert pair.closed


@pytest.mark.parametrize("cut", [1, len(GET) - 1, len(GET)])
def test_a_request_that_has_begun_is_answered_with_notice_at_shutdown(cut: int) -> None:
    pair = Pair()
    pair.send(GET[:cut])
    pair.shut_down()
    pair.send(GET[cut:] + GET)
    pair.call.respond(b"hi")
    assert pair.response.values(b"connection") == [b"close"]
    assert (pair.response.body, pair.eof_received) == (b"hi", True)


def test_content_is_no_longer_read_away_at_shutdown() -> None:
    pair = Pair(respond(b"hi"))
    pair.send(POST % 5)
    pair.shut_down()
    assert (pair.response.body, pair.eof_received) == (b"hi", True)


def test_what_takes_too_long_is_cut_off_at_shutdown() -> None:
    pair = Pair(settings=Settings(timeout_graceful_shutdown=30.0))
    pair.send(POST % 5)
    pair.call.send(start())
    pair.call.send(body(b"part", more=True))
    at = pair.now
    pair.shut_down()
    pair.run_until(at + 20)
    pair.shut_down()
    pair.run_until_closed()
    assert pair.now == at + 30
    assert (pair.response.complete, pair.call.exchange.disconnected) == (False, True)


@pytest.mark.parametrize("data", [b"GET", POST % 5, b"bad\r\n"])
def test_a_timer_that_fires_late_finds_a_closed_connection_closed(data: bytes) -> None:
    pair = Pair(settings=Settings(timeout_graceful_shutdown=1.0))
    pair.send(data)
    for call in pair.calls:
        call.receive()
    output = pair.output
    pair.shut_down()
    pair.connection.handle_timeout(pair.now + 1000)
    pair.settle()
    assert (pair.closed, pair.output) == (True, output)


@pytest.mark.parametrize("end", [False, True])
def test_a_peer_that_takes_nothing_cannot_delay_the_end_of_a_shutdown(end: bool) -> None:
    pair = Pair(settings=Settings(timeout_graceful_shutdown=30.0))
    pair.send(GET)
    at = pair.now
    pair.shut_down()
    pair.stall()
    pair.call.respond(b"hi")
    if end:
        pair.eof()
    pair.run_until_closed()
    assert pair.now == at + 30


def test_the_peer_has_its_time_to_read_from_when_the_response_was_taken() -> None:
    pair = Pair(respond(b"hi"), Settings(timeout_linger=2.0))
    pair.stall()
    pair.send(OLD)
    pair.run_until(pair.now + 20)
    assert not pair.connection.closed
    pair.resume()
    at = pair.now
    assert (pair.response.body, pair.eof_received, pair.closed) == (b"hi", True, False)
    pair.run_until_closed()
    assert at + 2 <= pair.now <= at + 4


# Work after the response.


def test_the_next_request_is_served_while_an_application_goes_on() -> None:
    pair = Pair()
    for number in range(17):
        pair.request()
        pair.calls[number].send(start())
        pair.calls[number].send(body())
    assert len(pair.responses) == 17
    pair.send(GET)
    pair.send(GET)
    assert len(pair.calls) == 17
    pair.calls[3].finish()
    assert len(pair.calls) == 18
    pair.calls[17].respond()
    assert len(pair.responses) == 18
    for number in range(3):
        pair.calls[number].finish()
    assert len(pair.calls) == 19


@pytest.mark.parametrize("data", [b"", GET], ids=["idle", "with-a-request"])
@pytest.mark.parametrize("end", ["shut_down", "eof"])
def test_a_connection_that_waits_for_its_applications_ends_like_an_idle_one(data: bytes, end: str) -> None:
    pair = Pair()
    for number in range(17):
        pair.request()
        pair.calls[number].send(start())
        pair.calls[number].send(body())
    pair.send(data)
    if end == "shut_down":
        pair.shut_down()
        assert pair.eof_received
    else:
        pair.connection.receive_eof(pair.now)
        pair.settle()
    pair.calls[0].finish()
    if end == "eof" and data:
        pair.calls[17].respond()
    assert len(pair.calls) == 17 + (end == "eof" and bool(data))
    assert pair.closed or end == "shut_down"


@pytest.mark.parametrize(("method", "has_content"), [(b"GET", True), (b"HEAD", False)])
def test_what_a_stricter_h11_refuses_is_answered(
    method: bytes, has_content: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate is stricter than h11 as it is; another h11 may see things otherwise."""

    def refuse(_: h11.Connection) -> None:
        raise h11.RemoteProtocolError("no", error_status_hint=418)

    monkeypatch.setattr(h11.Connection, "next_event", refuse)
    connection = Connection(TransportInfo(), Settings(), 0.0)
    connection.receive_data(method + b" http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 0.0)
    sent = connection.data_to_send()
    assert sent.startswith(b"HTTP/1.1 418 ")
    assert sent.endswith(b"\r\n\r\n") is not has_content
    assert connection.error is not None
    assert connection.error.status == 418
    assert connection.take_ready() == []


# Upgrades. More in test_websocket.py.

ACCEPT: Message = {"type": "websocket.accept"}
UNANSWERED: Message = {"type": "websocket.disconnect", "code": 1006, "reason": ""}


@readers
def test_an_accepted_websocket_has_the_connection_to_itself(reader: Any) -> None:
    pair = WebSocketPair(Settings(http1_reader=reader, limit_requests_per_connection=1))
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    assert (pair.status, pair.connection.deadline) == (101, pair.now + 20)
    pair.send(frame(1, b"a"), frame(1, GET))
    assert pair.receive() == {"type": "websocket.connect"}
    assert (pair.take(), pair.take()) == ("a", GET.decode())
    pair.send(close_frame(1000) + GET, GET)
    pair.eof()
    assert (len(pair.exchanges), pair.connection.closed) == (1, True)


@readers
def test_a_websocket_may_follow_requests(reader: Any) -> None:
    pair = WebSocketPair(Settings(http1_reader=reader))
    pair.send(GET + HANDSHAKE)
    pair.tell(start())
    pair.tell(body())
    assert [exchange.scope["type"] for exchange in pair.exchanges] == ["http", "websocket"]
    del pair.exchanges[0]
    pair.finish()
    assert pair.output.count(b"HTTP/1.1 500 ") == 1


@readers
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GET", b"POST"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Connection: Upgrade", b"Connection: keep-alive"),
        (b"Upgrade: websocket", b"Upgrade: h2c"),
        (b"", b""),
    ],
    ids=["post", "http-1.0", "no-connection", "another", "setting"],
)
def test_what_is_no_handshake_is_an_ordinary_request(reader: Any, old: bytes, new: bytes) -> None:
    """RFC 9110 §7.8: "A server MAY ignore a received Upgrade header field", and of HTTP/1.0 it must."""
    pair = Pair(respond(b"hi"), Settings(http1_reader=reader, ws=bool(old)))
    pair.send(HANDSHAKE.replace(old, new) + GET)
    assert pair.calls[0].scope["type"] == "http"
    assert pair.responses[0].body == b"hi"
    assert len(pair.calls) == (1 if new == b"HTTP/1.0" else 2)


@readers
def test_another_version_of_websocket_is_answered_with_ours(reader: Any) -> None:
    """RFC 6455 §4.2.2; RFC 9110 §15.5.22."""
    pair = Pair(settings=Settings(http1_reader=reader))
    pair.send(HANDSHAKE.replace(b"13", b"14") + GET)
    response = pair.response
    assert (response.status, pair.calls, pair.eof_received) == (426, [], True)
    assert response.values(b"upgrade") == [b"websocket"]
    assert response.values(b"sec-websocket-version") == [b"13"]
    assert response.values(b"connection") == [b"close"]


def test_what_comes_before_the_answer_is_held_within_a_bound() -> None:
    pair = WebSocketPair()
    pair.send(HANDSHAKE + frame(1, b"a"))
    assert not pair.connection.wants_read
    pair.send(frame(1, b"b"))
    assert pair.unread > 0
    assert pair.receive() == {"type": "websocket.connect"}
    assert pair.receive() is None
    pair.tell(ACCEPT)
    assert (pair.take(), pair.take(), pair.unread) == ("a", "b", 0)


@pytest.mark.parametrize("early", [b"", frame(1, b"a"), close_frame(3000)], ids=["nothing", "text", "close"])
def test_a_client_that_ended_its_side_before_the_answer_is_told_of_it(early: bytes) -> None:
    pair = WebSocketPair()
    pair.connection.receive_data(HANDSHAKE + early, pair.now)
    pair.connection.receive_eof(pair.now)
    pair.settle()
    pair.receive()
    pair.tell(ACCEPT)
    assert (pair.status, pair.connection.closed) == (101, True)
    if early == frame(1, b"a"):
        assert pair.take() == "a"
    assert pair.disconnect()[0] == (3000 if early == close_frame(3000) else 1006)


def test_a_handshake_has_its_time_from_when_it_came() -> None:
    pair = WebSocketPair(Settings(ws_handshake_timeout=60.0))
    pair.run_until(pair.now + 2)
    pair.send(HANDSHAKE)
    assert pair.connection.deadline == pair.now + 60
    pair.run_until(pair.now + 60)
    assert (pair.status, pair.connection.write_ended) == (500, True)


def test_an_answered_handshake_has_no_deadline_any_more() -> None:
    pair = WebSocketPair(Settings(ws_handshake_timeout=5.0))
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    pair.run_until(pair.now + 19)
    assert pair.content == b""


def test_pings_come_and_end_at_their_time() -> None:
    pair = WebSocketPair(Settings(ws_ping_interval=20.0, ws_ping_timeout=20.0))
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    pair.run_until(pair.now + 20)
    assert [seen.opcode for seen in pair.frames] == [9]
    pair.run_until(pair.now + 20)
    assert ([seen.opcode for seen in pair.frames], pair.connection.write_ended) == ([9, 8], True)


def test_a_late_timer_sends_no_ping_behind_the_end() -> None:
    pair = WebSocketPair(Settings(ws_ping_interval=20.0, ws_ping_timeout=10.0))
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    pair.run_until(pair.now + 20)
    pair.connection.handle_timeout(pair.now + 100)
    pair.settle()
    assert [seen.opcode for seen in pair.frames] == [9, 8]
    pair.receive()
    assert pair.disconnect() == (1006, "")


def test_a_lost_client_and_an_ended_one_are_told_to_the_session() -> None:
    for end in (WebSocketPair.eof, WebSocketPair.lose):
        pair = WebSocketPair()
        pair.send(HANDSHAKE)
        pair.tell(ACCEPT)
        pair.receive()
        end(pair)
        assert (pair.receive(), pair.connection.closed) == (UNANSWERED, True)


def test_the_last_ping_is_answered_when_there_is_room() -> None:
    pair = WebSocketPair(Settings(limit_write_buffer=1))
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    pair.stall()
    pair.send(frame(9, b"1"), frame(9, b"2"), frame(9, b"3"))
    pair.resume()
    assert [seen.payload for seen in pair.frames] == [b"1", b"3"]


@pytest.mark.parametrize("when", ["head", "before", "after"])
def test_shutting_down_ends_a_websocket(when: str) -> None:
    """A handshake that has begun is still answered."""
    pair = WebSocketPair(Settings(ws_close_timeout=10.0, timeout_graceful_shutdown=15.0))
    pair.send(HANDSHAKE[:20])
    if when == "head":
        pair.shut_down()
    pair.send(HANDSHAKE[20:])
    if when == "before":
        pair.shut_down()
    pair.tell(ACCEPT)
    if when == "after":
        pair.shut_down()
    assert [seen.payload for seen in pair.frames] == [b"\x03\xf4"]
    pair.receive()
    assert pair.disconnect() == (1012, "")
    assert not pair.connection.write_ended
    pair.run_until(pair.now + 10)
    assert (pair.connection.write_ended, pair.connection.closed) == (True, False)
    pair.run_until(pair.now + 5)
    assert pair.connection.closed


def test_shutting_down_cuts_off_a_handshake_that_stays_unanswered() -> None:
    pair = WebSocketPair(Settings(timeout_graceful_shutdown=15.0))
    pair.send(HANDSHAKE)
    pair.receive()
    pair.shut_down()
    pair.run_until(pair.now + 15)
    assert (pair.output, pair.connection.closed) == (b"", True)
    assert pair.receive() == UNANSWERED
