"""HTTP/2 frames: what their nine octets may say, and ours, read back by hyperframe.

Source: RFC 9113 §4, §6; RFC 9218 §7.1.
"""

from __future__ import annotations

from typing import Final

import pytest
from h2.errors import ErrorCodes
from hyperframe import frame as hyperframe
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sansio.http2_frames import (
    decode_settings,
    decode_uint31,
    encode_frame,
    encode_goaway,
    encode_headers,
    encode_reset,
    encode_settings,
    encode_window_update,
    judge_header,
    strip_padding,
)
from tests.peers import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITISED,
    PRIORITY,
    PRIORITY_UPDATE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)

PROTOCOL: Final = ErrorCodes.PROTOCOL_ERROR
SIZE: Final = ErrorCodes.FRAME_SIZE_ERROR
LARGEST: Final = 16_384
UNKNOWN: Final = 0xFA

uint31 = st.integers(0, 2**31 - 1)
uint32 = st.integers(0, 2**32 - 1)


def verdict(kind: int, *, flags: int = 0, length: int, stream: int) -> ErrorCodes | None:
    found = judge_header(kind, flags, length, stream)
    if found is None:
        return None
    code, reason = found
    assert reason
    assert reason.isascii()
    return code


def read(octets: bytes) -> list[hyperframe.Frame]:
    """Return what hyperframe makes of these octets."""
    frames = []
    while octets:
        frame, size = hyperframe.Frame.parse_frame_header(memoryview(octets[:9]))
        frame.parse_body(memoryview(octets[9 : 9 + size]))
        assert len(octets) >= 9 + size
        frames.append(frame)
        octets = octets[9 + size :]
    return frames


# What a header may say.

NAMES: Final = {
    DATA: "DATA",
    HEADERS: "HEADERS",
    PRIORITY: "PRIORITY",
    RST_STREAM: "RST_STREAM",
    SETTINGS: "SETTINGS",
    PUSH_PROMISE: "PUSH_PROMISE",
    PING: "PING",
    GOAWAY: "GOAWAY",
    WINDOW_UPDATE: "WINDOW_UPDATE",
    CONTINUATION: "CONTINUATION",
    PRIORITY_UPDATE: "PRIORITY_UPDATE",
    UNKNOWN: "unknown",
}

# The length that each type may have, from the least to the most. RFC 9113 §6; RFC 9218 §7.1
LENGTHS: Final = {
    DATA: (0, LARGEST),
    HEADERS: (0, LARGEST),
    PRIORITY: (5, 5),
    RST_STREAM: (4, 4),
    PING: (8, 8),
    GOAWAY: (8, LARGEST),
    WINDOW_UPDATE: (4, 4),
    CONTINUATION: (0, LARGEST),
    PRIORITY_UPDATE: (4, LARGEST),
    UNKNOWN: (0, LARGEST),
}

# Whether a type may be on the connection, and whether on a stream.
PLACES: Final = {
    DATA: (False, True),  # §6.1: "If a DATA frame is received whose Stream Identifier field is 0x00, [...]"
    HEADERS: (False, True),  # §6.2
    PRIORITY: (False, True),  # §6.3
    RST_STREAM: (False, True),  # §6.4
    SETTINGS: (True, False),  # §6.5
    PING: (True, False),  # §6.7
    GOAWAY: (True, False),  # §6.8
    WINDOW_UPDATE: (True, True),  # §6.9
    CONTINUATION: (False, True),  # §6.10
    PRIORITY_UPDATE: (True, False),  # RFC 9218 §7.1
    UNKNOWN: (True, True),  # §5.5
}


@pytest.mark.parametrize("kind", PLACES, ids=NAMES.get)
def test_a_frame_belongs_on_the_connection_or_on_a_stream(kind: int) -> None:
    """RFC 9113 §6: anything else is "a connection error of type PROTOCOL_ERROR"."""
    length = LENGTHS.get(kind, (6, 6))[0]
    on_connection, on_stream = PLACES[kind]
    assert verdict(kind, length=length, stream=0) == (None if on_connection else PROTOCOL)
    for stream in (1, 2, 2**31 - 1):
        assert verdict(kind, length=length, stream=stream) == (None if on_stream else PROTOCOL)


@pytest.mark.parametrize("kind", LENGTHS, ids=NAMES.get)
def test_a_frame_has_a_length_of_its_type(kind: int) -> None:
    """RFC 9113 §4.2: "FRAME_SIZE_ERROR if a frame [...] is too small to contain mandatory frame data"."""
    least, most = LENGTHS[kind]
    stream = 1 if PLACES[kind][1] else 0
    assert verdict(kind, length=least, stream=stream) is None
    assert verdict(kind, length=most, stream=stream) is None
    assert verdict(kind, length=most + 1, stream=stream) == SIZE
    if least:
        assert verdict(kind, length=least - 1, stream=stream) == SIZE
        assert verdict(kind, length=0, stream=stream) == SIZE


@pytest.mark.parametrize(
    ("length", "allowed"),
    [(0, True), (6, True), (6 * 2_730, True), (1, False), (5, False), (7, False), (8, False), (12, True)],
)
def test_settings_have_six_octets_each(length: int, allowed: bool) -> None:
    """RFC 9113 §6.5: "A SETTINGS frame with a length other than a multiple of 6 octets"."""
    assert verdict(SETTINGS, length=length, stream=0) == (None if allowed else SIZE)


def test_an_acknowledgement_has_no_payload() -> None:
    """RFC 9113 §6.5: "Receipt of a SETTINGS frame with the ACK flag set and a length field value other than 0"."""
    assert verdict(SETTINGS, flags=ACK, length=0, stream=0) is None
    assert verdict(SETTINGS, flags=ACK, length=6, stream=0) == SIZE
    assert verdict(PING, flags=ACK, length=8, stream=0) is None


@pytest.mark.parametrize("stream", [1, 2])
@pytest.mark.parametrize("length", [0, 4, 100])
def test_a_client_must_not_push(stream: int, length: int) -> None:
    """RFC 9113 §8.4: "A client cannot push." It is "a connection error [...] of type PROTOCOL_ERROR"."""
    assert verdict(PUSH_PROMISE, length=length, stream=stream) == PROTOCOL


@pytest.mark.parametrize("kind", NAMES, ids=NAMES.get)
@pytest.mark.parametrize("length", [LARGEST + 1, 2**24 - 1])
@pytest.mark.parametrize("stream", [0, 1])
def test_no_frame_is_larger_than_we_have_allowed(kind: int, length: int, stream: int) -> None:
    """RFC 9113 §4.2: "if a frame exceeds the size defined in SETTINGS_MAX_FRAME_SIZE", 16,384 at first."""
    assert verdict(kind, length=length, stream=stream) == SIZE


@pytest.mark.parametrize(
    ("kind", "flags", "least"),
    [
        (DATA, PADDED, 1),
        (HEADERS, PADDED, 1),
        (HEADERS, PRIORITISED, 5),
        (HEADERS, PADDED | PRIORITISED, 6),
        (HEADERS, END_STREAM | END_HEADERS, 0),
        (DATA, PRIORITISED, 0),  # "Flags that have no defined semantics [...] MUST be ignored". §4.1
        (CONTINUATION, PADDED | PRIORITISED, 0),
        (UNKNOWN, 0xFF, 0),
    ],
)
def test_flags_ask_for_octets(kind: int, flags: int, least: int) -> None:
    """RFC 9113 §4.2, §6.1, §6.2: the length of the padding and the priority are "mandatory frame data"."""
    assert verdict(kind, flags=flags, length=least, stream=1) is None
    if least:
        assert verdict(kind, flags=flags, length=least - 1, stream=1) == SIZE


@pytest.mark.parametrize("kind", [PING, SETTINGS, GOAWAY, WINDOW_UPDATE, PRIORITY_UPDATE], ids=NAMES.get)
def test_flags_without_a_meaning_change_nothing(kind: int) -> None:
    """RFC 9113 §4.1: "Flags that have no defined semantics for a particular frame type MUST be ignored"."""
    length = LENGTHS.get(kind, (6, 6))[0]
    assert verdict(kind, flags=0xFE, length=length, stream=0) is None


@hypothesis_settings(max_examples=200)
@given(
    kind=st.sampled_from(sorted(NAMES)) | st.integers(0, 255),
    flags=st.integers(0, 255),
    length=st.integers(0, 20) | st.integers(0, 2**24 - 1),
    stream=st.sampled_from([0, 1, 2]),
)
def test_no_header_raises_and_an_unknown_type_is_judged_by_its_length_alone(
    kind: int, flags: int, length: int, stream: int
) -> None:
    """RFC 9113 §5.5: "Implementations MUST discard frames that have unknown or unsupported types"."""
    found = verdict(kind, flags=flags, length=length, stream=stream)
    assert found in {None, PROTOCOL, SIZE}
    if kind not in NAMES or kind == UNKNOWN:
        assert found == (SIZE if length > LARGEST else None)


# Padding and priority.


@pytest.mark.parametrize("padding", [None, 0, 1, 255])
@pytest.mark.parametrize("priority", [b"", b"\x80\x00\x00\x03\xff"])
@pytest.mark.parametrize("content", [b"", b"content"])
def test_padding_and_priority_are_taken_off(padding: int | None, priority: bytes, content: bytes) -> None:
    """RFC 9113 §6.2."""
    payload = priority + content
    flags = PRIORITISED if priority else 0
    if padding is not None:
        flags |= PADDED
        payload = bytes([padding]) + payload + bytes(padding)
    assert strip_padding(payload, flags) == content


@pytest.mark.parametrize(
    ("flags", "rest", "padding", "allowed"),
    [
        (PADDED, b"abc", 3, True),
        (PADDED, b"abc", 4, False),
        (PADDED, b"", 0, True),
        (PADDED, b"", 1, False),
        (PADDED, b"", 255, False),
        (PADDED | PRIORITISED, b"12345abc", 3, True),
        (PADDED | PRIORITISED, b"12345abc", 4, False),
        (PADDED | PRIORITISED, b"12345", 1, False),
    ],
)
def test_padding_may_take_all_that_is_left_and_no_more(
    flags: int, rest: bytes, padding: int, allowed: bool
) -> None:
    """RFC 9113 §6.1, §6.2: "the length of the padding is the length of the frame payload or greater"."""
    assert strip_padding(bytes([padding]) + rest, flags) == (b"" if allowed else None)


# What we write.


@given(
    kind=st.integers(0, 255),
    flags=st.integers(0, 255),
    stream=uint31,
    size=st.sampled_from([0, 1, 255, 256, 65_535, 65_536, 70_000]),
)
def test_a_frame_says_its_length_type_flags_and_stream(kind: int, flags: int, stream: int, size: int) -> None:
    """RFC 9113 §4.1: 24, 8, 8, 1 and 31 bits."""
    octets = encode_frame(kind, flags, stream, bytes(size))
    head = size.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    assert octets == head + bytes(size)


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    block=st.binary(max_size=64),
    times=st.integers(1, 40),
    most=st.sampled_from([16, 100, 16_384]),
    ended=st.booleans(),
)
def test_a_block_is_cut_into_frames_that_the_peer_takes(
    block: bytes, times: int, most: int, ended: bool
) -> None:
    """RFC 9113 §6.10: END_STREAM stands on HEADERS, END_HEADERS on the last."""
    block *= times
    first, *others = frames = read(encode_headers(5, block, ended=ended, max_frame_size=most))
    assert isinstance(first, hyperframe.HeadersFrame)
    assert all(isinstance(frame, hyperframe.ContinuationFrame) for frame in others)
    payloads = [frame.serialize()[9:] for frame in frames]
    assert b"".join(payloads) == block
    assert all(0 < len(payload) <= most for payload in payloads) or payloads == [b""]
    assert {frame.stream_id for frame in frames} == {5}
    assert ("END_STREAM" in first.flags) == ended
    assert ["END_HEADERS" in frame.flags for frame in frames] == [False] * len(others) + [True]


@pytest.mark.parametrize(("size", "count"), [(99, 1), (100, 1), (101, 2), (200, 2), (201, 3)])
def test_a_block_takes_as_many_frames_as_it_needs(size: int, count: int) -> None:
    assert len(read(encode_headers(1, bytes(size), ended=False, max_frame_size=100))) == count


@given(st.lists(st.tuples(st.integers(0, 2**16 - 1), uint32), max_size=8))
def test_settings_come_back_in_their_order(values: list[tuple[int, int]]) -> None:
    """RFC 9113 §6.5.3: "The values in the SETTINGS frame MUST be processed in the order they appear"."""
    octets = encode_settings(values)
    assert decode_settings(octets[9:]) == values
    [frame] = read(octets)
    assert isinstance(frame, hyperframe.SettingsFrame)
    assert frame.settings == dict(values)
    assert (frame.stream_id, set(frame.flags)) == (0, set())


@given(stream=uint31, increment=st.integers(1, 2**31 - 1))
def test_a_window_update_is_read_as_it_was_meant(stream: int, increment: int) -> None:
    [frame] = read(encode_window_update(stream, increment))
    assert isinstance(frame, hyperframe.WindowUpdateFrame)
    assert (frame.stream_id, frame.window_increment) == (stream, increment)


@pytest.mark.parametrize("code", ErrorCodes, ids=lambda code: str(code.name))
def test_a_reset_is_read_as_it_was_meant(code: ErrorCodes) -> None:
    [frame] = read(encode_reset(7, code))
    assert isinstance(frame, hyperframe.RstStreamFrame)
    assert (frame.stream_id, frame.error_code) == (7, code)


@given(last=uint31, code=st.sampled_from(ErrorCodes), reason=st.sampled_from(["", "settings", "no room"]))
def test_a_goaway_is_read_as_it_was_meant(last: int, code: ErrorCodes, reason: str) -> None:
    """RFC 9113 §6.8: the debug data is for people."""
    [frame] = read(encode_goaway(last, code, reason))
    assert isinstance(frame, hyperframe.GoAwayFrame)
    assert (frame.last_stream_id, frame.error_code) == (last, code)
    assert frame.additional_data == reason.encode()


@given(number=uint31, reserved=st.booleans(), rest=st.binary(max_size=4))
def test_the_reserved_bit_is_no_part_of_a_number(number: int, reserved: bool, rest: bytes) -> None:
    """RFC 9113 §4.1: it "MUST be ignored when receiving"; §6.9, §6.8 and RFC 9218 §7.1 likewise."""
    octets = (number | (0x8000_0000 if reserved else 0)).to_bytes(4, "big")
    assert decode_uint31(octets + rest) == number
