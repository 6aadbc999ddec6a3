"""Field blocks, read by the machine and by hpack: both must read the same, or both refuse.

The first octet chooses the limits. Blocks follow, each behind its length in two octets. There is one difference: a
list beyond the limit ends hpack's work, while ours goes on to the block's end (RFC 9113 §10.5.1), so hpack is not told
of the limit, and what must be left out is counted here.

Source: RFC 7541.
"""

from __future__ import annotations

import itertools
import random
from typing import Final

from hpack import Decoder, Encoder, HPACKError

from sansio.field_blocks import FieldBlockError, FieldDecoder

from .generate import Chooser, mutate

__all__ = ["check_field_blocks", "field_block_seeds", "mutate_field_blocks"]

_UNLIMITED: Final = 2**31
_LIMITS: Final = (_UNLIMITED, 65_536, 400, 33, 1)
_MANY: Final = (_UNLIMITED, 100, 3)
_MAX_BLOCKS: Final = 12
_MANY_STRINGS: Final = 1_100
_NEWEST: Final = 62
_MAX_INDEX: Final = 62 + 4_096 // 32

_PIECES: Final = (
    b"\x82",
    b"\xbe",
    b"\xbf\xc0",
    b"\x80",
    b"\xff\x00",
    b"\xff\x80\x80\x80\x00",
    b"\x20",
    b"\x3f\x01",
    b"\x3f\xe1\x1f",
    b"\x3f\xe2\x1f",
    b"\x40\x03x-a\x01b",
    b"\x40\x03x-a\x83\x1c\x64\x5d",
    b"\x41\x01a",
    b"\x00\x01a\x00",
    b"\x10\x01a\x01b",
    b"\x7f\x00\x01c",
    b"\x0f\x10\x01c",
    b"\x1f\x2f\x01c",
    b"\x00\x03X-A\x03a\x00b",
    b"\x00\x85\xff\xff\xff\xff\xff\x01a",
    b"\x40\x00\x7f\x80\x01" + b"v" * 255,
    b"\x40\x0a" + b"n" * 10 + b"\x7f\xd9\x1d" + b"w" * 3_928,
    b"\xff\x80\x80\x80\x80\x80\x00",
)


def check_field_blocks(data: bytes) -> None:
    """Read the same blocks with both, and then every entry of the tables."""
    first = data[0] if data else 0
    limit, most = _LIMITS[first % len(_LIMITS)], _MANY[first // len(_LIMITS) % len(_MANY)]
    ours, judge = FieldDecoder(limit, most), Decoder(_UNLIMITED)
    for block in _split(data[1:]):
        if not _compare(ours, judge, block, limit, most):
            return
    for index in range(_NEWEST, _MAX_INDEX + 2):
        if not _compare(
            ours, judge, bytes([0xFF, *_rest(index)]) if index >= 127 else bytes([0x80 | index]), limit, most
        ):
            return


def _rest(index: int) -> bytes:
    index -= 127
    return bytes([index & 127 | 128, index >> 7]) if index > 127 else bytes([index])


def _split(data: bytes) -> list[bytes]:
    blocks: list[bytes] = []
    while data and len(blocks) < _MAX_BLOCKS:
        size = int.from_bytes(data[:2], "big")
        blocks.append(data[2 : 2 + size])
        data = data[2 + size :]
    return blocks


def _join(blocks: list[bytes]) -> bytes:
    return b"".join(len(block).to_bytes(2, "big") + block for block in blocks)


def _compare(ours: FieldDecoder, judge: Decoder, block: bytes, limit: int, most: int) -> bool:
    """Read a block with both; false if both refuse it."""
    try:
        everything = [(bytes(name), bytes(value)) for name, value in judge.decode(block, raw=True)]
    except HPACKError as error:
        try:
            result = ours.decode(block)
        except FieldBlockError:
            return False
        raise AssertionError(f"taken, and hpack refuses it: {error!r}, {result}") from error
    try:
        result = ours.decode(block)
    except FieldBlockError as error:
        raise AssertionError(f"refused, and hpack takes it: {error!r}, {everything}") from error
    sizes = list(itertools.accumulate(len(name) + len(value) + 32 for name, value in everything))
    kept = [field for number, field in enumerate(everything) if sizes[number] <= limit and number < most]
    assert result == kept, f"other fields: {result}, {kept}"
    assert ours.too_large is (len(kept) < len(everything)), f"too large is not told: {len(everything)} fields"
    return True


def mutate_field_blocks(data: bytes, chooser: Chooser) -> bytes:
    """Change some octets, or put representations in, or change the order of blocks."""
    blocks = _split(data[1:])
    way = chooser.randint(0, 4)
    if not way or not blocks:
        return mutate(data, chooser)
    place = chooser.randint(0, len(blocks) - 1)
    if way == 1:
        blocks.insert(place, chooser.choice(blocks))
    elif way == 2:
        blocks[place] = mutate(blocks[place], chooser)
    else:
        middle = chooser.randint(0, len(blocks[place]))
        pieces = b"".join(chooser.choice(_PIECES) for _ in range(chooser.randint(1, 4)))
        blocks[place] = blocks[place][:middle] + pieces + blocks[place][middle:]
    return data[:1] + _join(blocks)


def field_block_seeds() -> list[bytes]:
    """Return blocks of an encoder that uses its table, and of each representation."""
    rng = random.Random(6)
    seeds = [bytes([number]) + _join([piece, piece]) for number, piece in enumerate(_PIECES)]
    for number in range(30):
        encoder = Encoder()
        blocks = []
        for _ in range(rng.randint(1, 5)):
            if rng.random() < 0.3:
                encoder.header_table_size = rng.choice((0, 64, 100, 4_096))
            names = (b":path", b":method", b"cookie", b"x-a", b"accept", b"x-b")
            fields = [
                (rng.choice(names), rng.choice((b"/", b"GET", b"a" * 40, b"\xff")))
                for _ in range(rng.randint(0, 6))
            ]
            blocks.append(encoder.encode(fields, huffman=rng.random() < 0.5))
        seeds.append(bytes([number % 15]) + _join(blocks))
    # More strings in the Huffman code than are kept decoded.
    many = [(b"x", b"%x" % number) for number in range(256, 256 + _MANY_STRINGS)]
    seeds.append(bytes(1) + _join([Encoder().encode(many, huffman=True)]))
    return seeds
