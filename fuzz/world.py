"""The world around a connection of HTTP/1, with readers that know what both sides have said.

What can happen is data, an `Operation`. A `World` lets it happen to a `sansio.Connection` and writes down what could
be seen, in the simplest words; it has no opinion about it. The laws are those of `fuzz.machine`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sansio import Settings

from .connection_world import Call, ConnectionWorld, Outputs, Situation, Step
from .http1_givens import SETTINGS
from .messages import MESSAGES
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
    "Situation",
    "Step",
    "Take",
    "Timeout",
    "ToDeadline",
    "Wait",
    "World",
]


_HEAD: Final = re.compile(rb"(?:\r\n)*HEAD ")
"""Empty lines before a request are ignored. RFC 9112 §2.2"""


class World(ConnectionWorld):
    """A connection of HTTP/1."""

    messages = MESSAGES
    most_timeouts = (64, 8)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.requests: list[ReadRequest] = []
        """What an independent reader makes of the peer's octets."""
        self.reader = ResponseReader(self._method_of)
        self.expected: type[Exception] | None = None
        """What the last message, if the client was there for it, had to raise."""

    def replay(self, operations: Sequence[Operation], **changes: Any) -> World:
        """Return a world of the same kind in which these happened."""
        other = World(replace(self.settings, **changes) if changes else self.settings)
        for operation in operations:
            other.do(operation)
        return other

    def request_of(self, call: Call) -> ReadRequest:
        """Return the request on the wire that the call belongs to."""
        return self.requests[call.index]

    @property
    def read_up_to(self) -> int | None:
        """Where the octets of the requests end that were opened; None while the last one's are incomplete."""
        return self.requests[len(self.calls) - 1].end if self.calls else 0

    @property
    def settings_name(self) -> str:
        return (
            f"SETTINGS[{SETTINGS.index(self.settings)}]" if self.settings in SETTINGS else repr(self.settings)
        )

    def _receive(self, operation: Receive) -> object:
        outcome = super()._receive(operation)
        if not (self.eof or self.lost):
            resume = self.requests.pop().start if self.requests and self.requests[-1].end is None else None
            if resume is None:
                resume = self.requests[-1].end if self.requests else 0
            self.requests += read_requests(bytes(self.fed), resume or 0)
        return outcome

    def _take(self) -> bytes:
        data = super()._take()
        self.reader.receive_data(data)
        if self.ending:
            self.reader.receive_eof()
        return data

    def _run(self, operation: Operation, call: Call) -> object:
        model = call.model
        if isinstance(operation, AppFinish) and not call.finished and model.awaits_trailers and call.open:
            call.completed = len(self.steps)
        outcome = super()._run(operation, call)
        if isinstance(operation, (AppReceive, AppFlush)):
            self._note_release(call)
        return outcome

    def _send(self, name: str, call: Call) -> object:
        ended = call.exchange.ended
        self.expected = call.model.judge(name)
        outcome = super()._send(name, call)
        if outcome is None and not ended:
            call.model.accept(name)
            self._note_release(call)
            if call.exchange.ended:
                call.completed = len(self.steps)
        return outcome

    def _note_release(self, call: Call) -> None:
        exchange = call.exchange
        model = call.model
        if exchange.holds or exchange.disconnected or model.start is None or call.released is not None:
            return
        if model.complete or not exchange.ended:
            call.released = len(self.steps)
            model.released = True

    def _method_of(self, index: int) -> str:
        """Tell the response reader what the n-th response answers: a call, or at most one request without a call."""
        if index < len(self.calls):
            return str(self.calls[index].scope["method"])
        assert index == len(self.calls), "more responses than requests"
        assert self.connection.error is not None, "a response to nothing"
        start = self.read_up_to
        assert start is not None, "a second response to a request whose content is not complete"
        return "HEAD" if _HEAD.match(self.fed[start : self.fed_before_fault]) else "GET"
