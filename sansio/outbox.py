"""What a connection has for its embedder: bytes, exchanges, a deadline, and the states of the transport.

The protocols write it, the drivers read it. Nothing in here knows a protocol.
"""

from __future__ import annotations

import math

from .deadlines import Deadline, Deadlines
from .errors import PeerError
from .exchange import Exchange

__all__ = ["Outbox"]


class Outbox(Deadlines):
    """The output side of a connection.

    The states are plain attributes, and change only during a call of the connection or of one of its exchanges.
    """

    __slots__ = (
        "_blocked",
        "_closing",
        "_ending",
        "_pieces",
        "_ready",
        "aborted",
        "closed",
        "error",
        "has_ready",
        "size",
        "taken",
        "wants_read",
        "wants_write",
        "write_ended",
    )

    def __init__(self) -> None:
        super().__init__()
        self.wants_read = True
        """Feed more bytes; when false, reading more now would only fill memory."""
        self.wants_write = False
        """`data_to_send` would return bytes."""
        self.has_ready = False
        """`take_ready` would return exchanges."""
        self.write_ended = False
        """Nothing follows what was taken: half-close the transport."""
        self.closed = False
        """Close the transport: no bytes and no deadline follow."""
        self.aborted = False
        """The end comes too early: over TLS it should not look like an end (RFC 9112 §8)."""
        self.error: PeerError | None = None
        """What the peer did wrong, if it did; the first thing only."""
        self.size = 0
        """Bytes waiting to be taken."""
        self.taken = 0
        """How often `take_ready` was called."""
        self._pieces: list[bytes | memoryview] = []
        self._ready: dict[Exchange, None] = {}
        self._blocked: list[Exchange] = []
        self._ending = False
        self._closing = False

    def data_to_send(self) -> bytes:
        """Take all bytes to write, in order. Bytes not taken count against `Exchange.can_send`."""
        pieces = self._pieces
        if not pieces:
            return b""
        data = bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.size = 0
        self.wants_write = False
        if self._blocked:
            self._unblock()
        if self._ending:
            self.write_ended = True
            if self._closing:
                self.closed = True
                self.stop_deadlines()
        return data

    def take_ready(self) -> list[Exchange]:
        """Take the exchanges whose situation changed: opened, has a message, can send, or is disconnected."""
        self.taken += 1
        ready = list(self._ready)
        self._ready.clear()
        self.has_ready = False
        return ready

    # For the protocols.

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes to write."""
        self._pieces.append(data)
        self.size += len(data)
        self.wants_write = True

    def mark_ready(self, exchange: Exchange) -> None:
        """Name an exchange in the next `take_ready`, once."""
        self._ready[exchange] = None
        self.has_ready = True

    def withdraw(self, exchange: Exchange, taken: int) -> bool:
        """Do not hand over an exchange that was made when `taken` was this. False: it was handed over."""
        if taken != self.taken:
            return False
        self._ready.pop(exchange, None)
        self.has_ready = bool(self._ready)
        return True

    def block(self, exchange: Exchange) -> None:
        """Let an exchange send no more until the bytes are taken."""
        if exchange.can_send:
            exchange.can_send = False
            self._blocked.append(exchange)

    def end_writing(self) -> None:
        """Half-close the transport as soon as the bytes are taken."""
        self._ending = True
        self.write_ended = not self._pieces

    def close(self) -> None:
        """Close the transport as soon as the bytes are taken. Until then only `Deadline.DRAIN` remains."""
        self.end_writing()
        self._closing = True
        self.wants_read = False
        self.closed = not self._pieces
        drain = math.inf if self.closed else self.get_deadline(Deadline.DRAIN)
        self.stop_deadlines()
        self.set_deadline(Deadline.DRAIN, drain)

    def abandon(self) -> None:
        """Close the transport and drop what was not taken."""
        self.aborted = True
        self._pieces.clear()
        self.size = 0
        self.wants_write = False
        self._unblock()
        self.close()

    def _unblock(self) -> None:
        for exchange in self._blocked:
            exchange.can_send = True
            self.mark_ready(exchange)
        self._blocked.clear()
