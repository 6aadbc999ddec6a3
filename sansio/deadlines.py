"""Points in time at which a connection has to act, each with a name and a purpose.

The core reads no clock. Every input brings the time, and one number goes out: the earliest of these.
"""

from __future__ import annotations

import enum
import math

__all__ = ["Deadline", "Deadlines"]


class Deadline(enum.IntEnum):
    """The names. Each is set and stopped by the protocol that waits for it."""

    HEAD = 0
    """From the connection's start, or the first byte of a request, to the end of its head: 408."""
    KEEP_ALIVE = 1
    """From the end of one request and its response to the first byte of the next: close."""
    BODY = 2
    """The application waits for content and the peer is silent: 408 and a disconnect."""
    DISCARD = 3
    """Content that nobody wants is being read away so that the connection can be used again: close."""
    CLOSE = 4
    """We have ended our side and wait for the peer to end its own: close."""
    DRAIN = 5
    """After `shut_down`: whatever is still open is cut off."""
    HANDSHAKE = 6
    """The application has not answered a WebSocket's handshake: 500 and a disconnect."""
    PING = 7
    """The next ping of a WebSocket, or of an HTTP/2 connection."""
    PONG = 8
    """The answer to it is overdue: close."""
    CLOSE_FRAME = 9
    """We have closed a WebSocket and wait for the peer's close frame: close."""
    SETTINGS = 10
    """The peer has not acknowledged our HTTP/2 settings: the connection ends."""
    WINDOW = 11
    """The peer's HTTP/2 windows have no room for what is to be sent: the stream ends."""
    GOAWAY = 12
    """The peer had time to learn that it should open no more streams: say which was the last."""
    SESSION = 13
    """A WebSocket on an HTTP/2 stream has a deadline of its own."""


class Deadlines:
    """The table of a connection's deadlines. All times are seconds on the embedder's one monotonic clock."""

    __slots__ = ("_at", "deadline")

    def __init__(self) -> None:
        self._at: dict[Deadline, float] = {}
        self.deadline = math.inf
        """The earliest of all; `math.inf` when nothing is pending."""

    def set_deadline(self, name: Deadline, at: float) -> None:
        """Set one, or move it."""
        self._at[name] = at
        self.deadline = at if len(self._at) == 1 else min(self._at.values())

    def get_deadline(self, name: Deadline) -> float:
        """Return one; `math.inf` if it is not set."""
        return self._at.get(name, math.inf)

    def stop_deadline(self, name: Deadline) -> None:
        """Forget one. It need not have been set."""
        self._at.pop(name, None)
        self.deadline = min(self._at.values()) if self._at else math.inf

    def stop_deadlines(self) -> None:
        """Forget all."""
        self._at.clear()
        self.deadline = math.inf

    def take_expired(self, now: float) -> list[Deadline]:
        """Stop and return those whose time has come, earliest first."""
        if now < self.deadline:
            return []
        expired = sorted((at, name) for name, at in self._at.items() if at <= now)
        for _, name in expired:
            del self._at[name]
        self.deadline = min(self._at.values(), default=math.inf)
        return [name for _, name in expired]
