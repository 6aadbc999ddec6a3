"""Scripts for a WebSocket: octets that stand for what a peer, an application and a clock do.

The first octets choose settings, what the client offers, and what the application answers at first. Each operation
that follows is one octet for its kind, and what it needs.
"""

from __future__ import annotations

import enum
import math
import zlib
from collections.abc import Callable
from typing import Final

from sansio import Settings

from .generate import Chooser, mutate
from .messages import WEBSOCKET_MESSAGES as MESSAGES
from .operations import (
    AppFinish,
    AppReceive,
    AppSend,
    Eof,
    Lost,
    Operation,
    Receive,
    ShutDown,
    Take,
    Timeout,
    ToDeadline,
    Wait,
)
from .wire import client_frame

__all__ = [
    "FIRSTS",
    "HEAD",
    "MESSAGES",
    "OFFERS",
    "SECONDS",
    "SETTINGS",
    "STARTS",
    "WRONG_HEADS",
    "Kind",
    "mutate_websocket",
    "read_session",
]

_TIMES: Final[dict[str, float]] = {"timeout_linger": 2.0, "ws_ping_interval": 3.0, "ws_ping_timeout": 2.0}
SETTINGS: Final = (
    Settings(),
    Settings(ws_max_size=200, ws_max_fragments=3, limit_read_buffer=300, limit_write_buffer=64, **_TIMES),  # type: ignore[arg-type]
    Settings(ws_max_size=1, ws_max_fragments=1, limit_read_buffer=1, limit_write_buffer=1, limit_discard=0),
    Settings(ws_per_message_deflate=False, ws_max_size=1_000, limit_read_buffer=1_000, ws_ping_interval=1.0),
    Settings(ws_ping_interval=math.inf, ws_max_size=70_000, limit_read_buffer=600, ws_close_timeout=1.0),
    Settings(
        ws_close_timeout=0.0, timeout_linger=0.0, ws_handshake_timeout=1.0, timeout_graceful_shutdown=4.0
    ),
)

_DEFLATE: Final = b"Sec-WebSocket-Extensions: permessage-deflate"
OFFERS: Final = (
    b"X: y",
    _DEFLATE,
    _DEFLATE + b"; client_max_window_bits",
    _DEFLATE + b"; server_no_context_takeover; client_no_context_takeover",
    _DEFLATE + b"; server_max_window_bits=9; client_max_window_bits=9",
    _DEFLATE + b"; server_max_window_bits=8, x-other, permessage-deflate; client_no_context_takeover",
)
HEAD: Final = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: a, b\r\n%b\r\n\r\n"
)
"""A handshake with room for one field. Its key is the one of RFC 6455 §1.3."""

_KEY: Final = b"dGhlIHNhbXBsZSBub25jZQ=="
WRONG_HEADS: Final = (
    HEAD % b"Content-Length: 5",
    HEAD % b"Sec-WebSocket-Version: 13",
    HEAD.replace(b"13", b"12") % OFFERS[0],
    HEAD % (b"Sec-WebSocket-Key: " + _KEY),
    HEAD.replace(_KEY, b"c2hvcnQ=") % OFFERS[0],
    HEAD.replace(_KEY, b"no base64?") % OFFERS[0],
    HEAD % (b"Sec-WebSocket-Protocol: " + b"a," * 65),
    HEAD % b"Sec-WebSocket-Protocol: a b",
    HEAD % (b"Sec-WebSocket-Extensions: " + b"a," * 32 + b"a"),
    HEAD % b"Sec-WebSocket-Extensions: ;",
)
"""Handshakes that must be refused (RFC 6455 §4.2.1)."""

_NAMES: Final = tuple(MESSAGES)

STARTS: Final[tuple[list[Operation], ...]] = (
    [AppReceive(), AppSend("accept"), Take()],
    [AppSend("accept b")],
    [AppReceive(), AppReceive()],
    [AppSend("close")],
    [AppReceive(), AppSend("deny")],
)


class Kind(enum.IntEnum):
    """What an operation is, by the octet that names it."""

    FRAME, MESSAGE, RAW, EOF, LOST, WAIT, DEADLINE, TIMEOUT, SHUT_DOWN, TAKE = range(10)
    APP_RECEIVE, APP_SEND, APP_FINISH = range(10, 13)


_KINDS: Final = tuple(map(Kind, (*Kind, 0, 1, 1, 9, 10, 11, 11)))  # Frequent ones have several octets.
FIRSTS: Final = b"\x81\x82\x89\x8a\x88\x01\x02\x00\x80\xc1\xc2\x41\x83\xa1\x09\xc0"
"""First octets of frames."""
_CUTS: Final = (0, 1, 3, 50)
_TIMES_REPEATED: Final = (1, 1, 1, 2, 30, 300)
SECONDS: Final = (0.0, 0.5, 3.0, 9.0, 200.0)
_MAX_OPERATIONS: Final = 40


class _Script:
    """Reads a script; keeps the client's compressor."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self.ends: list[int] = []
        """Where the header and each operation end."""
        self.settings = self._number(len(SETTINGS))
        self.offer = self._number(len(OFFERS))
        start = self._number(len(STARTS))
        self._bits = -9 if b"client_max" in OFFERS[self.offer] else -15
        self._zlib = zlib.compressobj(wbits=self._bits)
        self.operations: list[Operation] = [Receive(HEAD % OFFERS[self.offer]), *STARTS[start]]
        self.ends.append(self._position)
        while self._position < len(data) and len(self.ends) < _MAX_OPERATIONS:
            self.operations.append(self._read())
            self.ends.append(min(self._position, len(data)))

    def _number(self, many: int = 256) -> int:
        self._position += 1
        return self._data[self._position - 1] % many if self._position <= len(self._data) else 0

    def _payload(self) -> bytes:
        size = self._number()
        times = _TIMES_REPEATED[self._number(len(_TIMES_REPEATED))]
        self._position += size
        return self._data[self._position - size : self._position] * times

    def _read(self) -> Operation:
        kind = _KINDS[self._number(len(_KINDS))]
        if kind in {Kind.FRAME, Kind.MESSAGE, Kind.RAW}:
            how = self._number()
            cut = _CUTS[how & 3]
            if kind == Kind.RAW:
                return Receive(self._payload(), cut)
            if kind == Kind.FRAME:
                first = FIRSTS[self._number(len(FIRSTS))]
                return Receive(client_frame(first, self._payload(), masked=how != 0xFF), cut)
            return Receive(self._message(how), cut)
        simple: dict[int, Callable[[], Operation]] = {
            Kind.EOF: Eof,
            Kind.LOST: Lost,
            Kind.WAIT: lambda: Wait(SECONDS[self._number(len(SECONDS))]),
            Kind.DEADLINE: ToDeadline,
            Kind.TIMEOUT: Timeout,
            Kind.SHUT_DOWN: ShutDown,
            Kind.TAKE: Take,
            Kind.APP_RECEIVE: AppReceive,
            Kind.APP_SEND: lambda: AppSend(_NAMES[self._number(len(_NAMES))]),
            Kind.APP_FINISH: lambda: AppFinish(0, bool(self._number(2))),
        }
        return simple[kind]()

    def _message(self, how: int) -> bytes:
        """Return a message in fragments: text or not, compressed or not."""
        payload = self._payload()
        first = 2 if how & 4 else 1
        if how & 8:
            first |= 0x40
            payload = self._zlib.compress(payload) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
            payload = payload[:-4]
            if b"client_no_context_takeover" in OFFERS[self.offer]:
                self._zlib = zlib.compressobj(wbits=self._bits)
        fragments = 1 + (how >> 4 & 3)
        size = len(payload) // fragments + 1
        parts = [payload[start : start + size] for start in range(0, max(1, len(payload)), size)]
        ping = client_frame(0x89, b"between") if how & 64 else b""
        frames = [
            client_frame((0 if number else first) | (0x80 if number == len(parts) - 1 else 0), part)
            for number, part in enumerate(parts)
        ]
        return ping.join(frames)


def read_session(data: bytes) -> tuple[int, list[Operation]]:
    """Return the number of the settings and the operations that these octets stand for."""
    script = _Script(data)
    return script.settings, script.operations


def mutate_websocket(data: bytes, chooser: Chooser) -> bytes:
    """Change some octets, or leave out, repeat, move or invent an operation."""
    way = chooser.randint(0, 5)
    if not way:
        return mutate(data, chooser)
    ends = _Script(data).ends
    parts = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    header, *operations = parts
    place = chooser.randint(0, len(operations))
    if way == 1 and operations:
        del operations[place - 1]
    elif way == 2 and operations:
        operations.insert(place, chooser.choice(operations))
    elif way == 3:
        header = bytes(chooser.randint(0, 255) for _ in range(3))
    else:
        payload = bytes(
            [chooser.choice(b"a1\xc3\xa9\xff\x03\xe8\x00") for _ in range(chooser.randint(0, 20))]
        )
        kind = chooser.randint(0, len(_KINDS) - 1)
        octets = [kind, chooser.randint(0, 255)]
        if _KINDS[kind] == Kind.FRAME:
            octets.append(chooser.randint(0, len(FIRSTS) - 1))
        if _KINDS[kind] in {Kind.FRAME, Kind.MESSAGE, Kind.RAW}:
            octets += [len(payload), chooser.randint(0, 5), *payload]
        operations.insert(place, bytes(octets))
    return header + b"".join(operations)
