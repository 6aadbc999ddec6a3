"""A sender of HTTP/2 without its connection: streams that are small, and the frames that come out.

Source: RFC 9113 §4.1.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, NamedTuple

from sansio import Settings
from sansio.http2_budgets import Budgets
from sansio.http2_sending import Sender
from sansio.outbox import Outbox
from tests.peers import DATA, END_STREAM, block

__all__ = ["FIRST", "FRAME", "HEAD", "NOW", "TAIL", "Download", "Frame", "Wire", "fill"]

NOW: Final = 1000.0
FIRST: Final = 65_535
FRAME: Final = 16_384
HEAD: Final = block([(b":status", b"200"), (b"x", b"y")])
TAIL: Final = block([(b"checksum", b"1")])


class Download:
    """A stream, as the sender sees it."""

    def __init__(self, number: int, *, window: int = FIRST, urgency: int = 3, tail: bytes = b"") -> None:
        self.id = number
        self.window = window
        self.pending: deque[memoryview] = deque()
        self.pending_size = 0
        self.ending = False
        self.tail = tail
        self.urgency = urgency
        self.queued = False
        self.told: list[tuple[float, bool]] = []
        """When nothing was pending any more, and whether that was the end."""

    def sent_all(self, now: float) -> None:
        self.told.append((now, self.ending))


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def short(self) -> tuple[int, int, bool]:
        """Stream, size, and whether it ends."""
        return self.stream, len(self.payload), bool(self.flags & END_STREAM)


class Wire:
    """A sender, and what came out of it."""

    def __init__(self, *, window: int | None = None, **limits: Any) -> None:
        self.outbox = Outbox()
        settings = Settings(**limits)
        self.budgets = Budgets(settings, NOW)
        self.sender = Sender(self.outbox, settings, self.budgets)
        if window is not None:
            self.sender.window = window

    def send(self, stream: Download, content: bytes, *, ended: bool = False, now: float = NOW) -> bool:
        return self.sender.send(stream, content, ended=ended, now=now)

    def take(self) -> list[Frame]:
        octets = self.outbox.data_to_send()
        frames = []
        while octets:
            size = int.from_bytes(octets[:3], "big")
            number = int.from_bytes(octets[5:9], "big")
            frames.append(Frame(octets[3], octets[4], number, octets[9 : 9 + size]))
            assert len(frames[-1].payload) == size
            octets = octets[9 + size :]
        return frames

    def take_short(self) -> list[tuple[int, int, bool]]:
        frames = self.take()
        assert all(frame.kind == DATA for frame in frames)
        return [frame.short for frame in frames]

    def take_all(self, now: float = NOW) -> list[Frame]:
        """Take bytes again and again until there are none."""
        frames = []
        while taken := self.take():
            frames += taken
            assert self.sender.produce(now)
        return frames


def fill(wire: Wire) -> Download:
    """Fill the outbox, so that nothing more is made until it is taken."""
    stream = Download(99)
    assert wire.send(stream, bytes(FRAME))
    assert wire.outbox.size > FRAME
    return stream
