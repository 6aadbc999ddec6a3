"""Judges of octets that share no code with the machine: who reads its responses, and what a request stream says.

`ResponseReader` is an h11 client that reads response after response; each complete one is read again by llhttp.
`read_requests` is a plain reader of requests, written from RFC 9112 for messages that were accepted already: it
finds where they end and what their content is.
`read_frames` reads what one side of a WebSocket says, written from RFC 6455 and RFC 7692.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import h11
import httptools

__all__ = ["Deflate", "ReadRequest", "ReadResponse", "ResponseReader", "Side"]
__all__ += ["client_frame", "read_deflate", "read_frames", "read_requests"]

Field = tuple[bytes, bytes]

_NO_LIMIT: Final = 2**40


# Responses.


@dataclass(slots=True)
class ReadResponse:
    """One response as a client sees it so far."""

    method: str
    interim: list[tuple[int, list[Field]]] = field(default_factory=list)
    status: int | None = None
    fields: list[Field] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)
    trailers: list[Field] = field(default_factory=list)
    complete: bool = False
    raw: bytearray = field(default_factory=bytearray)

    @property
    def closes(self) -> bool:
        """The response says that the connection ends with it."""
        return any(name == b"connection" and value.lower() == b"close" for name, value in self.fields)

    def values(self, name: bytes) -> list[bytes]:
        return [value for other, value in self.fields if other == name]


class ResponseReader:
    """A client that sent some requests and reads the responses. `AssertionError`: it cannot.

    `method_of` is asked for the method of the request that the n-th response answers.
    """

    def __init__(self, method_of: Callable[[int], str]) -> None:
        self.responses: list[ReadResponse] = []
        self._method_of = method_of
        self._client: h11.Connection | None = None

    @property
    def at_rest(self) -> bool:
        """No response is incomplete."""
        return self._client is None

    def receive_data(self, data: bytes) -> None:
        """Read more octets."""
        while data:
            data = self._read(data)

    def receive_eof(self) -> None:
        """The connection has ended: the content of a response without a length is complete with it."""
        if self._client is not None:
            response = self.responses[-1]
            self._client.receive_data(b"")
            try:
                self._take_events(response)
            except h11.RemoteProtocolError:
                return  # Cut off, and the client can see it.
            assert response.complete, "the client takes a response that was cut off for nothing at all"

    def _read(self, data: bytes) -> bytes:
        client = self._client
        if client is None:
            assert not (self.responses and self.responses[-1].closes), (
                f"octets after the last response: {data!r}"
            )
            response = ReadResponse(self._method_of(len(self.responses)))
            self.responses.append(response)
            client = self._client = h11.Connection(h11.CLIENT, max_incomplete_event_size=_NO_LIMIT)
            client.send(h11.Request(method=response.method, target="/", headers=[("host", "a")]))
            client.send(h11.EndOfMessage())
        response = self.responses[-1]
        response.raw += data
        client.receive_data(data)
        try:
            self._take_events(response)
        except h11.RemoteProtocolError as error:
            raise AssertionError(f"h11 cannot read the response: {error}; {bytes(response.raw)!r}") from error
        if not response.complete:
            return b""
        rest = client.trailing_data[0]
        if rest:
            del response.raw[-len(rest) :]
        self._client = None
        _read_again(response)
        return rest

    def _take_events(self, response: ReadResponse) -> None:
        assert self._client is not None
        while True:
            event = self._client.next_event()
            if isinstance(event, h11.InformationalResponse):
                response.interim.append((event.status_code, list(event.headers)))
            elif isinstance(event, h11.Response):
                response.status = event.status_code
                response.fields = list(event.headers)
                _check_line_ends(response)
            elif isinstance(event, h11.Data):
                response.content += event.data
            elif isinstance(event, h11.EndOfMessage):
                response.trailers = list(event.headers)
                response.complete = True
                return
            else:
                return


def _check_line_ends(response: ReadResponse) -> None:
    """Heads end their lines with CRLF and nothing else; h11 would take LF. RFC 9112 §2.2."""
    start = 0
    for _ in range(len(response.interim) + 1):
        end = response.raw.find(b"\r\n\r\n", start)
        assert end >= 0, f"a head that does not end with CRLF CRLF: {bytes(response.raw)!r}"
        rest = response.raw[start:end].replace(b"\r\n", b"")
        assert not {10, 13} & set(rest), f"a bare CR or LF in a head: {bytes(response.raw)!r}"
        start = end + 4


class _Callbacks:
    """What llhttp found."""

    def __init__(self) -> None:
        self.content = b""
        self.complete = 0

    def on_body(self, body: bytes) -> None:
        self.content += body

    def on_message_complete(self) -> None:
        self.complete += 1


def _read_again(response: ReadResponse) -> None:
    """Let llhttp read a complete response. It knows no requests, and cannot tell a response to HEAD."""
    if response.method == "HEAD":
        return
    found = _Callbacks()
    parser = httptools.HttpResponseParser(found)
    try:
        parser.feed_data(bytes(response.raw))
    except httptools.HttpParserError as error:
        raise AssertionError(f"llhttp cannot read the response: {error}; {bytes(response.raw)!r}") from error
    assert parser.get_status_code() == response.status, "h11 and llhttp read different statuses"
    assert found.content == response.content, "h11 and llhttp read different contents"
    assert found.complete == len(response.interim) + 1, "h11 and llhttp read different numbers of responses"


# Requests.


@dataclass(slots=True)
class ReadRequest:
    """One request as it stands on the wire."""

    start: int
    method: str
    target: bytes
    version: bytes
    fields: list[Field]
    head_end: int
    extensions: int = 0
    """Octets of chunk extensions."""
    content: bytes = b""
    chunked: bool = False
    content_end: int | None = None
    """Behind the content, or the last chunk; a trailer section may follow."""
    end: int | None = None
    """Where the next message begins; None: this one is not complete."""
    broken: bool = False
    """Its content breaks the rules of the chunked coding."""


_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIELD: Final = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]+) (HTTP/1\.[0-9])")
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;[^\x00\r\n]*)?)\r\n")


def read_requests(data: bytes, start: int = 0) -> Iterator[ReadRequest]:
    """Yield the requests that begin at `start`, as far as their heads are complete; an incomplete one is the last."""
    while True:
        while data.startswith(b"\r\n", start):
            start += 2
        head_end = data.find(b"\r\n\r\n", start)
        if head_end < 0:
            return
        line, *lines = data[start:head_end].split(b"\r\n")
        match = _REQUEST_LINE.fullmatch(line)
        fields = [_FIELD.fullmatch(line) for line in lines]
        if match is None or None in fields:
            return
        request = ReadRequest(
            start,
            match[1].decode(),
            match[2],
            match[3],
            [(f[1].lower(), f[2]) for f in fields if f is not None],
            head_end + 4,
        )
        _read_content(request, data, head_end + 4)
        yield request
        if request.end is None:
            return
        start = request.end


def _read_content(request: ReadRequest, data: bytes, start: int) -> None:
    framing = dict(request.fields)
    if b"transfer-encoding" in framing:
        _read_chunks(request, data, start)
        return
    digits = framing.get(b"content-length", b"0")
    if not digits.isdigit():
        request.broken = True
        return
    length = int(digits)
    request.content = data[start : start + length]
    if len(request.content) == length:
        request.end = request.content_end = start + length


def _read_chunks(request: ReadRequest, data: bytes, position: int) -> None:
    request.chunked = True
    while True:
        match = _CHUNK_LINE.match(data, position)
        if match is None:
            request.broken = b"\n" in data[position:]
            return
        position = match.end()
        size = int(match[1], 16)
        request.extensions += len(match[2])
        if not size:
            break
        request.content += data[position : position + size]
        position += size
        delimiter = data[position : position + 2]
        if delimiter != b"\r\n":
            request.broken = not b"\r\n".startswith(delimiter)
            return
        position += 2
    request.content_end = position
    while (newline := data.find(b"\n", position)) >= 0:
        line = data[position : newline + 1]
        position = newline + 1
        if line == b"\r\n":
            request.end = position
            return
        if not line.endswith(b"\r\n") or _FIELD.fullmatch(line[:-2]) is None:
            request.broken = True
            return


# WebSocket frames.


@dataclass(slots=True)
class Side:
    """What one side of a WebSocket has said in frames, up to its close frame."""

    messages: list[str | bytes] = field(default_factory=list)
    pings: list[bytes] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    close: tuple[int, str] | None = None
    behind_close: int = 0
    wrong: str = ""
    """Why the rest cannot be read."""
    at_rest: bool = True
    """No frame and no message is incomplete."""
    fragments: list[int] = field(default_factory=list)
    """Of each message, and of one that is not complete."""
    octets: int = 0
    """Of the longest message, as it came or inflated."""
    doubtful: bool = False
    """Something that a server may refuse or not."""


@dataclass(slots=True)
class Deflate:
    """What the server's response says of compression."""

    bits: dict[bool, int]
    """The window of each side; True is the client."""
    takeover: dict[bool, bool]


class _Wrong(Exception):
    """Octets that are no frame, or not in this place."""


_MASK: Final = b"\x37\xfa\x21\x3d"
_MANY_STREAMS: Final = 64


def client_frame(first: int, payload: bytes, *, masked: bool = True) -> bytes:
    """Return a frame with the shortest length that there is."""
    size = len(payload)
    bit = 0x80 if masked else 0
    if size < 126:
        header = bytes((first, bit | size))
    elif size < 65_536:
        header = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    return header + _MASK + _unmask(payload, _MASK) if masked else header + payload


def _unmask(payload: bytes, mask: bytes) -> bytes:
    return bytes(octet ^ mask[index & 3] for index, octet in enumerate(payload)) if mask else payload


def read_deflate(head: bytes) -> Deflate | None:
    """Read from the head of a 101 what was agreed on (RFC 7692 §7.1)."""
    found = re.search(rb"\r\nsec-websocket-extensions: permessage-deflate([^\r]*)", head)
    if found is None:
        return None
    bits = {
        name: int(value)
        for name, value in re.findall(rb"; (client|server)_max_window_bits=([0-9]+)", found[1])
    }
    return Deflate(
        {True: bits.get(b"client", 15), False: bits.get(b"server", 15)},
        {client: name not in found[1] for client, name in ((True, b"client_no_c"), (False, b"server_no_c"))},
    )


def read_frames(data: bytes, deflate: Deflate | None, *, client: bool) -> Side:
    """Read the frames of one side as far as they are right. RFC 6455 §5, RFC 7692 §7.2."""
    side = Side()
    reader = _MessageReader(side, deflate, client=client)
    end = 0
    try:
        for first, payload, stop in _split_frames(data, masked=client):
            if side.close is None:
                end = stop
                reader.take(first, payload)
            else:
                side.behind_close += 1
    except (_Wrong, zlib.error, UnicodeDecodeError) as error:
        side.wrong = f"{type(error).__name__} {error}"
    side.at_rest = not reader.parts and (side.close is not None or end == len(data))
    return side


def _split_frames(data: bytes, *, masked: bool) -> Iterator[tuple[int, bytes, int]]:
    """Yield first octet and payload of each whole frame, and where it ends."""
    start = 0
    while len(data) >= start + 2:
        first, second = data[start : start + 2]
        size = second & 0x7F
        opcode = first & 0xF
        width = {126: 2, 127: 8}.get(size, 0)
        start += 2 + width
        mask = data[start : start + 4] if second & 0x80 else b""
        if len(data) < start or (second & 0x80 and len(mask) < 4):
            return  # A header is judged when it is whole.
        if bool(mask) is not masked:
            raise _Wrong("mask")
        if first & 0x30 or opcode not in {0, 1, 2, 8, 9, 10} or (opcode > 7 and (size > 125 or first < 0x80)):
            raise _Wrong("first octets")
        if width:
            size = int.from_bytes(data[start - width : start], "big")
            if size < {2: 126, 8: 65_536}[width] or size >= 2**63:
                raise _Wrong("length")
        start += len(mask)
        if len(data) < start + size:
            return
        start += size
        yield first, _unmask(data[start - size : start], mask), start


class _MessageReader:
    """Puts messages together."""

    def __init__(self, side: Side, deflate: Deflate | None, *, client: bool) -> None:
        self.parts: list[bytes] = []
        self._side = side
        self._compressed = self._text = False
        self._deflate = deflate is not None
        self._bits = -deflate.bits[client] if deflate else -15
        self._takeover = deflate is not None and deflate.takeover[client]
        self._zlib = zlib.decompressobj(self._bits)

    def take(self, first: int, payload: bytes) -> None:
        opcode = first & 0xF
        if first & 0x40 and (opcode not in {1, 2} or not self._deflate):
            raise _Wrong("compressed frame")
        if opcode == 8:
            self._side.close = self._read_close(payload)
        elif opcode > 8:
            (self._side.pings if opcode == 9 else self._side.pongs).append(payload)
        else:
            self._take_data(first, payload)

    def _take_data(self, first: int, payload: bytes) -> None:
        side = self._side
        if bool(first & 0xF) is bool(self.parts):
            raise _Wrong("place of a data frame")
        if not self.parts:
            self._compressed = bool(first & 0x40)
            self._text = first & 0xF == 1
            side.fragments.append(0)
        self.parts.append(payload)
        side.fragments[-1] += 1
        side.octets = max(side.octets, sum(map(len, self.parts)))
        if first & 0x80:
            content = b"".join(self.parts)
            self.parts = []
            content = self._inflate(content) if self._compressed else content
            side.octets = max(side.octets, len(content))
            side.messages.append(content.decode() if self._text else content)

    def _inflate(self, data: bytes) -> bytes:
        content = b""
        data += b"\x00\x00\xff\xff"
        streams = 1
        while data:
            content += self._zlib.decompress(data)
            data = self._zlib.unused_data
            if self._zlib.eof:
                streams += 1
                self._zlib = zlib.decompressobj(self._bits)
        self._side.doubtful = self._side.doubtful or streams > _MANY_STREAMS
        if not self._takeover:
            self._zlib = zlib.decompressobj(self._bits)
        return content

    def _read_close(self, payload: bytes) -> tuple[int, str]:
        if not payload:
            return 1005, ""
        code = int.from_bytes(payload[:2], "big")
        if len(payload) == 1 or not 1000 <= code < 5000 or code in {1005, 1006, 1015}:
            raise _Wrong("close frame")
        # Reserved, or given out by IANA since.
        self._side.doubtful = self._side.doubtful or code == 1004 or 1012 <= code < 3000
        return code, payload[2:].decode()
