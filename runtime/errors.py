"""Errors of a server as a whole."""

from __future__ import annotations

__all__ = ["LifespanFailed", "StartupFailed"]


class StartupFailed(RuntimeError):
    """The server did not start. The message is one line for the user."""


class LifespanFailed(RuntimeError):
    """The application's lifespan failed while the server ran, or at its end. The server has stopped."""
