"""What leads a connection of HTTP/1 to where few come: each limit, each cache, each end."""

from __future__ import annotations

from typing import Final

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
from .script import REQUESTS

__all__ = ["STORIES", "STREAMS"]

_CHUNKED: Final = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def _different(requests: int, fields: int) -> bytes:
    """Return requests of which no two fields are the same."""
    blocks = [
        b"".join(b"%x:\r\n" % (number * fields + field) for field in range(fields))
        for number in range(requests)
    ]
    return b"".join(b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % block for block in blocks)


STREAMS: Final = (
    b"GET / HTTP/1.1\r\nHost: [1::2::3]\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n",
    b"OPTIONS http://a HTTP/1.1\r\nHost: b\r\n\r\n",
    b"OPTIONS http://a? HTTP/1.1\r\nHost: b\r\n\r\n",
    # Beyond the limits of the settings that have small ones.
    b"GET /" + b"a" * 300,
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 300,
    _CHUNKED + b"0\r\n" + b"X: y\r\n" * 7 + b"\r\n",
    _CHUNKED + b"0\r\nX: " + b"a" * 300,
    # Beyond those of all.
    _CHUNKED + b"1;" + b"a" * 5_000,
    _different(12, 90),
)
"""What peers send; the one with the many fields fills the fast reader's cache."""

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
        Receive(_CHUNKED + b"5\r\nhello\r\n"),
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
