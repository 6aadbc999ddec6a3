"""A connection of HTTP/2 under fire: a peer that sends frames, any number of applications, and a clock.

What happens is a list of operations, as everywhere in this package; `fuzz.http2_script` reads it from octets. Two
readers that share no code with the machine know what both sides have said: `fuzz.http2_peer` the client's, and
`tests.peers.Observer` the server's, where it fails at each frame that a server must not send.

The laws are in `fuzz.laws_http2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sansio import ClientDisconnected, InvalidMessage, Settings, TransportInfo, UnexpectedMessage
from tests.peers import ACK, DATA, PING, Frame, Observer, StreamView

from .connection_world import Call, ConnectionWorld
from .http2_peer import PeerReader, Said
from .http2_script import SETTINGS
from .messages import ANY_MESSAGES, MESSAGES, WEBSOCKET_LEGAL, WEBSOCKET_MESSAGES
from .operations import AppFinish, AppFlush, AppReceive, AppSend, Operation, Receive, Take

__all__ = ["Http2World", "SessionModel"]

_ADDRESSES: Final = (("192.0.2.1", 50_000), ("192.0.2.2", 443))
_AT_ONCE: Final = 4_096
_OF_WEBSOCKET: Final = "websocket "
_REFUSALS: Final = (UnexpectedMessage, InvalidMessage)


@dataclass(slots=True)
class SessionModel:
    """What ASGI says of one WebSocket's messages, told again in the simplest words."""

    subprotocols: list[str]
    """What the client offers."""
    sent: list[str | bytes] = field(default_factory=list)
    """The messages that were accepted from the application."""
    state: str = "connecting"
    """What the application has said of the session: nothing, that it is open, or that it is denied."""

    def judge(self, name: str) -> tuple[type[Exception], ...] | None:
        """Return what sending this message may raise, and has to, if the client is there and nothing has ended."""
        message = ANY_MESSAGES[name]
        kind = message.get("type") if message else None
        name = name.removeprefix(_OF_WEBSOCKET)
        legal = kind in WEBSOCKET_LEGAL[self.state] and not name.startswith("bad")
        legal = legal and message.get("subprotocol") in {None, *self.subprotocols}
        # As in any response to CONNECT, 204 would accept (RFC 9113 §8.5).
        return None if legal and name != "deny 204" else _REFUSALS

    def accept(self, name: str) -> None:
        """Go on by a message that was not refused."""
        message = ANY_MESSAGES[name]
        if message["type"] == "websocket.send":
            self.sent.append(message["bytes"] if message.get("text") is None else message["text"])
        elif message["type"] == "websocket.accept":
            self.state = "open"
        elif self.state == "connecting":
            self.state = "denied"


class Http2World(ConnectionWorld):
    """A connection of HTTP/2, whose applications send only messages of their scope's kind, and none after the end."""

    def __init__(self, settings: Settings) -> None:
        known = settings.h2c == "prior-knowledge"
        super().__init__(settings, TransportInfo(*_ADDRESSES, secure=not known, alpn=None if known else "h2"))
        self.observer = Observer()
        self.observer.exact = False
        self.peer = PeerReader()
        self.streams: list[int | None] = []
        """The stream of each call; None where the wire has several that may be meant."""
        self.sessions: dict[Call, SessionModel] = {}
        """What belongs to each call of a WebSocket."""
        self.last_opened = 0
        self.octets_of_apps = 0
        self.fresh: list[Frame] = []
        """Read from the server by the last operation that took octets."""
        self.content_at: dict[int, float] = {}
        """When content came last, by stream."""
        self.block_since: float | None = None
        """When the field block began that has not ended."""
        self.ended_in: dict[int, int] = {}
        """The step in which the client had said all on a stream."""
        self.began_at: dict[Call, float] = {}
        """When its application first sent something, or returned."""
        self.moved_at: dict[int, float] = {}
        """The time after which content went on a stream last."""
        self.asked: dict[bytes, int] = {}
        """How many answers to pings had come when the server was seen to ask this."""
        self.taken_at = self.now
        self.taken_in = -1
        """When, and in which step, octets were taken last, but for the last operation."""
        self.touched: set[int] = set()
        """The streams of frames that the client had sent between the last two times that octets were taken."""
        self._take()

    @property
    def settings_name(self) -> str:
        return f"SETTINGS[{SETTINGS.index(self.settings)}]"

    @property
    def ending(self) -> bool:
        """The connection has ended, or will as soon as its octets are taken."""
        failed = any(code for _, code in self.observer.goaways)
        return super().ending or self.lost or self.eof or failed

    @property
    def newly(self) -> list[Call]:
        """Opened by the last operation."""
        return self.calls[self.before.calls :]

    def stream(self, call: Call) -> int | None:
        return self.streams[call.index]

    def view(self, call: Call) -> StreamView | None:
        stream = self.stream(call)
        return None if stream is None else self.observer.streams.get(stream)

    def said(self, call: Call) -> Said | None:
        stream = self.stream(call)
        return None if stream is None else self.peer.streams.get(stream)

    def do(self, operation: Operation) -> None:
        """Let one thing happen. See `ConnectionWorld.do`.

        A name that messages of both kinds have means that of the call's kind.
        """
        if isinstance(operation, AppSend) and operation.name in WEBSOCKET_MESSAGES:
            call = super()._call_of(operation)
            if call in self.sessions:
                operation = replace(operation, name=_OF_WEBSOCKET + operation.name)
        if self.steps and isinstance(self.step.operation, Take):
            self.taken_at, self.taken_in = self.now, len(self.steps) - 1
        super().do(operation)

    def replay(self, operations: Sequence[Operation]) -> Http2World:
        """Return a world of the same kind in which these happened."""
        other = Http2World(self.settings)
        for operation in operations:
            other.do(operation)
        return other

    def _call_of(self, operation: Operation) -> Call | None:
        call = super()._call_of(operation)
        if isinstance(operation, AppSend) and call is not None:
            fits = (
                operation.name.startswith(_OF_WEBSOCKET)
                if call in self.sessions
                else operation.name in MESSAGES
            )
            return call if fits and not call.finished else None
        return call

    def _receive(self, operation: Receive) -> object:
        if not (self.eof or self.lost):
            before = {number: len(said.content) for number, said in self.peer.streams.items()}
            blocks = self.peer.blocks
            # Both readers copy what is left behind each frame.
            for start in range(0, len(operation.data), _AT_ONCE):
                self.observer.sent(operation.data[start : start + _AT_ONCE])
                self.peer.receive_data(operation.data[start : start + _AT_ONCE])
            if not self.peer.in_block:
                self.block_since = None
            elif self.peer.blocks > blocks:
                self.block_since = self.now
            # What comes for these now comes too late.
            over = {self.stream(call) for call in self.calls if call.exchange.ended}
            for number, said in self.peer.streams.items():
                if len(said.content) > before.get(number, 0) and number not in over:
                    self.content_at[number] = self.now
                if said.ended:
                    self.ended_in.setdefault(number, len(self.steps))
        return super()._receive(operation)

    def _take(self) -> bytes:
        data = super()._take()
        assert data or not self.before.outputs.wants_write, "wants_write without octets"
        self.fresh = self.observer.read(data)
        self.observer.settled()
        self.touched, self.peer.touched = self.peer.touched, set()
        for seen in self.fresh:
            if seen.kind == PING and not seen.flags & ACK:
                self.asked[seen.payload] = len(self.peer.pongs)
            elif seen.kind == DATA:
                self.moved_at[seen.stream] = self.taken_at
        return data

    def _run(self, operation: Operation, call: Call) -> object:
        outcome = super()._run(operation, call)
        if isinstance(operation, (AppSend, AppFinish)):
            self.began_at.setdefault(call, self.now)
        if isinstance(operation, (AppReceive, AppFlush)):
            self._note_release(call)
        return outcome

    def _send(self, name: str, call: Call) -> object:
        before = self.before.situation
        assert before is not None
        model = self.sessions.get(call, call.model)
        expected = model.judge(name)
        self.octets_of_apps += len(repr(self.messages[name]))
        outcome = super()._send(name, call)
        if isinstance(outcome, Exception):
            gone = isinstance(outcome, ClientDisconnected)
            assert before.disconnected or not gone, "the client is there"
            if not (before.ended or gone):
                wrong = expected is not None and isinstance(outcome, expected)
                # Content-Length may not fit.
                lengths = isinstance(model, SessionModel) and model.state == "denied"
                assert wrong or lengths, f"a legal message is refused: {name}, {outcome}"
        elif not before.ended:
            assert expected is None, f"an illegal message is taken: {name}, {model}"
            model.accept(name)
            self._note_release(call)
        return outcome

    def _note_release(self, call: Call) -> None:
        if call.model.start is not None and not call.exchange.holds:
            call.model.released = True

    def _look(self) -> None:
        super()._look()
        for call in self.calls[len(self.streams) :]:
            self.streams.append(self._stream_of(call.scope))
            if call.scope["type"] == "websocket":
                self.sessions[call] = SessionModel(call.scope["subprotocols"])

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
