"""HTTP/2: the streams of one connection, what frames mean for them, and how they end.

Theory of operation
-------------------

Frames come from `sansio.http2_reader`, whole and in order. Those of stream 0 are for `sansio.http2_connection`, on
which this class stands. What remains is decided by the state of the stream (RFC 9113 §5.1):

    idle            HEADERS open it, if its number is odd and higher than all before; PRIORITY_UPDATE may come first;
                    all else breaks the connection
    open            `sansio.http2_streams`
    half-closed     what carries content or fields resets it
    closed: reset   what was on its way is ignored, and counted
    closed: ended   RST_STREAM and WINDOW_UPDATE are ignored, and counted; all else breaks the connection
    beyond the last stream that we announced: ignored, and counted

Of a closed stream only its number remains, and only if it was reset.

Credit for content goes back to the peer when the application takes it, on the stream and on the connection. The
connection's window is as large as those of all streams together, so that no application that does not read holds
up another one; what is held is bounded by it all the same.

A request that its client resets in the same read is never handed over. An application that still runs after its
stream was cut off counts as a stream, so that resets buy no more work than the limit of streams allows.

Invariants: a stream's error never touches another stream; a stream that ends gives back what it held; each stream
that either side resets is counted.

Source: RFC 9113 §5, §6, §8.1; RFC 8441; RFC 9218 §7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from .deadlines import Deadline
from .errors import PeerError
from .field_blocks import FieldBlockError, FieldDecoder
from .http import HttpExchange
from .http2_connection import OPEN, Http2Connection
from .http2_frames import (
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAX_WINDOW_SIZE,
    PADDED,
    PING,
    PRIORITY,
    PRIORITY_UPDATE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCodes,
    decode_uint31,
    encode_reset,
    strip_padding,
)
from .http2_head import find_urgency, is_trailer_section, parse_urgency, read_head
from .http2_reader import FrameReader
from .http2_streams import Stream
from .http2_websocket import SessionStream
from .outbox import Outbox
from .scope import RequestHead, ScopeBuilder
from .settings import Settings, TransportInfo
from .websocket_handshake import read_handshake

__all__ = ["Http2"]

_MAX_REMEMBERED: Final = (
    1_024  # Numbers of streams that were reset, and of those that are to come with an urgency.
)

_IS_HEAD: Final = (b":method", b"HEAD")

_Action: TypeAlias = "Callable[[Http2, int, int, bytes, float], None]"


class Http2(Http2Connection):
    """The protocol of one HTTP/2 connection."""

    multiplexes = True

    def __init__(
        self,
        outbox: Outbox,
        transport: TransportInfo,
        settings: Settings,
        state: Mapping[str, Any] | None,
        now: float,
    ) -> None:
        super().__init__(outbox, transport, settings, now)
        self.awaits_room = True
        """Call `room_made` when bytes were taken: here always, for what waits for room may come at any time."""
        self._scopes = ScopeBuilder(transport, settings, state)
        self._reader = FrameReader(settings.http2_max_header_list_size)
        self._decoder = FieldDecoder(settings.http2_max_header_list_size, settings.limit_request_fields)
        self._reset_ids: dict[int, None] = {}
        self._urgencies: dict[int, int] = {}  # Of streams that are to come.
        self._sessions: dict[int, SessionStream] = {}
        self._waiting: dict[
            Stream, float
        ] = {}  # Until when the peer has time to send content, earliest first.
        self._running = 0  # Applications that have not returned.
        self._orphans = 0  # Those of them whose streams were cut off.
        self._requests = 0
        self._blocks = 0  # That came in more than one frame, and were begun or ended.
        self._now = now
        self.shutting_down = False
        """New WebSockets are closed as soon as they are accepted."""

    # Inputs.

    def receive_data(self, data: bytes, now: float) -> None:
        """Octets came from the peer."""
        self._now = now
        if self.phase is not OPEN:
            self.drop(len(data))
            return
        reader = self._reader
        reader.receive_data(data)
        while (frame := reader.take()) is not None:
            if len(frame) == 2:
                self.fail(*frame, now)
                return
            kind, flags, stream_id, payload = frame
            action = _ACTIONS.get(kind)
            if action is not None:
                action(self, flags, stream_id, payload, now)
            else:
                self.count(kind, now)  # "Implementations MUST ignore [...] unknown types". RFC 9113 §5.5
            if self.phase is not OPEN:
                return
        blocks = 2 * reader.blocks - reader.in_block
        if blocks != self._blocks:
            self._blocks = blocks
            if reader.in_block:
                self.outbox.set_deadline(Deadline.HEAD, now + self.settings.timeout_request_head)
            else:
                self.outbox.stop_deadline(Deadline.HEAD)
        self.produce(now)

    def shut_down(self, now: float) -> None:
        """Finish what is open, and what is on its way, and then open nothing new."""
        super().shut_down(now)
        self.shutting_down = True
        for session in list(self._sessions.values()):
            session.shut_down(now)

    def room_made(self) -> None:
        """The bytes to write were taken: there is room for what waits."""
        super().room_made()
        if self.phase is OPEN:
            streams = bool(self.streams)
            if not self.sender.produce(self._now, dated=False):
                self.give_up(self._now)
                return
            self.idle_undated = streams and not self.streams
            if self.sender.undated:
                # Taking bytes brings no time with it: what is due already will.
                self.outbox.set_deadline(Deadline.WINDOW, self._now)

    # Requests.

    def _receive_headers(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        """A whole field block: a request's, or trailers."""
        decoder = self._decoder
        try:
            fields = decoder.decode(payload)
        except FieldBlockError:
            self.fail(ErrorCodes.COMPRESSION_ERROR, "field block that cannot be decoded", now)
            return
        ended = bool(flags & END_STREAM)
        if not stream_id & 1:
            self.fail(ErrorCodes.PROTOCOL_ERROR, "stream with an even number from a client", now)
        elif stream_id <= self.last_stream_id:
            stream = self._find(stream_id, HEADERS, now)
            if stream is None:
                pass
            elif stream.remote_ended:
                self._reset_badly(stream, ErrorCodes.STREAM_CLOSED, "fields behind the end of a request", now)
            elif not ended or decoder.problem or decoder.too_large or not is_trailer_section(fields):
                self._reset_badly(stream, ErrorCodes.PROTOCOL_ERROR, "malformed trailers", now)
            else:
                self._end_content(stream, now)
        elif stream_id > self.announced_last:
            self.count(HEADERS, now)  # The peer knows, or will, that nobody listens. RFC 9113 §6.8
        else:
            self.last_stream_id = stream_id
            head: RequestHead | PeerError
            if decoder.problem is not None:
                head = PeerError(None, decoder.problem)
            elif decoder.too_large:
                head = PeerError(431, "fields beyond a limit")
            else:
                head = read_head(fields, ended=ended, extended=self.settings.ws)
            if isinstance(head, PeerError):
                self._open(stream_id, head, ended=ended, is_head=_IS_HEAD in fields, now=now)
            else:
                self._open(stream_id, head, ended=ended, is_head=head.method == "HEAD", now=now)

    def _open(
        self, stream_id: int, head: RequestHead | PeerError, *, ended: bool, is_head: bool, now: float
    ) -> None:
        """Open a stream for a request, or refuse the request on it."""
        settings = self.settings
        most = settings.http2_max_concurrent_streams
        if len(self.streams) + self._orphans >= most or self._running >= 2 * most:
            self.write_control(encode_reset(stream_id, ErrorCodes.REFUSED_STREAM), now)
            self._remember_reset(stream_id)
            if self.acknowledged:  # Whoever does not know the limit yet is not to blame. RFC 9113 §5.1.2
                self._count_reset(now)
            return
        self._requests += 1
        limit = settings.limit_request_body
        if not isinstance(head, PeerError) and limit is not None and (head.content_length or 0) > limit:
            head = PeerError(413, f"request content beyond {limit} bytes")
        if isinstance(head, PeerError):
            self._refuse(stream_id, head, ended=ended, is_head=is_head, now=now)
        elif head.websocket:
            handshake = read_handshake(head)
            if isinstance(handshake, PeerError):
                self._refuse(stream_id, handshake, ended=ended, is_head=False, now=now)
            else:
                urgency = self._urgency(stream_id, head)
                session = SessionStream(self, stream_id, urgency, now, remote_ended=ended)
                self._sessions[stream_id] = session
                scope = self._scopes.build_websocket(head, handshake.subprotocols.copy())
                self._start(session, session.begin(scope, head, handshake, now))
        else:
            stream = Stream(self, stream_id, self._urgency(stream_id, head), remote_ended=ended)
            self._start(stream, HttpExchange(self._scopes.build(head), head, stream, now))
        if self._requests == settings.limit_requests_per_connection:
            self.announce_last(now)  # What is on its way, the client may send again elsewhere. RFC 9113 §8.7

    def _start(self, stream: Stream, exchange: HttpExchange) -> None:
        self.streams[stream.id] = stream
        self._running += 1
        stream.opened_at = self.outbox.taken
        stream.open(exchange)
        self.outbox.mark_ready(exchange)

    def _refuse(self, stream_id: int, error: PeerError, *, ended: bool, is_head: bool, now: float) -> None:
        """Answer a request that no application will see."""
        stream = self.streams[stream_id] = Stream(self, stream_id, 0, remote_ended=ended)
        stream.refuse(error, now, is_head=is_head)
        if error.status is None:
            self._count_reset(now)

    def _urgency(self, stream_id: int, head: RequestHead) -> int:
        """Return what PRIORITY_UPDATE said before the request came, or what the request says."""
        urgency = self._urgencies.pop(stream_id, None) if self._urgencies else None
        return find_urgency(head.fields) if urgency is None else urgency

    def _find(self, stream_id: int, kind: int, now: float) -> Stream | None:
        """Return the stream that a frame is for. None: there is none, and all that is due has been done."""
        stream = self.streams.get(stream_id)
        if stream is None:
            if self.last_stream_id < stream_id <= self.announced_last or not stream_id & 1:
                self.fail(ErrorCodes.PROTOCOL_ERROR, "frame on an idle stream", now)
            elif (
                stream_id <= self.last_stream_id
                and stream_id not in self._reset_ids
                and kind not in _ALLOWED_BEHIND_THE_END
            ):
                self.fail(ErrorCodes.STREAM_CLOSED, "frame on a stream that has ended", now)
            else:
                self.count(kind, now)
        return stream

    # Content.

    def _receive_data(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        receiver = self.receiver
        size = len(payload)
        if size > receiver.window:
            self.fail(ErrorCodes.FLOW_CONTROL_ERROR, "content beyond the connection's window", now)
            return
        content = payload
        if flags & PADDED:
            stripped = strip_padding(payload, PADDED)
            if stripped is None:
                self.fail(ErrorCodes.PROTOCOL_ERROR, "more padding than payload", now)
                return
            content = stripped
        receiver.window -= size
        stream = self._find(stream_id, DATA, now)
        if stream is None:
            receiver.give_back(size)
            return
        if stream.remote_ended:
            receiver.give_back(size)
            self._reset_badly(stream, ErrorCodes.STREAM_CLOSED, "content behind the end of a request", now)
            return
        if size > stream.receive_window:
            self.fail(ErrorCodes.FLOW_CONTROL_ERROR, "content beyond a stream's window", now)
            return
        stream.receive_window -= size
        ended = bool(flags & END_STREAM)
        if len(content) < size:
            receiver.give_credit(stream, size - len(content))
        if content:
            if not self._receive_content(stream, content, now):
                return
        elif not ended and not self.count(DATA, now):
            return
        if ended:
            self._end_content(stream, now)

    def _receive_content(self, stream: Stream, content: bytes, now: float) -> bool:
        """Take content; False: it was too much."""
        size = len(content)
        exchange = stream.exchange
        if stream.content_left is not None:
            stream.content_left -= size
            if stream.content_left < 0:
                self.receiver.give_back(size)
                self._reset_badly(stream, ErrorCodes.PROTOCOL_ERROR, "content beyond Content-Length", now)
                return False
        limit = self.settings.limit_request_body
        if limit is not None and exchange is not None and not exchange.head.websocket:
            if exchange.bytes_in + size > limit and not exchange.ended:
                self.receiver.give_back(size)
                stream.refuse(PeerError(413, f"request content beyond {limit} bytes"), now)
                return False
        if self._waiting:
            self._waiting.pop(stream, None)
        stream.receive_content(content, now)
        return True

    def _end_content(self, stream: Stream, now: float) -> None:
        """END_STREAM came."""
        if stream.content_left:
            self._reset_badly(stream, ErrorCodes.PROTOCOL_ERROR, "content short of Content-Length", now)
            return
        if self._waiting:
            self._waiting.pop(stream, None)
        stream.receive_end(now)

    # Other frames.

    def _receive_reset(self, _flags: int, stream_id: int, _payload: bytes, now: float) -> None:
        stream = self._find(stream_id, RST_STREAM, now)
        if stream is not None:
            self._remember_reset(stream_id)
            self._forget(stream, now)
            self._count_reset(now)

    def _receive_window_update(self, _flags: int, stream_id: int, payload: bytes, now: float) -> None:
        increment = decode_uint31(payload)
        sender = self.sender
        if not stream_id:
            if not self.count(WINDOW_UPDATE, now):
                return
            if not increment:
                self.fail(ErrorCodes.PROTOCOL_ERROR, "window update by nothing", now)
            elif sender.window + increment > MAX_WINDOW_SIZE:
                self.fail(ErrorCodes.FLOW_CONTROL_ERROR, "window beyond what a window can be", now)
            else:
                sender.open_window(None, increment)
            return
        stream = self._find(stream_id, WINDOW_UPDATE, now)
        if stream is None or not self.count(WINDOW_UPDATE, now):
            return
        if not increment:
            self._reset_badly(stream, ErrorCodes.PROTOCOL_ERROR, "window update by nothing", now)
        elif stream.window + increment > MAX_WINDOW_SIZE:
            self._reset_badly(
                stream, ErrorCodes.FLOW_CONTROL_ERROR, "window beyond what a window can be", now
            )
        else:
            sender.open_window(stream, increment)

    def _receive_priority(self, _flags: int, _stream_id: int, _payload: bytes, now: float) -> None:
        """Deprecated, and ignored (RFC 9113 §5.3.2)."""
        self.count(PRIORITY, now)

    def _receive_priority_update(self, _flags: int, _stream_id: int, payload: bytes, now: float) -> None:
        """RFC 9218 §7.1."""
        stream_id = decode_uint31(payload)
        if not self.count(PRIORITY_UPDATE, now):
            return
        if not stream_id & 1:
            self.fail(ErrorCodes.PROTOCOL_ERROR, "priority of a stream that no client opens", now)
            return
        urgency = parse_urgency(payload[4:])
        stream = self.streams.get(stream_id)
        if stream is not None:
            self.sender.change_urgency(stream, urgency)
        elif stream_id > self.last_stream_id and len(self._urgencies) < _MAX_REMEMBERED:
            self._urgencies[stream_id] = urgency

    def _receive_settings(self, flags: int, _stream_id: int, payload: bytes, now: float) -> None:
        self.receive_settings(flags, payload, now)

    def _receive_ping(self, flags: int, _stream_id: int, payload: bytes, now: float) -> None:
        self.receive_ping(flags, payload, now)

    def _receive_goaway(self, _flags: int, _stream_id: int, _payload: bytes, now: float) -> None:
        self.receive_goaway(now)

    # What the streams ask for.

    def await_content(self, stream: Stream, now: float) -> None:
        """The application waits for content: the peer's time begins."""
        if stream not in self._waiting:
            at = now + self.settings.timeout_request_body
            self._waiting[stream] = at
            if at < self.outbox.get_deadline(Deadline.BODY):
                self.outbox.set_deadline(Deadline.BODY, at)

    def note_deadline(self, at: float) -> None:
        """A WebSocket has a deadline of its own."""
        if at < self.outbox.get_deadline(Deadline.SESSION):
            self.outbox.set_deadline(Deadline.SESSION, at)

    def watch_windows(self) -> None:
        """Something may wait for the peer's windows."""
        at = self.sender.deadline
        if at < self.outbox.get_deadline(Deadline.WINDOW):
            self.outbox.set_deadline(Deadline.WINDOW, at)

    def produce(self, now: float) -> None:
        """Make frames of what waits."""
        if self.phase is OPEN:
            if not self.sender.produce(now):
                self.give_up(now)
            else:
                self.watch_windows()

    def reset(self, stream: Stream, code: ErrorCodes, now: float) -> None:
        """End a stream, whatever its state, with RST_STREAM."""
        self.write_control(encode_reset(stream.id, code), now)
        self._remember_reset(stream.id)
        self._forget(stream, now)

    def sent_all(self, stream: Stream, now: float) -> None:
        """END_STREAM was made."""
        if not stream.remote_ended:
            # "A server can [...] request that the client abort transmission of a request without error by sending a
            # RST_STREAM with an error code of NO_ERROR after sending a complete response". RFC 9113 §8.1
            self.write_control(encode_reset(stream.id, ErrorCodes.NO_ERROR), now)
            self._remember_reset(stream.id)
        self._forget(stream, now)

    def finished(self, stream: Stream, now: float) -> None:  # noqa: ARG002 - the carrier's signature.
        """An application has returned."""
        self._running -= 1
        stream.returned = True
        if stream.orphaned:
            self._orphans -= 1

    # The end of streams.

    def _reset_badly(self, stream: Stream, code: ErrorCodes, reason: str, now: float) -> None:
        """Reset a stream on which the peer broke a rule."""
        self._fault(PeerError(None, reason))
        self.reset(stream, code, now)
        self._count_reset(now)

    def _count_reset(self, now: float) -> None:
        if not self.budgets.take_reset(now):
            self.give_up(now)

    def _remember_reset(self, stream_id: int) -> None:
        ids = self._reset_ids
        ids[stream_id] = None
        if len(ids) > _MAX_REMEMBERED:
            del ids[next(iter(ids))]

    def _forget(self, stream: Stream, now: float) -> None:
        """A stream has ended, in one way or another."""
        if self.streams.pop(stream.id, None) is None:
            return
        if stream.queued or stream.pending_size:
            self.sender.remove(stream)
        if self._waiting:
            self._waiting.pop(stream, None)
        if stream.held:
            held, stream.held = stream.held, 0
            self.receiver.give_back(held)
        if self._sessions:
            self._sessions.pop(stream.id, None)
        exchange = stream.exchange
        if exchange is not None:
            stream.disconnect(now)
            if exchange.disconnected:
                if self.outbox.withdraw(exchange, stream.opened_at):
                    self._running -= 1  # It was never handed over.
                elif not stream.returned:
                    self._orphans += 1
                    stream.orphaned = True
        if not self.streams:
            self.become_idle(now)

    def disconnect(self, now: float) -> None:
        """All streams have ended."""
        for stream in list(self.streams.values()):
            self._forget(stream, now)

    # Deadlines.

    def handle_deadline(self, deadline: Deadline, now: float) -> None:
        """One of the deadlines of an open connection has come."""
        self._now = now
        if deadline is Deadline.BODY:
            self._handle_body(now)
        elif deadline is Deadline.WINDOW:
            for waiting in self.sender.find_overdue(now):
                self._reset_badly(
                    self.streams[waiting.id], ErrorCodes.CANCEL, "no room for what is to be sent", now
                )
            self.produce(now)
        elif deadline is Deadline.SESSION:
            for session in list(self._sessions.values()):
                session.handle_deadlines(now)
            for session in self._sessions.values():
                self.note_deadline(session.box.deadline)
        else:
            super().handle_deadline(deadline, now)

    def _handle_body(self, now: float) -> None:
        waiting = self._waiting
        while waiting:
            stream, at = next(iter(waiting.items()))
            if at > now:
                self.outbox.set_deadline(Deadline.BODY, at)
                return
            del waiting[stream]
            stream.refuse(PeerError(408, "request content took too long"), now)


# "An endpoint [...] may receive WINDOW_UPDATE or RST_STREAM frames in this state for a short period". RFC 9113 §5.1
_ALLOWED_BEHIND_THE_END: Final = frozenset({RST_STREAM, WINDOW_UPDATE})

_ACTIONS: Final[dict[int, _Action]] = {
    DATA: Http2._receive_data,
    HEADERS: Http2._receive_headers,
    PRIORITY: Http2._receive_priority,
    RST_STREAM: Http2._receive_reset,
    SETTINGS: Http2._receive_settings,
    PING: Http2._receive_ping,
    GOAWAY: Http2._receive_goaway,
    WINDOW_UPDATE: Http2._receive_window_update,
    PRIORITY_UPDATE: Http2._receive_priority_update,
}
