"""Clients that wait for a 100 (Continue) before they send content. RFC 9110 §10.1.1."""

from __future__ import annotations

from typing import Any

import pytest

from sansio import Message, Settings
from tests.messages import body, early_hint, start
from tests.pair import Pair

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
LENGTH = HEAD + b"Content-Length: 5\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
WHOLE: Message = {"type": "http.request", "body": b"hello", "more_body": False}

readers = pytest.mark.parametrize("reader", ["fast", "h11"])
framings = pytest.mark.parametrize(
    ("head", "content"),
    [(LENGTH, b"hello"), (CHUNKED, b"5\r\nhello\r\n0\r\n\r\n")],
    ids=["length", "chunked"],
)


@readers
@framings
def test_a_100_goes_out_when_the_application_first_waits_and_only_then(
    reader: Any, head: bytes, content: bytes
) -> None:
    pair = Pair(settings=Settings(http1_reader=reader))
    pair.send(head)
    assert pair.output == b""
    for _ in range(3):
        assert pair.call.receive() is None
        assert pair.output == CONTINUE
    pair.send(content)
    assert pair.call.receive() == WHOLE
    assert pair.call.receive() is None
    pair.call.respond(b"hi")
    pair.send(GET)
    assert pair.output.count(b"HTTP/1.1 100") == 1
    assert len(pair.calls) == 2


@framings
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_client_that_does_not_wait_gets_no_100(head: bytes, content: bytes, size: int) -> None:
    """RFC 9110: "A server MAY omit sending a 100 (Continue) response if it has already received some [...] content"."""
    pair = Pair()
    pair.send(head + content[: size if head is LENGTH else size + 3])
    while pair.call.receive() is not None:
        pass
    assert pair.output == b""


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue", b" 100-CONTINUE "])
def test_an_expectation_is_known_in_any_case(value: bytes) -> None:
    pair = Pair()
    pair.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect:" + value + b"\r\n\r\n")
    pair.call.receive()
    assert pair.output == CONTINUE


@pytest.mark.parametrize("value", [b"100-continue, x", b"x", b"", b"100-continue;a=b", b"200-ok"])
def test_another_expectation_is_refused(value: bytes) -> None:
    pair = Pair()
    pair.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: " + value + b"\r\n\r\nhello" + GET)
    assert (pair.response.status, pair.response.values(b"connection")) == (417, [b"close"])
    assert (pair.calls, pair.eof_received) == ([], True)


@pytest.mark.parametrize("value", [b"100-continue", b"x"])
def test_http_1_0_cannot_expect(value: bytes) -> None:
    """RFC 9110: such a server "MUST ignore that expectation"."""
    pair = Pair()
    pair.send(b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: " + value + b"\r\n\r\n")
    assert pair.call.receive() is None
    assert pair.output == b""
    pair.send(b"hello")
    assert pair.call.receive() == WHOLE
    pair.call.respond(b"hi")
    assert (pair.response.body, pair.response.interim) == (b"hi", [])


@pytest.mark.parametrize("fields", [b"", b"Content-Length: 0\r\n"])
def test_without_content_there_is_nothing_to_wait_for(fields: bytes) -> None:
    pair = Pair()
    pair.send(HEAD + fields + b"\r\n")
    assert pair.call.receive() == {"type": "http.request", "body": b"", "more_body": False}
    assert pair.call.receive() is None
    assert pair.output == b""
    pair.call.respond(b"hi")
    assert pair.response.values(b"connection") == []


@readers
@framings
@pytest.mark.parametrize("comes", [False, True])
def test_a_final_answer_without_a_100_ends_the_connection_with_notice(
    reader: Any, head: bytes, content: bytes, comes: bool
) -> None:
    """Nobody knows whether the content comes: whatever comes is not read as a request. RFC 9112 §9.3."""
    pair = Pair(settings=Settings(http1_reader=reader))
    pair.send(head)
    pair.call.respond(b"no", 403)
    assert pair.response.values(b"connection") == [b"close"]
    assert (pair.response.interim, pair.response.body, pair.eof_received) == ([], b"no", True)
    pair.send(GET if comes else content + GET)
    assert len(pair.calls) == 1
    assert len(pair.responses) == 1


@framings
def test_no_100_follows_the_beginning_of_the_final_response(head: bytes, content: bytes) -> None:
    pair = Pair()
    pair.send(head)
    pair.call.send(start())
    pair.call.send(body(b"first, ", more=True))
    before = pair.output
    assert pair.call.receive() is None
    assert pair.output == before
    pair.send(content)
    assert pair.call.receive() == WHOLE
    pair.call.send(body(b"then"))
    assert (pair.response.body, pair.response.complete) == (b"first, then", True)
    assert pair.response.values(b"connection") == [b"close"]


def test_a_head_that_is_held_back_goes_out_behind_the_100() -> None:
    pair = Pair()
    pair.send(LENGTH)
    pair.call.send(early_hint(b"</a>"))
    pair.call.send(start())
    assert pair.call.receive() is None
    pair.send(b"hello")
    assert pair.call.receive() == WHOLE
    pair.call.send(body(b"hi"))
    assert [status for status, _ in pair.response.interim] == [103, 100]
    assert (pair.response.body, pair.response.values(b"connection")) == (b"hi", [])


def test_a_100_that_no_content_follows_ends_with_a_timeout() -> None:
    pair = Pair(settings=Settings(timeout_request_body=60.0))
    at = pair.now
    pair.send(LENGTH)
    pair.call.receive()
    pair.run_until(lambda: pair.eof_received)
    assert (pair.now, pair.response.status) == (at + 60, 408)
    assert [status for status, _ in pair.response.interim] == [100]
    assert pair.call.receive() == {"type": "http.disconnect"}


def test_content_declared_beyond_the_limit_is_refused_without_a_100() -> None:
    pair = Pair(settings=Settings(limit_request_body=4))
    pair.send(LENGTH)
    assert (pair.response.status, pair.response.interim, pair.calls) == (413, [], [])


@framings
def test_an_application_that_fails_without_reading_gets_no_100(head: bytes, content: bytes) -> None:
    pair = Pair()
    pair.send(head)
    pair.call.finish(ValueError())
    assert (pair.response.status, pair.response.interim) == (500, [])
    pair.send(content)
    assert len(pair.responses) == 1
