"""Frames of a client of WebSockets, right and nearly right: what a mutator puts between others, or makes of them."""

from __future__ import annotations

import zlib
from typing import Final

from .generate import Chooser, mutate

__all__ = [
    "OFFERS",
    "change",
    "deflate",
    "encode",
    "far",
    "invent",
    "measure",
    "offer",
    "read_frames",
    "unmask",
]

OFFERS: Final = (
    b"",
    b"permessage-deflate",
    b"permessage-deflate; client_max_window_bits",
    b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    b"permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
    b"permessage-deflate; server_max_window_bits=8, x-other, permessage-deflate; client_no_context_takeover",
    b"permessage-deflate; client_max_window_bits=8",
    b'permessage-deflate; server_max_window_bits="10"',
    b"permessage-deflate;client_max_window_bits=15;server_max_window_bits=15",
)
_PARAMETERS: Final = (
    b"server_no_context_takeover",
    b"client_no_context_takeover",
    b"client_max_window_bits",
    b"client_max_window_bits=%d",
    b"server_max_window_bits=%d",
    b'server_max_window_bits="%d"',
    b"server_max_window_bits=0%d",
    b"server_max_window_bits",
    b"client_no_context_takeover=%d",
    b"unknown",
)
_NAMES: Final = (b"permessage-deflate",) * 5 + (
    b"x-webkit-deflate-frame",
    b"Permessage-Deflate",
    b"permessage deflate",
)

_FIRSTS: Final = b"\x81\x82\x81\x82\x01\x02\x00\x80\x80\x89\x8a\x88\xc1\xc2\x41\x42\xc0\x40"
_ODD_FIRSTS: Final = b"\x83\x87\x8b\x8f\xa1\x91\x09\x0a\x08\xc9\xc8\xf1\x03\xa0\x90\x8c"
_MASKS: Final = (bytes(4), b"\x37\xfa\x21\x3d")
_TEXTS: Final = (
    b"",
    b"a",
    b"Hello",
    "é".encode(),
    "κόσμε".encode(),
    "\U0001f600".encode(),
    b"\xff",
    b"\xc3",
    b"\xa9",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"\xf4\x90\x80\x80",
    b"\xf0\x9f\x98",
    b"\xe2\x82",
    b"a\x00b",
    b"x" * 19,
    b"x" * 20,
    b"x" * 21,
    b"y" * 125,
    b"y" * 126,
    b"ab" * 499,
    b"abcdefgh" * 125,
    b"z" * 1_001,
)
_CODES: Final = (
    1000,
    1001,
    1002,
    1003,
    1004,
    1005,
    1006,
    1007,
    1008,
    1009,
    1010,
    1011,
    1012,
    1013,
    1014,
    1015,
)
_MORE_CODES: Final = (1016, 1099, 1100, 1999, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65_535, 0, 1, 999)
_REASONS: Final = (b"", b"", b"bye", "é".encode(), b"\xff", b"\xc3", b"r" * 123)
_BITS: Final = (9, 12, 15)
_DISTANCES: Final = (300, 500, 600, 4_000, 4_200, 32_000)
_SIZES: Final = (0, 1, 125, 126, 127)
_BOMB: Final = 300_000


def encode(first: int, payload: bytes, mask: bytes | None = _MASKS[0], *, width: int | None = None) -> bytes:
    """Return a frame. `width` is how many octets its length has behind the second octet: 0, 2 or 8."""
    size = len(payload)
    if width is None:
        width = 0 if size < 126 else 2 if size < 65_536 else 8
    bit = 0 if mask is None else 0x80
    second = {0: size & 0x7F, 2: 126, 8: 127}[width]
    length = size.to_bytes(8, "big")[8 - width :]
    return bytes((first, bit | second)) + length + (payload if mask is None else mask + unmask(payload, mask))


def unmask(payload: bytes, mask: bytes) -> bytes:
    """Return a payload without its mask, or with it (RFC 6455 §5.3)."""
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")


def measure(octets: bytes) -> tuple[int, int] | None:
    """Return how many octets the header of a frame has, and how many its payload; None: that cannot be known yet."""
    if len(octets) < 2:
        return None
    size = octets[1] & 0x7F
    width = {126: 2, 127: 8}.get(size, 0)
    header = 2 + width + (4 if octets[1] & 0x80 else 0)
    if len(octets) < header:
        return None
    return header, int.from_bytes(octets[2 : 2 + width], "big") if width else size


def read_frames(data: bytes) -> list[bytes]:
    """Cut octets into frames; the last of them may be incomplete."""
    frames = []
    while data:
        measured = measure(data)
        size = sum(measured) if measured else len(data)
        frames.append(data[:size])
        data = data[size:]
    return frames


def deflate(payload: bytes, bits: int = 12, *, final: bool = False) -> bytes:
    """Return the payload of a compressed message (RFC 7692 §7.2.1); `final`: one block says that it is the last."""
    compressor = zlib.compressobj(wbits=-bits)
    if final:
        return compressor.compress(payload) + compressor.flush() + b"\0"
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def far(distance: int) -> bytes:
    """Return content that leans on octets which are so far away, if the window is large enough."""
    head = bytes(range(0x21, 0x7F))
    return head + b" " * (distance - len(head)) + head


def offer(chooser: Chooser) -> bytes:
    """Return what a client may offer, or nearly so."""
    if chooser.randint(0, 1):
        return chooser.choice(OFFERS)
    offers = []
    for _ in range(chooser.randint(1, 3)):
        parameters = [chooser.choice(_PARAMETERS) for _ in range(chooser.choice((0, 1, 1, 2, 3)))]
        said = [each % chooser.randint(7, 16) if b"%" in each else each for each in parameters]
        offers.append(chooser.choice((b";", b"; ", b" ;\t")).join([chooser.choice(_NAMES), *said]))
    value = chooser.choice((b",", b", ", b" , ,")).join(offers)
    return mutate(value, chooser) if chooser.randint(0, 7) == 0 else value


def invent(chooser: Chooser) -> list[bytes]:
    """Return frames that a client can send, if it may or not."""
    mask = chooser.choice(_MASKS)
    text = b"".join(chooser.choice(_TEXTS) for _ in range(chooser.choice((1, 1, 1, 2, 3))))
    match chooser.randint(0, 10):
        case 0 | 1:
            return [encode(chooser.choice(b"\x81\x82"), text, mask)]
        case 10:
            payload = b"s" * chooser.choice(_SIZES)
            return [encode(chooser.choice(_FIRSTS), payload, mask, width=chooser.choice((2, 8)))]
        case _:
            first = chooser.choice(_FIRSTS if chooser.randint(0, 1) else _ODD_FIRSTS)
            return [encode(first, text[:125], mask if chooser.randint(0, 7) else None)]


def _compress(text: bytes, chooser: Chooser) -> list[bytes]:
    """Return compressed messages, one that leans on the other perhaps."""
    kind = chooser.choice((1, 2))
    bits = chooser.choice(_BITS)
    way = chooser.randint(0, 5)
    if way == 0:
        return _split(kind | 0x40, deflate(bytes(_BOMB), bits), chooser)
    if way == 1:
        streams = b"".join(deflate(text, bits, final=True) for _ in range(chooser.choice((1, 2, 63, 64, 65))))
        return _split(kind | 0x40, streams, chooser)
    if way == 2:
        return _split(kind | 0x40, mutate(deflate(text, bits), chooser), chooser)
    if way == 3:
        text = far(chooser.choice(_DISTANCES))
    compressor = zlib.compressobj(wbits=-bits)
    frames = []
    for _ in range(chooser.randint(1, 3)):
        payload = (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
        frames += _split(kind | 0x40, payload, chooser)
    return frames


def _split(first: int, payload: bytes, chooser: Chooser) -> list[bytes]:
    """Cut a message into fragments, with something in between at times."""
    places = sorted(chooser.randint(0, len(payload)) for _ in range(chooser.choice((0, 1, 1, 2, 3))))
    pieces = [payload[start:end] for start, end in zip([0, *places], [*places, len(payload)], strict=True)]
    frames = []
    for number, piece in enumerate(pieces):
        kind = (0 if number else first) | (0x80 if number == len(pieces) - 1 else 0)
        frames.append(encode(kind, piece, chooser.choice(_MASKS)))
        if chooser.randint(0, 5) == 0:
            frames.append(encode(chooser.choice(b"\x89\x8a\x89\x8a\x88"), b""))
    return frames


def change(octets: bytes, chooser: Chooser) -> list[bytes]:
    """Make other frames of one: its first octet, length, mask, payload, or several of one."""
    measured = measure(octets)
    if measured is None or len(octets) < measured[0]:
        return [mutate(octets, chooser)]
    header = measured[0]
    mask = octets[header - 4 : header] if octets[1] & 0x80 else None
    payload = octets[header:]
    if mask is not None:
        payload = unmask(payload, mask)
    first = octets[0]
    match chooser.randint(0, 9):
        case 0:
            first ^= chooser.choice((0x80, 0x40, 0x20, 0x10, 0x01, 0x02, 0x03))
        case 1:
            first = chooser.choice(_FIRSTS)
        case 2:
            mask = chooser.choice((None, *_MASKS, b"\xff\x00\x80\x01"))
        case 3:
            width = chooser.choice((0, 2, 8))
            return [encode(first, payload, mask, width=8 if len(payload) > 65_535 else width)]
        case 4:
            payload = payload[: chooser.randint(0, len(payload))]
        case 5:
            payload += chooser.choice(_TEXTS)
        case 6:
            return _split(first & 0x7F, payload, chooser)
        case 7 if first & 0x3:
            payload = deflate(payload, chooser.choice(_BITS), final=chooser.randint(0, 3) == 0)
            first |= 0x40
        case 8 if first == 0x88:
            payload = chooser.choice((*_CODES, *_MORE_CODES)).to_bytes(2, "big") + payload[2:]
        case _:
            payload = mutate(payload, chooser)
    return [encode(first, payload, mask)]
