"""What a client may send on one HTTP/2 connection: the receiving half of flow control.

A window is made of three parts: what the peer may still send, what is held for applications, and what they have taken
but the peer was not told of yet. It is told in sums of half a stream's window, so that credit costs few frames,
and the last stream that is read never waits for those that are not.

Source: RFC 9113 §5.2, §6.9.
"""

from __future__ import annotations

from typing import Final, Protocol

from .http2_frames import MAX_WINDOW_SIZE, encode_window_update
from .outbox import Outbox
from .settings import Settings

__all__ = ["ReceiveStream", "Receiver"]

_INITIAL_WINDOW: Final = 65_535


class ReceiveStream(Protocol):
    """What a stream has received."""

    id: int
    receive_window: int
    owed: int
    remote_ended: bool


class Receiver:
    """The windows of one connection, and of its streams."""

    __slots__ = ("_outbox", "_owed", "_size", "_stream_size", "ended", "window")

    def __init__(self, outbox: Outbox, settings: Settings) -> None:
        """Open the connection's window as wide as those of all streams together."""
        self._outbox = outbox
        self._stream_size = settings.http2_initial_window_size
        size = self._stream_size * settings.http2_max_concurrent_streams
        self._size = max(min(size, MAX_WINDOW_SIZE), _INITIAL_WINDOW)
        self.window = self._size
        """Octets that the peer may still send on the connection."""
        self.ended = False
        """Nothing more is read: the peer needs no credit."""
        self._owed = 0
        if self._size > _INITIAL_WINDOW:
            outbox.write(encode_window_update(0, self._size - _INITIAL_WINDOW))

    def give_credit(self, stream: ReceiveStream, size: int) -> None:
        """So many octets were taken, or were padding: the peer may send as many more."""
        self.give_back(size)
        if stream.remote_ended or self.ended:
            return
        stream.owed += size
        if stream.owed * 2 >= self._stream_size:
            self._outbox.write(encode_window_update(stream.id, stream.owed))
            stream.receive_window += stream.owed
            stream.owed = 0

    def give_back(self, size: int) -> None:
        """The same for octets whose stream has ended: they count for the connection only."""
        self._owed += size
        if self._owed * 2 >= self._stream_size and not self.ended:
            self._outbox.write(encode_window_update(0, self._owed))
            self.window += self._owed
            self._owed = 0
