"""HTTP/2: the frames of one connection, and what they mean for its streams.

Theory of operation
-------------------

Frames come from `sansio.http2_reader`, whole and in order. Those of stream 0 are for `sansio.http2_connection`; what
remains is decided by the state of the stream (RFC 9113 §5.1). How a stream ends is in `sansio.http2_carrier`.

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

Invariants: a stream's error never touches another stream; each stream that is reset because of the peer is counted.

Source: RFC 9113 §5, §6, §8.1; RFC 8441; RFC 9218 §7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from .deadlines import Deadline
from .errors import PeerError
from .field_blocks import FieldBlockError, FieldDecoder
from .http import HttpExchange
from .http2_carrier import MAX_REMEMBERED, Http2Carrier
from .http2_connection import OPEN
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

_MAX_SKIPPED: Final = 64  # No client skips numbers, but for tests of servers.

_IS_HEAD: Final = (b":method", b"HEAD")

_Action: TypeAlias = "Callable[[Http2, int, int, bytes, float], None]"


class Http2(Http2Carrier):
    """The protocol of one HTTP/2 connection."""

    def __init__(
        self,
        outbox: Outbox,
        transport: TransportInfo,
        settings: Settings,
        state: Mapping[str, Any] | None,
        now: float,
    ) -> None:
        super().__init__(outbox, transport, settings, now)
        self._scopes = ScopeBuilder(transport, settings, state)
        self._reader = FrameReader(settings.http2_max_header_list_size)
        self._decoder = FieldDecoder(settings.http2_max_header_list_size, settings.limit_request_fields)
        self._urgencies: dict[int, int] = {}  # Of streams that are to come.
        self._requests = 0
        self._skipped: list[range] = []  # Numbers that no stream has had, and none can have any more.
        self._blocks = 0  # That came in more than one frame, and were begun or ended.

    # Inputs.

    def receive_data(self, data: bytes, now: float) -> None:
        """Octets came from the peer."""
        self.latest = now
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
                self.reset_badly(stream, ErrorCodes.STREAM_CLOSED, "fields behind the end of a request", now)
            elif stream_id in self.sessions and self.sessions[stream_id].accepted:
                # "Frame types other than DATA or stream management frames [...] MUST be treated as a stream error".
                # RFC 9113 §8.5
                self.reset_badly(stream, ErrorCodes.PROTOCOL_ERROR, "fields on a WebSocket", now)
            elif not ended or decoder.problem or decoder.too_large or not is_trailer_section(fields):
                self.reset_badly(stream, ErrorCodes.PROTOCOL_ERROR, "malformed trailers", now)
            else:
                self._end_content(stream, now)
        elif stream_id > self.announced_last:
            self.count(HEADERS, now)  # The peer knows, or will, that nobody listens. RFC 9113 §6.8
        else:
            if stream_id > self.last_stream_id + 2:
                # "The first use of a new stream identifier implicitly closes all streams in the 'idle' state" below it.
                # RFC 9113 §5.1.1
                self._skipped = [*self._skipped[-_MAX_SKIPPED:], range(self.last_stream_id + 1, stream_id)]
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
        if len(self.streams) + self.orphans >= most or self.running >= 2 * most:
            self.write_control(encode_reset(stream_id, ErrorCodes.REFUSED_STREAM), now)
            self.remember_reset(stream_id)
            if self.acknowledged:  # Whoever does not know the limit yet is not to blame. RFC 9113 §5.1.2
                self.count_reset(now)
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
                self.sessions[stream_id] = session
                scope = self._scopes.build_websocket(head, handshake.subprotocols.copy())
                self._start(session, session.begin(scope, head, handshake, now))
        else:
            stream = Stream(self, stream_id, self._urgency(stream_id, head), remote_ended=ended)
            self._start(stream, HttpExchange(self._scopes.build(head), head, stream, now))
        if self._requests == settings.limit_requests_per_connection:
            self.announce_last(now)  # What is on its way, the client may send again elsewhere. RFC 9113 §8.7

    def _start(self, stream: Stream, exchange: HttpExchange) -> None:
        self.streams[stream.id] = stream
        self.running += 1
        stream.opened_at = self.outbox.taken
        stream.open(exchange)
        self.outbox.mark_ready(exchange)

    def _refuse(self, stream_id: int, error: PeerError, *, ended: bool, is_head: bool, now: float) -> None:
        """Answer a request that no application will see."""
        stream = self.streams[stream_id] = Stream(self, stream_id, 0, remote_ended=ended)
        stream.refuse(error, now, is_head=is_head)
        if error.status is None:
            self.count_reset(now)

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
                and stream_id not in self.reset_ids
                and kind not in _ALLOWED_BEHIND_THE_END
            ):
                if kind == HEADERS and any(stream_id in numbers for numbers in self._skipped):
                    # "An endpoint that receives an unexpected stream identifier MUST respond with a connection error
                    # of type PROTOCOL_ERROR." RFC 9113 §5.1.1
                    self.fail(ErrorCodes.PROTOCOL_ERROR, "stream with a lower number than the last", now)
                else:
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
            self.reset_badly(stream, ErrorCodes.STREAM_CLOSED, "content behind the end of a request", now)
            return
        if size > stream.receive_window:
            self.fail(ErrorCodes.FLOW_CONTROL_ERROR, "content beyond a stream's window", now)
            return
        stream.receive_window -= size
        ended = stream.remote_ended = bool(flags & END_STREAM)
        if len(content) < size:
            receiver.give_credit(stream, size - len(content))
        if content:
            self._receive_content(stream, content, now)
        elif not ended:
            self.count(DATA, now)
        if ended and stream_id in self.streams:
            self._end_content(stream, now)

    def _receive_content(self, stream: Stream, content: bytes, now: float) -> None:
        """Take content, or refuse what is too much."""
        size = len(content)
        exchange = stream.exchange
        if stream.content_left is not None:
            stream.content_left -= size
            if stream.content_left < 0:
                self.receiver.give_back(size)
                self.reset_badly(stream, ErrorCodes.PROTOCOL_ERROR, "content beyond Content-Length", now)
                return
        limit = self.settings.limit_request_body
        if limit is not None and exchange is not None and not exchange.head.websocket:
            if exchange.bytes_in + size > limit and not exchange.ended:
                self.receiver.give_back(size)
                stream.refuse(PeerError(413, f"request content beyond {limit} bytes"), now)
                return
        if self.waiting:
            self.waiting.pop(stream, None)
        stream.receive_content(content, now)

    def _end_content(self, stream: Stream, now: float) -> None:
        """END_STREAM came."""
        if stream.content_left:
            self.reset_badly(stream, ErrorCodes.PROTOCOL_ERROR, "content short of Content-Length", now)
            return
        if self.waiting:
            self.waiting.pop(stream, None)
        stream.receive_end(now)

    # Other frames.

    def _receive_reset(self, _flags: int, stream_id: int, _payload: bytes, now: float) -> None:
        stream = self._find(stream_id, RST_STREAM, now)
        if stream is not None:
            self.remember_reset(stream_id)
            self.forget(stream, now)
            self.count_reset(now)

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
            self.reset_badly(stream, ErrorCodes.PROTOCOL_ERROR, "window update by nothing", now)
        elif stream.window + increment > MAX_WINDOW_SIZE:
            self.reset_badly(stream, ErrorCodes.FLOW_CONTROL_ERROR, "window beyond what a window can be", now)
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
        elif stream_id > self.last_stream_id and len(self._urgencies) < MAX_REMEMBERED:
            self._urgencies[stream_id] = urgency

    def _receive_settings(self, flags: int, _stream_id: int, payload: bytes, now: float) -> None:
        self.receive_settings(flags, payload, now)

    def _receive_ping(self, flags: int, _stream_id: int, payload: bytes, now: float) -> None:
        self.receive_ping(flags, payload, now)

    def _receive_goaway(self, _flags: int, _stream_id: int, _payload: bytes, now: float) -> None:
        self.receive_goaway(now)


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
