"""The law of the two readers of frames: together they read what wsproto reads, and what the RFC says.

Plain wsproto, which has no limits and no compression here, judges all strings of octets; a small decoder of the
tests' own judges frames with limits and compression. And nothing depends on how the octets were cut.
"""

from __future__ import annotations

import itertools
from typing import Any, Final, TypeAlias

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sansio.websocket_frames import FrameReader

from .websocket_frame_octets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    ROOMY,
    RSV1,
    TEXT,
    Decoder,
    Fact,
    cut,
    deflated,
    facts,
    frame,
    inflating,
    octet_by_octet,
    plain,
    read,
    through_wsproto,
)

Frame: TypeAlias = dict[str, Any]
"""The arguments of `frame`."""

thorough: Final = settings(
    max_examples=2 * settings().max_examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

# So many zeroes complete any header, and then say a frame that is not masked.
_PADDING: Final = bytes(14)

_BAD_TEXT: Final = [b"\xff", b"\xc0", b"\xed\xa0\x80", b"\xe2\x82", b"\x80", b"\xf4\x90\x80\x80"]

contents = st.one_of(
    st.text(max_size=12).map(str.encode),
    st.binary(max_size=12),
    st.sampled_from([*_BAD_TEXT, b"", b"\xe2", b"\x82\xac", b"x" * 126, b"y" * 300, "€".encode() * 60]),
    st.builds(
        lambda start, end: start + end, st.text(max_size=5).map(str.encode), st.sampled_from(_BAD_TEXT)
    ),
)
keys = st.sampled_from([KEY, KEY, b"\x00\x00\x00\x00", b"\xff\x01\x80\x7f"])
places = st.lists(st.integers(1, 400), max_size=12)
limits = st.sampled_from([(0, 1), (1, 2), (5, 3), (60, 3), (125, 100), (200, 4), (ROOMY, 100)])

anything: Final = st.fixed_dictionaries(
    {
        "opcode": st.one_of(
            st.sampled_from([CONTINUATION, TEXT, BINARY, PING, PONG, CLOSE]),
            st.integers(0, 15),
        ),
        "payload": st.one_of(contents, st.integers(990, 5_010).map(lambda code: code.to_bytes(2, "big"))),
        "fin": st.booleans(),
        "rsv": st.sampled_from([0] * 9 + [RSV1, RSV1, 1, 2]),
        "key": st.one_of(keys, keys, keys, keys, st.none()),
        "form": st.sampled_from([""] * 9 + ["H", "Q"]),
    }
)


def arguments(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0, key: bytes = KEY) -> Frame:
    return {"opcode": opcode, "payload": payload, "fin": fin, "rsv": rsv, "key": key, "form": ""}


@st.composite
def messages(draw: st.DrawFn, *, compression: bool) -> list[Frame]:
    """A message, in fragments or not, with control frames between them."""
    opcode = draw(st.sampled_from([TEXT, BINARY]))
    content = draw(contents)
    compressed = compression and draw(st.booleans())
    sent = deflated(content) if compressed else content
    ends = sorted(draw(st.lists(st.integers(0, len(sent)), max_size=4)))
    bounds = list(itertools.pairwise([0, *ends, len(sent)]))
    frames = []
    for number, (start, end) in enumerate(bounds):
        frames.append(
            arguments(
                CONTINUATION if number else opcode,
                sent[start:end],
                fin=number == len(bounds) - 1,
                rsv=RSV1 if compressed and not number else 0,
                key=draw(keys),
            )
        )
        if draw(st.integers(0, 3)) == 0:
            frames.append(arguments(draw(st.sampled_from([PING, PONG])), draw(st.binary(max_size=5))))
    return frames


def conversations(*, compression: bool) -> st.SearchStrategy[list[Frame]]:
    """Messages, with perhaps a few frames of any kind somewhere among theirs."""

    def assemble(parts: list[list[Frame]], strangers: list[tuple[int, Frame]]) -> list[Frame]:
        frames = list(itertools.chain.from_iterable(parts))
        for place, stranger in strangers:
            frames.insert(place, stranger)
        return frames

    return st.builds(
        assemble,
        st.lists(messages(compression=compression), max_size=4),
        st.lists(st.tuples(st.integers(0, 12), anything), max_size=3),
    )


def octets(frames: list[Frame]) -> bytes:
    return b"".join(frame(**each) for each in frames)


def same_in_all_cuts(make: Any, data: bytes, where: list[int]) -> list[Fact]:
    """Read at once, octet by octet and in the cuts; return what all agree on."""
    whole = facts(read(make(), [data]))
    assert facts(read(make(), cut(data, where))) == whole
    assert facts(read(make(), octet_by_octet(data))) == whole
    return whole


@thorough
@given(frames=conversations(compression=False), lost=st.integers(0, 12), where=places)
def test_what_wsproto_reads_is_read(frames: list[Frame], lost: int, where: list[int]) -> None:
    """The last frame may not have come whole. What its header tells, wsproto may tell an octet later."""
    data = octets(frames)
    if frames:
        data = data[: len(data) - min(lost, max(len(frames[-1]["payload"]) - 1, 0))]

    assert same_in_all_cuts(plain, data, where) == through_wsproto(data)


@thorough
@given(data=st.binary(max_size=60), where=places)
@example(data=b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", where=[])
@example(data=b"\x83\x81", where=[1])
def test_any_octets_are_read_as_wsproto_reads_them(data: bytes, where: list[int]) -> None:
    data += _PADDING
    assert same_in_all_cuts(plain, data, where) == through_wsproto(data)


@thorough
@given(
    frames=conversations(compression=False),
    places=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_frames_that_were_tampered_with_are_read_as_wsproto_reads_them(
    frames: list[Frame], places: list[tuple[int, int]]
) -> None:
    data = bytearray(octets(frames) + _PADDING)
    for place, octet in places:
        data[place % len(data)] = octet
    data += _PADDING
    assert same_in_all_cuts(plain, bytes(data), []) == through_wsproto(bytes(data))


@thorough
@given(frames=conversations(compression=True), compression=st.booleans(), bounds=limits, where=places)
@example(
    frames=[arguments(BINARY, b"a", fin=False), arguments(TEXT, b"\xff\xff\xff", rsv=RSV1)],
    compression=True,
    bounds=(ROOMY, 100),
    where=[],
)
@example(
    frames=[arguments(TEXT, deflated(b"\xff" + b"a" * 300), rsv=RSV1)],
    compression=True,
    bounds=(200, 4),
    where=[],
)
def test_what_the_rfc_says_is_read_within_the_limits(
    frames: list[Frame], compression: bool, bounds: tuple[int, int], where: list[int]
) -> None:
    """RFC 6455 §5 and RFC 7692 §7; what is too big is 1009, of which RFC 6455 §7.4.1 tells."""
    max_size, max_fragments = bounds
    decoder = Decoder(max_size, max_fragments, compression=compression)
    for each in frames:
        if decoder.ended:
            break
        decoder.decode(**each)

    def make() -> FrameReader:
        return (inflating if compression else plain)(max_size, max_fragments)

    events = same_in_all_cuts(make, octets(frames), where)
    if decoder.codes:
        kind, code, _ = events.pop()
        assert kind == "failure"
        assert code in decoder.codes
    assert events == decoder.events


@pytest.mark.parametrize("place", range(0, 400, 7))
def test_a_single_cut_changes_nothing(place: int) -> None:
    frames = [
        arguments(TEXT, "ä€\U0001f600".encode() * 20),
        arguments(TEXT, deflated(b"abc" * 9)[:4], fin=False, rsv=RSV1),
        arguments(PING, b"\x00" * 9),
        arguments(CONTINUATION, deflated(b"abc" * 9)[4:]),
        arguments(BINARY, bytes(130)),
        arguments(CLOSE, b"\x03\xe8bye"),
    ]
    data = octets(frames)
    expected: list[Fact] = [
        ("text", TEXT, "ä€\U0001f600" * 20),
        ("control", PING, b"\x00" * 9),
        ("text", TEXT, "abc" * 9),
        ("binary", BINARY, bytes(130)),
        ("close", 1000, "bye"),
    ]
    for width in range(7):
        assert facts(read(inflating(), cut(data, [place, place + width]))) == expected
