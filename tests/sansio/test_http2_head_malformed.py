"""Requests that are malformed: the stream is reset, no application hears of it, and other streams go on.

Source: RFC 9113 §8.1.1, §8.2, §8.3, §8.5; RFC 8441 §4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from tests.peers import Code, block, data, headers, in_pieces, rst
from tests.sansio.http2_client import Http2Pair

METHOD: Final = (b":method", b"GET")
SCHEME: Final = (b":scheme", b"https")
AUTHORITY: Final = (b":authority", b"server.example")
PATH: Final = (b":path", b"/")
HEAD: Final = (METHOD, SCHEME, AUTHORITY, PATH)


def with_path(path: bytes, method: bytes = b"GET") -> Sequence[tuple[bytes, bytes]]:
    return ((b":method", method), SCHEME, AUTHORITY, (b":path", path))


def with_authority(authority: bytes) -> Sequence[tuple[bytes, bytes]]:
    return (METHOD, SCHEME, (b":authority", authority), PATH)


MALFORMED: Final = {
    # RFC 9113 §8.3.1: "exactly one valid value for the ":method", ":scheme", and ":path"".
    "no method": (SCHEME, AUTHORITY, PATH),
    "no scheme": (METHOD, AUTHORITY, PATH),
    "no path": (METHOD, SCHEME, AUTHORITY),
    "neither an authority nor a host": (METHOD, SCHEME, PATH),
    "no pseudo-header field": ((b"host", b"server.example"),),
    "no field": (),
    "two methods": (METHOD, *HEAD),
    "two schemes": (SCHEME, *HEAD),
    "two paths": (PATH, *HEAD),
    "two authorities": (AUTHORITY, *HEAD),
    "two different methods": ((b":method", b"POST"), *HEAD),
    # §8.3: "Endpoints MUST treat a request or response that contains undefined or invalid pseudo-header fields as
    # malformed", and they come before regular fields.
    "unknown pseudo-header field": (*HEAD, (b":unknown", b"1")),
    "a status": (*HEAD, (b":status", b"200")),
    "a nameless pseudo-header field": (*HEAD, (b":", b"1")),
    "pseudo-header field behind a field": (METHOD, SCHEME, AUTHORITY, (b"x", b"y"), PATH),
    "authority behind a field": (METHOD, SCHEME, PATH, (b"x", b"y"), AUTHORITY),
    # §8.3.1: the path is not empty, starts with "/", or is "*" for OPTIONS.
    "empty path": with_path(b""),
    "path without a slash": with_path(b"foo"),
    "path with a space": with_path(b"/a b"),
    "path that is a request line": with_path(b"/ HTTP/1.1"),
    "path with a line end": with_path(b"/\r\nx: y"),
    "path with a NUL": with_path(b"/\x00"),
    "path with a control character": with_path(b"/\x7f"),
    "path that is not ASCII": with_path(b"/\xff"),
    "path with a fragment": with_path(b"/a#b"),
    "path that is absolute": with_path(b"https://server.example/"),
    "path that is an authority": with_path(b"server.example:443"),
    "asterisk with GET": with_path(b"*"),
    "asterisk and more": with_path(b"*/a", b"OPTIONS"),
    # A method is a token (RFC 9110 §9.1).
    "empty method": with_path(b"/", b""),
    "method that is a request line": with_path(b"/", b"GET /x HTTP/1.1"),
    "method with a space": with_path(b"/", b" GET"),
    "method with a colon": with_path(b"/", b"GE:T"),
    "method with a line end": with_path(b"/", b"GET\r\n"),
    "method that is not ASCII": with_path(b"/", b"G\xc3\x8bT"),
    # A scheme is ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) (RFC 3986 §3.1).
    "empty scheme": (METHOD, (b":scheme", b""), AUTHORITY, PATH),
    "scheme with more": (METHOD, (b":scheme", b"https://a"), AUTHORITY, PATH),
    "scheme with a space": (METHOD, (b":scheme", b"ht tp"), AUTHORITY, PATH),
    "scheme that begins with a digit": (METHOD, (b":scheme", b"1http"), AUTHORITY, PATH),
    # §8.3.1: "":authority" MUST NOT include the deprecated userinfo subcomponent".
    "empty authority": with_authority(b""),
    "userinfo": with_authority(b"user@server.example"),
    "authority with a password": with_authority(b"user:pass@server.example"),
    "authority with a space": with_authority(b"server.example /"),
    "authority with a path": with_authority(b"server.example/x"),
    "authority with a question mark": with_authority(b"server.example?x"),
    "authority with a bad port": with_authority(b"server.example:http"),
    "authority with a port too large": with_authority(b"server.example:65536"),
    "authority with an open bracket": with_authority(b"[::1"),
    "authority with a bad address": with_authority(b"[::g]"),
    "authority with a comma": with_authority(b"a.example,b.example"),
    "authority that is not ASCII": with_authority(b"b\xc3\xbccher.example"),
    # §8.3.1: "a Host header field that identifies an entity that differs from the entity in the ":authority"".
    "another host": (*HEAD, (b"host", b"evil.example")),
    "another port in the host": (*HEAD, (b"host", b"server.example:8080")),
    "two hosts": (METHOD, SCHEME, PATH, (b"host", b"server.example"), (b"host", b"server.example")),
    "two hosts beside an authority": (*HEAD, (b"host", b"server.example"), (b"host", b"evil.example")),
    # §8.2.1: names.
    "empty name": (*HEAD, (b"", b"x")),
    "name in upper case": (*HEAD, (b"X-Upper", b"x")),
    "name with one upper-case letter": (*HEAD, (b"x-uppeR", b"x")),
    "name with a space": (*HEAD, (b"x y", b"x")),
    "name with a colon": (*HEAD, (b"x:y", b"x")),
    "name with a line end": (*HEAD, (b"x\r\ny", b"x")),
    "name with a NUL": (*HEAD, (b"x\x00", b"x")),
    "name with a DEL": (*HEAD, (b"x\x7f", b"x")),
    "name that is not ASCII": (*HEAD, (b"x\xc3\xa4", b"x")),
    "name that is no token": (*HEAD, (b"a(b", b"x")),
    "name with a comma": (*HEAD, (b"a,b", b"x")),
    # §8.2.1: values.
    "value with a line feed": (*HEAD, (b"x", b"a\nb")),
    "value with a carriage return": (*HEAD, (b"x", b"a\rb")),
    "value with a smuggled field": (*HEAD, (b"x", b"a\r\ntransfer-encoding: chunked")),
    "value with a NUL": (*HEAD, (b"x", b"a\x00b")),
    "value with a control character": (*HEAD, (b"x", b"a\x01b")),
    "value with an escape": (*HEAD, (b"x", b"\x1b[2J")),
    "value with a DEL": (*HEAD, (b"x", b"a\x7f")),
    "value with a space before it": (*HEAD, (b"x", b" a")),
    "value with a space behind it": (*HEAD, (b"x", b"a ")),
    "value with a tab before it": (*HEAD, (b"x", b"\ta")),
    "value with a tab behind it": (*HEAD, (b"x", b"a\t")),
    "value that is a space": (*HEAD, (b"x", b" ")),
    # §8.2.2: "connection-specific header fields".
    "connection": (*HEAD, (b"connection", b"close")),
    "connection, empty": (*HEAD, (b"connection", b"")),
    "proxy-connection": (*HEAD, (b"proxy-connection", b"keep-alive")),
    "keep-alive": (*HEAD, (b"keep-alive", b"timeout=5")),
    "transfer-encoding": (*HEAD, (b"transfer-encoding", b"chunked")),
    "transfer-encoding: identity": (*HEAD, (b"transfer-encoding", b"identity")),
    "upgrade": (*HEAD, (b"upgrade", b"websocket")),
    "te that is not trailers": (*HEAD, (b"te", b"gzip")),
    "te with more than trailers": (*HEAD, (b"te", b"trailers, gzip")),
    "te: chunked": (*HEAD, (b"te", b"chunked")),
    # RFC 9110 §8.6.
    "content-length with a sign": (*HEAD, (b"content-length", b"+0")),
    "negative content-length": (*HEAD, (b"content-length", b"-1")),
    "content-length that is no number": (*HEAD, (b"content-length", b"0x0")),
    "empty content-length": (*HEAD, (b"content-length", b"")),
    "two content-lengths": (*HEAD, (b"content-length", b"0"), (b"content-length", b"1")),
    "content-length with different members": (*HEAD, (b"content-length", b"0, 1")),
    # §8.1.1: "the value of the Content-Length header field does not equal the sum of the DATA frame payload lengths".
    "content-length without content": (*HEAD, (b"content-length", b"5")),
    # §8.5: a CONNECT request has a method and an authority, and nothing else.
    "CONNECT with a path": ((b":method", b"CONNECT"), AUTHORITY, PATH),
    "CONNECT with a scheme": ((b":method", b"CONNECT"), AUTHORITY, SCHEME),
    "CONNECT without an authority": ((b":method", b"CONNECT"),),
    # RFC 8441 §4.
    "protocol with GET": (*HEAD, (b":protocol", b"websocket")),
    "extended CONNECT without a scheme": (
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        AUTHORITY,
        PATH,
    ),
    "extended CONNECT without a path": (
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        AUTHORITY,
        SCHEME,
    ),
    "extended CONNECT without an authority": (
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        SCHEME,
        PATH,
    ),
    "two protocols": (
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        (b":protocol", b"websocket"),
        SCHEME,
        AUTHORITY,
        PATH,
    ),
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_request_ends_its_stream_and_no_other(fields: Sequence[tuple[bytes, bytes]]) -> None:
    """RFC 9113 §8.1.1: "MUST be treated as a stream error (Section 5.4.2) of type PROTOCOL_ERROR"."""
    pair = Http2Pair()
    other = pair.open(b"POST", end=False)
    pair.send(headers(3, fields))
    assert len(pair.calls) == 1
    assert [(frame.stream, frame.number) for frame in pair.take_frames()] == [(3, Code.PROTOCOL_ERROR)]
    pair.upload(1, b"content", end=True)
    assert other.take() == (b"content", True)
    other.respond(b"answer")
    assert other.view.content == b"answer"
    pair.expect_stream_error(3, Code.PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "fields",
    [
        with_path(b"/", b"CONNECT"),
        (*HEAD, (b":protocol", b"websocket")),
        with_path(b"/\xff"),
        (*HEAD, (b"x", b"\x00")),
        (),
    ],
    ids=["connect", "protocol", "path", "value", "nothing"],
)
def test_a_malformed_request_whose_content_follows_is_reset_once(
    fields: Sequence[tuple[bytes, bytes]],
) -> None:
    """RFC 9113 §5.4.2: what was in flight when the stream was reset is ignored; its window comes back."""
    pair = Http2Pair()
    pair.send(headers(1, fields, end_stream=False), data(1, b"a" * 1000), data(1, b"b", end_stream=True))
    pair.expect_stream_error(1, Code.PROTOCOL_ERROR)


def test_a_malformed_request_that_its_client_resets_is_left_alone() -> None:
    """RFC 9113 §5.4.2: "To avoid looping, an endpoint MUST NOT send a RST_STREAM in response to a RST_STREAM"."""
    pair = Http2Pair()
    pair.send(headers(1, HEAD[1:], end_stream=False) + rst(1))
    assert not pair.calls
    pair.expect_stream_error(1, Code.PROTOCOL_ERROR)


def test_a_malformed_request_in_pieces_is_malformed() -> None:
    pair = Http2Pair()
    octets = block((*HEAD, (b"X", b"y")))
    pair.send(in_pieces(1, [octets[:1], octets[1:9], b"", octets[9:]]))
    assert not pair.calls
    pair.expect_stream_error(1, Code.PROTOCOL_ERROR)


TRAILERS: Final = {
    "a pseudo-header field": ((b":path", b"/"),),
    "a status": ((b":status", b"200"),),
    "a pseudo-header field behind a field": ((b"x", b"y"), (b":method", b"GET")),
    "a name in upper case": ((b"X", b"y"),),
    "a name that is no token": ((b"a b", b"y"),),
    "a control character": ((b"x", b"a\r\nb"),),
    "a connection field": ((b"connection", b"close"),),
    "transfer-encoding": ((b"transfer-encoding", b"chunked"),),
}


@pytest.mark.parametrize("fields", TRAILERS.values(), ids=TRAILERS)
def test_malformed_trailers_take_the_request_from_its_application(
    fields: Sequence[tuple[bytes, bytes]],
) -> None:
    """RFC 9113 §8.1: "Trailers MUST NOT include pseudo-header fields". §8.2 holds for them too."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    pair.upload(1, b"content")
    pair.send(headers(1, fields))
    assert call.is_disconnected()
    call.finish()
    pair.expect_stream_error(1, Code.PROTOCOL_ERROR)


def test_trailers_that_do_not_end_the_request_take_it_from_its_application() -> None:
    """RFC 9113 §8.1: a second HEADERS frame without END_STREAM makes the request malformed."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    pair.send(headers(1, [(b"x", b"y")], end_stream=False))
    assert call.is_disconnected()
    call.finish()
    pair.expect_stream_error(1, Code.PROTOCOL_ERROR)
