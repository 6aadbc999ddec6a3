"""HTTP/1.0 and HTTP/1.1: one connection's requests and responses, one after the other.

Theory of operation
-------------------

Two things happen side by side. Reading walks through the states below; writing (`sansio.http1_responses`) is a list
of octets in the outbox, and what may be written is decided by the exchange. They meet in two places: a request is
opened only when the response before it is complete, and a response that ends while its request is still coming
decides what becomes of the rest.

    HEAD        waiting for a request's head, or in the middle of it
      | head passed                       | refused, or time is up
      v                                   v
    CONTENT     an exchange takes the content          LINGERING
      | content complete        | response complete       ^
      v                         v                         |
    PAUSED      the exchange    DISCARDING  content is    | too much, or too late,
      |         is not done     |           read away ----+ or the connection is to end
      | response complete       | content complete
      +-----------> HEAD <------+

LINGERING: our side has ended, and what comes is dropped until the peer's side ends too, so that the last response
is not destroyed by a reset (RFC 9112 §9.6). CLOSED: nothing happens any more.

UPGRADED: a WebSocket was accepted while PAUSED. All octets are its frames, and it is the last exchange.

While PAUSED, at most one read of further requests is kept, and then reading stops.

Invariants: an exchange is opened after its predecessor's response is complete and its content was read or read away;
after a decision to close, none is opened; a refusal is answered once, if no octet of a response is in its way, and
cuts the response off otherwise.

Source: RFC 9112; RFC 9110 §10.1.1, §15.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

from . import http1_fast, http1_h11
from .deadlines import Deadline
from .errors import PeerError
from .http import HttpExchange
from .http1_content import ChunkedGate, ContentReader, LengthGate
from .http1_gate import HeadGate
from .http1_responses import Http1Responses
from .outbox import Outbox
from .scope import RequestHead, ScopeBuilder
from .settings import Settings, TransportInfo
from .websocket import WebSocketExchange
from .websocket_handshake import read_handshake

__all__ = ["Http1"]


class Reading(enum.Enum):
    """What the next octet from the peer is taken for."""

    HEAD = enum.auto()
    CONTENT = enum.auto()
    PAUSED = enum.auto()
    DISCARDING = enum.auto()
    UPGRADED = enum.auto()
    LINGERING = enum.auto()
    CLOSED = enum.auto()


_HEAD: Final = Reading.HEAD
_CONTENT: Final = Reading.CONTENT
_PAUSED: Final = Reading.PAUSED
_DISCARDING: Final = Reading.DISCARDING
_UPGRADED: Final = Reading.UPGRADED
_LINGERING: Final = Reading.LINGERING
_CLOSED: Final = Reading.CLOSED


_STOPPED_BY_THE_END: Final = (
    Deadline.HEAD,
    Deadline.KEEP_ALIVE,
    Deadline.BODY,
    Deadline.DISCARD,
    Deadline.HANDSHAKE,
)

# Applications that go on working after their response. The next request waits only if there are more than these.
_MAX_UNFINISHED: Final = 16


class Http1(Http1Responses):
    """The protocol of one HTTP/1 connection."""

    def __init__(
        self,
        outbox: Outbox,
        transport: TransportInfo,
        settings: Settings,
        state: Mapping[str, Any] | None,
        now: float,
    ) -> None:
        Http1Responses.__init__(self, outbox, transport, settings)
        self._fast = settings.http1_reader == "fast"  # The fast reader may try the next head.
        self._scopes = ScopeBuilder(transport, settings, state)
        self._gate = HeadGate(settings)
        self._reading = _HEAD
        self._backlog = b""  # Octets that were received and not yet read, from _backlog_start.
        self._backlog_start = 0
        self._requests = 0
        self._unfinished = 0
        self._dropped = 0  # Octets that came after our end.
        self._linger_again = False  # Not all of ours was taken when the time for lingering was up.
        self._input_ended = False
        self._room_asked = now
        self._draining = False
        self._idle_deadline = Deadline.HEAD
        outbox.set_deadline(Deadline.HEAD, now + settings.timeout_request_head)

    # Inputs.

    def receive_data(self, data: bytes, now: float) -> None:
        """Octets came from the peer."""
        if self._reading is _PAUSED:
            self._backlog = self._backlog[self._backlog_start :] + data
            self._backlog_start = 0
            self.outbox.wants_read = False
        elif self._reading is _UPGRADED:
            self._session().receive_octets(data, 0, now)
        else:
            self._read(data, 0, now)

    def receive_eof(self, now: float) -> None:
        """The peer's side has ended."""
        self._input_ended = True
        self.outbox.wants_read = False
        reading = self._reading
        if reading is _HEAD:
            if self._gate.in_head:
                self._refuse(PeerError(400, "connection ended in the middle of a request head"), now)
            else:
                self._close()
        elif reading is _CONTENT:
            self._refuse(PeerError(400, "connection ended in the middle of a request's content"), now)
        elif reading is _PAUSED:
            if not self._backlog:
                self._keep_alive = False
            if self._exchange is not None:
                self._exchange.end_input()
        elif reading is _UPGRADED:
            self._session().receive_end(now)
        else:
            self._close()

    def connection_lost(self, now: float) -> None:
        """The transport is gone in both directions."""
        self._disconnect(now)
        self._reading = _CLOSED
        self.outbox.abandon()

    def shut_down(self, now: float) -> None:
        """Finish what is open, a request whose head has begun included, and open nothing new."""
        if self._draining:
            return
        self._draining = True
        self._keep_alive = False
        self.outbox.set_deadline(Deadline.DRAIN, now + self._settings.timeout_graceful_shutdown)
        if self._reading is _HEAD:
            if not self._gate.in_head:
                self._close()
        elif self._reading is _UPGRADED:
            self._session().shut_down(now)
        elif self._exchange is None and self._reading is not _LINGERING:
            self._linger(now)

    def handle_timeout(self, now: float) -> None:
        """Do what is due. What the state no longer waits for is none of our business."""
        outbox = self.outbox
        for deadline in outbox.take_expired(now):
            reading = self._reading
            if deadline is Deadline.DRAIN:
                self.connection_lost(now)
            elif deadline is Deadline.BODY:
                if reading is _CONTENT:
                    self._refuse(PeerError(408, "request content took too long"), now)
            elif deadline is Deadline.DISCARD:
                self._linger(now)
            elif deadline is Deadline.CLOSE:
                if reading is _LINGERING:
                    self._end_lingering(now)
            elif deadline is Deadline.HANDSHAKE:
                self._give_up_handshake(now)
            elif deadline >= Deadline.PING:
                if reading is _UPGRADED:
                    self._session().handle_deadline(deadline, now)
            elif reading is _PAUSED:
                self._resume(now)
            elif reading is _HEAD:
                if self._gate.in_head:
                    self._refuse(PeerError(408, "request head took too long"), now)
                else:
                    self._close()  # Nothing was asked.

    def room_made(self) -> None:
        """The bytes to write were taken. Asked for by `awaits_room`."""
        self.awaits_room = False
        if self._reading is _UPGRADED:
            self._session().room_made()
        elif self._reading is _PAUSED and self._exchange is None:
            # Taking bytes brings no time with it: what is due already will.
            self.outbox.set_deadline(Deadline.KEEP_ALIVE, self._room_asked)

    # Reading.

    def _read(self, data: bytes, start: int, now: float) -> None:
        """Read as far as the states allow."""
        size = len(data)
        while start < size:
            reading = self._reading
            if reading is _HEAD:
                plain = http1_fast.read_head(data, start, self._settings) if self._fast else None
                if plain is None:
                    start = self._read_head(data, start, now)
                else:
                    head, start = plain
                    self._open(head, None, now)
            elif reading is _CONTENT or reading is _DISCARDING:
                start = self._read_content(data, start, now)
            elif reading is _PAUSED:
                self._backlog = data
                self._backlog_start = start
                self.outbox.wants_read = False
                return
            elif reading is _UPGRADED:
                self._session().receive_octets(data, start, now)
                return
            else:
                self._drop(size - start)
                return

    def _read_head(self, data: bytes, start: int, now: float) -> int:
        """Read a head that is not complete, or not plain."""
        gate = self._gate
        if self._idle_deadline is Deadline.KEEP_ALIVE:
            # The first octet of a request: from here on the whole head has a time of its own.
            self.outbox.stop_deadline(Deadline.KEEP_ALIVE)
            self.outbox.set_deadline(Deadline.HEAD, now + self._settings.timeout_request_head)
            self._idle_deadline = Deadline.HEAD
        self._fast = False  # What the gate has begun, it ends.
        passed = gate.receive_data(data, start)
        if passed is None:
            if gate.refusal is not None:
                self._refuse(gate.refusal, now)
            return len(data)
        octets = gate.take_head()
        self._fast = self._settings.http1_reader == "fast"
        plain = http1_fast.read_head(octets, 0, self._settings) if self._fast else None
        if plain is not None:
            self._open(plain[0], None, now)
            return passed
        read = http1_h11.read_head(octets)
        if isinstance(read, PeerError):  # A stricter h11 than we know.
            self._refuse(read, now, is_head=octets.startswith(b"HEAD "))
        else:
            head, connection = read
            self._open(head, http1_h11.H11Content(connection, head, self._settings), now)
        return passed

    def _open(self, head: RequestHead, reader: ContentReader | None, now: float) -> None:
        """Open the exchange of a request whose head has been read."""
        settings = self._settings
        self.outbox.stop_deadline(self._idle_deadline)
        self._requests += 1
        limit = settings.limit_requests_per_connection
        self._keep_alive = not (
            head.close or self._draining or (limit is not None and self._requests >= limit)
        )
        length = head.content_length
        limit = settings.limit_request_body
        if limit is not None and length is not None and length > limit:
            error = PeerError(413, f"request content beyond {limit} bytes")
            self._refuse(error, now, is_head=head.method == "HEAD")
            return
        if head.websocket and settings.ws:
            self._open_websocket(head, now)
            return
        self._exchange = exchange = HttpExchange(self._scopes.build(head), head, self, now)
        self._unfinished += 1
        self._continue_due = head.expects_continue
        self.outbox.mark_ready(exchange)
        if length == 0:
            self._reading = _PAUSED
        else:
            self._reading = _CONTENT
            self._reader = reader or (ChunkedGate(settings) if length is None else LengthGate(length))

    def _open_websocket(self, head: RequestHead, now: float) -> None:
        """Open the exchange of a request that asks to become a WebSocket. Refused or not, it is the last one."""
        handshake = read_handshake(head)
        if isinstance(handshake, PeerError):
            self._refuse(handshake, now)
            return
        scope = self._scopes.build_websocket(head, handshake.subprotocols.copy())
        self._exchange = exchange = WebSocketExchange(scope, head, handshake, self, self._settings, now)
        self._unfinished += 1
        self._keep_alive = False
        self._reading = _PAUSED
        self.outbox.mark_ready(exchange)
        self.outbox.set_deadline(Deadline.HANDSHAKE, now + self._settings.ws_handshake_timeout)

    def _session(self) -> WebSocketExchange:
        assert isinstance(self._exchange, WebSocketExchange)  # noqa: S101 - the state says so.
        return self._exchange

    def _read_content(self, data: bytes, start: int, now: float) -> int:
        reader = self._reader
        assert reader is not None  # noqa: S101 - the state says so.
        content = reader.receive_data(data, start)
        exchange = self._exchange
        if exchange is None:
            # Read away. It has a known length within the limit: nothing in it can be refused.
            if reader.ended:
                self.outbox.stop_deadline(Deadline.DISCARD)
                self._reading = _PAUSED
                self._reader = None
                self._resume(now)
            return reader.position
        if content:
            limit = self._settings.limit_request_body
            if limit is not None and exchange.bytes_in + len(content) > limit:
                self._refuse(PeerError(413, f"request content beyond {limit} bytes"), now)
                return len(data)
            self._continue_due = False
            if exchange.waiting:
                self.outbox.stop_deadline(Deadline.BODY)
            exchange.deliver(content)
            if exchange.held >= self._settings.limit_read_buffer:
                self.outbox.wants_read = False
        if reader.refusal is not None:
            self._refuse(reader.refusal, now)
            return len(data)
        if reader.ended:
            self._reading = _PAUSED
            self._reader = None
            self.outbox.wants_read = True
            self.outbox.stop_deadline(Deadline.BODY)
            exchange.deliver_end()
        return reader.position

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > self._settings.limit_discard:
            self._close()

    # From one request to the next.

    def finished(self, exchange: HttpExchange, now: float) -> None:  # noqa: ARG002 - the framing's signature.
        """The application has returned."""
        self._unfinished -= 1
        if self._reading is _PAUSED and self._exchange is None:
            self._resume(now)

    def _discard(self, now: float) -> None:
        """The rest of the content is nobody's: read it away."""
        self._reading = _DISCARDING
        self.outbox.wants_read = True
        self.outbox.stop_deadline(Deadline.BODY)
        self.outbox.set_deadline(Deadline.DISCARD, now + self._settings.timeout_discard)

    def _resume(self, now: float) -> None:
        """Turn to the next request, and to what has come of it already; not yet, if too much is still going on."""
        if self._unfinished > _MAX_UNFINISHED:
            return  # Until one of them is finished.
        if self.outbox.size > self._settings.limit_write_buffer:
            self.awaits_room = True  # Until the bytes are taken.
            self._room_asked = now
            return
        self._next(now)
        if self._backlog:
            backlog, self._backlog = self._backlog, b""
            start, self._backlog_start = self._backlog_start, 0
            self._read(backlog, start, now)
        if self._input_ended and self._reading is not _CLOSED:
            self.receive_eof(now)

    def _next(self, now: float) -> None:
        outbox = self.outbox
        self._reading = _HEAD
        outbox.wants_read = not self._input_ended
        outbox.set_deadline(Deadline.KEEP_ALIVE, now + self._settings.timeout_keep_alive)
        self._idle_deadline = Deadline.KEEP_ALIVE

    def _upgrade(self, exchange: WebSocketExchange, now: float) -> None:
        """All octets are the session's, and first those that have come already."""
        self._reading = _UPGRADED
        self.outbox.wants_read = not self._input_ended
        if self._draining:
            exchange.shut_down(now)
        if self._backlog:
            backlog, self._backlog = self._backlog, b""
            start, self._backlog_start = self._backlog_start, 0
            self._read(backlog, start, now)
        if self._input_ended and self._reading is _UPGRADED:
            exchange.receive_end(now)

    # Ending.

    def _refuse(self, error: PeerError, now: float, *, is_head: bool = False) -> None:
        """Answer what the peer did wrong, if a response to it can still be told from another one, and end."""
        self._write_refusal(error, is_head=is_head or self._gate.is_head_method)
        self._disconnect(now)
        self._linger(now)

    def _linger(self, now: float) -> None:
        """End our side, and wait for the peer to end its own."""
        outbox = self.outbox
        self._backlog = b""
        self._backlog_start = 0
        self._reader = None
        if self._input_ended or self._reading is _CLOSED:
            self._close()
            return
        self._reading = _LINGERING
        self._dropped = 0
        for name in _STOPPED_BY_THE_END:
            outbox.stop_deadline(name)
        outbox.wants_read = True
        outbox.end_writing()
        outbox.set_deadline(Deadline.CLOSE, now + self._settings.timeout_linger)

    def _end_lingering(self, now: float) -> None:
        """Close, but for a peer that is slow to take the response: it has its time from when it was taken."""
        waits = self.outbox.wants_write
        if self._settings.timeout_linger and (waits or self._linger_again):
            self._linger_again = waits
            self.outbox.set_deadline(Deadline.CLOSE, now + self._settings.timeout_linger)
        else:
            self._close()

    def _close(self) -> None:
        self._reading = _CLOSED
        self._backlog = b""
        self.outbox.close()
