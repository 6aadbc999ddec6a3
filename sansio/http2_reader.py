"""From a client's octets to HTTP/2 frames, one by one, each judged before it is kept.

Theory of operation
-------------------

    PREFACE     24 octets are to come
      v
    SETTINGS    the first frame has to be SETTINGS
      v
    FRAMES      any frame
      | HEADERS without END_HEADERS        ^ CONTINUATION with END_HEADERS
      v                                    |
    BLOCK       only CONTINUATION of the same stream; the block grows to its limit

A frame is given out when it is complete; a field block is given out as one HEADERS frame. What is refused is refused
as soon as its first nine octets are there, or the one octet that is wrong, and after everything before it was given
out. At most one frame, and one field block, are kept.

Source: RFC 9113 §3.4, §4.1, §4.3, §6.10.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from .http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER,
    FRAME_HEADER_SIZE,
    HEADERS,
    MAX_FRAME_SIZE,
    MAX_STREAM_ID,
    PADDED,
    PREFACE,
    SETTINGS,
    WITH_PRIORITY,
    ErrorCodes,
    judge_header,
    strip_padding,
)

__all__ = ["Failure", "Frame", "FrameReader"]

Frame: TypeAlias = tuple[int, int, int, bytes]
"""Type, flags, stream and payload. The payload of HEADERS is the whole block, without padding and priority."""

Failure: TypeAlias = tuple[ErrorCodes, str]
"""What ends the connection, and one phrase for the operator."""

_unpack: Final = FRAME_HEADER.unpack_from

# Type and flags of content, and of whole field blocks, without padding and priority.
_PLAIN: Final = frozenset(
    {
        DATA << 8,
        DATA << 8 | END_STREAM,
        HEADERS << 8 | END_HEADERS,
        HEADERS << 8 | END_HEADERS | END_STREAM,
    }
)

# Frames of one block that bring nothing, or as good as: more than any client has use for (VU#421644).
_MAX_CONTINUATIONS: Final = 64


class FrameReader:
    """Reads the frames of one connection."""

    __slots__ = (
        "_block",
        "_block_flags",
        "_block_stream",
        "_buffer",
        "_continuations",
        "_data",
        "_first",
        "_max_block_size",
        "_needed",
        "_start",
        "blocks",
        "in_block",
        "in_preface",
    )

    def __init__(self, max_block_size: int) -> None:
        self.in_preface = True
        """The client's preface has not come whole."""
        self.in_block = False
        """A field block has begun and not ended."""
        self.blocks = 0
        """Field blocks that came in more than one frame."""
        self._max_block_size = max_block_size
        self._first = True  # The first frame is to come.
        self._data = b""  # What came last, and is being read.
        self._start = 0
        self._buffer = bytearray()  # Of a frame that has not come whole.
        self._needed = 0  # Octets of it without which looking again is of no use.
        self._block = bytearray()
        self._block_stream = 0
        self._block_flags = 0
        self._continuations = 0

    def receive_data(self, data: bytes) -> None:
        """Octets came. Take frames until there are none, before the next."""
        buffer = self._buffer
        if buffer:
            buffer += data
            if len(buffer) < self._needed:
                return
            data = bytes(buffer)
            buffer.clear()
        self._data = data
        self._start = 0

    def take(self) -> Frame | Failure | None:
        """Take the next frame; None: it has not come whole."""
        data = self._data
        if self.in_preface:
            failure = self._read_preface(data)
            if failure is not None or self.in_preface:
                return failure
        size = len(data)
        start = self._start
        while size - start >= FRAME_HEADER_SIZE:
            high, low, kind, flags, stream_id = _unpack(data, start)
            length = high << 8 | low
            stream_id &= MAX_STREAM_ID
            end = start + FRAME_HEADER_SIZE + length
            if (
                (kind << 8 | flags) in _PLAIN
                and end <= size
                and length <= MAX_FRAME_SIZE
                and stream_id
                and not self.in_block
                and not self._first
            ):
                # Nearly every frame: nothing is wrong with it, and it is here in one piece.
                self._start = end
                return kind, flags, stream_id, data[start + FRAME_HEADER_SIZE : end]
            failure = judge_header(kind, flags, length, stream_id) or self._judge_order(
                kind, flags, length, stream_id
            )
            if failure is not None:
                return failure
            if end > size:
                self._keep(data, start, FRAME_HEADER_SIZE + length)
                return None
            payload = data[start + FRAME_HEADER_SIZE : end]
            self._start = start = end
            if kind == HEADERS:
                if flags & (PADDED | WITH_PRIORITY):
                    stripped = strip_padding(payload, flags)
                    if stripped is None:
                        return ErrorCodes.PROTOCOL_ERROR, "more padding than payload"
                    payload = stripped
                if not flags & END_HEADERS:
                    self.in_block = True
                    self.blocks += 1
                    self._block += payload
                    self._block_stream = stream_id
                    self._block_flags = flags
                    self._continuations = 0
                    continue
            elif kind == CONTINUATION:
                self._block += payload
                self._continuations += 1
                if not flags & END_HEADERS:
                    continue
                kind, flags = HEADERS, self._block_flags
                payload = bytes(self._block)
                self._block.clear()
                self.in_block = False
            return kind, flags, stream_id, payload
        if start < size:
            self._keep(data, start, FRAME_HEADER_SIZE)
        else:
            self._data = b""
            self._start = 0
        return None

    def _keep(self, data: bytes, start: int, needed: int) -> None:
        self._buffer += data[start:]
        self._needed = needed
        self._data = b""
        self._start = 0

    def _read_preface(self, data: bytes) -> Failure | None:
        if not PREFACE.startswith(data[: len(PREFACE)]):
            return ErrorCodes.PROTOCOL_ERROR, "connection that does not begin with HTTP/2's preface"
        if len(data) < len(PREFACE):
            self._keep(data, 0, 1)
        else:
            self.in_preface = False
            self._start = len(PREFACE)
        return None

    def _judge_order(self, kind: int, flags: int, length: int, stream_id: int) -> Failure | None:
        """Return what is wrong with a frame at this place, or None."""
        if self.in_block:
            if kind != CONTINUATION or stream_id != self._block_stream:
                return ErrorCodes.PROTOCOL_ERROR, "frame in the middle of a field block"
            if len(self._block) + length > self._max_block_size or self._continuations >= _MAX_CONTINUATIONS:
                return ErrorCodes.ENHANCE_YOUR_CALM, "field block beyond a limit"
        elif kind == CONTINUATION:
            return ErrorCodes.PROTOCOL_ERROR, "CONTINUATION without a field block"
        elif self._first:
            # "This sequence MUST be followed by a SETTINGS frame". RFC 9113 §3.4
            if kind != SETTINGS or flags & ACK:
                return ErrorCodes.PROTOCOL_ERROR, "preface that SETTINGS do not follow"
            self._first = False
        return None
