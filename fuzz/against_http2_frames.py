"""Frames of a client of HTTP/2, right and nearly right: what a mutator puts between others, or makes of them."""

from __future__ import annotations

from typing import Final

from hpack import Encoder

from tests import peers
from tests.peers import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_WINDOW,
    PADDED,
    PRIORITISED,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    block,
    frame,
)

from .generate import Chooser, mutate

__all__ = [
    "ANSWER",
    "BULK",
    "IDENTIFIERS",
    "LINES",
    "METHODS",
    "PATHS",
    "VALUES",
    "change",
    "invent",
    "read_frames",
]

ANSWER: Final = 0xFE
"""The type of what is no frame: an application answers the request whose number is the stream."""
BULK: Final = 0xFF
"""The type of what is DATA of as many octets as its payload says in two."""

METHODS: Final = (
    *(b"GET", b"GET", b"POST", b"POST", b"POST", b"HEAD"),
    *(b"OPTIONS", b"get", b"G T", b"", b"TRACE", b"CONNECT"),
)
PATHS: Final = (b"/a", b"/b?c", b"/%41", b"/", b"*", b"a", b"/ b", b"/\xff", b"")
LINES: Final = (
    (b"accept", b"*/*"),
    (b"x", b""),
    (b"x-opaque", b"\x80\xff\t!"),
    (b"cookie", b"a=b"),
    (b"cookie", b"c=d"),
    (b"te", b"trailers"),
    (b"te", b"gzip"),
    (b"content-length", b"0"),
    (b"content-length", b"5"),
    (b"content-length", b"5, 5"),
    (b"content-length", b"99999999999999999999"),
    (b"host", b"a"),
    (b"host", b"A"),
    (b"host", b"b"),
    (b"expect", b"100-continue"),
    (b"expect", b"200"),
    (b"connection", b"close"),
    (b"transfer-encoding", b"chunked"),
    (b"X", b"y"),
    (b"a b", b"c"),
    (b"a(b", b"c"),
    (b"", b"c"),
    (b"a:b", b"c"),
    (b"x", b" y"),
    (b"x", b"\x00"),
    (b"x", b"\x7f"),
    (b":path", b"/"),
    (b":status", b"200"),
    (b":protocol", b"websocket"),
    (b":unknown", b"1"),
    (b"x", b"v" * 1_500),
)
_SCHEMES: Final = (b"https", b"https", b"http", b"ftp", b"HTTPS", b"")
_AUTHORITIES: Final = (b"a", b"a", b"a:80", b"u@a", b"", b"[::1]:443")
_STREAMS: Final = (1, 1, 1, 3, 3, 3, 5, 7, 9, 11, 13, 2, 0, 2**31 + 1, 2**31 - 1)
_SIZES: Final = (0, 1, 4, 5, 6, 100, 999, 1_000, 1_001, 16_000, 16_384, 16_385)
_INCREMENTS: Final = (
    *(0, 1, 1_000, 65_535, 2**30, MAX_WINDOW - 65_535, MAX_WINDOW - 65_534),
    *(MAX_WINDOW, 2**31, 2**31 + 1, 2**32 - 1),
)
IDENTIFIERS: Final = (1, 2, 3, 4, 4, 5, 6, 8, 9, 0, 77, 0xFFFF)
VALUES: Final = (0, 1, 2, 4_096, 2**14 - 1, 2**14, 65_535, 2**24 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_KINDS: Final = (*range(10), 0xA, 0xB, 0xC, 0x10, 0x11, 0xBE)
_FLAGS: Final = (END_STREAM, END_HEADERS, PADDED, PRIORITISED, 0x2, 0x40)
_PRIORITIES: Final = (b"\0\0\0\0\0", b"\x80\0\0\x01\xff", b"\0\0\0\x03\x10", b"\0\0\0\x01\0")
_UPDATES: Final = (b"u=0", b"u=7, i", b"i", b"?", b"u=9", b"\xff", b"")
_RAW_BLOCKS: Final = (
    b"",
    b"\x82",
    b"\xbe",
    b"\x80",
    b"\x20",
    b"\x3f\xe2\x1f",
    b"\x40\x01a\x01b",
    b"\xff\x80",
)
_ROOM: Final = 6
_MAX_FRAME_SIZE: Final = 16_384


def read_frames(data: bytes) -> list[bytes]:
    """Cut octets into frames. A field block is one, with what interrupts it, if anything does.

    What is incomplete in the end is left out, unless its length alone is wrong.
    """
    frames: list[bytes] = []
    start = place = 0
    while len(data) >= place + 9:
        size = int.from_bytes(data[place : place + 3], "big")
        kind, flags = data[place + 3], data[place + 4]
        if size > _MAX_FRAME_SIZE:
            frames.append(data[start:])
            break
        if len(data) < place + 9 + size:
            break
        goes_on = kind == HEADERS if place == start else kind == CONTINUATION
        place += 9 + size
        if not goes_on or flags & END_HEADERS:
            frames.append(data[start:place])
            start = place
    return frames


def invent(chooser: Chooser) -> bytes:
    """Return something that a client can send, if it may or not."""
    stream = chooser.choice(_STREAMS)
    match chooser.randint(0, 15):
        case 0 | 1 | 2 | 3:
            return _request(stream, chooser)
        case 4 | 5:
            padding = chooser.choice((None, None, None, 0, 3, 255))
            content = b"c" * chooser.choice(_SIZES[:_ROOM])
            return peers.data(stream, content, end_stream=bool(chooser.randint(0, 1)), padding=padding)
        case 6:
            size = chooser.choice(_SIZES).to_bytes(2, "big")
            return frame(BULK, chooser.randint(0, 1), stream, size)
        case 7:
            return peers.window_update(chooser.choice((stream, 0)), chooser.choice(_INCREMENTS))
        case 8:
            return peers.rst(stream, chooser.choice((0, 5, 8, 99)))
        case 9:
            items = [
                (chooser.choice(IDENTIFIERS), chooser.choice(VALUES)) for _ in range(chooser.randint(0, 3))
            ]
            return peers.settings(*items, ack=not items)
        case 10:
            return peers.ping(chooser.choice((b"12345678", b"1234567", b"")), ack=bool(chooser.randint(0, 1)))
        case 11:
            return frame(PRIORITY, 0, stream, chooser.choice((*_PRIORITIES, b"", b"123456")))
        case 12:
            return peers.priority_update(chooser.choice(_STREAMS), chooser.choice(_UPDATES))
        case 13:
            payload = bytes(chooser.randint(0, 255) for _ in range(chooser.randint(0, 9)))
            return frame(chooser.choice(_KINDS), chooser.choice((0, 1, 4, 5, 8, 9, 0x2D)), stream, payload)
        case 14:
            return chooser.choice(
                (peers.goaway(0), peers.goaway(2**31 - 1, 8, b"why"), peers.continuation(stream, b"\x82"))
            )
        case _:
            return frame(ANSWER, 0, chooser.randint(0, 3))


def _request(stream: int, chooser: Chooser) -> bytes:
    """Return a field block: a head, in any order, or trailers, or no fields at all."""
    if chooser.randint(0, 11) == 0:
        return peers.headers(stream, chooser.choice(_RAW_BLOCKS), end_stream=bool(chooser.randint(0, 1)))
    fields = [chooser.choice(LINES) for _ in range(chooser.choice((0, 0, 0, 1, 1, 2, 3, 13)))]
    if chooser.randint(0, 5):
        # Most of them are right.
        method, path, scheme, authority = (
            chooser.choice(values) if chooser.randint(0, 5) == 0 else values[0]
            for values in (METHODS, PATHS, _SCHEMES, _AUTHORITIES)
        )
        head = [(b":method", method), (b":scheme", scheme), (b":authority", authority), (b":path", path)]
        for _ in range(chooser.choice((0, 1, 4))):
            head.append(head.pop(chooser.randint(0, 3)))
        if chooser.randint(0, 5) == 0:
            del head[chooser.randint(0, 3)]
        fields = [*head, *fields]
        if chooser.randint(0, 11) == 0:
            fields.append(fields.pop(chooser.randint(0, len(fields) - 1)))
    encoder = Encoder()
    encoded = (
        block(fields)
        if chooser.randint(0, 1)
        else encoder.encode(fields, huffman=bool(chooser.randint(0, 1)))
    )
    ended = bool(chooser.randint(0, 2))
    if chooser.randint(0, 3) == 0:
        return _cut(peers.headers(stream, encoded, end_stream=ended), chooser)
    return peers.headers(
        stream,
        encoded,
        end_stream=ended,
        end_headers=chooser.randint(0, 11) > 0,
        padding=chooser.choice((None, None, None, 0, 7)),
        priority=chooser.choice((b"", b"", b"", *_PRIORITIES)),
    )


def _cut(octets: bytes, chooser: Chooser) -> bytes:
    """Make a HEADERS frame into several frames, with something in between at times."""
    flags, stream = octets[4], int.from_bytes(octets[5:9], "big")
    payload = octets[9:]
    places = sorted(chooser.randint(0, len(payload)) for _ in range(chooser.randint(1, 3)))
    pieces = [payload[start:end] for start, end in zip([0, *places], [*places, len(payload)], strict=True)]
    cut = frame(HEADERS, flags & ~END_HEADERS, stream, pieces[0])
    for number, piece in enumerate(pieces[1:], 2):
        if chooser.randint(0, 15) == 0:
            cut += chooser.choice(
                (peers.ping(), peers.data(stream, b"c"), peers.continuation(stream + 2, b""))
            )
        cut += peers.continuation(stream, piece, end_headers=number == len(pieces))
    return cut


def change(octets: bytes, chooser: Chooser) -> bytes:
    """Make another frame of one: its length, type, flags, stream, padding, block, numbers, or any octets."""
    kind, flags, payload = octets[3], octets[4], octets[9:]
    stream = int.from_bytes(octets[5:9], "big")
    match chooser.randint(0, 8):
        case 0:
            payload = payload[: chooser.randint(0, len(payload))]
        case 1:
            payload += bytes(chooser.randint(1, 6))
        case 2:
            kind = chooser.choice(_KINDS)
        case 3:
            flags ^= chooser.choice(_FLAGS)
        case 4:
            stream = chooser.choice((*_STREAMS, (stream + 2) % 2**31, (stream + 1) % 2**31))
        case 5 if kind in {DATA, HEADERS} and not flags & PADDED:
            padding = chooser.choice((0, 1, 9, 255))
            flags |= PADDED
            payload = bytes([padding]) + payload + bytes(max(0, padding - chooser.choice((0, 0, 1))))
        case 6 if kind == HEADERS and flags & END_HEADERS:
            return _cut(octets, chooser)
        case 7 if kind in {WINDOW_UPDATE, SETTINGS, RST_STREAM} and len(payload) >= 4:
            payload = payload[:-4] + chooser.choice((*_INCREMENTS, *VALUES)).to_bytes(4, "big")
        case 8:
            lie = max(0, len(payload) + chooser.choice((-1, 1, 2**14, -9, 9)))
            return frame(kind, flags, stream, payload, length=lie)
        case _:
            payload = mutate(payload, chooser)
    return frame(kind, flags, stream, payload)
