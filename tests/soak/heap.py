"""The C library's heap: what of it is in use, and giving back what is not."""

from __future__ import annotations

import ctypes
from typing import Final

__all__ = ["in_use", "trim"]

_LIBRARY: Final = ctypes.CDLL(None)


class _Statistics(ctypes.Structure):
    """What glibc calls `mallinfo2`, since 2.33. All are octets but for the counts."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


def trim() -> None:
    """Give the system every page of the heap in which nothing is allocated. Does nothing without glibc."""
    if hasattr(_LIBRARY, "malloc_trim"):
        _LIBRARY.malloc_trim(0)


def in_use() -> int:
    """Return how many octets are allocated and not freed, whatever the pages they lie in; 0 if nobody tells."""
    if not hasattr(_LIBRARY, "mallinfo2"):
        return 0
    _LIBRARY.mallinfo2.restype = _Statistics
    told = _LIBRARY.mallinfo2()
    return int(told.uordblks + told.hblkhd)
