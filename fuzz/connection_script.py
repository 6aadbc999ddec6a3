"""Scripts for a connection of any protocol: the worlds that there are, and what a peer may say in them.

What the octets of a script stand for, `fuzz.script.Language` says. The first one chooses a world: the settings of one
of the other targets, and what the transport has negotiated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from sansio import Settings, TransportInfo
from tests import peers

from .connection_world import TRANSPORT
from .generate import Chooser, mutate, pipeline
from .http1_givens import REQUESTS
from .http1_givens import SETTINGS as HTTP1_SETTINGS
from .http2_script import HELLOS
from .http2_script import SETTINGS as HTTP2_SETTINGS
from .messages import ANY_MESSAGES
from .script import Language
from .websocket_script import FIRSTS, HEAD, OFFERS, WRONG_HEADS
from .websocket_script import SETTINGS as WEBSOCKET_SETTINGS
from .wire import client_frame

__all__ = ["HTTP2_WORLDS", "LANGUAGE", "WEBSOCKET_WORLDS", "WORLDS", "mutate_connection"]

_SECURE: Final = replace(TRANSPORT, secure=True)
_NEGOTIATED: Final = replace(_SECURE, alpn="h2")


def _with(settings: Settings) -> tuple[Settings, TransportInfo]:
    return settings, TRANSPORT if settings.h2c == "prior-knowledge" else _NEGOTIATED


WORLDS: Final[tuple[tuple[Settings, TransportInfo], ...]] = (
    *((settings, TRANSPORT) for settings in HTTP1_SETTINGS),
    *((settings, TRANSPORT) for settings in WEBSOCKET_SETTINGS),
    *map(_with, HTTP2_SETTINGS),
    (replace(HTTP1_SETTINGS[0], h2c="prior-knowledge"), TRANSPORT),
    (replace(HTTP1_SETTINGS[1], h2c="prior-knowledge"), TRANSPORT),
    (replace(HTTP1_SETTINGS[0], http="1"), _NEGOTIATED),
    (replace(HTTP1_SETTINGS[0], http="2"), TRANSPORT),
    (replace(HTTP1_SETTINGS[0], ws=False, http1_reader="h11"), replace(_SECURE, alpn="http/1.1")),
)
"""Settings, and what is known of the transport."""

WEBSOCKET_WORLDS: Final = len(HTTP1_SETTINGS)
"""Where those begin whose settings are of the target `websocket`."""
HTTP2_WORLDS: Final = WEBSOCKET_WORLDS + len(WEBSOCKET_SETTINGS)
"""Where those begin whose settings are of the target `http2`."""

_CONNECT: Final = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":scheme", b"https"),
    (b":authority", b"a"),
    (b":path", b"/chat"),
    (b"sec-websocket-version", b"13"),
]
_STREAMS: Final = (1, 3, 5)
_MESSAGES: Final = (b"", b"hello", b"\x03\xe8bye", b"x" * 300)


def _say(stream: int) -> tuple[bytes, ...]:
    return (
        peers.request(stream),
        peers.request(stream, b"POST", b"/%d" % stream, end_stream=False),
        peers.request(stream, b"POST", fields=[(b"content-length", b"5")], end_stream=False),
        peers.headers(stream, _CONNECT, end_stream=False),
        peers.headers(stream, [(b"x-trailer", b"1")]),
        peers.data(stream, b"hello"),
        peers.data(stream, b"hello", end_stream=True, padding=3),
        peers.data(stream, client_frame(0x81, b"hello")),
        peers.data(stream, client_frame(0x88, b"\x03\xe8bye")),
        peers.rst(stream),
        peers.window_update(stream, 100),
    )


_KNOWN: Final = (
    *REQUESTS,
    *(HEAD % offer for offer in OFFERS[:3]),
    HEAD.replace(b"13", b"12") % OFFERS[0],
    *(client_frame(first, _MESSAGES[number % len(_MESSAGES)]) for number, first in enumerate(FIRSTS)),
    client_frame(0x88, b"\x03\xe8bye"),
    client_frame(0x81, b"no mask", masked=False),
    *HELLOS,
    peers.PREFACE[:10],
    peers.PREFACE[10:] + peers.settings(),
    *(octets for stream in _STREAMS for octets in _say(stream)),
    peers.window_update(0, 65_535),
    peers.ping(),
    peers.ping(ack=True),
    peers.ping(b"goodbye!", ack=True),
    peers.settings((4, 0)),
    peers.settings((4, 100)),
    peers.goaway(),
    peers.frame(0x77, 0, 0, b"unknown"),
    *WRONG_HEADS,
)


def _invent(chooser: Chooser) -> bytes:
    """Make a pipeline of requests, or of anything that a peer may say in any protocol."""
    if chooser.randint(0, 2) == 0:
        return pipeline(chooser)
    said = b"".join(chooser.choice(_KNOWN) for _ in range(chooser.randint(1, 4)))
    return said if chooser.randint(0, 1) else mutate(said, chooser)


LANGUAGE: Final = Language(len(WORLDS), tuple(ANY_MESSAGES), _KNOWN, _invent)

mutate_connection: Final[Callable[[bytes, Chooser], bytes]] = LANGUAGE.mutate
"""Change a script by whole operations, or the octets in one."""
