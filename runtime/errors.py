"""Errors of a server as a whole."""

from __future__ import annotations

__all__ = ["LifespanFailed", "StartupFailed"]


class StartupFailed(RuntimeError):  # noqa: N818 - it says what happened.
    """The server did not start. The message is one line for the user."""


class LifespanFailed(RuntimeError):  # noqa: N818 - it says what happened.
    """The application's lifespan failed while the server ran, or at its end. The server has stopped."""
