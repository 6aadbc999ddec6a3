"""The content of HTTP/1's requests: of a known length, or in chunks, and then refused if it is not exactly that.

Nothing is buffered beyond its limit: a line of chunk size is at most 4,096 octets, extensions are at most
``limit_chunk_extensions`` in all, and a trailer section is bounded like a head. As in `sansio.http1_gate`, which is
strict for the same reasons, a verdict never depends on how the bytes were cut.

Source: RFC 9112 §6, §7.1.
"""

from __future__ import annotations

import enum
import re
from typing import Final, Protocol

from .errors import PeerError
from .fields import parse_field_line
from .settings import Settings

__all__ = ["ChunkedGate", "ContentReader", "LengthGate"]

_MAX_CHUNK_LINE_SIZE: Final = 4_096
_HEXADECIMAL: Final = b"0123456789ABCDEFabcdef"
_MAX_CHUNK_SIZE_DIGITS: Final = 16

# chunk-ext, RFC 9112 §7.1.1, without the "bad whitespace" before the first semicolon: there it stands beside the
# size, and what a parser makes of "5 " decides where the next message starts.
_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_CHUNK_EXTENSIONS: Final = re.compile(
    rb"(?:;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?[ \t]*(?=;|$))+"
)


class ContentReader(Protocol):
    """What reads the content of one request."""

    ended: bool
    position: int
    refusal: PeerError | None
    remaining: int | None

    def receive_data(self, data: bytes, start: int) -> bytes:
        """Take octets from `start` and return the content among them."""


class LengthGate:
    """Counts content of a known length. It refuses nothing."""

    __slots__ = ("ended", "passed", "position", "refusal", "remaining")

    def __init__(self, length: int) -> None:
        self.remaining: int | None = length
        """Octets of content to come, if that is known."""
        self.position = 0
        """Where the last `receive_data` stopped reading."""
        self.passed = 0
        """Up to where the octets of the last `receive_data` are for a library to read."""
        self.ended = False
        """The content is complete."""
        self.refusal: PeerError | None = None
        """Why the content is refused, once it is."""

    def receive_data(self, data: bytes, start: int) -> bytes:
        """Take octets from `start` and return the content among them; look at `ended` and `position` then."""
        assert self.remaining is not None  # noqa: S101 - narrows the type; it never is None here.
        content = data[start : start + self.remaining]
        self.remaining -= len(content)
        self.position = self.passed = start + len(content)
        self.ended = not self.remaining
        return content


class _Part(enum.Enum):
    """What the next octet of a chunked content belongs to (RFC 9112 §7.1)."""

    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    TRAILERS = enum.auto()


class ChunkedGate:
    """Reads content in the chunked coding, and refuses what is not exactly that (RFC 9112 §7.1)."""

    __slots__ = (
        "_chunk_left",
        "_extensions_left",
        "_line",
        "_part",
        "_settings",
        "_trailer_fields",
        "_trailer_left",
        "ended",
        "passed",
        "position",
        "refusal",
        "remaining",
    )

    def __init__(self, settings: Settings) -> None:
        self.remaining: int | None = None
        """Octets of content to come: only the last chunk will tell."""
        self.position = 0
        """Where the last `receive_data` stopped reading."""
        self.passed = 0
        """Up to where the octets of the last `receive_data` are chunks. What follows is a trailer section."""
        self.ended = False
        """The content and its trailer section are complete."""
        self.refusal: PeerError | None = None
        """Why the content is refused, once it is."""
        self._settings = settings
        self._part = _Part.SIZE
        self._chunk_left = 0
        self._line = bytearray()
        self._extensions_left = settings.limit_chunk_extensions
        self._trailer_left = settings.limit_request_head
        self._trailer_fields = 0

    def receive_data(self, data: bytes, start: int) -> bytes:
        """Take octets from `start` and return the content among them; look at `ended` and `position` then."""
        pieces: list[bytes] = []
        position = start
        if self._part is not _Part.TRAILERS:
            position = self._read_chunks(data, position, pieces)
        self.passed = position
        if self._part is _Part.TRAILERS:
            position = self._read_trailers(data, position)
        self.position = position
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_chunks(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        size = len(data)
        while position < size and self.refusal is None:
            if self._part is _Part.SIZE and not self._line:
                # A whole chunk without extensions: many small ones must not cost more than they have to.
                newline = data.find(b"\r\n", position, position + _MAX_CHUNK_SIZE_DIGITS + 2)
                digits = data[position:newline] if newline > position else b"-"
                if not digits.translate(None, _HEXADECIMAL):
                    end = newline + 2 + int(digits, 16)
                    if end > newline + 2 and data[end : end + 2] == b"\r\n":
                        pieces.append(data[newline + 2 : end])
                        position = end + 2
                        continue
            if self._part is _Part.DATA:
                piece = data[position : position + self._chunk_left]
                pieces.append(piece)
                position += len(piece)
                self._chunk_left -= len(piece)
                if not self._chunk_left:
                    self._part = _Part.DATA_END
            elif self._part is _Part.DATA_END:
                # The two octets are judged one by one: the first wrong one is enough.
                if data[position] != b"\r\n"[len(self._line)]:
                    self.refusal = PeerError(400, "chunk that is not followed by CRLF")
                elif self._line:
                    self._line.clear()
                    self._part = _Part.SIZE
                else:
                    self._line += b"\r"
                position += 1
            else:
                position = self._read_line(data, position, _MAX_CHUNK_LINE_SIZE, "chunk line")
                if self._line.endswith(b"\n"):
                    self._judge_size(bytes(self._line))
                    self._line.clear()
                    if self._part is _Part.TRAILERS:
                        break
        return position

    def _judge_size(self, line: bytes) -> None:
        digits, semicolon, _ = line[:-2].partition(b";")
        extensions = line[len(digits) : -2]
        if not digits or len(digits) > _MAX_CHUNK_SIZE_DIGITS or digits.translate(None, _HEXADECIMAL):
            self.refusal = PeerError(400, "chunk size that is not hexadecimal")
            return
        if semicolon:
            self._extensions_left -= len(extensions)
            if self._extensions_left < 0:
                self.refusal = PeerError(
                    400, f"more than {self._settings.limit_chunk_extensions} bytes of extensions"
                )
                return
            if _CHUNK_EXTENSIONS.fullmatch(extensions) is None:
                self.refusal = PeerError(400, "malformed chunk extension")
                return
        self._chunk_left = int(digits, 16)
        self._part = _Part.DATA if self._chunk_left else _Part.TRAILERS

    def _read_trailers(self, data: bytes, position: int) -> int:
        # "a recipient MAY [...] discard the trailer section": nothing in ASGI could carry it. It is read strictly all
        # the same, and never becomes part of the fields that the application sees. RFC 9112 §7.1.2
        while position < len(data) and self.refusal is None:
            position = self._read_line(data, position, self._trailer_left, "trailer section")
            if not self._line.endswith(b"\n"):
                continue
            line = bytes(self._line[:-2])
            self._trailer_left -= len(self._line)
            self._line.clear()
            if not line:
                self.ended = True
                break
            field = parse_field_line(line)
            self._trailer_fields += 1
            if self._trailer_fields > self._settings.limit_request_fields:
                self.refusal = PeerError(431, f"more than {self._settings.limit_request_fields} fields")
            elif isinstance(field, str):
                self.refusal = PeerError(400, field)
        return position

    def _read_line(self, data: bytes, position: int, limit: int, what: str) -> int:
        """Add to the line that is being read, up to its LF or the limit; return the new position.

        Nothing is left of a line that is refused.
        """
        line = self._line
        end = position + limit - len(line) + 1
        newline = data.find(b"\n", position, end)
        stop = min(end, len(data)) if newline < 0 else newline + 1
        line += data[position:stop]
        if len(line) > limit:
            self.refusal = PeerError(400 if what == "chunk line" else 431, f"{what} beyond {limit} bytes")
        elif newline >= 0 and not line.endswith(b"\r\n"):
            self.refusal = PeerError(400, "line that does not end with CRLF")
        if self.refusal is not None:
            line.clear()
        return stop
