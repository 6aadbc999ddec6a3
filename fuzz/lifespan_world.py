"""A lifespan with its application, its embedder and its clock; and what ASGI says of it, in the simplest words.

What happens is a list of operations. A `LifespanWorld` lets them happen to a `sansio.Lifespan` and writes down what
could be seen; it has no opinion about it. The laws are in `fuzz.laws_lifespan`.

Source: ASGI Lifespan 2.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from sansio import InvalidMessage, Lifespan, LifespanState, UnexpectedMessage

from .messages import LIFESPAN_MESSAGES
from .operations import AppFinish, AppFlush, AppReceive, AppSend, ShutDown, Wait

__all__ = ["AppStore", "LifespanModel", "LifespanWorld", "Operation", "Seen", "Step"]


@dataclass(frozen=True, slots=True)
class AppStore:
    """The application puts something into its state."""

    key: int = 0


Operation: TypeAlias = AppReceive | AppSend | AppFlush | AppFinish | AppStore | ShutDown | Wait


class Seen(NamedTuple):
    """All that a lifespan shows."""

    phase: LifespanState
    message: str
    failure: str | None
    ended: bool
    can_send: bool
    disconnected: bool
    half_closed: bool
    holds: bool


class Step(NamedTuple):
    """One thing that happened, and what came of it."""

    operation: Operation
    outcome: object
    """What was received, or the text of what was raised."""
    before: Seen
    after: Seen


_ANSWERS: Final = {
    "lifespan.startup.complete": (LifespanState.STARTING, LifespanState.STARTED),
    "lifespan.startup.failed": (LifespanState.STARTING, LifespanState.FAILED),
    "lifespan.shutdown.complete": (LifespanState.STOPPING, LifespanState.STOPPED),
    "lifespan.shutdown.failed": (LifespanState.STOPPING, LifespanState.FAILED),
}


class LifespanModel:
    """What ASGI says of one lifespan."""

    def __init__(self) -> None:
        self.phase = LifespanState.STARTING
        self.said = ""
        """By the application, of its failure."""
        self.blamed = False
        """It returned although its shutdown was not complete."""
        self.question: str | None = "lifespan.startup"
        """What the application has to be asked and was not."""

    def judge(self, name: str) -> type[Exception] | None:
        """Return what sending this message must raise."""
        message = LIFESPAN_MESSAGES[name]
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(kind, (str, int)):
            return InvalidMessage
        if kind not in _ANSWERS or _ANSWERS[str(kind)][0] is not self.phase:
            return UnexpectedMessage
        return InvalidMessage if name.startswith("bad") else None

    def accept(self, name: str) -> None:
        """Go on by a message that was not refused."""
        message = LIFESPAN_MESSAGES[name]
        self.phase = _ANSWERS[message["type"]][1]
        if self.phase is LifespanState.FAILED:
            self.said = message.get("message", "")
        self.question = None

    def shut_down(self) -> None:
        """Go on by the server's wish."""
        if self.phase is LifespanState.STARTED:
            self.phase = LifespanState.STOPPING
            self.question = "lifespan.shutdown"

    def finish(self, *, failed: bool) -> None:
        """Go on without the application."""
        if self.phase is LifespanState.STARTING:
            self.phase = LifespanState.UNSUPPORTED
        elif self.phase in {LifespanState.STARTED, LifespanState.STOPPING}:
            self.phase = LifespanState.FAILED
            self.blamed = not failed
        self.question = None

    def take(self) -> str | None:
        """Return what an application must receive that asks now."""
        question, self.question = self.question, None
        return question


class LifespanWorld:
    """A lifespan, and everybody who has to do with it."""

    def __init__(self) -> None:
        self.lifespan = Lifespan()
        self.model = LifespanModel()
        self.now = 1_000.0
        self.steps: list[Step] = []
        self.received: list[str] = []
        """The types of what the application has received."""
        self.due: str | None = None
        """What the last receive had to give."""
        self.expected: type[Exception] | None = None
        """What the last message had to raise."""
        self.stored: dict[str, object] = {}
        """What the application has put into its state."""
        self.waiting: LifespanState | None = None
        """In which phase the application found nothing, if that was its last receive."""
        self.waited: LifespanState | None = None
        """The same before the last receive."""
        self.finished = False

    @property
    def step(self) -> Step:
        """The last one."""
        return self.steps[-1]

    @property
    def operations(self) -> list[Operation]:
        return [step.operation for step in self.steps]

    @property
    def seen(self) -> Seen:
        e = self.lifespan
        return Seen(
            e.phase, e.message, e.failure, e.ended, e.can_send, e.disconnected, e.half_closed, e.holds
        )

    def do(self, operation: Operation) -> None:
        """Let one thing happen. Whatever `sansio` raises, but for the errors of its contract, comes out of here."""
        before = self.seen
        outcome = self._carry_out(operation)
        self.steps.append(Step(operation, outcome, before, self.seen))

    def replay(self, operations: Sequence[Operation]) -> LifespanWorld:
        """Return a new world in which these happened."""
        other = LifespanWorld()
        for operation in operations:
            other.do(operation)
        return other

    def _carry_out(self, operation: Operation) -> object:
        match operation:
            case AppReceive():
                return self._receive()
            case AppSend(name):
                return self._send(name)
            case AppFlush():
                self.lifespan.flush(self.now)
            case AppFinish(_, failed):
                self._finish(failed=failed)
            case AppStore(key):
                self.stored[str(key)] = self.lifespan.scope["state"][str(key)] = [key]
            case ShutDown():
                self.model.shut_down()
                self.lifespan.shut_down(self.now)
            case Wait(seconds):
                self.now += seconds
        return None

    def _receive(self) -> object:
        self.due = self.model.take()
        self.waited, self.waiting = self.waiting, None
        message = self.lifespan.receive(self.now)
        if message is None:
            self.waiting = self.lifespan.phase
            return None
        self.received.append(message["type"])
        return dict(message)

    def _send(self, name: str) -> object:
        message = LIFESPAN_MESSAGES[name]
        self.expected = self.model.judge(name)
        try:
            self.lifespan.send(dict(message) if isinstance(message, dict) else message, self.now)
        except (InvalidMessage, UnexpectedMessage) as error:
            return repr(error)
        if self.expected is None:
            self.model.accept(name)
        return None

    def _finish(self, *, failed: bool) -> None:
        if not self.finished:
            self.finished = True
            self.model.finish(failed=failed)
            self.lifespan.finish(OSError("the application failed") if failed else None, self.now)
