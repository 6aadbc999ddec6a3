"""What a peer that makes no progress gets, and when. The clock is simulated."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sansio import Message, Scope, Settings
from tests.messages import body, start
from tests.pair import Pair, Receive, Send, respond

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
DISCONNECT: Message = {"type": "http.disconnect"}

SETTINGS = Settings(
    timeout_request_head=30.0,
    timeout_keep_alive=75.0,
    timeout_request_body=60.0,
    timeout_discard=5.0,
    timeout_linger=2.0,
    timeout_graceful_shutdown=20.0,
)
readers = pytest.mark.parametrize("reader", ["fast", "h11"])


# The head.


def test_a_client_that_says_nothing_is_left_without_a_word() -> None:
    pair = Pair(settings=SETTINGS)
    at = pair.now
    pair.run_until_closed()
    assert (pair.now, pair.output, pair.connection.error) == (at + 30, b"", None)


@readers
@pytest.mark.parametrize("size", [1, 5, len(GET) - 1])
def test_a_head_that_stays_incomplete_is_a_timeout(size: int, reader: Any) -> None:
    """RFC 9110 §15.5.9: "the server did not receive a complete request message within the time"."""
    pair = Pair(settings=Settings(http1_reader=reader, timeout_request_head=30.0))
    at = pair.now
    pair.run_until(at + 10)
    pair.send(GET[:size])
    pair.run_until(lambda: pair.eof_received)
    assert (pair.now, pair.response.status) == (at + 30, 408)
    assert pair.response.values(b"connection") == [b"close"]
    assert pair.calls == []


@pytest.mark.parametrize("before", [b"", GET], ids=["first", "second"])
def test_one_octet_more_gives_a_head_no_more_time(before: bytes) -> None:
    """However slowly it comes, the whole head has one time."""
    pair = Pair(respond(), SETTINGS)
    pair.send(before)
    at = pair.now + 1
    pair.run_until(at)
    head = b"GET / HTTP/1.1\r\nX: " + b"a" * 100
    for number in range(100):
        pair.run_until(at + number)
        if pair.eof_received:
            break
        pair.send(head[number : number + 1])
    assert pair.now == at + (30 if before else 29)
    assert pair.responses[-1].status == 408


def test_the_time_of_a_later_head_begins_with_its_first_octet() -> None:
    pair = Pair(respond(), SETTINGS)
    pair.send(GET)
    pair.run_until(pair.now + 74)
    pair.send(b"G")
    pair.run_until(pair.now + 29)
    pair.send(GET[1:])
    assert [response.status for response in pair.responses] == [200, 200]


@pytest.mark.parametrize("before", [b"", GET], ids=["first", "second"])
def test_an_empty_line_is_no_request(before: bytes) -> None:
    """RFC 9112 §2.2: some clients send one after their content."""
    pair = Pair(respond(), SETTINGS)
    pair.send(before + b"\r\n")
    pair.run_until_closed()
    assert [response.status for response in pair.responses] == ([200] if before else [])
    assert pair.connection.error is None


def test_the_time_of_a_pipelined_head_begins_when_its_turn_has_come() -> None:
    pair = Pair(settings=SETTINGS)
    pair.send(GET + b"GE")
    pair.run_until(pair.now + 1000)
    pair.call.respond()
    at = pair.now
    pair.run_until(lambda: pair.eof_received)
    assert (pair.now, [response.status for response in pair.responses]) == (at + 30, [200, 408])


# Between requests.


def test_an_idle_connection_is_closed_without_a_word() -> None:
    pair = Pair(respond(), SETTINGS)
    pair.run_until(pair.now + 29)
    pair.send(GET)
    at = pair.now
    pair.run_until_closed()
    assert (pair.now, len(pair.responses), pair.connection.error) == (at + 75, 1, None)


def test_idle_time_begins_anew_with_each_response() -> None:
    pair = Pair(respond(), SETTINGS)
    for _ in range(5):
        pair.send(GET)
        pair.run_until(pair.now + 74)
    assert (len(pair.responses), pair.closed) == (5, False)


def test_an_application_may_take_all_the_time_of_the_world() -> None:
    pair = Pair(settings=SETTINGS)
    pair.send(GET)
    assert pair.connection.deadline == math.inf
    pair.call.receive()
    pair.call.receive()
    pair.call.send(start())
    pair.call.send(body(b"a", more=True))
    assert pair.connection.deadline == math.inf
    pair.run_until(pair.now + 1_000_000)
    pair.call.send(body(b"b"))
    assert pair.response.body == b"ab"


# Content.


def silent_receiver(messages: list[Message]) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            messages.append(await receive())
            if not messages[-1].get("more_body"):
                return

    return app


def test_content_may_be_slow_but_not_silent() -> None:
    messages: list[Message] = []
    pair = Pair(silent_receiver(messages), SETTINGS)
    pair.send(POST % 100)
    for _ in range(5):
        pair.run_until(pair.now + 59)
        pair.send(b"a")
    at = pair.now
    pair.run_until(lambda: pair.eof_received)
    assert (pair.now, pair.response.status) == (at + 60, 408)
    assert [message.get("body") for message in messages] == [b"a"] * 5 + [None]
    assert messages[-1] == DISCONNECT


def test_framing_without_content_is_no_progress() -> None:
    pair = Pair(silent_receiver([]), SETTINGS)
    pair.send(CHUNKED)
    at = pair.now
    line = b"5;" + b"a" * 100
    for number in range(60):
        pair.run_until(at + number)
        pair.send(line[number : number + 1])
    pair.run_until(lambda: pair.eof_received)
    assert (pair.now, pair.response.status) == (at + 60, 408)


def test_asking_again_gives_a_silent_peer_no_more_time() -> None:
    """Frameworks ask whether the client is still there by a `receive` that they cancel at once."""
    pair = Pair(settings=SETTINGS)
    pair.send(POST % 5)
    at = pair.now
    for number in range(60):
        pair.run_until(at + number)
        assert pair.call.receive() is None
    pair.run_until(lambda: pair.eof_received)
    assert (pair.now, pair.response.status) == (at + 60, 408)


def test_a_peer_is_not_blamed_for_an_application_that_does_not_read() -> None:
    pair = Pair(settings=SETTINGS)
    pair.send(POST % 5 + b"ab")
    assert pair.connection.deadline == math.inf
    pair.run_until(pair.now + 1000)
    assert pair.call.receive() == {"type": "http.request", "body": b"ab", "more_body": True}
    assert pair.connection.deadline == math.inf


def test_silence_within_content_cuts_a_response_that_has_begun() -> None:
    pair = Pair(settings=SETTINGS)
    pair.send(POST % 5)
    pair.call.send(start())
    pair.call.send(body(b"part", more=True))
    assert pair.call.receive() is None
    pair.run_until(lambda: pair.eof_received)
    assert (pair.response.status, pair.response.body, pair.response.complete) == (200, b"part", False)
    assert pair.call.receive() == DISCONNECT


def test_the_end_of_the_content_ends_its_time() -> None:
    pair = Pair(settings=SETTINGS)
    pair.send(CHUNKED)
    pair.call.receive()
    pair.send(b"0\r\n\r\n")
    assert pair.connection.deadline == math.inf


# After the response.


@readers
def test_content_that_is_read_away_has_one_time_for_all_of_it(reader: Any) -> None:
    pair = Pair(respond(b"hi"), Settings(http1_reader=reader, timeout_discard=5.0, timeout_linger=2.0))
    pair.send(POST % 100)
    at = pair.now
    for number in range(5):
        pair.run_until(at + number)
        pair.send(b"a")
    pair.run_until(lambda: pair.eof_received)
    assert pair.now == at + 5
    pair.run_until_closed()
    assert (pair.now, pair.connection.error) == (at + 7, None)


def test_lingering_has_one_time_whatever_comes() -> None:
    pair = Pair(respond(b"hi"), SETTINGS)
    pair.send(b"GET / HTTP/1.0\r\n\r\n")
    at = pair.now
    for number in range(20):
        pair.run_until(at + number / 10)
        pair.send(b"a")
    pair.run_until_closed()
    assert pair.now == at + 2


def test_a_lingering_time_of_nothing_closes_at_once() -> None:
    pair = Pair(respond(b"hi"), Settings(timeout_linger=0.0))
    pair.send(b"GET / HTTP/1.0\r\n\r\n")
    at = pair.now
    pair.run_until_closed()
    assert (pair.now, pair.response.complete) == (at, True)


@pytest.mark.parametrize("linger", [0.0, 2.0])
def test_a_timer_never_spins_while_the_peer_takes_nothing(linger: float) -> None:
    """A deadline that was dealt with lies in the future, or there is none."""
    pair = Pair(respond(b"hi"), Settings(timeout_linger=linger))
    pair.stall()
    pair.send(b"GET / HTTP/1.0\r\n\r\n")
    for _ in range(10):
        if pair.connection.deadline == math.inf:
            break
        at = pair.connection.deadline
        pair.connection.handle_timeout(at)
        assert pair.connection.deadline > at


# Timers as such.


@pytest.mark.parametrize(
    "data",
    [b"", b"GET", GET, POST % 5, POST % 5 + b"ab", b"bad\r\n", GET + GET],
    ids=["new", "head", "open", "content", "some-content", "refused", "pipelined"],
)
@pytest.mark.parametrize("answers", [False, True])
def test_a_timer_before_its_time_does_nothing(data: bytes, answers: bool) -> None:
    pair = Pair(respond() if answers else None, SETTINGS)
    pair.send(data)
    if math.isfinite(pair.connection.deadline):
        deadline, output = pair.connection.deadline, pair.output
        for share in (0.0, 0.5, 0.999):
            pair.connection.handle_timeout(pair.now + share * (deadline - pair.now))
            pair.settle()
        assert (pair.connection.deadline, pair.output) == (deadline, output)
        pair.connection.handle_timeout(deadline)
        assert pair.connection.deadline > deadline
    else:
        pair.connection.handle_timeout(pair.now + 1e9)
        assert pair.connection.deadline == math.inf


def test_timeouts_may_be_switched_off() -> None:
    off = math.inf
    pair = Pair(
        settings=Settings(
            timeout_request_head=off,
            timeout_keep_alive=off,
            timeout_request_body=off,
            timeout_discard=off,
            timeout_linger=off,
            timeout_graceful_shutdown=off,
        )
    )
    assert pair.connection.deadline == off
    pair.send(GET[:3])
    assert pair.connection.deadline == off
    pair.send(GET[3:])
    pair.calls[0].respond()
    assert pair.connection.deadline == off
    pair.send(POST % 5)
    assert pair.calls[1].receive() is None
    pair.shut_down()
    assert pair.connection.deadline == off
    pair.calls[1].respond()
    assert pair.connection.deadline == off
