"""The law of the reader of field blocks: it reads what hpack reads, refuses what hpack refuses, and keeps its table.

There is one difference: a list beyond the limit ends hpack's work, while ours goes on to the block's end.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

import pytest
from hpack.exceptions import HPACKError, OversizedHeaderListError
from hpack.hpack import Decoder, Encoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sansio.asgi import Field
from sansio.field_blocks import FieldBlockError, FieldDecoder, decode_field, encode_field

from .field_block_octets import (
    INDEXING,
    NEVER_INDEXED,
    NEWEST,
    WITHOUT_INDEXING,
    indexed,
    integer,
    literal,
    size_update,
)

UNLIMITED: Final = 2**31

thorough: Final = settings(
    max_examples=2 * settings().max_examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

names = st.one_of(
    st.sampled_from([b":path", b":status", b"cookie", b"x-a", b"x-b", b"Accept", b"", b"n" * 200]),
    st.binary(max_size=10),
)
values = st.one_of(
    st.sampled_from([b"", b"/", b"GET", b"a", b" ", b"v" * 127, b"v" * 2_000, b"v" * 5_000]),
    st.binary(max_size=40),
)
fields = st.tuples(names, values)
table_sizes = st.sampled_from([0, 31, 32, 33, 64, 100, 500, 4_095, 4_096])


class Pair:
    """Our reader and hpack's, which are given the same blocks."""

    def __init__(self, max_list_size: int = UNLIMITED) -> None:
        self.ours = FieldDecoder(max_list_size, UNLIMITED)
        self.judge = Decoder(max_list_size)

    def decode(self, block: bytes) -> list[Field] | None:
        """Read a block with both, which must agree; None if they refuse it."""
        expected: list[Any] | None
        try:
            expected = [tuple(field) for field in self.judge.decode(block, raw=True)]
        except HPACKError:
            expected = None
        result: list[Field] | None
        try:
            result = self.ours.decode(block)
        except FieldBlockError:
            result = None

        assert result == expected
        return result

    def compare_tables(self) -> None:
        """Name each index of the dynamic table, and the first one beyond it."""
        for index in itertools.count(NEWEST):
            if self.decode(indexed(index)) is None:
                break


@thorough
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(fields, st.booleans()), max_size=8),
            st.lists(table_sizes, max_size=3),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_what_a_writer_makes_is_read(
    blocks: list[tuple[list[tuple[Field, bool]], list[int], bool]],
) -> None:
    encoder = Encoder()
    pair = Pair()
    for items, sizes, huffman in blocks:
        for size in sizes:
            # The writer forgets to tell of a change that is followed by none.
            if size != encoder.header_table_size:
                encoder.header_table_size = size
        block = encoder.encode([(name, value, secret) for (name, value), secret in items], huffman)

        assert pair.decode(block) == [field for field, _ in items]

    pair.compare_tables()


indices = st.one_of(st.integers(0, 70), st.integers(0, 130), st.just(2**32))
kinds = st.sampled_from([INDEXING, INDEXING, INDEXING, WITHOUT_INDEXING, NEVER_INDEXED])
representations = st.one_of(
    st.builds(indexed, indices),
    st.builds(literal, indices.filter(bool) | names, values, kinds, st.booleans()),
    st.builds(size_update, table_sizes),
    st.builds(size_update, st.just(4_097)),
    st.builds(
        lambda octets: b"\x00" + integer(0x80, 7, len(octets)) + octets + b"\x00", st.binary(max_size=6)
    ),
    st.builds(
        integer,
        st.sampled_from([0x80, 0x00, 0x20]),
        st.just(7),
        st.just(127),
        st.integers(min_value=0, max_value=6),
    ),
    st.binary(max_size=4),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A block with a few representations, perhaps cut, or with an octet changed."""
    block = b"".join(draw(st.lists(representations, max_size=6)))
    kind = draw(st.sampled_from(["as it is", "as it is", "cut", "changed"]))
    if not block or kind == "as it is":
        return block
    place = draw(st.integers(0, len(block) - 1))
    if kind == "cut":
        return block[:place]
    return block[:place] + bytes([draw(st.integers(0, 255))]) + block[place + 1 :]


@thorough
@given(st.lists(mutated(), max_size=6))
def test_a_hostile_block_is_read_or_refused_like_by_the_judge(blocks: list[bytes]) -> None:
    pair = Pair()
    for block in blocks:
        if pair.decode(block) is None:
            return
    pair.compare_tables()


@thorough
@given(st.binary(max_size=60))
def test_any_octets_are_read_or_refused_like_by_the_judge(block: bytes) -> None:
    pair = Pair()
    if pair.decode(block) is not None:
        pair.compare_tables()


@thorough
@given(st.lists(representations, max_size=8).map(b"".join), st.integers(0, 400))
def test_a_block_beyond_the_limit_is_too_large_where_the_judge_ends(block: bytes, limit: int) -> None:
    """RFC 9113 §10.5.1: a list that is too large is no reason to lose the connection's state."""
    ours, roomy, judge = FieldDecoder(limit, UNLIMITED), FieldDecoder(UNLIMITED, UNLIMITED), Decoder(limit)
    try:
        everything = roomy.decode(block)
    except FieldBlockError:
        with pytest.raises(FieldBlockError):
            ours.decode(block)
        return
    result = ours.decode(block)
    sizes = itertools.accumulate(len(name) + len(value) + 32 for name, value in everything)
    try:
        judge.decode(block, raw=True)
        oversized = False
    except OversizedHeaderListError:
        oversized = True

    assert ours.too_large is oversized
    assert result == everything[: sum(size <= limit for size in sizes)]
    assert ours.problem == roomy.problem


def spelled(octets: bytes) -> bytes | None:
    """Decode a string of the Huffman code bit by bit (RFC 7541 §5.2 and appendix B)."""
    bits = "".join(f"{octet:08b}" for octet in octets)
    symbols = []
    code = ""
    for bit in bits:
        code += bit
        if code in SYMBOLS:
            symbols.append(SYMBOLS[code])
            code = ""
    if 256 in symbols or len(code) > 7 or "0" in code:
        return None
    return bytes(symbols)


SYMBOLS: Final = {
    f"{code:0{length}b}": symbol
    for symbol, (code, length) in enumerate(zip(REQUEST_CODES, REQUEST_CODES_LENGTH, strict=True))
}


def value_of(octets: bytes) -> bytes | None:
    """Read a value of these octets in the Huffman code."""
    try:
        [(_, value)] = FieldDecoder(UNLIMITED, 1).decode(b"\x04" + integer(0x80, 7, len(octets)) + octets)
    except FieldBlockError:
        return None
    return value


@pytest.mark.parametrize("first", range(0, 256, 5))
def test_strings_of_two_octets_are_read_as_the_code_spells_them(first: int) -> None:
    """RFC 7541 §5.2: the padding is shorter than an octet, of ones, and the end of a string is never in it."""
    strings = [bytes([first]), *(bytes([first, second]) for second in range(0, 256, 3)), bytes([first, 0xFF])]

    assert [value_of(octets) for octets in strings] == [spelled(octets) for octets in strings]


@thorough
@given(st.binary(max_size=12) | st.binary(max_size=12).map(lambda octets: b"\xff\xff\xff" + octets))
def test_a_string_is_read_as_the_code_spells_it(octets: bytes) -> None:
    assert value_of(octets) == spelled(octets)


@thorough
@given(st.lists(fields, max_size=10))
def test_what_we_write_is_read_by_the_judge_and_by_us(items: list[Field]) -> None:
    judge = Decoder(UNLIMITED)
    lines = [encode_field(name, value) for name, value in items]

    assert [tuple(field) for field in judge.decode(b"".join(lines), raw=True)] == items
    assert not judge.header_table.dynamic_entries
    assert [decode_field(line) for line in lines] == items
    assert FieldDecoder(UNLIMITED, UNLIMITED).decode(b"".join(lines)) == items
