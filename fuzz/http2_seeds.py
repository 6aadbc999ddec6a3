"""Scripts of HTTP/2 that a fuzzer need not find by itself."""

from __future__ import annotations

import itertools
import random
from typing import Final

from .http2_corners import CORNERS
from .http2_pieces import (
    BYE,
    CONNECTION,
    DEADLINE,
    EOF,
    FAIL,
    FINISH,
    GLUED,
    LARGE,
    LARGE_TOO,
    NEWEST,
    NEXT,
    OLDER,
    RECEIVE,
    RESPOND,
    SHUT_DOWN,
    TAKE,
    WIDE,
    again,
    data,
    frame,
    post,
    prefer,
    request,
    reset,
    say,
    send,
    settings,
    trailers,
    wait,
    window,
)
from .http2_script import HELLOS, NAMES, SETTINGS, WEBSOCKET_NAMES, Kind, mutate_http2

__all__ = ["http2_seeds"]

_RANDOM_SEEDS: Final = 150
_WORLDS: Final = 5
_TEMPLATES: Final = 56

_STORIES: Final[tuple[list[int], ...]] = (
    [*request(), *RECEIVE, *RESPOND, *request(3), *RESPOND, *wait(5), *TAKE],
    [*post(), *data(5), *RECEIVE, *RECEIVE, *data(2, last=True), *RECEIVE, *RESPOND],
    [*post(2), *RECEIVE, *data(2), *data(2, last=True), *RECEIVE, *RECEIVE, *RESPOND],
    [*post(2), *data(1, last=True), *RECEIVE, *RESPOND],
    [
        *post(5),
        *RECEIVE,
        *TAKE,
        *data(4, padding=9),
        *trailers(),
        *RECEIVE,
        *RECEIVE,
        *RESPOND,
    ],
    [*post(9), *RECEIVE, *wait(4), *TAKE, *FINISH],
    [*request(), *LARGE, *TAKE, *window(CONNECTION, 6), *window(NEWEST, 6), *TAKE, *TAKE, *FINISH],
    [
        *request(),
        *LARGE,
        *TAKE,
        *window(CONNECTION, 1),
        *window(NEWEST, 1),
        *again(3),
        *TAKE,
        *wait(4),
        *TAKE,
    ],
    [
        *request(8),
        *LARGE,
        *request(9),
        *LARGE,
        *TAKE,
        *window(CONNECTION, 6),
        *TAKE,
        *window(OLDER, 6),
        *TAKE,
    ],
    [
        *request(),
        *LARGE,
        *settings((0, 1)),
        *TAKE,
        *settings((0, 7), (3, 9)),
        *TAKE,
        *settings((2, 0)),
        *TAKE,
    ],
    [
        *request(4),
        *send("start trailers", "body 5 more", "body", "trailers more", "trailers last"),
        *TAKE,
        *FINISH,
    ],
    [*request(4), *send("start trailers", "body 300"), *FINISH, *TAKE],
    [*request(), *send("hint", "start 204", "hint two", "body"), *TAKE, *FINISH],
    [*request(), *send("start length 300", "body 5 more"), *FAIL, *TAKE, *request(), *FAIL, *TAKE],
    [*request(), *reset(), *RECEIVE, *send("start"), *FINISH, *TAKE],
    [*request(0, GLUED), *reset(), *again(3), *TAKE],
    [*request(), *again(2), *RESPOND, *TAKE],
    [*post(), *data(6), *data(6), *RECEIVE, *data(1, how=2), *reset(), *RECEIVE, *TAKE],
    [*post(), *data(8), *again(4), *TAKE, *RECEIVE, *TAKE],
    [*post(), *data(0), *again(4), *TAKE],
    [*post(), *RESPOND, *data(4), *data(4, last=True), *TAKE, *request(), *RESPOND],
    [*request(), *RESPOND, *data(4), *TAKE, *RECEIVE],
    [*request(), *data(4), *TAKE, *FINISH],
    [
        *request(),
        *window(NEWEST, 0),
        *request(),
        *window(NEWEST, 7),
        *TAKE,
        *window(CONNECTION, 7),
        *TAKE,
    ],
    [*request(), *window(NEXT, 1), *TAKE],
    [*request(), *reset(NEXT), *TAKE],
    [
        *request(0, 0x10),
        *request(2, 0x34),
        *request(1, 0x20),
        *RESPOND,
        *send("start", "body", which=1),
        *TAKE,
    ],
    [*request(0, 0x31), *wait(3), *TAKE],
    [Kind.PING, 0, 2, *TAKE, *again(4), *TAKE],
    [
        Kind.PRIORITY,
        0,
        NEXT,
        0,
        *request(),
        Kind.PRIORITY,
        4,
        NEWEST,
        3,
        *LARGE,
        Kind.PRIORITY,
        0,
        NEWEST,
        1,
        *TAKE,
    ],
    [*request(), Kind.GOAWAY, 0, 0, 0, *request(), *TAKE, *RESPOND, *TAKE, *EOF],
    [
        *request(),
        *SHUT_DOWN,
        *TAKE,
        *request(),
        Kind.PING,
        4,
        1,
        *request(),
        *TAKE,
        *RESPOND,
        *DEADLINE,
        *TAKE,
    ],
    [*request(), *SHUT_DOWN, *DEADLINE, *TAKE, *DEADLINE, *TAKE, *RECEIVE],
    [
        *WIDE,
        *request() * 2,
        *LARGE,
        *LARGE_TOO,
        *(
            octet
            for stream, value in ((NEWEST, 0), (OLDER, 1), (NEWEST, 1))
            for octet in prefer(stream, value)
        ),
        *TAKE,
        *prefer(OLDER, 0),
        *TAKE * 4,
        *wait(4),
        *wait(5),
    ],
    [*request(), *LARGE, *EOF, *TAKE, *RECEIVE],
    [*request(), *LARGE, Kind.LOST, *RECEIVE, *send("start"), *FINISH],
    [*request(2), *FINISH, *DEADLINE, *DEADLINE, *TAKE, *DEADLINE, *TAKE, *wait(5), *TAKE],
    [
        *request(6, 4),
        *RECEIVE,
        *say("accept b"),
        *TAKE,
        *frame(0x81, b"hi"),
        *RECEIVE,
        *say("text", "bytes 300"),
        *TAKE,
        *BYE,
        *RECEIVE,
        *TAKE,
        *FINISH,
    ],
    [
        *request(7, 4),
        *frame(0x81, b"early"),
        *say("accept"),
        *RECEIVE,
        *RECEIVE,
        *say("text 300", "close"),
        *TAKE,
        *BYE,
        *TAKE,
        *RECEIVE,
    ],
    [
        *request(7, 4),
        *say("accept"),
        *frame(0xC1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
        *frame(0x89, b"p"),
        *RECEIVE,
        *RECEIVE,
        *TAKE,
        *frame(0x83, b""),
        *RECEIVE,
        *TAKE,
    ],
    [
        *request(6, 4),
        *say("accept", "bytes 70000", "bytes 70000"),
        *TAKE,
        *BYE,
        *TAKE,
        *window(NEWEST, 6),
        *window(CONNECTION, 6),
        *TAKE,
        *RECEIVE,
    ],
    [*request(6, 4), *say("accept"), *TAKE, *wait(3), *TAKE, *wait(4), *TAKE, *RECEIVE, *RECEIVE],
    [*request(6, 4), *say("accept"), *data(0, last=True), *TAKE, *RECEIVE, *RECEIVE],
    [
        *request(6, 4),
        *say("deny", "deny body"),
        *TAKE,
        *request(6, 4),
        *say("close"),
        *TAKE,
        *request(6),
        *FAIL,
        *TAKE,
    ],
    [*request(6, 4), *say("accept"), *SHUT_DOWN, *TAKE, *BYE, *TAKE, *RECEIVE, *RECEIVE],
    [*request(6, 4), *RECEIVE, *data(0, last=True), *RECEIVE, *TAKE, *say("accept"), *TAKE],
    [*request(6, 4), *wait(4), *TAKE, *RECEIVE, *say("accept"), *reset(), *TAKE],
)


def http2_seeds() -> list[bytes]:
    """Return connections under each of the settings, to each kind of client; each request; each message."""
    worlds = list(itertools.product(range(len(SETTINGS)), range(len(HELLOS))))
    seeds = [
        bytes([*worlds[(number + shift * 11) % len(worlds)], *story])
        for number, story in enumerate(_STORIES)
        for shift in range(_WORLDS)
    ]
    seeds += [bytes([settings, hello, *story]) for settings, hello, story in CORNERS]
    for template in range(_TEMPLATES):
        opening = request(template) + post(template, 0x40)
        seeds.append(bytes([template % len(SETTINGS), 0, *opening, *TAKE, *RESPOND, *RECEIVE, *TAKE]))
    for number, name in enumerate(NAMES):
        messages = send("hint", name, "start", name, "body 5 more", name, "body 5", name)
        seeds.append(
            bytes([number % len(SETTINGS), number % 3, *request(number % 9), *messages, *FINISH, *TAKE])
        )
    for number, name in enumerate(WEBSOCKET_NAMES):
        messages = [*RECEIVE, *say(name, "accept", name), *TAKE, *BYE, *say(name), *TAKE, *RECEIVE]
        seeds.append(bytes([number % len(SETTINGS), number % 2, *request(6 + number % 2, 4), *messages]))
    rng = random.Random(5)
    seeds += [mutate_http2(mutate_http2(rng.choice(seeds), rng), rng) for _ in range(_RANDOM_SEEDS)]
    return seeds
