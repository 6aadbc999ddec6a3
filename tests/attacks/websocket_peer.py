"""A hostile client of WebSocket on a blocking socket; `fuzz.wire` reads the frames of the server."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from typing import Final

from fuzz.wire import Deflate, Side, read_deflate, read_frames
from tests.attacks.attack import Victim, demand
from tests.attacks.client import Ended

__all__ = [
    "BINARY",
    "CLOSE",
    "COMPRESSED",
    "CONTINUATION",
    "DEFLATE",
    "FIN",
    "HANDSHAKE",
    "PING",
    "PONG",
    "TEXT",
    "WebSocketPeer",
    "deflated",
    "frame",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN: Final = 0x80
COMPRESSED: Final = 0x40

DEFLATE: Final = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"

HANDSHAKE: Final = (
    b"GET %b HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%b\r\n"
)
"""To be completed with a path, and with more lines of fields."""

_TAIL: Final = b"\x00\x00\xff\xff"
_LONG: Final = 5.0


def frame(first: int, payload: bytes = b"", *, length: int | None = None, masked: bool = True) -> bytes:
    """Return a frame whose mask is zeros. Its length may be a lie."""
    size = len(payload) if length is None else length
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 65_536:
        head = bytes((first, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + size.to_bytes(8, "big")
    return head + (bytes(4) if masked else b"") + payload


def deflated(payload: bytes) -> bytes:
    """Return a payload as permessage-deflate has it (RFC 7692 §7.2.1)."""
    compressor = zlib.compressobj(wbits=-12)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)


class WebSocketPeer:
    """One connection that asks for a WebSocket at once."""

    def __init__(
        self, victim: Victim, path: str = "/", fields: bytes = b"", *, receive_buffer: int | None = None
    ) -> None:
        self.client = victim.connect(receive_buffer=receive_buffer)
        self.ended = False
        """The server has ended the connection."""
        self._octets = b""
        self._deflate: Deflate | None = None
        self.client.send(HANDSHAKE % (path.encode(), fields))

    @classmethod
    def open(
        cls, victim: Victim, path: str = "/", fields: bytes = b"", *, receive_buffer: int | None = None
    ) -> WebSocketPeer:
        """Open a WebSocket."""
        peer = cls(victim, path, fields, receive_buffer=receive_buffer)
        peer.accepted()
        return peer

    def accepted(self) -> None:
        """Read the answer to the handshake, which must be a 101."""
        octets = self.client.receive_until(b"\r\n\r\n", _LONG)
        head, _, self._octets = octets.partition(b"\r\n\r\n")
        demand(head.startswith(b"HTTP/1.1 101 "), f"refused a good handshake: {head[:40]!r}")
        self._deflate = read_deflate(head + b"\r\n")

    @property
    def seen(self) -> Side:
        """What the server has said in frames so far."""
        return read_frames(self._octets, self._deflate, client=False)

    def read_until(self, condition: Callable[[Side], bool], what: str, within: float = _LONG) -> Side:
        """Read frames until something is so. Raises `Ended`."""
        give_up_at = time.monotonic() + within
        while not condition(side := self.seen):
            left = give_up_at - time.monotonic()
            demand(left > 0, f"no sign of {what} in {within:g} seconds")
            try:
                octets = self.client.receive(within=left)
            except TimeoutError:
                continue
            if not octets:
                raise Ended(f"the connection has ended, and no sign of {what}")
            self._octets += octets
        return side

    def rest(self, within: float = _LONG) -> Side:
        """Read until the server has ended the connection, which it must."""
        answer = self.client.receive_all(within)
        self._octets += answer.data
        demand(answer.ended, f"the connection was still open after {within:g} seconds")
        return self.seen

    def check_close(self, *codes: int, within: float = _LONG) -> None:
        """The server closes with one of these codes, and ends the connection."""
        side = self.rest(within)
        code = side.close[0] if side.close else None
        demand(code in codes, f"closed with {code}, not with {' or '.join(map(str, codes))}")
