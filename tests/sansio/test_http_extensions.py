"""ASGI's extensions of HTTP that are served: trailers and early hints."""

from __future__ import annotations

from typing import Any

import pytest

from sansio import InvalidMessage, Message
from tests.messages import body, early_hint, start, trailers
from tests.pair import Fields, Pair

OLD = b"GET / HTTP/1.0\r\n\r\n"
DISCONNECT: Message = {"type": "http.disconnect"}
CHECKSUM = [(b"X-Checksum", b"1"), (b"x-more", b"2")]


def opened(method: str = "GET", *, fields: Fields = (), content: bytes = b"") -> Pair:
    """One request, whose exchange is open."""
    pair = Pair()
    pair.request(method, "/", fields=fields, body=content)
    return pair


@pytest.mark.parametrize(
    ("te", "wanted"),
    [
        (b"trailers", True),
        (b"deflate;q=0.5 , TRAILERS", True),
        (b"trailers;q=1, gzip", True),
        (b"gzip", False),
        (b"xtrailers", False),
        (None, False),
    ],
)
def test_trailers_go_to_a_client_that_wants_them(te: bytes | None, wanted: bool) -> None:
    """ASGI, Trailers; RFC 9110 §6.5.1, §10.1.4."""
    fields = [] if te is None else [(b"TE", te), (b"Connection", b"te")]
    call = (pair := opened(fields=fields)).call
    call.send(start(trailers=True))
    call.send(body(b"content"))
    assert not pair.response.complete
    call.send(trailers(CHECKSUM[:1], more=True))
    call.send({"type": "http.response.trailers", "headers": iter(CHECKSUM[1:])})
    assert (pair.response.body, pair.response.complete) == (b"content", True)
    assert pair.response.trailers == ([(b"x-checksum", b"1"), (b"x-more", b"2")] if wanted else [])
    assert call.receive() == DISCONNECT


def test_trailers_may_be_announced_and_have_nothing_in_them() -> None:
    call = (pair := opened(fields=[(b"TE", b"trailers")])).call
    call.send(start(trailers=True))
    call.send(body(b"a", more=True))
    call.send(body(b"b"))
    call.send({"type": "http.response.trailers"})
    assert (pair.response.body, pair.response.complete, pair.response.trailers) == (b"ab", True, [])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_trailers_have_no_place_beside_a_length(method: str) -> None:
    call = (pair := opened(method, fields=[(b"TE", b"trailers")])).call
    call.send(start(headers=[(b"content-length", b"1")], trailers=True))
    call.send(body(b"a"))
    call.send(trailers(CHECKSUM))
    assert (pair.response.complete, pair.response.trailers) == (True, [])


def test_trailers_do_not_go_to_http_1_0() -> None:
    pair = Pair()
    pair.send(b"GET / HTTP/1.0\r\nTE: trailers\r\n\r\n")
    pair.call.send(start(trailers=True))
    pair.call.send(body(b"content"))
    pair.call.send(trailers(CHECKSUM))
    assert pair.output.endswith(b"\r\n\r\ncontent")
    assert pair.response.complete


@pytest.mark.parametrize("name", [b"Content-Length", b"transfer-encoding", b"host", b"set-cookie", b"te"])
def test_a_field_that_cannot_be_a_trailer_is_refused(name: bytes) -> None:
    """RFC 9110 §6.5.1: neither framing nor routing, nor what has to be known before the content."""
    call = (pair := opened(fields=[(b"TE", b"trailers")])).call
    call.send(start(trailers=True))
    call.send(body())
    with pytest.raises(InvalidMessage, match="not allowed in trailers"):
        call.send(trailers([(b"x-good", b"1"), (name, b"1")]))
    call.send(trailers([(b"x-other", b"2")]))
    assert pair.response.trailers == [(b"x-other", b"2")]


def test_early_hints_are_ignored_when_they_are_too_late_or_empty() -> None:
    call = (pair := opened()).call
    call.send(early_hint())
    assert pair.output == b""
    call.send(start(trailers=True))
    call.send(body(b"x", more=True))
    before = pair.output
    call.send(early_hint(b"</a>"))
    assert pair.output == before
    call.send(body())
    call.send(early_hint(b"</a>"))
    call.send(trailers())
    assert pair.response.interim == []
    assert pair.response.complete


def test_early_hints_do_not_go_to_http_1_0() -> None:
    """RFC 9110 §15.2: "A server MUST NOT send a 1xx response to an HTTP/1.0 client"."""
    pair = Pair()
    pair.send(OLD)
    pair.call.send(early_hint(b"</a>"))
    assert pair.output == b""
    pair.call.respond(b"x")
    assert pair.response.interim == []


def test_early_hints_go_out_before_the_head() -> None:
    """RFC 8297 §2; ASGI, Early Hints: one 103 for each message, one Link field for each item."""
    call = (pair := opened()).call
    call.send(early_hint(b"</a>; rel=preload", b"</b>; rel=preload"))
    assert pair.interim == [(103, [(b"link", b"</a>; rel=preload"), (b"link", b"</b>; rel=preload")])]
    call.send(start())
    call.send({"type": "http.response.early_hint", "links": iter([b"</c>"])})
    call.send(body(b"x"))
    assert [status for status, _ in pair.response.interim] == [103, 103]
    assert pair.response.body == b"x"


@pytest.mark.parametrize(
    "links", [None, "</a>", b"</a>", 5, ["</a>"], [b"</a>\r\nx: y"], [bytearray(b"x")], [None]]
)
def test_links_that_are_none_are_refused(links: Any) -> None:
    call = (pair := opened()).call
    with pytest.raises(InvalidMessage):
        call.send({"type": "http.response.early_hint", "links": links})
    assert pair.output == b""
    call.respond(b"x")
    assert pair.response.interim == []
