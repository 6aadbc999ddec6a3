"""A client's connection: the face towards the socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import UsageError
from .http1 import Http1
from .http2 import Http2
from .http2_frames import PREFACE
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

    Which version of HTTP is spoken, TLS has negotiated (`TransportInfo.alpn`). Without TLS it is HTTP/1, unless the
    settings allow HTTP/2 with prior knowledge: then the first bytes decide.
    """

    __slots__ = ("_beginning", "_input_ended", "_parameters", "_protocol", "multiplexes")

    def __init__(
        self, transport: TransportInfo, settings: Settings, now: float, state: Mapping[str, Any] | None = None
    ) -> None:
        """Begin a connection whose transport was accepted just now.

        `state` is the lifespan's namespace (`Lifespan.state`); each scope gets a shallow copy of it.
        """
        super().__init__()
        self.multiplexes = False
        """Exchanges run side by side. If not, one follows the other."""
        self._input_ended = False
        self._beginning: bytes | None = None  # What may become HTTP/2's preface.
        self._parameters = (transport, settings, state)
        self._protocol: Http1 | Http2
        if transport.alpn == "h2" or settings.http == "2":
            self._protocol = Http2(self, transport, settings, state, now)
            self.multiplexes = True
        else:
            self._protocol = Http1(self, transport, settings, state, now)
            if settings.h2c == "prior-knowledge" and settings.http == "auto" and not transport.secure:
                self._beginning = b""

    def receive_data(self, data: bytes, now: float) -> None:
        """Bytes came from the peer. Accepted even when `wants_read` is false; dropped once `closed`.

        Raises `UsageError` after `receive_eof`.
        """
        if self.closed or not data:
            return
        if self._input_ended:
            raise UsageError("receive_data() after receive_eof()")
        if self._beginning is not None:
            data = self._begin(data, now)
        if data:
            self._protocol.receive_data(data, now)

    def _begin(self, data: bytes, now: float) -> bytes:
        """Look at the first bytes; return what is to be read, nothing while they may still become a preface."""
        assert self._beginning is not None  # noqa: S101 - the caller has looked.
        data = self._beginning + data
        if PREFACE.startswith(data[: len(PREFACE)]):
            if len(data) < len(PREFACE):
                self._beginning = data
                return b""
            self.stop_deadlines()
            self._protocol = Http2(self, *self._parameters, now)
            self.multiplexes = True
        self._beginning = None
        return data

    def _begin_http1(self, data: bytes, now: float) -> None:
        """No more comes for now: what has come is no preface."""
        self._beginning = None
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
            if self._beginning:
                self._begin_http1(self._beginning, now)
            if not self.closed:
                self._protocol.receive_eof(now)

    def connection_lost(self, now: float) -> None:
        """The transport is gone in both directions. Every open exchange becomes disconnected."""
        self._protocol.connection_lost(now)

    def handle_timeout(self, now: float) -> None:
        """Time has passed. Safe to call early or twice: it then does nothing."""
        if now >= self.deadline:
            if self._beginning:
                self._begin_http1(self._beginning, now)
            self._protocol.handle_timeout(now)

    def shut_down(self, now: float) -> None:
        """Finish what is open, open nothing new, and be closed within ``timeout_graceful_shutdown``.

        A request of which a part has come already is still served. Calling it twice is allowed.
        """
        if not self.closed:
            if self._beginning:
                self._begin_http1(self._beginning, now)
            self._protocol.shut_down(now)
