r"""A client and a `sansio.Connection` joined in memory, under a clock that jumps to the next deadline.

The client is h11 in the client role, so every octet of the server is read by somebody who did not write it. Nothing
sleeps and nothing is mocked: the pair does what a driver of `runtime` does, with its own hands.

With an ASGI application, which is run by sending None into its coroutine::

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"hi"})

    pair = Pair(app)
    pair.request("GET", "/a?b")  # Or pair.send(b"GET / HTTP/1.1\r\n..."), at once or cut: cuts=(1, 5).
    assert pair.response.status == 200  # The only one. pair.responses has all of them.
    assert pair.response.body == b"hi" and pair.response.complete
    pair.run_until(pair.now + 75)  # Or pair.advance(), to the next deadline, whosever it is.
    assert pair.closed

Without one, a synchronous script plays the application::

    pair = Pair()
    pair.request("POST", "/", body=b"content")
    call = pair.call  # The only one. pair.calls has all of them.
    assert call.receive() == {"type": "http.request", "body": b"content", "more_body": False}
    call.send({"type": "http.response.start", "status": 204})
    call.send({"type": "http.response.body"})
    call.finish()
    assert pair.response.status == 204

What the client can do: `request`, `send`, `eof`, `lose`, `stall` (take nothing more) and `resume`. What the server can
do: `shut_down`. What an application can do besides ASGI: `await pair.sleep(seconds)`, `await pair.until(predicate)`.
What a script can do to an application: `call.cancel()`. Bytes that the connection does not want to read stay on the
wire until it does; to force them on it, call `pair.connection.receive_data` and then `pair.settle()`.

After each step, what always has to be true is checked; see `Pair.settle` and `_check`. A failure is an AssertionError.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from sansio import Connection, Exchange, Scope, Settings, TransportInfo
from tests.call import App, Call, Cancelled, Receive, Send, Suspension
from tests.client import Client, Fields, Response, cut, request_bytes

__all__ = [
    "App",
    "Call",
    "Cancelled",
    "Fields",
    "Pair",
    "Receive",
    "Response",
    "Send",
    "cut",
    "echo",
    "request_bytes",
    "respond",
]

HOLD: Final = 0.005
"""Seconds after which a head that waits for its content goes out alone, as in `runtime`."""

_MANY: Final = 100_000


class Pair:
    """A client and a connection. See the module's text for its use."""

    def __init__(
        self,
        app: App | None = None,
        settings: Settings | None = None,
        *,
        transport: TransportInfo | None = None,
        state: Mapping[str, Any] | None = None,
        now: float = 1000.0,
    ) -> None:
        self.app = app
        """What the next exchange is run with; None: a script plays it. May be changed at any time."""
        self.now = now
        self.settings = settings or Settings()
        self.connection = Connection(transport or TransportInfo(), self.settings, now, state)
        self.calls: list[Call] = []
        self.output = b""
        """All bytes that the client got."""
        self.eof_received = False
        """The client has seen the end of the server's side."""
        self.closed = False
        """The transport is closed, by whomever."""
        self.refused_method = "GET"
        """The method of the request that the connection answers without opening an exchange; so reads the client."""
        self._client = Client()
        self._wire: deque[bytes] = deque()
        self._eof_on_wire = False
        self._eof_sent = False
        self._lost = False
        self._stalled = False
        self._due = False
        self._holds: list[tuple[float, Exchange]] = []
        self._by_exchange: dict[Exchange, Call] = {}
        self._opened: list[Call] = []
        self._finite = all(
            math.isfinite(timeout)
            for timeout in (
                self.settings.timeout_request_head,
                self.settings.timeout_keep_alive,
                self.settings.timeout_request_body,
                self.settings.timeout_discard,
                self.settings.timeout_linger,
            )
        )
        self._check()

    # What there is to see.

    @property
    def responses(self) -> list[Response]:
        """What the client has read, in order. The last one may still be incomplete."""
        return self._client.responses

    @property
    def response(self) -> Response:
        """The only response."""
        assert len(self.responses) == 1, f"there are {len(self.responses)} responses"
        return self.responses[0]

    @property
    def interim(self) -> list[tuple[int, list[tuple[bytes, bytes]]]]:
        """Status and fields of 1xx responses whose final response has not begun."""
        return self._client.interim

    @property
    def call(self) -> Call:
        """The only call of the application."""
        assert len(self.calls) == 1, f"there are {len(self.calls)} calls"
        return self.calls[0]

    @property
    def unread(self) -> int:
        """Octets on the wire that the connection did not want to read so far."""
        return sum(map(len, self._wire))

    @property
    def next_at(self) -> float:
        """When something happens next if nobody does anything: a deadline, a held head, a sleeper."""
        times = [self.connection.deadline]
        times += [at for at, exchange in self._holds if exchange.holds]
        times += [call.wakes_at for call in self.calls]
        return min(times)

    # What the client does.

    def request(
        self,
        method: str = "GET",
        target: str = "/",
        *,
        fields: Fields = (),
        body: bytes | Sequence[bytes] = b"",
        cuts: Iterable[int] = (),
    ) -> None:
        """Send a request that h11 has written. See `request_bytes`."""
        self.send(request_bytes(method, target, fields=fields, body=body), cuts=cuts)

    def send(self, data: bytes, *, cuts: Iterable[int] = ()) -> None:
        """Send bytes, whatever they are."""
        assert not self._eof_on_wire, "the client has ended its side"
        for piece in cut(data, cuts):
            self._wire.append(piece)
            self.settle()

    def eof(self) -> None:
        """End the client's side. The connection hears of it when it has read what came before."""
        self._eof_on_wire = True
        self.settle()

    def lose(self) -> None:
        """Lose the transport in both directions. What is on the wire is lost with it."""
        self._close()
        self.settle()

    def stall(self) -> None:
        """Take no more bytes until `resume`."""
        self._stalled = True

    def resume(self) -> None:
        """Take bytes again."""
        self._stalled = False
        self.settle()

    # What the server does.

    def shut_down(self) -> None:
        """Begin the shutdown."""
        self.connection.shut_down(self.now)
        self.settle()

    # Time.

    def advance(self) -> bool:
        """Jump to when something happens next, and let it happen. False: nothing ever will."""
        at = self.next_at
        if at == math.inf:
            return False
        self._arrive(at)
        return True

    def run_until(self, when: float | Callable[[], bool]) -> None:
        """Let happen what happens until a point in time, or until something is true."""
        for _ in range(_MANY):
            if callable(when):
                if when():
                    return
                assert self.advance(), "nothing will ever happen any more"
            elif self.next_at > when:
                self.now = max(self.now, when)
                self.settle()
                return
            else:
                self._arrive(self.next_at)
        raise AssertionError("something happens all the time")

    def run_until_closed(self) -> None:
        """Let time pass until the transport is closed."""
        self.run_until(lambda: self.closed)

    async def sleep(self, seconds: float) -> None:
        """For applications: go on later."""
        at = self.now + seconds
        await Suspension(lambda: self.now >= at, at)

    async def until(self, predicate: Callable[[], bool]) -> None:
        """For applications: go on at the first step after which something is true."""
        while not predicate():
            await Suspension(predicate, math.inf)

    # How it works.

    def settle(self) -> None:
        """Do what a driver does until nothing is left to do, and check what always has to be true."""
        for _ in range(_MANY):
            read = self._deliver()
            took = self.take_outputs()
            started = self._start_calls()
            woke = [call for call in self.calls if call.wake()]
            due, self._due = self._due, False
            if due:
                self.connection.handle_timeout(self.now)
            if not (read or took or started or woke or due):
                break
        else:
            raise AssertionError("something happens all the time")
        self._check()

    def take_outputs(self) -> bool:
        """Take bytes, exchanges and states from the connection, in the order that it asks for."""
        connection = self.connection
        data = b""
        if connection.wants_write and not self._stalled:
            before = connection.deadline
            data = connection.data_to_send()
            # Taking bytes brings no time with it, so that what it makes possible comes as a deadline that is due.
            self._due = self._due or self.now >= connection.deadline < before
            assert data, "wants_write without bytes"
            assert not self.eof_received, f"bytes after the end: {data!r}"
            self.output += data
        opened = self._take_ready()
        self._client.read(data, self._method_of)
        if connection.write_ended and not self.eof_received and not self._lost:
            assert not connection.wants_write, "write_ended with bytes to write"
            self.eof_received = True
            self._client.end()
        if connection.closed and not self.closed:
            self._close()
        self._opened += opened
        return bool(data or opened)

    def hold(self, exchange: Exchange) -> None:
        """Flush an exchange in a moment."""
        self._holds.append((self.now + HOLD, exchange))

    def _take_ready(self) -> list[Call]:
        opened = []
        for exchange in self.connection.take_ready():
            call = self._by_exchange.get(exchange)
            if call is None:
                call = self._by_exchange[exchange] = Call(self, exchange)
                self.calls.append(call)
                opened.append(call)
            call.named += 1
        return opened

    def _start_calls(self) -> bool:
        opened, self._opened = self._opened, []
        for call in opened:
            if self.app is not None:
                call.start(self.app)
        return bool(opened)

    def _method_of(self, number: int) -> str:
        return str(self.calls[number].scope["method"]) if number < len(self.calls) else self.refused_method

    def _deliver(self) -> bool:
        """Move one piece from the wire to the connection."""
        if not self.connection.wants_read or self.closed:
            return False
        if self._wire:
            self.connection.receive_data(self._wire.popleft(), self.now)
            return True
        if self._eof_on_wire and not self._eof_sent:
            self._eof_sent = True
            self.connection.receive_eof(self.now)
            return True
        return False

    def _close(self) -> None:
        """Close the transport: the connection is told, as drivers tell it."""
        self.closed = True
        self._lost = not self.connection.closed
        self._wire.clear()
        self.connection.connection_lost(self.now)

    def _arrive(self, at: float) -> None:
        self.now = max(self.now, at)
        self._check_early_timeout()
        for _ in range(len(self.settings.__slots__)):
            if self.connection.deadline > self.now:
                break
            self.connection.handle_timeout(self.now)
            self.take_outputs()
        else:
            raise AssertionError("a deadline that has passed stays")
        due = [exchange for when, exchange in self._holds if when <= self.now]
        self._holds = [(when, exchange) for when, exchange in self._holds if when > self.now]
        for exchange in due:
            if exchange.holds:
                exchange.flush(self.now)
        self.settle()

    def _check(self) -> None:
        """Check what is true whatever the peer and the application do."""
        connection = self.connection
        assert connection.deadline >= self.now, "a deadline in the past"
        if self.closed:
            assert connection.closed, "not closed after the transport is gone"
        if connection.closed:
            assert connection.deadline == math.inf, "a deadline after the end"
            assert not connection.wants_read, "wants to read after the end"
            assert connection.write_ended, "closed, but not ended"
            assert not connection.wants_write, "wants to write after the end"
            assert connection.data_to_send() == b"", "bytes after the end"
            assert not connection.has_ready, "exchanges after the end"
            assert connection.take_ready() == [], "exchanges after the end"
            return
        if not self._stalled:
            assert not connection.wants_write, "bytes that were not taken"
            if all(call.done for call in self.calls):
                assert connection.wants_read, "reads no more, though nobody is busy"
                assert connection.deadline < math.inf or not self._finite, "waits for ever"
        self._check_early_timeout()

    def _check_early_timeout(self) -> None:
        """A timeout before its deadline changes nothing."""
        connection = self.connection
        if self.now < connection.deadline:
            before = self._states()
            connection.handle_timeout(self.now)
            assert self._states() == before, "a timeout before its deadline does something"

    def _states(self) -> tuple[object, ...]:
        connection = self.connection
        return (
            connection.deadline,
            connection.wants_read,
            connection.wants_write,
            connection.write_ended,
            connection.closed,
        )


def respond(body: bytes = b"", status: int = 200, fields: Fields = ()) -> App:
    """Make an application that answers every request alike."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(fields)})
        await send({"type": "http.response.body", "body": body})

    return app


async def echo(_scope: Scope, receive: Receive, send: Send) -> None:
    """An application that sends the request's content back, part by part."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        await send({"type": "http.response.body", "body": message["body"], "more_body": message["more_body"]})
        if not message["more_body"]:
            return
