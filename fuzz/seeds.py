"""The seed corpus of each target, made from the shapes that the project knows.

A campaign makes it for itself; ``python -m fuzz TARGET --seeds DIRECTORY`` writes it down.
"""

from __future__ import annotations

import itertools
import random
from typing import Final

from .generate import HOSTILE_HEADS, pipeline, request
from .http1_corners import STORIES
from .http1_gate import PATIENT
from .http1_givens import REQUESTS, SETTINGS
from .http1_streams import STREAMS, http1_streams
from .messages import MESSAGES
from .script import write_script
from .websocket import FIRSTS, OFFERS, STARTS, Kind, mutate_websocket
from .websocket import MESSAGES as WEBSOCKET_MESSAGES
from .websocket import SETTINGS as WEBSOCKET_SETTINGS
from .wire import client_frame
from .world import (
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

__all__ = ["gate_seeds", "http1_seeds", "scope_seeds", "websocket_seeds"]

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
    stories = (*_STORIES, *STORIES)
    seeds = [write_script(number, story) for number in range(len(SETTINGS)) for story in stories]
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
    seeds = [bytes([number % len(SETTINGS)]) + stream for number, stream in enumerate(http1_streams())]
    return seeds + [bytes([number]) + stream for stream in STREAMS for number in range(len(PATIENT))]


def scope_seeds() -> list[bytes]:
    """Return single requests' heads behind an octet that chooses the settings."""
    rng = random.Random(3)
    whole = [*(request(rng) for _ in range(2 * _RANDOM_SEEDS)), *HOSTILE_HEADS, *STREAMS]
    heads = [stream.partition(b"\r\n\r\n")[0] for stream in whole]
    return [bytes([number % len(SETTINGS)]) + head for number, head in enumerate(heads)]


def websocket_seeds() -> list[bytes]:
    """Return sessions under each of the settings, with each of the offers; and what comes of changing them."""
    stories = _websocket_stories()
    seeds = [
        bytes([settings, offer]) + story
        for settings, offer in itertools.product(range(len(WEBSOCKET_SETTINGS)), range(len(OFFERS)))
        for story in stories[(settings + offer) % 6 :: 6]
    ]
    rng = random.Random(4)
    seeds += [mutate_websocket(mutate_websocket(rng.choice(seeds), rng), rng) for _ in range(_RANDOM_SEEDS)]
    return seeds


def _websocket_stories() -> list[bytes]:
    """Return sessions that a fuzzer need not find by itself, without the octets for settings and offer."""
    names = list(WEBSOCKET_MESSAGES)

    def send(name: str) -> list[int]:
        return [Kind.APP_SEND, names.index(name)]

    def say(payload: bytes, how: int = 0, times: int = 0) -> list[int]:
        return [Kind.MESSAGE, how, len(payload), times, *payload]

    def frame(first: int, payload: bytes, how: int = 0) -> list[int]:
        return [Kind.FRAME, how, FIRSTS.index(first), len(payload), 0, *payload]

    def in_octets(first: int) -> list[int]:
        return [Kind.FRAME, 1, FIRSTS.index(first), 50, 4, *b"x" * 50]

    take, receive = [Kind.TAKE], [Kind.APP_RECEIVE]
    bye = frame(0x88, b"\x03\xe8bye")
    close = [*send("close 3000"), *take]
    out = [octet for name in ("text", "bytes", "text 300", "bytes 300", "text none") for octet in send(name)]
    early = say(bytes(range(150)), 0b100) * 3
    far = [octet for first in (0, 70, 140) for octet in say(bytes(range(first, first + 60)) * 3, 0b1100, 0)]
    stories = [
        [*far * 3, *receive * 9, *bye, *take],
        [*say(b"ab\xc3", 0b1000), *receive, *take],
        [*say(b"ab\xc3"), *receive, *take],
        [*send("bytes 70000"), *send("bytes 300"), *send("bytes 70000"), *take, *bye, Kind.EOF, *take],
        [*say(b"a") * 4, Kind.EOF, *close, *receive, *take],
        [*say(b"hi"), *receive, *receive, *out, *take, *bye, *receive, *receive, *take, Kind.EOF],
        [*say(b"\xc3\xa9\xc3\xa9", 0b110001), *receive, *close, *say(b"late"), *bye, *receive, *take],
        [*say(b"abc", 0b1111100, 4), *say(b"abc", 0b1001, 4), *receive, *receive, *receive, *bye, *take],
        [*say(b"a") * 5, *receive * 3, *close, *bye, *take, *receive],
        [*say(b"a", 0b1000, 5), *say(b"\x00\xff", 0b1100, 3), *receive * 4, Kind.WAIT, 4, *take],
        [
            *frame(0x89, b"p1"),
            *out,
            *frame(0x89, b"p2"),
            *frame(0x89, b"p3"),
            *take,
            *frame(0x8A, b"1"),
            *take,
        ],
        [Kind.WAIT, 2, *take, *frame(0x8A, b"1"), Kind.WAIT, 3, *take, Kind.WAIT, 4, *take, *receive],
        [
            *frame(0x01, b"\xc3"),
            *frame(0x89, b""),
            *frame(0x80, b"\xa9"),
            *receive,
            Kind.SHUT_DOWN,
            *take,
            *bye,
        ],
        [*say(b"a") * 4, Kind.SHUT_DOWN, *receive * 3, Kind.DEADLINE, *take, Kind.DEADLINE, *take],
        [*say(b"a") * 4, Kind.LOST, *receive * 3, *send("text"), *take],
        [*say(b"a") * 4, *bye, Kind.EOF, *receive * 6, *take],
        [Kind.RAW, 0, 25, 5, *client_frame(0x89, b"nineteen octets, so"), *send("text"), Kind.TAKE],
        [Kind.RAW, 0, 15, 0, *b"\x82\xff\0\0\0\0\0\0\0\x01mask?", *receive, *receive],
        [Kind.SHUT_DOWN, *send("accept"), *take, *receive, *bye, *receive],
        [*frame(0x88, b"\x03"), *receive, *take],
        [*frame(0x81, b"\xff"), *receive, *take, Kind.WAIT, 4],
        [*frame(0x81, b"x", 0xFF), *receive, *take, Kind.EOF],
        [
            *send("bytes 70000"),
            *send("text"),
            *take,
            *close,
            Kind.DEADLINE,
            *take,
            Kind.DEADLINE,
            *take,
            *receive,
        ],
        [*send("deny body"), *take, Kind.APP_FINISH, 0, *receive, *take],
        [*say(b"early"), *send("accept b"), *take, *receive * 3, Kind.APP_FINISH, 1, *take, *bye],
        [*say(b"early"), Kind.EOF, *send("accept"), *receive * 3, *take],
        # Binary messages in fragments; and pings and compressed messages that come too late.
        [*close, *frame(0x89, b"p"), *bye, *take],
        [Kind.APP_FINISH, 0, *send("text"), *take, *bye, *send("accept"), *take],
        [*say(b"\x00\xff\x00\xff", 0b110100), *receive, *close, *say(b"late", 0b1000), *bye, *take],
        # A pong that may have come behind what nobody takes; and each end that has no reason.
        [Kind.WAIT, 2, *early, Kind.WAIT, 3, *take, *receive * 5, *take],
        [*frame(0x88, b""), *receive, *take, Kind.EOF],
        # Much of little; in so many pieces, or streams, that they are made one, or are too many.
        [*say(b"a" * 200, 0b1000, 5), *receive, *take, *bye, *take],
        [*in_octets(0x82), *in_octets(0x81), *receive * 2, *send("bytes array"), *bye, *take],
        [Kind.FRAME, 0, FIRSTS.index(0xC1), 2, 3, 3, 0, *receive, *take],
        [Kind.FRAME, 0, FIRSTS.index(0xC1), 2, 5, 3, 0, *receive, *take],
        [*(octet for name in names if name.startswith("bad") for octet in send(name)), *out, *take],
    ]
    return [bytes([start, *story]) for story in stories for start in range(len(STARTS))]
