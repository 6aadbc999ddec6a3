"""HTTP/2 against the library h2: what one accepts the other accepts, and what one refuses the other refuses.

The first octet chooses how large windows are. Frames follow, without the preface; two types that nobody uses stand for
what is no frame: an application that answers, and content that is too large for an input. The same is tried in
several cuts, and with many frames in one read. Where h2 and we may differ, and who is right, stands in
`fuzz.against_http2_differences`.
"""

from __future__ import annotations

import random
from typing import Final

from tests.peers import (
    DATA,
    END_HEADERS,
    END_STREAM,
    MAX_WINDOW,
    PUSH_PROMISE,
    SETTINGS,
    continuation,
    data,
    frame,
    headers,
    priority,
    rst,
    settings,
    window_update,
)

from .against_http2_differences import DIFFERENCES, HEAD, HELLO
from .against_http2_frames import ANSWER, BULK, IDENTIFIERS, VALUES, change, invent, read_frames
from .against_http2_judge import Trial
from .against_http2_reads import check_reads
from .generate import Chooser, mutate

__all__ = ["against_http2_seeds", "check_against_http2", "mutate_against_http2"]

_WINDOWS: Final = (131_072, 1_000, 1)
_CUTS: Final = (0, 1, 11)
_CUTS_OF_MUCH: Final = (0, 1_000)
_MUCH: Final = 4_000
_MAX_FRAMES: Final = 60
_RANDOM_SEEDS: Final = 100

# How stream 3 comes into each state, and each frame that may come then. RFC 9113 §5.1
_OPEN: Final = headers(3, HEAD, end_stream=False)
_ANSWER: Final = frame(ANSWER)
_STATES: Final = (
    b"",
    headers(5, HEAD),
    _OPEN,
    _OPEN + data(3, b"hello"),
    headers(3, HEAD),
    _OPEN + data(3, b"hello", end_stream=True),
    _OPEN + headers(3, [(b"x", b"y")]),
    _OPEN + rst(3),
    headers(3, [*HEAD, (b"te", b"gzip")]),
    headers(3, HEAD) + _ANSWER,
    _OPEN + _ANSWER,
)
_FRAMES: Final = (
    data(3, b"hello"),
    data(3, b"", end_stream=True),
    headers(3, HEAD, end_stream=False),
    headers(3, HEAD),
    headers(3, [(b"x", b"y")]),
    headers(3, [(b"x", b"y")], end_stream=False),
    rst(3),
    window_update(3, 1),
    window_update(3, 0),
    window_update(3, MAX_WINDOW),
    priority(3, 1),
    priority(3, 3),
    continuation(3, b""),
    frame(PUSH_PROMISE, END_HEADERS, 3, b"\0\0\0\2\x82"),
    frame(SETTINGS, 0, 3),
    frame(0xBE, 0, 3, b"?"),
)
_ON_THE_CONNECTION: Final = (
    *(settings((identifier, value)) for identifier in set(IDENTIFIERS) for value in VALUES),
    *(window_update(0, increment) for increment in (0, 1, MAX_WINDOW - 65_535, MAX_WINDOW - 65_534, 2**31)),
    *(settings((4, value)) + window_update(3, 1) for value in (MAX_WINDOW - 1, MAX_WINDOW)),
    *(window_update(3, 1) + settings((4, value)) for value in (MAX_WINDOW - 1, MAX_WINDOW)),
    *(frame(kind, 0, 0, bytes(size)) for kind in range(10) for size in (0, 4, 5, 6, 7, 8, 9)),
)


def check_against_http2(octets: bytes) -> None:
    """Give the same frames to both, in several cuts."""
    window = _WINDOWS[octets[0] % len(_WINDOWS)] if octets else _WINDOWS[0]
    frames = [_expand(each) for each in read_frames(octets[1:])[:_MAX_FRAMES]]
    cuts = _CUTS if sum(map(len, frames)) < _MUCH else _CUTS_OF_MUCH
    verdicts = [_judge(frames, window, cut) for cut in cuts]
    for cut, others in zip(cuts, verdicts, strict=True):
        assert others == verdicts[0], f"cuts matter: {verdicts[0]} became {others} with {cut}"
    check_reads(frames, window)


def _expand(octets: bytes) -> bytes:
    if octets[3] != BULK:
        return octets
    stream = int.from_bytes(octets[5:9], "big")
    size = int.from_bytes(octets[9:11], "big")
    return data(stream, bytes(size), end_stream=bool(octets[4] & END_STREAM))


def _shorten(octets: bytes) -> bytes:
    """Do the opposite for content of zeros."""
    if octets[3] != DATA or len(octets) < _MUCH or any(octets[9:]):
        return octets
    size = (len(octets) - 9).to_bytes(2, "big")
    return frame(BULK, octets[4] & END_STREAM, int.from_bytes(octets[5:9], "big"), size)


def _judge(frames: list[bytes], window: int, cut: int) -> list[tuple[object, ...]]:
    trial = Trial(cut, window)
    for octets in frames:
        if octets[3] == ANSWER:
            trial.answer(octets[8])
        else:
            trial.give(octets)
        if trial.over:
            break
    trial.end()
    return [(step.ours, step.code, step.status) for step in trial.steps]


def mutate_against_http2(octets: bytes, chooser: Chooser) -> bytes:
    """Change, leave out, repeat, move or invent a frame; or some octets."""
    way = chooser.randint(0, 8)
    if not way:
        return mutate(octets, chooser)
    header, frames = octets[:1] or b"\0", read_frames(octets[1:])
    place = chooser.randint(0, len(frames))
    if way == 1 and frames:
        del frames[place - 1]
    elif way == 2 and frames:
        frames.insert(place, chooser.choice(frames))
    elif way == 3 and frames:
        frames.insert(place, frames.pop(chooser.randint(0, len(frames) - 1)))
    elif way == 4:
        header = bytes([chooser.randint(0, 255)])
    elif way <= 6 and frames:
        frames[place - 1] = change(frames[place - 1], chooser)
    else:
        frames[place:place] = [invent(chooser) for _ in range(chooser.randint(1, 4))]
    return header + b"".join(frames)


def against_http2_seeds() -> list[bytes]:
    """Return the example of each difference, each frame in each state, and connections of many frames."""
    stories = [b"".join(map(_shorten, row.example)) for row in DIFFERENCES.values()]
    rng = random.Random(7)
    limits = settings((4, MAX_WINDOW), (5, 2**24 - 1), (1, 0), (2, 0))
    stories += [HELLO + state + each for state in _STATES for each in _FRAMES]
    stories += [HELLO + _OPEN + each for each in _ON_THE_CONNECTION]
    stories += [
        rng.choice((HELLO, limits)) + b"".join(invent(rng) for _ in range(rng.randint(1, 12)))
        for _ in range(_RANDOM_SEEDS)
    ]
    seeds = [bytes([number % len(_WINDOWS)]) + story for number, story in enumerate(stories)]
    return seeds + [mutate_against_http2(rng.choice(seeds), rng) for _ in range(_RANDOM_SEEDS)]
