"""What the operating system tells of a connection."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["octets_untaken"]

try:
    import fcntl
    import termios
except ImportError:  # There, nothing is told.
    _TOLD = False
else:
    _TOLD = True

_INT: Final = struct.Struct("i")


def octets_untaken(descriptor: int) -> int:
    """Return how many octets the system holds for the peer, or 0 where it does not say.

    It is less whenever the peer has taken some. That a socket has become writable tells less: on Linux it does so when
    a third of its buffer is free, which may be more than a slow peer takes in a minute.
    """
    if not _TOLD:
        return 0
    try:
        (number,) = _INT.unpack(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(_INT.size)))
    except (OSError, ValueError):  # It is closed.
        return 0
    return int(number)
