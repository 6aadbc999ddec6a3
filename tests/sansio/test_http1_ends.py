"""How an HTTP/1 connection ends: by the peer, by time, by a shutdown."""

from __future__ import annotations

import pytest

from sansio import ClientDisconnected, Message, Settings
from tests.messages import body, start
from tests.pair import Pair, respond

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
DISCONNECT: Message = {"type": "http.disconnect"}


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
