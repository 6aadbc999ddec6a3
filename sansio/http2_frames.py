"""HTTP/2 frames: what nine octets say of one, and how ours are written.

A frame is judged by its header, before a single octet of its payload is kept: too long, on a stream where it may not
be, or with a length that its type cannot have. So nothing that is refused is ever buffered.

Source: RFC 9113 §4, §6; RFC 9218 §7.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from h2.errors import ErrorCodes

__all__ = [
    "FRAME_HEADER",
    "PREFACE",
    "ErrorCodes",
    "encode_frame",
    "encode_goaway",
    "encode_headers",
    "encode_reset",
    "encode_settings",
    "encode_window_update",
    "judge_header",
    "strip_padding",
]

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9
PRIORITY_UPDATE: Final = 0x10

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20

HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
SETTING_MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6
ENABLE_CONNECT_PROTOCOL: Final = 0x8
NO_RFC7540_PRIORITIES: Final = 0x9

FRAME_HEADER_SIZE: Final = 9
MAX_FRAME_SIZE: Final = 16_384
"""Of the frames that we take: the least that RFC 9113 §6.5.2 allows to announce, and what all send anyway."""
MAX_WINDOW_SIZE: Final = 2**31 - 1
MAX_STREAM_ID: Final = 2**31 - 1

FRAME_HEADER: Final = struct.Struct("!HBBBL")
"""Length (the first 16 of its 24 bits, and the rest), type, flags, stream."""

_SETTING: Final = struct.Struct("!HL")
_UINT32: Final = struct.Struct("!L")
_GOAWAY: Final = struct.Struct("!LL")

# Whether a type belongs on a stream; and the length that it has, or at least has. RFC 9113 §6; RFC 9218 §7.1
_ON_STREAM: Final = frozenset({DATA, HEADERS, PRIORITY, RST_STREAM, CONTINUATION})
_ON_CONNECTION: Final = frozenset({SETTINGS, PING, GOAWAY, PRIORITY_UPDATE})
_PADDABLE: Final = frozenset({DATA, HEADERS})
_LENGTHS: Final = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
_LEAST_LENGTHS: Final = {GOAWAY: 8, PRIORITY_UPDATE: 4}


def judge_header(kind: int, flags: int, length: int, stream_id: int) -> tuple[ErrorCodes, str] | None:
    """Return what is wrong with a frame whose header this is, or None.

    All of it ends the connection: where RFC 9113 would let a stream end alone, it allows that too (§5.4.1).
    """
    if length > MAX_FRAME_SIZE:
        return ErrorCodes.FRAME_SIZE_ERROR, "frame beyond 16384 octets"
    if stream_id:
        if kind in _ON_CONNECTION:
            return ErrorCodes.PROTOCOL_ERROR, "frame of the connection on a stream"
    elif kind in _ON_STREAM:
        return ErrorCodes.PROTOCOL_ERROR, "frame of a stream on the connection"
    if kind == PUSH_PROMISE:
        return ErrorCodes.PROTOCOL_ERROR, "push from a client"
    if kind == SETTINGS and (length % 6 or (flags & ACK and length)):
        return ErrorCodes.FRAME_SIZE_ERROR, "SETTINGS frame of a wrong length"
    least = _LEAST_LENGTHS.get(kind, 0)
    if kind == HEADERS and flags & WITH_PRIORITY:
        least = 5
    if flags & PADDED and kind in _PADDABLE:
        least += 1
    if _LENGTHS.get(kind, length) != length or length < least:
        return ErrorCodes.FRAME_SIZE_ERROR, "frame of a length that its type cannot have"
    return None


def strip_padding(payload: bytes, flags: int) -> bytes | None:
    """Return a payload without its padding and, of HEADERS, its priority; None if there is more padding than payload.

    Its header has passed: it is long enough for what the flags say.

    Source: RFC 9113 §6.1, §6.2.
    """
    start, end = 0, len(payload)
    if flags & PADDED:
        start = 1
        end -= payload[0]
    if flags & WITH_PRIORITY:
        start += 5
    return payload[start:end] if start <= end else None


def encode_frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """Return a frame. The caller keeps the length within the peer's limit."""
    size = len(payload)
    return FRAME_HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream_id) + payload


def encode_headers(stream_id: int, block: bytes, *, ended: bool, max_frame_size: int) -> bytes:
    """Return a field block in one HEADERS frame, and as many CONTINUATION frames as it takes (RFC 9113 §6.10)."""
    flags = END_STREAM if ended else 0
    if len(block) <= max_frame_size:
        size = len(block)
        return FRAME_HEADER.pack(size >> 8, size & 0xFF, HEADERS, flags | END_HEADERS, stream_id) + block
    parts = [encode_frame(HEADERS, flags, stream_id, block[:max_frame_size])]
    for start in range(max_frame_size, len(block), max_frame_size):
        last = start + max_frame_size >= len(block)
        piece = block[start : start + max_frame_size]
        parts.append(encode_frame(CONTINUATION, END_HEADERS if last else 0, stream_id, piece))
    return b"".join(parts)


def encode_settings(values: Iterable[tuple[int, int]]) -> bytes:
    """Return a SETTINGS frame."""
    return encode_frame(SETTINGS, 0, 0, b"".join([_SETTING.pack(*value) for value in values]))


def decode_settings(payload: bytes) -> list[tuple[int, int]]:
    """Return identifiers and values of a SETTINGS frame, in order."""
    return list(_SETTING.iter_unpack(payload))


def encode_window_update(stream_id: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame."""
    return encode_frame(WINDOW_UPDATE, 0, stream_id, _UINT32.pack(increment))


def encode_reset(stream_id: int, code: int) -> bytes:
    """Return a RST_STREAM frame."""
    return encode_frame(RST_STREAM, 0, stream_id, _UINT32.pack(code))


def encode_goaway(last_stream_id: int, code: int, reason: str = "") -> bytes:
    """Return a GOAWAY frame; the reason goes with it as debug data (RFC 9113 §6.8)."""
    return encode_frame(GOAWAY, 0, 0, _GOAWAY.pack(last_stream_id, code) + reason.encode("ascii"))


def decode_uint31(payload: bytes) -> int:
    """Return the number in four octets whose first bit is reserved (RFC 9113 §4.1, §6.9)."""
    number: int = _UINT32.unpack_from(payload)[0]
    return number & 0x7FFFFFFF
