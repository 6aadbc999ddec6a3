"""Scripts for a connection of any protocol: those of the other targets, and mixtures that belong to none of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from tests import peers

from .connection_script import HTTP2_WORLDS, LANGUAGE, WEBSOCKET_WORLDS, WORLDS, mutate_connection
from .http2_script import HELLOS, Script
from .http2_script import SETTINGS as HTTP2_SETTINGS
from .http2_seeds import http2_seeds
from .messages import MESSAGES
from .operations import (
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
from .script import read_script
from .seeds import http1_seeds, websocket_seeds
from .websocket_script import HEAD, OFFERS, WRONG_HEADS, read_session
from .wire import client_frame

__all__ = ["connection_seeds"]

_EVERY: Final = 8
_RANDOM_SEEDS: Final = 60
_MAX_SIZE: Final = 2_000
_MAX_OPERATIONS: Final = 64

_GET: Final = Receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
_POST: Final = Receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
_PART: Final = Receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
_UPGRADE: Final = Receive(HEAD % OFFERS[1])
_TEXT: Final = Receive(client_frame(0x81, b"hello"))
_MUCH: Final = Receive(client_frame(0x82, b"x" * 150) * 3)
_BYE: Final = Receive(client_frame(0x88, b"\x03\xe8bye"))
_HELLO: Final = Receive(HELLOS[0])
_FIRST: Final = Receive(peers.request(1, b"POST", end_stream=False))
_SECOND: Final = Receive(peers.request(3))
_RESPOND: Final = (AppSend("start"), AppSend("body 5"), AppFinish())
_ACCEPT: Final = (AppReceive(), AppSend("websocket accept"))

# Applications that go on after their response, one more than may, and then some.
_UNFINISHED: Final = (_GET, AppSend("start"), AppSend("body 5")) * 20

_STORIES: Final[tuple[tuple[Operation, ...], ...]] = (
    (_GET, AppReceive(), *_RESPOND, Take(), _POST, AppReceive(), *_RESPOND, Take(), Wait(100_000.0)),
    (_GET, *_RESPOND, Take(), _UPGRADE, *_ACCEPT, Take(), _TEXT, AppReceive(), AppReceive(), _BYE, Take()),
    (_UPGRADE, *_ACCEPT, Take(), AppSend("start"), AppSend("websocket text"), Take(), Lost(), AppReceive()),
    (_UPGRADE, _TEXT, *_ACCEPT, AppReceive(), AppReceive(), AppReceive(), Take(), Wait(100_000.0)),
    (_UPGRADE, AppReceive(), AppReceive(), Eof(), AppReceive(), AppSend("websocket accept"), Take()),
    (_UPGRADE, *_ACCEPT, Take(), _TEXT, _TEXT, ShutDown(), Take(), AppReceive(), AppReceive(), _BYE, Take()),
    (_UPGRADE, _HELLO, *_ACCEPT, Take(), AppReceive(), AppReceive(), Take(), Take()),
    (_HELLO, _FIRST, _SECOND, AppReceive(1), *_RESPOND, Take(), AppFinish(0, failed=True), Take()),
    (_HELLO, Take(), _GET, Take(), ToDeadline(), Take(), ToDeadline()),
    (_GET, _HELLO, *_RESPOND, Take(), Take(), ToDeadline()),
    (
        *(Receive(data) for data in (HELLOS[0][:20], HELLOS[0][20:], peers.request(1))),
        Timeout(),
        *_RESPOND,
        Take(),
    ),
    (Receive(peers.PREFACE[:10]), ToDeadline(), Take(), Receive(peers.PREFACE[10:]), Take(), ToDeadline()),
    (Receive(peers.PREFACE[:4]), Eof(), Take(), Eof(), Receive(b"late"), Take()),
    (Receive(peers.PREFACE[:4]), ShutDown(), Take(), ToDeadline()),
    (
        _HELLO,
        Receive(peers.request(1), 1),
        Receive(peers.rst(1)),
        AppReceive(),
        AppSend("start"),
        AppReceive(),
        AppFinish(),
    ),
    (_HELLO, _FIRST, AppReceive(), AppReceive(), ShutDown(), Receive(peers.data(1, b"late")), Lost(), Lost()),
    (_HELLO, _FIRST, AppReceive(), Oversleep(100_000.0), Timeout(), AppReceive(), AppSend("start"), Take()),
    (_GET, AppFlush(), AppSend("hint"), AppSend("start trailers"), AppFlush(), Eof(), AppReceive(), Take()),
    (_POST, AppReceive(), AppReceive(), AppReceive(), Lost(), AppReceive(), AppSend("start"), AppReceive()),
    (
        _HELLO,
        *(Receive(peers.request(stream)) for stream in (1, 3, 5, 7)),
        AppReceive(),
        AppSend("start"),
        Take(),
    ),
    (_HELLO, _FIRST, Receive(peers.rst(1)), _SECOND, Receive(peers.rst(3)), *_RESPOND, AppReceive(1), Take()),
    (_GET, AppReceive(), ShutDown(), Wait(0.25), ShutDown(), ToDeadline(), Take(), ToDeadline()),
    (_HELLO, _FIRST, AppReceive(), Take(), ShutDown(), Wait(0.25), ShutDown(), Take(), ToDeadline()),
    (_PART, AppReceive(), AppReceive(), Wait(0.25), AppReceive(), AppSend("start"), Wait(0.25), AppReceive()),
    (_HELLO, _FIRST, AppReceive(), Wait(0.25), AppReceive(), _SECOND, AppReceive(), AppReceive(1), Take()),
    (_UPGRADE, *_ACCEPT, AppReceive(), Take(), Wait(0.25), AppReceive(), ShutDown(), Wait(0.25), ShutDown()),
    (_UPGRADE, *_ACCEPT, Take(), _MUCH, _MUCH, AppReceive(), AppReceive(), _MUCH, AppReceive(), Take()),
    (_PART, AppReceive(), AppReceive(), Wait(40.0), Receive(b"l"), Wait(40.0), AppReceive(), Take()),
    (
        _PART,
        AppReceive(),
        AppReceive(),
        Wait(0.25),
        Receive(b"l"),
        Wait(1.0),
        AppReceive(),
        ToDeadline(),
        Take(),
    ),
    (_PART, AppReceive(), AppReceive(), Wait(100_000.0), AppReceive(), Take()),
    (_HELLO, Take(), _FIRST, AppReceive(), AppSend("start"), Take(), Wait(100_000.0), AppReceive(), Take()),
    (_HELLO, _SECOND, Eof(), AppReceive(), AppReceive(), AppSend("start"), Take(), Receive(b""), Eof()),
)


def connection_seeds() -> list[bytes]:
    """Return mixtures in every world, scripts of the other targets, and what comes of changing them."""
    stories: list[bytes] = [
        LANGUAGE.write(world, story) for story in _STORIES for world in range(len(WORLDS))
    ]
    stories += [LANGUAGE.write(world, [*_UNFINISHED, Take()]) for world in (0, WEBSOCKET_WORLDS)]
    stories += [
        LANGUAGE.write(world, [Receive(head), Take(), Eof(), Take()])
        for world in (WEBSOCKET_WORLDS, len(WORLDS) - 1)  # The last takes no WebSockets.
        for head in WRONG_HEADS
    ]
    bad: list[Operation] = [AppSend(name) for name in LANGUAGE.names if "bad" in name]
    openings = ((0, _GET), (WEBSOCKET_WORLDS, _UPGRADE), (HTTP2_WORLDS, Receive(HELLOS[0] + _SECOND.data)))
    stories += [
        LANGUAGE.write(world, [opening, *bad[part::2], Take()])
        for world, opening in openings
        for part in range(2)
    ]
    for data in http1_seeds()[::_EVERY]:
        stories += _translate(*read_script(data))
    for data in websocket_seeds()[::_EVERY]:
        settings, operations = read_session(data)
        stories += _translate(WEBSOCKET_WORLDS + settings, [_renamed(operation) for operation in operations])
    for data in http2_seeds()[::_EVERY]:
        script = Script(data)
        stories += _translate(HTTP2_WORLDS + HTTP2_SETTINGS.index(script.settings), script.operations)
    rng = random.Random(6)
    return stories + [
        mutate_connection(mutate_connection(rng.choice(stories), rng), rng)[:_MAX_SIZE]
        for _ in range(_RANDOM_SEEDS)
    ]


def _translate(world: int, operations: Sequence[Operation]) -> list[bytes]:
    """Return the script of these operations, if it is not too large for one."""
    try:
        script = LANGUAGE.write(world, [_known(operation) for operation in operations[:_MAX_OPERATIONS]])
    except ValueError:  # More octets at once, or another time, than a script can say.
        return []
    return [script] if len(script) <= _MAX_SIZE else []


def _known(operation: Operation) -> Operation:
    """Return what sends a message of either kind by its name here."""
    if isinstance(operation, AppSend) and operation.name not in MESSAGES:
        return AppSend(f"websocket {operation.name.removeprefix('websocket ')}", operation.which)
    return operation


def _renamed(operation: Operation) -> Operation:
    return AppSend(f"websocket {operation.name}") if isinstance(operation, AppSend) else operation
