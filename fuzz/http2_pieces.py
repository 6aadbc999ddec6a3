"""Operations of scripts of HTTP/2, one by one, as octets: what seeds are made of."""

from __future__ import annotations

from typing import Final

from .http2_script import NAMES, WEBSOCKET_NAMES, Kind
from .websocket_script import FIRSTS

__all__ = [
    "BYE",
    "CONNECT",
    "CONNECTION",
    "DEADLINE",
    "EOF",
    "FAIL",
    "FINISH",
    "FULL",
    "GLUED",
    "LARGE",
    "LARGE_TOO",
    "NEWEST",
    "NEXT",
    "OLDER",
    "PINGS",
    "RECEIVE",
    "RESPOND",
    "SHUT_DOWN",
    "SKIPPING",
    "TAKE",
    "WIDE",
    "again",
    "again_on",
    "data",
    "flood",
    "frame",
    "post",
    "prefer",
    "request",
    "reset",
    "say",
    "send",
    "settings",
    "trailers",
    "unusual",
    "wait",
    "window",
]

NEWEST, OLDER, CONNECTION, NEXT = 0, 1, 64, 66
TAKE: Final = [Kind.TAKE]
RECEIVE: Final = [Kind.APP_RECEIVE, 0]
FINISH: Final = [Kind.APP_FINISH, 0, 0]
FAIL: Final = [Kind.APP_FINISH, 0, 1]
EOF: Final = [Kind.EOF]
DEADLINE: Final = [Kind.DEADLINE]
SHUT_DOWN: Final = [Kind.SHUT_DOWN]
GLUED: Final = 0x80
"""What comes in one read with the next."""


def request(template: int = 0, how: int = 0) -> list[int]:
    return [Kind.REQUEST, how, template]


def post(template: int = 1, how: int = 0) -> list[int]:
    return request(template, how | 4)


def again_on(stream: int, template: int, how: int = 0) -> list[int]:
    """Fields on a stream that is not the next."""
    return [Kind.REQUEST, how | 8, stream, template]


def trailers(template: int = 26, stream: int = NEWEST) -> list[int]:
    return again_on(stream, template)


def data(
    size: int, stream: int = NEWEST, *, last: bool = False, padding: int | None = None, how: int = 0
) -> list[int]:
    how |= (4 if last else 0) | (0 if padding is None else 8)
    return [Kind.DATA, how, size, *([] if padding is None else [padding]), stream]


def send(*names: str, which: int = 0) -> list[int]:
    return [octet for name in names for octet in (Kind.APP_SEND, NAMES.index(name), which)]


def say(*names: str) -> list[int]:
    return [octet for name in names for octet in (Kind.APP_SEND_WS, WEBSOCKET_NAMES.index(name), 0)]


def frame(first: int, payload: bytes, how: int = 0) -> list[int]:
    return [Kind.WEBSOCKET, how, FIRSTS.index(first), len(payload), *payload, NEWEST]


def window(stream: int, increment: int, how: int = 0) -> list[int]:
    return [Kind.WINDOW, how, stream, increment]


def reset(stream: int = NEWEST, how: int = 0) -> list[int]:
    return [Kind.RESET, how, stream, 8]


def settings(*items: tuple[int, int]) -> list[int]:
    return [Kind.SETTINGS, len(items) << 2, *(octet for item in items for octet in item)]


def prefer(stream: int, value: int) -> list[int]:
    return [Kind.PRIORITY, 0, stream, value]


def again(times: int) -> list[int]:
    return [Kind.AGAIN, 0, times]


def flood(times: int, template: int = 0, how: int = 0) -> list[int]:
    """Many requests in one read; with 8 in `how`, each is taken back."""
    return [Kind.FLOOD, how, times, template]


def unusual(kind: int, flags: int, stream: int, payload: bytes) -> list[int]:
    return [Kind.FRAME, 0, kind, flags, stream, len(payload), *payload]


def wait(seconds: int) -> list[int]:
    return [Kind.WAIT, seconds]


RESPOND: Final = [*send("start", "body 5"), *FINISH, *TAKE]
LARGE: Final = send("start", "body 70000 more", "body 70000 more", "body 300")
LARGE_TOO: Final = send("start", "body 70000 more", "body 70000 more", "body", which=1)
WIDE: Final = [*settings((0, 10)), *window(CONNECTION, 8)]
BYE: Final = frame(0x88, b"\x03\xe8bye")
PINGS: Final = [Kind.PING, 0, 2, *again(3), *again(4)]
CONNECT: Final = [*request(6, 4), *say("accept"), *TAKE]
SKIPPING: Final = 67
FULL: Final = [*data(8), *data(8)]
