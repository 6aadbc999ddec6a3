"""From a legal HTTP/2 request to its scope, and requests that are answered without an application."""

from __future__ import annotations

from typing import Final

import hpack
import pytest

from sansio import DefaultFields, Settings, TransportInfo
from tests.peers import CONTINUATION, Code, Fields, block, data, frame, headers, in_pieces, request
from tests.sansio.http2_client import Http2Pair

HEAD: Final = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"server.example"),
    (b":path", b"/"),
)


def test_a_scope_has_what_the_request_says() -> None:
    pair = Http2Pair(
        Settings(root_path="/app"),
        transport=TransportInfo(("203.0.113.9", 5000), ("10.0.0.1", 443), secure=True, alpn="h2"),
        state={"key": "value"},
    )
    call = pair.open(b"POST", b"/a%20b?c=%20d", [(b"x-custom", b"one"), (b"x-custom", b"two")], end=False)
    scope = call.scope
    assert scope["type"] == "http"
    assert scope["http_version"] == "2"
    assert scope["method"] == "POST"
    assert scope["scheme"] == "https"
    assert scope["path"] == "/app/a b"
    assert scope["raw_path"] == b"/a%20b"
    assert scope["query_string"] == b"c=%20d"
    assert scope["root_path"] == "/app"
    assert scope["client"] == ("203.0.113.9", 5000)
    assert scope["server"] == ("10.0.0.1", 443)
    assert scope["state"] == {"key": "value"}
    assert scope["headers"] == [(b"host", b"server.example"), (b"x-custom", b"one"), (b"x-custom", b"two")]
    assert {"http.response.trailers", "http.response.early_hint"} <= scope["extensions"].keys()


def test_the_authority_comes_first_as_host_and_takes_the_place_of_a_host_field() -> None:
    """ASGI: ":authority" is "added to the start of the iterable with host as the header name or replace[s]" it."""
    pair = Http2Pair()
    call = pair.open(fields=[(b"a", b"b"), (b"host", b"server.example"), (b"c", b"d")])
    assert call.scope["headers"] == [(b"host", b"server.example"), (b"a", b"b"), (b"c", b"d")]


def test_a_host_field_alone_will_do() -> None:
    """RFC 9113 §8.3.1: a request that was converted from HTTP/1 may have a Host field and no ":authority"."""
    pair = Http2Pair()
    pair.send(headers(1, [HEAD[0], HEAD[1], HEAD[3], (b"a", b"b"), (b"host", b"old.example")]))
    assert sorted(pair.call.scope["headers"]) == [(b"a", b"b"), (b"host", b"old.example")]


def test_cookie_crumbs_are_joined_in_order() -> None:
    """RFC 9113 §8.2.3: "MUST be concatenated into a single octet string using the two-octet delimiter"."""
    pair = Http2Pair()
    call = pair.open(fields=[(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2"), (b"cookie", b"c=3")])
    assert [field for field in call.scope["headers"] if field[0] == b"cookie"] == [
        (b"cookie", b"a=1; b=2; c=3")
    ]
    assert (b"x", b"y") in call.scope["headers"]


LEGAL: Final = {
    "pseudo-header fields in any order": tuple(reversed(HEAD)),
    "te: trailers": (*HEAD, (b"te", b"trailers")),
    "an empty value": (*HEAD, (b"x", b"")),
    "a value that is not ASCII": (*HEAD, (b"x", b"\xc3\xa4\xff")),
    "a tab inside a value": (*HEAD, (b"x", b"a\tb")),
    "a name of all the token characters": (*HEAD, (b"!#$%&'*+-.^_`|~09az", b"x")),
    "the same host": (*HEAD, (b"host", b"server.example")),
    "a content-length of 0": (*HEAD, (b"content-length", b"0")),
    "an address as the authority": (*HEAD[:2], (b":authority", b"[2001:db8::1]:8443"), HEAD[3]),
    "a method of its own": ((b":method", b"PURGE"), *HEAD[1:]),
    "the scheme of a proxy": (HEAD[0], (b":scheme", b"http"), *HEAD[2:]),
}


@pytest.mark.parametrize("fields", LEGAL.values(), ids=LEGAL)
def test_a_legal_request_reaches_its_application(fields: Fields) -> None:
    pair = Http2Pair()
    pair.send(headers(1, fields))
    assert pair.call.scope["scheme"] == "https"  # The transport's: what the client says of it proves nothing.
    assert pair.call.receive() == {"type": "http.request", "body": b"", "more_body": False}
    pair.call.respond()
    assert pair.view(1).status == 200


def test_an_asterisk_belongs_to_options() -> None:
    """RFC 9113 §8.3.1: "these MUST include a ":path" pseudo-header field with a value of '*'"."""
    pair = Http2Pair()
    call = pair.open(b"OPTIONS", b"*")
    assert (call.scope["path"], call.scope["raw_path"]) == ("*", b"*")


def test_a_field_block_may_be_cut_anywhere_and_padded() -> None:
    """RFC 9113 §4.3, §6.2, §6.10."""
    pair = Http2Pair()
    octets = block((*HEAD, (b"x", b"y" * 300)))
    pair.send(in_pieces(1, [b"", octets[:1], octets[1:100], b"", octets[100:]]))
    pair.send(headers(3, octets, padding=200, priority=b"\x80\x00\x00\x01\xff"))
    pair.send(headers(5, octets, padding=0))
    assert [dict(call.scope["headers"])[b"x"] for call in pair.calls] == [b"y" * 300] * 3


def test_fields_may_come_from_the_table_that_earlier_requests_have_filled() -> None:
    """RFC 7541: indexed fields, Huffman strings and sizes of the table, as hpack writes them."""
    pair = Http2Pair()
    encoder = hpack.Encoder()
    fields = [*HEAD, (b"x-long", b"value" * 10), (b"cookie", b"a=b"), (b"user-agent", b"a browser")]
    sizes = []
    for number in range(10):
        if number == 5:
            encoder.header_table_size = 60
        if number == 8:
            encoder.header_table_size = 4096
        octets = encoder.encode(fields, huffman=number % 2 == 0)
        sizes.append(len(octets))
        pair.send(headers(2 * number + 1, octets))
        assert pair.calls[-1].scope["headers"] == [(b"host", b"server.example"), *fields[4:]]
    assert len(pair.calls) == 10
    assert sizes[1] < sizes[0]


HPACK_ERRORS: Final = {
    "index 0": block(HEAD) + b"\x80",
    "index out of range": block(HEAD) + b"\xff\x80\x01",
    "an index that has no end": block(HEAD) + b"\xff" * 20,
    "a name that has no end": block(HEAD) + b"\x00\x05abc",
    "a value that has no end": block(HEAD) + b"\x00\x01a\x05b",
    "a block that ends in a literal": block(HEAD) + b"\x00",
    "a table that is larger than announced": b"\x3f\xe2\x1f" + block(HEAD),
    "a size of the table behind a field": block(HEAD) + b"\x82\x20",
    "Huffman padding of zeros": block(HEAD) + b"\x00\x01a\x81\x00",
    "Huffman padding of eight bits": block(HEAD) + b"\x00\x01a\x82\x1f\xff",
    "the end-of-string symbol": block(HEAD) + b"\x00\x01a\x84\xff\xff\xff\xff",
}


@pytest.mark.parametrize("octets", HPACK_ERRORS.values(), ids=HPACK_ERRORS)
def test_a_field_block_that_cannot_be_decoded_ends_the_connection(octets: bytes) -> None:
    """RFC 9113 §4.3: "MUST be treated as a connection error (Section 5.4.1) of type COMPRESSION_ERROR"."""
    pair = Http2Pair()
    other = pair.open()
    pair.send(headers(3, octets))
    assert len(pair.calls) == 1
    assert other.is_disconnected()
    pair.expect_connection_error(Code.COMPRESSION_ERROR)


@pytest.mark.parametrize("bad", [b"\x80", b"\x00\x01X\x01a\x80"], ids=["alone", "behind a malformed field"])
def test_trailers_and_malformed_requests_are_decoded_like_others(bad: bytes) -> None:
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    pair.send(headers(1, bad))
    assert call.is_disconnected()
    pair.expect_connection_error(Code.COMPRESSION_ERROR)


def test_a_field_block_on_a_refused_stream_still_changes_the_table() -> None:
    """RFC 9113 §4.3: field blocks of streams that are reset or refused MUST be decoded all the same."""
    pair = Http2Pair(Settings(http2_max_concurrent_streams=1))
    encoder = hpack.Encoder()
    fields = [*HEAD, (b"x-kept", b"in the table")]
    first = pair.open()
    pair.send(headers(3, encoder.encode(fields)))
    assert pair.view(3).reset == Code.REFUSED_STREAM
    first.respond()
    pair.send(headers(5, encoder.encode(fields)))
    assert (b"x-kept", b"in the table") in pair.calls[1].scope["headers"]


# Answered without an application.


@pytest.mark.parametrize("host", [b"a b", b"user@a", b"a/b", b"a:b", b"a,b", b"[::g]"])
def test_a_host_field_that_names_no_host_reaches_no_application(host: bytes) -> None:
    """RFC 9110 §7.2: a 400, or the end of the stream as for what RFC 9113 §8.1.1 calls malformed."""
    pair = Http2Pair()
    pair.send(headers(1, [HEAD[0], HEAD[1], HEAD[3], (b"host", host)]))
    assert not pair.calls
    assert pair.view(1).status == 400 or pair.view(1).reset == Code.PROTOCOL_ERROR
    pair.expect_service()


@pytest.mark.parametrize("count", [101, 1_000, 5_000], ids=str)
@pytest.mark.parametrize("name", [b"x", b"cookie"], ids=["fields", "crumbs"])
def test_too_many_fields_are_answered_with_431(count: int, name: bytes) -> None:
    """RFC 6585 §5. Cookie crumbs count one by one."""
    pair = Http2Pair(Settings(http2_max_header_list_size=1_000_000))
    other = pair.open(b"POST", end=False)
    encoder = hpack.Encoder()
    octets = encoder.encode([*HEAD, *[(name, b"")] * count])
    pair.send(headers(3, octets))
    assert len(pair.calls) == 1
    assert (pair.view(3).status, pair.view(3).ended) == (431, True)
    assert pair.view(3).reset is None
    other.respond()
    pair.expect_service()


def test_as_many_fields_as_are_allowed_pass() -> None:
    pair = Http2Pair(Settings(limit_request_fields=10))
    call = pair.open(fields=[(b"x%d" % number, b"") for number in range(6)])
    assert len(call.scope["headers"]) == 7
    pair.send(request(3, fields=[(b"x%d" % number, b"") for number in range(11)]))
    assert pair.view(3).status == 431


def test_fields_that_are_too_large_together_are_answered_with_431() -> None:
    """RFC 9113 §6.5.2: "plus an overhead of 32 octets for each"."""
    settings = Settings(http2_max_header_list_size=2_000)
    pair = Http2Pair(settings)
    pair.send(request(1, fields=[(b"x", b"y" * 2_000)]), request(3, fields=[(b"x", b"y" * 1_500)]))
    assert pair.view(1).status == 431
    assert pair.view(1).ended
    assert len(pair.calls) == 1
    pair.send(request(5, fields=[(b"x%d" % number, b"") for number in range(60)]))
    assert pair.view(5).status == 431
    pair.expect_service()


def test_a_small_block_that_the_table_makes_large_is_answered_with_431() -> None:
    """RFC 9113 §10.5.1: one octet on the wire may stand for a field of thousands."""
    pair = Http2Pair()
    encoder = hpack.Encoder()
    pair.send(headers(1, encoder.encode([*HEAD, (b"x", b"y" * 3_000)])))
    octets = encoder.encode([*HEAD, *[(b"x", b"y" * 3_000)] * 30])
    assert len(octets) < 100
    pair.send(headers(3, octets))
    assert pair.view(3).status == 431
    assert len(pair.calls) == 1
    pair.expect_service()


def test_a_field_block_beyond_the_limit_is_refused_in_whatever_pieces_it_comes() -> None:
    """RFC 9113 §10.5.1. Either the stream gets its 431, or the connection ends: it is not kept in memory."""
    pair = Http2Pair()
    octets = block((*HEAD, *[(b"x%d" % number, b"y" * 10_000) for number in range(8)]))
    pair.send(in_pieces(1, [octets[start : start + 16_000] for start in range(0, len(octets), 16_000)]))
    assert not pair.calls
    if pair.error is None:
        assert pair.view(1).status == 431
        pair.expect_service()
    else:
        pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_a_request_with_content_that_is_answered_with_431_is_told_to_stop() -> None:
    """RFC 9113 §8.1: "request that the client stop sending [...] by sending a RST_STREAM with [...] NO_ERROR"."""
    pair = Http2Pair()
    pair.send(request(1, b"POST", fields=[(b"x", b"")] * 200, end_stream=False))
    assert (pair.view(1).status, pair.view(1).ended, pair.view(1).reset) == (431, True, Code.NO_ERROR)
    pair.send(data(1, b"content", end_stream=True))
    pair.expect_service()


@pytest.mark.parametrize(
    "fields",
    [
        ((b":method", b"CONNECT"), (b":authority", b"other.example:443")),
        ((b":method", b"CONNECT"), (b":protocol", b"connect-udp"), *HEAD[1:]),
    ],
    ids=["plain", "unknown protocol"],
)
def test_connect_is_not_implemented(fields: Fields) -> None:
    """RFC 9113 §8.5; RFC 9220 §3: "a server [...] SHOULD respond [...] with a 501 (Not Implemented)"."""
    pair = Http2Pair()
    pair.send(headers(1, fields, end_stream=False))
    assert not pair.calls
    assert (pair.view(1).status, pair.view(1).ended) == (501, True)
    pair.expect_service()


def test_a_declared_length_beyond_the_limit_is_answered_with_413() -> None:
    pair = Http2Pair(Settings(limit_request_body=1_000))
    pair.send(request(1, b"POST", fields=[(b"content-length", b"1001")], end_stream=False))
    assert not pair.calls
    view = pair.view(1)
    assert (view.status, view.ended, view.reset) == (413, True, Code.NO_ERROR)
    pair.send(data(1, b"a" * 1_001, end_stream=True))
    call = pair.open(b"POST", fields=[(b"content-length", b"1000")], content=b"a" * 1_000)
    assert call.take() == (b"a" * 1_000, True)
    assert pair.error is None


@pytest.mark.parametrize("method", [b"HEAD", b"POST"])
def test_an_answer_of_the_server_s_own_has_content_unless_head_was_asked_for(method: bytes) -> None:
    """RFC 9110 §9.3.2."""
    pair = Http2Pair(Settings(limit_request_body=10))
    pair.send(request(1, method, fields=[(b"content-length", b"11")], end_stream=False))
    view = pair.view(1)
    assert (view.status, view.ended, view.reset) == (413, True, Code.NO_ERROR)
    assert bool(view.content) is (method != b"HEAD")
    call = pair.open(method, fields=[(b"expect", b"100-continue")], end=False)
    assert call.receive() is None
    pair.upload(3, bytes(11))
    assert (call.view.status, call.view.ended) == (413, True)
    assert bool(call.view.content) is (method != b"HEAD")


def test_an_answer_of_the_server_s_own_has_its_fields_and_no_content_for_head() -> None:
    pair = Http2Pair(Settings(limit_request_body=1, default_fields=DefaultFields(b"tricorn", [(b"a", b"b")])))
    pair.settings.default_fields.set_date(b"Sun, 06 Nov 1994 08:49:37 GMT")
    pair.send(request(1, b"HEAD", fields=[(b"x", b"")] * 200))
    view = pair.view(1)
    assert (view.status, view.content, view.ended) == (431, b"", True)
    assert view.value(b"date") == b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert view.value(b"server") == b"tricorn"
    assert view.value(b"a") == b"b"


def test_an_unknown_frame_inside_a_field_block_ends_the_connection() -> None:
    """RFC 9113 §5.5: "extension frames that appear in the middle of a field block"."""
    pair = Http2Pair()
    octets = block(HEAD)
    pair.send(
        headers(1, octets[:5], end_headers=False)
        + frame(0xBE, 0, 1, b"?")
        + frame(CONTINUATION, 4, 1, octets[5:])
    )
    assert not pair.calls
    pair.expect_connection_error(Code.PROTOCOL_ERROR)
