"""HTTP as ASGI has it: which message is legal when, and what a response may be. It knows no version of HTTP.

Theory of operation
-------------------

An `HttpExchange` stands between the application and one request's framing (`sansio.http1`, later `http2`). It has
two sides that know little of each other.

The request's side is a mailbox. Content waits in it as octets, not as messages, so that many small reads become
one message. Taking a message is what lets the peer send more.

The response's side is a table, at the end of this file: for each state, the messages that ASGI allows and the
method that carries each out. What is not in the table raises. Rule 1: whether a message is legal is decided by the
table and nowhere else. Rule 2: a message is checked whole before anything changes, so that a refused one leaves no
trace.

The head is held back in state HEAD_HELD until there is something to send with it. An application that fails before
its first content still becomes a clean 500, early hints can come before the head, and a small response is one
write. `flush`, a `receive` that finds nothing, and `finish` end the holding.

Source: ASGI HTTP & WebSocket 2.5, "HTTP"; RFC 9110 §6.4, §8.6, §9.3.2, §15.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Final, NoReturn, Protocol, TypeAlias

from .asgi import Field, Message, Scope
from .errors import ClientDisconnected, InvalidMessage, UnexpectedMessage
from .exchange import Exchange, ExchangeStatistics
from .fields import EncodedFields, FieldEncoder
from .outbox import Outbox
from .scope import RequestHead
from .settings import TransportInfo

__all__ = ["MAX_PIECES", "HttpExchange", "HttpFraming"]


class ResponseState(enum.Enum):
    """How far the response is."""

    AWAITING_START = "no response was started yet"
    HEAD_HELD = "the head was accepted and is held back until the first body"
    CONTENT = "the head was already sent"
    TRAILERS = "the body is complete and trailers were announced"
    COMPLETE = "the response is complete"
    CUT = "the application returned before the response was complete"
    LOST = "the client has disconnected"


class HttpFraming(Protocol):
    """One version of HTTP, as an exchange sees it. All arguments have been checked."""

    encoder: FieldEncoder
    transport: TransportInfo
    outbox: Outbox

    def start_response(self, exchange: HttpExchange, content: bytes, *, ended: bool, now: float) -> None:
        """Send the head, which is in the exchange, and the first content."""

    def send_content(self, exchange: HttpExchange, content: bytes, *, ended: bool, now: float) -> None:
        """Send more content."""

    def send_trailers(self, exchange: HttpExchange, lines: list[bytes], now: float) -> None:
        """Send the trailer section. The response is complete with it."""

    def send_early_hint(self, exchange: HttpExchange, line: bytes, now: float) -> None:
        """Send a 103 (Early Hints) with these field lines, if the client can understand one."""

    def send_server_error(self, exchange: HttpExchange, now: float) -> None:
        """Send a 500 in place of a response of which nothing was sent."""

    def cut_response(self, exchange: HttpExchange, now: float) -> None:
        """Make it visible that the response stays incomplete."""

    def content_wanted(self, exchange: HttpExchange, now: float) -> None:
        """The application waits for content that has not come."""

    def content_taken(self, exchange: HttpExchange, now: float) -> None:
        """The application has taken what was held for it."""

    def finished(self, exchange: HttpExchange, now: float) -> None:
        """The application has returned."""


MAX_PIECES: Final = 1_024
"""Pieces that are held apart: each small one costs more than it holds."""

_Action: TypeAlias = "Callable[[HttpExchange, Message, float], None]"

_NO_CONTENT: Final = 204
_RESET_CONTENT: Final = 205
_BODYLESS: Final = frozenset({_NO_CONTENT, _RESET_CONTENT, 304})


class HttpExchange(Exchange):
    """One HTTP request and its response."""

    __slots__ = (
        "_content",
        "_content_ended",
        "_end_taken",
        "_ended_at",
        "_framing",
        "_legal",
        "_opened",
        "_owed",
        "_told",
        "_trailer_lines",
        "bodyless",
        "bytes_in",
        "bytes_out",
        "fields",
        "head",
        "held",
        "length",
        "state",
        "status",
        "trailers",
        "waiting",
    )

    def __init__(self, scope: Scope, head: RequestHead, framing: HttpFraming, now: float) -> None:
        Exchange.__init__(self, scope)  # One per request: super() costs more than all of it.
        self.head = head
        self.state = ResponseState.AWAITING_START
        self.status: int | None = None
        self.fields: EncodedFields | None = None
        """The response's fields, once they were accepted."""
        self.length: int | None = None
        """The value of the response's Content-Length, if it is to have one."""
        self.bodyless = False
        """No content goes out, whatever the application sends (RFC 9110 §6.4.1)."""
        self.trailers = False
        """The application announced trailers."""
        self.waiting = False
        """The application asked for a message and found none."""
        self.held = 0
        """Octets of content that the application has not taken."""
        self.bytes_in = 0
        self.bytes_out = 0
        self._owed = 0  # Octets of content to come by Content-Length; -1: no such promise.
        self._framing = framing
        self._legal = _AWAITING_START
        self._content: list[bytes] = []
        self._content_ended = head.content_length == 0
        self._end_taken = False
        self._told = False  # That the peer has ended its side.
        self._opened = now
        self._ended_at = now
        self._trailer_lines: list[bytes] = []

    # The application's side.

    def receive(self, now: float) -> Message | None:
        """Take the next message: ``http.request`` until the content is complete, then ``http.disconnect``.

        See `Exchange.receive`. A disconnect is given again to everybody who asks.
        """
        if self.ended:
            return {"type": "http.disconnect"}
        content = self._content
        if content or (self._content_ended and not self._end_taken):
            body = content[0] if len(content) == 1 else b"".join(content)
            content.clear()
            self.held = 0
            self._end_taken = self._content_ended
            if body:
                self._framing.content_taken(self, now)
            return {"type": "http.request", "body": body, "more_body": not self._content_ended}
        if self.half_closed:
            self._told = True
            return {"type": "http.disconnect"}
        if not self.waiting:  # Asking again, after a cancelled wait, gives the peer no more time.
            self.waiting = True
            self._framing.content_wanted(self, now)
        self.flush(now)
        return None

    def send(self, message: Message, now: float) -> None:
        """Accept a message of the response. See `Exchange.send`.

        After the response is complete "any further messages on the channel will be ignored" (ASGI).
        """
        try:
            action = self._legal.get(message["type"])
        except (KeyError, TypeError):
            raise InvalidMessage(
                f"a message must be a dict with a 'type' that is a str, got {message!r}"
            ) from None
        if action is None:
            self._refuse(message["type"])
        else:
            action(self, message, now)

    def flush(self, now: float) -> None:
        """Send a head that is held back; its content will follow."""
        if self.holds:
            self._start(b"", ended=False, now=now)

    def finish(self, error: BaseException | None, now: float) -> None:
        """Say that the application has returned or raised. See `Exchange.finish`."""
        state = self.state
        blamed = error is None and not self._told  # Who was told of a disconnect may leave all as it is.
        if self.ended:
            pass
        elif state is ResponseState.AWAITING_START or state is ResponseState.HEAD_HELD:
            if blamed:
                self.failure = "the application returned without completing a response"
            self._enter(ResponseState.COMPLETE, now)
            self._framing.send_server_error(self, now)
        elif state is ResponseState.CONTENT:
            if blamed:
                self.failure = "the application returned in the middle of its response"
            self._enter(ResponseState.CUT, now)
            self._framing.cut_response(self, now)
        else:  # Trailers were announced.
            if blamed:
                self.failure = "the application announced trailers and did not send them"
            self._enter(ResponseState.COMPLETE, now)
            self._framing.send_trailers(self, [], now)
        self._framing.finished(self, now)

    def statistics(self, now: float) -> ExchangeStatistics:
        """Return what is known of the exchange so far."""
        head = self.head
        transport = self._framing.transport
        return ExchangeStatistics(
            kind="http",
            client=transport.client,
            scheme="https" if transport.secure else "http",
            method=head.method,
            target=head.target,
            http_version=head.version,
            status=self.status,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            opened=self._opened,
            ended=self._ended_at if self.ended else now,
            complete=self.state is ResponseState.COMPLETE,
            fields=head.fields,
            response_fields=self._read_response_fields(),
        )

    def _read_response_fields(self) -> list[Field]:
        fields = (
            [] if self.fields is None else [self._framing.encoder.decode(line) for line in self.fields.lines]
        )
        if self.length is not None:
            fields.append((b"content-length", b"%d" % self.length))
        return fields

    # The framing's side.

    def deliver(self, content: bytes) -> None:
        """Put content into the mailbox."""
        self._content.append(content)
        if len(self._content) >= MAX_PIECES:
            self._content[:] = [b"".join(self._content)]
        size = len(content)
        self.held += size
        self.bytes_in += size
        self._wake()

    def deliver_end(self) -> None:
        """The content is complete."""
        self._content_ended = True
        self._wake()

    def end_input(self) -> None:
        """The peer has ended its side after a complete request. It may still read the response (RFC 9112 §9.6)."""
        self.half_closed = True
        self.waiting = False
        self._framing.outbox.mark_ready(self)

    def disconnect(self, now: float) -> None:
        """The client is gone, or will not be heard any more: a disconnect at once, and `send` raises."""
        self.disconnected = True
        self._enter(ResponseState.LOST, now)

    def _wake(self) -> None:
        if self.waiting:
            self.waiting = False
            self._framing.outbox.mark_ready(self)

    def _enter(self, state: ResponseState, now: float) -> None:
        """Enter one of the last states."""
        self.state = state
        self._legal = _NOTHING
        self.holds = False
        self.ended = True
        self._ended_at = now
        self._content.clear()
        self.held = 0
        self._wake()
        if self.disconnected:
            self._framing.outbox.mark_ready(self)

    # What the table names.

    def _refuse(self, kind: object) -> None:
        if self.state is ResponseState.LOST:
            raise ClientDisconnected
        if not self.ended:
            _raise_unexpected(kind, self._legal, self.state)

    def _accept_start(self, message: Message, now: float) -> None:  # noqa: ARG002 - the table's signature.
        status = message.get("status")
        if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
            raise InvalidMessage(f"'status' must be an int from 200 to 599, got {status!r}")
        trailers = message.get("trailers", False)
        if type(trailers) is not bool:
            raise InvalidMessage(f"'trailers' must be a bool, got {trailers!r}")
        self.fields = fields = self._framing.encoder.encode(message.get("headers", ()))
        self.status = status = int(status)
        self.trailers = trailers
        length = fields.content_length
        if status in _BODYLESS or self.head.method == "HEAD":
            self.bodyless = True
            # "A server MUST NOT send a Content-Length header field in any response with a status code of
            # 1xx (Informational) or 204 (No Content)." RFC 9110 §8.6. Of 205 it says that it has no content.
            if status == _NO_CONTENT:
                length = None
            elif status == _RESET_CONTENT:
                length = 0
        self.length = length
        self._owed = -1 if length is None or self.bodyless else length
        self.state = ResponseState.HEAD_HELD
        self._legal = _HEAD_HELD
        self.holds = True

    def _accept_first_content(self, message: Message, now: float) -> None:
        content, ended = self._check_content(message)
        # A HEAD request's response may say what GET's would be, if the application shows it. RFC 9110 §8.6
        if ended and self.length is None and not self.trailers and (content or not self.bodyless):
            if self.status not in _BODYLESS:
                self.length = len(content)
        self._start(content, ended=ended, now=now)

    def _accept_content(self, message: Message, now: float) -> None:
        content, ended = self._check_content(message)
        if self._owed > 0:
            self._owed -= len(content)
        if self.bodyless:
            content = b""
        self.bytes_out += len(content)
        self._advance(ended=ended, now=now)
        self._framing.send_content(self, content, ended=ended, now=now)

    def _accept_early_hint(self, message: Message, now: float) -> None:
        links = message.get("links")
        if links is None or isinstance(links, (str, bytes)) or not hasattr(links, "__iter__"):
            raise InvalidMessage(f"'links' must be an iterable of bytes, got {links!r}")
        line = b"".join([self._framing.encoder.encode_value(b"link", link) for link in links])
        if line:
            self._framing.send_early_hint(self, line, now)

    def _ignore(self, message: Message, now: float) -> None:
        """Too late to be of use, and no mistake."""

    def _accept_trailers(self, message: Message, now: float) -> None:
        lines = self._framing.encoder.encode_trailers(message.get("headers", ()))
        more = message.get("more_trailers", False)
        if type(more) is not bool:
            raise InvalidMessage(f"'more_trailers' must be a bool, got {more!r}")
        self._trailer_lines.extend(lines)
        if not more:
            self._enter(ResponseState.COMPLETE, now)
            self._framing.send_trailers(self, self._trailer_lines, now)

    def _check_content(self, message: Message) -> tuple[bytes, bool]:
        """Return a body message's content and whether it is the last. What Content-Length forbids raises."""
        content = message.get("body", b"")
        more = message.get("more_body", False)
        if type(content) is not bytes:
            if not isinstance(content, (bytes, bytearray, memoryview)):
                raise InvalidMessage(f"'body' must be bytes, got {type(content).__name__}")
            content = bytes(content)
        if type(more) is not bool:
            raise InvalidMessage(f"'more_body' must be a bool, got {more!r}")
        owed = self._owed
        if owed >= 0:
            if len(content) > owed:
                raise InvalidMessage(f"body is {len(content) - owed} bytes longer than its content-length")
            if not more and len(content) < owed:
                raise InvalidMessage(f"body is {owed - len(content)} bytes shorter than its content-length")
        return content, not more

    def _start(self, content: bytes, *, ended: bool, now: float) -> None:
        if self._owed > 0:
            self._owed -= len(content)
        if self.bodyless:
            content = b""
        self.bytes_out += len(content)
        self.holds = False
        self.state = ResponseState.CONTENT
        self._legal = _CONTENT
        self._advance(ended=ended, now=now)
        self._framing.start_response(self, content, ended=ended, now=now)

    def _advance(self, *, ended: bool, now: float) -> None:
        if not ended:
            return
        if self.trailers:
            self.state = ResponseState.TRAILERS
            self._legal = _TRAILERS
            self._trailer_lines = []
        else:
            self._enter(ResponseState.COMPLETE, now)


def _raise_unexpected(kind: object, legal: dict[str, Any], state: ResponseState) -> NoReturn:
    expected = " or ".join(repr(name) for name in legal if legal[name] is not HttpExchange._ignore)
    raise UnexpectedMessage(f"expected {expected}, got {kind!r}; {state.value}")


# What the application may send, and what then happens. "ASGI HTTP & WebSocket", Response Start and following; early
# hints come "before the final Response" because HTTP has it so (RFC 8297 §2), which the held head makes possible.
_AWAITING_START: Final[dict[str, _Action]] = {
    "http.response.start": HttpExchange._accept_start,
    "http.response.early_hint": HttpExchange._accept_early_hint,
}
_HEAD_HELD: Final[dict[str, _Action]] = {
    "http.response.body": HttpExchange._accept_first_content,
    "http.response.early_hint": HttpExchange._accept_early_hint,
}
_CONTENT: Final[dict[str, _Action]] = {
    "http.response.body": HttpExchange._accept_content,
    "http.response.early_hint": HttpExchange._ignore,
}
_TRAILERS: Final[dict[str, _Action]] = {
    "http.response.trailers": HttpExchange._accept_trailers,
    "http.response.early_hint": HttpExchange._ignore,
}
_NOTHING: Final[dict[str, _Action]] = {}
