"""The response to one request, played."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import sansio
from docs.states.play import FORBIDDEN, IGNORED, Impossible, Played, Step, explore
from sansio import ClientDisconnected, Connection, Settings, TransportInfo
from sansio.http import HttpExchange

_REQUEST: Final = b"GET / HTTP/1.1\r\nHost: example.org\r\nTE: trailers\r\n\r\n"
_START: Final = "http.response.start"
MESSAGES: Final[Mapping[str, dict[str, Any]]] = {
    "start": {"type": _START, "status": 200},
    "start with trailers": {"type": _START, "status": 200, "trailers": True},
    "early_hint": {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]},
    "body with more_body": {"type": "http.response.body", "body": b"a", "more_body": True},
    "body": {"type": "http.response.body", "body": b"a"},
    "trailers with more_trailers": {"type": "http.response.trailers", "more_trailers": True},
    "trailers": {"type": "http.response.trailers"},
}
_KINDS: Final = frozenset(message["type"] for message in MESSAGES.values())


class _Response:
    """A connection with one request."""

    def __init__(self) -> None:
        self.connection = Connection(TransportInfo(), Settings(), 0.0)
        self.connection.receive_data(_REQUEST, 0.0)
        [exchange] = self.connection.take_ready()
        if not isinstance(exchange, HttpExchange):
            raise TypeError(exchange)
        self.exchange = exchange
        self.finished = False

    def send(self, name: str) -> str | None:
        """Send one message, and say what became of it if it led nowhere."""
        message = MESSAGES[name]
        exchange = self.exchange
        if not _KINDS.issuperset(exchange._legal):
            raise RuntimeError(f"messages that are not played: {set(exchange._legal) - _KINDS}")
        action = exchange._legal.get(message["type"])
        before = exchange.state
        try:
            exchange.send(message, 0.0)
        except ClientDisconnected:
            return "`ClientDisconnected`"
        except sansio.UnexpectedMessage:
            if action is not None:
                raise
            return FORBIDDEN
        # What the table does not name is refused, or comes after the end.
        if action is None or action is HttpExchange._ignore:
            if exchange.state is not before:
                raise RuntimeError(f"{name} is in no table and changed {before}")
            return IGNORED
        return None

    def finish(self) -> None:
        if self.finished:
            raise Impossible
        self.finished = True
        self.exchange.finish(None, 0.0)

    def flush(self) -> None:
        self.exchange.flush(0.0)


def play_response() -> Played:
    """Play everything that can happen to the response to one request."""
    events: dict[str, Callable[[_Response], str | None]] = {
        name: (lambda machine, name=name: machine.send(name))  # type: ignore[misc]
        for name in MESSAGES
    }
    events["flush()"] = lambda machine: machine.flush()
    events["finish()"] = lambda machine: machine.finish()
    events["client gone"] = lambda machine: machine.connection.connection_lost(0.0)
    played = Played()
    for (state, trailers, _), event, said, (reached, _, _) in explore(
        _Response,
        events,
        lambda machine: (machine.exchange.state, machine.exchange.trailers, machine.finished),
    ):
        condition = "if trailers were announced" if trailers else ""
        played.add(Step(state.name, event, reached.name, said, condition))
    return played
