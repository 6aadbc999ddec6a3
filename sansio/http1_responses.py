"""The responses of one HTTP/1 connection: how they are framed, and what becomes of the connection behind them.

Source: RFC 9112 §6, §7.1, §9.3, §9.6; RFC 9110 §6.5.1, §9.3.2, §10.1.1, §15.2.
"""

from __future__ import annotations

from .asgi import Field
from .deadlines import Deadline
from .errors import PeerError
from .http import HttpExchange, ResponseState
from .http1_content import ContentReader
from .http1_writer import (
    CONTINUE,
    ENCODER,
    LAST_CHUNK,
    encode_chunk,
    encode_early_hint,
    encode_error,
    encode_head,
    encode_switch,
    encode_trailers,
)
from .outbox import Outbox
from .settings import Settings, TransportInfo
from .websocket import WebSocketExchange
from .websocket_handshake import accept_token

__all__ = ["Http1Responses"]


class Http1Responses:
    """The writing half of `sansio.http1.Http1`: what the exchanges ask for, and what the server answers of itself.

    Not an object of its own: it and the connection would refer to each other, and such a circle waits for the garbage
    collector. What only the reading half can do is named below, and done there.
    """

    def __init__(self, outbox: Outbox, transport: TransportInfo, settings: Settings) -> None:
        self.outbox = outbox
        self.transport = transport
        self.encoder = ENCODER
        self.awaits_room = False
        """The next request, or a session, waits until bytes are taken."""
        self._settings = settings
        self._defaults = settings.default_fields
        self._exchange: HttpExchange | None = None  # The one whose response is not complete.
        self._reader: ContentReader | None = None  # Of content that has not come to its end.
        self._keep_alive = True  # Another request may follow the current one.
        self._chunked = False  # The current response is in the chunked coding.
        self._continue_due = False  # The client waits for a 100 (Continue).

    # What the exchanges ask for.

    def start_response(self, exchange: HttpExchange, content: bytes, *, ended: bool, now: float) -> None:
        """Send the head, which is in the exchange, and the first content."""
        fields = exchange.fields
        status = exchange.status
        assert fields is not None and status is not None  # noqa: S101, PT018 - the exchange's state says so.
        self._chunked = chunked = (
            exchange.length is None and not exchange.bodyless and exchange.head.version == "1.1"
        )
        if self._keep_alive and (
            fields.close or (self._reader is not None and self._leaves_too_much(ended=ended))
        ):
            self._keep_alive = False
        self._continue_due = False  # An interim response cannot follow a final one.
        close = not self._keep_alive
        parts = encode_head(status, fields, self._defaults, exchange.length, chunked=chunked, close=close)
        if content:
            parts.append(encode_chunk(content) if chunked else content)
        self._write(exchange, b"".join(parts))
        if exchange.state is ResponseState.COMPLETE:
            self._complete(now)

    def send_content(self, exchange: HttpExchange, content: bytes, *, ended: bool, now: float) -> None:
        """Send more content."""
        complete = ended and exchange.state is ResponseState.COMPLETE
        if content:
            self._write(exchange, encode_chunk(content) if self._chunked else content)
        if complete:
            if self._chunked:
                self.outbox.write(LAST_CHUNK)
            self._complete(now)

    def send_trailers(self, exchange: HttpExchange, lines: list[bytes], now: float) -> None:
        """Send the trailer section, if there is one in this coding and the client wants it (RFC 9110 §6.5.1)."""
        if self._chunked:
            self.outbox.write(encode_trailers(lines if exchange.head.accepts_trailers else []))
        self._complete(now)

    def send_early_hint(self, exchange: HttpExchange, line: bytes, now: float) -> None:  # noqa: ARG002
        """Send a 103 (Early Hints), but not to HTTP/1.0, which knows no interim responses (RFC 9110 §15.2)."""
        if exchange.head.version == "1.1":
            self._write(exchange, encode_early_hint(line))

    def send_server_error(self, exchange: HttpExchange, now: float) -> None:
        """Send a 500 in place of a response of which nothing was sent, and end the connection with it."""
        self._write_error(500, "", exchange, is_head=False)
        self._keep_alive = False
        self._complete(now)

    def cut_response(self, exchange: HttpExchange, now: float) -> None:  # noqa: ARG002 - the framing's signature.
        """End the connection without the last chunk, or before Content-Length is met."""
        self.outbox.aborted = True
        self._exchange = None
        self._linger(now)

    def accept_websocket(self, exchange: WebSocketExchange, answers: list[Field], now: float) -> None:
        """Send the response that makes the connection a WebSocket's, and read what has come of it already."""
        fields = exchange.fields
        assert fields is not None  # noqa: S101 - the exchange's state says so.
        self.outbox.stop_deadline(Deadline.HANDSHAKE)
        exchange.status = 101
        token = accept_token(exchange.handshake.key)
        self.outbox.write(encode_switch(fields, self._defaults, answers, token))
        self._upgrade(exchange, now)

    def end_websocket(self, exchange: WebSocketExchange, now: float) -> None:  # noqa: ARG002
        """The session is over: end the connection, our side first (RFC 6455 §7.1.1)."""
        self._exchange = None
        self._linger(now)

    def pause_reading(self) -> None:
        """The session holds enough."""
        self.outbox.wants_read = False

    def resume_reading(self) -> None:
        """The session has room again."""
        self.outbox.wants_read = True

    def await_room(self) -> None:
        """Let the session know when the bytes to write were taken."""
        self.awaits_room = True

    def content_wanted(self, exchange: HttpExchange, now: float) -> None:  # noqa: ARG002 - the framing's signature.
        """The application waits for content that has not come."""
        if self._reader is None:
            return
        if self._continue_due:
            # "A server that [...] MUST send an immediate interim response [...] if it has not yet": asked for only
            # now, and not at all if the application answers without reading. RFC 9110 §10.1.1
            self._continue_due = False
            self.outbox.write(CONTINUE)
        self.outbox.set_deadline(Deadline.BODY, now + self._settings.timeout_request_body)

    def content_taken(self, exchange: HttpExchange, now: float) -> None:  # noqa: ARG002 - the framing's signature.
        """The application has taken what was held for it: there is room again."""
        if self._reader is not None:
            self.outbox.wants_read = True

    # Writing.

    def _write(self, exchange: HttpExchange, data: bytes) -> None:
        outbox = self.outbox
        outbox.write(data)
        if outbox.size > self._settings.limit_write_buffer:
            outbox.block(exchange)

    def _write_error(self, status: int, reason: str, exchange: HttpExchange | None, *, is_head: bool) -> None:
        """Write a response of the server's own, which ends the connection.

        "The HEAD method is identical to GET except that the server MUST NOT send content in the response." RFC 9110
        §9.3.2
        """
        head, content = encode_error(status, reason, self._defaults)
        if exchange is not None:
            is_head = exchange.head.method == "HEAD"
            exchange.status = status
            exchange.fields = None
            exchange.length = len(content)
            exchange.bytes_out = 0 if is_head else len(content)
        self.outbox.write(head if is_head else head + content)

    def _write_refusal(self, error: PeerError, *, is_head: bool) -> None:
        """Answer what the peer did wrong, if a response to it can still be told from another one."""
        exchange = self._exchange
        answered = exchange is None or exchange.state in {
            ResponseState.AWAITING_START,
            ResponseState.HEAD_HELD,
        }
        self.outbox.error = error if answered else PeerError(None, error.reason)
        if answered:
            assert error.status is not None  # noqa: S101 - refusals have one.
            self._write_error(error.status, error.reason, exchange, is_head=is_head)

    def _give_up_handshake(self, now: float) -> None:
        """The application does not say whether it accepts: the client gets an answer all the same."""
        exchange = self._exchange
        if exchange is not None and exchange.state is ResponseState.AWAITING_START:
            exchange.failure = "the application did not answer a WebSocket's handshake in time"
            self._write_error(500, "", exchange, is_head=False)
            self._disconnect(now)
            self._linger(now)

    def _disconnect(self, now: float) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.disconnect(now)

    # From one request to the next.

    def _complete(self, now: float) -> None:
        """The response is complete: go on to the next request, or end the connection."""
        self._exchange = None
        if not self._keep_alive:
            self._linger(now)
        elif self._reader is None:
            self._resume(now)
        elif self._leaves_too_much(ended=True):
            self._linger(now)
        else:
            self._discard(now)

    def _leaves_too_much(self, *, ended: bool) -> bool:
        """Tell whether unread content already decides that the connection ends with the response.

        Where a client still waits for a 100 (Continue), nobody knows whether the content will come.
        """
        assert self._reader is not None  # noqa: S101 - the state says so.
        remaining = self._reader.remaining
        return self._continue_due or (
            ended and (remaining is None or remaining > self._settings.limit_discard)
        )

    # What follows is for reading to say: `sansio.http1`.

    def _discard(self, now: float) -> None:
        """Read away the content that is still to come."""

    def _resume(self, now: float) -> None:
        """Turn to the next request, and to what has come of it already."""

    def _upgrade(self, exchange: WebSocketExchange, now: float) -> None:
        """Take all octets for the session's frames, and first those that have come already."""

    def _linger(self, now: float) -> None:
        """End our side, and wait for the peer to end its own."""
