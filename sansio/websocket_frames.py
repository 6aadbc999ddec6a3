"""WebSocket frames: reading them strictly and within bounds, and writing them.

Two readers share the work. A data frame that is a whole message, not compressed, is read here: its payload is
unmasked, and text is decoded, as it comes. Every other frame goes to wsproto, octet for octet: fragments, control
frames, compressed ones, and all that is wrong. Behind wsproto stands a gate, as one of its extensions, which sees
each frame's header before its payload and refuses what is beyond the limits.

The law: for a frame that is read here, wsproto would give the same message, and the same failure where text is not
UTF-8, at the same octet.

Source: RFC 6455 §5.
"""

from __future__ import annotations

import codecs
import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias, cast

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

from .websocket_deflate import Inflater

try:
    from websockets.speedups import apply_mask
except ImportError:

    def apply_mask(data: bytes, mask: bytes, /) -> bytes:  # type: ignore[misc]  # What C does, in Python.
        """Return the octets, masked or unmasked (RFC 6455 §5.3)."""
        size = len(data)
        key = (mask * (size // 4 + 1))[:size]
        return (int.from_bytes(data, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


__all__ = [
    "Close",
    "Control",
    "Event",
    "Failure",
    "FrameReader",
    "cut_reason",
    "encode_close",
    "encode_header",
]

TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_FINAL: Final = 0x80
_COMPRESSED: Final = 0x40
_MASKED: Final = 0x80

_FINAL_TEXT: Final = _FINAL | TEXT
_FINAL_DATA: Final = (_FINAL_TEXT, _FINAL | BINARY)

NO_STATUS: Final = 1005
PROTOCOL_ERROR: Final = 1002
INVALID_DATA: Final = 1007
TOO_BIG: Final = 1009

_TRY_AGAIN_LATER: Final = b"\x03\xf5"  # 1013
_BAD_GATEWAY: Final = b"\x03\xf6"  # 1014

_MAX_HEADER_SIZE: Final = 14
_MAX_REASON_SIZE: Final = 123
_MAX_PIECES: Final = 1_024

# What compression may add to octets that cannot be compressed, beside an eighth: the headers of stored blocks.
_EXPANSION: Final = 1_024
_FLUSH: Final = 16  # In each fragment.

_NO_BITS: Final = RsvBits(rsv1=False, rsv2=False, rsv3=False)
_FIRST_BIT: Final = RsvBits(rsv1=True, rsv2=False, rsv3=False)

_decoder_of_utf8: Final = codecs.getincrementaldecoder("utf-8")


class Control(NamedTuple):
    """A ping or a pong."""

    opcode: int
    payload: bytes


class Close(NamedTuple):
    """The peer's close frame; the code is 1005 where there was none."""

    code: int
    reason: str


class Failure(NamedTuple):
    """The peer broke a rule. Nothing more is read."""

    code: int
    reason: str
    """One phrase for the operator."""


Event: TypeAlias = str | bytes | Control | Close | Failure
"""What a read can complete: a text message, a binary message, or one of the others."""

_FAILURES: Final = {
    TOO_BIG: "WebSocket message beyond a limit",
    INVALID_DATA: "WebSocket payload that is not what it says",
    PROTOCOL_ERROR: "WebSocket frame that is not allowed",
}


class _Gate:
    """Sees what wsproto reads: the header of each frame, and its payload. To wsproto it is an extension.

    What a compressed message stands for stays here, where it is bounded, and wsproto takes the message for empty.
    """

    __slots__ = (
        "_closing",
        "_compressed",
        "_control",
        "_decoder",
        "_inflater",
        "_max_fragments",
        "_max_size",
        "_octets",
        "_pieces",
        "_size",
        "_text",
        "bad_gateway",
        "dropping",
        "fragments",
        "message",
    )

    name = "gate"

    def __init__(self, max_size: int, max_fragments: int, inflater: Inflater | None) -> None:
        self.fragments = 0
        """Frames of the message that is being read; 0: there is none."""
        self.message: str | bytes | None = None
        """A compressed message that is complete."""
        self.bad_gateway = False
        """The peer has closed with 1014: the registry has that code, and wsproto does not know it."""
        self.dropping = False
        """Messages are nobody's any more."""
        self._pieces: list[bytes] = []
        self._text: list[str] = []
        self._octets = 0  # Of its payload, as it came.
        self._size = 0  # Of what the compressed ones of them stand for.
        self._max_size = max_size
        self._max_fragments = max_fragments
        self._inflater = inflater
        self._control = False
        self._closing = False
        self._compressed = False
        self._decoder: codecs.IncrementalDecoder | None = None  # The compressed message is text.

    def enabled(self) -> bool:
        return True

    def frame_inbound_header(
        self,
        proto: FrameDecoder | FrameProtocol,  # noqa: ARG002 - wsproto's signature.
        opcode: Opcode,
        rsv: RsvBits,
        payload_length: int,
    ) -> CloseReason | RsvBits:
        # A control frame between the fragments of a message leaves the message alone (RFC 7692 §6.1).
        self._control = opcode.iscontrol()
        self._closing = opcode is Opcode.CLOSE
        if self._control:
            return _NO_BITS
        if (opcode is Opcode.CONTINUATION) is not (self.fragments > 0):
            return CloseReason.PROTOCOL_ERROR
        allowed = _NO_BITS
        if not self.fragments:
            self._compressed = rsv.rsv1 and self._inflater is not None
            self.message = None
            self._decoder = _decoder_of_utf8() if self._compressed and opcode is Opcode.TEXT else None
            allowed = _FIRST_BIT if self._compressed else _NO_BITS
        self.fragments += 1
        self._octets += payload_length
        limit = self._max_size
        if self._compressed:
            limit += limit // 8 + _EXPANSION + _FLUSH * self.fragments
        if self.fragments > self._max_fragments or self._octets > limit:
            return CloseReason.MESSAGE_TOO_BIG
        return allowed

    def frame_inbound_payload_data(
        self,
        proto: FrameDecoder | FrameProtocol,  # noqa: ARG002 - wsproto's signature.
        data: bytes,
    ) -> bytes | CloseReason:
        if self._closing and data[:2] == _BAD_GATEWAY:
            self.bad_gateway = True
            return _TRY_AGAIN_LATER + data[2:]
        if self._control or not self._compressed or self._inflater is None:
            return data
        if self.dropping:
            return b""
        return self._take(self._inflater.inflate(data)) or b""

    def frame_inbound_complete(
        self,
        proto: FrameDecoder | FrameProtocol,  # noqa: ARG002 - wsproto's signature.
        fin: bool,  # noqa: FBT001 - wsproto's signature.
    ) -> bytes | CloseReason | None:
        if self._control or not fin:
            return None
        self.fragments = 0
        self._octets = 0
        if not self._compressed or self._inflater is None or self.dropping:
            return None
        wrong = self._take(self._inflater.finish(), final=True)
        self.message = "".join(self._text) if self._decoder is not None else b"".join(self._pieces)
        self._pieces = []
        self._text = []
        self._size = 0
        return wrong

    def _take(self, slices: Iterator[bytes], *, final: bool = False) -> CloseReason | None:
        """Take slices up to the limit. Text is looked at before the next one is made: the first mistake counts."""
        decoder = self._decoder
        try:
            for piece in slices:
                room = self._max_size - self._size
                self._size += len(piece)
                if decoder is None:
                    self._pieces.append(piece)
                else:
                    self._text.append(decoder.decode(piece[:room]))
                if len(piece) > room:
                    return CloseReason.MESSAGE_TOO_BIG
            _gather(self._pieces, self._text)
            if final and decoder is not None:
                decoder.decode(b"", final=True)
        except (zlib.error, UnicodeDecodeError):
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        return None


class FrameReader:
    """Reads the frames of one WebSocket."""

    __slots__ = (
        "_decoder",
        "_gate",
        "_header",
        "_left",
        "_library",
        "_mask",
        "_max_size",
        "_pieces",
        "_text",
        "_to_library",
    )

    def __init__(self, max_size: int, max_fragments: int, inflater: Inflater | None) -> None:
        self._max_size = max_size
        self._gate = _Gate(max_size, max_fragments, inflater)
        self._library = Connection(ConnectionType.SERVER, [cast("Extension", self._gate)])
        self._header = b""  # Of a frame whose header has not come whole.
        self._left = 0  # Octets of the current frame's payload to come.
        self._to_library = False  # They are for wsproto.
        self._mask = b""
        self._decoder: codecs.IncrementalDecoder | None = None  # The current message is text.
        self._pieces: list[bytes] = []  # Of the current message.
        self._text: list[str] = []

    def drop_messages(self) -> None:
        """Look only for the end: what compressed messages stand for is nobody's any more, and is not made."""
        self._gate.dropping = True

    def read(self, data: bytes, start: int) -> tuple[int, Event | None]:
        """Read octets from `start`, up to the end of a frame; return where it stopped and what that completed."""
        if not self._left and not self._header and start + 6 <= len(data):
            # Nearly every frame: short, and here in one piece.
            first, length = data[start], data[start + 1] - _MASKED
            end = start + 6 + length
            short = 0 <= length < 126 and end <= len(data) and length <= self._max_size
            if short and first in _FINAL_DATA and not self._gate.fragments:
                payload = apply_mask(data[start + 6 : end], data[start + 2 : start + 6])
                if first != _FINAL_TEXT:
                    return end, payload
                try:
                    return end, payload.decode("utf-8")
                except UnicodeDecodeError:
                    return end, Failure(INVALID_DATA, _FAILURES[INVALID_DATA])
        if self._left:
            end = min(start + self._left, len(data))
            self._left -= end - start
            part = data[start:end]
            return end, self._feed(part) if self._to_library else self._take(part)
        header = data[start : start + _MAX_HEADER_SIZE]
        skip = len(self._header)
        if skip:
            header = (self._header + header)[:_MAX_HEADER_SIZE]
        size = len(header)
        if size < 2:
            self._header = header
            return len(data), None
        first, second = header[0], header[1]
        length = second & 0x7F
        end = 2 if length < 126 else 4 if length == 126 else 10
        masked = second & _MASKED
        if size < (end + 4 if masked else end):
            self._header = header
            return len(data), None
        self._header = b""
        minimum = 0
        if length == 126:
            minimum = 126
            length = header[2] << 8 | header[3]
        elif length == 127:
            minimum = 65_536
            (length,) = struct.unpack_from("!Q", header, 2)
        plain = first in _FINAL_DATA and not self._gate.fragments
        if plain and masked and minimum <= length <= self._max_size:
            self._mask = header[end : end + 4]
            self._to_library = False
            start += end + 4 - skip
            if first == _FINAL_TEXT:
                self._decoder = _decoder_of_utf8()
            stop = min(start + length, len(data))
            self._left = start + length - stop
            return stop, self._take(data[start:stop])
        if masked:
            end += 4
        self._to_library = True
        start += end - skip
        stop = min(start + length, len(data))
        self._left = start + length - stop
        return stop, self._feed(header[:end] + data[start:stop])

    def _take(self, part: bytes) -> Event | None:
        """Take a part of the payload of a message in one plain frame."""
        payload = apply_mask(part, self._mask)
        left = self._left
        decoder = self._decoder
        if left and len(part) & 3:
            turn = len(part) & 3
            self._mask = self._mask[turn:] + self._mask[:turn]
        if decoder is None:
            if not left and not self._pieces:
                return payload
            self._pieces.append(payload)
            if left:
                _gather(self._pieces, self._text)
                return None
            return self._join()
        try:
            text = decoder.decode(payload, not left)
        except UnicodeDecodeError:
            return Failure(INVALID_DATA, _FAILURES[INVALID_DATA])
        if not left and not self._text:
            self._decoder = None
            return text
        self._text.append(text)
        if left:
            _gather(self._pieces, self._text)
            return None
        self._decoder = None
        return self._join_text()

    def _feed(self, octets: bytes) -> Event | None:
        """Let wsproto read; no octets go beyond the end of a frame."""
        library = self._library
        library.receive_data(octets)
        for event in library.events():
            if isinstance(event, (TextMessage, BytesMessage)):
                if event.message_finished and self._gate.message is not None:
                    message, self._gate.message = self._gate.message, None
                    return message
                if isinstance(event, TextMessage):
                    if event.data:
                        self._text.append(event.data)
                    if event.message_finished:
                        return self._join_text()
                else:
                    if event.data:
                        self._pieces.append(bytes(event.data))
                    if event.message_finished:
                        return self._join()
            elif isinstance(event, Ping):
                return Control(PING, bytes(event.payload))
            elif isinstance(event, Pong):
                return Control(PONG, bytes(event.payload))
            else:
                assert isinstance(event, CloseConnection)  # noqa: S101 - nothing else is left.
                # wsproto's own texts are those of Python's exceptions.
                if library.state is ConnectionState.REMOTE_CLOSING:
                    return Close(1014 if self._gate.bad_gateway else int(event.code), event.reason or "")
                return Failure(int(event.code), _FAILURES[int(event.code)])
        _gather(self._pieces, self._text)
        return None

    def _join(self) -> bytes:
        message = b"".join(self._pieces)
        self._pieces = []
        return message

    def _join_text(self) -> str:
        message = "".join(self._text)
        self._text = []
        return message


def _gather(pieces: list[bytes], text: list[str]) -> None:
    """Make one of many pieces: each small one costs more than it holds."""
    if len(pieces) >= _MAX_PIECES:
        pieces[:] = [b"".join(pieces)]
    if len(text) >= _MAX_PIECES:
        text[:] = ["".join(text)]


def encode_header(opcode: int, size: int, *, compressed: bool = False) -> bytes:
    """Return the header of a final frame from the server, which is never masked (RFC 6455 §5.1)."""
    first = _FINAL | opcode | (_COMPRESSED if compressed else 0)
    if size < 126:
        return bytes((first, size))
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size)
    return struct.pack("!BBQ", first, 127, size)


def cut_reason(octets: bytes) -> str:
    """Return as much of a reason as a close frame holds, cut between two characters (RFC 6455 §5.5)."""
    return octets[:_MAX_REASON_SIZE].decode("utf-8", "ignore")


def encode_close(code: int, reason: str) -> bytes:
    """Return a close frame; 1005 stands for one without a code. A reason that is too long is cut."""
    if code == NO_STATUS:
        return encode_header(CLOSE, 0)
    payload = struct.pack("!H", code) + cut_reason(reason.encode("utf-8")).encode("utf-8")
    return encode_header(CLOSE, len(payload)) + payload
