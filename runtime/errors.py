"""Errors of a server as a whole."""

from __future__ import annotations

from typing import Final

__all__ = ["CRASHED", "STARTUP_FAILED", "USAGE", "LifespanFailed", "StartupFailed", "exit_code", "one_line"]

CRASHED: Final = 1
USAGE: Final = 2
STARTUP_FAILED: Final = 3


class StartupFailed(RuntimeError):
    """The server did not start. The message is one line for the user."""


class LifespanFailed(RuntimeError):
    """The application's lifespan failed while the server ran, or at its end. The server has stopped."""


def exit_code(error: BaseException | None = None) -> int:
    """Return what a process that ends with this, or with nothing, says of it."""
    match error:
        case None | KeyboardInterrupt():
            return 0
        case StartupFailed():
            return STARTUP_FAILED
        case SystemExit(code=None):
            return 0
        case SystemExit(code=int() as code):
            return code
    return CRASHED


def one_line(text: str) -> str:
    """Return what somebody else has written so that it fits into a line, and only into one."""
    words = " ".join(text.split())
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in words)
