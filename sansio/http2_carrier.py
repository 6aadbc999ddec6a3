"""What HTTP/2 connections do for their streams: room, time, and an end.

Theory of operation
-------------------

A stream ends once, in `forget`: when END_STREAM was made, when either side resets it, or with the connection. What
it held goes back as credit, what it was to send is dropped, and its application is told, if it is not done.

A request that its client resets in the same read is never handed over. An application that still runs after its
stream was cut off counts as a stream, so that resets buy no more work than the limit of streams allows.

Streams that wait have no deadline of their own in the connection's table: those of one kind wait equally long, so the
first that began is the first whose time is up. WebSockets have tables of their own, of which the connection knows
the earliest deadline.

Source: RFC 9113 §5.1, §5.4.2, §8.1.
"""

from __future__ import annotations

from typing import Final

from .deadlines import Deadline
from .errors import PeerError
from .http2_connection import OPEN, Http2Connection
from .http2_frames import ErrorCodes, encode_reset
from .http2_streams import CRUMBS, Stream
from .http2_websocket import SessionStream
from .outbox import Outbox
from .settings import Settings, TransportInfo

__all__ = ["MAX_REMEMBERED", "Http2Carrier"]

MAX_REMEMBERED: Final = 1_024
"""Numbers of streams that were reset, and of those that are to come with an urgency."""


class Http2Carrier(Http2Connection):
    """The connection, as its streams see it. `sansio.http2.Http2` adds what frames do."""

    multiplexes = True

    def __init__(self, outbox: Outbox, transport: TransportInfo, settings: Settings, now: float) -> None:
        super().__init__(outbox, transport, settings, now)
        self.awaits_room = True
        """Call `room_made` when bytes were taken: here always, for what waits for room may come at any time."""
        self.shutting_down = False
        """New WebSockets are closed as soon as they are accepted."""
        self.sessions: dict[int, SessionStream] = {}
        """Those of the streams that are WebSockets, or ask to become one."""
        self.reset_ids: dict[int, None] = {}
        """Numbers of streams that either side has reset."""
        self.waiting: dict[Stream, float] = {}
        """Until when the peer has time to send content for which an application waits, earliest first."""
        self.running = 0
        """Applications that have not returned."""
        self.orphans = 0
        """Those of them whose streams were cut off."""
        self.latest = now
        """When the connection was last told the time."""

    # Inputs.

    def shut_down(self, now: float) -> None:
        """Finish what is open, and what is on its way, and then open nothing new."""
        super().shut_down(now)
        self.shutting_down = True
        for session in list(self.sessions.values()):
            session.shut_down(now)

    def room_made(self) -> None:
        """The bytes to write were taken: there is room for what waits."""
        super().room_made()
        if self.phase is OPEN:
            streams = bool(self.streams)
            if not self.sender.produce(self.latest, dated=False):
                self.give_up(CRUMBS, self.latest)
                return
            if streams and not self.streams:
                self.idle_undated = True
            if self.sender.undated and self.latest < self.outbox.get_deadline(Deadline.WINDOW):
                # Taking bytes brings no time with it: what is due already will.
                self.outbox.set_deadline(Deadline.WINDOW, self.latest)

    # What the streams ask for.

    def await_content(self, stream: Stream, now: float) -> None:
        """The application waits for content: the peer's time begins."""
        self.waiting[stream] = at = now + self.settings.timeout_request_body
        if at < self.outbox.get_deadline(Deadline.BODY):
            self.outbox.set_deadline(Deadline.BODY, at)

    def note_deadline(self, at: float) -> None:
        """A WebSocket has a deadline of its own."""
        if at < self.outbox.get_deadline(Deadline.SESSION):
            self.outbox.set_deadline(Deadline.SESSION, at)

    def watch_windows(self) -> None:
        """Something may wait for the peer's windows."""
        at = self.sender.deadline
        if at < self.outbox.get_deadline(Deadline.WINDOW):
            self.outbox.set_deadline(Deadline.WINDOW, at)

    def produce(self, now: float) -> None:
        """Make frames of what waits."""
        if self.phase is OPEN:
            if not self.sender.produce(now):
                self.give_up(CRUMBS, now)
            else:
                self.watch_windows()

    def reset(self, stream: Stream, code: ErrorCodes, now: float) -> None:
        """End a stream, whatever its state, with RST_STREAM."""
        self.write_control(encode_reset(stream.id, code), now)
        self.remember_reset(stream.id)
        self.forget(stream, now)

    def sent_all(self, stream: Stream, now: float) -> None:
        """END_STREAM was made."""
        if not stream.remote_ended:
            # "A server can [...] request that the client abort transmission of a request without error by sending a
            # RST_STREAM with an error code of NO_ERROR after sending a complete response". RFC 9113 §8.1
            self.write_control(encode_reset(stream.id, ErrorCodes.NO_ERROR), now)
            self.remember_reset(stream.id)
        self.forget(stream, now)

    def finished(self, stream: Stream, now: float) -> None:  # noqa: ARG002 - the carrier's signature.
        """An application has returned."""
        self.running -= 1
        stream.returned = True
        if stream.orphaned:
            self.orphans -= 1

    # The end of streams.

    def reset_badly(self, stream: Stream, code: ErrorCodes, reason: str, now: float) -> None:
        """Reset a stream on which the peer broke a rule."""
        self._fault(PeerError(None, reason))
        self.reset(stream, code, now)
        self.count_reset(now)

    def count_reset(self, now: float) -> None:
        """Count a stream that ended with RST_STREAM because of the peer."""
        if not self.budgets.take_reset(now):
            self.give_up("streams that end with a reset", now)

    def remember_reset(self, stream_id: int) -> None:
        """Ignore what is on its way for a stream."""
        ids = self.reset_ids
        ids[stream_id] = None
        if len(ids) > MAX_REMEMBERED:
            del ids[next(iter(ids))]

    def forget(self, stream: Stream, now: float) -> None:
        """A stream has ended, in one way or another."""
        if self.streams.pop(stream.id, None) is None:
            return
        if stream.queued or stream.pending_size or self.sender.undated:
            self.sender.remove(stream)
        if self.waiting:
            self.waiting.pop(stream, None)
        if stream.held:
            held, stream.held = stream.held, 0
            self.receiver.give_back(held)
        session = self.sessions.pop(stream.id, None) if self.sessions else None
        exchange = stream.exchange
        if exchange is not None:
            if session is not None or not (exchange.ended and exchange.can_send):
                stream.disconnect(exchange, now)
            if exchange.disconnected:
                if self.outbox.withdraw(exchange, stream.opened_at):
                    self.running -= 1  # It was never handed over.
                elif not stream.returned:
                    self.orphans += 1
                    stream.orphaned = True
            stream.exchange = None  # It knows its stream: such a circle would wait for the garbage collector.
        if not self.streams:
            self.become_idle(now)

    def disconnect(self, now: float) -> None:
        """All streams have ended."""
        for stream in list(self.streams.values()):
            self.forget(stream, now)

    # Deadlines.

    def handle_deadline(self, deadline: Deadline, now: float) -> None:
        """One of the deadlines of an open connection has come."""
        self.latest = now
        if deadline is Deadline.BODY:
            self._handle_body(now)
        elif deadline is Deadline.WINDOW:
            for overdue in self.sender.find_overdue(now):
                stream = self.streams.get(overdue.id)
                if stream is not None:  # One may be one too many, and end all.
                    self.reset_badly(stream, ErrorCodes.CANCEL, "no room for what is to be sent", now)
            self.produce(now)
        elif deadline is Deadline.SESSION:
            for session in list(self.sessions.values()):
                session.handle_deadlines(now)
            for session in self.sessions.values():
                self.note_deadline(session.box.deadline)
        else:
            super().handle_deadline(deadline, now)

    def _handle_body(self, now: float) -> None:
        waiting = self.waiting
        while waiting:
            stream, at = next(iter(waiting.items()))
            if at > now:
                self.outbox.set_deadline(Deadline.BODY, at)
                return
            del waiting[stream]
            if stream.exchange is not None and not stream.exchange.ended:
                stream.refuse(PeerError(408, "request content took too long"), now)
