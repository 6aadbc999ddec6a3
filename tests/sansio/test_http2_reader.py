"""The reader of HTTP/2's frames: whole frames in order, the same for all cuts, and refusals that wait for nothing.

Source: RFC 9113 §3.4, §4.1, §4.3, §6.10.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import pytest
from h2.errors import ErrorCodes
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sansio.http2_reader import Frame, FrameReader
from tests.client import cut
from tests.peers import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITISED,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    continuation,
    data,
    frame,
    goaway,
    headers,
    in_pieces,
    ping,
    priority,
    priority_update,
    rst,
    settings,
    window_update,
)

Seen: TypeAlias = list[Frame | ErrorCodes]

LIMIT: Final = 50_000
BEGIN: Final = PREFACE + settings()
BEGUN: Final = (SETTINGS, 0, 0, b"")
PROTOCOL: Final = ErrorCodes.PROTOCOL_ERROR
SIZE: Final = ErrorCodes.FRAME_SIZE_ERROR
CALM: Final = ErrorCodes.ENHANCE_YOUR_CALM
WHOLE: Final = END_STREAM | END_HEADERS


def take_all(reader: FrameReader) -> Seen:
    """Take what is there; the code of a failure ends it."""
    seen: Seen = []
    while (taken := reader.take()) is not None:
        if len(taken) == 2:
            assert taken[1]
            assert taken[1].isascii()
            seen.append(taken[0])
            break
        seen.append(taken)
    return seen


def read(*pieces: bytes, limit: int = LIMIT) -> Seen:
    """Return the frames in these pieces, each a read of its own, and the code of the failure at their end."""
    reader = FrameReader(limit)
    seen: Seen = []
    for piece in pieces:
        reader.receive_data(piece)
        seen += take_all(reader)
        if seen and isinstance(seen[-1], ErrorCodes):
            break
    return seen


def count_until_failure(octets: bytes, limit: int = LIMIT) -> tuple[int, Seen]:
    """Read octet by octet; return how many it took until the failure, and all that was seen."""
    reader = FrameReader(limit)
    seen: Seen = []
    for number in range(len(octets)):
        reader.receive_data(octets[number : number + 1])
        seen += take_all(reader)
        if seen and isinstance(seen[-1], ErrorCodes):
            return number + 1, seen
    raise AssertionError("nothing was refused")


# What is given out.

FRAMES: Final = [
    (data(1, b"content"), (DATA, 0, 1, b"content")),
    (data(3, end_stream=True), (DATA, END_STREAM, 3, b"")),
    (data(3, b"c", padding=2), (DATA, PADDED, 3, b"\x02c\x00\x00")),
    (headers(5, b"block"), (HEADERS, WHOLE, 5, b"block")),
    (headers(5, b""), (HEADERS, WHOLE, 5, b"")),
    (headers(5, b"block", padding=3), (HEADERS, WHOLE | PADDED, 5, b"block")),
    (headers(5, b"block", priority=b"12345"), (HEADERS, WHOLE | PRIORITISED, 5, b"block")),
    (
        headers(5, b"block", priority=b"12345", padding=0, end_stream=False),
        (HEADERS, END_HEADERS | PADDED | PRIORITISED, 5, b"block"),
    ),
    (settings((4, 5)), (SETTINGS, 0, 0, b"\x00\x04\x00\x00\x00\x05")),
    (settings(ack=True), (SETTINGS, 1, 0, b"")),
    (ping(b"abcdefgh"), (PING, 0, 0, b"abcdefgh")),
    (goaway(7, 1, b"why"), (GOAWAY, 0, 0, b"\x00\x00\x00\x07\x00\x00\x00\x01why")),
    (rst(9, 8), (RST_STREAM, 0, 9, b"\x00\x00\x00\x08")),
    (window_update(0, 1), (8, 0, 0, b"\x00\x00\x00\x01")),
    (priority(11, 3, 15), (2, 0, 11, b"\x00\x00\x00\x03\x0f")),
    (priority_update(5, b"u=1"), (16, 0, 0, b"\x00\x00\x00\x05u=1")),
    (frame(0xBE, 0xFF, 13, b"unknown"), (0xBE, 0xFF, 13, b"unknown")),
    (data(1, bytes(16_384)), (DATA, 0, 1, bytes(16_384))),
]


@pytest.mark.parametrize(("octets", "expected"), FRAMES, ids=[str(seen[:3]) for _, seen in FRAMES])
def test_a_frame_is_given_out_with_its_last_octet(octets: bytes, expected: Frame) -> None:
    reader = FrameReader(LIMIT)
    reader.receive_data(BEGIN + octets[:-1])
    assert take_all(reader) == [BEGUN]
    reader.receive_data(octets[-1:])
    assert take_all(reader) == [expected]
    assert take_all(reader) == []


def test_frames_come_out_in_their_order() -> None:
    assert read(BEGIN + b"".join(octets for octets, _ in FRAMES)) == [BEGUN, *(seen for _, seen in FRAMES)]


def test_the_reserved_bit_of_a_stream_is_ignored() -> None:
    """RFC 9113 §4.1: it "MUST be ignored when receiving"."""
    octets = frame(DATA, 0, 0x8000_0001, b"a") + frame(PING, 0, 0x8000_0000, bytes(8))
    assert read(BEGIN + octets) == [BEGUN, (DATA, 0, 1, b"a"), (PING, 0, 0, bytes(8))]


# Field blocks.


@pytest.mark.parametrize("fragments", [[b"ab", b"c"], [b"", b"", b""], [b"a", b"", b"bc"], [b"", b"abc"]])
@pytest.mark.parametrize("end_stream", [False, True])
def test_a_block_is_one_frame_whatever_it_was_cut_into(fragments: list[bytes], end_stream: bool) -> None:
    """RFC 9113 §4.3: "logically equivalent to a single frame"; END_STREAM stands on HEADERS (§6.2)."""
    octets = in_pieces(7, fragments, end_stream=end_stream)
    assert read(BEGIN + octets + ping()) == [
        BEGUN,
        (HEADERS, END_STREAM if end_stream else 0, 7, b"".join(fragments)),
        (PING, 0, 0, b"12345678"),
    ]


def test_padding_and_priority_stand_in_the_first_frame_of_a_block_only() -> None:
    first = headers(7, b"ab", end_headers=False, padding=5, priority=b"12345")
    seen = read(BEGIN + first + continuation(7, b"\x05cd"))
    assert seen == [BEGUN, (HEADERS, END_STREAM | PADDED | PRIORITISED, 7, b"ab\x05cd")]


def test_blocks_do_not_leak_into_each_other() -> None:
    one = in_pieces(1, [b"a", b"b"])
    assert read(BEGIN + one + in_pieces(3, [b"c", b"d"]) + headers(5, b"e")) == [
        BEGUN,
        (HEADERS, END_STREAM, 1, b"ab"),
        (HEADERS, END_STREAM, 3, b"cd"),
        (HEADERS, WHOLE, 5, b"e"),
    ]


def test_it_tells_when_it_is_in_the_preface_and_when_in_a_block() -> None:
    """What has begun may be given a time in which to end."""
    reader = FrameReader(LIMIT)
    assert reader.in_preface
    reader.receive_data(PREFACE[:-1])
    assert take_all(reader) == []
    assert reader.in_preface
    reader.receive_data(PREFACE[-1:] + settings())
    assert take_all(reader) == [BEGUN]
    assert (reader.in_preface, reader.in_block, reader.blocks) == (False, False, 0)
    reader.receive_data(headers(1, b"whole") + headers(3, b"a", end_headers=False))
    assert take_all(reader) == [(HEADERS, WHOLE, 1, b"whole")]
    assert (reader.in_block, reader.blocks) == (True, 1)
    reader.receive_data(continuation(3, b"b") + headers(5, b"c", end_headers=False))
    assert take_all(reader) == [(HEADERS, END_STREAM, 3, b"ab")]
    assert (reader.in_block, reader.blocks) == (True, 2)
    reader.receive_data(continuation(5, b"d"))
    assert take_all(reader) == [(HEADERS, END_STREAM, 5, b"cd")]
    assert (reader.in_block, reader.blocks) == (False, 2)


@pytest.mark.parametrize(("size", "allowed"), [(20_000, True), (20_001, False)])
def test_a_block_grows_to_its_limit(size: int, allowed: bool) -> None:
    """RFC 9113 §10.5.1: limits are for "the aggregate size" too; what is beyond is refused before it comes."""
    octets = headers(1, bytes(10_000), end_headers=False)
    octets += frame(CONTINUATION, END_HEADERS, 1, bytes(size - 10_000))
    expected = (HEADERS, END_STREAM, 1, bytes(size)) if allowed else CALM
    assert read(BEGIN + octets, limit=20_000) == [BEGUN, expected]
    if not allowed:
        assert read(BEGIN + octets[: 9 + 10_000 + 9], limit=20_000) == [BEGUN, CALM]
        assert read(BEGIN + octets[: 9 + 10_000 + 8], limit=20_000) == [BEGUN]


@pytest.mark.parametrize("empty", [True, False], ids=["empty", "an octet each"])
@pytest.mark.parametrize(("count", "allowed"), [(64, True), (65, False), (1_000, False)])
def test_a_block_has_a_limited_number_of_frames(count: int, allowed: bool, empty: bool) -> None:
    """RFC 9113 §10.5: CONTINUATION without end costs the peer nothing."""
    fragments = [b"ab"] + [b"" if empty else b"c"] * count
    expected = (HEADERS, END_STREAM, 1, b"".join(fragments)) if allowed else CALM
    assert read(BEGIN + in_pieces(1, fragments)) == [BEGUN, expected]


def test_the_next_block_has_all_of_the_limits_again() -> None:
    octets = in_pieces(1, [bytes(10_000)] + [b""] * 64)
    assert len(read(BEGIN + octets * 3, limit=10_000)) == 4


# What is refused.

OPEN_BLOCK: Final = headers(3, b"ab", end_headers=False)

# Octets before the frame that is refused, the frame, and the code.
REFUSED: Final = {
    "the first frame is no SETTINGS": (PREFACE, ping(), PROTOCOL),
    "the first frame is unknown": (PREFACE, frame(0xBE), PROTOCOL),
    "the first frame is an acknowledgement": (PREFACE, settings(ack=True), PROTOCOL),
    "the first frame is a request": (PREFACE, headers(1, b"a"), PROTOCOL),
    "the first frame is CONTINUATION": (PREFACE, continuation(1, b"a"), PROTOCOL),
    "too large": (BEGIN, data(1, bytes(16_385)), SIZE),
    "too large and unknown": (BEGIN, frame(0xBE, 0, 0, bytes(16_385)), SIZE),
    "DATA on the connection": (BEGIN, data(0, b"a"), PROTOCOL),
    "PING on a stream": (BEGIN, frame(PING, 0, 1, bytes(8)), PROTOCOL),
    "PING of seven octets": (BEGIN, ping(b"1234567"), SIZE),
    "push": (BEGIN, frame(PUSH_PROMISE, END_HEADERS, 1, bytes(8)), PROTOCOL),
    "CONTINUATION without a block": (BEGIN, continuation(1, b"a"), PROTOCOL),
    "CONTINUATION behind a whole block": (BEGIN + headers(1, b"a"), continuation(1, b"b"), PROTOCOL),
    "CONTINUATION behind the last": (
        BEGIN + in_pieces(1, [b"a", b"b"]),
        continuation(1, b"c"),
        PROTOCOL,
    ),
    "CONTINUATION of another stream": (BEGIN + OPEN_BLOCK, continuation(1, b"c"), PROTOCOL),
    "DATA in a block": (BEGIN + OPEN_BLOCK, data(3, b"a"), PROTOCOL),
    "HEADERS in a block": (BEGIN + OPEN_BLOCK, headers(3, b"a"), PROTOCOL),
    "PING in a block": (BEGIN + OPEN_BLOCK, ping(), PROTOCOL),
    "SETTINGS in a block": (BEGIN + OPEN_BLOCK, settings(), PROTOCOL),
    "RST_STREAM in its own block": (BEGIN + OPEN_BLOCK, rst(3), PROTOCOL),
    "an unknown frame in a block": (BEGIN + OPEN_BLOCK, frame(0xBE, 0, 3), PROTOCOL),
}
BAD_PADDING: Final = {
    "alone": frame(HEADERS, WHOLE | PADDED, 1, b"\x01"),
    "of a block": frame(HEADERS, PADDED, 1, b"\x04abc"),
    "behind a priority": frame(HEADERS, WHOLE | PADDED | PRIORITISED, 1, b"\x0112345"),
}


@pytest.mark.parametrize(("before", "octets", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_refused_with_its_ninth_octet(
    before: bytes, octets: bytes, code: ErrorCodes
) -> None:
    """RFC 9113 §3.4, §4.2, §4.3, §6.10: nothing of its payload is waited for, and nothing before it is lost."""
    expected = read(before)
    count, seen = count_until_failure(before + octets)
    assert count == len(before) + 9
    assert seen == [*expected, code]
    assert read(before + octets) == [*expected, code]


@pytest.mark.parametrize("octets", BAD_PADDING.values(), ids=BAD_PADDING)
def test_padding_beyond_a_head_is_refused(octets: bytes) -> None:
    """RFC 9113 §6.2: it "MUST" be "a connection error of type PROTOCOL_ERROR"."""
    assert read(BEGIN + ping() + octets) == [BEGUN, (PING, 0, 0, b"12345678"), PROTOCOL]


@pytest.mark.parametrize("place", range(len(PREFACE)))
def test_another_beginning_is_refused_with_the_octet_that_is_wrong(place: int) -> None:
    """RFC 9113 §3.4: "Clients and servers MUST treat an invalid connection preface as a connection error"."""
    wrong = PREFACE[:place] + bytes([PREFACE[place] ^ 0x20]) + PREFACE[place + 1 :]
    assert count_until_failure(wrong + settings()) == (place + 1, [PROTOCOL])
    assert read(wrong + settings()) == [PROTOCOL]


def test_nothing_follows_from_nothing() -> None:
    assert read(b"") == []
    assert read(b"", PREFACE, b"", settings(), b"", ping()[:5], b"", ping()[5:]) == [
        BEGUN,
        (PING, 0, 0, b"12345678"),
    ]


# Cuts.

streams = st.sampled_from([1, 3, 5])
pieces_of_blocks = st.lists(st.binary(max_size=40), min_size=1, max_size=4)
legal = st.one_of(
    st.builds(data, streams, st.binary(max_size=60), end_stream=st.booleans()),
    st.builds(data, streams, st.just(b"x"), padding=st.integers(0, 60)),
    st.builds(headers, streams, st.binary(max_size=60), padding=st.none() | st.integers(0, 20)),
    st.builds(headers, streams, st.binary(max_size=60), priority=st.just(b"12345")),
    st.builds(in_pieces, streams, pieces_of_blocks),
    st.builds(ping),
    st.builds(settings),
    st.builds(lambda payload: frame(0xBE, 0, 0, payload), st.binary(max_size=30)),
)
anything = st.one_of(
    st.sampled_from([octets for _, octets, _ in REFUSED.values()]),
    st.sampled_from(list(BAD_PADDING.values())),
    st.builds(frame, st.integers(0, 20), st.integers(0, 255), st.integers(0, 4), st.binary(max_size=12)),
    st.builds(headers, streams, st.just(b"a"), end_headers=st.just(False)),
    st.binary(max_size=20),
)


@hypothesis_settings(max_examples=150, deadline=None)
@given(
    frames=st.lists(legal, max_size=8),
    last=anything,
    places=st.none() | st.lists(st.integers(1, 400), max_size=10),
)
def test_every_cut_gives_the_same_frames(frames: list[bytes], last: bytes, places: list[int] | None) -> None:
    octets = BEGIN + b"".join(frames) + last + ping()
    pieces = cut(octets, range(len(octets)) if places is None else places)
    assert read(*pieces) == read(octets)


@hypothesis_settings(max_examples=60, deadline=None)
@given(frames=st.lists(legal, max_size=8))
def test_a_frame_waits_for_its_own_octets_only(frames: list[bytes]) -> None:
    """Each read that ends with a frame gives that frame out."""
    reader = FrameReader(LIMIT)
    reader.receive_data(BEGIN)
    assert take_all(reader) == [BEGUN]
    for octets in frames:
        reader.receive_data(octets)
        assert len(take_all(reader)) == 1


@hypothesis_settings(max_examples=60, deadline=None)
@given(octets=st.binary(max_size=200), begun=st.booleans())
def test_no_octets_raise(octets: bytes, begun: bool) -> None:
    seen = read((BEGIN if begun else b"") + octets)
    assert (BEGUN in seen) == begun
    assert not any(isinstance(one, ErrorCodes) for one in seen[:-1])
