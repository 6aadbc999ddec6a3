"""A client's connection: the face towards the socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import UsageError
from .http1 import Http1
from .outbox import Outbox
from .settings import Settings, TransportInfo

__all__ = ["Connection"]


class Connection(Outbox):
    """One client's connection, from first byte to last.

    Hand it what happened, then do what it says. It never blocks, reads no clock, calls nothing of yours, and never
    raises because of what the peer did. Times are seconds on any one monotonic clock.

    Inputs are the methods that take `now`. After each of them, and after each call of `receive`, `send`, `flush` and
    `finish` on one of its exchanges, look at the outputs: take the bytes, take the ready exchanges, and look at
    `deadline`, `wants_read`, `write_ended` and `closed`, in this order. They change at no other time. Taking bytes
    may leave a `deadline` that is due already: call `handle_timeout` at once then.
    """

    __slots__ = ("_input_ended", "_protocol")

    def __init__(
        self, transport: TransportInfo, settings: Settings, now: float, state: Mapping[str, Any] | None = None
    ) -> None:
        """Begin a connection whose transport was accepted just now.

        `state` is the lifespan's namespace (`Lifespan.state`); each scope gets a shallow copy of it.
        """
        super().__init__()
        self._input_ended = False
        self._protocol = Http1(self, transport, settings, state, now)

    def receive_data(self, data: bytes, now: float) -> None:
        """Bytes came from the peer. Accepted even when `wants_read` is false; dropped once `closed`.

        Raises `UsageError` after `receive_eof`.
        """
        if self.closed or not data:
            return
        if self._input_ended:
            raise UsageError("receive_data() after receive_eof()")
        self._protocol.receive_data(data, now)

    def data_to_send(self) -> bytes:
        """Take all bytes to write, in order. Bytes not taken count against `Exchange.can_send`.

        A request that waited for room becomes due with this: `deadline` may then be a time that has passed.
        """
        data = Outbox.data_to_send(self)
        if self._protocol.awaits_room:
            self._protocol.room_made()
        return data

    def receive_eof(self, now: float) -> None:
        """The peer will send no more; it may still read our answer.

        A request cut short becomes a disconnect for its application. Calling it twice is allowed.

        Source: RFC 9112 §9.6.
        """
        if not self._input_ended:
            self._input_ended = True
            if not self.closed:
                self._protocol.receive_eof(now)

    def connection_lost(self, now: float) -> None:
        """The transport is gone in both directions. Every open exchange becomes disconnected."""
        self._protocol.connection_lost(now)

    def handle_timeout(self, now: float) -> None:
        """Time has passed. Safe to call early or twice: it then does nothing."""
        if now >= self.deadline:
            self._protocol.handle_timeout(now)

    def shut_down(self, now: float) -> None:
        """Finish what is open, open nothing new, and be closed within ``timeout_graceful_shutdown``.

        A request of which a part has come already is still served. Calling it twice is allowed.
        """
        if not self.closed:
            self._protocol.shut_down(now)
