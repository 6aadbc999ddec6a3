"""What can happen to a connection, as data: what its peer, its embedder, its applications and time do.

`which` counts calls of the application backwards: 0 is the newest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "AppFinish",
    "AppFlush",
    "AppReceive",
    "AppSend",
    "Eof",
    "Lost",
    "Operation",
    "Oversleep",
    "Receive",
    "ShutDown",
    "Take",
    "Timeout",
    "ToDeadline",
    "Wait",
]


@dataclass(frozen=True, slots=True)
class Receive:
    """The peer's octets come, all at once or (`cut` > 0) so many at a time."""

    data: bytes
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Eof:
    """The peer has ended its side."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The transport is gone."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes, and the embedder is there whenever a deadline comes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ToDeadline:
    """Time passes up to the next deadline, if there is one."""


@dataclass(frozen=True, slots=True)
class Oversleep:
    """Time passes, and the embedder misses the deadlines in it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Timeout:
    """The embedder calls `handle_timeout` now, too early perhaps, and twice."""


@dataclass(frozen=True, slots=True)
class ShutDown:
    """The server is to end."""


@dataclass(frozen=True, slots=True)
class Take:
    """The transport takes all octets."""


@dataclass(frozen=True, slots=True)
class AppReceive:
    """An application asks for a message."""

    which: int = 0


@dataclass(frozen=True, slots=True)
class AppSend:
    """An application sends the message of this name in `fuzz.messages`."""

    name: str
    which: int = 0


@dataclass(frozen=True, slots=True)
class AppFlush:
    """An application takes a while."""

    which: int = 0


@dataclass(frozen=True, slots=True)
class AppFinish:
    """An application returns, or raises."""

    which: int = 0
    failed: bool = False


Operation: TypeAlias = (
    Receive
    | Eof
    | Lost
    | Wait
    | ToDeadline
    | Oversleep
    | Timeout
    | ShutDown
    | Take
    | AppReceive
    | AppSend
    | AppFlush
    | AppFinish
)
