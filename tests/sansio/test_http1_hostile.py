"""What hostile clients send, and what comes of it: which answers, and which requests reach an application.

Each case is followed by one more request. Where the case is refused, that one must not be opened.
"""

from dataclasses import dataclass, replace
from typing import Final

import pytest

from sansio import Connection, InvalidMessage, Settings, TransportInfo

from .http1_octets import CHUNKED_HEAD, SMUGGLED, Conversation, converse, cut, head_of, octets

POST: Final = b"POST / HTTP/1.1"
HOST: Final = b"Host: a"
CHUNKED: Final = b"Transfer-Encoding: chunked"
LENGTH: Final = b"Content-Length: 5"
SETTINGS: Final = {"fast": Settings(), "h11": Settings(http1_reader="h11")}


@dataclass(frozen=True)
class Case:
    """Octets, and what they lead to: the contents of the requests in them, or a refusal's status at their end."""

    data: bytes
    contents: tuple[bytes, ...] = ()
    refusal: int | None = None
    opened: int = 0
    """Requests that were opened and then cut off by the refusal."""


def refused(data: bytes, status: int = 400, *before: bytes, opened: int = 0) -> Case:
    return Case(data, before, status, opened)


def bad_head(*lines: bytes, status: int = 400, start: bytes = POST) -> Case:
    return refused(head_of(start, HOST, *lines) + b"0\r\n\r\n", status)


def bad_chunks(data: bytes, status: int = 400) -> Case:
    return refused(CHUNKED_HEAD + data, status, opened=1)


def fine(data: bytes, *contents: bytes) -> Case:
    return Case(data, contents)


CASES: Final[dict[str, Case]] = {
    # Two lengths for one message. RFC 9112 §6.1, §6.3, §11.2.
    "length-and-coding": bad_head(LENGTH, CHUNKED),
    "coding-and-length": bad_head(CHUNKED, LENGTH),
    "two-lengths": bad_head(LENGTH, b"Content-Length: 6"),
    "two-equal-lengths": bad_head(LENGTH, LENGTH),
    "list-of-lengths": bad_head(b"Content-Length: 5, 5"),
    "two-codings": bad_head(CHUNKED, CHUNKED),
    "coding-in-http-1.0": bad_head(CHUNKED, start=b"POST / HTTP/1.0"),
    # Codings that somebody might take for chunked. RFC 9112 §6.1, §7.
    "xchunked": bad_head(b"Transfer-Encoding: xchunked"),
    "chunked-after-a-vertical-tab": bad_head(b"Transfer-Encoding: \x0bchunked"),
    "chunked-after-a-comma": bad_head(b"Transfer-Encoding: ,chunked"),
    "chunked-in-quotes": bad_head(b'Transfer-Encoding: "chunked"'),
    "chunked-with-a-parameter": bad_head(b"Transfer-Encoding: chunked;q=1"),
    "chunked-on-the-next-line": bad_head(b"Transfer-Encoding:\r\n chunked"),
    "chunked-behind-a-bare-cr": bad_head(b"X: y\rTransfer-Encoding: chunked"),
    "chunked-behind-a-bare-lf": bad_head(b"X: y\nTransfer-Encoding: chunked"),
    "chunked-not-last": bad_head(b"Transfer-Encoding: chunked, identity"),
    "empty-coding": bad_head(b"Transfer-Encoding:"),
    "identity": bad_head(b"Transfer-Encoding: identity"),
    "unknown-coding-then-chunked": bad_head(b"Transfer-Encoding: gzip, chunked", status=501),
    "space-before-the-colon-of-a-coding": bad_head(b"Transfer-Encoding : chunked"),
    "null-in-the-name-of-a-coding": bad_head(b"Transfer-Encoding\x00: chunked"),
    "white-space-around-chunked": fine(
        head_of(POST, HOST, b"Transfer-Encoding: \tchunked ") + b"1\r\na\r\n0\r\n\r\n", b"a"
    ),
    "underscore-is-another-field": fine(head_of(POST, HOST, b"Transfer_Encoding: chunked"), b""),
    # Lengths that somebody might read. RFC 9110 §8.6.
    **{
        f"length-{name}": bad_head(b"Content-Length: " + value)
        for name, value in {
            "plus": b"+5",
            "minus-zero": b"-0",
            "hexadecimal": b"0x5",
            "underscore": b"1_0",
            "list": b"5,6",
            "empty": b"",
            "of-20-digits": b"1" * 20,
            "not-ascii": b"\xb5",
            "space-inside": b"1 0",
            "null": b"5\x00",
        }.items()
    },
    "length-with-a-leading-zero-is-decimal": fine(
        head_of(POST, HOST, b"Content-Length: 010") + b"0123456789", b"0123456789"
    ),
    # Chunk sizes and extensions. RFC 9112 §7.1.
    **{
        f"chunk-size-{name}": bad_chunks(value + b"\r\nabcde\r\n0\r\n\r\n")
        for name, value in {
            "prefix": b"0x5",
            "plus": b"+5",
            "minus": b"-5",
            "underscore": b"0_5",
            "empty": b"",
            "junk": b"5g",
            "space-before": b" 5",
            "space-after": b"5 ",
            "beyond-64-bits": b"10000000000000005",
            "not-ascii": b"\xb5",
        }.items()
    },
    **{
        f"extension-{name}": bad_chunks(b"5" + value + b"\r\nabcde\r\n0\r\n\r\n")
        for name, value in {
            "empty": b";",
            "bare-lf": b";\n",
            "bare-cr": b";a\rb",
            "bare-cr-in-quotes": b';a="b\rc"',
            "bare-lf-in-quotes": b';a="b\nc"',
            "null": b";a=\x00",
            "quotes-left-open": b';a="b',
            "space-before": b" ;a",
        }.items()
    },
    "chunk-line-ended-by-lf": bad_chunks(b"5\nabcde\r\n0\r\n\r\n"),
    "chunk-ended-by-lf": bad_chunks(b"5\r\nabcde\n0\r\n\r\n"),
    "chunk-ended-by-cr": bad_chunks(b"5\r\nabcde\r0\r\n\r\n"),
    "chunk-ended-by-any-two-octets": bad_chunks(b"5\r\nabcdeXX0\r\n\r\n"),
    "chunk-longer-than-it-says": bad_chunks(b"5\r\nabcdef\r\n0\r\n\r\n"),
    "chunk-shorter-than-it-says": bad_chunks(b"5\r\nabcd\r\n0\r\n\r\n"),
    "last-chunk-ended-by-lf": bad_chunks(b"0\n\n"),
    "trailers-ended-by-lf": bad_chunks(b"0\r\n\n"),
    "good-extensions": fine(
        CHUNKED_HEAD + b'5;a;b="c;\\"" ; d=e\r\nabcde\r\n0;z\r\n\r\n'.replace(b'" ;', b'";'), b"abcde"
    ),
    # Trailer sections. RFC 9110 §6.5; RFC 9112 §7.1.2.
    "trailers-that-frame": fine(
        CHUNKED_HEAD
        + b"1\r\na\r\n"
        + head_of(b"0", b"Content-Length: 9", b"Transfer-Encoding: x", b"Host: b", b"Authorization: c"),
        b"a",
    ),
    "trailer-without-a-colon": bad_chunks(b"0\r\nX\r\n\r\n"),
    "trailer-with-a-space": bad_chunks(b"0\r\nX : y\r\n\r\n"),
    "trailer-that-is-folded": bad_chunks(b"0\r\nX: y\r\n z\r\n\r\n"),
    "trailer-with-a-null": bad_chunks(b"0\r\nX: \x00\r\n\r\n"),
    # Line ends and lines. RFC 9112 §2.2, §5.
    "bare-lf-after-the-request-line": refused(b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    "bare-lf-after-a-field": refused(b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
    "bare-lf-at-the-end-of-a-head": refused(b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    "all-bare-lf": refused(b"GET / HTTP/1.1\nHost: a\n\n"),
    "cr-at-the-end-of-a-head": refused(b"GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n"),
    "cr-cr-lf": refused(b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
    "space-before-the-first-field": refused(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    "space-before-the-colon": bad_head(b"X : y"),
    "no-colon": bad_head(b"X"),
    "no-name": bad_head(b": y"),
    "folded": bad_head(b"X: y\r\n z"),
    "folded-name": bad_head(b"X\r\n : y"),
    "null-in-a-value": bad_head(b"X: \x00"),
    "escape-in-a-value": bad_head(b"X: \x1b[2J"),
    "form-feed-in-a-value": bad_head(b"X: a\x0cb"),
    "delete-in-a-value": bad_head(b"X: \x7f"),
    # The request line. RFC 9112 §2.3, §3.
    "http-0.9": refused(b"GET /\r\n\r\n"),
    "http-0.9-as-text": bad_head(start=b"GET / HTTP/0.9", status=505),
    "http-2.0-as-text": bad_head(start=b"GET / HTTP/2.0", status=505),
    "preface-of-http-2": refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "connect": refused(head_of(b"CONNECT a:80 HTTP/1.1", HOST), 501),
    "trace": refused(head_of(b"TRACE / HTTP/1.1", HOST), 501),
    "lower-case-method": refused(head_of(b"get / HTTP/1.1", HOST), 501),
    "tls": refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "two-spaces": refused(head_of(b"GET  / HTTP/1.1", HOST)),
    "tab": refused(head_of(b"GET\t/ HTTP/1.1", HOST)),
    "asterisk-of-get": refused(head_of(b"GET * HTTP/1.1", HOST)),
    "other-scheme": refused(head_of(b"GET file://a/etc HTTP/1.1", HOST)),
    "raw-control-character-in-the-target": refused(head_of(b"GET /\x01 HTTP/1.1", HOST)),
    "raw-high-octet-in-the-target": refused(head_of(b"GET /\xc0\xaf HTTP/1.1", HOST)),
    "empty-lines-first": fine(b"\r\n\r\n" + head_of(b"GET / HTTP/1.1", HOST), b""),
    "empty-lines-without-end": refused(b"\r\n" * 50),
    # Host. RFC 9112 §3.2.
    "no-host": refused(head_of(b"GET / HTTP/1.1")),
    "no-host-in-a-later-minor-version": refused(head_of(b"GET / HTTP/1.2")),
    "two-hosts": bad_head(HOST),
    "host-with-user-information": refused(head_of(b"GET / HTTP/1.1", b"Host: u@a")),
    "host-with-a-path": refused(head_of(b"GET / HTTP/1.1", b"Host: a/b?c#d")),
    "list-of-hosts": refused(head_of(b"GET / HTTP/1.1", b"Host: a, b")),
    "absolute-form-with-user-information": refused(head_of(b"GET http://u@a/ HTTP/1.1", HOST)),
    "bad-host-beside-an-absolute-form": refused(head_of(b"GET http://a/ HTTP/1.1", b"Host: a b")),
    # Content in requests where one may not expect it. RFC 9112 §6.
    "get-with-content": fine(head_of(b"GET / HTTP/1.1", HOST, LENGTH) + b"GET /", b"GET /"),
    "delete-with-chunks": fine(head_of(b"DELETE / HTTP/1.1", HOST, CHUNKED) + b"1\r\na\r\n0\r\n\r\n", b"a"),
    "content-that-looks-like-a-request": fine(
        head_of(POST, HOST, b"Content-Length: %d" % len(SMUGGLED)) + SMUGGLED, SMUGGLED
    ),
    "chunk-that-looks-like-a-request": fine(
        CHUNKED_HEAD + b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED), SMUGGLED
    ),
    "content-in-http-1.2": fine(head_of(b"POST / HTTP/1.2", HOST, CHUNKED) + b"1\r\na\r\n0\r\n\r\n", b"a"),
    "upgrade-to-what-we-do-not-speak": fine(
        head_of(POST, HOST, LENGTH, b"Connection: Upgrade", b"Upgrade: foo/2") + b"abcde", b"abcde"
    ),
    "upgrade-to-http-2": fine(
        head_of(
            b"GET / HTTP/1.1",
            HOST,
            b"Connection: Upgrade, HTTP2-Settings",
            b"Upgrade: h2c",
            b"HTTP2-Settings: AAMAAABk",
        ),
        b"",
    ),
    "other-expectation": bad_head(b"Expect: coffee", status=417),
    # The second of two requests.
    "bad-request-behind-a-good-one": refused(
        SMUGGLED.replace(b"smuggled", b"good") + b"GET / HTTP/1.1\r\n\r\n", 400, b""
    ),
    "bad-chunks-behind-a-good-request": refused(
        SMUGGLED.replace(b"smuggled", b"good") + CHUNKED_HEAD + b"x\r\n", 400, b"", opened=1
    ),
    "empty-lines-between-requests": fine((head_of(b"GET / HTTP/1.1", HOST) + b"\r\n" * 4) * 3, b"", b"", b""),
}


def check(case: Case, result: Conversation) -> None:
    opened = [*case.contents, *[None] * case.opened]
    if case.refusal is None:
        assert result.statuses == [200] * (len(opened) + 1)
        assert result.contents == [*opened, b""]
        assert result.targets[-1] == b"/smuggled"
        assert result.status is None
        assert not result.write_ended
    else:
        assert result.statuses == [200] * len(case.contents) + [case.refusal]
        assert result.contents == opened
        assert b"/smuggled" not in result.targets
        assert result.status == case.refusal
        assert b"\r\nconnection: close\r\n" in result.sent
        assert result.write_ended


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("reader", SETTINGS)
@pytest.mark.parametrize("slow", [False, True], ids=["whole", "octets"])
def test_nothing_is_read_in_two_ways(case: Case, reader: str, slow: bool) -> None:
    data = case.data + SMUGGLED

    check(case, converse(octets(data) if slow else [data], SETTINGS[reader]))


@pytest.mark.parametrize(
    "data",
    [
        b"G",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        head_of(POST, HOST, LENGTH) + b"abcd",
        CHUNKED_HEAD + b"5\r\nabcde\r\n0\r\n",
    ],
    ids=["request-line", "head", "content", "chunks"],
)
@pytest.mark.parametrize("reader", SETTINGS)
def test_a_request_cut_short_is_never_taken_for_a_whole_one(data: bytes, reader: str) -> None:
    """RFC 9112 §6.3, §8."""
    for pieces in ([data], octets(data)):
        result = converse(pieces, SETTINGS[reader], ended=True)

        assert result.statuses == [400]
        assert result.contents in ([], [None])
        assert result.closed


def test_trailers_never_reach_the_application() -> None:
    """RFC 9110 §6.5.1: no trailer is merged into the header section."""
    case = CASES["trailers-that-frame"]

    for settings in SETTINGS.values():
        result = converse([case.data], settings)
        assert result.calls[0].scope["headers"] == [(b"host", b"a"), (b"transfer-encoding", b"chunked")]


def test_high_octets_in_a_value_are_kept_as_they_are() -> None:
    """RFC 9110 §5.5: "opaque data". 0x85 and 0xa0 are no white space."""
    for settings in SETTINGS.values():
        result = converse([head_of(b"GET / HTTP/1.1", HOST, b"X: \x85\xa0y\xa0\x85")], settings)
        assert result.calls[0].scope["headers"][1] == (b"x", b"\x85\xa0y\xa0\x85")


def test_fields_that_should_stand_once_are_passed_on_as_they_are() -> None:
    lines = (b"Content-Type: a", b"Content-Type: b", b"Authorization: c", b"Authorization: d")
    for settings in SETTINGS.values():
        result = converse([head_of(b"GET / HTTP/1.1", HOST, *lines)], settings)
        assert [value for _, value in result.calls[0].scope["headers"]] == [b"a", b"a", b"b", b"c", b"d"]


def test_the_authority_of_the_target_is_what_the_application_sees_as_host() -> None:
    """RFC 9112 §3.2.2. The scheme in the target does not change the scope's."""
    result = converse([head_of(b"GET https://b:81/x?y HTTP/1.1", b"X: z", b"Host: a")])

    scope = result.calls[0].scope
    assert scope["headers"] == [(b"host", b"b:81"), (b"x", b"z")]
    assert (scope["scheme"], scope["raw_path"], scope["query_string"]) == ("http", b"/x", b"y")


PATHS: Final = {
    "two-slashes": (b"//evil", "//evil"),
    "escaped-slash": (b"/..%2f..", "/../.."),
    "dots": (b"/a/../b/./c", "/a/../b/./c"),
    "null": (b"/%00", "/\0"),
    "line-end": (b"/%0d%0aX:%20y", "/\r\nX: y"),
    "overlong": (b"/%c0%af", "/\ufffd\ufffd"),
    "one-decoding-only": (b"/%252e", "/%2e"),
    "broken-escape": (b"/%zz%4", "/%zz%4"),
    "backslash": (b"/a\\b", "/a\\b"),
    "semicolon": (b"/a;b=c", "/a;b=c"),
    "utf-8": (b"/%c3%a4", "/\xe4"),
}


@pytest.mark.parametrize(("raw", "path"), PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("reader", SETTINGS)
def test_targets_are_decoded_once_and_never_normalised(raw: bytes, path: str, reader: str) -> None:
    result = converse([head_of(b"GET %b?%%0d HTTP/1.1" % raw, HOST)], SETTINGS[reader])

    scope = result.calls[0].scope
    assert (scope["raw_path"], scope["path"], scope["query_string"]) == (raw, path, b"%0d")


def test_a_decoded_line_end_cannot_go_out_in_a_field() -> None:
    connection = Connection(TransportInfo(), Settings(), 0.0)
    connection.receive_data(head_of(b"GET /%0d%0aSet-Cookie:x HTTP/1.1", HOST), 0.0)
    [exchange] = connection.take_ready()
    location = exchange.scope["path"].encode()

    with pytest.raises(InvalidMessage):
        exchange.send(
            {"type": "http.response.start", "status": 302, "headers": [(b"location", location)]}, 0.0
        )

    assert connection.data_to_send() == b""


# Content that nobody reads.

LENGTH_OF_SMUGGLED: Final = b"Content-Length: %d" % len(SMUGGLED)


@pytest.mark.parametrize("start", [b"POST /none HTTP/1.1", b"GET /none HTTP/1.1"])
@pytest.mark.parametrize("slow", [False, True], ids=["whole", "octets"])
@pytest.mark.parametrize("reader", SETTINGS)
def test_unread_content_is_read_away_and_never_taken_for_a_request(
    start: bytes, slow: bool, reader: str
) -> None:
    """RFC 9112 §9.3: read it, or close the connection."""
    data = head_of(start, HOST, LENGTH_OF_SMUGGLED) + SMUGGLED + head_of(b"GET /next HTTP/1.1", HOST)

    result = converse(octets(data) if slow else [data], SETTINGS[reader], eager=True)

    assert result.targets == [b"/none", b"/next"]
    assert result.statuses == [200, 200]


@pytest.mark.parametrize("place", range(1, 40))
def test_unread_chunks_are_never_taken_for_a_request(place: int) -> None:
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)

    result = converse([CHUNKED_HEAD, *cut(chunks + SMUGGLED, place)], eager=True)

    assert result.targets == [b"/c"]
    assert result.statuses == [200]
    assert b"\r\nconnection: close\r\n" in result.sent
    assert result.write_ended


def test_more_unread_content_than_is_read_away_ends_the_connection() -> None:
    head = head_of(POST, HOST, b"Content-Length: 1000000")

    result = converse([head, SMUGGLED], eager=True)

    assert result.targets == [b"/"]
    assert b"\r\nconnection: close\r\n" in result.sent
    assert result.write_ended


def test_a_client_that_was_never_told_to_continue_is_told_that_the_connection_ends() -> None:
    """RFC 9110 §10.1.1: nobody knows whether its content will come, so nothing after it can be a request."""
    head = head_of(POST, HOST, LENGTH_OF_SMUGGLED, b"Expect: 100-continue")

    result = converse([head, SMUGGLED], eager=True)

    assert result.targets == [b"/"]
    assert result.statuses == [200]
    assert b"\r\nconnection: close\r\n" in result.sent
    assert result.write_ended


def test_a_client_whose_content_is_wanted_is_told_to_continue() -> None:
    """RFC 9110 §10.1.1, §15.2.1."""
    result = converse([head_of(POST, HOST, LENGTH, b"Expect: 100-continue"), b"abcde", SMUGGLED])

    assert result.statuses == [100, 200, 200]
    assert result.contents == [b"abcde", b""]


@pytest.mark.parametrize("data", [SMUGGLED, b"GET / HTTP/1.1\n", b"\x00" * 100], ids=["good", "bad", "junk"])
@pytest.mark.parametrize("slow", [False, True], ids=["whole", "octets"])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_what_follows_a_request_that_closes_is_not_read(data: bytes, slow: bool, version: bytes) -> None:
    """RFC 9112 §9.6: a server "MUST NOT process any further requests received on that connection"."""
    first = head_of(b"GET /first HTTP/" + version, HOST, b"Connection: x, Close")

    result = converse(octets(first + data) if slow else [first + data])

    assert result.targets == [b"/first"]
    assert result.statuses == [200]
    assert result.status is None
    assert b"\r\nconnection: close\r\n" in result.sent


def test_a_bad_request_waits_until_the_response_before_it_is_complete() -> None:
    """RFC 9112 §9.3.2: responses come in the order of the requests."""
    connection = Connection(TransportInfo(), Settings(), 0.0)
    connection.receive_data(SMUGGLED + b"GET / HTTP/9.9\r\n\r\n" + SMUGGLED, 0.0)
    [exchange] = connection.take_ready()
    exchange.send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}, 0.0)
    exchange.send({"type": "http.response.body", "body": b"a", "more_body": True}, 0.0)
    assert connection.data_to_send().endswith(b"\r\n\r\na")

    exchange.send({"type": "http.response.body", "body": b"b"}, 0.0)
    exchange.finish(None, 0.0)

    assert connection.data_to_send().startswith(b"bHTTP/1.1 505 ")
    assert [other for other in connection.take_ready() if other is not exchange] == []


@pytest.mark.parametrize("fault", [b"x\r\n", b"0\r\n\n"])
def test_bad_content_cuts_off_a_response_that_has_begun(fault: bytes) -> None:
    """No second status line is mixed into a response, and its end is not faked."""
    connection = Connection(TransportInfo(), Settings(), 0.0)
    connection.receive_data(CHUNKED_HEAD, 0.0)
    [exchange] = connection.take_ready()
    exchange.send({"type": "http.response.start", "status": 200}, 0.0)
    exchange.send({"type": "http.response.body", "body": b"a", "more_body": True}, 0.0)
    connection.data_to_send()

    connection.receive_data(fault + SMUGGLED, 0.0)

    assert connection.data_to_send() == b""
    assert exchange.disconnected
    assert connection.write_ended
    assert connection.error is not None
    assert connection.error.status is None


@pytest.mark.parametrize("reader", SETTINGS)
@pytest.mark.parametrize(
    "lines",
    [[b"Content-Length: 99"], [b"Content-Length: 99", b"Transfer-Encoding: x"], [b"X : y"]],
    ids=["content-too-large", "framing", "field"],
)
@pytest.mark.parametrize("target", [b"/", b"http://a/"], ids=["plain", "absolute-form"])
def test_a_refused_head_request_gets_no_content(lines: list[bytes], reader: str, target: bytes) -> None:
    """RFC 9110 §9.3.2: "the server MUST NOT send content in the response" to HEAD."""
    settings = replace(SETTINGS[reader], limit_request_body=10)
    data = head_of(b"HEAD %b HTTP/1.1" % target, HOST, *lines)

    for pieces in ([data], octets(data)):
        result = converse(pieces, settings)
        assert len(result.statuses) == 1
        assert result.sent.endswith(b"\r\n\r\n")
