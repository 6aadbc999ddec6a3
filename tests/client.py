"""A client of HTTP/1 in memory: h11 writes its requests and reads the server's responses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import h11

__all__ = ["Client", "Fields", "Response", "cut", "request_bytes"]

Fields: TypeAlias = Sequence[tuple[bytes, bytes]]

_FOREVER: Final = 2**30


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut bytes at these places; places outside are left out."""
    inner = sorted({place for place in places if 0 < place < len(data)})
    return [data[start:end] for start, end in zip([0, *inner], [*inner, len(data)], strict=True)]


def request_bytes(
    method: str = "GET",
    target: str = "/",
    *,
    fields: Fields = (),
    body: bytes | Sequence[bytes] = b"",
    host: bytes = b"server.example",
) -> bytes:
    """Write a request as h11 does. A body in pieces is sent in chunks, one in bytes with its length."""
    client = h11.Connection(h11.CLIENT)
    headers = [(b"Host", host), *fields]
    pieces: Sequence[bytes]
    if isinstance(body, bytes):
        pieces = [body] if body else []
        if body:
            headers.append((b"Content-Length", b"%d" % len(body)))
    else:
        pieces = body
        headers.append((b"Transfer-Encoding", b"chunked"))
    events: list[h11.Event] = [h11.Request(method=method, target=target, headers=headers)]
    events += [h11.Data(data=piece) for piece in pieces]
    events.append(h11.EndOfMessage())
    return b"".join([client.send(event) or b"" for event in events])


@dataclass
class Response:
    """What the client has read of one response."""

    status: int
    reason: bytes
    fields: list[tuple[bytes, bytes]]
    """Names in lower case."""
    interim: list[tuple[int, list[tuple[bytes, bytes]]]] = field(default_factory=list)
    """Status and fields of the 1xx responses before it."""
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    complete: bool = False
    """The client knows that it has all of it."""

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of the fields of one name."""
        return [value for other, value in self.fields if other == name]


class Client:
    """Reads responses with h11, one connection of h11 for each, so that requests may be pipelined."""

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.interim: list[tuple[int, list[tuple[bytes, bytes]]]] = []
        self._reader: h11.Connection | None = None
        self._current: Response | None = None
        self._last = False  # The response said that the connection ends with it.

    def read(self, data: bytes, method_of: Callable[[int], str]) -> None:
        while data:
            assert not self._last, f"bytes after the connection's last response: {data!r}"
            reader = self._reader
            if reader is None:
                reader = self._reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=_FOREVER)
                reader.send(
                    h11.Request(method=method_of(len(self.responses)), target="/", headers=[("Host", "x")])
                )
                reader.send(h11.EndOfMessage())
            try:
                reader.receive_data(data)
                data = self._take_events(reader)
            except h11.RemoteProtocolError as error:
                raise AssertionError(f"the client cannot read the response: {error}; {data!r}") from error

    def end(self) -> None:
        """The server has ended its side."""
        reader, self._reader = self._reader, None
        if reader is not None:
            between = self._current is not None or (self.interim and not reader.trailing_data[0])
            assert between, "the connection ended within the head of a response"
            try:
                reader.receive_data(b"")
                self._take_events(reader)
            except h11.RemoteProtocolError:
                pass  # The response was cut off, and the client knows.

    def _take_events(self, reader: h11.Connection) -> bytes:
        """Read on, and return what follows the response if it is complete."""
        while True:
            event = reader.next_event()
            if isinstance(event, h11.InformationalResponse):
                self.interim.append((event.status_code, list(event.headers)))
            elif isinstance(event, h11.Response):
                self._current = Response(event.status_code, event.reason, list(event.headers), self.interim)
                self.interim = []
                self.responses.append(self._current)
            elif isinstance(event, h11.Data):
                assert self._current is not None
                self._current.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert self._current is not None
                self._current.trailers = list(event.headers)
                self._current.complete = True
                self._current = self._reader = None
                self._last = reader.their_state is not h11.DONE
                return bytes(reader.trailing_data[0])
            else:
                return b""
