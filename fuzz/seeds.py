"""The seed corpus of each target, made from the shapes that the project knows.

A campaign makes it for itself; ``python -m fuzz TARGET --seeds DIRECTORY`` writes it down.
"""

from __future__ import annotations

import itertools
import random
from typing import Final

from .generate import HOSTILE_HEADS, pipeline, request
from .messages import MESSAGES
from .script import REQUESTS, write_script
from .world import (
    SETTINGS,
    AppFinish,
    AppFlush,
    AppReceive,
    AppSend,
    Eof,
    Lost,
    Operation,
    Oversleep,
    Receive,
    ShutDown,
    Take,
    Timeout,
    ToDeadline,
    Wait,
)

__all__ = ["gate_seeds", "http1_seeds", "scope_seeds"]

_RANDOM_SEEDS: Final = 60

_GET: Final = Receive(REQUESTS[0])
_HEAD: Final = Receive(REQUESTS[1])
_POST: Final = Receive(REQUESTS[2])
_OLD: Final = Receive(REQUESTS[7])
_UPLOAD: Final = Receive(REQUESTS[3])
_CHUNKED: Final = Receive(REQUESTS[4], 1)
_EXPECTING: Final = Receive(REQUESTS[5])
_TWO: Final = Receive(REQUESTS[6])

_STORIES: Final[tuple[list[Operation], ...]] = (
    [_GET, AppReceive(), AppSend("start"), AppSend("body 5"), Take(), AppFinish(), _GET, Eof()],
    [_POST, AppReceive(), AppSend("start length 5"), AppSend("body 5"), Take(), AppFinish(), Wait(100_000.0)],
    [_HEAD, AppSend("start length 300"), AppSend("body 300"), Take(), AppFinish(), Eof(), Take()],
    [
        _CHUNKED,
        AppReceive(),
        AppReceive(),
        AppSend("start"),
        AppSend("body 300 more"),
        AppSend("body"),
        Take(),
    ],
    [
        _EXPECTING,
        AppReceive(),
        Take(),
        Receive(b"3\r\nabc\r\n0\r\nX: y\r\n\r\n", 2),
        AppReceive(),
        AppReceive(),
    ],
    [_EXPECTING, AppSend("start"), AppSend("body 5"), Take(), Receive(b"3\r\nabc\r\n"), ToDeadline()],
    [_TWO, AppSend("start trailers"), AppSend("body 5"), AppSend("trailers last"), Take(), AppFinish(1)],
    [
        _TWO,
        AppSend("hint two"),
        AppSend("start"),
        AppFlush(),
        Take(),
        AppSend("body"),
        AppSend("start"),
        Take(),
    ],
    [_GET, AppSend("start"), AppFinish(0, failed=True), Take(), ToDeadline(), Take()],
    [_GET, AppSend("start"), AppSend("body 5 more"), Take(), AppFinish(0, failed=True), Take(), Eof()],
    [
        _UPLOAD,
        AppSend("start"),
        AppSend("body 5"),
        Take(),
        Receive(b"x" * 100),
        _GET,
        AppSend("start 204"),
        Take(),
    ],
    [_UPLOAD, AppReceive(), Receive(b"x" * 40), AppReceive(), ToDeadline(), AppReceive(), Take()],
    [_UPLOAD, AppReceive(), Eof(), AppReceive(), AppSend("start"), Take()],
    [_GET, Eof(), AppReceive(), AppReceive(), AppSend("start"), AppSend("body 300"), Take(), AppFinish()],
    [_GET, AppSend("start"), *[AppSend("body 70000 more")] * 3, Take(), AppSend("body"), Take(), AppFinish()],
    [_GET, ShutDown(), AppSend("start"), AppSend("body"), Take(), ToDeadline(), Take()],
    [
        Receive(b"GET / HT"),
        ShutDown(),
        Receive(b"TP/1.1\r\nHost: a\r\n\r\n"),
        AppSend("start"),
        ToDeadline(),
        Take(),
    ],
    [Receive(b"GET / HT"), Wait(1.0), Receive(b"TP/1.1\r\n"), Timeout(), ToDeadline(), Take()],
    [
        _GET,
        AppSend("bad value taint"),
        AppSend("body"),
        AppSend("start 304"),
        AppSend("body 5"),
        Take(),
        AppFinish(),
    ],
    [_GET, AppReceive(), AppReceive(), Lost(), AppReceive(), AppSend("start"), AppFinish()],
    [_GET, AppSend("start 205"), AppSend("body 5"), Take(), Oversleep(100_000.0), _GET, Timeout(), Take()],
)


def http1_seeds() -> list[bytes]:
    """Return scripts: stories of connections, under each of the settings; each message, to several clients."""
    seeds = [write_script(number, story) for number in range(len(SETTINGS)) for story in _STORIES]
    end: list[Operation] = [Take(), AppFinish(), Take(), Eof(), Take()]
    for first, name in itertools.product((_GET, _HEAD, _OLD, _TWO), MESSAGES):
        for body in ("body 5", "body 300"):
            messages = [
                AppSend(message) for message in ("hint", name, "start", "body 5 more", name, body, name)
            ]
            seeds.append(write_script(len(seeds) % len(SETTINGS), [first, *messages, *end]))
    rng = random.Random(1)
    respond: list[Operation] = [AppReceive(), AppSend("start"), AppSend("body 5"), AppFinish(), Take()]
    for number in range(_RANDOM_SEEDS):
        story: list[Operation] = [Receive(pipeline(rng), rng.choice((0, 0, 1, 5)))]
        seeds.append(write_script(number % len(SETTINGS), story + respond * 3))
    return seeds


def gate_seeds() -> list[bytes]:
    """Return streams of requests behind an octet that chooses the settings."""
    rng = random.Random(2)
    streams = [
        *REQUESTS,
        *(head * 2 for head in HOSTILE_HEADS),
        *(pipeline(rng) for _ in range(_RANDOM_SEEDS)),
    ]
    return [bytes([number % len(SETTINGS)]) + stream for number, stream in enumerate(streams)]


def scope_seeds() -> list[bytes]:
    """Return single requests' heads behind an octet that chooses the settings."""
    rng = random.Random(3)
    heads = [request(rng).partition(b"\r\n\r\n")[0] for _ in range(2 * _RANDOM_SEEDS)]
    return [bytes([number % len(SETTINGS)]) + head for number, head in enumerate(heads)]
