"""The lifespan: one call of the application that begins before the first connection and ends after the last.

Theory of operation: the server asks for start-up once and for shutdown once; the application answers each with
complete or failed. `_ANSWERS` says which answers are legal in which state, and where they lead.

Source: ASGI Lifespan 2.0.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from .asgi import ASGI_VERSION, LIFESPAN_SPEC_VERSION, Message
from .errors import InvalidMessage, UnexpectedMessage
from .exchange import Exchange, ExchangeStatistics

__all__ = ["Lifespan", "LifespanState"]


class LifespanState(enum.Enum):
    """How far the lifespan is."""

    STARTING = "start-up is not complete"
    STARTED = "start-up is complete and shutdown was not asked for"
    STOPPING = "shutdown is not complete"
    STOPPED = "shutdown is complete"
    FAILED = "it has failed"
    UNSUPPORTED = "the application does not take part in it"


_ANSWERS: Final = {
    (LifespanState.STARTING, "lifespan.startup.complete"): LifespanState.STARTED,
    (LifespanState.STARTING, "lifespan.startup.failed"): LifespanState.FAILED,
    (LifespanState.STOPPING, "lifespan.shutdown.complete"): LifespanState.STOPPED,
    (LifespanState.STOPPING, "lifespan.shutdown.failed"): LifespanState.FAILED,
}
_QUESTIONS: Final = {
    LifespanState.STARTING: "lifespan.startup",
    LifespanState.STOPPING: "lifespan.shutdown",
}


class Lifespan(Exchange):
    """The exchange without a connection. Run it as any other, and look at `phase` whenever it has changed."""

    __slots__ = ("_asked", "message", "phase", "state")

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        """The application's namespace, for `Connection`: the object itself, not a copy."""
        self.phase = LifespanState.STARTING
        self.message = ""
        """What the application said when it failed."""
        self._asked: LifespanState | None = None
        super().__init__(
            {
                "type": "lifespan",
                "asgi": {"version": ASGI_VERSION, "spec_version": LIFESPAN_SPEC_VERSION},
                "state": self.state,
            }
        )

    def shut_down(self, now: float) -> None:  # noqa: ARG002 - inputs take the time.
        """Ask for shutdown, after the last connection has closed. Without effect unless it has started."""
        if self.phase is LifespanState.STARTED:
            self.phase = LifespanState.STOPPING

    def receive(self, now: float) -> Message | None:  # noqa: ARG002 - inputs take the time.
        """Take ``lifespan.startup``, and ``lifespan.shutdown`` after `shut_down`; each comes once."""
        question = _QUESTIONS.get(self.phase)
        if question is None or self._asked is self.phase:
            return None
        self._asked = self.phase
        return {"type": question}

    def send(self, message: Message, now: float) -> None:  # noqa: ARG002 - inputs take the time.
        """Accept an answer. See `Exchange.send`."""
        try:
            kind = message["type"]
            phase = _ANSWERS.get((self.phase, kind))
        except (KeyError, TypeError):
            raise InvalidMessage(
                f"a message must be a dict with a 'type' that is a str, got {message!r}"
            ) from None
        if phase is None:
            expected = " or ".join(repr(name) for state, name in _ANSWERS if state is self.phase) or "nothing"
            raise UnexpectedMessage(f"expected {expected}, got {kind!r}; {self.phase.value}")
        if phase is LifespanState.FAILED:
            text = message.get("message", "")
            if not isinstance(text, str):
                raise InvalidMessage(f"'message' must be a str, got {text!r}")
            self.message = text
        self._enter(phase)

    def finish(self, error: BaseException | None, now: float) -> None:  # noqa: ARG002 - inputs take the time.
        """Say that the application has returned or raised.

        Before start-up was answered it does not support the lifespan, and the server goes on without it. Later, an
        error or an early return is a failure.
        """
        if self.phase is LifespanState.STARTING:
            self._enter(LifespanState.UNSUPPORTED)
        elif not self.ended:
            if error is None:
                self.failure = "the lifespan returned before its shutdown was complete"
            self._enter(LifespanState.FAILED)

    def statistics(self, now: float) -> ExchangeStatistics:
        """Not for a lifespan: it has no request."""
        raise UnexpectedMessage(f"a lifespan has no statistics; asked at {now}")

    def _enter(self, phase: LifespanState) -> None:
        self.phase = phase
        self.ended = phase in {LifespanState.STOPPED, LifespanState.FAILED, LifespanState.UNSUPPORTED}
