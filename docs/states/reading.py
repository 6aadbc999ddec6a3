"""A connection of HTTP/1.1, as far as reading is concerned, played."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import sansio
from docs.states.play import Impossible, Played, Step, explore
from sansio import Connection, Settings, TransportInfo
from sansio.http1 import Http1, Reading
from sansio.websocket import WebSocketExchange

_CONTENT: Final = (
    (b"Content-Length: 4", (b"ab", b"cd")),
    (b"Transfer-Encoding: chunked", (b"2\r\nab\r\n", b"0\r\n\r\n")),
)


_HANDSHAKE: Final = (
    b"GET / HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class _Reader:
    """A connection, and what is left of the request that is on its way."""

    def __init__(self) -> None:
        self.connection = Connection(TransportInfo(), Settings(), 0.0)
        self.now = 0.0
        self.exchange: sansio.Exchange | None = None
        self.left: tuple[bytes, ...] = ()
        self.in_head = False
        self.chunked = False
        self.ended = False

    @property
    def http1(self) -> Http1:
        protocol = self.connection._protocol
        assert isinstance(protocol, Http1)  # noqa: S101 - it is what the connection begins with.
        return protocol

    @property
    def reading(self) -> Reading:
        return self.http1._reading

    def feed(self, data: bytes) -> None:
        if self.ended:
            raise Impossible
        self.connection.receive_data(data, self.now)
        self.settle()

    def settle(self) -> None:
        """Do what the connection says."""
        for exchange in self.connection.take_ready():
            self.exchange = None if exchange.ended else exchange
        self.connection.data_to_send()
        if self.exchange is not None and self.exchange.ended:
            self.exchange = None

    def need(self, *states: Reading) -> None:
        if self.reading not in states:
            raise Impossible

    def head(self, field: bytes = b"X-Content: none", rest: tuple[bytes, ...] = ()) -> None:
        self.need(Reading.HEAD)
        if self.in_head:
            raise Impossible
        self.left = rest
        self.chunked = b"chunked" in field
        self.feed(b"POST / HTTP/1.1\r\nHost: example.org\r\n" + field + b"\r\n\r\n")

    def begin_head(self) -> None:
        self.need(Reading.HEAD, Reading.PAUSED)
        if self.in_head:
            raise Impossible
        self.in_head = True
        self.feed(b"GET /")

    def end_head(self) -> None:
        self.need(Reading.HEAD)
        if not self.in_head:
            raise Impossible
        self.in_head = False
        self.feed(b" HTTP/1.1\r\nHost: example.org\r\n\r\n")

    def bad_head(self) -> None:
        self.need(Reading.HEAD)
        self.feed(b"\0\r\n\r\n")

    def more_content(self) -> None:
        self.need(Reading.CONTENT, Reading.DISCARDING)
        if len(self.left) < 2:
            raise Impossible
        data, *rest = self.left
        self.left = tuple(rest)
        self.feed(data)

    def last_content(self) -> None:
        self.need(Reading.CONTENT, Reading.DISCARDING)
        data, self.left = b"".join(self.left), ()
        self.feed(data)

    def bad_content(self) -> None:
        self.need(Reading.CONTENT)
        if not self.chunked:
            raise Impossible
        self.feed(b"x\r\n")

    def handshake(self) -> None:
        self.need(Reading.HEAD)
        if self.in_head:
            raise Impossible
        self.feed(_HANDSHAKE)

    def accept(self) -> None:
        if not isinstance(self.exchange, WebSocketExchange) or self.reading is Reading.UPGRADED:
            raise Impossible
        self.exchange.send({"type": "websocket.accept"}, self.now)
        self.settle()

    def close_frame(self) -> None:
        self.need(Reading.UPGRADED)
        self.feed(b"\x88\x80\0\0\0\0")

    def respond(self, *fields: tuple[bytes, bytes]) -> None:
        exchange = self.exchange
        if exchange is None or isinstance(exchange, WebSocketExchange):
            raise Impossible
        exchange.send({"type": "http.response.start", "status": 200, "headers": list(fields)}, self.now)
        exchange.send({"type": "http.response.body", "body": b"a"}, self.now)
        exchange.finish(None, self.now)
        self.settle()

    def end(self) -> None:
        if self.ended:
            raise Impossible
        self.ended = True
        self.connection.receive_eof(self.now)
        self.settle()

    def time_out(self) -> None:
        if self.connection.deadline == float("inf") and self.exchange is not None:
            self.exchange.receive(self.now)  # The application waits, and so does a deadline.
        if self.connection.deadline == float("inf"):
            raise Impossible
        self.now = self.connection.deadline
        self.connection.handle_timeout(self.now)
        self.settle()

    def lose(self) -> None:
        self.connection.connection_lost(self.now)
        self.settle()

    def shut_down(self) -> None:
        self.connection.shut_down(self.now)
        self.settle()

    def situation(self) -> tuple[Any, ...]:
        """Tell all that matters for what comes next."""
        return (
            self.reading,
            type(self.exchange),
            self.left,
            self.in_head,
            self.chunked,
            self.ended,
            self.http1._keep_alive,
            self.http1._draining,
        )


EVENTS: Final[Mapping[str, Callable[[_Reader], None]]] = {
    "head without content": lambda reader: reader.head(),
    "head with content of a known length": lambda reader: reader.head(*_CONTENT[0]),
    "head with content in chunks": lambda reader: reader.head(*_CONTENT[1]),
    "part of a head": lambda reader: reader.begin_head(),
    "rest of a head": lambda reader: reader.end_head(),
    "bad head": lambda reader: reader.bad_head(),
    "WebSocket handshake": lambda reader: reader.handshake(),
    "WebSocket accepted": lambda reader: reader.accept(),
    "close frame": lambda reader: reader.close_frame(),
    "content": lambda reader: reader.more_content(),
    "last content": lambda reader: reader.last_content(),
    "bad content": lambda reader: reader.bad_content(),
    "response complete": lambda reader: reader.respond(),
    "response with close complete": lambda reader: reader.respond((b"connection", b"close")),
    "peer's end": lambda reader: reader.end(),
    "time is up": lambda reader: reader.time_out(),
    "shut_down()": lambda reader: reader.shut_down(),
    "transport lost": lambda reader: reader.lose(),
}


def play_reading() -> Played:
    """Play what can happen to a connection of HTTP/1.1, as far as reading is concerned."""
    played = Played()
    for situation, event, _, reached in explore(_Reader, EVENTS, _Reader.situation):
        played.add(Step(situation[0].name, event, reached[0].name))
    return played
