"""What is sent on the streams of one HTTP/2 connection: whose turn it is, and how much fits.

Theory of operation
-------------------

Content that fits into the windows, while nobody else waits, becomes a frame at once. Otherwise it stays with its
stream, the application that made it waits, and the stream stands in one of three places:

    in a queue      it can send, and waits for its turn; one queue for each urgency
    stalled         its window is closed, or the connection's; a WINDOW_UPDATE or new settings bring it back
    nowhere         it has nothing to send

Frames are made only while the bytes to write are below their limit, so a peer that does not read holds no more
memory than that and one message for each stream. Within a queue the streams take turns, a frame each; a more urgent
queue goes first (RFC 9218 §10).

Invariants: a stream is in at most one place; no DATA goes beyond a window or the peer's largest frame; what a stream
is to send behind its content (trailers) is not subject to windows, and comes last.

Source: RFC 9113 §5.2, §6.9; RFC 9218 §10.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, Protocol

from .http2_budgets import Budgets
from .http2_frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER,
    HEADERS,
    MAX_FRAME_SIZE,
    encode_headers,
)
from .outbox import Outbox
from .settings import Settings

__all__ = ["SendStream", "Sender"]

_pack: Final = FRAME_HEADER.pack

_INITIAL_WINDOW: Final = 65_535

# A frame that carries less, though more is to be sent, is the peer's doing: it opens its window by crumbs, each of
# which costs as much as a whole frame (CVE-2019-9511).
_USEFUL_SIZE: Final = 256

# "an instruction to resize the dynamic table" to nothing, which is what we use of it. RFC 7541 §6.3
_NO_TABLE: Final = b"\x20"

# Copying a short piece costs less than another piece in the outbox.
_COPIED_SIZE: Final = 4_096


class SendStream(Protocol):
    """What a stream has to send."""

    id: int
    window: int
    pending: deque[memoryview]
    pending_size: int
    ending: bool
    tail: bytes  # The field block of trailers.
    urgency: int
    queued: bool

    def sent_all(self, now: float) -> None:
        """Nothing is pending any more; if it was `ending`, it has ended."""


class Sender:
    """The sending half of a connection's flow control, and its schedule."""

    __slots__ = (
        "_budgets",
        "_limit",
        "_outbox",
        "_queues",
        "_stalled",
        "_timeout",
        "excuses",
        "initial_window",
        "max_frame_size",
        "resizes_table",
        "undated",
        "window",
    )

    def __init__(self, outbox: Outbox, settings: Settings, budgets: Budgets) -> None:
        self._outbox = outbox
        self._limit = settings.limit_write_buffer
        self._timeout = settings.http2_window_timeout
        self._budgets = budgets
        self.window = _INITIAL_WINDOW
        """Octets of content that the peer takes on the connection."""
        self.initial_window = _INITIAL_WINDOW
        """The same for each new stream."""
        self.max_frame_size = MAX_FRAME_SIZE
        self.excuses = 0
        """WINDOW_UPDATE frames that what was sent excuses: two for each frame, and two more for each KiB."""
        self.undated: dict[SendStream, None] = {}
        """Those who wait for a window, and nobody knows since when. The next `find_overdue` will."""
        self.resizes_table = False
        """The peer's table has become smaller: the next field block has to say so (RFC 9113 §4.3.1)."""
        self._queues: dict[int, deque[SendStream]] = {}
        self._stalled: dict[SendStream, float] = {}  # Since when, oldest first.

    @property
    def deadline(self) -> float:
        """When somebody will have waited too long for a window."""
        return next(iter(self._stalled.values())) + self._timeout if self._stalled else math.inf

    def find_overdue(self, now: float) -> list[SendStream]:
        """Return the streams that have waited too long for a window."""
        for stream in self.undated:
            if self._stalled.pop(stream, None) is not None:
                self._stalled[stream] = now
        self.undated.clear()
        return [stream for stream, since in self._stalled.items() if since + self._timeout <= now]

    def write_headers(self, stream_id: int, block: bytes, *, ended: bool) -> None:
        """Send a field block. It is subject to no window, and makes no one wait."""
        if self.resizes_table:
            self.resizes_table = False
            block = _NO_TABLE + block
        frames = encode_headers(stream_id, block, ended=ended, max_frame_size=self.max_frame_size)
        self._outbox.write(frames)

    def send_response(self, stream: SendStream, block: bytes, content: bytes, now: float) -> bool:
        """Send a whole response in two frames and one piece; False: it does not fit, and nothing was done."""
        size = len(content)
        length = len(block)
        outbox = self._outbox
        if (
            size > stream.window
            or size > self.window
            or size > _COPIED_SIZE
            or length > MAX_FRAME_SIZE
            or outbox.size > self._limit
            or self._queues
            or self.resizes_table
        ):
            return False
        stream.window -= size
        self.window -= size
        self.excuses += 2 + (size >> 9)
        head = _pack(length >> 8, length & 0xFF, HEADERS, END_HEADERS, stream.id)
        outbox.write(
            b"".join((head, block, _pack(size >> 8, size & 0xFF, DATA, END_STREAM, stream.id), content))
        )
        stream.ending = True
        stream.sent_all(now)
        return True

    def send(self, stream: SendStream, content: bytes, *, ended: bool, now: float) -> bool:
        """Send content on a stream, now or later. False: the peer's budget is exhausted."""
        size = len(content)
        if stream.pending_size or (
            size
            and (
                self._queues
                or size > stream.window
                or size > self.window
                or size > self.max_frame_size
                or self._outbox.size > self._limit
            )
        ):
            stream.ending = ended
            if size:
                stream.pending.append(memoryview(content))
                stream.pending_size += size
            if not stream.queued and stream not in self._stalled:
                self._enqueue(stream)
            return self.produce(now)
        if size:
            stream.window -= size
            self.window -= size
            self.excuses += 2 + (size >> 9)
        flags = END_STREAM if ended and not stream.tail else 0
        if size or flags:
            header = _pack(size >> 8, size & 0xFF, DATA, flags, stream.id)
            if size <= _COPIED_SIZE:
                self._outbox.write(header + content)
            else:
                self._outbox.write(header)
                self._outbox.write(content)
        if ended:
            self._end(stream, now)
        return True

    def produce(self, now: float, *, dated: bool = True) -> bool:
        """Make frames as long as there is room for them. False: the peer's budget is exhausted.

        Not `dated`: it is later than `now`, and nobody knows by how much.
        """
        outbox = self._outbox
        queues = self._queues
        while queues and outbox.size <= self._limit:
            urgency = min(queues)
            queue = queues[urgency]
            stream = queue.popleft()
            left = stream.pending_size
            size = min(left, stream.window, self.window, self.max_frame_size)
            if size <= 0:
                self._stalled[stream] = now
                if not dated:
                    self.undated[stream] = None
                stream.queued = False
                if not queue:
                    del queues[urgency]
                continue
            if size < left and size < _USEFUL_SIZE and not self._budgets.crumbs.take(now):
                queue.appendleft(stream)
                return False
            self._send_some(stream, size)
            if size < left:
                queue.append(stream)
                continue
            stream.queued = False
            if not queue:
                del queues[urgency]
            if stream.ending:
                self._end(stream, now)
            else:
                stream.sent_all(now)
        return True

    def _end(self, stream: SendStream, now: float) -> None:
        stream.ending = True
        if stream.tail:
            self.write_headers(stream.id, stream.tail, ended=True)
        stream.sent_all(now)

    def _send_some(self, stream: SendStream, size: int) -> None:
        """Send a frame of what is pending."""
        stream.window -= size
        self.window -= size
        self.excuses += 2 + (size >> 9)
        if size >= _USEFUL_SIZE:
            self._budgets.crumbs.give(1)
        left = stream.pending_size = stream.pending_size - size
        flags = END_STREAM if stream.ending and not left and not stream.tail else 0
        pending = stream.pending
        self._outbox.write(_pack(size >> 8, size & 0xFF, DATA, flags, stream.id))
        while size:
            piece = pending.popleft()
            if len(piece) > size:
                pending.appendleft(piece[size:])
                piece = piece[:size]
            self._outbox.write(piece)
            size -= len(piece)

    def _enqueue(self, stream: SendStream) -> None:
        stream.queued = True
        queue = self._queues.get(stream.urgency)
        if queue is None:
            queue = self._queues[stream.urgency] = deque()
        queue.append(stream)

    def remove(self, stream: SendStream) -> None:
        """Forget what a stream was to send."""
        stream.pending.clear()
        stream.pending_size = 0
        self._stalled.pop(stream, None)
        self.undated.pop(stream, None)
        self._dequeue(stream)

    def _dequeue(self, stream: SendStream) -> None:
        if stream.queued:
            stream.queued = False
            queue = self._queues[stream.urgency]
            queue.remove(stream)
            if not queue:
                del self._queues[stream.urgency]

    def change_urgency(self, stream: SendStream, urgency: int) -> None:
        """Let a stream go before, or after, others from now on."""
        queued = stream.queued
        self._dequeue(stream)
        stream.urgency = urgency
        if queued:
            self._enqueue(stream)

    def open_window(self, stream: SendStream | None, increment: int) -> None:
        """The peer takes more: on a stream, or on the connection. The caller has looked at the limit."""
        if stream is not None:
            stream.window += increment
            if stream.window > 0 and self.window > 0 and self._stalled.pop(stream, None) is not None:
                self._enqueue(stream)
            return
        closed = self.window <= 0
        self.window += increment
        if closed and self.window > 0:
            for waiting in [waiting for waiting in self._stalled if waiting.window > 0]:
                del self._stalled[waiting]
                self._enqueue(waiting)
