"""The world around one connection: its peer, its applications, its embedder and its clock.

A `ConnectionWorld` lets operations happen to a `sansio.Connection` of any protocol and writes down what could be seen,
in the simplest words; it has no opinion about it. The laws have.

Only public names of `sansio` are used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple

from sansio import (
    ClientDisconnected,
    Connection,
    Exchange,
    ExchangeStatistics,
    InvalidMessage,
    PeerError,
    Settings,
    TransportInfo,
    UnexpectedMessage,
    UsageError,
)

from .messages import ANY_MESSAGES, ResponseModel
from .operations import (
    AppFinish,
    AppFlush,
    AppReceive,
    AppSend,
    Eof,
    Lost,
    Operation,
    Oversleep,
    Receive,
    ShutDown,
    Take,
    Timeout,
    ToDeadline,
    Wait,
)

__all__ = ["START", "TRANSPORT", "Call", "ConnectionWorld", "Outputs", "Situation", "Step"]

TRANSPORT: Final = TransportInfo(("192.0.2.1", 50_000), ("192.0.2.2", 80))
_HEADS: Final = {
    name: len(repr(message))
    for name, message in ANY_MESSAGES.items()
    if isinstance(message, dict) and message.get("type") == "http.response.start"
}
START: Final = 1_000.0


class Outputs(NamedTuple):
    """All outputs of a connection."""

    deadline: float
    wants_read: bool
    wants_write: bool
    size: int
    write_ended: bool
    closed: bool
    error: PeerError | None


class Situation(NamedTuple):
    """All that can be seen of an exchange."""

    can_send: bool
    disconnected: bool
    ended: bool
    half_closed: bool
    holds: bool
    failure: str | None
    statistics: ExchangeStatistics


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, and all that could be seen of it."""

    operation: Operation
    outcome: object
    """A message, the octets taken, or the error raised."""
    opened: tuple[dict[str, Any], ...]
    """The scopes of the exchanges that it opened."""
    outputs: Outputs
    """The connection's, after it."""
    now: float
    """When it was over."""


@dataclass(slots=True, eq=False)
class Call:
    """One call of the application, as the application sees it."""

    exchange: Exchange
    index: int
    scope: dict[str, Any]
    """What the scope was when it was handed over."""
    model: ResponseModel
    """What was sent, if it is an ``http`` scope."""
    received: list[dict[str, Any]] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)
    waiting: bool = False
    """It found no message and was not named by `take_ready` since."""
    blocked: bool = False
    """It could not send and was not named by `take_ready` since."""
    released: int | None = None
    """The number of the step that let go of the head."""
    completed: int | None = None
    """The number of the step that completed the response."""
    finished: bool = False
    heard_at: float = 0.0
    """When the last of its content came, if it was the newest call then; or it was opened."""
    end: tuple[object, ...] | None = None
    """What could be seen of it when it had ended first."""

    @property
    def kind(self) -> str:
        """``http`` or ``websocket``."""
        return str(self.scope["type"])

    @property
    def open(self) -> bool:
        return not self.exchange.ended


@dataclass(slots=True)
class Before:
    """What was, before an operation."""

    outputs: Outputs
    calls: int
    fed: int
    situation: Situation | None
    """Of the call whose application does something."""
    waiting: bool = False
    """That application has found no message, and was not named since."""
    octets_in: int = 0
    """What statistics tell of what came for the newest call."""


class ConnectionWorld:
    """A connection with its peer, its applications, its embedder and its clock."""

    messages: ClassVar[Mapping[str, Any]] = ANY_MESSAGES
    """What applications may send, by name."""
    most_timeouts: ClassVar[tuple[int, int]] = (1_000, 16)
    """How often a deadline may come while time passes, and how often at the same time."""

    def __init__(self, settings: Settings, transport: TransportInfo = TRANSPORT) -> None:
        self.settings = settings
        self.transport = transport
        self.now = START
        self.connection = Connection(transport, settings, self.now, {"shared": []})
        self.calls: list[Call] = []
        self.named: list[Exchange] = []
        """What the last operation made ready."""
        self.steps: list[Step] = []
        self.fed = bytearray()
        """All octets that came from the peer."""
        self.fed_before_fault: int | None = None
        """How many of them there were when the peer's fault was decided; None: it has done nothing wrong."""
        self.wire = bytearray()
        """All octets that were taken."""
        self.eof = False
        self.lost = False
        self.late = False
        """A deadline was missed and not made up for."""
        self.shut_down_at: float | None = None
        self.stubborn = False
        """An application sent on, or returned, although it could not send."""
        self.eager = False
        """The embedder read although the connection did not want it."""
        self.timeouts = 0
        """How many deadlines came while time passed."""
        self.largest_read = 0
        self.largest_message = 0
        self.dropped = False
        """Octets were dropped that nobody had taken."""
        self.actor: Call | None = None
        """Whose application did the last thing, if one did."""
        self.before = Before(self.outputs, 0, 0, None)

    # What happens.

    def do(self, operation: Operation) -> None:
        """Let one thing happen. Whatever `sansio` raises, but for the errors of its contract, comes out of here."""
        self.actor = call = self._call_of(operation)
        situation = None if call is None else self.situation(call)
        waiting = call is not None and call.waiting
        octets_in = self.calls[-1].exchange.statistics(self.now).bytes_in if self.calls else 0
        self.before = Before(self.outputs, len(self.calls), len(self.fed), situation, waiting, octets_in)
        outcome = self._carry_out(operation, call)
        self._look()
        if self.fed_before_fault is None and self.connection.error is not None:
            self.fed_before_fault = len(self.fed)
        if not isinstance(operation, Take) and self.connection.size < self.before.outputs.size:
            self.dropped = True
        if self.calls and isinstance(operation, Receive):
            newest = self.calls[-1]
            if newest.exchange.statistics(self.now).bytes_in > self.before.octets_in or not newest.heard_at:
                newest.heard_at = self.now
        opened = tuple(call.scope for call in self.calls[self.before.calls :])
        self.steps.append(Step(operation, outcome, opened, self.outputs, self.now))

    def replay(self, operations: Sequence[Operation]) -> ConnectionWorld:
        """Return a world of the same kind in which these happened."""
        other = ConnectionWorld(self.settings, self.transport)
        for operation in operations:
            other.do(operation)
        return other

    # What can be seen.

    @property
    def operations(self) -> list[Operation]:
        return [step.operation for step in self.steps]

    @property
    def step(self) -> Step:
        """The last one."""
        return self.steps[-1]

    @property
    def outputs(self) -> Outputs:
        c = self.connection
        return Outputs(c.deadline, c.wants_read, c.wants_write, c.size, c.write_ended, c.closed, c.error)

    @property
    def ending(self) -> bool:
        """The connection will end as soon as its octets are taken, as far as can be seen."""
        c = self.connection
        return c.closed or c.write_ended

    @property
    def largest_head(self) -> int:
        """How large the largest head was that an application sent, and that may have been held for its content."""
        sent = (step.operation for step in self.steps)
        return max((_HEADS.get(each.name, 0) for each in sent if isinstance(each, AppSend)), default=0)

    @property
    def open_calls(self) -> Iterator[Call]:
        return (call for call in self.calls if call.open)

    def situation(self, call: Call) -> Situation:
        e = call.exchange
        return Situation(
            e.can_send, e.disconnected, e.ended, e.half_closed, e.holds, e.failure, e.statistics(self.now)
        )

    def end_of(self, call: Call) -> tuple[object, ...]:
        """Return what must not change any more once an exchange has ended."""
        e = call.exchange
        return (e.ended, e.disconnected, e.holds, e.statistics(self.now))

    @property
    def settings_name(self) -> str:
        """Return an expression for the settings."""
        return repr(self.settings)

    def script(self) -> str:
        """Return what happened as a program."""
        lines = "".join(f"    {step.operation!r},\n" for step in self.steps)
        return f"{self.settings_name}\n[\n{lines}]"

    # How it happens.

    def _call_of(self, operation: Operation) -> Call | None:
        if isinstance(operation, (AppReceive, AppSend, AppFlush, AppFinish)) and self.calls:
            return self.calls[-1 - operation.which % len(self.calls)]
        return None

    def _carry_out(self, operation: Operation, call: Call | None) -> object:
        c = self.connection
        match operation:
            case Receive():
                return self._receive(operation)
            case Eof():
                self.eof = True
                c.receive_eof(self.now)
            case Lost():
                self.lost = True
                c.connection_lost(self.now)
            case Wait():
                self._wait(self.now + operation.seconds)
            case ToDeadline():
                if c.deadline < math.inf:
                    self._wait(max(self.now, c.deadline))
            case Oversleep():
                self.now += operation.seconds
                self.late = self.late or c.deadline < self.now
            case Timeout():
                c.handle_timeout(self.now)
                once = self.outputs
                c.handle_timeout(self.now)
                self.late = False
                return once
            case ShutDown():
                if self.shut_down_at is None:
                    self.shut_down_at = self.now
                c.shut_down(self.now)
            case Take():
                return self._take()
            case _:
                if call is not None:
                    return self._run(operation, call)
        return None

    def _receive(self, operation: Receive) -> object:
        c = self.connection
        data = operation.data
        cut = operation.cut or max(1, len(data))
        if self.eof or self.lost:
            try:
                c.receive_data(data, self.now)
            except UsageError as error:
                return repr(error)
            return None
        self.eager = self.eager or not c.wants_read
        self.largest_read = max(self.largest_read, len(data))
        self.fed += data
        for start in range(0, max(1, len(data)), cut):
            c.receive_data(data[start : start + cut], self.now)
        return None

    def _wait(self, until: float) -> None:
        c = self.connection
        most, most_at_once = self.most_timeouts
        at_once = 0
        for _ in range(most):
            if c.deadline > until:
                break
            at_once = at_once + 1 if c.deadline <= self.now else 0
            assert at_once < most_at_once, "a deadline comes again and again at the same time"
            self.now = max(self.now, c.deadline)
            c.handle_timeout(self.now)
            self.timeouts += 1
            self.late = False
        else:
            # A response that nobody takes is waited for; how long, the embedder decides.
            assert c.wants_write, "deadlines come again and again"
            self.late = True
        self.now = until

    def _take(self) -> bytes:
        c = self.connection
        data = c.data_to_send()
        self.wire += data
        for _ in range(self.most_timeouts[1]):
            if not c.deadline <= self.now < self.before.outputs.deadline:
                break
            # There was no time to tell `data_to_send`, and something is due already.
            c.handle_timeout(self.now)
        else:
            raise AssertionError("a deadline comes again and again at the same time")
        return data

    def _run(self, operation: Operation, call: Call) -> object:
        exchange = call.exchange
        if isinstance(operation, AppReceive):
            message = exchange.receive(self.now)
            if message is None:
                call.waiting = True
            else:
                call.received.append(dict(message))
                call.content += message.get("body", b"")
            return message
        if isinstance(operation, AppFlush):
            exchange.flush(self.now)
        elif isinstance(operation, AppSend):
            return self._send(operation.name, call)
        elif isinstance(operation, AppFinish) and not call.finished:
            self.stubborn = self.stubborn or not exchange.can_send
            call.finished = True
            exchange.finish(OSError("the application failed") if operation.failed else None, self.now)
        return None

    def _send(self, name: str, call: Call) -> object:
        exchange = call.exchange
        ended = exchange.ended
        self.stubborn = self.stubborn or not exchange.can_send
        message = self.messages[name]
        try:
            exchange.send(dict(message) if isinstance(message, dict) else message, self.now)
        except (UnexpectedMessage, InvalidMessage, ClientDisconnected) as error:
            return error
        call.blocked = not exchange.can_send
        if not ended:
            self.largest_message = max(self.largest_message, len(repr(message)))
        return None

    def _look(self) -> None:
        """Take what the connection has to say of its exchanges."""
        self.named = self.connection.take_ready()
        for exchange in self.named:
            call = exchange.tag
            if call is None:
                scope = dict(exchange.scope)
                call = Call(exchange, len(self.calls), scope, ResponseModel(scope.get("method", "GET")))
                exchange.tag = call
                self.calls.append(call)
            assert isinstance(call, Call)
            call.waiting = call.blocked = False
        for call in self.calls:
            if call.end is None and call.exchange.ended:
                call.end = self.end_of(call)
