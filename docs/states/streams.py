"""One stream of HTTP/2, played."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from docs.states.play import IGNORED, Impossible, Played, Step, explore
from sansio import Connection, Exchange, Settings, TransportInfo
from sansio.field_blocks import encode_field
from sansio.http2 import Http2
from sansio.http2_frames import (
    ACK,
    DATA,
    END_STREAM,
    FRAME_HEADER,
    FRAME_HEADER_SIZE,
    GOAWAY,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    MAX_WINDOW_SIZE,
    PREFACE,
    PRIORITY,
    PRIORITY_UPDATE,
    RST_STREAM,
    SETTINGS,
    ErrorCodes,
    encode_frame,
    encode_headers,
    encode_reset,
    encode_settings,
    encode_window_update,
)

IDLE: Final = "idle"
OPEN: Final = "open"
HALF_CLOSED: Final = "half-closed"
ENDED: Final = "closed: ended"
RESET: Final = "closed: reset"

STATES: Final = {
    IDLE: "no request has come, nor one on a higher stream",
    OPEN: "the request is not complete",
    HALF_CLOSED: "the request is complete, and the response is not: half-closed (remote) in the RFC",
    ENDED: "both sides have sent END_STREAM",
    RESET: "one side has sent RST_STREAM",
}

_OTHER: Final = 1
_TESTED: Final = 3

_REQUEST: Final = b"".join(
    encode_field(name, value)
    for name, value in (
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", b"example.org"),
        (b":path", b"/"),
    )
)
_TRAILERS: Final = encode_field(b"x", b"y")

_WINDOW: Final = 100  # Both sides' for a new stream.


class _Stream:
    """A connection, and what is said on one of its streams."""

    def __init__(self) -> None:
        settings = Settings(http2_initial_window_size=_WINDOW, http2_max_concurrent_streams=1)
        self.connection = Connection(TransportInfo(alpn="h2"), settings, 0.0)
        self.reset: str | None = None
        """The code of our RST_STREAM."""
        self.failed: str | None = None
        """The code of our GOAWAY."""
        self.feed(
            PREFACE + encode_settings([(INITIAL_WINDOW_SIZE, _WINDOW)]) + encode_frame(SETTINGS, ACK, 0, b"")
        )

    @property
    def http2(self) -> Http2:
        protocol = self.connection._protocol
        assert isinstance(protocol, Http2)  # noqa: S101 - it is what was agreed on.
        return protocol

    @property
    def state(self) -> str:
        stream = self.http2.streams.get(_TESTED)
        if stream is not None:
            return HALF_CLOSED if stream.remote_ended else OPEN
        if _TESTED in self.http2.reset_ids:
            return RESET
        return ENDED if self.http2.last_stream_id >= _TESTED else IDLE

    @property
    def waits(self) -> bool:
        """The response is complete for its application, and waits for a window."""
        stream = self.http2.streams.get(_TESTED)
        return stream is not None and stream.ending

    def feed(self, data: bytes) -> None:
        self.connection.receive_data(data, 0.0)
        self.settle()

    def settle(self) -> None:
        """Do what the connection says, and look at what it sends."""
        while self.connection.wants_write:
            self.read(self.connection.data_to_send())
        self.connection.take_ready()

    def read(self, output: bytes) -> None:
        start = 0
        while start < len(output):
            high, low, kind, _, stream = FRAME_HEADER.unpack_from(output, start)
            start += FRAME_HEADER_SIZE
            payload = output[start : start + (high << 8 | low)]
            start += len(payload)
            if kind == RST_STREAM and stream == _TESTED:
                self.reset = ErrorCodes(int.from_bytes(payload, "big")).name
            elif kind == GOAWAY:
                self.failed = ErrorCodes(int.from_bytes(payload[4:8], "big")).name

    def happen(self, event: Callable[["_Stream"], None]) -> str | None:
        """Let something happen, and say what the connection made of it if it is an error, or nothing."""
        if self.failed:
            raise Impossible
        before = self.state
        event(self)
        if self.failed:
            return f"connection error {self.failed}"
        if self.reset not in {None, ErrorCodes.NO_ERROR.name} and before != RESET:
            return f"stream error {self.reset}"
        return IGNORED if self.state == before and before in {ENDED, RESET} else None

    # What the client does.

    def send_headers(self, block: bytes, *, ended: bool, stream: int = _TESTED) -> None:
        self.feed(encode_headers(stream, block, ended=ended, max_frame_size=MAX_FRAME_SIZE))

    def send_one_too_many(self) -> None:
        if self.state != IDLE:
            raise Impossible
        self.send_headers(_REQUEST, ended=False, stream=_OTHER)
        self.send_headers(_REQUEST, ended=False)

    def send(self, kind: int, flags: int, payload: bytes) -> None:
        self.feed(encode_frame(kind, flags, _TESTED, payload))

    def send_window_update(self, increment: int) -> None:
        self.feed(encode_window_update(_TESTED, increment))

    def send_largest_window_update(self) -> None:
        if self.waits:
            raise Impossible  # The window is closed: even this fits.
        self.send_window_update(MAX_WINDOW_SIZE)

    # What the application does.

    def respond(self, *, fits: bool) -> None:
        exchange = self.need_exchange()
        size = 1 if fits else self.http2.streams[_TESTED].window + 1
        exchange.send({"type": "http.response.start", "status": 200}, 0.0)
        exchange.send({"type": "http.response.body", "body": bytes(size)}, 0.0)
        exchange.finish(None, 0.0)
        self.settle()

    def fail(self, *, begun: bool) -> None:
        exchange = self.need_exchange()
        if begun:
            exchange.send({"type": "http.response.start", "status": 200}, 0.0)
            exchange.send({"type": "http.response.body", "body": b"a", "more_body": True}, 0.0)
        exchange.finish(ValueError(), 0.0)
        self.settle()

    def need_exchange(self) -> Exchange:
        stream = self.http2.streams.get(_TESTED)
        if stream is None or stream.exchange is None or stream.exchange.ended:
            raise Impossible
        return stream.exchange


EVENTS: Final[Mapping[str, Callable[[_Stream], None]]] = {
    "HEADERS of a request": lambda stream: stream.send_headers(_REQUEST, ended=False),
    "HEADERS of a request with END_STREAM": lambda stream: stream.send_headers(_REQUEST, ended=True),
    "HEADERS of one request too many": lambda stream: stream.send_one_too_many(),
    "HEADERS of trailers with END_STREAM": lambda stream: stream.send_headers(_TRAILERS, ended=True),
    "DATA": lambda stream: stream.send(DATA, 0, b"a"),
    "DATA with END_STREAM": lambda stream: stream.send(DATA, END_STREAM, b"a"),
    "DATA beyond the window": lambda stream: stream.send(DATA, 0, bytes(_WINDOW + 1)),
    "RST_STREAM": lambda stream: stream.feed(encode_reset(_TESTED, ErrorCodes.CANCEL)),
    "WINDOW_UPDATE": lambda stream: stream.send_window_update(_WINDOW),
    "WINDOW_UPDATE by 0": lambda stream: stream.send_window_update(0),
    "WINDOW_UPDATE by too much": lambda stream: stream.send_largest_window_update(),
    "PRIORITY": lambda stream: stream.send(PRIORITY, 0, bytes(5)),
    "PRIORITY of a wrong length": lambda stream: stream.send(PRIORITY, 0, bytes(4)),
    "PRIORITY_UPDATE": lambda stream: stream.feed(
        encode_frame(PRIORITY_UPDATE, 0, 0, _TESTED.to_bytes(4, "big") + b"u=1")
    ),
    "response complete": lambda stream: stream.respond(fits=True),
    "response complete but beyond the window": lambda stream: stream.respond(fits=False),
    "failure before the response": lambda stream: stream.fail(begun=False),
    "failure in the middle of it": lambda stream: stream.fail(begun=True),
}


def play_streams() -> Played:
    """Play what can happen to a stream."""

    def look(stream: _Stream) -> tuple[Any, ...]:
        return stream.state, stream.waits, stream.failed

    events: dict[str, Callable[[_Stream], str | None]] = {
        name: (lambda stream, event=event: stream.happen(event))  # type: ignore[misc]
        for name, event in EVENTS.items()
    }
    played = Played()
    for (state, waits, _), event, said, (reached, _, failed) in explore(_Stream, events, look):
        condition = "if the response waits for it" if waits else ""
        played.add(Step(state, event, state if failed else reached, said, condition))
    return played
