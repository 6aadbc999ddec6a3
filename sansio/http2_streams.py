r"""A stream of HTTP/2: what carries one exchange. To the exchange it is its version of HTTP.

Theory of operation
-------------------

The states are those of RFC 9113 §5.1, without those that only a push makes. A stream object lives from the request's
head until both sides are done; what is left of it then is at most its number (see `sansio.http2`).

    idle                 no object: the number is higher than all that came
      | HEADERS
      v
    open                 content is coming, the response may be going
      |            \\ END_STREAM came
      |             v
      |           half-closed (remote)    `remote_ended`: what comes now resets the stream
      |             |
      | our END_STREAM was made, or RST_STREAM was, or came
      v             v
    closed               no object. If the request was not complete, RST_STREAM(NO_ERROR) went behind END_STREAM: so
                         half-closed (local) is a state that nothing rests in.

Invariants: HEADERS go before DATA and trailers behind it; nothing goes after END_STREAM or RST_STREAM but that one
RST_STREAM; each octet of content that is held for the application is credit that the peer does not have.

Source: RFC 9113 §5.1, §8.1; RFC 9110 §10.1.1.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from .errors import PeerError
from .http import HttpExchange, ResponseState
from .http2_frames import ErrorCodes
from .http2_receiving import Receiver
from .http2_sending import Sender
from .http2_writer import CONTINUE, ENCODER, encode_early_hint, encode_error, encode_head
from .outbox import Outbox
from .settings import Settings, TransportInfo

__all__ = ["Carrier", "Stream"]

_COMPLETE: Final = ResponseState.COMPLETE
CRUMBS: Final = "frames with hardly anything in them, for which the window opens"

_UNANSWERED: Final = frozenset({ResponseState.AWAITING_START, ResponseState.HEAD_HELD})


class Carrier(Protocol):
    """The connection, as its streams see it."""

    outbox: Outbox
    transport: TransportInfo
    settings: Settings
    sender: Sender
    receiver: Receiver

    def await_content(self, stream: Stream, now: float) -> None:
        """The application waits for content: the peer's time begins."""

    def reset(self, stream: Stream, code: ErrorCodes, now: float) -> None:
        """End a stream, whatever its state, with RST_STREAM."""

    def sent_all(self, stream: Stream, now: float) -> None:
        """END_STREAM was made."""

    def give_up(self, what: str, now: float) -> None:
        """The peer has exhausted a budget, of this: end the connection."""

    def watch_windows(self) -> None:
        """Something waits for the peer's windows."""

    def finished(self, stream: Stream, now: float) -> None:
        """The application has returned."""


class Stream:
    """One request and its response."""

    __slots__ = (
        "_carrier",
        "_continue_due",
        "content_left",
        "ending",
        "exchange",
        "held",
        "id",
        "opened_at",
        "orphaned",
        "outbox",
        "owed",
        "pending",
        "pending_size",
        "queued",
        "receive_window",
        "remote_ended",
        "returned",
        "tail",
        "transport",
        "urgency",
        "window",
    )

    encoder = ENCODER

    def __init__(self, carrier: Carrier, stream_id: int, urgency: int, *, remote_ended: bool) -> None:
        self._carrier = carrier
        self.id = stream_id
        self.outbox = carrier.outbox
        self.transport = carrier.transport
        self.exchange: HttpExchange | None = None
        """None: the request was refused before it became one."""
        self.remote_ended = remote_ended
        """END_STREAM came."""
        self.content_left: int | None = None
        """Octets of content to come, if Content-Length has promised them (RFC 9113 §8.1.1)."""
        self.receive_window = carrier.settings.http2_initial_window_size
        """Octets that the peer may still send."""
        self.held = 0
        """Octets that the application has not taken."""
        self.owed = 0
        """Octets that were taken, and of which the peer was not told yet."""
        self.opened_at = 0
        """How often exchanges had been handed over before."""
        self.returned = False
        """The application has returned."""
        self.orphaned = False
        """The stream was cut off, and its application still runs."""
        self.window = carrier.sender.initial_window
        self.pending: deque[memoryview] = deque()
        self.pending_size = 0
        self.ending = False
        self.tail = b""
        self.urgency = urgency
        self.queued = False
        self._continue_due = False

    # The connection's side.

    def open(self, exchange: HttpExchange) -> None:
        """Begin with an exchange."""
        self.exchange = exchange
        self._continue_due = exchange.head.expects_continue
        if not self.remote_ended:
            self.content_left = exchange.head.content_length

    def receive_content(self, content: bytes, now: float) -> None:  # noqa: ARG002 - a session's signature.
        """Content came, within the window."""
        exchange = self.exchange
        if exchange is None or exchange.ended:
            self._carrier.receiver.give_credit(self, len(content))
            return
        self._continue_due = False
        self.held += len(content)
        exchange.deliver(content)

    def receive_end(self, now: float) -> None:  # noqa: ARG002 - a session's signature.
        """The request is complete."""
        self.remote_ended = True
        if self.exchange is not None and not self.exchange.ended:
            self.exchange.deliver_end()

    def disconnect(self, exchange: HttpExchange, now: float) -> None:
        """The stream has ended, or the connection has; the response may be complete, or not."""
        if not exchange.ended:
            exchange.disconnect(now)
        self._unblock(exchange)

    def refuse(self, error: PeerError, now: float, *, is_head: bool = False) -> None:
        """Answer what the peer did wrong, or reset the stream where an answer has begun, or there is none."""
        exchange = self.exchange
        answered = exchange is None or exchange.state in _UNANSWERED
        if self.outbox.error is None:
            self.outbox.error = error if answered else PeerError(None, error.reason)
        if error.status is None or not answered:
            code = ErrorCodes.PROTOCOL_ERROR if error.status is None else ErrorCodes.CANCEL
            self._carrier.reset(self, code, now)
            return
        self.respond(error.status, error.reason, now, is_head=is_head)

    def respond(self, status: int, reason: str, now: float, *, is_head: bool = False) -> None:
        """Answer in place of the application, which is told that its client is gone."""
        block, content = encode_error(status, reason, self._carrier.settings.default_fields)
        exchange = self.exchange
        if exchange is not None:
            is_head = exchange.head.method == "HEAD"
            exchange.status = status
            exchange.fields = None
            exchange.length = len(content)
            exchange.bytes_out = 0 if is_head else len(content)
            if not exchange.ended:
                exchange.disconnect(now)
        self._write_headers(block, ended=is_head)
        if is_head:
            self.ending = True
            self.sent_all(now)
        else:
            self._send(content, ended=True, now=now)

    def sent_all(self, now: float) -> None:
        """Nothing is pending any more."""
        exchange = self.exchange
        if exchange is not None and not exchange.can_send:
            self._unblock(exchange)
        if self.ending:
            self._carrier.sent_all(self, now)

    # What the exchange asks for.

    def start_response(self, exchange: HttpExchange, content: bytes, *, ended: bool, now: float) -> None:
        """Send the head, which is in the exchange, and the first content."""
        fields = exchange.fields
        status = exchange.status
        assert fields is not None and status is not None  # noqa: S101, PT018 - the exchange's state says so.
        self._continue_due = False  # An interim response cannot follow a final one.
        block = encode_head(status, fields, self._carrier.settings.default_fields, exchange.length)
        complete = ended and exchange.state is _COMPLETE
        if complete and content and self._carrier.sender.send_response(self, block, content, now):
            return
        last = complete and not content
        self._write_headers(block, ended=last)
        if last:
            self.ending = True
            self.sent_all(now)
        elif content or complete:
            self._send(content, ended=complete, now=now)

    def send_content(self, exchange: HttpExchange, content: bytes, *, ended: bool, now: float) -> None:
        """Send more content."""
        complete = ended and exchange.state is _COMPLETE
        if content or complete:
            self._send(content, ended=complete, now=now)

    def send_trailers(self, exchange: HttpExchange, lines: list[bytes], now: float) -> None:
        """Send the trailer section, if the client wants it (RFC 9110 §6.5.1)."""
        if lines and exchange.head.accepts_trailers:
            self.tail = b"".join(lines)
        self._send(b"", ended=True, now=now)

    def send_early_hint(self, exchange: HttpExchange, line: bytes, now: float) -> None:  # noqa: ARG002
        """Send a 103 (Early Hints)."""
        self._write_headers(encode_early_hint(line), ended=False)

    def send_server_error(self, exchange: HttpExchange, now: float) -> None:  # noqa: ARG002
        """Send a 500 in place of a response of which nothing was sent."""
        self.respond(500, "Internal Server Error", now)

    def cut_response(self, exchange: HttpExchange, now: float) -> None:  # noqa: ARG002
        """Make it visible that the response stays incomplete."""
        self._carrier.reset(self, ErrorCodes.INTERNAL_ERROR, now)

    def content_wanted(self, exchange: HttpExchange, now: float) -> None:  # noqa: ARG002
        """The application waits for content that has not come."""
        if self.remote_ended:
            return
        if self._continue_due:
            # Asked for only now, and not at all if the application answers without reading. RFC 9110 §10.1.1
            self._continue_due = False
            self._write_headers(CONTINUE, ended=False)
        self._carrier.await_content(self, now)

    def content_taken(self, exchange: HttpExchange, now: float) -> None:  # noqa: ARG002
        """The application has taken what was held for it: the peer gets its credit back."""
        held, self.held = self.held, 0
        self._carrier.receiver.give_credit(self, held)

    def finished(self, exchange: HttpExchange, now: float) -> None:  # noqa: ARG002
        """The application has returned."""
        self._carrier.finished(self, now)

    # Writing.

    def _write_headers(self, block: bytes, *, ended: bool) -> None:
        outbox = self.outbox
        self._carrier.sender.write_headers(self.id, block, ended=ended)
        if self.exchange is not None and outbox.size > self._carrier.settings.limit_write_buffer:
            outbox.block(self.exchange)

    def _send(self, content: bytes, *, ended: bool, now: float) -> None:
        if not self._carrier.sender.send(self, content, ended=ended, now=now):
            self._carrier.give_up(CRUMBS, now)
        elif self.pending_size:
            self._carrier.watch_windows()
            if self.exchange is not None:
                self.exchange.can_send = False

    def _unblock(self, exchange: HttpExchange) -> None:
        if not exchange.can_send:
            exchange.can_send = True
            self.outbox.mark_ready(exchange)
