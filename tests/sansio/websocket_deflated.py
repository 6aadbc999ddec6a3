"""Messages as a client compresses them, and what it offers, for the tests of permessage-deflate."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable
from itertools import chain

from hypothesis import strategies as st

from sansio.scope import RequestHead
from sansio.websocket_deflate import Inflater, Parameters, negotiate
from sansio.websocket_handshake import Handshake, Offer, read_handshake

__all__ = ["MEBIBYTE", "NOISE", "agreed_on", "compress", "cut", "inflate", "messages", "read_offers", "sizes"]

MEBIBYTE = 1 << 20
NOISE = random.Random(7692).randbytes(24_000)

REQUIRED = [(b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="), (b"sec-websocket-version", b"13")]

messages = st.lists(
    st.builds(
        lambda start, size, times: NOISE[start : start + size] * times,
        st.integers(0, 20_000),
        st.sampled_from([0, 1, 3, 300, 600, 5_000]),
        st.integers(1, 4),
    ),
    min_size=1,
    max_size=5,
)
sizes = st.sampled_from([1, 2, 7, 64, 1_000, 100_000])


def read_offers(value: str) -> list[Offer]:
    fields = [*REQUIRED, (b"sec-websocket-extensions", value.encode())]
    handshake = read_handshake(RequestHead("GET", b"/", "1.1", fields))
    assert isinstance(handshake, Handshake)
    return handshake.offers


def agreed_on(parameters: str = "") -> Parameters:
    agreed = negotiate(read_offers("permessage-deflate" + parameters))
    assert agreed is not None
    return agreed


def inflate(inflater: Inflater, pieces: Iterable[bytes], limit: int = MEBIBYTE) -> bytes | None:
    """Return a message that comes in pieces. None: it is beyond the limit, and no more of it was asked for."""
    message = b""
    for part in chain(chain.from_iterable(map(inflater.inflate, pieces)), inflater.finish()):
        message += part
        if len(message) > limit:
            return None
    return message


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def compress(data: bytes, bits: int = 15, level: int = -1) -> bytes:
    """Return the payload of a message, as a client's first one."""
    compressor = zlib.compressobj(level, wbits=-bits)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
