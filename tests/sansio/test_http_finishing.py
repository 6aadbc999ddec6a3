"""How an exchange of HTTP ends when its application does, and what is known of it afterwards."""

from __future__ import annotations

import pytest

from sansio import (
    Message,
)
from tests.messages import body, early_hint, start, trailers
from tests.pair import Fields, Pair

DISCONNECT: Message = {"type": "http.disconnect"}


def opened(method: str = "GET", *, fields: Fields = (), content: bytes = b"") -> Pair:
    """One request, whose exchange is open."""
    pair = Pair()
    pair.request(method, "/", fields=fields, body=content)
    return pair


START, BODY, TRAILERS, HINT = start(), body(b"x", more=True), trailers(), early_hint(b"</a>")


# Finishing.


@pytest.mark.parametrize("error", [None, ValueError("secret")])
@pytest.mark.parametrize("messages", [[], [HINT], [start(headers=[(b"x-a", b"b")])], [start(204), HINT]])
def test_an_application_that_fails_before_its_first_content_becomes_a_500(
    messages: list[Message], error: Exception | None
) -> None:
    call = (pair := opened()).call
    for message in messages:
        call.send(message)
    call.finish(error)
    assert (pair.response.status, pair.response.complete) == (500, True)
    assert pair.response.values(b"connection") == [b"close"]
    assert pair.response.values(b"x-a") == []
    assert b"secret" not in pair.output
    assert pair.eof_received
    failure = "the application returned without completing a response"
    assert call.exchange.failure == (failure if error is None else None)
    assert call.exchange.statistics(pair.now).status == 500


def test_a_500_to_head_has_no_content() -> None:
    call = (pair := opened("HEAD")).call
    call.finish()
    assert pair.response.status == 500
    assert pair.output.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("error", [None, ValueError()])
@pytest.mark.parametrize("fields", [[], [(b"content-length", b"9")]])
def test_an_application_that_stops_in_the_middle_leaves_a_visible_cut(
    error: Exception | None, fields: Fields
) -> None:
    """RFC 9112 §8: without the last chunk, or with too little content, a message is incomplete."""
    call = (pair := opened()).call
    call.send(start(headers=fields))
    call.send(body(b"part", more=True))
    call.finish(error)
    assert (pair.response.body, pair.response.complete, pair.eof_received) == (b"part", False, True)
    assert b"0\r\n\r\n" not in pair.output
    failure = "the application returned in the middle of its response"
    assert call.exchange.failure == (failure if error is None else None)
    assert not call.exchange.statistics(pair.now).complete
    assert call.receive() == DISCONNECT


@pytest.mark.parametrize("messages", [[], [START], [START, BODY], [START, body()]])
def test_what_is_sent_after_the_application_has_returned_is_ignored(messages: list[Message]) -> None:
    call = (pair := opened()).call
    for message in messages:
        call.send(message)
    call.finish()
    before = pair.output
    for message in [START, BODY, TRAILERS, HINT]:
        call.send(message)
    call.flush()
    assert pair.output == before
    assert call.receive() == DISCONNECT


@pytest.mark.parametrize("error", [None, ValueError()])
def test_what_happens_after_a_complete_response_does_not_touch_the_connection(
    error: Exception | None,
) -> None:
    call = (pair := opened()).call
    call.send(start())
    call.send(body(b"x"))
    call.finish(error)
    assert call.exchange.failure is None
    pair.request()
    pair.calls[1].respond(b"y")
    assert [response.body for response in pair.responses] == [b"x", b"y"]


# Statistics.


def test_statistics_tell_what_an_access_log_wants_to_know() -> None:
    pair = Pair(now=100.0)
    pair.send(b"POST /a%20b?c HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
    exchange = pair.call.exchange
    pair.run_until(102.0)
    early = exchange.statistics(102.0)
    assert (early.kind, early.client, early.scheme, early.method) == ("http", None, "http", "POST")
    assert (early.target, early.http_version, early.status) == (b"/a%20b?c", "1.1", None)
    assert (early.bytes_in, early.bytes_out, early.opened, early.ended) == (2, 0, 100.0, 102.0)
    assert (early.complete, list(early.response_fields)) == (False, [])
    assert list(early.fields) == [(b"host", b"a"), (b"content-length", b"4")]
    pair.send(b"cd")
    pair.call.respond(b"hello", 201, [(b"X-A", b"b"), (b"transfer-encoding", b"chunked")])
    late = exchange.statistics(200.0)
    assert (late.status, late.bytes_in, late.bytes_out, late.ended, late.complete) == (201, 4, 5, 102.0, True)
    assert list(late.response_fields) == [(b"x-a", b"b"), (b"content-length", b"5")]


def test_statistics_count_content_without_its_framing() -> None:
    call = (pair := opened("POST", content=b"12345")).call
    call.send(start())
    call.send(body(b"ab", more=True))
    call.send(body(b"cde", more=True))
    pair.run_until(pair.now + 1)
    pair.lose()
    statistics = call.exchange.statistics(pair.now + 5)
    assert (statistics.bytes_in, statistics.bytes_out) == (5, 5)
    assert (statistics.complete, statistics.ended) == (False, pair.now)
    assert list(statistics.response_fields) == []


def test_statistics_of_a_500_tell_what_was_sent() -> None:
    call = (pair := opened()).call
    call.send(start(headers=[(b"content-length", b"3")]))
    call.finish(ValueError())
    statistics = call.exchange.statistics(pair.now)
    assert (statistics.status, statistics.bytes_out) == (500, len(pair.response.body))
