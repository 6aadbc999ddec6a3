"""permessage-deflate: which of a client's offers is taken, and inflating in bounded steps.

A window of 4 KiB and little memory for the compressor are enough for messages, and a client whose window can be
limited costs a fifth of what zlib takes by itself.

Source: RFC 7692.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from .websocket_handshake import Offer

if TYPE_CHECKING:
    from zlib import _Compress, _Decompress

__all__ = ["Deflater", "Inflater", "Parameters", "negotiate"]

_NAME: Final = b"permessage-deflate"
_WINDOW_BITS: Final = 12
_MEMORY_LEVEL: Final = 5
_MIN_WINDOW_BITS: Final = 9  # zlib cannot deflate with fewer.
_BITS: Final = {b"%d" % bits: bits for bits in range(8, 16)}  # "without leading zeroes"

# What is beyond a limit must not be made before that is known.
_SLICE_SIZE: Final = 32_768

_TAIL: Final = b"\x00\x00\xff\xff"

# A block with BFINAL ends zlib's stream, and the rest goes to a new one. No compressor makes more than one a message.
_MAX_STREAMS: Final = 64


class Parameters:
    """What was agreed on."""

    __slots__ = ("answer", "client_bits", "client_takeover", "server_bits", "server_takeover")

    def __init__(self) -> None:
        self.answer = b""
        """The value of Sec-WebSocket-Extensions in the response."""
        self.server_bits = _WINDOW_BITS
        self.server_takeover = True
        """Our compressor keeps its window from one message to the next."""
        self.client_bits = 15
        self.client_takeover = True


def negotiate(offers: Sequence[Offer]) -> Parameters | None:
    """Take the first offer that can be kept; None if there is none.

    "A server MUST decline an extension negotiation offer [...] with an extension parameter not defined for use in an
    offer", with an invalid value, or with a parameter given twice (RFC 7692 §7).
    """
    for offer in offers:
        if offer.name == _NAME:
            parameters = _agree(offer)
            if parameters is not None:
                return parameters
    return None


def _agree(offer: Offer) -> Parameters | None:
    result = Parameters()
    given = dict(offer.parameters)
    if len(given) != len(offer.parameters):
        return None
    answer = [_NAME]
    for name, value in offer.parameters:
        if name == b"server_no_context_takeover" and value is None:
            result.server_takeover = False
            answer.append(name)
        elif name == b"client_no_context_takeover" and value is None:
            result.client_takeover = False
            answer.append(name)
        elif name == b"server_max_window_bits" and value in _BITS:
            bits = _BITS[value]
            if bits < _MIN_WINDOW_BITS:
                return None
            result.server_bits = min(bits, _WINDOW_BITS)
        elif name == b"client_max_window_bits" and (value is None or value in _BITS):
            result.client_bits = _WINDOW_BITS if value is None else min(_BITS[value], _WINDOW_BITS)
            answer.append(b"client_max_window_bits=%d" % result.client_bits)
        else:
            return None
    # "A server may include the 'server_max_window_bits' extension parameter [...] even if the extension negotiation
    # offer being accepted by the response didn't include [it]." RFC 7692 §7.1.2.1
    answer.append(b"server_max_window_bits=%d" % result.server_bits)
    result.answer = b"; ".join(answer)
    return result


class Inflater:
    """Decompresses what the client sends, no further than somebody asks for."""

    __slots__ = ("_bits", "_streams", "_takeover", "_zlib")

    def __init__(self, parameters: Parameters) -> None:
        self._bits = -max(parameters.client_bits, _MIN_WINDOW_BITS)
        self._takeover = parameters.client_takeover
        self._zlib: _Decompress | None = None
        self._streams = 0

    def inflate(self, data: bytes) -> Iterator[bytes]:
        """Yield what these octets of a message stand for, in slices of 32 KiB at most.

        Who has seen enough stops asking. Raises `zlib.error` for what is not deflated.
        """
        while True:
            if self._zlib is None:
                self._streams += 1
                if self._streams > _MAX_STREAMS:
                    raise zlib.error("too many streams in one message")
                self._zlib = zlib.decompressobj(self._bits)
            piece = self._zlib.decompress(data, _SLICE_SIZE)
            if piece:
                yield piece
            if self._zlib.eof:
                # "an endpoint MUST accept" a block with BFINAL (RFC 7692 §7.2.3.4): another stream follows.
                data = self._zlib.unused_data
                self._zlib = None
                if not data:
                    return
            elif len(piece) < _SLICE_SIZE:
                return
            else:
                data = self._zlib.unconsumed_tail

    def finish(self) -> Iterator[bytes]:
        """The message is complete. Yield the rest of it, as `inflate` does."""
        yield from self.inflate(_TAIL)
        self._streams = 0
        if not self._takeover:
            self._zlib = None


class Deflater:
    """Compresses messages for the client."""

    __slots__ = ("_bits", "_takeover", "_zlib")

    def __init__(self, parameters: Parameters) -> None:
        self._bits = -parameters.server_bits
        self._takeover = parameters.server_takeover
        self._zlib: _Compress | None = None

    def deflate(self, data: bytes) -> bytes:
        """Return the payload of a whole message."""
        if self._zlib is None:
            self._zlib = zlib.compressobj(wbits=self._bits, memLevel=_MEMORY_LEVEL)
        payload = self._zlib.compress(data) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
        if not self._takeover:
            self._zlib = None
        return payload[: -len(_TAIL)]
