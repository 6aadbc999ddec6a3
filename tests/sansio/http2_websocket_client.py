"""WebSockets on the streams of an `Http2Pair`: one of them is a `Socket`, the application's side and the client's.

The client's frames are octets, legal or not. What the server sends is taken apart frame by frame, and read by wsproto.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

from wsproto import ConnectionType
from wsproto.connection import Connection as Peer
from wsproto.events import BytesMessage, CloseConnection, Event, TextMessage
from wsproto.extensions import Extension, PerMessageDeflate

from sansio import ExchangeStatistics, Message
from tests.client import Fields
from tests.peers import StreamView, data, request
from tests.sansio.http2_client import Call, Http2Pair
from tests.sansio.websocket_client import CLOSE, Frame

__all__ = [
    "ACCEPT",
    "DENIAL_BODY",
    "DENIAL_START",
    "PROTOCOL",
    "VERSION",
    "Socket",
    "ask",
    "connect",
    "open_socket",
    "pieces_of",
]

ACCEPT: Final = "websocket.accept"
DENIAL_START: Final = "websocket.http.response.start"
DENIAL_BODY: Final = "websocket.http.response.body"
VERSION: Final = (b"sec-websocket-version", b"13")
PROTOCOL: Final = (b":protocol", b"websocket")


def connect(
    stream: int,
    fields: Fields = (VERSION,),
    *,
    protocol: bytes = b"websocket",
    path: bytes = b"/chat",
    end_stream: bool = False,
) -> bytes:
    """Return the HEADERS frame of an extended CONNECT (RFC 8441 §4)."""
    return request(stream, b"CONNECT", path, [(b":protocol", protocol), *fields], end_stream=end_stream)


def ask(pair: Http2Pair, *fields: tuple[bytes, bytes], path: bytes = b"/chat") -> Socket:
    """Ask for a WebSocket, and begin the application's call."""
    call = pair.open(b"CONNECT", path, [PROTOCOL, VERSION, *fields], end=False)
    socket = Socket(pair, call)
    assert socket.receive() == {"type": "websocket.connect"}
    return socket


def open_socket(pair: Http2Pair, *fields: tuple[bytes, bytes], **accept: Any) -> Socket:
    """Ask for a WebSocket, and accept it."""
    socket = ask(pair, *fields)
    socket.tell(ACCEPT, **accept)
    assert socket.view.status == 200
    return socket


class Socket:
    """One WebSocket."""

    def __init__(self, pair: Http2Pair, call: Call) -> None:
        self.pair = pair
        self.call = call
        self.exchange = call.exchange
        self.received: list[Message] = []
        """The messages that the application took."""

    # The client.

    @property
    def view(self) -> StreamView:
        """What the client has seen of the stream."""
        return self.call.view

    def send(self, *pieces: bytes, end: bool = False) -> None:
        """Send octets, each piece in a DATA frame of its own, for which there has to be credit."""
        for number, piece in enumerate(pieces, 1):
            self.pair.upload(self.call.stream, piece, end=end and number == len(pieces))

    def end(self) -> None:
        """End the client's side."""
        self.pair.send(data(self.call.stream, end_stream=True))

    @property
    def frames(self) -> list[Frame]:
        """The frames of the server; those that have come whole so far."""
        frames: list[Frame] = []
        rest = self.view.content
        while len(rest) >= 2:
            first, size = rest[0], rest[1]
            assert first & 0xB0 == 0x80, "a fragment, or a reserved bit"
            assert size < 128, "a masked frame"
            start = 2
            if size == 126:
                start, size = 4, int.from_bytes(rest[2:4], "big")
            elif size == 127:
                start, size = 10, int.from_bytes(rest[2:10], "big")
            if len(rest) < start + size:
                break
            assert not any(seen.opcode == CLOSE for seen in frames), f"{rest!r} behind a close frame"
            frames.append(Frame(first & 0xF, rest[start : start + size], bool(first & 0x40)))
            rest = rest[start + size :]
        assert not rest or not self.view.ended, "half a frame"
        return frames

    @property
    def opcodes(self) -> list[int]:
        return [seen.opcode for seen in self.frames]

    @property
    def events(self) -> list[Event]:
        """What wsproto makes of the server's octets."""
        extensions: list[Extension] = []
        agreed = self.view.value(b"sec-websocket-extensions")
        if agreed is not None:
            extension = PerMessageDeflate()
            extension.finalize(agreed.decode())
            extensions.append(extension)
        peer = Peer(ConnectionType.CLIENT, extensions=extensions)
        peer.receive_data(self.view.content)
        return list(peer.events())

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

    def expect_end(self, *, by: int | None) -> None:
        """The server has ended the stream with END_STREAM; `by` is the code of a RST_STREAM behind it, or None."""
        assert (self.view.ended, self.view.reset) == (True, by)

    # The application.

    def receive(self) -> Message | None:
        """Take the application's next message."""
        message = self.call.receive()
        if message is not None:
            self.received.append(message)
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

    def take_all(self) -> list[str | bytes]:
        """Take the messages that are there."""
        messages = []
        while (message := self.receive()) is not None:
            assert message["type"] == "websocket.receive", message
            messages.append(message["bytes"] if message["text"] is None else message["text"])
        return messages

    def disconnect(self) -> tuple[int, str]:
        """Take the disconnect, which comes again and again."""
        message = self.receive()
        assert message is not None
        assert self.receive() == message
        assert message.keys() == {"type", "code", "reason"}
        assert message["type"] == "websocket.disconnect", message
        return message["code"], message["reason"]

    def tell(self, kind: str, **more: Any) -> None:
        """Send a message of the application. Raises what `Exchange.send` raises."""
        self.call.send({"type": kind, **more})

    def say(self, *messages: str | bytes) -> None:
        """Send messages to the client."""
        for message in messages:
            self.tell("websocket.send", **{"text" if isinstance(message, str) else "bytes": message})

    def shut(self, code: int | None = None, reason: str | None = None) -> None:
        """Close, or refuse."""
        self.tell("websocket.close", code=code, reason=reason)

    def finish(self, error: BaseException | None = None) -> None:
        """Return, or raise."""
        self.call.finish(error)

    @property
    def statistics(self) -> ExchangeStatistics:
        return self.exchange.statistics(self.pair.now)


def pieces_of(octets: bytes, cuts: Iterable[int]) -> Sequence[bytes]:
    """Cut octets at these places; what is empty is left out."""
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(octets)}), len(octets)]
    return [octets[start:end] for start, end in pairwise(places) if start < end]
