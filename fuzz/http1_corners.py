"""What leads a connection of HTTP/1 to where few come: each limit, each cache, each end."""

from __future__ import annotations

from typing import Final

from .http1_givens import REQUESTS
from .http1_streams import CHUNKED
from .operations import (
    AppFinish,
    AppReceive,
    AppSend,
    Eof,
    Operation,
    Receive,
    Take,
    ToDeadline,
)

__all__ = ["STORIES"]

_TWO: Final = Receive(REQUESTS[6])
_RESPOND: Final[list[Operation]] = [AppSend("start"), AppSend("body 5"), Take(), AppFinish()]

STORIES: Final[tuple[list[Operation], ...]] = (
    # Trailers, right and wrong, and those that never come.
    [
        _TWO,
        *map(AppSend, ("start trailers", "body 5", "bad trailer length", "bad more trailers")),
        *map(AppSend, ("bad trailer name", "trailers more", "bad trailer taint", "trailers last")),
        Take(),
        AppFinish(),
    ],
    [_TWO, AppSend("start trailers"), AppSend("body 5"), AppFinish(), Take()],
    # Content-Length that is met by several messages.
    [_TWO, *map(AppSend, ("start length 300", "body 5 more", "body 5 more", "body", "body 300")), Take()],
    # Content that nobody reads: it does not come, or there is too much of it.
    [Receive(REQUESTS[3]), *_RESPOND, ToDeadline(), Take()],
    [
        Receive(CHUNKED + b"5\r\nhello\r\n"),
        *map(AppSend, ("start", "body 5 more", "body")),
        Take(),
        AppFinish(),
        Eof(),
    ],
    # Content in more pieces than are kept apart.
    [
        Receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1100\r\n\r\n"),
        Receive(b"x" * 1_100, 1),
        AppReceive(),
        *_RESPOND,
    ],
    # The peer has ended, and a request of it is still to be read.
    [_TWO, Eof(), *_RESPOND, *_RESPOND, Take()],
    # More fields than an encoder keeps.
    [_TWO, AppSend("start many"), AppSend("body"), Take(), AppFinish(), *_RESPOND],
)
"""What happens to a connection, for each of the settings."""
