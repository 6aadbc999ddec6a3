"""One HTTP/1 connection: what is kept open, what is closed, and what is refused."""

from __future__ import annotations

from typing import Any

import h11
import pytest

from sansio import ClientDisconnected, Connection, DefaultFields, Message, PeerError, Settings, TransportInfo
from tests.messages import body, early_hint, start
from tests.pair import Pair, respond

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
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
