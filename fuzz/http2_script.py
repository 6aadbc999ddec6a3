"""Scripts for HTTP/2: octets that stand for what a peer, its applications and a clock do.

The first two octets choose settings and what the client says first. Each operation that follows is one octet for its
kind, and what it needs. Streams are named by their distance from the newest, so that a script goes on meaning
something when an operation is left out.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Final

import hpack

from sansio import DefaultFields, Settings
from tests import peers

from .generate import Chooser, mutate
from .messages import MESSAGES, WEBSOCKET_MESSAGES
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
from .websocket_script import FIRSTS
from .wire import client_frame

__all__ = ["HELLOS", "NAMES", "SETTINGS", "WEBSOCKET_NAMES", "Kind", "Script", "mutate_http2"]


def _settings(**keys: object) -> Settings:
    fields = DefaultFields(b"tricorn", [(b"x-extra", b"1")])
    fields.set_date(b"Sun, 06 Nov 1994 08:49:37 GMT")
    return Settings(default_fields=fields, **keys)  # type: ignore[arg-type]


SETTINGS: Final = (
    _settings(),
    _settings(
        http2_max_concurrent_streams=3,
        http2_initial_window_size=300,
        http2_max_header_list_size=600,
        http2_reset_burst=6,
        http2_control_burst=20,
        limit_request_fields=8,
        limit_request_body=200,
        limit_write_buffer=64,
        limit_requests_per_connection=5,
    ),
    _settings(
        http2_max_concurrent_streams=1,
        http2_initial_window_size=1,
        limit_write_buffer=1,
        limit_discard=0,
        root_path="/mounted",
    ),
    _settings(
        http2_max_concurrent_streams=4,
        http2_settings_timeout=3.0,
        http2_window_timeout=2.0,
        http2_keep_alive_interval=1.5,
        http2_keep_alive_timeout=1.0,
        timeout_request_head=2.0,
        timeout_request_body=1.0,
        timeout_keep_alive=5.0,
        timeout_graceful_shutdown=4.0,
        timeout_linger=1.0,
        ws_handshake_timeout=2.0,
        ws_ping_interval=1.0,
        ws_ping_timeout=0.5,
        ws_close_timeout=0.5,
    ),
    _settings(
        http2_settings_timeout=0.0,
        http2_window_timeout=0.0,
        timeout_request_head=0.0,
        timeout_request_body=0.0,
        timeout_keep_alive=0.0,
        timeout_graceful_shutdown=0.0,
        timeout_linger=0.0,
        ws_handshake_timeout=0.0,
    ),
    _settings(
        h2c="prior-knowledge",
        http2_max_concurrent_streams=6,
        http2_initial_window_size=70_000,
        limit_write_buffer=500,
        limit_read_buffer=300,
        ws_max_size=200,
        ws_max_fragments=3,
        ws_ping_interval=math.inf,
    ),
    _settings(
        ws=False,
        http2_max_concurrent_streams=2,
        http2_initial_window_size=32_768,
        http2_reset_burst=2,
        http2_reset_rate=1,
        http2_control_burst=3,
        http2_control_rate=1,
        limit_write_buffer=64,
    ),
    _settings(
        http2_reset_burst=10_000,
        http2_control_burst=10_000,
        http2_keep_alive_interval=0.5,
        http2_keep_alive_timeout=2.0,
        limit_request_body=200,
        limit_write_buffer=1_000,
        ws_max_size=100_000,
    ),
)

_ACKNOWLEDGED: Final = peers.settings(ack=True)
HELLOS: Final = (
    peers.PREFACE + peers.settings() + _ACKNOWLEDGED,
    peers.PREFACE + peers.settings((4, 0)) + _ACKNOWLEDGED,
    peers.PREFACE + peers.settings((1, 0), (4, 100), (5, 20_000)) + _ACKNOWLEDGED,
    peers.PREFACE + peers.settings(),
    peers.PREFACE
    + peers.settings((4, 2**31 - 1), (5, 2**24 - 1))
    + _ACKNOWLEDGED
    + peers.window_update(0, 2**31 - 65_536),
    peers.PREFACE,
    peers.PREFACE[:18] + b"HELLO!",
)


class Kind(enum.IntEnum):
    """What an operation is, by the octet that names it."""

    REQUEST, DATA, WEBSOCKET, WINDOW, RESET, SETTINGS, PING, PRIORITY, GOAWAY, FRAME, RAW, AGAIN = range(12)
    EOF, LOST, WAIT, DEADLINE, OVERSLEEP, TIMEOUT, SHUT_DOWN, TAKE = range(12, 20)
    APP_RECEIVE, APP_SEND, APP_SEND_WS, APP_FLUSH, APP_FINISH, FLOOD = range(20, 26)


_FREQUENT: Final = (Kind.REQUEST, Kind.REQUEST, Kind.DATA, Kind.WINDOW, Kind.TAKE, Kind.TAKE)
_KINDS: Final = (*Kind, *_FREQUENT, Kind.APP_RECEIVE, Kind.APP_SEND, Kind.APP_SEND, Kind.APP_FINISH)

NAMES: Final = tuple(MESSAGES)
WEBSOCKET_NAMES: Final = tuple(WEBSOCKET_MESSAGES)
_CUTS: Final = (0, 0, 1, 10)
_SIZES: Final = (0, 1, 5, 10, 100, 299, 300, 2_000, 16_384, 16_385)
_INCREMENTS: Final = (0, 1, 100, 255, 300, 16_384, 65_535, 2**31 - 1, 2**31 - 65_536, 2**31)
_VALUES: Final = (0, 1, 2, 100, 300, 4_096, 16_384, 65_535, 2**24 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_IDENTIFIERS: Final = (4, 4, 1, 5, 2, 3, 6, 8, 9, 0, 0xFFFF)
_SECONDS: Final = (0.0, 0.5, 2.0, 9.0, 70.0, 200_000.0)
_TIMES: Final = (1, 2, 5, 30, 300)
_MAX_OPERATIONS: Final = 60
_MAX_READS: Final = 10_000
_MAX_OCTETS: Final = 400_000

_WEBSOCKET: Final = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b"sec-websocket-version", b"13"),
]
_DEFLATE: Final = (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits")
# What goes before the fields that every request has, and behind them; None: without those.
_TEMPLATES: Final[tuple[tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]] | None], ...]] = (
    ([(b":method", b"GET")], []),
    ([(b":method", b"POST")], []),
    ([(b":method", b"POST")], [(b"content-length", b"5")]),
    ([(b":method", b"HEAD")], []),
    ([(b":method", b"GET")], [(b"te", b"trailers"), (b"accept", b"*/*")]),
    ([(b":method", b"POST")], [(b"expect", b"100-continue"), (b"x-opaque", b"\x80\xff")]),
    ([*_WEBSOCKET[:2]], [_WEBSOCKET[2]]),
    ([*_WEBSOCKET[:2]], [_WEBSOCKET[2], _DEFLATE, (b"sec-websocket-protocol", b"a, b")]),
    (
        [(b":method", b"PUT")],
        [(b"cookie", b"a=b"), (b"priority", b"u=1"), (b"cookie", b"c=d"), (b"cookie", b"")],
    ),
    ([(b":method", b"POST")], [(b"content-length", b"300"), (b"priority", b"u=7, i")]),
    ([(b":method", b"GET")], [(b"content-length", b"0"), (b"host", b"A")]),
    ([(b":method", b"GET")], [(b"x-large", b"v" * 700)]),
    ([(b":method", b"GET")], [(b"x", b"")] * 12),
    ([(b":method", b"GET")], [(b"content-length", b"5, 5")]),
    ([(b":method", b"GET")], [(b"Upper", b"a")]),
    ([(b":method", b"GET")], [(b"connection", b"close")]),
    ([(b":method", b"GET"), (b":method", b"GET")], []),
    ([(b":method", b"GET")], [(b":path", b"/")]),
    ([(b":method", b"GET")], [(b"te", b"gzip")]),
    ([(b":method", b"GET")], [(b"expect", b"200-maybe")]),
    ([(b":method", b"GET")], [(b"host", b"b")]),
    ([(b":method", b"TRACE")], []),
    ([(b":method", b"CONNECT")], []),
    ([(b":method", b"GET /")], []),
    ([*_WEBSOCKET[:2]], [(b"sec-websocket-version", b"12")]),
    ([], [(b"x-trailer", b"1")]),
    ([(b"x-trailer", b"1")], None),
    ([(b"x-trailer", b"1"), (b"content-length", b"7")], None),
    ([(b":status", b"200")], None),
    ([(b":method", b"OPTIONS"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"*")], None),
    ([(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/%41?q"), (b"host", b"a")], None),
    ([(b":method", b"CONNECT"), (b":authority", b"a:80")], None),
    ([], None),
    ([(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")], None),
    ([(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")], [(b"host", b"a"), (b"host", b"a")]),
    ([(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b"host", b"a b")], None),
    (
        [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"u@a"), (b":path", b"/")],
        None,
    ),
    ([(b":method", b"GET"), (b":authority", b"a"), (b":path", b"/")], None),
    ([(b":method", b"GET"), (b":scheme", b"ftp"), (b":authority", b"a"), (b":path", b"/")], None),
    ([(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"")], None),
    ([(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"x")], None),
    ([(b":method", b"get")], []),
    ([(b":method", b"GET"), (b":protocol", b"websocket")], []),
    ([(b":method", b"CONNECT"), (b":protocol", b"other")], []),
    ([(b":method", b"GET"), (b":else", b"")], []),
    ([(b":method", b"POST")], [(b"content-length", b"5"), (b"content-length", b"5")]),
    ([(b":method", b"GET")], [(b"host", b"a"), (b"host", b"a")]),
    ([(b":method", b"GET")], [(b"x y", b"a")]),
    ([(b":method", b"GET")], [(b"x", b"a\nb")]),
    ([(b":method", b"GET")], [(b"x", b" a")]),
    ([(b":method", b"GET")], [(b"", b"a")]),
    ([*_WEBSOCKET[:2]], [_WEBSOCKET[2], (b"content-length", b"5")]),
    ([*_WEBSOCKET[:2]], []),
    ([(b"x-trailer", b"1"), (b"te", b"gzip")], None),
    ([(b"X-Trailer", b"1")], None),
    ([(b"x-trailer", b"v" * 700)], None),
)


class Script:
    """Reads a script; keeps the client's encoder of fields and the numbers of its streams."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._newest = -1
        self._encoder = hpack.Encoder()
        self._held = b""  # Octets that come with the next ones.
        self._fed = 0
        self._last: Operation = Take()
        self.ends: list[int] = []
        """Where the header and each operation end."""
        self.settings = SETTINGS[self._number(len(SETTINGS))]
        hello = HELLOS[self._number(len(HELLOS))]
        if self.settings.h2c == "prior-knowledge" and not hello.startswith(peers.PREFACE):
            hello = HELLOS[0]  # It would be HTTP/1.
        self.operations: list[Operation] = [Receive(hello), Take()]
        self.ends.append(self._position)
        while self._position < len(data) and len(self.ends) < _MAX_OPERATIONS and self._fed < _MAX_OCTETS:
            operation = self._read()
            if operation is not None:
                self.operations.append(operation)
            self.ends.append(min(self._position, len(data)))

    def _number(self, many: int = 256) -> int:
        self._position += 1
        return self._data[self._position - 1] % many if self._position <= len(self._data) else 0

    def _payload(self) -> bytes:
        size = self._number()
        self._position += size
        return self._data[self._position - size : self._position]

    def _stream(self) -> int:
        """Return a number of a stream: near the newest, or one where a frame has no business."""
        choice = self._number()
        if choice < 64:
            return max(1, self._newest - 2 * (choice % 8))
        others = (
            0,
            2,
            self._newest + 2,
            self._newest + 20,
            1,
            2**31 - 1,
            2**31 + self._newest,
            self._newest + 1,
        )
        return max(0, others[choice % 8])

    def _read(self) -> Operation | None:
        kind = _KINDS[self._number(len(_KINDS))]
        simple: dict[int, Callable[[], Operation]] = {
            Kind.EOF: Eof,
            Kind.LOST: Lost,
            Kind.WAIT: lambda: Wait(_SECONDS[self._number(len(_SECONDS))]),
            Kind.OVERSLEEP: lambda: Oversleep(_SECONDS[self._number(len(_SECONDS))]),
            Kind.DEADLINE: ToDeadline,
            Kind.TIMEOUT: Timeout,
            Kind.SHUT_DOWN: ShutDown,
            Kind.TAKE: Take,
            Kind.APP_RECEIVE: lambda: AppReceive(self._number(8)),
            Kind.APP_SEND: lambda: AppSend(NAMES[self._number(len(NAMES))], self._number(8)),
            Kind.APP_SEND_WS: lambda: AppSend(
                WEBSOCKET_NAMES[self._number(len(WEBSOCKET_NAMES))], self._number(8)
            ),
            Kind.APP_FLUSH: lambda: AppFlush(self._number(8)),
            Kind.APP_FINISH: lambda: AppFinish(self._number(8), bool(self._number(2))),
        }
        if kind in simple:
            return simple[kind]()
        how = self._number()
        octets = self._held + self._frames(kind, how)
        self._held = b""
        self._fed += len(octets)
        if how & 0x80:
            self._held = octets
            return None
        cut = _CUTS[how & 3]
        self._last = Receive(octets, cut and max(cut, len(octets) // _MAX_READS))
        return self._last

    def _frames(self, kind: int, how: int) -> bytes:
        match kind:
            case Kind.REQUEST:
                return self._request(how)
            case Kind.DATA:
                content = b"c" * _SIZES[self._number(len(_SIZES))]
                padding = self._number() if how & 8 else None
                return peers.data(self._stream(), content, end_stream=bool(how & 4), padding=padding)
            case Kind.WEBSOCKET:
                first = FIRSTS[self._number(len(FIRSTS))]
                octets = client_frame(first, self._payload(), masked=how & 0x70 != 0x70)
                return peers.data(self._stream(), octets, end_stream=bool(how & 4))
            case Kind.WINDOW:
                return peers.window_update(self._stream(), _INCREMENTS[self._number(len(_INCREMENTS))])
            case Kind.RESET:
                return peers.rst(self._stream(), self._number())
            case Kind.SETTINGS:
                items = [
                    (_IDENTIFIERS[self._number(len(_IDENTIFIERS))], _VALUES[self._number(len(_VALUES))])
                    for _ in range(how >> 2 & 3)
                ]
                return peers.settings(*items, ack=bool(how & 0x10) and not items)
            case Kind.PING:
                return peers.ping((b"hello? :", b"goodbye!", b"12345678")[self._number(3)], ack=bool(how & 4))
            case Kind.PRIORITY:
                if how & 4:
                    return peers.priority(self._stream(), self._number())
                value = (b"u=0", b"u=7", b"u=1, u=2;a", b"i", b"\xff")[self._number(5)]
                return peers.priority_update(self._stream(), value)
            case Kind.GOAWAY:
                return peers.goaway(self._number(), self._number(4), b"bye")
            case Kind.FRAME:
                return peers.frame(self._number(18), self._number(), self._stream(), self._payload())
            case Kind.FLOOD:
                return self._flood(how)
            case Kind.AGAIN:
                last = self._last.data if isinstance(self._last, Receive) else b""
                times = _TIMES[self._number(len(_TIMES))]
                return last * min(times, max(1, (_MAX_OCTETS - self._fed) // max(1, len(last))))
            case _:
                return self._payload()

    def _request(self, how: int) -> bytes:
        stream = self._newest + 2 if not how & 8 else self._stream()
        fields = _with_path(self._number(len(_TEMPLATES)), b"/%d?q" % stream)
        indexed = bool(how & 0x40)
        encoded = self._encoder.encode(fields, huffman=bool(how & 4)) if indexed else peers.block(fields)
        ended = not how & 4
        self._newest = max(self._newest, stream if stream < 2**30 and stream % 2 else 0)
        way = how >> 4 & 3
        if way == 1:
            middle = len(encoded) // 2
            return peers.in_pieces(stream, [encoded[:middle], b"", encoded[middle:]], end_stream=ended)
        if way == 2:
            return peers.headers(stream, encoded, end_stream=ended, padding=7, priority=b"\x80\0\0\x01\xff")
        return peers.headers(stream, encoded, end_stream=ended, end_headers=way != 3 or not how & 1)

    def _flood(self, how: int) -> bytes:
        """Return one request after the other, to another host each perhaps, and RST_STREAM behind each perhaps."""
        times = _TIMES[self._number(len(_TIMES))]
        template = self._number(len(_TEMPLATES))
        octets = b""
        for _ in range(times):
            self._newest += 2
            host = b"a%d" % self._newest if how & 0x40 else b"a"
            fields = _with_path(template, b"/%d?q" % self._newest, host)
            octets += peers.headers(self._newest, fields, end_stream=not how & 4)
            if how & 8:
                octets += peers.rst(self._newest)
        return octets


def _with_path(template: int, path: bytes, host: bytes = b"a") -> list[tuple[bytes, bytes]]:
    before, behind = _TEMPLATES[template]
    if behind is None:
        return before
    return [*before, (b":scheme", b"https"), (b":authority", host), (b":path", path), *behind]


def mutate_http2(data: bytes, chooser: Chooser) -> bytes:
    """Change some octets, or leave out, repeat, move or invent an operation."""
    way = chooser.randint(0, 6)
    if not way:
        return mutate(data, chooser)
    ends = Script(data).ends
    header, *operations = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    place = chooser.randint(0, len(operations))
    if way == 1 and operations:
        del operations[place - 1]
    elif way == 2 and operations:
        operations.insert(place, chooser.choice(operations))
    elif way == 3 and operations:
        part = bytearray(operations[place - 1])
        if part:
            part[chooser.randint(0, len(part) - 1)] = chooser.randint(0, 255)
        operations[place - 1] = bytes(part)
    elif way == 4:
        header = bytes([chooser.randint(0, 255), chooser.randint(0, 255)])
    else:
        for _ in range(chooser.randint(1, 3)):
            # Small numbers name what is near, and cuts and continuations that are usual.
            arguments = [chooser.randint(0, 255 if chooser.randint(0, 3) == 0 else 9) for _ in range(5)]
            operations.insert(
                place, bytes([chooser.randint(0, len(_KINDS) - 1), *arguments[: chooser.randint(1, 5)]])
            )
    return header + b"".join(operations)
