"""Frames beyond the limits are refused with 1009, early, and reading never holds more than it must."""

from __future__ import annotations

import random
import sys
import tracemalloc
import zlib
from collections.abc import Sequence
from typing import Final

import pytest

from sansio.websocket_frames import FrameReader

from .websocket_frame_octets import (
    BINARY,
    CONTINUATION,
    PING,
    RSV1,
    TEXT,
    cut,
    deflated,
    facts,
    frame,
    header,
    inflating,
    octet_by_octet,
    plain,
    read,
)

MEBIBYTE: Final = 1 << 20
TOO_BIG: Final = [("failure", 1009, "")]
SLACK: Final = 64 * 1024

opcodes = pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])


def peak_of_reading(reader: FrameReader, parts: Sequence[bytes]) -> int:
    """Return how many octets more than before were in use at the worst moment."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        read(reader, parts)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@opcodes
@pytest.mark.parametrize("limit", [0, 1, 125, 126, 200, 65_535, 65_536, 70_000])
def test_a_message_may_be_as_long_as_the_limit_and_not_an_octet_longer(opcode: int, limit: int) -> None:
    content = b"a" * limit
    expected = content.decode() if opcode == TEXT else content

    assert read(plain(limit), [frame(opcode, content)]) == [expected]
    assert read(inflating(limit), [frame(opcode, deflated(content), rsv=RSV1)]) == [expected]
    assert facts(read(plain(limit), [frame(opcode, content + b"a")])) == TOO_BIG
    assert facts(read(inflating(limit), [frame(opcode, deflated(content + b"a"), rsv=RSV1)])) == TOO_BIG


@opcodes
@pytest.mark.parametrize("fin", [True, False], ids=["final", "fragment"])
@pytest.mark.parametrize("size", [101, 126, 70_000, 1 << 62, (1 << 63) - 1])
def test_a_frame_that_is_too_long_is_refused_before_its_payload_comes(
    opcode: int, fin: bool, size: int
) -> None:
    data = header(opcode, size, fin=fin)

    assert facts(read(plain(100), [data])) == TOO_BIG
    assert facts(read(plain(100), octet_by_octet(data))) == TOO_BIG
    assert facts(read(plain(100), [data + b"a" * 500])) == TOO_BIG


def test_a_compressed_frame_that_cannot_fit_is_refused_before_its_payload_comes() -> None:
    """Compression can add something, but not that much."""
    assert facts(read(inflating(100), [header(BINARY, 1 << 40, rsv=RSV1)])) == TOO_BIG
    assert facts(read(inflating(MEBIBYTE), [header(BINARY, 2 * MEBIBYTE, rsv=RSV1)])) == TOO_BIG


@opcodes
def test_a_fragment_that_makes_a_message_too_long_is_refused_before_its_payload_comes(opcode: int) -> None:
    first = frame(opcode, b"a" * 60, fin=False)

    assert read(plain(100), [first + frame(CONTINUATION, b"a" * 40)]) in (["a" * 100], [b"a" * 100])
    assert facts(read(plain(100), [first, header(CONTINUATION, 41)])) == TOO_BIG
    assert facts(read(plain(100), [first, header(CONTINUATION, 41, fin=False)])) == TOO_BIG


@pytest.mark.parametrize("bad", [b"\xff", b"\xe2\x28", b"ab\xc0"], ids=repr)
def test_the_first_of_two_faults_counts(bad: bytes) -> None:
    """Text that is not UTF-8 stays that when it becomes too long as well, however it is cut."""
    data = frame(TEXT, deflated(bad + b"a" * 1_000), rsv=RSV1)

    assert facts(read(inflating(100), octet_by_octet(data))) == [("failure", 1007, "")]
    assert facts(read(inflating(100), [data])) == [("failure", 1007, "")]


def test_the_size_of_a_message_is_forgotten_with_it() -> None:
    fragments = frame(BINARY, b"a" * 60, fin=False) + frame(CONTINUATION, b"a" * 40)
    compressed = frame(BINARY, deflated(b"a" * 100), rsv=RSV1)
    data = (fragments + compressed + frame(TEXT, b"a" * 100)) * 3

    assert read(inflating(100), [data]) == [b"a" * 100, b"a" * 100, "a" * 100] * 3


def test_control_frames_are_no_part_of_a_message() -> None:
    """Neither of its size nor of its fragments."""
    pings = frame(PING, b"p" * 125) * 5
    data = frame(BINARY, b"a", fin=False) + pings + frame(CONTINUATION, b"b")

    assert read(plain(2, 2), [data])[-1] == b"ab"


def test_what_cannot_be_compressed_fits_as_well() -> None:
    content = random.Random(1).randbytes(100_000)
    for data in (content, content[:100]):
        assert read(inflating(len(data)), [frame(BINARY, deflated(data), rsv=RSV1)]) == [data]


def test_a_message_that_is_flushed_in_each_fragment_fits_as_well() -> None:
    content = random.Random(2).randbytes(400)
    compressor = zlib.compressobj(wbits=-15)
    data = frame(BINARY, b"", fin=False, rsv=RSV1)
    for place in range(400):
        piece = compressor.compress(content[place : place + 1]) + compressor.flush(zlib.Z_SYNC_FLUSH)
        data += frame(CONTINUATION, piece, fin=False)

    assert read(inflating(400), [data + frame(CONTINUATION, b"\x00")]) == [content]


def test_octets_beyond_the_limit_are_not_looked_at() -> None:
    data = frame(TEXT, deflated(b"a" * 100 + b"\xff"), rsv=RSV1)
    assert facts(read(inflating(100), [data])) == TOO_BIG


@opcodes
def test_a_message_that_was_delivered_is_not_kept(opcode: int) -> None:
    reader = inflating(MEBIBYTE)
    data = frame(opcode, deflated(bytes(MEBIBYTE)), rsv=RSV1)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        assert len(read(reader, [data])) == 1
        assert tracemalloc.get_traced_memory()[0] - before < 4 * SLACK
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("payload", [b"", b"a"], ids=["empty", "one octet"])
def test_a_message_may_have_as_many_fragments_as_the_limit(payload: bytes) -> None:
    first = frame(TEXT, payload, fin=False)
    more = frame(CONTINUATION, payload, fin=False)
    last = frame(CONTINUATION, payload)
    message = first + more * 8 + last

    text = (payload * 10).decode()
    assert read(plain(100, 10), [message * 2]) == [text, text]
    assert facts(read(plain(100, 10), [first + more * 9, header(CONTINUATION, len(payload))])) == TOO_BIG
    assert facts(read(plain(100, 10), [first + more * 9 + last])) == TOO_BIG


def test_empty_fragments_come_to_an_end_when_compressed_too() -> None:
    first = frame(BINARY, b"", fin=False, rsv=RSV1)
    assert facts(read(inflating(100, 50), [first + frame(CONTINUATION, fin=False) * 50])) == TOO_BIG


def test_a_limit_may_be_as_large_as_an_integer_of_the_machine() -> None:
    """Such a limit is how somebody says that there is none."""
    data = frame(BINARY, deflated(b"abc"), rsv=RSV1) + frame(BINARY, b"abc")
    assert read(inflating(sys.maxsize), [data]) == [b"abc", b"abc"]


@opcodes
@pytest.mark.parametrize("size", [1_000, 1 << 30], ids=["cut", "whole"])
def test_a_deflate_bomb_takes_little_more_than_the_limit(opcode: int, size: int) -> None:
    """16 KiB that would be 16 MiB. What is more than the limit: one step, and wsproto's copies of the frame."""
    data = frame(opcode, deflated(bytes(16 * MEBIBYTE)), rsv=RSV1)
    assert len(data) < 17_000
    parts = cut(data, range(0, len(data), size))

    assert facts(read(inflating(MEBIBYTE), parts)) == TOO_BIG
    assert peak_of_reading(inflating(MEBIBYTE), parts) < MEBIBYTE + 4 * SLACK


def test_a_deflate_bomb_in_fragments_takes_little_more_than_the_limit() -> None:
    sent = deflated(bytes(8 * MEBIBYTE))
    pieces = [sent[start : start + 50] for start in range(0, len(sent), 50)]
    data = frame(BINARY, b"", fin=False, rsv=RSV1)
    data += b"".join(frame(CONTINUATION, piece, fin=False) for piece in pieces)

    assert facts(read(inflating(MEBIBYTE), [data])) == TOO_BIG
    assert peak_of_reading(inflating(MEBIBYTE), [data]) < MEBIBYTE + 4 * SLACK


def test_a_bomb_of_many_small_messages_is_only_messages() -> None:
    """The limit is a message's."""
    data = frame(BINARY, deflated(bytes(1_000)), rsv=RSV1) * 500
    assert read(inflating(1_000), [data]) == [bytes(1_000)] * 500


@opcodes
def test_a_large_message_takes_little_more_than_itself_and_what_it_becomes(opcode: int) -> None:
    """Pieces, and the message that they are joined to, and one part as it comes."""
    data = frame(opcode, b"a" * MEBIBYTE)
    parts = cut(data, range(0, len(data), 65_536))

    assert peak_of_reading(plain(MEBIBYTE), parts) < 2 * MEBIBYTE + 4 * SLACK


def test_a_message_that_comes_octet_by_octet_takes_little_more_than_itself() -> None:
    parts = octet_by_octet(frame(BINARY, b"a" * 40_000, fin=False))
    assert peak_of_reading(plain(), parts) < 4 * SLACK


@pytest.mark.parametrize("payload", [b"", b"ab"], ids=["empty", "two octets"])
def test_many_fragments_take_little_memory(payload: bytes) -> None:
    data = frame(BINARY, payload, fin=False) + frame(CONTINUATION, payload, fin=False) * 10_000
    assert peak_of_reading(plain(), [data]) < 4 * SLACK


def test_131072_fragments_of_one_octet_are_not_131072_objects() -> None:
    """Each object costs thirty times what it holds. The text is one of which Python keeps no ready objects."""
    reader = plain(MEBIBYTE, 131_072)
    first, second, third = (frame(CONTINUATION, octet, fin=False) for octet in (b"\xe2", b"\x82", b"\xac"))
    data = frame(TEXT, b"a", fin=False) + (first + second + third) * 43_690
    before = sys.getallocatedblocks()

    assert read(reader, [data]) == []
    assert sys.getallocatedblocks() - before < 4_000
    assert read(reader, [frame(CONTINUATION, b"b")]) == ["a" + "€" * 43_690 + "b"]
