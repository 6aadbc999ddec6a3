"""A WebSocket on a stream of HTTP/2: what a connection of HTTP/1 is to one, a stream is here.

The session is told nothing of it. It writes to an outbox of its own, which fills DATA frames instead of a transport,
and its deadlines are its own too. When it holds enough, the peer gets no more credit for the stream. RST_STREAM is what
a lost connection is elsewhere, END_STREAM what the end of one side is.

Source: RFC 8441 §5.
"""

from __future__ import annotations

from typing import Protocol

from .asgi import Field, Message, Scope
from .deadlines import Deadline
from .exchange import Exchange
from .field_blocks import encode_field
from .http import MAX_PIECES, HttpExchange, ResponseState
from .http2_frames import ErrorCodes
from .http2_streams import Carrier, Stream
from .http2_writer import encode_head
from .outbox import Outbox
from .scope import RequestHead
from .settings import Settings
from .websocket import WebSocketExchange
from .websocket_handshake import Handshake

__all__ = ["SessionCarrier", "SessionStream"]


class SessionCarrier(Carrier, Protocol):
    """The connection, as a WebSocket on one of its streams sees it."""

    shutting_down: bool

    def note_deadline(self, at: float) -> None:
        """Call `handle_deadlines` then; too early is harmless."""


class SessionOutbox(Outbox):
    """The outbox of one session."""

    __slots__ = ("_carrier", "_stream", "now")

    def __init__(self, stream: SessionStream, carrier: SessionCarrier, now: float) -> None:
        super().__init__()
        self._stream = stream
        self._carrier = carrier
        self.now = now
        """The time of what the session is being told, or asked."""

    def write(self, data: bytes | memoryview) -> None:
        """Send octets on the stream."""
        self._stream.send_octets(bytes(data), self.now)

    def mark_ready(self, exchange: Exchange) -> None:
        """Name the exchange among those of the whole connection."""
        self._carrier.outbox.mark_ready(exchange)

    def set_deadline(self, name: Deadline, at: float) -> None:
        """Set a deadline of the session's."""
        super().set_deadline(name, at)
        self._carrier.note_deadline(at)


class SessionExchange(WebSocketExchange):
    """A session that tells its outbox the time, which a transport need not know, and flow control does."""

    __slots__ = ("_box",)

    def __init__(  # noqa: PLR0913 - a session's, and its outbox.
        self,
        scope: Scope,
        head: RequestHead,
        handshake: Handshake,
        stream: SessionStream,
        settings: Settings,
        now: float,
    ) -> None:
        super().__init__(scope, head, handshake, stream, settings, now)
        self._box = stream.box

    def receive(self, now: float) -> Message | None:
        """Take the next message. See `WebSocketExchange.receive`."""
        self._box.now = now
        return super().receive(now)

    def send(self, message: Message, now: float) -> None:
        """Accept a message. See `WebSocketExchange.send`."""
        self._box.now = now
        super().send(message, now)

    def finish(self, error: BaseException | None, now: float) -> None:
        """Say that the application has returned or raised. See `WebSocketExchange.finish`."""
        self._box.now = now
        super().finish(error, now)


class SessionStream(Stream):
    """One WebSocket: its handshake, its response, and its octets."""

    __slots__ = (
        "_awaits_room",
        "_kept",
        "_over",
        "_paused",
        "_session_carrier",
        "accepted",
        "box",
        "session",
    )

    def __init__(
        self, carrier: SessionCarrier, stream_id: int, urgency: int, now: float, *, remote_ended: bool
    ) -> None:
        super().__init__(carrier, stream_id, urgency, remote_ended=remote_ended)
        self._session_carrier = carrier
        self.box = SessionOutbox(self, carrier, now)
        self.outbox = self.box
        self.session: WebSocketExchange
        self.accepted = False
        """The response was sent that makes the stream a WebSocket's."""
        self._paused = False
        self._over = False
        self._awaits_room = False
        # What came before there was room for it; the stream's window bounds it.
        self._kept: list[bytes] = []

    # The connection's side.

    def begin(self, scope: Scope, head: RequestHead, handshake: Handshake, now: float) -> WebSocketExchange:
        """Make the exchange."""
        settings = self._session_carrier.settings
        self.session = SessionExchange(scope, head, handshake, self, settings, now)
        self.box.set_deadline(Deadline.HANDSHAKE, now + settings.ws_handshake_timeout)
        return self.session

    def receive_content(self, content: bytes, now: float) -> None:
        """Octets came, within the window."""
        self.held += len(content)
        if self._paused or not self.accepted:
            self._kept.append(content)
            if len(self._kept) >= MAX_PIECES:
                self._kept[:] = [b"".join(self._kept)]
            return
        self._receive_octets(content, now)
        if not self._paused:
            self._release()

    def receive_end(self, now: float) -> None:
        """The peer has ended its side."""
        self.remote_ended = True
        self.box.now = now
        if not self.accepted:
            self.session.end_input()
        elif not self._over:
            self._receive_kept(now)
            self.session.receive_end(now)

    def disconnect(self, exchange: HttpExchange, now: float) -> None:
        """The stream has ended, or the connection has."""
        if self.accepted:
            self._receive_kept(now)
        self._over = True
        self.box.now = now
        self.box.stop_deadlines()
        exchange.disconnect(now)
        self._unblock(exchange)
        self._tell_error()

    def shut_down(self, now: float) -> None:
        """The server is about to stop."""
        self.box.now = now
        self.session.shut_down(now)

    def handle_deadlines(self, now: float) -> None:
        """Do what is due."""
        self.box.now = now
        for deadline in self.box.take_expired(now):
            if self._over:
                return
            if deadline is not Deadline.HANDSHAKE:
                self.session.handle_deadline(deadline, now)
            elif self.session.state is ResponseState.AWAITING_START:
                self.session.failure = "the application did not answer a WebSocket's handshake in time"
                self.respond(500, "Internal Server Error", now)

    def sent_all(self, now: float) -> None:
        """Nothing is pending any more."""
        self.box.size = 0
        self.box.now = now
        super().sent_all(now)
        if self._awaits_room and not self._over:
            self._awaits_room = False
            self.session.room_made()

    # What the session asks for.

    def accept_websocket(self, exchange: WebSocketExchange, answers: list[Field], now: float) -> None:
        """Send the response that makes the stream a WebSocket's (RFC 8441 §5), and read what has come of it already."""
        fields = exchange.fields
        assert fields is not None  # noqa: S101 - the exchange's state says so.
        self.box.stop_deadline(Deadline.HANDSHAKE)
        exchange.status = 200
        block = encode_head(200, fields, self._session_carrier.settings.default_fields, None)
        self._write_headers(block + b"".join([encode_field(*field) for field in answers]), ended=False)
        self.accepted = True
        if self._session_carrier.shutting_down:
            exchange.shut_down(now)
        self._receive_kept(now)
        if not self._paused:
            self._release()
        if self.remote_ended and not self._over:
            exchange.receive_end(now)

    def end_websocket(self, exchange: WebSocketExchange, now: float) -> None:  # noqa: ARG002 - the framing's signature.
        """The session is over: end the stream."""
        if not self._over:
            self._over = True
            self.box.stop_deadlines()
            self._tell_error()
            if self.accepted:
                self._send(b"", ended=True, now=now)
            else:
                self._session_carrier.reset(self, ErrorCodes.CANCEL, now)

    def pause_reading(self) -> None:
        """The session holds enough: the peer gets no credit."""
        self._paused = True

    def resume_reading(self) -> None:
        """The session has room again."""
        self._paused = False
        self._receive_kept(self.box.now)
        if not self._paused:
            self._release()

    def await_room(self) -> None:
        """Let the session know when the octets to send have gone."""
        self._awaits_room = True

    def send_octets(self, octets: bytes, now: float) -> None:
        """Send octets of the session."""
        if not self._over:
            self._send(octets, ended=False, now=now)
            self.box.size = self.pending_size

    def cut_response(self, exchange: HttpExchange, now: float) -> None:
        """Make it visible that a denial stays incomplete."""
        self._over = True
        super().cut_response(exchange, now)

    def _receive_kept(self, now: float) -> None:
        """Let the session have what was kept, in one piece."""
        if self._kept:
            octets = b"".join(self._kept)
            self._kept.clear()
            self._receive_octets(octets, now)

    def _receive_octets(self, octets: bytes, now: float) -> None:
        if not self._over:
            self.box.now = now
            self.session.receive_octets(octets, 0, now)

    def _release(self) -> None:
        """Give back the credit for what the session has read."""
        if self.held:
            held, self.held = self.held, 0
            self._session_carrier.receiver.give_credit(self, held)

    def _tell_error(self) -> None:
        """What the peer did wrong is the connection's to tell."""
        outbox = self._session_carrier.outbox
        if outbox.error is None:
            outbox.error = self.box.error
