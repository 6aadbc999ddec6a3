"""Work and memory: what a field block costs is in proportion to its own size, whatever it refers to."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import pytest

from sansio.field_blocks import FieldDecoder

from .field_block_octets import INDEXING, NEWEST, indexed, literal, size_update


def test_references_to_one_large_entry_share_it() -> None:
    """A small block that names a large field 65,536 times would be 256 MB, and is not even a copy of it."""
    reader = FieldDecoder(2**31, 2**31)
    reader.decode(literal(b"a", b"b" * 4_000, INDEXING))
    block = indexed(NEWEST) * 65_536
    tracemalloc.start()
    try:
        fields = reader.decode(block)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert len(fields) == 65_536
    assert peak < 80 * len(block)


@pytest.mark.parametrize(
    "block",
    [
        indexed(NEWEST) * 65_536,
        literal(NEWEST, b"") * 32_768,
        literal(NEWEST, b"", INDEXING) * 32_768,
        literal(b"", b"", INDEXING) * 20_000,
        size_update(0) * 65_536,
        literal(b"a", b"0" * 100_000, huffman=True),
    ],
    ids=[
        "indices",
        "names' indices",
        "names' indices, indexing",
        "empty literals",
        "size updates",
        "one string",
    ],
)
def test_what_a_block_takes_is_bounded_by_its_own_size(block: bytes) -> None:
    reader = FieldDecoder(65_536, 1_000)
    reader.decode(literal(b"a" * 4_000, b"b", INDEXING))
    tracemalloc.start()
    try:
        reader.decode(block)
        gc.collect()
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 400_000
    assert kept < 40_000


class Counted(bytes):
    """Octets that count how many of them were looked at or copied."""

    touched: int = 0

    def __getitem__(self, index: Any) -> Any:
        result = super().__getitem__(index)
        self.touched += len(result) if isinstance(result, bytes) else 1
        return result


@pytest.mark.parametrize(
    "block",
    [b"\x82" * 9_000, literal(b"a", b"b") * 2_000, literal(1, b"b") * 2_000, literal(b"a", b"b" * 9_000)],
    ids=["indices", "literals", "names' indices", "one string"],
)
def test_no_octet_is_looked_at_more_than_twice(block: bytes) -> None:
    counted = Counted(block)
    FieldDecoder(65_536, 1_000).decode(counted)

    assert counted.touched <= 2 * len(block)


def test_many_strings_in_huffman_code_do_not_fill_memory() -> None:
    """What is remembered of them for other connections is half a MiB at the most."""
    tracemalloc.start()
    try:
        for number in range(2_000):
            reader = FieldDecoder(65_536, 1_000)
            reader.decode(literal(b"a", b"%0150d" % number, huffman=True))
            reader.decode(literal(b"a", b"%0400d" % number, huffman=True))
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert kept < 600_000
