"""How connections end: content that nobody read, clients that leave or half leave, and the last words."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from sansio import ClientDisconnected, Connection, Message, Settings, TransportInfo, UsageError
from tests.messages import body, start, trailers
from tests.pair import Fields, Pair, respond

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
DISCONNECT: Message = {"type": "http.disconnect"}

readers = pytest.mark.parametrize("reader", ["fast", "h11"])


# Content that nobody read.

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@readers
@pytest.mark.parametrize("came", [0, 1, len(SMUGGLED)])
@pytest.mark.parametrize("limit", [0, 10, 65_536])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_unread_content_never_becomes_a_request(
    reader: Any, came: int, limit: int, chunked: bool, fails: bool
) -> None:
    """RFC 9112 §9.3; an answer without reading must not leave the content to be read as the next request."""
    pair = Pair(settings=Settings(http1_reader=reader, limit_discard=limit))
    size = b"%x\r\n" % len(SMUGGLED)
    content = size + SMUGGLED + b"\r\n0\r\n\r\n" if chunked else SMUGGLED
    head = CHUNKED if chunked else POST % len(SMUGGLED)
    came = came + len(size) if chunked else came
    pair.send(head + content[:came])
    if fails:
        pair.call.finish(ValueError())
    else:
        pair.call.respond(b"hi")
    pair.app = respond(b"next")
    pair.send(content[came:] + GET)
    paths = [call.scope["path"] for call in pair.calls]
    assert "/smuggled" not in paths
    kept = pair.responses[0].values(b"connection") == []
    assert paths == (["/", "/"] if kept else ["/"])
    assert pair.eof_received == (not kept)


@pytest.mark.parametrize(
    ("left", "kept"), [(10, True), (11, False)], ids=["as-much-as-may-be", "one-octet-too-much"]
)
def test_what_is_left_decides_whether_the_connection_can_be_kept(left: int, kept: bool) -> None:
    pair = Pair(settings=Settings(limit_discard=10))
    pair.send(POST % 100 + b"a" * (100 - left))
    pair.call.respond(b"hi")
    assert pair.response.values(b"connection") == ([] if kept else [b"close"])
    pair.send(b"a" * left + GET)
    assert len(pair.calls) == (2 if kept else 1)


def test_content_that_comes_while_the_response_goes_out_still_counts() -> None:
    """The head goes out before all is known, and the connection is kept when the content has come meanwhile."""
    pair = Pair(settings=Settings(limit_discard=10))
    pair.send(POST % 100)
    pair.call.send(start())
    pair.call.send(body(b"a", more=True))
    pair.send(b"a" * 90)
    pair.call.send(body(b"b"))
    pair.send(b"a" * 10 + GET)
    assert len(pair.calls) == 2


def test_reading_goes_on_after_the_response_although_the_application_had_stopped_it() -> None:
    pair = Pair(settings=Settings(limit_read_buffer=10, limit_discard=20))
    pair.send(POST % 30 + b"a" * 10)
    assert not pair.connection.wants_read
    pair.call.respond(b"hi")
    assert pair.connection.wants_read
    pair.send(b"a" * 20 + GET)
    assert len(pair.calls) == 2


def test_a_client_that_leaves_while_its_content_is_read_away_is_no_error() -> None:
    pair = Pair(respond(b"hi"))
    pair.send(POST % 30)
    pair.eof()
    assert (pair.closed, pair.connection.error, pair.response.complete) == (True, None, True)


# The last response.


@pytest.mark.parametrize("fields", [b"Connection: close\r\n", b""])
def test_octets_behind_the_last_response_are_dropped(fields: bytes) -> None:
    """RFC 9112 §9.6: read on, until the peer has closed, so that a reset cannot destroy the response."""
    pair = Pair(respond(b"hi", fields=[(b"connection", b"close")]), Settings(limit_discard=1_000))
    pair.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n" + b"bad\r\n\r\n" * 10)
    assert (pair.response.body, pair.eof_received, pair.closed) == (b"hi", True, False)
    pair.send(b"\x00" * 900)
    assert pair.connection.wants_read
    assert (len(pair.responses), pair.connection.error) == (1, None)
    pair.eof()
    assert pair.closed


def test_a_peer_that_goes_on_for_too_long_is_cut_off() -> None:
    pair = Pair(respond(b"hi"), Settings(limit_discard=1_000))
    pair.send(b"GET / HTTP/1.0\r\n\r\n")
    pair.send(b"a" * 1_000)
    assert not pair.closed
    pair.send(b"a")
    assert pair.closed


@pytest.mark.parametrize("data", [b"bad\r\n", POST % 100], ids=["refused", "too-large"])
def test_a_refusal_is_followed_by_lingering_too(data: bytes) -> None:
    pair = Pair(settings=Settings(limit_request_body=10))
    pair.send(data)
    assert (pair.eof_received, pair.closed) == (True, False)
    pair.send(b"a" * 100)
    pair.eof()
    assert (pair.closed, len(pair.responses)) == (True, 1)


def test_the_end_comes_behind_the_bytes() -> None:
    connection = Connection(TransportInfo(), Settings(), 0.0)
    connection.receive_data(b"GET / HTTP/1.0\r\n\r\n", 0.0)
    exchange = connection.take_ready()[0]
    exchange.send(start(), 0.0)
    exchange.send(body(b"hi"), 0.0)
    assert (connection.wants_write, connection.write_ended, connection.closed) == (True, False, False)
    assert connection.data_to_send().endswith(b"\r\n\r\nhi")
    assert (connection.wants_write, connection.write_ended, connection.closed) == (False, True, False)
    connection.receive_eof(1.0)
    assert connection.closed
    assert connection.data_to_send() == b""


# Clients that leave, or half leave.


@pytest.mark.parametrize("beginning", [[], [start()], [start(), body(b"a", more=True)]])
def test_a_half_closed_client_gets_its_response(beginning: list[Message]) -> None:
    """RFC 9112 §9.6: a half-close "does not imply that the client is no longer interested"."""
    pair = Pair()
    pair.send(GET)
    pair.call.receive()
    for message in beginning:
        pair.call.send(message)
    assert pair.call.receive() is None
    named = pair.call.named
    pair.eof()
    assert pair.call.named == named + 1
    assert (pair.call.receive(), pair.call.exchange.disconnected) == (DISCONNECT, False)
    if not beginning:
        pair.call.send(start())
    pair.call.send(body(b"b", more=True))
    pair.call.send(body(b"c"))
    assert pair.response.complete
    assert pair.response.body.endswith(b"bc")
    assert pair.closed


def test_a_half_closed_client_that_leaves_for_good_is_gone() -> None:
    pair = Pair()
    pair.send(GET)
    pair.eof()
    pair.lose()
    assert pair.call.exchange.disconnected
    with pytest.raises(ClientDisconnected):
        pair.call.send(start())


@pytest.mark.parametrize("fields", [[], [(b"content-length", b"9")]])
@pytest.mark.parametrize("left", ["content", "trailers"])
def test_an_end_within_the_content_cuts_a_response_that_has_begun(fields: Fields, left: str) -> None:
    pair = Pair()
    pair.send(POST % 5 + b"ab")
    pair.call.send(start(headers=fields, trailers=True))
    if left == "content":
        pair.call.send(body(b"part", more=True))
    else:
        pair.call.send(body(b"123456789"))
    pair.eof()
    complete = bool(fields) and left == "trailers"
    assert (pair.response.status, pair.response.complete, pair.closed) == (200, complete, True)
    with pytest.raises(ClientDisconnected):
        pair.call.send(body(b"x") if left == "content" else trailers())


@pytest.mark.parametrize(
    "data",
    [b"", b"G", GET, POST % 5, POST % 5 + b"ab", GET + GET, b"bad\r\n"],
    ids=lambda data: repr(data[-12:]),
)
@pytest.mark.parametrize("answers", [False, True])
def test_a_lost_connection_is_over_in_every_state(data: bytes, answers: bool) -> None:
    pair = Pair(respond(b"hi") if answers else None)
    pair.stall()
    pair.send(data)
    pair.lose()
    assert pair.closed
    assert pair.connection.data_to_send() == b""
    for call in pair.calls:
        assert call.exchange.ended
        assert call.receive() == DISCONNECT
        if not answers:
            call.finish(ClientDisconnected())
    pair.connection.connection_lost(pair.now)
    pair.connection.receive_eof(pair.now)
    pair.connection.shut_down(pair.now)
    pair.connection.handle_timeout(pair.now + 1e6)
    pair.settle()


def test_a_sender_that_waits_for_room_is_told_that_the_client_has_left() -> None:
    pair = Pair(settings=Settings(limit_write_buffer=10))
    pair.send(GET)
    pair.stall()
    pair.call.send(start())
    pair.call.send(body(b"a" * 100, more=True))
    assert not pair.call.exchange.can_send
    named = pair.call.named
    pair.lose()
    assert pair.call.named > named
    assert pair.call.exchange.disconnected


def test_an_exchange_that_was_cut_off_hears_nothing_more() -> None:
    pair = Pair()
    pair.send(GET)
    pair.call.send(start())
    pair.call.send(body(b"part", more=True))
    pair.call.finish(ValueError())
    statistics, named = pair.call.exchange.statistics(pair.now), pair.call.named
    pair.run_until_closed()
    assert pair.call.exchange.statistics(pair.now) == statistics
    assert pair.call.named == named
    pair.call.send(body(b"late"))


# The contract of the inputs.


def test_nothing_is_an_input_too() -> None:
    pair = Pair()
    pair.connection.receive_data(b"", pair.now)
    pair.send(GET)
    pair.connection.receive_data(b"", pair.now)
    assert pair.output == b""


def test_an_end_may_be_told_twice_and_nothing_follows_it() -> None:
    pair = Pair()
    pair.send(GET)
    pair.eof()
    pair.connection.receive_eof(pair.now)
    with pytest.raises(UsageError, match="receive_data"):
        pair.connection.receive_data(GET, pair.now)
    pair.call.respond(b"hi")
    pair.connection.receive_data(GET, pair.now)
    pair.settle()
    assert (len(pair.calls), pair.closed) == (1, True)


@pytest.mark.parametrize("fatal", [b"bad\r\n", GET[:-2] + b"Host: b\r\n\r\n", CHUNKED + b"x\r\n"])
def test_after_a_fatal_error_no_input_does_anything_but_close(fatal: bytes) -> None:
    pair = Pair()
    pair.send(fatal)
    output, calls = pair.output, len(pair.calls)
    for piece in (GET, b"\x00", POST % 3 + b"abc", b"a" * 70_000):
        pair.send(piece)
    pair.shut_down()
    pair.run_until_closed()
    assert (pair.output, len(pair.calls)) == (output, calls)


class Tag:
    """Something that can be seen to disappear."""


@pytest.mark.parametrize("how", ["eof", "lose", "close", "cut", "refuse"])
def test_a_closed_connection_holds_no_exchange(how: str) -> None:
    pair = Pair()
    connection = pair.connection
    connection.receive_data(POST % 3 + b"ab", pair.now)
    exchange = connection.take_ready()[0]
    exchange.tag = tag = Tag()
    reference = weakref.ref(tag)
    exchange.receive(pair.now)
    if how == "eof":
        connection.receive_eof(pair.now)
    elif how == "lose":
        connection.connection_lost(pair.now)
    elif how == "close":
        exchange.send(start(headers=[(b"connection", b"close")]), pair.now)
        exchange.send(body(b"x" * 100_000), pair.now)
        connection.receive_data(b"c", pair.now)
        connection.receive_eof(pair.now)
    elif how == "cut":
        exchange.send(start(), pair.now)
        exchange.send(body(b"x", more=True), pair.now)
    else:
        connection.receive_data(b"cGET \x00", pair.now)
        exchange.send(start(), pair.now)
        exchange.send(body(), pair.now)
        connection.receive_eof(pair.now)
    exchange.finish(None, pair.now)
    connection.receive_eof(pair.now)
    connection.data_to_send()
    connection.take_ready()
    assert connection.closed
    del exchange, tag
    gc.collect()
    assert reference() is None
