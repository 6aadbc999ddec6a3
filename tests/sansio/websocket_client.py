"""A WebSocket client and a `sansio.Connection` joined in memory, under a clock that the test sets.

The client is wsproto in the client role. What the server sends is also taken apart frame by frame, so that a frame
behind a close frame, or half a frame, is seen. After each step, what always has to be true is checked.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.extensions import Extension

from sansio import Connection, Exchange, Message, Settings, TransportInfo

__all__ = ["CONTINUATION", "HANDSHAKE", "Frame", "WebSocketPair", "close_frame", "frame"]

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

# A handshake as RFC 6455 §1.3 has it.
HANDSHAKE: Final = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

_MASK: Final = b"\x01\x02\x03\x04"
_MANY: Final = 10_000


class Frame(NamedTuple):
    """A frame that the server sent."""

    opcode: int
    payload: bytes
    compressed: bool = False


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bool = True) -> bytes:
    """Return a frame of a client. What is wrong with it is the test's."""
    size = len(payload)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    flag = 0x80 if mask else 0
    if size < 126:
        header = bytes((first, flag | size))
    elif size < 65_536:
        header = struct.pack("!BBH", first, flag | 126, size)
    else:
        header = struct.pack("!BBQ", first, flag | 127, size)
    if not mask:
        return header + payload
    key = (_MASK * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return header + _MASK + masked


def close_frame(code: int | None = None, reason: bytes = b"") -> bytes:
    """Return a close frame of a client."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


class WebSocketPair:
    """A client, a connection, and a script that plays the application."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        transport: TransportInfo | None = None,
        state: Mapping[str, Any] | None = None,
        now: float = 1000.0,
    ) -> None:
        self.now = now
        self.connection = Connection(transport or TransportInfo(), settings or Settings(), now, state)
        self.exchanges: list[Exchange] = []
        self.output = b""
        """All bytes that the client got."""
        self.frames: list[Frame] = []
        """The frames among them."""
        self.events: list[Event] = []
        """What wsproto makes of them."""
        self.received: list[Message] = []
        """The messages that the application took."""
        self._client = WSConnection(ConnectionType.CLIENT)
        self._asked = False
        self._rest = b""
        self._in_frames = False
        self._wire: deque[bytes] = deque()
        self._eof_on_wire = False
        self._eof_sent = False
        self._stalled = False
        self._lost = False

    # The client.

    def request(
        self,
        *,
        subprotocols: Sequence[str] = (),
        extensions: Sequence[Extension] = (),
        fields: Sequence[tuple[bytes, bytes]] = (),
        target: str = "/chat",
    ) -> None:
        """Ask for a WebSocket."""
        self._asked = True
        self.send(
            self._client.send(
                Request(
                    host="a",
                    target=target,
                    subprotocols=list(subprotocols),
                    extensions=list(extensions),
                    extra_headers=list(fields),
                )
            )
        )

    def say(self, event: Event) -> None:
        """Send what wsproto writes for an event."""
        self.send(self._client.send(event))

    def send(self, *pieces: bytes) -> None:
        """Send bytes, whatever they are. They stay on the wire while the connection does not want to read."""
        for piece in pieces:
            self._wire.append(piece)
            self.settle()

    def eof(self) -> None:
        """End the client's side."""
        self._eof_on_wire = True
        self.settle()

    def lose(self) -> None:
        """Lose the transport in both directions."""
        self._lost = True
        self._wire.clear()
        self.connection.connection_lost(self.now)
        self.settle()

    def stall(self) -> None:
        """Take no more bytes until `resume`."""
        self._stalled = True

    def resume(self) -> None:
        """Take bytes again."""
        self._stalled = False
        self.settle()

    @property
    def unread(self) -> int:
        """Octets on the wire that the connection did not want to read so far."""
        return sum(map(len, self._wire))

    @property
    def status(self) -> int:
        """The status of the response."""
        return int(self.output.split(b" ", 2)[1])

    @property
    def head(self) -> list[bytes]:
        """The lines of the response's head, in lower case."""
        return self.output.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")

    @property
    def content(self) -> bytes:
        """What follows the response's head."""
        return self.output.partition(b"\r\n\r\n")[2]

    @property
    def messages(self) -> list[str | bytes]:
        """The messages that wsproto has read."""
        return [
            event.data if isinstance(event, TextMessage) else bytes(event.data)
            for event in self.events
            if isinstance(event, (TextMessage, BytesMessage))
        ]

    @property
    def close(self) -> tuple[int, str] | None:
        """Code and reason of the server's close frame; 1005 where there is no code."""
        for event in self.events:
            if isinstance(event, CloseConnection):
                return int(event.code), event.reason or ""
        return None

    @property
    def accepted(self) -> AcceptConnection:
        """The answer to the handshake."""
        event = self.events[0]
        assert isinstance(event, AcceptConnection)
        return event

    @property
    def rejected(self) -> RejectConnection:
        """The answer to the handshake."""
        event = self.events[0]
        assert isinstance(event, RejectConnection)
        return event

    # The application.

    @property
    def exchange(self) -> Exchange:
        """The only exchange."""
        assert len(self.exchanges) == 1, f"there are {len(self.exchanges)} exchanges"
        return self.exchanges[0]

    def open(self, **request: Any) -> None:
        """Ask for a WebSocket, and accept it."""
        self.request(**request)
        assert self.receive() == {"type": "websocket.connect"}
        self.tell({"type": "websocket.accept"})
        assert self.status == 101

    def receive(self) -> Message | None:
        """Take the application's next message."""
        message = self.exchange.receive(self.now)
        if message is not None:
            self.received.append(message)
        self.settle()
        return message

    def take(self) -> str | bytes:
        """Take a message of the client."""
        message = self.receive()
        assert message is not None
        assert message["type"] == "websocket.receive", message
        assert (message["text"] is None) is not (message["bytes"] is None)
        assert len(message) == 3
        content: str | bytes = message["bytes"] if message["text"] is None else message["text"]
        return content

    def disconnect(self) -> tuple[int, str]:
        """Take the disconnect, which comes again and again."""
        message = self.receive()
        assert message is not None
        assert self.receive() == message
        assert message.keys() == {"type", "code", "reason"}
        assert message["type"] == "websocket.disconnect", message
        return message["code"], message["reason"]

    def tell(self, message: Any) -> None:
        """Send a message of the application. Raises what `Exchange.send` raises."""
        try:
            self.exchange.send(message, self.now)
        finally:
            self.settle()

    def finish(self, error: BaseException | None = None) -> None:
        """Return, or raise."""
        self.exchange.finish(error, self.now)
        self.settle()

    # The server, and time.

    def shut_down(self) -> None:
        """Begin the shutdown."""
        self.connection.shut_down(self.now)
        self.settle()

    def run_until(self, when: float) -> None:
        """Let time pass."""
        for _ in range(_MANY):
            at = self.connection.deadline
            if at > when:
                self.now = max(self.now, when)
                self.settle()
                return
            self.now = max(self.now, at)
            self.connection.handle_timeout(self.now)
            self.settle()
        raise AssertionError("something happens all the time")

    def settle(self) -> None:
        """Do what a driver does until nothing is left to do."""
        connection = self.connection
        for _ in range(_MANY):
            busy = False
            if connection.wants_read and not connection.closed:
                if self._wire:
                    connection.receive_data(self._wire.popleft(), self.now)
                    busy = True
                elif self._eof_on_wire and not self._eof_sent:
                    self._eof_sent = True
                    connection.receive_eof(self.now)
                    busy = True
            if connection.wants_write and not self._stalled:
                self._read(connection.data_to_send())
                busy = True
            for exchange in connection.take_ready():
                if exchange not in self.exchanges:
                    self.exchanges.append(exchange)
            if self.now >= connection.deadline:
                connection.handle_timeout(self.now)
                busy = True
            if not busy:
                break
        else:
            raise AssertionError("something happens all the time")
        assert connection.deadline > self.now
        if connection.closed:
            assert connection.deadline == math.inf
            assert not connection.wants_read
            assert not connection.wants_write

    def _read(self, data: bytes) -> None:
        assert not self._lost, f"bytes for a transport that is gone: {data!r}"
        self.output += data
        if not self._in_frames:
            head, end, rest = self.output.partition(b"\r\n\r\n")
            self._in_frames = bool(end) and head.startswith(b"HTTP/1.1 101 ")
            self._rest = rest if self._in_frames else b""
        else:
            self._rest += data
        while self._in_frames and len(self._rest) >= 2:
            self._take_frame()
        if self._asked:
            self._client.receive_data(data)
            self.events += self._client.events()

    def _take_frame(self) -> None:
        rest = self._rest
        assert not any(seen.opcode == CLOSE for seen in self.frames), f"{rest!r} behind a close frame"
        first, size = rest[0], rest[1]
        assert first & 0xB0 == 0x80, "a fragment, or a reserved bit"
        assert size < 128, "a masked frame"
        start = 2
        if size == 126:
            start, size = 4, int.from_bytes(rest[2:4], "big")
        elif size == 127:
            start, size = 10, int.from_bytes(rest[2:10], "big")
        assert len(rest) >= start + size, "half a frame"
        self.frames.append(Frame(first & 0xF, rest[start : start + size], bool(first & 0x40)))
        self._rest = rest[start + size :]
