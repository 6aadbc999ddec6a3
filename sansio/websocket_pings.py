"""The pings of one WebSocket: when they go out, and how long their answer may take.

Source: RFC 6455 §5.5.2, §5.5.3.
"""

from __future__ import annotations

from .deadlines import Deadline
from .outbox import Outbox
from .settings import Settings
from .websocket_frames import PING, encode_header

__all__ = ["Pings"]


class Pings:
    """At most one ping waits for its answer, and pongs that nobody asked for answer none."""

    __slots__ = ("_count", "_outbox", "_settings", "_unanswered")

    def __init__(self, outbox: Outbox, settings: Settings) -> None:
        self._outbox = outbox
        self._settings = settings
        self._count = 0
        self._unanswered = b""

    def begin(self, now: float) -> None:
        """The session is open: the first is due in a while."""
        self._outbox.set_deadline(Deadline.PING, now + self._settings.ws_ping_interval)

    def send(self, now: float, *, unread: bool) -> None:
        """It is time for one. `unread`: nobody reads, so that no answer can be seen.

        Then the same is sent again: only what is written finds out that the peer has gone.
        """
        self._outbox.set_deadline(Deadline.PING, now + self._settings.ws_ping_interval)
        if not self._unanswered:
            self._count += 1
            self._unanswered = b"%d" % self._count
            self.wait(now)
        elif not unread:
            return
        self._outbox.write(encode_header(PING, len(self._unanswered)) + self._unanswered)

    def wait(self, now: float) -> None:
        """Give the answer its time, from now on."""
        self._outbox.set_deadline(Deadline.PONG, now + self._settings.ws_ping_timeout)

    def receive_pong(self, payload: bytes) -> None:
        """A pong came."""
        if payload == self._unanswered:
            self._unanswered = b""
            self._outbox.stop_deadline(Deadline.PONG)

    def stop(self) -> None:
        """No more of them, and no answer is waited for."""
        self._outbox.stop_deadline(Deadline.PING)
        self._outbox.stop_deadline(Deadline.PONG)
