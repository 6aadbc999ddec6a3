"""A connection of HTTP/2 under fire: a peer that sends frames, any number of applications, and a clock.

What happens is a list of operations, as everywhere in this package; `fuzz.http2_script` reads it from octets. Two
readers that share no code with the machine know what both sides have said: `fuzz.http2_peer` the client's, and
`tests.peers.Observer` the server's, where it fails at each frame that a server must not send.

The laws are in `fuzz.laws_http2`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sansio import (
    ClientDisconnected,
    Connection,
    Exchange,
    InvalidMessage,
    Settings,
    TransportInfo,
    UnexpectedMessage,
)
from tests.peers import Frame, Observer, StreamView

from .http2_peer import PeerReader, Said
from .messages import MESSAGES, WEBSOCKET_LEGAL, WEBSOCKET_MESSAGES, ResponseModel
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

__all__ = ["START", "Call", "Http2World", "State"]

START: Final = 1_000.0
_ADDRESSES: Final = (("192.0.2.1", 50_000), ("192.0.2.2", 443))
_MAX_AT_ONCE: Final = 16
_REFUSALS: Final = (UnexpectedMessage, InvalidMessage, ClientDisconnected)


@dataclass(frozen=True, slots=True)
class State:
    """All outputs of a connection, and of one exchange perhaps."""

    deadline: float
    size: int
    wants_read: bool
    wants_write: bool
    write_ended: bool
    closed: bool
    error: object
    exchange: tuple[bool, ...] = ()


@dataclass(slots=True, eq=False)
class Call:
    """One call of the application."""

    exchange: Exchange
    number: int
    kind: str
    stream: int | None
    """Its stream; None where the wire has several that may be meant."""
    model: ResponseModel
    received: list[dict[str, Any]] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)
    sent: list[str | bytes] = field(default_factory=list)
    """A WebSocket's messages."""
    state: str = "connecting"
    """A WebSocket's."""
    waiting: bool = False
    blocked: bool = False
    finished: bool = False
    dropped: bool = False
    """The client was gone, or the application returned, before the response was complete."""


class Http2World:
    """A connection with its peer, its applications, its embedder and its clock."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.now = START
        known = settings.h2c == "prior-knowledge"
        self.transport = TransportInfo(*_ADDRESSES, secure=not known, alpn=None if known else "h2")
        self.connection = Connection(self.transport, settings, self.now, {"shared": []})
        self.observer = Observer()
        self.observer.exact = False
        self.peer = PeerReader()
        self.calls: list[Call] = []
        self.operations: list[Operation] = []
        self.times: list[float] = []
        self.outcomes: list[object] = []
        self.by_exchange: dict[Exchange, Call] = {}
        self.last_opened = 0
        self.largest_read = 0
        self.octets_of_apps = 0
        self.eof = self.lost = self.late = self.stubborn = False
        self.shut_down_at: float | None = None
        self.before = self.state()
        self.actor: Call | None = None
        self.newly: list[Call] = []
        """Opened by the last operation."""
        self.fresh: list[Frame] = []
        """Read from the server by the last operation."""
        self.content_at: dict[int, float] = {}
        """When content came last, by stream."""
        self.touched: set[int] = set()
        """The streams of frames that the client had sent between the last two times that octets were taken."""
        self.do(Take())

    def state(self, call: Call | None = None) -> State:
        c = self.connection
        of_exchange: tuple[bool, ...] = ()
        if call is not None:
            e = call.exchange
            of_exchange = (e.can_send, e.disconnected, e.ended, e.half_closed, e.holds)
        return State(
            c.deadline, c.size, c.wants_read, c.wants_write, c.write_ended, c.closed, c.error, of_exchange
        )

    @property
    def ending(self) -> bool:
        """The connection has ended, or will as soon as its octets are taken."""
        c = self.connection
        return (
            c.closed
            or c.write_ended
            or self.lost
            or self.eof
            or any(code for _, code in self.observer.goaways)
        )

    def view(self, call: Call) -> StreamView | None:
        return None if call.stream is None else self.observer.streams.get(call.stream)

    def said(self, call: Call) -> Said | None:
        return None if call.stream is None else self.peer.streams.get(call.stream)

    def do(self, operation: Operation) -> None:
        """Let one thing happen. Whatever `sansio` raises, but for the errors of its contract, comes out of here."""
        acts = isinstance(operation, (AppReceive, AppSend, AppFlush, AppFinish))
        self.actor = self.calls[-1 - operation.which % len(self.calls)] if acts and self.calls else None  # type: ignore[union-attr]
        self.before = self.state(self.actor)
        self.operations.append(operation)
        outcome = self._act(operation, self.actor) if self.actor is not None else self._happen(operation)
        self.times.append(self.now)
        self.outcomes.append(repr(outcome) if isinstance(outcome, Exception) else outcome)
        self._look()

    def replay(self, cut: int | None = None) -> Http2World:
        """Return a new world to which the same happened, at the same times."""
        other = Http2World(self.settings)
        for operation, now in zip(self.operations[1:], self.times[1:], strict=True):
            if isinstance(operation, ToDeadline):
                operation = Wait(max(0.0, now - other.now))  # noqa: PLW2901 - deadlines of later may differ.
            if cut is not None and isinstance(operation, Receive):
                operation = replace(operation, cut=cut)  # noqa: PLW2901
            other.do(operation)
        return other

    def _happen(self, operation: Operation) -> object:
        c = self.connection
        match operation:
            case Receive(data, cut):
                self._receive(data, cut)
            case Eof():
                self.eof = True
                c.receive_eof(self.now)
            case Lost():
                self.lost = True
                c.connection_lost(self.now)
            case Wait(seconds):
                self._wait(self.now + seconds)
            case ToDeadline():
                self._wait(self.now if c.deadline == math.inf else max(self.now, c.deadline))
            case Oversleep(seconds):
                self.now += seconds
                self.late = self.late or c.deadline < self.now
            case Timeout():
                c.handle_timeout(self.now)
                self.late = False
            case ShutDown():
                if self.shut_down_at is None:
                    self.shut_down_at = self.now
                c.shut_down(self.now)
            case Take():
                self._take()
            case _:
                pass
        return None

    def _receive(self, data: bytes, cut: int) -> None:
        if self.eof or self.lost:
            return
        self.largest_read = max(self.largest_read, len(data))
        self.observer.sent(data)
        before = {number: len(said.content) for number, said in self.peer.streams.items()}
        self.peer.receive_data(data)
        over = {call.stream for call in self.calls if call.exchange.ended}  # What comes now comes too late.
        for number, said in self.peer.streams.items():
            if len(said.content) > before.get(number, 0) and number not in over:
                self.content_at[number] = self.now
        step = cut or max(1, len(data))
        for start in range(0, len(data), step):
            self.connection.receive_data(data[start : start + step], self.now)

    def _wait(self, until: float) -> None:
        c = self.connection
        at_once = 0
        for _ in range(1_000):
            if c.deadline > until:
                break
            at_once = at_once + 1 if c.deadline <= self.now else 0
            assert at_once < _MAX_AT_ONCE, "a deadline comes again and again at the same time"
            self.now = max(self.now, c.deadline)
            c.handle_timeout(self.now)
            self.late = False
        else:
            self.late = True
        self.now = until

    def _take(self) -> None:
        c = self.connection
        data = c.data_to_send()
        assert data or not self.before.wants_write, "wants_write without octets"
        assert b"x-taint" not in data, "an application's line break is in the output"
        self.fresh = self.observer.read(data)
        self.observer.settled()
        self.touched, self.peer.touched = self.peer.touched, set()
        for _ in range(_MAX_AT_ONCE):
            if not c.deadline <= self.now < self.before.deadline:
                return
            c.handle_timeout(self.now)
        raise AssertionError("a deadline comes again and again at the same time")

    def _act(self, operation: Operation, call: Call) -> object:
        exchange = call.exchange
        if isinstance(operation, AppReceive):
            message = exchange.receive(self.now)
            if message is None:
                call.waiting = True
            else:
                call.received.append(dict(message))
                call.content += message.get("body", b"") if call.kind == "http" else b""
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
            call.dropped = call.dropped or not exchange.ended
            exchange.finish(OSError("the application failed") if operation.failed else None, self.now)
        return None

    def _send(self, name: str, call: Call) -> object:
        messages = MESSAGES if call.kind == "http" else WEBSOCKET_MESSAGES
        if name not in messages or call.finished:
            return None
        exchange = call.exchange
        ended, gone = exchange.ended, exchange.disconnected
        self.stubborn = self.stubborn or not exchange.can_send
        message = messages[name]
        expected: object
        if call.kind == "http":
            expected = call.model.judge(name)
        else:
            kind = message.get("type") if message else None
            legal = kind in WEBSOCKET_LEGAL[call.state] and not name.startswith("bad")
            legal = legal and message.get("subprotocol") in {None, *exchange.scope["subprotocols"]}
            legal = (
                legal and name != "deny 204"
            )  # As in any response to CONNECT, it would accept (RFC 9113 §8.5).
            expected = None if legal else _REFUSALS[:2]
        self.octets_of_apps += len(repr(message))
        try:
            exchange.send(dict(message) if isinstance(message, dict) else message, self.now)
        except _REFUSALS as error:
            self._judge_refusal(name, error, call, expected)
            return error
        call.blocked = not exchange.can_send
        if ended:
            assert not gone, "a message to a client that is gone is taken"
            assert self.state(call) == self.before, f"a message behind the end changes something: {name}"
            return None
        assert expected is None, f"an illegal message is taken: {name}, {call.state}"
        self._note_message(name, message, call)
        return None

    def _judge_refusal(self, name: str, error: Exception, call: Call, expected: object) -> None:
        *_, gone, ended, _, _ = self.before.exchange
        assert gone or not isinstance(error, ClientDisconnected), "the client is there"
        if not ended and not (gone and isinstance(error, ClientDisconnected)):
            wrong = expected is not None and isinstance(error, expected)  # type: ignore[arg-type]
            lengths = call.kind == "websocket" and call.state == "denied"  # Content-Length may not fit.
            assert wrong or lengths, f"a legal message is refused: {name}, {error}"
        assert self.state(call) == self.before, f"a refused message changes something: {name}"

    def _note_message(self, name: str, message: dict[str, Any], call: Call) -> None:
        if call.kind == "http":
            call.model.accept(name)
            self._note_release(call)
        elif message["type"] == "websocket.send":
            call.sent.append(message["bytes"] if message.get("text") is None else message["text"])
        elif message["type"] == "websocket.accept":
            call.state = "open"
        elif call.state == "connecting":
            call.state = "denied"

    def _note_release(self, call: Call) -> None:
        model = call.model
        if call.kind == "http" and model.start is not None and not call.exchange.holds:
            model.released = True

    def _look(self) -> None:
        """Take what the connection has to say of its exchanges."""
        self.newly = []
        for exchange in self.connection.take_ready():
            call = self.by_exchange.get(exchange)
            if call is None:
                scope = exchange.scope
                model = ResponseModel(scope.get("method", "GET"))
                call = Call(exchange, len(self.calls), scope["type"], self._stream_of(scope), model)
                self.by_exchange[exchange] = call
                self.calls.append(call)
                self.newly.append(call)
            call.waiting = call.blocked = False

    def _stream_of(self, scope: dict[str, Any]) -> int | None:
        """Return the stream that a scope is of, if the wire leaves no choice."""
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        method = scope.get("method", "CONNECT").encode()
        found = [
            number
            for number, said in self.peer.streams.items()
            if number > self.last_opened
            and said.value(b":method") == method
            and said.value(b":path") in {target, target + b"?"}
        ]
        assert found, f"no such request is on the wire: {scope}"
        if len(found) > 1:
            return None
        self.last_opened = found[0]
        return found[0]
