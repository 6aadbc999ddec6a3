"""Field blocks, put together octet by octet: all that RFC 7541 §6 has, and what it does not have."""

from __future__ import annotations

from typing import Final

from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from sansio.asgi import Field
from sansio.field_blocks import FieldBlockError, FieldDecoder

HUFFMAN: Final = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)

NEWEST: Final = 62
"""The first index of the dynamic table."""

INDEXING: Final = (0x40, 6)
WITHOUT_INDEXING: Final = (0x00, 4)
NEVER_INDEXED: Final = (0x10, 4)
"""The first octet of a literal, and how many bits of it are an index."""


def integer(kind: int, prefix: int, value: int, padding: int = 0) -> bytes:
    """An integer (RFC 7541 §5.1), with so many octets of zeroes that it does not need."""
    full = (1 << prefix) - 1
    if value < full:
        return bytes([kind | value])
    octets = [kind | full]
    value -= full
    while value >= 0x80:
        octets.append(0x80 | value & 0x7F)
        value >>= 7
    octets.append(value)
    if padding:
        octets[-1] |= 0x80
        octets += [0x80] * (padding - 1) + [0x00]
    return bytes(octets)


def string(value: bytes, huffman: bool = False) -> bytes:
    """A string (RFC 7541 §5.2)."""
    octets = HUFFMAN.encode(value) if huffman else value
    return integer(0x80 if huffman else 0x00, 7, len(octets)) + octets


def indexed(index: int) -> bytes:
    return integer(0x80, 7, index)


def size_update(size: int) -> bytes:
    return integer(0x20, 5, size)


def literal(
    name: bytes | int, value: bytes, kind: tuple[int, int] = WITHOUT_INDEXING, huffman: bool = False
) -> bytes:
    """A literal field; its name is a string or an index."""
    start, prefix = kind
    if isinstance(name, int):
        return integer(start, prefix, name) + string(value, huffman)
    return bytes([start]) + string(name, huffman) + string(value, huffman)


def table_of(reader: FieldDecoder) -> list[Field]:
    """What is in the dynamic table, the newest first: indices are tried until there is none."""
    fields: list[Field] = []
    while True:
        try:
            fields += reader.decode(indexed(NEWEST + len(fields)))
        except FieldBlockError:
            return fields
