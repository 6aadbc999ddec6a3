"""The gate of HTTP/1: it refuses what the rules refuse, before anything reads for meaning.

Theory of operation
-------------------

The gate reads octets. Its verdict on a message is one of three: wait, pass, or refuse with a status; and the
verdict never depends on how the bytes were cut. That is so because it judges only

* the first octet of a request line,
* a line, when its LF is there,
* a count of octets, when the one beyond the limit is there,

and always in the order of the octets. Where two of them fall on the same octet, the earlier in this list is
asked first. Nothing is buffered beyond its limit: a head is at most ``limit_request_head`` octets, a line of
chunk size 4,096, a trailer section is bounded like a head.

The gate is stricter than h11 on purpose. h11 takes a bare LF for a line end, unfolds folded lines, lets a
Transfer-Encoding stand beside a Content-Length, reads HTTP/2.0 and HTTP/0.9 text, and has limits that depend on
how the bytes arrive; the conversation with a proxy in front of us is not the place for any of it (RFC 9112 §11.2).

Source: RFC 9112.
"""

from __future__ import annotations

import enum
import re
from typing import Final, Protocol

from .asgi import Field
from .errors import PeerError
from .fields import (
    TOKEN_CHARACTERS,
    is_host,
    is_token,
    list_members,
    parse_content_length,
    parse_field_line,
)
from .scope import RequestHead, parse_target
from .settings import Settings

__all__ = ["ChunkedGate", "ContentReader", "HeadGate", "LengthGate", "accepts_trailers", "interpret"]

# "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line (CRLF)
# received prior to the request-line". RFC 9112 §2.2
_MAX_EMPTY_LINES: Final = 4
_MAX_METHOD_SIZE: Final = 32
_VERSION: Final = re.compile(rb"HTTP/([0-9])\.([0-9])")

# CONNECT asks an origin to be a proxy, and TRACE to show what proxies added (RFC 9110 §9.3.6, §9.3.8).
_UNSERVED_METHODS: Final = frozenset({b"CONNECT", b"TRACE"})

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


def accepts_trailers(value: bytes) -> bool:
    """Tell whether a value of TE lists ``trailers`` (RFC 9110 §10.1.4)."""
    return any(member.partition(b";")[0].rstrip(b" \t") == b"trailers" for member in list_members(value))


def interpret(method: bytes, target: bytes, version: bytes, fields: list[Field]) -> RequestHead | PeerError:
    """Read what a head means, or what is wrong with it as a whole. Its lines have passed already.

    `version` is that of the line, such as ``HTTP/1.1``.
    """
    parsed = parse_target(method, target)
    if parsed is None:
        return PeerError(400, "request target in no form that this method allows")
    current = version != b"HTTP/1.0"
    hosts: list[bytes] = []
    codings: list[bytes] = []
    lengths: list[bytes] = []
    head = RequestHead(method.decode("ascii"), parsed.path, "1.1" if current else "1.0", fields)
    head.close = not current
    upgrade = connection = False
    for name, value in fields:
        if name == b"host":
            hosts.append(value)
        elif name == b"transfer-encoding":
            codings.append(value)
        elif name == b"content-length":
            lengths.append(value)
        elif name == b"connection":
            members = list_members(value)
            head.close = head.close or b"close" in members
            connection = connection or b"upgrade" in members
        elif name == b"upgrade":
            upgrade = upgrade or b"websocket" in list_members(value)
        elif name == b"te":
            head.accepts_trailers = head.accepts_trailers or (current and accepts_trailers(value))
        elif name == b"expect" and current:
            # "A server that receives an Expect field value containing a member other than 100-continue MAY respond
            # with a 417", and of HTTP/1.0 it "MUST ignore that expectation". RFC 9110 §10.1.1
            if value.lower() != b"100-continue":
                return PeerError(417, "unknown expectation")
            head.expects_continue = True
    problem = _judge_hosts(hosts, current=current) or _judge_framing(codings, lengths, current=current)
    if problem is not None:
        return problem
    if codings:
        head.content_length = None
    elif lengths:
        head.content_length = parse_content_length(lengths[0])
    if head.content_length == 0:
        head.expects_continue = False
    # "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request." RFC 9110 §7.8
    head.websocket = upgrade and connection and current and method == b"GET"
    if parsed.authority is not None:
        # "When an origin server receives a request with an absolute-form of request-target, the origin server MUST
        # ignore the received Host header field (if any)". RFC 9112 §3.2.2
        others = [field for field in fields if field[0] != b"host"]
        head.fields = [(b"host", parsed.authority), *others]
    return head


def _judge_hosts(hosts: list[bytes], *, current: bool) -> PeerError | None:
    """RFC 9112 §3.2: exactly one, and a valid one; HTTP/1.0 may leave it out."""
    if len(hosts) > 1:
        return PeerError(400, "more than one Host field")
    if not hosts:
        return PeerError(400, "no Host field") if current else None
    return None if is_host(hosts[0]) else PeerError(400, "Host field that is no host")


def _judge_framing(codings: list[bytes], lengths: list[bytes], *, current: bool) -> PeerError | None:
    """RFC 9112 §6.1 to §6.3. Whatever could be read in two ways is refused."""
    if codings:
        if lengths:
            return PeerError(400, "Transfer-Encoding together with Content-Length")
        if not current:
            return PeerError(400, "Transfer-Encoding in HTTP/1.0")
        if len(codings) > 1:
            return PeerError(400, "more than one Transfer-Encoding field")
        if codings[0].lower() != b"chunked":
            members = list_members(codings[0])
            if len(members) > 1 and members[-1] == b"chunked" and all(map(is_token, members)):
                if b"chunked" not in members[:-1]:
                    return PeerError(501, "transfer coding other than chunked")
            return PeerError(400, "Transfer-Encoding that does not end in chunked")
    elif len(lengths) > 1:
        return PeerError(400, "more than one Content-Length field")
    elif lengths and parse_content_length(lengths[0]) is None:
        return PeerError(400, "Content-Length that is no length")
    return None


def _judge_request_line(line: bytes) -> PeerError | tuple[bytes, bytes, bytes]:
    """Take a request line apart, or say what is wrong with it (RFC 9112 §3)."""
    parts = line.split(b" ")
    if len(parts) != 3:
        return PeerError(400, "request line that is not method, target and version")
    method, target, version = parts
    if not is_token(method):
        return PeerError(400, "method that is not a token")
    match = _VERSION.fullmatch(version)
    if match is None:
        return PeerError(400, "malformed HTTP version")
    if match[1] != b"1":
        return PeerError(505, "HTTP version other than 1")
    # Methods are case-sensitive: "get" is not GET, and no registered one has a lower-case letter. RFC 9110 §9.1
    if len(method) > _MAX_METHOD_SIZE or method != method.upper() or method in _UNSERVED_METHODS:
        return PeerError(501, "method that is not served")
    if parse_target(method, target) is None:
        return PeerError(400, "request target in no form that this method allows")
    return method, target, version


class HeadGate:
    """Collects the heads of a connection's requests, one after the other, and refuses bad ones."""

    __slots__ = (
        "_buffer",
        "_empty_lines",
        "_fields",
        "_head_start",
        "_limit",
        "_line_start",
        "_max_fields",
        "_parts",
        "_scanned",
        "refusal",
    )

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.limit_request_head
        self._max_fields = settings.limit_request_fields
        self.refusal: PeerError | None = None
        """Why the head is refused, once it is."""
        self._buffer = bytearray()
        self._head_start = 0  # Behind the empty lines.
        self._line_start = 0
        self._scanned = 0  # No LF stands between the line's start and here.
        self._empty_lines = 0
        self._parts: tuple[bytes, bytes, bytes] | None = None
        self._fields: list[Field] = []

    @property
    def started(self) -> bool:
        """At least one octet of a head, or of an empty line before it, has come."""
        return bool(self._buffer)

    @property
    def in_head(self) -> bool:
        """At least one octet of a head itself has come."""
        return len(self._buffer) > self._head_start

    @property
    def is_head_method(self) -> bool:
        """The method is HEAD as far as the gate has looked: a refusal then has no content (RFC 9110 §9.3.2)."""
        return self._buffer.startswith(b"HEAD ", self._head_start, self._scanned)

    def receive_data(self, data: bytes, start: int) -> int | None:
        """Take octets from `start`; return where the head ends, or None if more must come or `refusal` is set."""
        while start < len(data) and self.refusal is None:
            # No head goes on behind an empty line, so nothing behind one is copied before it is asked for.
            blank = data.find(b"\r\n\r\n", start, start + self._limit)
            stop = len(data) if blank < 0 else blank + 4
            end = self._take(data, start, stop)
            if end is not None:
                return end
            start = stop
        return None

    def _take(self, data: bytes, start: int, stop: int) -> int | None:
        buffer = self._buffer
        offset = start - len(buffer)
        buffer += data[start : min(stop, self._limit + 1 + offset)]
        while True:
            first = buffer[self._line_start : self._line_start + 1]
            if self._parts is None and first.translate(None, TOKEN_CHARACTERS + b"\r\n"):
                # Most likely TLS, or another protocol.
                self.refusal = PeerError(400, "request that does not start with a method")
                return None
            newline = buffer.find(b"\n", self._scanned)
            if newline < 0 or newline >= self._limit:
                self._scanned = len(buffer)
                if len(buffer) > self._limit:
                    self._refuse_size()
                return None
            line = bytes(buffer[self._line_start : newline])
            self._line_start = self._scanned = newline + 1
            if not line.endswith(b"\r"):
                self.refusal = PeerError(400, "line that does not end with CRLF")
                return None
            if self._judge(line[:-1]):
                return newline + 1 + offset
            if self.refusal is not None:
                return None

    def take_head(self) -> bytes:
        """Take the octets of a head that has passed, without empty lines before it; the next one may come."""
        head = bytes(self._buffer[self._head_start : self._line_start])
        self._reset()
        return head

    def _reset(self) -> None:
        self._buffer.clear()
        self._head_start = self._line_start = self._scanned = 0
        self._empty_lines = 0
        self._parts = None
        self._fields = []

    def _judge(self, line: bytes) -> bool:
        """Judge one line; return whether it completes the head."""
        problem: PeerError | None = None
        if self._parts is None:
            if line:
                parts = _judge_request_line(line)
                if isinstance(parts, PeerError):
                    problem = parts
                else:
                    self._parts = parts
            else:
                self._head_start = self._line_start
                self._empty_lines += 1
                if self._empty_lines > _MAX_EMPTY_LINES:
                    problem = PeerError(400, "empty lines instead of a request")
        elif line:
            field = parse_field_line(line)
            if len(self._fields) >= self._max_fields:
                problem = PeerError(431, f"more than {self._max_fields} fields")
            elif isinstance(field, str):
                problem = PeerError(400, field)
            else:
                self._fields.append(field)
        else:
            head = interpret(*self._parts, self._fields)
            if not isinstance(head, PeerError):
                return True
            problem = head
        self.refusal = problem
        return False

    def _refuse_size(self) -> None:
        if self._parts is None:
            self.refusal = PeerError(414, f"request line beyond {self._limit} bytes")
        else:
            self.refusal = PeerError(431, f"request head beyond {self._limit} bytes")


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
