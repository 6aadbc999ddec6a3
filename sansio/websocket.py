"""A WebSocket as ASGI has it: which message is legal when, the closing handshake, and keeping alive.

Theory of operation
-------------------

A `WebSocketExchange` is the exchange of an HTTP request until the application accepts it. A refusal, a response of
the application's own and a failure are HTTP responses, and the rules of `sansio.http` are theirs. From acceptance on
it is a session:

    CONNECTING      the client waits; the application has not answered
      | accept          | close, a response, failure
      v                 v
    OPEN              DENIED      an HTTP response, and the end of the connection
      | the peer's close: echoed | a broken rule: told | the transport is gone
      |--------------------------+---------------------+------> ENDED
      | the application's close, or ours: sent
      v
    CLOSING         what comes is read for the peer's close frame only
      | the peer's close | time is up                           ENDED
      +------------------+-----------------------------------> (the connection ends)

Messages wait in the exchange. When they are as much as the limit, what came behind them stays as it came, and reading
stops; taking a message lets both go on. A ping is answered when it is read, unless the peer does not take what it is
sent: then only the last one is.

Invariants: at most one close frame is sent; the application sees one connect, then messages only if it accepted, and
then disconnects only; the code of a disconnect is the peer's, or 1005, or 1006, or the one that we sent.

Source: ASGI HTTP & WebSocket 2.5, "WebSocket"; RFC 6455 §5.5, §7.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import Any, Final, Protocol

from .asgi import Field, Message, Scope
from .deadlines import Deadline
from .errors import ClientDisconnected, PeerError
from .exchange import ExchangeStatistics
from .http import HttpExchange, HttpFraming, ResponseState
from .scope import RequestHead
from .settings import Settings
from .websocket_deflate import Deflater, Inflater, negotiate
from .websocket_frames import (
    BINARY,
    PONG,
    TEXT,
    Close,
    Control,
    Failure,
    FrameReader,
    encode_close,
    encode_header,
)
from .websocket_handshake import Handshake
from .websocket_messages import (
    encode_text,
    read_accept,
    read_close,
    read_denial,
    read_denial_start,
    read_octets,
    unexpected,
)
from .websocket_pings import Pings

__all__ = ["WebSocketExchange", "WebSocketFraming"]

NORMAL: Final = 1000
ABNORMAL: Final = 1006
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012

# Smaller messages would grow, or as good as.
_COMPRESSED_SIZE: Final = 64

# Copying a short message costs less than another piece in the outbox.
_COPIED_SIZE: Final = 4_096

# What a message costs beside its octets: many empty ones must not be for nothing.
_MESSAGE_OVERHEAD: Final = 256


class SessionState(enum.Enum):
    """How far the session is."""

    CONNECTING = "the WebSocket was neither accepted nor refused yet"
    DENIED = "the WebSocket was refused"
    OPEN = "the WebSocket was accepted"
    CLOSING = "the WebSocket was closed by the application"
    ENDED = "the WebSocket was closed"


# Looking a member up in its class costs as much as a comparison.
_CONNECTING: Final = SessionState.CONNECTING
_DENIED: Final = SessionState.DENIED
_OPEN: Final = SessionState.OPEN
_CLOSING: Final = SessionState.CLOSING
_ENDED: Final = SessionState.ENDED


class WebSocketFraming(HttpFraming, Protocol):
    """What carries a session: one version of HTTP. All arguments have been checked."""

    def accept_websocket(self, exchange: WebSocketExchange, answers: list[Field], now: float) -> None:
        """Send the response that makes the request a WebSocket, with these fields beside the application's."""

    def end_websocket(self, exchange: WebSocketExchange, now: float) -> None:
        """Nothing more is sent or read: end the transport."""

    def pause_reading(self) -> None:
        """No octets are wanted for a while."""

    def resume_reading(self) -> None:
        """Octets are wanted again."""

    def await_room(self) -> None:
        """Call the exchange's `room_made` when the bytes to write were taken."""


class WebSocketExchange(HttpExchange):
    """One request that wants to become a WebSocket, and the session that it becomes."""

    __slots__ = (
        "_carrier",
        "_code",
        "_connect_taken",
        "_deflater",
        "_finished",
        "_input_ended",
        "_messages",
        "_messages_in",
        "_messages_out",
        "_pings",
        "_pong_due",
        "_reader",
        "_reason",
        "_rest",
        "_settings",
        "handshake",
        "session",
    )

    def __init__(  # noqa: PLR0913 - one for each thing that a session stands on.
        self,
        scope: Scope,
        head: RequestHead,
        handshake: Handshake,
        framing: WebSocketFraming,
        settings: Settings,
        now: float,
    ) -> None:
        HttpExchange.__init__(self, scope, head, framing, now)
        self._carrier = framing
        self._legal = _ON_CONNECTING
        self.handshake = handshake
        self._settings = settings
        self.session = _CONNECTING
        self._connect_taken = False
        self._messages: deque[str | bytes] = deque()
        self._rest = b""  # What came behind messages that were enough.
        self._input_ended = False
        self._reader: FrameReader | None = None
        self._deflater: Deflater | None = None
        self._finished = False
        self._pings = Pings(framing.outbox, settings)
        self._pong_due: bytes | None = None  # A ping that was not answered, because the peer takes nothing.
        self._code = ABNORMAL
        self._reason = ""
        self._messages_in = 0
        self._messages_out = 0

    # The application's side.

    def receive(self, now: float) -> Message | None:
        """Take the next message: ``websocket.connect``, then messages, then ``websocket.disconnect`` again and again.

        See `Exchange.receive`.
        """
        if not self._connect_taken:
            self._connect_taken = True
            return {"type": "websocket.connect"}
        if self._messages:
            message = self._messages.popleft()
            if self.session is _OPEN:
                self.held -= len(message) + _MESSAGE_OVERHEAD
                # Not for every single message: what came behind them is copied each time.
                if self._rest and self.held <= self._settings.limit_read_buffer // 2:
                    self._read_on(now)
            if isinstance(message, str):
                return {"type": "websocket.receive", "bytes": None, "text": message}
            return {"type": "websocket.receive", "bytes": message, "text": None}
        if self.session is _CONNECTING and self.half_closed:
            # Who ends its side before it has an answer has left. What it sent already goes only to who accepts first.
            self.disconnect(now)
            self._carrier.end_websocket(self, now)
        if self.ended:
            return {"type": "websocket.disconnect", "code": self._code, "reason": self._reason}
        self.waiting = True
        self.flush(now)
        return None

    def send(self, message: Message, now: float) -> None:
        """Accept a message. See `Exchange.send`."""
        if self.session is _DENIED and not self.ended:
            message = read_denial(message, self.session.value)
        HttpExchange.send(self, message, now)

    def finish(self, error: BaseException | None, now: float) -> None:
        """Say that the application has returned or raised. See `Exchange.finish`.

        A session that is still open ends with 1000, and with 1011 after an error.
        """
        if self.session is _OPEN:
            self._messages.clear()
            if self.disconnected:
                self._leave(ABNORMAL, "", now)
            else:
                self._close(NORMAL if error is None else INTERNAL_ERROR, "", now)
        self._finished = True
        HttpExchange.finish(self, error, now)

    def statistics(self, now: float) -> ExchangeStatistics:
        """Return what is known of the exchange so far."""
        accepted = self._reader is not None
        statistics = HttpExchange.statistics(self, now)
        return statistics._replace(
            kind="websocket",
            scheme="wss" if self._framing.transport.secure else "ws",
            complete=self.ended and self._code != ABNORMAL if accepted else statistics.complete,
            close_code=self._code if accepted and self.ended else None,
            messages_in=self._messages_in,
            messages_out=self._messages_out,
        )

    # The framing's side.

    def receive_octets(self, data: bytes, start: int, now: float) -> None:
        """Octets of frames came from the peer."""
        if self._rest:
            self._rest += data[start:]
        else:
            self._read(data, start, now)

    def receive_end(self, now: float) -> None:
        """The peer has ended its side without, or behind, a close frame."""
        self._input_ended = True
        if not self._rest:
            self._leave(ABNORMAL, "", now)

    def disconnect(self, now: float) -> None:
        """The transport is gone. What came before that is still the application's."""
        self._input_ended = True
        if self.session is _OPEN and self._rest:
            self.disconnected = True
            self._legal = _NOTHING
            self._framing.outbox.mark_ready(self)
            return
        if self.session is not _DENIED or not self.ended:
            self.session = _ENDED
        if not self.ended:
            HttpExchange.disconnect(self, now)

    def shut_down(self, now: float) -> None:
        """The server is about to stop: close with 1012, and let the application know."""
        if self.session is _OPEN:
            self._close(SERVICE_RESTART, "", now)
            self.disconnected = True
            self._framing.outbox.mark_ready(self)

    def room_made(self) -> None:
        """The peer takes again what is sent to it: answer its last ping."""
        payload, self._pong_due = self._pong_due, None
        if payload is not None and self.session is _OPEN:
            self._framing.outbox.write(encode_header(PONG, len(payload)) + payload)

    def handle_deadline(self, deadline: Deadline, now: float) -> None:
        """One of the session's own deadlines has come."""
        if deadline is Deadline.CLOSE_FRAME:
            self._end(now)
        elif deadline is Deadline.PING:
            self._pings.send(now, unread=bool(self._rest))
        elif self._rest:
            # The pong may have come, behind messages that the application does not take.
            self._pings.wait(now)
        else:
            self._framing.outbox.error = PeerError(None, "no answer to a ping")
            self._framing.outbox.write(encode_close(INTERNAL_ERROR, "no answer to a ping"))
            self._leave(ABNORMAL, "", now)

    # Reading.

    def _read_on(self, now: float) -> None:
        """There is room again."""
        rest, self._rest = self._rest, b""
        self._read(rest, 0, now)
        if not self._rest and not self.ended:
            if self._input_ended:
                self._leave(ABNORMAL, "", now)
            else:
                self._carrier.resume_reading()

    def _read(self, data: bytes, start: int, now: float) -> None:
        reader = self._reader
        assert reader is not None  # noqa: S101 - nothing is read before the session is open.
        size = len(data)
        limit = self._settings.limit_read_buffer
        while start < size:
            if self.held >= limit:
                self._rest = data[start:]
                self._carrier.pause_reading()
                return
            start, event = reader.read(data, start)
            if event is None:
                continue
            if isinstance(event, (str, bytes)):
                if self.session is _OPEN:
                    self._deliver_message(event)
            elif isinstance(event, Control):
                self._handle_control(event)
            else:
                self._handle_end(event, now)
                return

    def _deliver_message(self, message: str | bytes) -> None:
        self._messages.append(message)
        self._messages_in += 1
        self.bytes_in += len(message)
        self.held += len(message) + _MESSAGE_OVERHEAD
        self._wake()

    def _handle_control(self, control: Control) -> None:
        outbox = self._framing.outbox
        if control.opcode == PONG:
            self._pings.receive_pong(control.payload)
        elif self.session is not _OPEN or self.disconnected:
            pass  # "after sending a Close frame" no other frame may follow. RFC 6455 §5.5.1
        elif outbox.size > self._settings.limit_write_buffer:
            # "it MAY elect to send a Pong frame for only the most recently processed Ping frame". RFC 6455 §5.5.3
            self._pong_due = control.payload
            self._carrier.await_room()
        else:
            outbox.write(encode_header(PONG, len(control.payload)) + control.payload)

    def _handle_end(self, event: Close | Failure, now: float) -> None:
        """The peer has closed, or has broken a rule: answer it, and end."""
        outbox = self._framing.outbox
        if isinstance(event, Failure) and not self.ended:
            outbox.error = PeerError(None, event.reason)
        if self.session is _CLOSING:
            self._end(now)
            return
        reason = event.reason if isinstance(event, Close) else ""
        if not self.disconnected:
            # "the endpoint typically echos the status code it received", and browsers show its page the reason too.
            # RFC 6455 §5.5.1
            outbox.write(encode_close(event.code, reason))
        self._leave(event.code, reason, now)

    # Ending.

    def _close(self, code: int, reason: str, now: float) -> None:
        """Close from our side: send a close frame, and wait for the peer's."""
        outbox = self._framing.outbox
        outbox.write(encode_close(code, reason))
        self.session = _CLOSING
        self._code = code
        self._reason = reason
        self._pings.stop()
        self._enter(ResponseState.COMPLETE, now)
        assert self._reader is not None  # noqa: S101 - the session was open.
        self._reader.drop_messages()
        outbox.set_deadline(Deadline.CLOSE_FRAME, now + self._settings.ws_close_timeout)
        self._read_closing(now)

    def _read_closing(self, now: float) -> None:
        rest, self._rest = self._rest, b""
        if rest:
            self._read(rest, 0, now)
        if self.session is _CLOSING:
            if self._input_ended:
                self._end(now)
            else:
                self._carrier.resume_reading()

    def _leave(self, code: int, reason: str, now: float) -> None:
        """The peer is gone, or is told to go. What it sent before is still the application's."""
        if self.session is _OPEN:
            self._code = code
            self._reason = reason
            self.disconnected = True
            self._enter(ResponseState.LOST, now)
        self._end(now)

    def _end(self, now: float) -> None:
        self.session = _ENDED
        self._rest = b""
        self._pings.stop()
        self._framing.outbox.stop_deadline(Deadline.CLOSE_FRAME)
        self._carrier.end_websocket(self, now)

    # What the tables name.

    def _refuse(self, kind: object) -> None:
        if self.disconnected:
            raise ClientDisconnected
        if self._finished:
            return
        raise unexpected(kind, self._legal, self.session.value)

    def _accept(self, message: Message, now: float) -> None:
        handshake = self.handshake
        fields, answers = read_accept(message, handshake.subprotocols, self._framing.encoder)
        settings = self._settings
        deflate = negotiate(handshake.offers) if settings.ws_per_message_deflate else None
        inflater = None
        if deflate is not None:
            inflater = Inflater(deflate)
            self._deflater = Deflater(deflate)
            answers.append((b"sec-websocket-extensions", deflate.answer))
        self._reader = FrameReader(settings.ws_max_size, settings.ws_max_fragments, inflater)
        self.fields = fields
        self.session = _OPEN
        self.state = ResponseState.CONTENT
        self._legal = _ON_OPEN
        self._pings.begin(now)
        self._carrier.accept_websocket(self, answers, now)

    def _refuse_handshake(self, message: Message, now: float) -> None:
        """A close in place of an answer is a 403, and nothing of the code and the reason can be told."""
        read_close(message)
        self.session = _DENIED
        fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"10")]
        self._accept_start({"status": 403, "headers": fields}, now)
        HttpExchange.send(self, {"type": "http.response.body", "body": b"Forbidden\n"}, now)

    def _deny(self, message: Message, now: float) -> None:
        """A response of the application's own (the extension ``websocket.http.response``)."""
        self._accept_start(read_denial_start(message, self.head.version), now)
        self.session = _DENIED

    def _accept_message(self, message: Message, now: float) -> None:  # noqa: ARG002 - the table's signature.
        octets: Any = message.get("bytes")
        text: Any = message.get("text")
        if octets is None and text is not None:
            payload = encode_text("text", text)
            opcode = TEXT
        else:
            payload = octets if text is None and type(octets) is bytes else read_octets(octets, text)
            opcode = BINARY
        outbox = self._framing.outbox
        self._messages_out += 1
        self.bytes_out += len(payload)
        compressed = self._deflater is not None and len(payload) >= _COMPRESSED_SIZE
        if compressed and self._deflater is not None:
            payload = self._deflater.deflate(payload)
        header = encode_header(opcode, len(payload), compressed=compressed)
        if len(payload) <= _COPIED_SIZE:
            outbox.write(header + payload)
        else:
            outbox.write(header)
            outbox.write(payload)
        if outbox.size > self._settings.limit_write_buffer:
            outbox.block(self)

    def _accept_close(self, message: Message, now: float) -> None:
        code, reason = read_close(message)
        self._messages.clear()
        self._close(code, reason, now)


# What the application may send, and what then happens. ASGI, "WebSocket". Beyond these it is HTTP's tables.
_NOTHING: Final[dict[str, Any]] = {}
_ON_CONNECTING: Final[dict[str, Any]] = {
    "websocket.accept": WebSocketExchange._accept,
    "websocket.close": WebSocketExchange._refuse_handshake,
    "websocket.http.response.start": WebSocketExchange._deny,
}
_ON_OPEN: Final[dict[str, Any]] = {
    "websocket.send": WebSocketExchange._accept_message,
    "websocket.close": WebSocketExchange._accept_close,
}
