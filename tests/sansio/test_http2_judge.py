"""The law of HTTP/2 as h2 sees it: what h2 accepts we accept, what it refuses we refuse, or a row says who is right.

The table with the reasons is `fuzz.against_http2_differences.DIFFERENCES`. Each row has an example, so that none
outlives its reason.
"""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fuzz.against_http2_differences import DIFFERENCES, HEAD, HELLO, STREAM
from fuzz.against_http2_frames import LINES, METHODS, PATHS
from fuzz.against_http2_judge import Trial
from tests.peers import (
    HEADERS,
    block,
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


@pytest.mark.parametrize("name", DIFFERENCES)
def test_each_difference_has_an_example(name: str) -> None:
    trial = Trial()
    for octets in DIFFERENCES[name].example:
        assert not trial.over
        trial.give(octets)

    last = trial.steps[-1]
    assert last.ours != last.theirs or last.status is not None
    assert [row for row in DIFFERENCES if DIFFERENCES[row].knows(last)] == [name]


@pytest.mark.parametrize(
    "frames",
    [
        [headers(1, [*HEAD, (b"host", b"a"), (b"host", b"a")])],
        [headers(1, HEAD, end_stream=False), headers(1, [(b"te", b"gzip")])],
    ],
    ids=["two hosts that agree", "te in trailers"],
)
def test_what_is_malformed_ends_its_stream(frames: list[bytes]) -> None:
    """RFC 9110 §7.2: one Host field; RFC 9113 §8.2.2: TE says "trailers" or nothing, wherever it stands."""
    trial = Trial()
    for octets in [HELLO, *frames]:
        trial.give(octets)
    assert trial.steps[-1].ours == STREAM


# Frames, legal and others.

numbers: Final = st.sampled_from([1, 1, 1, 3, 3, 3, 5, 7, 9, 11, 2, 0, 2**31 + 1])
paths: Final = st.sampled_from(PATHS)
methods: Final = st.sampled_from(METHODS)
lines: Final = st.sampled_from(LINES)


@st.composite
def heads(draw: st.DrawFn) -> list[tuple[bytes, bytes]]:
    fields = [
        (b":method", draw(methods)),
        (b":scheme", draw(st.sampled_from([b"https", b"https", b"http", b"ftp"]))),
        (b":authority", draw(st.sampled_from([b"a", b"a", b"a:80", b"u@a", b""]))),
        (b":path", draw(paths)),
    ]
    if draw(st.integers(0, 5)) == 0:
        del fields[draw(st.integers(0, 3))]
    return [
        *fields,
        *draw(st.lists(lines, max_size=3)),
        *draw(st.sampled_from([[], [], [], [(b"x", b"")] * 12])),
    ]


plain_heads: Final = st.builds(
    lambda method, path, more: [(b":method", method), *HEAD[1:3], (b":path", path), *more],
    st.sampled_from([b"GET", b"POST", b"HEAD"]),
    st.sampled_from([b"/a", b"/b?c", b"/?"]),
    st.lists(
        st.sampled_from([(b"accept", b"*/*"), (b"content-length", b"5"), (b"cookie", b"a=b")]), max_size=1
    ),
)
sizes: Final = st.sampled_from([0, 1, 4, 5, 6, 100])

# An application answers one of the requests.
answers: Final = st.integers(0, 3)
paddings: Final = st.sampled_from([None, None, 0, 3])
weight: Final = b"\x80\0\0\x01\x05"
known: Final = st.sampled_from([1, 2, 3, 4, 5, 6, 8, 9, 77])
usual: Final = st.sampled_from([0, 1, 16_384, 65_535, 2**24])
odd: Final = st.sampled_from([0, 2, 2**14 - 1, 2**31, 2**32 - 1])
kinds: Final = st.sampled_from([0, 2, 3, 4, 5, 6, 7, 8, 9, 0x10])
flags: Final = st.sampled_from([0, 1, 8, 9])
unknown: Final = st.sampled_from([0xA, 0xB, 0xBE])


def cut_in_three(stream: int, head: list[tuple[bytes, bytes]], *, end: bool) -> bytes:
    whole = block(head)
    return in_pieces(stream, [whole[:9], b"", whole[9:]], end_stream=end)


def content(stream: int, size: int, padding: int | None, *, end: bool) -> bytes:
    return data(stream, b"c" * size, end_stream=end, padding=padding)


def interrupted(stream: int, by: bytes) -> bytes:
    return headers(stream, HEAD, end_headers=False) + by


legal: Final = st.one_of(
    st.builds(headers, numbers, plain_heads, end_stream=st.booleans()),
    st.builds(cut_in_three, numbers, plain_heads, end=st.booleans()),
    st.builds(
        headers, numbers, plain_heads, end_stream=st.booleans(), padding=paddings, priority=st.just(weight)
    ),
    st.builds(content, numbers, sizes, paddings, end=st.booleans()),
    st.builds(headers, numbers, st.just([(b"x", b"trailer")])),
    st.builds(rst, numbers, st.sampled_from([0, 8, 99])),
    st.builds(window_update, numbers, st.sampled_from([1, 1_000, 2**30])),
    st.builds(lambda *item: settings(item), known, usual),
    st.builds(ping, ack=st.booleans()),
    st.just(settings(ack=True)),
    st.builds(priority, numbers, st.sampled_from([0, 1, 3])),
    st.builds(priority_update, numbers, st.sampled_from([b"u=0", b"?"])),
    st.builds(frame, unknown, st.integers(0, 255), numbers, st.binary(max_size=6)),
)
hostile: Final = st.one_of(
    st.builds(headers, numbers, heads(), end_stream=st.booleans()),
    st.builds(headers, numbers, st.lists(lines, max_size=3), end_stream=st.booleans()),
    st.builds(headers, numbers, st.binary(max_size=12), end_stream=st.booleans()),
    st.builds(window_update, numbers, st.sampled_from([0, 2**31 - 1, 2**31, 2**31 + 1])),
    st.builds(lambda items: settings(*items), st.lists(st.tuples(known, odd), max_size=3)),
    st.builds(frame, kinds, flags, numbers, st.binary(max_size=9)),
    st.builds(
        frame, st.just(HEADERS), st.sampled_from([0xC, 0x24, 0x2C, 0x2D]), numbers, st.binary(max_size=9)
    ),
    st.builds(data, numbers, st.sampled_from([bytes(16_384), bytes(16_385)])),
    st.builds(continuation, numbers, st.just(b"")),
    st.builds(
        interrupted, numbers, st.one_of(st.just(ping()), st.builds(continuation, numbers, st.just(b"")))
    ),
    st.just(goaway()),
)
first_frames: Final = st.one_of(st.just(HELLO), st.just(HELLO), st.just(HELLO), legal)


@hypothesis_settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    first=first_frames,
    steps=st.lists(st.one_of(legal, legal, legal, hostile, answers), max_size=14),
    cut=st.sampled_from([0, 0, 1, 11]),
)
def test_what_h2_accepts_is_accepted_and_what_it_refuses_is_refused(
    first: bytes, steps: list[bytes | int], cut: int
) -> None:
    trial = Trial(cut)
    for step in [first, *steps]:
        if isinstance(step, int):
            trial.answer(step)
        else:
            trial.give(step)
        if trial.over:
            break
    trial.end()
