"""A connection of HTTP/1 with one WebSocket, and everything that was said on it.

`fuzz.wire` reads the frames of both sides, without any code of the machine. The laws are in `fuzz.laws_websocket`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sansio import Exchange, Settings

from .connection_world import Call, ConnectionWorld
from .messages import WEBSOCKET_LEGAL, WEBSOCKET_MESSAGES
from .operations import AppFinish, Operation, ShutDown
from .websocket_script import SETTINGS
from .wire import Side, read_deflate, read_frames

__all__ = ["Verdict", "WebSocketWorld"]

_SEND: Final = "websocket.send"
_CLOSE: Final = "websocket.close"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ASGI says of the last message that was sent."""

    over: bool
    """Nobody hears it: the client is gone, or the application has said that it is done."""
    legal: bool
    """Its type is expected here."""
    bad: bool
    """Its values cannot go on the wire."""


class WebSocketWorld(ConnectionWorld):
    """A connection with one WebSocket."""

    messages = WEBSOCKET_MESSAGES
    most_timeouts = (1_000, 8)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.sent: list[str | bytes] = []
        """The messages that were accepted from the application."""
        self.state = "connecting"
        """What the application has said of the session: nothing, that it is open, or that it is denied."""
        self.state_before = self.state
        self.codes = {1002, 1006, 1007, 1009}
        """The codes of a disconnect that anybody but the peer has meant, or may have."""
        self.verdict: Verdict | None = None
        """Of the last operation, if it was a message."""
        self._sides: tuple[tuple[int, int], Side, Side] | None = None

    @property
    def settings_name(self) -> str:
        return f"SETTINGS[{SETTINGS.index(self.settings)}]"

    @property
    def call(self) -> Call | None:
        """The one call of the application, if there is one."""
        return self.calls[0] if self.calls else None

    @property
    def exchange(self) -> Exchange | None:
        return self.calls[0].exchange if self.calls else None

    @property
    def largest(self) -> int:
        """How large the largest was that came or went at once."""
        return max(self.largest_read, self.largest_message)

    def do(self, operation: Operation) -> None:
        """Let one thing happen. See `ConnectionWorld.do`."""
        self.verdict = None
        self.state_before = self.state
        if isinstance(operation, ShutDown):
            self.codes.add(1012)
        if isinstance(operation, AppFinish) and self.calls:
            self.codes |= {1000, 1011}
        super().do(operation)

    def replay(self, operations: Sequence[Operation]) -> WebSocketWorld:
        """Return a world of the same kind in which these happened."""
        other = WebSocketWorld(self.settings)
        for operation in operations:
            other.do(operation)
        return other

    def read_sides(self) -> tuple[Side, Side]:
        """Return what the client and the server have said in frames, if the session was accepted."""
        known = (len(self.fed), len(self.wire))
        if self._sides is None or self._sides[0] != known:
            head, _, frames = bytes(self.wire).partition(b"\r\n\r\n")
            deflate = read_deflate(head)
            client = read_frames(bytes(self.fed[self.fed.index(b"\r\n\r\n") + 4 :]), deflate, client=True)
            self._sides = (known, client, read_frames(frames, deflate, client=False))
        return self._sides[1:]

    @property
    def contents(self) -> list[str | bytes]:
        """The messages that the application received."""
        received = self.calls[0].received if self.calls else []
        return [
            message["bytes"] if message["text"] is None else message["text"]
            for message in received
            if message["type"] == "websocket.receive"
        ]

    def _send(self, name: str, call: Call) -> object:
        message = self.messages[name]
        kind = message.get("type") if message else None
        exchange = call.exchange
        over = exchange.ended or exchange.disconnected or call.finished
        self.verdict = Verdict(
            over=over, legal=kind in WEBSOCKET_LEGAL[self.state], bad=name.startswith("bad")
        )
        outcome = super()._send(name, call)
        if outcome is not None or over:
            return outcome
        if kind == _SEND:
            self.sent.append(message["bytes"] if message.get("text") is None else message["text"])
        elif kind == _CLOSE and self.state == "open":
            self.codes.add(message.get("code", 1000))
        else:
            self.state = "open" if kind == "websocket.accept" else "denied"
        return None
