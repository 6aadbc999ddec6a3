"""What a response's status, fields and content may be, and how they frame it."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from sansio import InvalidMessage, Message
from tests.messages import body, start
from tests.pair import Fields, Pair

GIVEN = [(b"content-length", b"5")]
DISCONNECT: Message = {"type": "http.disconnect"}


def opened(method: str = "GET", *, fields: Fields = (), content: bytes = b"") -> Pair:
    """One request, whose exchange is open."""
    pair = Pair()
    pair.request(method, "/", fields=fields, body=content)
    return pair


@pytest.mark.parametrize("status", [200, 299, 304, 418, 499, 599, HTTPStatus.NOT_FOUND])
def test_any_final_status_can_be_sent_and_has_a_reason(status: int) -> None:
    call = (pair := opened()).call
    call.respond(status=status)
    assert pair.response.status == status
    assert pair.response.reason


@pytest.mark.parametrize("status", [None, "200", 200.0, True, 0, -200, 100, 101, 103, 199, 600, 1000])
def test_what_is_no_final_status_is_refused(status: Any) -> None:
    call = (pair := opened()).call
    with pytest.raises(InvalidMessage, match="'status' must be an int from 200 to 599"):
        call.send(start(status))
    call.respond(b"ok")
    assert pair.response.body == b"ok"


def test_a_missing_status_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="'status'"):
        opened().call.send({"type": "http.response.start"})


def test_headers_may_be_any_iterable_of_pairs_and_are_read_once() -> None:
    def pairs() -> Iterator[Any]:
        yield [b"X-Second", b" 2\t"]
        yield (b"a", b"")
        yield iter([b"a", b"again"])

    call = (pair := opened()).call
    call.respond(fields=())
    pair.request()
    pair.calls[1].send(start(headers=pairs()))
    pair.calls[1].send(body())
    sent = [field for field in pair.responses[1].fields if field[0] in {b"x-second", b"a"}]
    assert sent == [(b"x-second", b"2"), (b"a", b""), (b"a", b"again")]


def test_framing_is_not_the_applications() -> None:
    """ASGI, Response Start: a transfer-encoding from the application is ignored. RFC 9110 §7.6.1."""
    headers = [
        (b"Transfer-Encoding", b"gzip, chunked"),
        (b"Connection", b"keep-alive, upgrade"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Proxy-Connection", b"keep-alive"),
    ]
    call = (pair := opened()).call
    call.respond(b"hi", fields=headers)
    assert pair.response.fields == [(b"content-length", b"2")]
    assert not pair.eof_received


def test_an_empty_part_writes_nothing() -> None:
    """An empty chunk would be the last one. RFC 9112 §7.1."""
    call = (pair := opened()).call
    call.send(start())
    call.send(body(b"a", more=True))
    before = pair.output
    call.send(body(b"", more=True))
    assert pair.output == before


def test_the_last_part_may_be_empty() -> None:
    call = (pair := opened()).call
    call.send(start())
    call.send(body(b"a", more=True))
    call.send(body())
    assert (pair.response.body, pair.response.complete) == (b"a", True)


@pytest.mark.parametrize(
    "content", [b"abc", bytearray(b"abc"), memoryview(b"abc"), memoryview(b"a_b_c")[::2]]
)
def test_any_bytes_like_content_is_taken_and_copied(content: Any) -> None:
    call = (pair := opened()).call
    call.send(start())
    pair.stall()
    call.send(body(content))
    if isinstance(content, bytearray):
        content[:] = b"xyz"
    pair.resume()
    assert pair.response.body == b"abc"


@pytest.mark.parametrize("content", [None, "text", 5, [b"a"]])
def test_content_that_is_not_bytes_is_refused(content: Any) -> None:
    call = (pair := opened()).call
    call.send(start())
    with pytest.raises(InvalidMessage, match="'body' must be bytes, got"):
        call.send(body(content))
    call.send(body(b"ok"))
    assert pair.response.body == b"ok"


def test_a_length_that_is_kept_frames_the_content() -> None:
    call = (pair := opened()).call
    call.send(start(headers=[(b"content-length", b"4"), (b"Content-Length", b"04")]))
    call.send(body(b"ab", more=True))
    call.send(body(b"", more=True))
    call.send(body(b"cd", more=True))
    assert pair.response.values(b"content-length") == [b"4"]
    call.send(body())
    assert (pair.response.body, pair.response.complete) == (b"abcd", True)


@pytest.mark.parametrize("values", [(b"5", b"6"), (b"-1",), (b"",), (b"5, 5",), (b"0x5",), ("5",)])
def test_a_length_that_is_none_is_refused(values: tuple[Any, ...]) -> None:
    call = (pair := opened()).call
    with pytest.raises(InvalidMessage):
        call.send(start(headers=[(b"content-length", value) for value in values]))
    call.respond(b"ok")
    assert pair.response.body == b"ok"


@pytest.mark.parametrize(
    ("method", "status", "fields", "lengths"),
    [
        ("HEAD", 200, GIVEN, [b"5"]),
        ("HEAD", 200, [], [b"3"]),
        ("HEAD", 204, GIVEN, []),
        ("HEAD", 205, GIVEN, [b"0"]),
        ("HEAD", 304, GIVEN, [b"5"]),
        ("HEAD", 304, [], []),
        ("GET", 204, GIVEN, []),
        ("GET", 204, [], []),
        ("GET", 205, GIVEN, [b"0"]),
        ("GET", 205, [], [b"0"]),
        ("GET", 304, GIVEN, [b"5"]),
        ("GET", 304, [], []),
    ],
)
def test_a_response_without_content_has_none_on_the_wire(
    method: str, status: int, fields: Fields, lengths: list[bytes]
) -> None:
    """RFC 9110 §8.6, §9.3.2, §15.3.5, §15.3.6, §15.4.5; RFC 9112 §6.1."""
    call = (pair := opened(method)).call
    call.respond(b"abc", status, fields)
    assert pair.response.status == status
    assert pair.response.values(b"content-length") == lengths
    assert pair.response.values(b"transfer-encoding") == []
    assert pair.output.endswith(b"\r\n\r\n")
    assert call.exchange.statistics(pair.now).bytes_out == 0
    pair.request()
    pair.calls[1].respond(b"next")
    assert pair.responses[1].body == b"next"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_without_content_may_have_it_in_parts(method: str, status: int) -> None:
    call = (pair := opened(method)).call
    call.send(start(status, GIVEN))
    call.send(body(b"abcdef", more=True))
    head = pair.output
    call.send(body(b"g", more=True))
    call.send(body(b"h"))
    assert pair.output == head
    assert pair.response.complete
    assert call.receive() == DISCONNECT


def test_a_head_response_that_shows_no_content_claims_no_length() -> None:
    call = (pair := opened("HEAD")).call
    call.respond()
    assert pair.response.values(b"content-length") == []
