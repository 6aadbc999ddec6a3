"""Requests that do not wait for the response before them, and applications that go on after theirs."""

from __future__ import annotations

from typing import Any

import pytest

from sansio import Message, Scope, Settings
from tests.messages import body, start
from tests.pair import Pair, Receive, Send, echo, respond

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
DISCONNECT: Message = {"type": "http.disconnect"}

readers = pytest.mark.parametrize("reader", ["fast", "h11"])


@readers
@pytest.mark.parametrize("cuts", [(), range(2000), range(0, 2000, 7)], ids=["whole", "bytewise", "sevens"])
def test_responses_come_in_the_order_of_their_requests(reader: Any, cuts: Any) -> None:
    """RFC 9112 §9.3.2: "it MUST send the corresponding responses in the same order"."""
    pair = Pair(echo, Settings(http1_reader=reader))
    data = POST % 3 + b"one" + CHUNKED + b"3\r\ntwo\r\n0\r\n\r\n" + b"\r\n" + GET + POST % 4 + b"four"
    pair.send(data, cuts=cuts)
    assert [response.body for response in pair.responses] == [b"one", b"two", b"", b"four"]


def test_a_request_is_opened_only_when_the_one_before_it_is_done() -> None:
    pair = Pair()
    pair.send(GET + POST % 3 + b"abc" + GET)
    call = pair.call
    call.send(start())
    call.send(body(b"a", more=True))
    call.flush()
    assert len(pair.calls) == 1
    call.send(body(b"b"))
    assert len(pair.calls) == 2
    pair.calls[1].send(start())
    assert len(pair.calls) == 2
    pair.calls[1].send(body(b"c"))
    assert len(pair.calls) == 3


def test_a_request_is_opened_only_when_the_content_of_the_one_before_it_was_read() -> None:
    pair = Pair(respond(b"hi"))
    pair.send(POST % len(GET) + GET[:-1])
    assert len(pair.calls) == 1
    pair.send(GET[-1:] + GET)
    assert len(pair.calls) == 2


@readers
def test_a_flood_of_requests_opens_one_and_stops_the_reading(reader: Any) -> None:
    pair = Pair(settings=Settings(http1_reader=reader))
    pair.send(GET * 1_000)
    assert len(pair.calls) == 1
    assert not pair.connection.wants_read
    pair.send(GET * 10)
    assert pair.unread == len(GET) * 10
    pair.app = respond()
    pair.call.respond()
    assert len(pair.responses) == 1_010


def test_at_most_one_read_is_kept_behind_a_slow_response() -> None:
    pair = Pair()
    pair.send(GET)
    assert pair.connection.wants_read
    pair.send(b"GET")
    assert not pair.connection.wants_read
    pair.send(GET[3:])
    assert pair.unread == len(GET) - 3
    pair.calls[0].respond()
    assert (pair.unread, len(pair.calls)) == (0, 2)


@readers
@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (b"bad\r\n", 400),
        (b"GET / HTTP/2.0\r\n", 505),
        (b"get / HTTP/1.1\r\n", 501),
        (CHUNKED + b"x\r\n", 400),
    ],
    ids=["malformed", "version", "method", "content"],
)
def test_a_bad_request_waits_for_the_response_before_it(reader: Any, bad: bytes, status: int) -> None:
    """RFC 9112 §9.3.2: responses, the server's own included, are in order."""
    pair = Pair(settings=Settings(http1_reader=reader))
    pair.send(GET + bad + GET)
    pair.call.send(start())
    pair.call.send(body(b"slow ", more=True))
    assert pair.connection.error is None
    pair.call.send(body(b"response"))
    assert [response.status for response in pair.responses] == [200, status]
    assert pair.responses[0].body == b"slow response"
    assert pair.eof_received
    assert len(pair.calls) == 1 + bad.startswith(b"POST")


@pytest.mark.parametrize("how", ["close", "fail", "cut", "lose"])
def test_nothing_is_opened_after_the_decision_to_close(how: str) -> None:
    pair = Pair()
    pair.send(GET + GET + GET)
    call = pair.call
    if how == "close":
        call.respond(fields=[(b"connection", b"close")])
    elif how == "fail":
        call.finish(ValueError())
    elif how == "cut":
        call.send(start())
        call.send(body(b"a", more=True))
        call.finish()
    else:
        pair.lose()
    pair.run_until_closed()
    assert len(pair.calls) == 1


def test_a_client_that_never_reads_cannot_make_the_server_collect_responses() -> None:
    """What waits is bounded by the write buffer and one message, however many requests wait."""
    pair = Pair(respond(b"x" * 10_000), Settings(limit_write_buffer=5_000))
    pair.stall()
    pair.send(GET * 1_000)
    assert len(pair.connection.data_to_send()) < 5_000 + 10_200


def test_that_bound_holds_even_if_applications_do_not_wait() -> None:
    pair = Pair(settings=Settings(limit_write_buffer=5_000))
    pair.stall()
    pair.send(GET * 100)
    for call in pair.calls:
        call.respond(b"x" * 10_000)
    assert len(pair.connection.data_to_send()) < 5_000 + 10_200


@pytest.mark.parametrize("eof", [False, True])
def test_a_client_that_reads_late_gets_every_response(eof: bool) -> None:
    pair = Pair(respond(b"x" * 10_000), Settings(limit_write_buffer=5_000))
    pair.stall()
    pair.send(GET * 100)
    if eof:
        pair.eof()
    pair.resume()
    assert [response.complete for response in pair.responses] == [True] * 100
    assert pair.closed == eof


@pytest.mark.parametrize("more", [b"", b"GE"], ids=["idle", "within-a-head"])
def test_a_client_that_took_long_to_read_still_has_its_time_for_the_next_request(more: bytes) -> None:
    pair = Pair(respond(b"x" * 10_000), Settings(limit_write_buffer=5_000))
    pair.stall()
    pair.send(GET + more)
    pair.run_until(pair.now + 1_000)
    pair.resume()
    pair.run_until(pair.now + 20)
    pair.send(GET[len(more) :])
    assert [response.status for response in pair.responses] == [200, 200]


# Work after the response.


def test_the_next_request_does_not_wait_for_work_after_the_response() -> None:
    finished: list[float] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(b"hi")(scope, receive, send)
        await pair.sleep(10.0)
        finished.append(pair.now)

    pair = Pair(app)
    at = pair.now
    pair.send(GET * 3)
    assert len(pair.responses) == 3
    assert finished == []
    pair.run_until(at + 10.0)
    assert finished == [at + 10.0] * 3


def test_work_after_the_response_is_bounded() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(b"hi")(scope, receive, send)
        await pair.sleep(10.0)

    pair = Pair(app)
    pair.send(GET * 100)
    assert len(pair.calls) <= 17
    pair.run_until(pair.now + 100)
    assert len(pair.responses) == 100


def test_work_after_a_response_is_bounded_too_if_content_has_to_be_read_away() -> None:
    pair = Pair()
    pair.send(POST % 1)
    answered = 0
    while answered < min(100, len(pair.calls)):
        pair.calls[answered].send(start())
        pair.calls[answered].send(body())
        answered += 1
        pair.send(b"x" + POST % 1)
    assert answered < 20
    pair.calls[3].finish()
    assert len(pair.calls) == answered + 1


def test_an_application_that_fails_after_its_response_disturbs_nobody() -> None:
    pair = Pair()
    pair.send(GET)
    first = pair.call
    first.send(start())
    first.send(body(b"one"))
    pair.send(GET)
    pair.calls[1].send(start())
    pair.calls[1].send(body(b"two, ", more=True))
    first.finish(ValueError())
    pair.calls[1].send(body(b"still"))
    assert [response.body for response in pair.responses] == [b"one", b"two, still"]
    assert not pair.eof_received


def test_a_late_message_of_one_exchange_never_reaches_anothers_response() -> None:
    pair = Pair()
    pair.send(GET)
    first = pair.call
    first.send(start())
    first.send(body(b"one"))
    pair.send(POST % 2)
    second = pair.calls[1]
    for message in (start(500), body(b"late", more=True), body(b"late")):
        first.send(message)
        second.send(start() if message["type"] == "http.response.start" else body(b"x", more=True))
    first.flush()
    assert first.receive() == DISCONNECT
    pair.send(b"ab")
    assert second.receive() == {"type": "http.request", "body": b"ab", "more_body": False}
    second.send(body(b"y"))
    first.finish(ValueError())
    assert [response.body for response in pair.responses] == [b"one", b"xxy"]
