"""Scripts of HTTP/2 that a fuzzer need not find by itself."""

from __future__ import annotations

import itertools
import random
from typing import Final

from .http2_script import HELLOS, NAMES, SETTINGS, WEBSOCKET_NAMES, Kind, mutate_http2
from .websocket import FIRSTS

__all__ = ["http2_seeds"]

_RANDOM_SEEDS: Final = 150

NEWEST, OLDER, CONNECTION, NEXT = 0, 1, 64, 66
_TAKE: Final = [Kind.TAKE]
_RECEIVE: Final = [Kind.APP_RECEIVE, 0]
_FINISH: Final = [Kind.APP_FINISH, 0, 0]
_FAIL: Final = [Kind.APP_FINISH, 0, 1]
_EOF: Final = [Kind.EOF]
_DEADLINE: Final = [Kind.DEADLINE]
_SHUT_DOWN: Final = [Kind.SHUT_DOWN]
_GLUED: Final = 0x80
"""What comes in one read with the next."""


def _request(template: int = 0, how: int = 0) -> list[int]:
    return [Kind.REQUEST, how, template]


def _post(template: int = 1, how: int = 0) -> list[int]:
    return _request(template, how | 4)


def _data(
    size: int, stream: int = NEWEST, *, last: bool = False, padding: int | None = None, how: int = 0
) -> list[int]:
    how |= (4 if last else 0) | (0 if padding is None else 8)
    return [Kind.DATA, how, size, *([] if padding is None else [padding]), stream]


def _send(*names: str, which: int = 0) -> list[int]:
    return [octet for name in names for octet in (Kind.APP_SEND, NAMES.index(name), which)]


def _say(*names: str) -> list[int]:
    return [octet for name in names for octet in (Kind.APP_SEND_WS, WEBSOCKET_NAMES.index(name), 0)]


def _frame(first: int, payload: bytes, how: int = 0) -> list[int]:
    return [Kind.WEBSOCKET, how, FIRSTS.index(first), len(payload), *payload, NEWEST]


def _window(stream: int, increment: int, how: int = 0) -> list[int]:
    return [Kind.WINDOW, how, stream, increment]


def _reset(stream: int = NEWEST, how: int = 0) -> list[int]:
    return [Kind.RESET, how, stream, 8]


def _settings(*items: tuple[int, int]) -> list[int]:
    return [Kind.SETTINGS, len(items) << 2, *(octet for item in items for octet in item)]


def _prefer(stream: int, value: int) -> list[int]:
    return [Kind.PRIORITY, 0, stream, value]


def _again(times: int) -> list[int]:
    return [Kind.AGAIN, 0, times]


def _wait(seconds: int) -> list[int]:
    return [Kind.WAIT, seconds]


_RESPOND: Final = [*_send("start", "body 5"), *_FINISH, *_TAKE]
_LARGE: Final = _send("start", "body 70000 more", "body 70000 more", "body 300")
_LARGE_TOO: Final = _send("start", "body 70000 more", "body 70000 more", "body", which=1)
_WIDE: Final = [*_settings((0, 10)), *_window(CONNECTION, 8)]
_BYE: Final = _frame(0x88, b"\x03\xe8bye")

_STORIES: Final[tuple[list[int], ...]] = (
    [*_request(), *_RECEIVE, *_RESPOND, *_request(3), *_RESPOND, *_wait(5), *_TAKE],
    [*_post(), *_data(5), *_RECEIVE, *_RECEIVE, *_data(2, last=True), *_RECEIVE, *_RESPOND],
    [*_post(2), *_RECEIVE, *_data(2), *_data(2, last=True), *_RECEIVE, *_RECEIVE, *_RESPOND],
    [*_post(2), *_data(1, last=True), *_RECEIVE, *_RESPOND],
    [
        *_post(5),
        *_RECEIVE,
        *_TAKE,
        *_data(4, padding=9),
        *_request(26, 8),
        NEWEST,
        *_RECEIVE,
        *_RECEIVE,
        *_RESPOND,
    ],
    [*_post(9), *_RECEIVE, *_wait(4), *_TAKE, *_FINISH],
    [*_request(), *_LARGE, *_TAKE, *_window(CONNECTION, 6), *_window(NEWEST, 6), *_TAKE, *_TAKE, *_FINISH],
    [
        *_request(),
        *_LARGE,
        *_TAKE,
        *_window(CONNECTION, 1),
        *_window(NEWEST, 1),
        *_again(3),
        *_TAKE,
        *_wait(4),
        *_TAKE,
    ],
    [
        *_request(8),
        *_LARGE,
        *_request(9),
        *_LARGE,
        *_TAKE,
        *_window(CONNECTION, 6),
        *_TAKE,
        *_window(OLDER, 6),
        *_TAKE,
    ],
    [
        *_request(),
        *_LARGE,
        *_settings((0, 1)),
        *_TAKE,
        *_settings((0, 7), (3, 9)),
        *_TAKE,
        *_settings((2, 0)),
        *_TAKE,
    ],
    [
        *_request(4),
        *_send("start trailers", "body 5 more", "body", "trailers more", "trailers last"),
        *_TAKE,
        *_FINISH,
    ],
    [*_request(4), *_send("start trailers", "body 300"), *_FINISH, *_TAKE],
    [*_request(), *_send("hint", "start 204", "hint two", "body"), *_TAKE, *_FINISH],
    [*_request(), *_send("start length 300", "body 5 more"), *_FAIL, *_TAKE, *_request(), *_FAIL, *_TAKE],
    [*_request(), *_reset(), *_RECEIVE, *_send("start"), *_FINISH, *_TAKE],
    [*_request(0, _GLUED), *_reset(), *_again(3), *_TAKE],
    [*_request(), *_again(2), *_RESPOND, *_TAKE],
    [*_post(), *_data(6), *_data(6), *_RECEIVE, *_data(1, how=2), *_reset(), *_RECEIVE, *_TAKE],
    [*_post(), *_data(8), *_again(4), *_TAKE, *_RECEIVE, *_TAKE],
    [*_post(), *_data(0), *_again(4), *_TAKE],
    [*_post(), *_RESPOND, *_data(4), *_data(4, last=True), *_TAKE, *_request(), *_RESPOND],
    [*_request(), *_RESPOND, *_data(4), *_TAKE, *_RECEIVE],
    [*_request(), *_data(4), *_TAKE, *_FINISH],
    [
        *_request(),
        *_window(NEWEST, 0),
        *_request(),
        *_window(NEWEST, 7),
        *_TAKE,
        *_window(CONNECTION, 7),
        *_TAKE,
    ],
    [*_request(), *_window(NEXT, 1), *_TAKE],
    [*_request(), *_reset(NEXT), *_TAKE],
    [
        *_request(0, 0x10),
        *_request(2, 0x34),
        *_request(1, 0x20),
        *_RESPOND,
        *_send("start", "body", which=1),
        *_TAKE,
    ],
    [*_request(0, 0x31), *_wait(3), *_TAKE],
    [Kind.PING, 0, 2, *_TAKE, *_again(4), *_TAKE],
    [
        Kind.PRIORITY,
        0,
        NEXT,
        0,
        *_request(),
        Kind.PRIORITY,
        4,
        NEWEST,
        3,
        *_LARGE,
        Kind.PRIORITY,
        0,
        NEWEST,
        1,
        *_TAKE,
    ],
    [*_request(), Kind.GOAWAY, 0, 0, 0, *_request(), *_TAKE, *_RESPOND, *_TAKE, *_EOF],
    [
        *_request(),
        *_SHUT_DOWN,
        *_TAKE,
        *_request(),
        Kind.PING,
        4,
        1,
        *_request(),
        *_TAKE,
        *_RESPOND,
        *_DEADLINE,
        *_TAKE,
    ],
    [*_request(), *_SHUT_DOWN, *_DEADLINE, *_TAKE, *_DEADLINE, *_TAKE, *_RECEIVE],
    [
        *_WIDE,
        *_request() * 2,
        *_LARGE,
        *_LARGE_TOO,
        *(
            octet
            for stream, value in ((NEWEST, 0), (OLDER, 1), (NEWEST, 1))
            for octet in _prefer(stream, value)
        ),
        *_TAKE,
        *_prefer(OLDER, 0),
        *_TAKE * 4,
        *_wait(4),
        *_wait(5),
    ],
    [*_request(), *_LARGE, *_EOF, *_TAKE, *_RECEIVE],
    [*_request(), *_LARGE, Kind.LOST, *_RECEIVE, *_send("start"), *_FINISH],
    [*_request(2), *_FINISH, *_DEADLINE, *_DEADLINE, *_TAKE, *_DEADLINE, *_TAKE, *_wait(5), *_TAKE],
    [
        *_request(6, 4),
        *_RECEIVE,
        *_say("accept b"),
        *_TAKE,
        *_frame(0x81, b"hi"),
        *_RECEIVE,
        *_say("text", "bytes 300"),
        *_TAKE,
        *_BYE,
        *_RECEIVE,
        *_TAKE,
        *_FINISH,
    ],
    [
        *_request(7, 4),
        *_frame(0x81, b"early"),
        *_say("accept"),
        *_RECEIVE,
        *_RECEIVE,
        *_say("text 300", "close"),
        *_TAKE,
        *_BYE,
        *_TAKE,
        *_RECEIVE,
    ],
    [
        *_request(7, 4),
        *_say("accept"),
        *_frame(0xC1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
        *_frame(0x89, b"p"),
        *_RECEIVE,
        *_RECEIVE,
        *_TAKE,
        *_frame(0x83, b""),
        *_RECEIVE,
        *_TAKE,
    ],
    [
        *_request(6, 4),
        *_say("accept", "bytes 70000", "bytes 70000"),
        *_TAKE,
        *_BYE,
        *_TAKE,
        *_window(NEWEST, 6),
        *_window(CONNECTION, 6),
        *_TAKE,
        *_RECEIVE,
    ],
    [*_request(6, 4), *_say("accept"), *_TAKE, *_wait(3), *_TAKE, *_wait(4), *_TAKE, *_RECEIVE, *_RECEIVE],
    [*_request(6, 4), *_say("accept"), *_data(0, last=True), *_TAKE, *_RECEIVE, *_RECEIVE],
    [
        *_request(6, 4),
        *_say("deny", "deny body"),
        *_TAKE,
        *_request(6, 4),
        *_say("close"),
        *_TAKE,
        *_request(6),
        *_FAIL,
        *_TAKE,
    ],
    [*_request(6, 4), *_say("accept"), *_SHUT_DOWN, *_TAKE, *_BYE, *_TAKE, *_RECEIVE, *_RECEIVE],
    [*_request(6, 4), *_RECEIVE, *_data(0, last=True), *_RECEIVE, *_TAKE, *_say("accept"), *_TAKE],
    [*_request(6, 4), *_wait(4), *_TAKE, *_RECEIVE, *_say("accept"), *_reset(), *_TAKE],
)


def http2_seeds() -> list[bytes]:
    """Return connections under each of the settings, to each kind of client; each request; each message."""
    worlds = list(itertools.product(range(len(SETTINGS)), range(len(HELLOS))))
    seeds = [
        bytes([*worlds[(number + shift * 7) % len(worlds)], *story])
        for number, story in enumerate(_STORIES)
        for shift in range(len(SETTINGS))
    ]
    for template in range(40):
        opening = _request(template) + _post(template, 0x40)
        seeds.append(bytes([template % len(SETTINGS), 0, *opening, *_TAKE, *_RESPOND, *_RECEIVE, *_TAKE]))
    for number, name in enumerate(NAMES):
        messages = _send("hint", name, "start", name, "body 5 more", name, "body 5", name)
        seeds.append(
            bytes([number % len(SETTINGS), number % 3, *_request(number % 9), *messages, *_FINISH, *_TAKE])
        )
    for number, name in enumerate(WEBSOCKET_NAMES):
        messages = [*_RECEIVE, *_say(name, "accept", name), *_TAKE, *_BYE, *_say(name), *_TAKE, *_RECEIVE]
        seeds.append(bytes([number % len(SETTINGS), number % 2, *_request(6 + number % 2, 4), *messages]))
    rng = random.Random(5)
    seeds += [mutate_http2(mutate_http2(rng.choice(seeds), rng), rng) for _ in range(_RANDOM_SEEDS)]
    return seeds
