"""Judges of octets that share no code with the machine: who reads its responses, and what a request stream says.

`ResponseReader` is an h11 client that reads response after response; each complete one is read again by llhttp.
`read_requests` is a plain reader of requests, written from RFC 9112 for messages that were accepted already: it
finds where they end and what their content is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import h11
import httptools

__all__ = ["ReadRequest", "ReadResponse", "ResponseReader", "read_requests"]

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
