"""h11 as the reader of heads and contents that passed the gate."""

from typing import Final

import pytest

from sansio import PeerError, Settings
from sansio.http1_h11 import H11Content, read_head
from sansio.scope import RequestHead

from .http1_octets import CHUNKED_HEAD, cut, head_of, octets

SETTINGS: Final = Settings()


def read(*lines: bytes) -> RequestHead:
    result = read_head(head_of(*lines))
    assert not isinstance(result, PeerError)
    return result[0]


def content_reader(head: bytes = CHUNKED_HEAD, settings: Settings = SETTINGS) -> H11Content:
    result = read_head(head)
    assert not isinstance(result, PeerError)
    return H11Content(result[1], result[0], settings)


def length_head(length: int) -> bytes:
    return head_of(b"POST / HTTP/1.1", b"Host: a", b"Content-Length: %d" % length)


def test_a_head_is_read() -> None:
    head = read(
        b"FOO http://b:80/x?y HTTP/1.2",
        b"HOST: a",
        b"X: \x80 ",
        b"x:",
        b"Connection: x, Close",
        b"TE: trailers",
    )

    assert head.method == "FOO"
    assert head.target == b"/x?y"
    assert head.version == "1.1"
    assert head.fields == [
        (b"host", b"b:80"),
        (b"x", b"\x80"),
        (b"x", b""),
        (b"connection", b"x, Close"),
        (b"te", b"trailers"),
    ]
    assert {type(part) for field in head.fields for part in field} == {bytes}
    assert type(head.target) is bytes
    assert head.content_length == 0
    assert (head.close, head.expects_continue, head.accepts_trailers) == (True, False, True)


def test_a_head_of_http_1_0_is_read() -> None:
    """RFC 9110 §10.1.1: the expectation of an HTTP/1.0 client is ignored."""
    head = read(b"POST / HTTP/1.0", b"Content-Length: 3", b"Expect: 100-continue")

    assert head.version == "1.0"
    assert head.content_length == 3
    assert head.close
    assert not head.expects_continue


def test_a_client_that_waits_before_it_sends_content_is_understood() -> None:
    """RFC 9110 §10.1.1."""
    assert read(
        b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 3", b"Expect: 100-continue"
    ).expects_continue


def test_a_large_head_is_no_matter_for_h11() -> None:
    assert len(read(b"GET / HTTP/1.1", b"Host: a", *[b"X: " + b"x" * 1000] * 1000).fields) == 1001


@pytest.mark.parametrize(
    "line",
    [b"no request line", b"GET / HTTP/1.1\r\nHost : a", b"GET / HTTP/1.1\r\nX: \x00"],
    ids=["line", "name", "value"],
)
def test_what_h11_cannot_read_is_refused(line: bytes) -> None:
    refusal = read_head(line + b"\r\n\r\n")

    assert isinstance(refusal, PeerError)
    assert refusal.status == 400


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"Transfer-Encoding: chunked", b"Content-Length: 1"], 400),
        ([b"Host: a"], 400),
        ([b"Expect: x"], 417),
    ],
    ids=["framing", "hosts", "expectation"],
)
def test_what_the_fields_mean_is_judged_again(lines: list[bytes], status: int) -> None:
    """h11 alone takes some of these (RFC 9112 §6.1)."""
    refusal = read_head(head_of(b"GET / HTTP/1.1", b"Host: a", *lines))

    assert isinstance(refusal, PeerError)
    assert refusal.status == status


def test_content_of_a_known_length_is_read() -> None:
    reader = content_reader(length_head(5))
    assert reader.remaining == 5

    assert reader.receive_data(b"--ab", 2) == b"ab"
    assert (reader.position, reader.remaining, reader.ended) == (4, 3, False)

    assert reader.receive_data(b"cdeGET", 0) == b"cde"
    assert (reader.position, reader.remaining, reader.ended) == (3, 0, True)
    assert reader.refusal is None


def test_a_length_of_many_petabytes_costs_nothing() -> None:
    reader = content_reader(length_head(10**18 - 1))

    assert reader.receive_data(b"abc", 0) == b"abc"
    assert reader.remaining == 10**18 - 4


CHUNKED: Final = {
    "empty": (b"0\r\n\r\n", b""),
    "one": (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
    "several": (b"3\r\nabc\r\n00a\r\n0123456789\r\n0\r\n\r\n", b"abc0123456789"),
    "line-ends-in-it": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
    "extensions": (b'3;a;b=c;d="\\";"\r\nabc\r\n0;z\r\n\r\n', b"abc"),
    "trailers": (b"3\r\nabc\r\n0\r\nX: y\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\n\r\n", b"abc"),
}


@pytest.mark.parametrize(("content", "expected"), CHUNKED.values(), ids=CHUNKED)
def test_content_in_chunks_is_read(content: bytes, expected: bytes) -> None:
    reader = content_reader()
    assert reader.remaining is None

    assert reader.receive_data(b"--" + content + b"GET", 2) == expected
    assert (reader.position, reader.ended, reader.refusal) == (2 + len(content), True, None)


@pytest.mark.parametrize(("content", "expected"), CHUNKED.values(), ids=CHUNKED)
def test_content_in_chunks_is_read_octet_by_octet(content: bytes, expected: bytes) -> None:
    reader = content_reader()

    received = b""
    for octet in octets(content):
        assert not reader.ended
        received += reader.receive_data(octet, 0)
        assert reader.refusal is None
        assert reader.position == 1
    assert received == expected
    assert reader.ended


@pytest.mark.parametrize("place", range(1, 20))
def test_a_trailer_section_may_come_in_any_number_of_reads(place: int) -> None:
    """A read that holds nothing but a part of the trailer section is not the end of the input."""
    reader = content_reader()
    pieces = cut(b"0\r\nX: y\r\nX: z\r\n\r\n", place, place + 3, place + 4)

    assert b"".join([reader.receive_data(piece, 0) for piece in pieces]) == b""
    assert (reader.ended, reader.refusal) == (True, None)


REFUSED: Final = {
    "size": (b"x\r\n", b"", 400),
    "size-after-a-chunk": (b"1\r\na\r\n-1\r\n", b"a", 400),
    "end-of-a-chunk": (b"1\r\nabc", b"a", 400),
    "extension-that-h11-would-take": (b"1;\r\na\r\n", b"", 400),
    "trailer": (b"1\r\na\r\n0\r\nX : y\r\n", b"a", 400),
    "trailers-without-end": (b"1\r\na\r\n0\r\nX: " + b"x" * 40_000, b"a", 431),
}


@pytest.mark.parametrize(("content", "before", "status"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("pieces", [1, 2], ids=["whole", "octets"])
def test_what_the_gate_refuses_is_refused(content: bytes, before: bytes, status: int, pieces: int) -> None:
    """What stood before the mistake is delivered in either case: limits count it."""
    reader = content_reader()

    received = b""
    for piece in [content] if pieces == 1 else octets(content):
        received += reader.receive_data(piece, 0)
        if reader.refusal is not None:
            break

    assert reader.refusal is not None
    assert reader.refusal.status == status
    assert received == before
    assert not reader.ended


def test_what_only_h11_refuses_is_refused_as_well() -> None:
    """No octets are known that the gate passes and h11 does not; another release of h11 may know some.

    So the two are made to disagree here: h11 was told that there are chunks, and the gate was not.
    """
    result = read_head(CHUNKED_HEAD)
    assert not isinstance(result, PeerError)
    reader = H11Content(result[1], RequestHead("POST", b"/", "1.1", [], content_length=9), SETTINGS)

    assert reader.receive_data(b"nothing\r\n", 0) == b""
    assert reader.refusal is not None
    assert reader.refusal.status == 400
