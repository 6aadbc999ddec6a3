"""HTTP/2's stream 0: what concerns the connection as a whole, and how it ends.

Theory of operation
-------------------

    OPEN        streams come and go (`sansio.http2`)
      |                                        |
      | a broken rule, a budget, a deadline:   | shut down, enough requests, the client's GOAWAY, nothing to do:
      | GOAWAY with a code                     | GOAWAY twice, then the end of the last stream
      v                                        v
    LINGERING   our side has ended; what comes is dropped until the peer's side ends too
      v
    CLOSED      nothing happens any more

Draining takes two GOAWAYs: the first announces the largest number there is, so that requests which are on their way
are still served; the second, when the peer has answered a ping or a second has passed, the last one that is
(RFC 9113 §6.8).

Invariants: the last stream in GOAWAY never grows, and covers all that were opened; nothing is written behind a GOAWAY
with an error; what a peer does without bringing anything forward is counted (`sansio.http2_budgets`).

Source: RFC 9113 §5.4.1, §6.5, §6.7 to §6.9, §9.1.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Final

from .deadlines import Deadline
from .errors import PeerError
from .http2_budgets import Budgets
from .http2_frames import (
    ACK,
    DATA,
    GOAWAY,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_STREAM_ID,
    MAX_WINDOW_SIZE,
    PING,
    PRIORITY,
    PRIORITY_UPDATE,
    RST_STREAM,
    SETTING_MAX_FRAME_SIZE,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCodes,
    decode_settings,
    encode_frame,
    encode_goaway,
)
from .http2_receiving import Receiver
from .http2_sending import Sender
from .http2_settings import announce, judge_setting
from .http2_streams import Stream
from .outbox import Outbox
from .settings import Settings, TransportInfo

__all__ = ["Http2Connection", "Phase"]


class Phase(enum.Enum):
    """How far the connection is."""

    OPEN = enum.auto()
    LINGERING = enum.auto()
    CLOSED = enum.auto()


OPEN: Final = Phase.OPEN
LINGERING: Final = Phase.LINGERING
CLOSED: Final = Phase.CLOSED

_MAX_CONTROL_SIZE: Final = 65_536

# Larger frames cost less, but each is a turn for which all others wait.
_LARGEST_FRAME: Final = 65_536

_PING_OF_DRAINING: Final = b"goodbye!"
_PING_OF_KEEPING: Final = b"hello? :"

# How long a peer has to answer the first GOAWAY's ping, before the second goes all the same.
_GOAWAY_TIMEOUT: Final = 1.0

_INITIAL_TABLE_SIZE: Final = 4_096

_NAMES: Final = {
    DATA: "DATA",
    HEADERS: "HEADERS",
    PRIORITY: "PRIORITY",
    RST_STREAM: "RST_STREAM",
    SETTINGS: "SETTINGS",
    PING: "PING",
    GOAWAY: "GOAWAY",
    WINDOW_UPDATE: "WINDOW_UPDATE",
    PRIORITY_UPDATE: "PRIORITY_UPDATE",
}


class Http2Connection:
    """The connection itself. `sansio.http2.Http2` adds the streams."""

    def __init__(self, outbox: Outbox, transport: TransportInfo, settings: Settings, now: float) -> None:
        self.outbox = outbox
        self.transport = transport
        self.settings = settings
        outbox.write(announce(settings))
        self.budgets = Budgets(settings, now)
        self.sender = Sender(outbox, settings, self.budgets)
        self.receiver = Receiver(outbox, settings)
        self.streams: dict[int, Stream] = {}
        self.phase = OPEN
        self.last_stream_id = 0
        self.announced_last = MAX_STREAM_ID
        """The last stream that may be opened: what the last GOAWAY said."""
        self.acknowledged = False
        """The peer knows our settings."""
        self._settled = False  # We know the peer's.
        self._draining = False
        self._dropped = 0  # Octets that came after our end.
        self._linger_again = False  # Not all of ours was taken when the time for lingering was up.
        self._control_size = 0  # Octets of answers that were not taken.
        self._idle_since = now
        self.idle_undated = False
        """It has become idle after that, and nobody knows when."""
        self._ping_open = False
        self._table_size = _INITIAL_TABLE_SIZE  # The peer's, as far as our encoder has to know.
        outbox.set_deadline(Deadline.HEAD, now + settings.timeout_request_head)
        outbox.set_deadline(Deadline.SETTINGS, now + settings.http2_settings_timeout)
        outbox.set_deadline(Deadline.PING, now + settings.http2_keep_alive_interval)

    # Frames.

    def receive_settings(self, flags: int, payload: bytes, now: float) -> None:
        """The peer's settings, or its acknowledgement of ours."""
        if flags & ACK:
            self.acknowledged = True
            self.outbox.stop_deadline(Deadline.SETTINGS)
            self.count(SETTINGS, now)
            return
        if not self._settled:
            self._settled = True
            self.outbox.stop_deadline(Deadline.HEAD)
            self.become_idle(now)
        if not self.count(SETTINGS, now):
            return
        sender = self.sender
        window = largest = sender.initial_window
        for identifier, value in decode_settings(payload):
            failure = judge_setting(identifier, value)
            if failure is not None:
                self.fail(*failure, now)
                return
            if identifier == INITIAL_WINDOW_SIZE:
                window = value
                largest = max(largest, value)
            elif identifier == SETTING_MAX_FRAME_SIZE:
                sender.max_frame_size = min(value, _LARGEST_FRAME)
            elif identifier == HEADER_TABLE_SIZE:
                # The table that we use has no entries, but a smaller one has to be acknowledged. RFC 9113 §4.3.1
                sender.resizes_table = sender.resizes_table or value < self._table_size
                self._table_size = min(value, self._table_size)
        # One frame may change the window thousands of times. Each is judged, and the streams see what comes of all.
        if largest != sender.initial_window or window != sender.initial_window:
            change, highest = window - sender.initial_window, largest - sender.initial_window
            sender.initial_window = window
            for stream in list(self.streams.values()):
                if stream.window + highest > MAX_WINDOW_SIZE:
                    self.fail(ErrorCodes.FLOW_CONTROL_ERROR, "window beyond what a window can be", now)
                    return
                sender.open_window(stream, change)
        self.write_control(encode_frame(SETTINGS, ACK, 0, b""), now)

    def receive_ping(self, flags: int, payload: bytes, now: float) -> None:
        """A ping, or the answer to one."""
        if not flags & ACK:
            if self.count(PING, now):
                self.write_control(encode_frame(PING, ACK, 0, payload), now)
        elif payload == _PING_OF_KEEPING and self._ping_open:
            self._ping_open = False
            self.outbox.stop_deadline(Deadline.PONG)
        elif payload == _PING_OF_DRAINING and self._draining:
            self.announce_last(now)
        else:
            self.count(PING, now)

    def receive_goaway(self, now: float) -> None:
        """The peer opens no more streams; those that are open go on (RFC 9113 §6.8)."""
        if self.count(GOAWAY, now):
            self.announce_last(now)

    # What is written.

    def count(self, kind: int, now: float) -> bool:
        """Count a frame that brings nothing forward; False: the connection has ended."""
        if kind == WINDOW_UPDATE:
            self.budgets.updates.give(self.sender.excuses)
            self.sender.excuses = 0
        if self.budgets.take_frame(kind, now):
            return True
        self.give_up(f"{_NAMES.get(kind, 'unknown')} frames that bring nothing forward", now)
        return False

    def write_control(self, data: bytes, now: float) -> None:
        """Write what the peer makes us write. Who does not read it loses the connection."""
        self.outbox.write(data)
        self._control_size += len(data)
        if self._control_size > _MAX_CONTROL_SIZE:
            self._fault(PeerError(None, "answers that are not read"))
            self.connection_lost(now)

    def room_made(self) -> None:
        """The bytes to write were taken."""
        self._control_size = 0

    # Staying.

    def become_idle(self, now: float) -> None:
        """No stream is open."""
        self._idle_since = now
        self.idle_undated = False
        if self.phase is not OPEN:
            return
        if self.announced_last < MAX_STREAM_ID:
            self.linger(now)
        elif self.outbox.get_deadline(Deadline.KEEP_ALIVE) == math.inf:
            self.outbox.set_deadline(Deadline.KEEP_ALIVE, now + self.settings.timeout_keep_alive)

    def handle_keep_alive(self, now: float) -> None:
        """It may have been idle for long enough. The deadline is not moved by each request, but looks again."""
        if not self.streams:
            if self.idle_undated:
                self.idle_undated = False
                self._idle_since = now
            at = self._idle_since + self.settings.timeout_keep_alive
            if now >= at:
                self.announce_last(now)
            else:
                self.outbox.set_deadline(Deadline.KEEP_ALIVE, at)

    def handle_ping(self, now: float) -> None:
        """It is time for a ping."""
        self.outbox.set_deadline(Deadline.PING, now + self.settings.http2_keep_alive_interval)
        if not self._ping_open:
            self._ping_open = True
            self.outbox.write(encode_frame(PING, 0, 0, _PING_OF_KEEPING))
            self.outbox.set_deadline(Deadline.PONG, now + self.settings.http2_keep_alive_timeout)

    def handle_pong(self, now: float) -> None:
        """No answer came."""
        self._fault(PeerError(None, "no answer to a ping"))
        self.connection_lost(now)

    def handle_settings(self, now: float) -> None:
        """Our settings were not acknowledged."""
        self.fail(ErrorCodes.SETTINGS_TIMEOUT, "settings that are not acknowledged", now)

    def handle_head(self, now: float) -> None:
        """A field block, or the preface, took too long."""
        if self._settled:
            self.fail(ErrorCodes.PROTOCOL_ERROR, "request head took too long", now)
        else:
            self.announce_last(now)

    # Ending.

    def drain(self, now: float) -> None:
        """Open no more streams, but for those that are on their way."""
        if not self._draining:
            self._draining = True
            self.outbox.write(encode_goaway(MAX_STREAM_ID, ErrorCodes.NO_ERROR))
            self.outbox.write(encode_frame(PING, 0, 0, _PING_OF_DRAINING))
            self.outbox.set_deadline(Deadline.GOAWAY, now + _GOAWAY_TIMEOUT)

    def announce_last(self, now: float) -> None:
        """Say which stream was the last. The connection ends with the last that is open."""
        if self.phase is not OPEN:
            return
        self._draining = True
        self.outbox.stop_deadline(Deadline.GOAWAY)
        if self.announced_last == MAX_STREAM_ID:
            self.announced_last = self.last_stream_id
            self.outbox.write(encode_goaway(self.last_stream_id, ErrorCodes.NO_ERROR))
        if not self.streams:
            self.linger(now)

    def give_up(self, what: str, now: float) -> None:
        """The peer has exhausted a budget."""
        self.fail(ErrorCodes.ENHANCE_YOUR_CALM, f"too many {what}", now)

    def fail(self, code: ErrorCodes, reason: str, now: float) -> None:
        """End the connection because of what the peer did."""
        if self.phase is OPEN:
            self._fault(PeerError(None, reason))
            last = min(self.last_stream_id, self.announced_last)
            self.outbox.write(encode_goaway(last, code, reason))
            self.linger(now)
            self.disconnect(now)

    def _fault(self, error: PeerError) -> None:
        """Remember what the peer did wrong; the first thing only."""
        if self.outbox.error is None:
            self.outbox.error = error

    def disconnect(self, now: float) -> None:
        """All streams have ended."""

    def linger(self, now: float) -> None:
        """End our side, and wait for the peer to end its own."""
        outbox = self.outbox
        drain = outbox.get_deadline(Deadline.DRAIN)
        outbox.stop_deadlines()
        outbox.set_deadline(Deadline.DRAIN, drain)
        self.phase = LINGERING
        self.receiver.ended = True
        outbox.end_writing()
        outbox.set_deadline(Deadline.CLOSE, now + self.settings.timeout_linger)

    def _end_lingering(self, now: float) -> None:
        """Close, but for a peer that is slow to take the last of it: it has its time from when that was taken."""
        waits = self.outbox.wants_write
        if self.settings.timeout_linger and (waits or self._linger_again):
            self._linger_again = waits
            self.outbox.set_deadline(Deadline.CLOSE, now + self.settings.timeout_linger)
        else:
            self.close()

    def drop(self, size: int) -> None:
        """Octets came behind the end."""
        self._dropped += size
        if self._dropped > self.settings.limit_discard:
            self.close()

    def close(self) -> None:
        """End it."""
        self.phase = CLOSED
        self.receiver.ended = True
        self.outbox.close()

    def receive_eof(self, now: float) -> None:
        """The peer's side has ended, and so has each of its streams."""
        self.close()
        self.disconnect(now)

    def connection_lost(self, now: float) -> None:
        """The transport is gone in both directions."""
        self.phase = CLOSED
        self.receiver.ended = True
        self.disconnect(now)
        self.outbox.abandon()

    def shut_down(self, now: float) -> None:
        """Finish what is open, and what is on its way, and then open nothing new."""
        outbox = self.outbox
        at = now + self.settings.timeout_graceful_shutdown
        if at < outbox.get_deadline(Deadline.DRAIN):
            outbox.set_deadline(Deadline.DRAIN, at)
        if self.phase is OPEN:
            self.drain(now)

    def handle_timeout(self, now: float) -> None:
        """Do what is due. What the phase no longer waits for is none of our business."""
        for deadline in self.outbox.take_expired(now):
            if deadline is Deadline.DRAIN:
                self.connection_lost(now)
            elif deadline is Deadline.CLOSE:
                if self.phase is LINGERING:
                    self._end_lingering(now)
            elif self.phase is OPEN:
                self.handle_deadline(deadline, now)

    def handle_deadline(self, deadline: Deadline, now: float) -> None:
        """One of the deadlines of an open connection has come."""
        _ON_DEADLINE[deadline](self, now)


_ON_DEADLINE: Final[dict[Deadline, Callable[[Http2Connection, float], None]]] = {
    Deadline.HEAD: Http2Connection.handle_head,
    Deadline.KEEP_ALIVE: Http2Connection.handle_keep_alive,
    Deadline.PING: Http2Connection.handle_ping,
    Deadline.PONG: Http2Connection.handle_pong,
    Deadline.SETTINGS: Http2Connection.handle_settings,
    Deadline.GOAWAY: Http2Connection.announce_last,
}
