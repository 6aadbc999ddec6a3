"""A connection takes its inputs in any order: it never raises, and it never comes back from the end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from sansio import (
    ClientDisconnected,
    Connection,
    Exchange,
    InvalidMessage,
    Settings,
    TransportInfo,
    UnexpectedMessage,
)

PIECES: Final = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"5\r\nabcde\r\n",
    b"0\r\n\r\n",
    b"abc",
    b"GET / HT",
    b"\r\n",
    b"\x00",
]
MESSAGES: Final[dict[str, dict[str, Any]]] = {
    "start": {"type": "http.response.start", "status": 200},
    "start with length": {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-length", b"6")],
    },
    "start without content": {"type": "http.response.start", "status": 204},
    "start with trailers": {"type": "http.response.start", "status": 200, "trailers": True},
    "hint": {"type": "http.response.early_hint", "links": [b"</a>"]},
    "body": {"type": "http.response.body", "body": b"abcdef", "more_body": True},
    "last body": {"type": "http.response.body", "body": b"abcdef"},
    "trailers": {"type": "http.response.trailers", "headers": [(b"x-a", b"1")]},
}
TIGHT: Final = Settings(
    limit_read_buffer=4,
    limit_write_buffer=10,
    limit_discard=6,
    limit_requests_per_connection=5,
    limit_request_body=9,
    timeout_graceful_shutdown=20.0,
)


class Embedder:
    """Does what it is told with a connection, and looks at the outputs after each step."""

    def __init__(self, settings: Settings) -> None:
        self.now = 0.0
        self.connection = Connection(TransportInfo(), settings, self.now)
        self.unfinished: list[Exchange] = []
        self.seen: set[Exchange] = set()
        self.input_ended = False
        self.was_closed = False
        self.was_ended = False

    def step(self, name: str | bytes) -> None:
        self.now += 0.5
        if isinstance(name, bytes):
            if not self.input_ended or self.connection.closed:
                self.connection.receive_data(name, self.now)
        elif name in MESSAGES or name in APPLICATION:
            if self.unfinished:
                self._act(self.unfinished[0], name)
        else:
            TRANSPORT[name](self)
        self._look()

    def take(self) -> None:
        data = self.connection.data_to_send()
        assert not (data and self.was_ended), "bytes after the end"

    def eof(self) -> None:
        self.input_ended = True
        self.connection.receive_eof(self.now)

    def lose(self) -> None:
        self.input_ended = True
        self.connection.connection_lost(self.now)

    def shut_down(self) -> None:
        self.connection.shut_down(self.now)

    def wait(self) -> None:
        """Let the next deadline come in time."""
        if self.connection.deadline < math.inf:
            self.now = max(self.now, self.connection.deadline)
        self.connection.handle_timeout(self.now)

    def oversleep(self) -> None:
        """Let all deadlines pass."""
        self.now += 1000.0
        self.connection.handle_timeout(self.now)

    def _act(self, exchange: Exchange, name: str) -> None:
        if name in MESSAGES:
            before = self.connection.size
            try:
                exchange.send(dict(MESSAGES[name]), self.now)
            except (UnexpectedMessage, InvalidMessage, ClientDisconnected):
                assert self.connection.size == before, "bytes for a message that was refused"
        else:
            APPLICATION[name](self, exchange)

    def finish(self, exchange: Exchange, error: Exception | None) -> None:
        self.unfinished.remove(exchange)
        exchange.finish(error, self.now)
        assert exchange.ended
        assert exchange.receive(self.now) == {"type": "http.disconnect"}

    def _look(self) -> None:
        connection = self.connection
        assert connection.wants_write == (connection.size > 0)
        ready = connection.take_ready()
        assert len(set(ready)) == len(ready)
        opened = [exchange for exchange in ready if exchange not in self.seen]
        assert not (opened and self.was_closed), "opened after the end"
        assert len([exchange for exchange in opened if not exchange.ended]) <= 1
        self.seen.update(opened)
        self.unfinished += opened
        assert not self.was_ended or connection.write_ended
        assert not self.was_closed or connection.closed
        self.was_ended = connection.write_ended
        self.was_closed = connection.closed
        if connection.closed:
            assert connection.write_ended
            assert connection.deadline == math.inf
            assert not connection.wants_read
            assert not connection.wants_write
        for exchange in self.unfinished:
            assert exchange.ended or not exchange.disconnected


TRANSPORT: Final[dict[str, Callable[[Embedder], None]]] = {
    "take": Embedder.take,
    "eof": Embedder.eof,
    "lose": Embedder.lose,
    "shut_down": Embedder.shut_down,
    "wait": Embedder.wait,
    "oversleep": Embedder.oversleep,
}
APPLICATION: Final[dict[str, Callable[[Embedder, Exchange], object]]] = {
    "receive": lambda embedder, exchange: exchange.receive(embedder.now),
    "flush": lambda embedder, exchange: exchange.flush(embedder.now),
    "statistics": lambda embedder, exchange: exchange.statistics(embedder.now),
    "return": lambda embedder, exchange: embedder.finish(exchange, None),
    "raise": lambda embedder, exchange: embedder.finish(exchange, ValueError()),
}
steps = st.sampled_from([*PIECES, *MESSAGES, *APPLICATION, *TRANSPORT])


@given(st.lists(steps, max_size=40), st.sampled_from([TIGHT, Settings(), Settings(http1_reader="h11")]))
def test_no_order_of_inputs_raises_or_brings_it_back_from_the_end(
    script: list[bytes | str], settings: Settings
) -> None:
    embedder = Embedder(settings)
    for name in script:
        embedder.step(name)


@given(st.lists(steps, max_size=25), st.sampled_from([TIGHT, Settings()]))
def test_a_shutdown_ends_every_connection_within_its_time(
    script: list[bytes | str], settings: Settings
) -> None:
    """Whatever the peer and the application have done, and whatever they leave undone."""
    embedder = Embedder(settings)
    for name in script:
        embedder.step(name)
    embedder.step("shut_down")
    at = embedder.now + settings.timeout_graceful_shutdown
    while embedder.connection.deadline <= at:
        embedder.step("wait")
    assert embedder.connection.closed


@given(st.lists(steps, max_size=25))
def test_a_lost_transport_leaves_nobody_waiting(script: list[bytes | str]) -> None:
    embedder = Embedder(Settings())
    for name in script:
        embedder.step(name)
    embedder.step("lose")
    assert embedder.connection.closed
    for exchange in list(embedder.unfinished):
        assert exchange.ended
        assert exchange.can_send
        assert exchange.receive(embedder.now) == {"type": "http.disconnect"}
        embedder.finish(exchange, None)
    assert embedder.connection.take_ready() == []
