"""The world around one connection: its peer, its applications, its embedder and its clock.

What can happen is data, an `Operation`. A `World` lets it happen to a `sansio.Connection` and writes down what could
be seen, in the simplest words; it has no opinion about it. The laws are in `fuzz.machine`.

Only public names of `sansio` are used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, TypeAlias

from sansio import (
    ClientDisconnected,
    Connection,
    DefaultFields,
    Exchange,
    ExchangeStatistics,
    InvalidMessage,
    PeerError,
    Settings,
    TransportInfo,
    UnexpectedMessage,
    UsageError,
)

from .messages import MESSAGES, ResponseModel
from .wire import ReadRequest, ResponseReader, read_requests

__all__ = [
    "SETTINGS",
    "AppFinish",
    "AppFlush",
    "AppReceive",
    "AppSend",
    "Call",
    "Eof",
    "Lost",
    "Operation",
    "Outputs",
    "Oversleep",
    "Receive",
    "ShutDown",
    "Step",
    "Take",
    "Timeout",
    "ToDeadline",
    "Wait",
    "World",
]


# What can happen. `which` counts calls of the application backwards: 0 is the newest.


@dataclass(frozen=True, slots=True)
class Receive:
    """The peer's octets come, all at once or (`cut` > 0) so many at a time."""

    data: bytes
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Eof:
    """The peer has ended its side."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The transport is gone."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes, and the embedder is there whenever a deadline comes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ToDeadline:
    """Time passes up to the next deadline, if there is one."""


@dataclass(frozen=True, slots=True)
class Oversleep:
    """Time passes, and the embedder misses the deadlines in it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Timeout:
    """The embedder calls `handle_timeout` now, too early perhaps, and twice."""


@dataclass(frozen=True, slots=True)
class ShutDown:
    """The server is to end."""


@dataclass(frozen=True, slots=True)
class Take:
    """The transport takes all octets."""


@dataclass(frozen=True, slots=True)
class AppReceive:
    """An application asks for a message."""

    which: int = 0


@dataclass(frozen=True, slots=True)
class AppSend:
    """An application sends the message of this name in `MESSAGES`."""

    name: str
    which: int = 0


@dataclass(frozen=True, slots=True)
class AppFlush:
    """An application takes a while."""

    which: int = 0


@dataclass(frozen=True, slots=True)
class AppFinish:
    """An application returns, or raises."""

    which: int = 0
    failed: bool = False


Operation: TypeAlias = (
    Receive
    | Eof
    | Lost
    | Wait
    | ToDeadline
    | Oversleep
    | Timeout
    | ShutDown
    | Take
    | AppReceive
    | AppSend
    | AppFlush
    | AppFinish
)


def _settings(**keys: Any) -> Settings:
    fields = DefaultFields(b"tricorn", [(b"x-extra", b"1")])
    fields.set_date(b"Sun, 06 Nov 1994 08:49:37 GMT")
    return Settings(default_fields=fields, **keys)


SETTINGS: Final = (
    _settings(),
    _settings(
        limit_request_head=256,
        limit_request_fields=6,
        limit_request_body=200,
        limit_requests_per_connection=3,
        limit_read_buffer=16,
        limit_write_buffer=64,
        limit_discard=32,
        limit_chunk_extensions=8,
    ),
    _settings(limit_discard=0, limit_write_buffer=1, limit_read_buffer=1, root_path="/mounted"),
    _settings(limit_requests_per_connection=1, timeout_graceful_shutdown=1.0, timeout_linger=5.0),
    _settings(limit_request_body=10, timeout_request_head=1.0, timeout_request_body=1.0, timeout_discard=0.5),
    _settings(
        timeout_request_head=0.0,
        timeout_keep_alive=0.0,
        timeout_request_body=0.0,
        timeout_discard=0.0,
        timeout_linger=0.0,
        timeout_graceful_shutdown=0.0,
    ),
)

_TRANSPORT: Final = TransportInfo(("192.0.2.1", 50_000), ("192.0.2.2", 80))
_START: Final = 1_000.0
_MAX_TIMEOUTS: Final = 64
_MAX_TIMEOUTS_AT_ONCE: Final = 8


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
    """A message, the octets taken, or the error raised, as text."""
    opened: tuple[dict[str, Any], ...]
    """The scopes of the exchanges that it opened."""
    outputs: Outputs
    """The connection's, after it."""


@dataclass(slots=True, eq=False)
class Call:
    """One call of the application, as the application sees it."""

    exchange: Exchange
    index: int
    scope: dict[str, Any]
    """What the scope was when it was handed over."""
    model: ResponseModel
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


class World:
    """A connection with its peer, its applications, its embedder and its clock."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.now = _START
        self.connection = Connection(_TRANSPORT, settings, self.now, {"shared": []})
        self.calls: list[Call] = []
        self.steps: list[Step] = []
        self.fed = bytearray()
        """All octets that came from the peer."""
        self.requests: list[ReadRequest] = []
        """What an independent reader makes of them."""
        self.reader = ResponseReader(self._method_of)
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
        self.largest_read = 0
        self.largest_message = 0
        self.dropped = False
        """Octets were dropped that nobody had taken."""
        self.expected: type[Exception] | None = None
        """What the last message, if the client was there for it, had to raise."""
        self.actor: Call | None = None
        """Whose application did the last thing, if one did."""
        self.before = Before(self.outputs, 0, 0, None)

    # What happens.

    def do(self, operation: Operation) -> None:
        """Let one thing happen. Whatever `sansio` raises, but for the errors of its contract, comes out of here."""
        self.actor = call = self._call_of(operation)
        situation = None if call is None else self.situation(call)
        self.before = Before(self.outputs, len(self.calls), len(self.fed), situation)
        outcome = self._carry_out(operation, call)
        self._look()
        if not isinstance(operation, Take) and self.connection.size < self.before.outputs.size:
            self.dropped = True
        opened = tuple(call.scope for call in self.calls[self.before.calls :])
        self.steps.append(Step(operation, outcome, opened, self.outputs))

    def replay(self, operations: Sequence[Operation], **changes: Any) -> World:
        """Return a world of the same kind in which these happened."""
        other = World(replace(self.settings, **changes) if changes else self.settings)
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
    def open_calls(self) -> Iterator[Call]:
        return (call for call in self.calls if call.open)

    def situation(self, call: Call) -> Situation:
        e = call.exchange
        return Situation(
            e.can_send, e.disconnected, e.ended, e.half_closed, e.holds, e.failure, e.statistics(self.now)
        )

    def request_of(self, call: Call) -> ReadRequest:
        """Return the request on the wire that the call belongs to."""
        return self.requests[call.index]

    @property
    def read_up_to(self) -> int | None:
        """Where the octets of the requests end that were opened; None while the last one's are incomplete."""
        return self.requests[len(self.calls) - 1].end if self.calls else 0

    def script(self) -> str:
        """Return what happened as a program."""
        name = (
            f"SETTINGS[{SETTINGS.index(self.settings)}]" if self.settings in SETTINGS else repr(self.settings)
        )
        lines = "".join(f"    {step.operation!r},\n" for step in self.steps)
        return f"{name}\n[\n{lines}]"

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
        resume = self.requests.pop().start if self.requests and self.requests[-1].end is None else None
        if resume is None:
            resume = self.requests[-1].end if self.requests else 0
        self.requests += read_requests(bytes(self.fed), resume or 0)
        return None

    def _wait(self, until: float) -> None:
        c = self.connection
        at_once = 0
        for _ in range(_MAX_TIMEOUTS):
            if c.deadline > until:
                break
            at_once = at_once + 1 if c.deadline <= self.now else 0
            assert at_once < _MAX_TIMEOUTS_AT_ONCE, "a deadline comes again and again at the same time"
            self.now = max(self.now, c.deadline)
            c.handle_timeout(self.now)
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
        self.reader.receive_data(data)
        if c.deadline <= self.now < self.before.outputs.deadline:
            c.handle_timeout(
                self.now
            )  # There was no time to tell `data_to_send`, and something is due already.
        if self.ending:
            self.reader.receive_eof()
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
            self._note_release(call)
            return message
        if isinstance(operation, AppFlush):
            exchange.flush(self.now)
            self._note_release(call)
        elif isinstance(operation, AppSend):
            return self._send(operation.name, call)
        elif isinstance(operation, AppFinish) and not call.finished:
            self.stubborn = self.stubborn or not exchange.can_send
            call.finished = True
            if call.model.awaits_trailers and not exchange.ended:
                call.completed = len(self.steps)
            exchange.finish(OSError("the application failed") if operation.failed else None, self.now)
        return None

    def _send(self, name: str, call: Call) -> object:
        exchange = call.exchange
        ended = exchange.ended
        self.stubborn = self.stubborn or not exchange.can_send
        self.expected = call.model.judge(name)
        message = MESSAGES[name]
        try:
            exchange.send(dict(message) if isinstance(message, dict) else message, self.now)
        except (UnexpectedMessage, InvalidMessage, ClientDisconnected) as error:
            return error
        call.blocked = not exchange.can_send
        if not ended:
            self.largest_message = max(self.largest_message, len(repr(message)))
            call.model.accept(name)
            self._note_release(call)
            if exchange.ended:
                call.completed = len(self.steps)
        return None

    def _note_release(self, call: Call) -> None:
        exchange = call.exchange
        model = call.model
        if exchange.holds or exchange.disconnected or model.start is None or call.released is not None:
            return
        if model.complete or not exchange.ended:
            call.released = len(self.steps)
            model.released = True

    def _look(self) -> None:
        """Take what the connection has to say of its exchanges."""
        for exchange in self.connection.take_ready():
            call = exchange.tag
            if call is None:
                call = Call(
                    exchange, len(self.calls), dict(exchange.scope), ResponseModel(exchange.scope["method"])
                )
                exchange.tag = call
                self.calls.append(call)
            assert isinstance(call, Call)
            call.waiting = call.blocked = False

    def _method_of(self, index: int) -> str:
        """Tell the response reader what the n-th response answers: a call, or at most one request without a call."""
        if index < len(self.calls):
            return str(self.calls[index].scope["method"])
        assert index == len(self.calls), "more responses than requests"
        assert self.connection.error is not None, "a response to nothing"
        start = self.read_up_to
        assert start is not None, "a second response to a request whose content is not complete"
        return "HEAD" if bytes(self.fed[start:]).lstrip(b"\r\n").startswith(b"HEAD ") else "GET"
