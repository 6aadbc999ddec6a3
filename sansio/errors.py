"""Errors, sorted by whose fault they are.

The peer's fault is never an exception: it is answered on the wire and kept as a `PeerError`, a value.
The application's fault is raised out of `Exchange.send`, at the call. The embedder's fault is `UsageError`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClientDisconnected", "InvalidMessage", "PeerError", "UnexpectedMessage", "UsageError"]


@dataclass(frozen=True, slots=True)
class PeerError:
    """What a peer did wrong, and the status it was answered with."""

    status: int | None
    """The status code sent, or None if no response could be sent any more."""
    reason: str
    """One phrase for the operator. It holds no bytes that came from the peer."""


class UnexpectedMessage(RuntimeError):
    """The application sent a message that ASGI does not allow in this state of the exchange.

    Nothing was written and the state is unchanged: a correct message may still follow.
    """


class InvalidMessage(ValueError):
    """The application sent a message with a value that cannot go on the wire.

    Nothing was written and the state is unchanged: a corrected message may still follow.
    """


class ClientDisconnected(OSError):
    """Nobody is left to hear the message. It is not the application's fault and never logged as an error.

    "If send() is called on a closed connection the server should raise a server-specific subclass of OSError."
    Source: ASGI HTTP & WebSocket 2.4.
    """

    def __init__(self, message: str = "the client has disconnected") -> None:
        super().__init__(message)


class UsageError(Exception):
    """The embedder called something that the contract does not allow. A bug in the code around `sansio`."""
