"""WebSockets against the libraries wsproto and websockets: the same frames, in several cuts, and the same verdicts.

The first octet chooses how long a message may be. The second says how many octets are the client's offer of
extensions, which is answered first; the frames follow. Where the libraries and we may differ, and who is right, stands
in `fuzz.against_websocket_differences`.
"""

from __future__ import annotations

import random
from typing import Final

from .against_websocket_differences import DIFFERENCES, End, Verdict
from .against_websocket_frames import OFFERS, change, deflate, encode, far, invent, offer, read_frames
from .against_websocket_judge import Ours, Trial, take_pongs
from .generate import Chooser, mutate

__all__ = ["LIMITS", "against_websocket_seeds", "check_against_websocket", "mutate_against_websocket"]

LIMITS: Final = (1_000, 20, 70_000, 0xFFFF)
_CUTS: Final = (0, 1, 5)
_CUTS_OF_MUCH: Final = (0, 100)
_MUCH: Final = 800
_MAX_FRAMES: Final = 60
_RANDOM_SEEDS: Final = 100
# What each offer is followed by: twice the same, near and far, and a ping's most.
_CONVERSATION: Final = [
    *[encode(0x81, b"x" * 200)] * 2,
    *[encode(0xC2, deflate(far(distance), 15)) for distance in (400, 4_000, 5_000)],
    *[encode(0x82, b"y" * 125)] * 2,
    encode(0x88, b"\x03\xe8"),
]
_NOT_MINIMAL: Final = encode(0x81, b"y" * 125, width=2)
_EITHER: Final = End(failed=True, code=1007)


def check_against_websocket(octets: bytes) -> None:
    """Agree on extensions, and give the same frames to all, in several cuts."""
    limit, offered, frames = _read(octets)
    cuts = _CUTS if sum(map(len, frames)) < _MUCH else _CUTS_OF_MUCH
    frames = frames[:_MAX_FRAMES]
    trials = [_judge(limit, offered, frames, cut) for cut in cuts]
    verdicts = [_verdicts_of(trial) for trial in trials]
    for cut, others in zip(cuts, verdicts, strict=True):
        assert others == verdicts[0], f"cuts matter: {verdicts[0]} became {others} with {cut}"
    steps = trials[0].steps
    if steps and not steps[-1].far:
        _check_in_one_read(limit, offered, b"".join(step.octets for step in steps), verdicts[0])


def _check_in_one_read(limit: int, offered: bytes, octets: bytes, expected: list[Verdict]) -> None:
    """Give us alone all frames at once: the same comes of them."""
    verdict, written = Ours(offered, limit).give(octets, 0)
    messages = [message for each in expected for message in each.messages]
    pongs = [pong for each in expected for pong in each.pongs]
    end = expected[-1].end
    assert verdict.messages == messages, f"one read makes other messages: {verdict.messages}, {messages}"
    assert take_pongs(written)[0] == pongs, f"one read makes other pongs: {written!r}, {pongs}"
    assert end in {verdict.end, _EITHER}, f"one read makes another end: {verdict.end}, {end}"


def _read(octets: bytes) -> tuple[int, bytes, list[bytes]]:
    limit = LIMITS[octets[0] % len(LIMITS)] if octets else LIMITS[0]
    end = 2 + (octets[1] if len(octets) > 1 else 0)
    offered = octets[2:end].translate(None, b"\r\n")
    return limit, offered, read_frames(octets[end:])


def _write(limit: int, offered: bytes, frames: list[bytes]) -> bytes:
    return bytes((LIMITS.index(limit), len(offered[:255]))) + offered[:255] + b"".join(frames)


def _judge(limit: int, offered: bytes, frames: list[bytes], cut: int) -> Trial:
    trial = Trial(offered, limit, cut)
    for octets in frames:
        if trial.over:
            break
        trial.give(octets)
    return trial


def _verdicts_of(trial: Trial) -> list[Verdict]:
    """Return ours. Whole, zlib tells of a fault; in pieces, first of what comes before it."""
    either = Verdict(end=_EITHER)
    return [either if {1007, 1009} <= step.excuses and step.ours.end else step.ours for step in trial.steps]


def mutate_against_websocket(octets: bytes, chooser: Chooser) -> bytes:
    """Change, leave out, repeat, move or invent a frame; or the offer, or the limit, or some octets."""
    way = chooser.randint(0, 9)
    if not way:
        return mutate(octets, chooser)
    limit, offered, frames = _read(octets)
    place = chooser.randint(0, len(frames))
    if way == 1 and frames:
        del frames[place - 1]
    elif way == 2 and frames:
        frames.insert(place, chooser.choice(frames))
    elif way == 3 and frames:
        frames.insert(place, frames.pop(chooser.randint(0, len(frames) - 1)))
    elif way == 4:
        limit = chooser.choice(LIMITS)
    elif way == 5:
        offered = offer(chooser)
    elif way <= 7 and frames:
        frames[place - 1 : place or None] = change(frames[place - 1], chooser)
    else:
        frames[place:place] = invent(chooser)
    return _write(limit, offered, frames)


def against_websocket_seeds() -> list[bytes]:
    """Return the example of each difference, and sessions of many frames, legal and others, under each offer."""
    seeds = [_write(row.limit, row.offer, row.example) for row in DIFFERENCES.values()]
    seeds += [_write(70_000, each, _CONVERSATION) for each in OFFERS]
    seeds.append(_write(70_000, b"", [_NOT_MINIMAL]))
    rng = random.Random(11)
    for number in range(_RANDOM_SEEDS):
        frames = [each for _ in range(rng.randint(1, 6)) for each in invent(rng)]
        seeds.append(_write(LIMITS[number % len(LIMITS)], OFFERS[number % len(OFFERS)], frames))
    return seeds + [mutate_against_websocket(rng.choice(seeds), rng) for _ in range(_RANDOM_SEEDS)]
