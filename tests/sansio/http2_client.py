"""An HTTP/2 client and a `sansio.Connection` joined in memory, under a clock that the test sets.

The client is raw: a test sends frames of `tests.peers`, legal or not, and `tests.peers.Observer` judges every frame
that comes back. Where a legal client is wanted, `h2` plays it::

    pair = Http2Pair()
    call = pair.open(path=b"/a")  # Or pair.send(headers(1, ...), data(1, ...)), each piece a read of its own.
    call.respond(b"content")
    assert call.view.status == 200 and call.view.content == b"content" and call.view.ended

    pair = Http2Pair(legal=True)
    pair.client.send_headers(1, [...], end_stream=True)
    pair.push()  # What h2 has to send goes out, and its events stand in pair.events.

A script plays the applications: each is a `Call`. After each step, what always has to be true is checked.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event

from sansio import Connection, Exchange, Message, Settings, TransportInfo
from tests.client import Fields
from tests.messages import body, start
from tests.peers import (
    PREFACE,
    Code,
    Frame,
    Observer,
    StreamView,
    data,
    request,
    rst,
    settings,
    window_update,
)

__all__ = ["H2", "Call", "Http2Pair"]

H2: Final = TransportInfo(alpn="h2", secure=True)

_MANY: Final = 100_000


class Call:
    """One call of the application."""

    def __init__(self, pair: Http2Pair, exchange: Exchange) -> None:
        self.exchange = exchange
        self.scope = exchange.scope
        self.stream = 0
        """Its stream, if `Http2Pair.open` has opened it."""
        self.named = 0
        """How often `Connection.take_ready` has named the exchange, its opening included."""
        self.finished = False
        self.gone = False
        self._pair = pair

    @property
    def view(self) -> StreamView:
        """What the client has seen of the stream."""
        return self._pair.observer.streams[self.stream]

    def receive(self) -> Message | None:
        """Take a message, or None if there is none."""
        message = self.exchange.receive(self._pair.now)
        self._pair.settle()
        return message

    def take(self) -> tuple[bytes, bool]:
        """Take all content that is there: the octets, and whether they are all."""
        content = b""
        while (message := self.receive()) is not None:
            assert message["type"] == "http.request", message
            content += message["body"]
            if not message["more_body"]:
                return content, True
        return content, False

    def send(self, message: Message) -> None:
        """Send a message. Raises what `Exchange.send` raises."""
        try:
            self.exchange.send(message, self._pair.now)
        finally:
            self._pair.settle()

    def respond(self, content: bytes = b"", status: int = 200, fields: Fields = ()) -> None:
        """Send a whole response and finish."""
        self.send(start(status, list(fields)))
        self.send(body(content))
        self.finish()

    def finish(self, error: BaseException | None = None) -> None:
        """Return, or raise."""
        self.finished = True
        self.exchange.finish(error, self._pair.now)
        self._pair.settle()

    def is_disconnected(self) -> bool:
        """Tell whether the client is gone, as the application sees it."""
        if not self.exchange.disconnected:
            return False
        assert self.receive() == {"type": "http.disconnect"}
        assert self.receive() == {"type": "http.disconnect"}
        return True


class Http2Pair:
    """A client, a connection, and scripts that play the applications."""

    def __init__(
        self,
        settings_: Settings | None = None,
        *,
        transport: TransportInfo = H2,
        state: Mapping[str, Any] | None = None,
        now: float = 1000.0,
        hello: tuple[tuple[int, int], ...] | None = (),
        legal: bool = False,
    ) -> None:
        """Join them. `hello` are the client's first settings; None: the client says nothing yet."""
        self.now = now
        self.settings = settings_ or Settings()
        self.connection = Connection(transport, self.settings, now, state)
        self.observer = Observer()
        self.calls: list[Call] = []
        self.output = b""
        """All bytes that the client got."""
        self.client = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.events: list[Event] = []
        """What h2 makes of them."""
        self._legal = legal
        self._by_exchange: dict[Exchange, Call] = {}
        self._open: list[Call] = []
        self._wire: deque[bytes] = deque()
        self._eof_on_wire = False
        self._eof_sent = False
        self._stalled = False
        self._lost = False
        self._last_id = -1
        self._taken = 0
        self._finite = math.isfinite(self.settings.timeout_keep_alive)
        if legal:
            self.client.initiate_connection()
            self.push()
        elif hello is not None:
            self.send(PREFACE + settings(*hello))
            self.send(settings(ack=True))
        self.settle()
        self.take_frames()

    # What there is to see.

    @property
    def call(self) -> Call:
        """The only call of the application."""
        assert len(self.calls) == 1, f"there are {len(self.calls)} calls"
        return self.calls[0]

    @property
    def frames(self) -> list[Frame]:
        """All frames of the server."""
        return self.observer.frames

    def take_frames(self) -> list[Frame]:
        """Return the server's frames since this was last asked."""
        frames = self.frames[self._taken :]
        self._taken = len(self.frames)
        return frames

    def view(self, stream: int) -> StreamView:
        """What the client has seen of a stream."""
        return self.observer.streams[stream]

    @property
    def unread(self) -> int:
        """Octets on the wire that the connection did not want to read so far."""
        return sum(map(len, self._wire))

    @property
    def ended(self) -> bool:
        """The server has ended its side."""
        return self.connection.write_ended

    @property
    def error(self) -> int | None:
        """The code of the GOAWAY that ended the connection; None while there is none."""
        codes = [code for _, code in self.observer.goaways if code]
        assert len(codes) < 2
        return codes[0] if codes else None

    # The client.

    def send(self, *pieces: bytes) -> None:
        """Send bytes, whatever they are. Each piece is a read of its own."""
        for piece in pieces:
            self._wire.append(piece)
            self.settle()

    def push(self) -> None:
        """Send what h2 has to send."""
        if octets := self.client.data_to_send():
            self.send(octets)

    def open(
        self,
        method: bytes = b"GET",
        path: bytes = b"/",
        fields: Fields = (),
        *,
        content: bytes | None = None,
        end: bool | None = None,
        authority: bytes = b"server.example",
        scheme: bytes = b"https",
    ) -> Call:
        """Open a stream whose request an application gets. It ends with the head, or with the content."""
        if end is None:
            end = True
        before = len(self.calls)
        octets = request(
            self.next_id(),
            method,
            path,
            fields,
            end_stream=end and content is None,
            authority=authority,
            scheme=scheme,
        )
        self.send(octets if content is None else octets + data(self._last_id, content, end_stream=end))
        assert len(self.calls) == before + 1, "no application was called"
        call = self.calls[-1]
        call.stream = self._last_id
        return call

    def next_id(self) -> int:
        """Return a stream that is new."""
        self._last_id = max(self._last_id, *self.observer.streams, -1) + 2
        return self._last_id

    def upload(self, stream: int, content: bytes, *, end: bool = False, padding: int | None = None) -> None:
        """Send content in one frame for which there has to be credit."""
        octets = data(stream, content, end_stream=end, padding=padding)
        size = len(octets) - 9
        assert size <= self.view(stream).credit, "no credit on the stream"
        assert size <= self.observer.credit, "no credit on the connection"
        self.send(octets)

    def grant(self, stream: int, size: int) -> None:
        """Let the server send more on a stream and on the connection."""
        self.send(window_update(0, size) + window_update(stream, size))

    def reset(self, call: Call, code: int = Code.CANCEL) -> None:
        """Reset a stream."""
        self.send(rst(call.stream, code))

    def eof(self) -> None:
        """End the client's side."""
        self._eof_on_wire = True
        self.settle()

    def lose(self) -> None:
        """Lose the transport in both directions."""
        self._lost = True
        self._wire.clear()
        self.connection.connection_lost(self.now)
        self.settle()

    def stall(self) -> None:
        """Take no more bytes until `resume`."""
        self._stalled = True
        self.observer.exact = False

    def resume(self) -> None:
        """Take bytes again."""
        self._stalled = False
        self.settle()
        self.observer.exact = True

    # The server, and time.

    def shut_down(self) -> None:
        """Begin the shutdown."""
        self.connection.shut_down(self.now)
        self.settle()

    def run_until(self, when: float) -> None:
        """Let time pass."""
        for _ in range(_MANY):
            at = self.connection.deadline
            if at > when:
                self.now = max(self.now, when)
                self.settle()
                return
            self.now = max(self.now, at)
            self.connection.handle_timeout(self.now)
            self.settle()
        raise AssertionError("something happens all the time")

    def run_until_closed(self, within: float = 1000.0) -> None:
        """Let time pass until the transport is closed."""
        limit = self.now + within
        while not self.connection.closed:
            at = self.connection.deadline
            assert at <= limit, "not closed"
            self.run_until(at)

    # What tests ask often.

    def expect_connection_error(self, *codes: int) -> None:
        """The connection has ended with one GOAWAY, every application has heard of it, and nothing follows."""
        assert self.error in codes, f"{self.observer.goaways}, not {codes}"
        assert self.ended
        assert all(call.finished or call.exchange.ended for call in self.calls)
        before = len(self.output)
        calls = len(self.calls)
        if self.connection.wants_read:
            self.send(request(self.next_id()), PREFACE, settings())
        assert len(self.output) == before
        assert len(self.calls) == calls
        for call in self.calls:
            if not call.finished:
                call.finish()
        self.eof()
        self.run_until_closed()
        assert len(self.output) == before

    def expect_stream_error(self, stream: int, *codes: int) -> None:
        """One stream was reset, and the others work."""
        view = self.view(stream)
        assert view.reset in codes, f"{view.reset}, not {codes}"
        assert [frame.number for frame in view.frames if frame.kind == 3] == [view.reset]
        self.expect_service()

    def expect_service(self) -> None:
        """The connection works: a new request gets its response."""
        call = self.open(path=b"/still-there")
        call.respond(b"here")
        assert (call.view.status, call.view.content, call.view.ended) == (200, b"here", True)
        assert self.error is None

    # How it works.

    def settle(self) -> None:
        """Do what a driver does until nothing is left to do."""
        connection = self.connection
        named: set[Exchange] = set()
        for _ in range(_MANY):
            busy = self._deliver()
            if connection.wants_write and not self._stalled:
                self._read(connection.data_to_send())
                busy = True
            for exchange in connection.take_ready():
                named.add(exchange)
                self._name(exchange)
            if self.now >= connection.deadline:
                connection.handle_timeout(self.now)
                busy = True
            if not busy:
                break
        else:
            raise AssertionError("something happens all the time")
        if not self._stalled:
            self.observer.settled()
        self._check(named)

    def _deliver(self) -> bool:
        connection = self.connection
        if not connection.wants_read or connection.closed:
            return False
        if self._wire:
            octets = self._wire.popleft()
            self.observer.sent(octets)
            connection.receive_data(octets, self.now)
            return True
        if self._eof_on_wire and not self._eof_sent:
            self._eof_sent = True
            connection.receive_eof(self.now)
            return True
        return False

    def _read(self, octets: bytes) -> None:
        assert octets, "wants_write without bytes"
        assert not self._lost, f"bytes for a transport that is gone: {octets!r}"
        self.output += octets
        self.observer.read(octets)
        if self._legal:
            self.events += self.client.receive_data(octets)
            if answer := self.client.data_to_send():
                self._wire.append(answer)

    def _name(self, exchange: Exchange) -> None:
        call = self._by_exchange.get(exchange)
        if call is None:
            call = self._by_exchange[exchange] = Call(self, exchange)
            self.calls.append(call)
            self._open.append(call)
        call.named += 1

    def _check(self, named: set[Exchange]) -> None:
        """Check what is true whatever the peer and the applications do."""
        connection = self.connection
        assert connection.deadline > self.now, "a deadline that has passed"
        self._open = [call for call in self._open if not call.finished]
        most = self.settings.http2_max_concurrent_streams
        busy = [call for call in self._open if call.exchange.disconnected or not call.exchange.ended]
        assert len(busy) <= most, "more applications than streams"
        assert len(self._open) <= 2 * most, "too many applications that go on after their response"
        for call in self._open:
            if call.exchange.disconnected and not call.gone:
                call.gone = True
                assert call.exchange in named, "disconnected, and nobody was told"
        if connection.write_ended or self.error is not None:
            assert all(call.exchange.ended for call in self._open), "an exchange outlives its connection"
        if self.observer.goaways and self.calls:
            last = self.observer.goaways[-1][0]
            assert all(call.stream <= last for call in self._open), "a stream at work is disowned"
        if connection.closed:
            assert connection.deadline == math.inf, "a deadline after the end"
            assert not connection.wants_read, "wants to read after the end"
            assert not connection.wants_write, "wants to write after the end"
            assert connection.write_ended, "closed, but not ended"
            return
        if not self._stalled:
            assert not connection.wants_write, "bytes that were not taken"
            assert connection.wants_read, "frames have to be read (RFC 9113 §5.2.2)"
            assert self._open or connection.deadline < math.inf or not self._finite, "waits for ever"
        self._check_early_timeout()

    def _check_early_timeout(self) -> None:
        """A timeout before its deadline changes nothing."""
        connection = self.connection
        before = (connection.deadline, connection.wants_read, connection.wants_write, connection.closed)
        connection.handle_timeout(self.now)
        after = (connection.deadline, connection.wants_read, connection.wants_write, connection.closed)
        assert before == after, "a timeout before its deadline does something"
