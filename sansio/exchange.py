"""One call of the application: a scope, a receive, a send.

`Exchange` is the face that every kind of call shows to whoever runs the application. The kinds differ in what
they let through: see `sansio.http` and `sansio.lifespan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .asgi import Field, Message, Scope

__all__ = ["Exchange", "ExchangeStatistics"]


class ExchangeStatistics(NamedTuple):
    """What an access log and metrics need to know of one exchange."""

    kind: str
    """The scope's type: ``http`` or ``websocket``."""
    client: tuple[str, int] | None
    """The peer's address."""
    scheme: str
    """``http``, ``https``, ``ws`` or ``wss``."""
    method: str
    """The request's method."""
    target: bytes
    """Path and query as they came: ASCII, but not fit for a terminal without escaping."""
    http_version: str
    """``1.0``, ``1.1`` or ``2``."""
    status: int | None
    """The response's status; None while it has none, or if the exchange was aborted before it had one."""
    bytes_in: int
    """Octets of the request's content so far."""
    bytes_out: int
    """Octets of the response's content so far, without framing."""
    opened: float
    """When the request's head was complete, on the embedder's clock."""
    ended: float
    """When the response was complete or given up; the time of the question while neither has happened."""
    complete: bool
    """The whole response was handed to the connection."""
    fields: Sequence[Field]
    """The request's fields."""
    response_fields: Sequence[Field]
    """The fields that the application gave, without those of framing."""
    close_code: int | None = None
    """How a WebSocket ended that was accepted: the code of its ``websocket.disconnect``."""
    messages_in: int = 0
    """A WebSocket's messages from the peer so far. Their octets, or characters, are `bytes_in`."""
    messages_out: int = 0
    """A WebSocket's messages to the peer so far."""


class Exchange:
    """One call of the application. Made by `sansio` only; the lifespan is one too.

    `receive`, `send` and `finish` may be called by any task of the application, one at a time; none of them
    blocks. After each call the connection's outputs may have changed.
    """

    __slots__ = ("can_send", "disconnected", "ended", "failure", "half_closed", "holds", "scope", "tag")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        """Built once; the application's from the moment it is handed over."""
        self.tag: object = None
        """The embedder's own: a task, an event. `sansio` never looks at it."""
        self.can_send = True
        """False: the peer's window or our buffer is full. Wait until `Connection.take_ready` names this exchange."""
        self.disconnected = False
        """The client is gone and nobody is left to hear: `send` raises `ClientDisconnected`."""
        self.ended = False
        """Nothing more will come of it: it is complete, or was given up."""
        self.half_closed = False
        """The client has ended its side before the response was complete. It may still read, or have left."""
        self.holds = False
        """Something is held back in the hope of more: `flush` lets go of it."""
        self.failure: str | None = None
        """After `finish`: what the application left undone, one phrase for the operator, or None."""

    def receive(self, now: float) -> Message | None:
        """Take the next message for the application, or None if it has not come yet.

        None also tells the connection that the application waits: a 100 (Continue) may now be due
        (RFC 9110 §10.1.1), and a head that was held back goes out.
        """
        raise NotImplementedError

    def send(self, message: Message, now: float) -> None:
        """Accept a message from the application, whatever `can_send` says.

        Raises `UnexpectedMessage` if ASGI forbids it here, `InvalidMessage` if a value cannot go on the wire, and
        `ClientDisconnected` if nobody is left to hear it. After an error nothing has changed.
        """
        raise NotImplementedError

    def flush(self, now: float) -> None:
        """Let go of what was held back in the hope of more. Call it when the application takes a while."""

    def finish(self, error: BaseException | None, now: float) -> None:
        """Say that the application has returned or raised. Whatever is missing is completed or cut off.

        What its other tasks send after that is ignored, or raises `ClientDisconnected` if the client had left.
        """
        raise NotImplementedError

    def statistics(self, now: float) -> ExchangeStatistics:
        """Return what is known of the exchange so far."""
        raise NotImplementedError
