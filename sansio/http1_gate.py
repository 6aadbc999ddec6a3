"""The gate of HTTP/1: it refuses heads that the rules refuse, before anything reads them for meaning.

Theory of operation
-------------------

The gate reads octets. Its verdict on a head is one of three: wait, pass, or refuse with a status; and the verdict
never depends on how the bytes were cut. That is so because it judges only

* the first octet of a request line,
* a line, when its LF is there,
* a count of octets, when the one beyond the limit is there,

and always in the order of the octets. Where two of them fall on the same octet, the earlier in this list is
asked first. Nothing is buffered beyond its limit: a head is at most ``limit_request_head`` octets. Content is read by
`sansio.http1_content`, which judges in the same way.

The gate is stricter than h11 on purpose. h11 takes a bare LF for a line end, unfolds folded lines, lets a
Transfer-Encoding stand beside a Content-Length, reads HTTP/2.0 and HTTP/0.9 text, and has limits that depend on
how the bytes arrive; the conversation with a proxy in front of us is not the place for any of it (RFC 9112 §11.2).

Source: RFC 9112.
"""

from __future__ import annotations

import re
from typing import Final

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

__all__ = ["HeadGate", "accepts_trailers", "interpret"]

# "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line (CRLF)
# received prior to the request-line". RFC 9112 §2.2
_MAX_EMPTY_LINES: Final = 4
_MAX_METHOD_SIZE: Final = 32
_VERSION: Final = re.compile(rb"HTTP/([0-9])\.([0-9])")

# CONNECT asks an origin to be a proxy, and TRACE to show what proxies added (RFC 9110 §9.3.6, §9.3.8).
_UNSERVED_METHODS: Final = frozenset({b"CONNECT", b"TRACE"})


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
