"""Cuts: every case at every place, and every limit at the octet before it, on it and behind it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from sansio import Settings

from .http1_octets import CHUNKED_HEAD, SMUGGLED, converse, cut, head_of, octets
from .test_http1_hostile import CASES

READERS: Final = {"fast": Settings(), "h11": Settings(http1_reader="h11")}


@pytest.mark.parametrize("data", [case.data for case in CASES.values()], ids=CASES)
@pytest.mark.parametrize("reader", READERS)
def test_every_cut_in_two_gives_the_same_results(data: bytes, reader: str) -> None:
    data += SMUGGLED
    expected = converse([data]).comparable()

    for place in range(len(data)):
        assert converse(cut(data, place), READERS[reader]).comparable() == expected, cut(data, place)


@pytest.mark.parametrize("size", [2, 3, 7, 16])
@pytest.mark.parametrize("reader", READERS)
def test_every_size_of_read_gives_the_same_results(size: int, reader: str) -> None:
    for case in CASES.values():
        data = case.data + SMUGGLED
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        assert converse(pieces, READERS[reader]).comparable() == converse([data]).comparable(), pieces


@pytest.mark.parametrize("reader", READERS)
def test_trailers_cut_in_three_give_the_same_results(reader: str) -> None:
    section = b"0\r\nX: y\r\nZ:\r\n\r\n"
    before = len(CHUNKED_HEAD)
    data = CHUNKED_HEAD + section + SMUGGLED
    expected = converse([data]).comparable()

    for first in range(before, before + len(section)):
        for second in range(first, before + len(section) + 1):
            assert converse(cut(data, first, second), READERS[reader]).comparable() == expected


HEAD: Final = b"POST /%b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
START: Final = len(HEAD) - 2


def limited_head(size: int) -> bytes:
    return HEAD % (b"x" * (size - START)) + b"0\r\n\r\n"


def limited_fields(count: int) -> bytes:
    return head_of(b"POST / HTTP/1.1", b"Host: a", *[b"X:"] * (count - 1))


def limited_extensions(size: int) -> bytes:
    return CHUNKED_HEAD + b"1;abc\r\na\r\n0;%b\r\n\r\n" % (b"x" * (size - 5))


def limited_trailers(size: int) -> bytes:
    return CHUNKED_HEAD + b"0\r\nX: y\r\nY: %b\r\n\r\n" % (b"x" * (size - 13))


def limited_trailer_fields(count: int) -> bytes:
    return CHUNKED_HEAD + b"0\r\n" + b"X:\r\n" * count + b"\r\n"


def limited_length(size: int) -> bytes:
    return head_of(b"POST / HTTP/1.1", b"Host: a", b"Content-Length: %d" % size) + b"x" * size


def limited_chunks(size: int) -> bytes:
    return CHUNKED_HEAD + b"3\r\nabc\r\n%x\r\n%b\r\n0\r\n\r\n" % (size - 3, b"x" * (size - 3))


def limited_request_line(size: int) -> bytes:
    return b"GET /" + b"x" * (size - 5)


TIGHT: Final = Settings(
    limit_request_head=80, limit_request_fields=4, limit_chunk_extensions=9, limit_request_body=20
)
WITH_READER: Final = {"fast": TIGHT, "h11": replace(TIGHT, http1_reader="h11")}
LIMITS: Final = {
    "head": (limited_head, 80, 431),
    "fields": (limited_fields, 4, 431),
    "extensions": (limited_extensions, 9, 400),
    "trailer-section": (limited_trailers, 80, 431),
    "trailer-fields": (limited_trailer_fields, 4, 431),
    "length": (limited_length, 20, 413),
    "chunks": (limited_chunks, 20, 413),
}


@pytest.mark.parametrize(("make", "limit", "status"), LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("over", [-1, 0, 1, 2])
@pytest.mark.parametrize("reader", READERS)
def test_limits_hold_to_the_octet_however_the_octets_come(
    make: Callable[[int], bytes], limit: int, status: int, over: int, reader: str
) -> None:
    data = make(limit + over) + SMUGGLED
    settings = WITH_READER[reader]
    expected = converse([data], TIGHT)
    assert expected.statuses == ([status] if over > 0 else [200, 200])

    assert converse(octets(data), settings).comparable() == expected.comparable()
    for place in range(len(data)):
        assert converse(cut(data, place), settings).comparable() == expected.comparable()


@pytest.mark.parametrize("over", [-1, 0, 1, 2])
@pytest.mark.parametrize("reader", READERS)
def test_the_limit_of_a_request_line_holds_before_its_end_has_come(over: int, reader: str) -> None:
    """RFC 9110 §15.5.15."""
    data = limited_request_line(80 + over)
    settings = WITH_READER[reader]

    for pieces in ([data], octets(data), *[cut(data, place) for place in range(len(data))]):
        assert converse(pieces, settings).statuses == ([414] if over > 0 else [])


@pytest.mark.parametrize("over", [-1, 0, 1, 2])
@pytest.mark.parametrize("reader", READERS)
def test_the_limit_of_a_chunk_line_holds_to_the_octet(over: int, reader: str) -> None:
    line = b"1;a=" + b"x" * (4_096 + over - 6) + b"\r\n"
    data = CHUNKED_HEAD + line + b"a\r\n0\r\n\r\n"
    start = len(CHUNKED_HEAD)
    expected = converse([data])
    assert expected.statuses == ([400] if over > 0 else [200])

    for place in (start, start + 1, start + 4, *range(start + 4_090, start + 4_105), -1):
        assert converse(cut(data, place), READERS[reader]).comparable() == expected.comparable()
    assert converse(octets(data), READERS[reader]).comparable() == expected.comparable()


@pytest.mark.parametrize("over", [-1, 0, 1])
@pytest.mark.parametrize("reader", READERS)
def test_the_default_limits_hold_to_the_octet(over: int, reader: str) -> None:
    size = 32_768 + over
    line, rest = b"GET /", b" HTTP/1.1\r\nHost: a\r\n\r\n"
    data = line + b"x" * (size - len(line) - len(rest)) + rest
    expected = [431] if over > 0 else [200]

    for pieces in ([data], octets(data), *[cut(data, place) for place in range(-30, 0)]):
        assert converse(pieces, READERS[reader]).statuses == expected
