"""h11 as the reader of HTTP/1 messages that passed the gate and are not plain, or of all of them.

h11 starts anew with each message: its state never outlives one, and it is never told what we answer.
"""

from __future__ import annotations

import h11

from .errors import PeerError
from .http1_content import ChunkedGate, LengthGate
from .http1_gate import interpret
from .scope import RequestHead
from .settings import Settings

__all__ = ["H11Content", "read_head"]

# The gate has counted already; h11 may hold whatever the gate has let through.
_NO_LIMIT = 2**62


def read_head(data: bytes) -> tuple[RequestHead, h11.Connection] | PeerError:
    """Read a complete head, and nothing but it, that has passed the gate.

    The gate is stricter than h11, so that a refusal here would be news.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_NO_LIMIT)
    try:
        connection.receive_data(data)
        request = connection.next_event()
    except h11.RemoteProtocolError as error:
        return PeerError(error.error_status_hint, "refused by h11")
    assert isinstance(request, h11.Request)  # noqa: S101 - the head is complete.
    head = interpret(request.method, request.target, b"HTTP/" + request.http_version, list(request.headers))
    return head if isinstance(head, PeerError) else (head, connection)


class H11Content:
    """Content that h11 reads, behind the gate that has read its framing strictly."""

    __slots__ = ("_connection", "_gate", "ended", "position", "refusal", "remaining")

    def __init__(self, connection: h11.Connection, head: RequestHead, settings: Settings) -> None:
        self._connection = connection
        self._gate = ChunkedGate(settings) if head.content_length is None else LengthGate(head.content_length)
        self.remaining = self._gate.remaining
        """Octets of content to come, if that is known."""
        self.position = 0
        """Where the last `receive_data` stopped reading."""
        self.ended = False
        """The content is complete."""
        self.refusal: PeerError | None = None
        """Why the content is refused, once it is."""

    def receive_data(self, data: bytes, start: int) -> bytes:
        """Take octets from `start` and return the content among them; look at `ended` and `position` then."""
        gate = self._gate
        content = gate.receive_data(data, start)
        self.position = gate.position
        self.remaining = gate.remaining
        self.refusal = gate.refusal
        if gate.refusal is not None:
            return content  # h11 may see the fault too, but it would not say what came before it.
        chunks = data[start : gate.passed]
        if gate.ended and gate.remaining is None:
            chunks += b"\r\n"  # In place of the trailer section, which h11 need not see.
        return self._read(chunks) if chunks else b""  # To h11, no octets mean that the connection has ended.

    def _read(self, data: bytes) -> bytes:
        pieces = []
        try:
            self._connection.receive_data(data)
            while True:
                event = self._connection.next_event()
                if isinstance(event, h11.Data):
                    pieces.append(event.data)
                    continue
                self.ended = isinstance(event, h11.EndOfMessage)
                break
        except h11.RemoteProtocolError as error:
            self.refusal = PeerError(error.error_status_hint, "refused by h11")
        return b"".join(pieces)
