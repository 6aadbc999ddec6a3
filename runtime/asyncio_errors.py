"""What an event loop of our own says of errors that asyncio leaves to it."""

from __future__ import annotations

import asyncio
import math
import traceback
from collections.abc import Callable
from typing import Any, Final

from .driver import CAPACITY_ERRORS
from .logging import logger

__all__ = ["make_exception_handler"]

_CAPACITY_PAUSE: Final = 1.0  # asyncio's own.


def make_exception_handler() -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Return a handler for an event loop of our own, which would tell with a traceback of what any peer can cause.

    That is each failure to accept, and a peer that resets its connection just before ours is half-closed.
    """
    told_at = -math.inf

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told_at
        error = context.get("exception")
        if isinstance(error, ValueError) and "._start_serving(" in context["message"]:
            return  # It was to accept again, and is closed by now.
        if isinstance(error, OSError) and _is_late_half_close(error):
            return  # `connection_lost` follows.
        if not ("socket" in context and isinstance(error, OSError) and error.errno in CAPACITY_ERRORS):
            loop.default_exception_handler(context)
        elif loop.time() >= told_at + _CAPACITY_PAUSE:
            told_at = loop.time()
            logger.warning("Cannot accept: %s; trying again in %g s", error, _CAPACITY_PAUSE)

    return handle


def _is_late_half_close(error: OSError) -> bool:
    """Tell whether asyncio half-closed when all was written, which it does outside of its own barrier."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = {(frame.f_globals.get("__name__"), frame.f_code.co_name) for frame in frames}
    return any(module == "asyncio.selector_events" and name.startswith("_write_") for module, name in names)
