"""Reading and writing field blocks: RFC 7541, and the fields that RFC 9113 calls malformed."""

from __future__ import annotations

from typing import Final

import pytest
from hpack.hpack import Decoder

from sansio.asgi import Field
from sansio.field_blocks import STATUS, FieldBlockError, FieldDecoder, decode_field, encode_field

from .field_block_octets import (
    INDEXING,
    NEVER_INDEXED,
    NEWEST,
    WITHOUT_INDEXING,
    indexed,
    integer,
    literal,
    size_update,
    string,
    table_of,
)

GET: Final = (b":method", b"GET")
KINDS: Final = {"indexing": INDEXING, "without": WITHOUT_INDEXING, "never": NEVER_INDEXED}


def decoder(
    max_list_size: int = 65_536, max_fields: int = 1_000, max_table_size: int = 4_096
) -> FieldDecoder:
    return FieldDecoder(max_list_size, max_fields, max_table_size)


@pytest.mark.parametrize("huffman", [False, True], ids=["plain", "huffman"])
@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 4_000, 20_000])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_strings_of_all_sizes_are_read(kind: tuple[int, int], size: int, huffman: bool) -> None:
    name, value = b"n" * (size or 1), b"v" * size

    assert decoder().decode(literal(name, value, kind, huffman)) == [(name, value)]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("index", range(1, 62))
def test_each_place_of_the_static_table_names_a_literal(index: int, kind: tuple[int, int]) -> None:
    """RFC 7541 appendix A."""
    [(name, value)] = Decoder().decode(indexed(index), raw=True)

    assert decoder().decode(indexed(index) + literal(index, b"v", kind)) == [(name, value), (name, b"v")]


def test_an_empty_block_has_no_fields() -> None:
    assert decoder().decode(b"") == []


def test_a_field_holds_exact_tuples_and_bytes() -> None:
    fields = decoder().decode(
        b"\x82" + literal(b"a", b"b", INDEXING, True) + indexed(NEWEST) + literal(1, b"c")
    )

    assert {type(field) for field in fields} == {tuple}
    assert {type(part) for field in fields for part in field} == {bytes}


@pytest.mark.parametrize("padding", [0, 1, 2, 3, 4])
def test_an_integer_may_have_octets_that_it_does_not_need(padding: int) -> None:
    """RFC 7541 §5.1 does not forbid them; four with the uppermost bit are as many as 32 bits need."""
    block = literal(b"a", b"b" * 127, INDEXING)
    padded = block.replace(integer(0, 7, 127), integer(0, 7, 127, padding))

    assert decoder().decode(padded) == [(b"a", b"b" * 127)]


@pytest.mark.parametrize("padding", [5, 6, 10_000])
def test_an_integer_with_many_octets_that_it_does_not_need_is_refused(padding: int) -> None:
    """RFC 7541 §5.1: integers that exceed a limit "in value or octet length" are decoding errors."""
    block = literal(b"a", b"b" * 127, INDEXING)
    padded = block.replace(integer(0, 7, 127), integer(0, 7, 127, padding))

    with pytest.raises(FieldBlockError):
        decoder().decode(padded)


LARGE: Final = bytes([0xFF, 0xFF, 0xFF, 0xFF, 0x7F])


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",
        indexed(NEWEST),
        indexed(NEWEST + 100),
        literal(NEWEST, b"a", INDEXING),
        literal(NEWEST, b"a"),
        literal(NEWEST, b"a", NEVER_INDEXED),
        b"\xff" + LARGE,
        b"\x7f" + LARGE + b"\x01a",
        b"\x00\x7f" + LARGE + b"a\x01b",
        b"\x00\x01a\x7f" + LARGE + b"b",
        b"\x3f" + LARGE,
        integer(0x80, 7, 127, padding=5),
        integer(0x80, 7, 127, padding=50_000),
        b"\xff",
        b"\xff\x80",
        b"\x0f",
        b"\x3f",
        b"\x00",
        b"\x40",
        b"\x00\x01",
        b"\x00\x01a",
        b"\x00\x01a\x01",
        b"\x00\x01a\x7f",
        b"\x44\x02/",
        b"\x44\x82\x60",
        b"\x82" + size_update(0),
        b"\x82" + size_update(0) + string(b"a") + string(b"b"),
        b"\x82" + size_update(16) + string(b"a") + string(b"b"),
        literal(b"a", b"b") + size_update(4_096),
        size_update(4_097),
        size_update(100) + size_update(2**31),
        b"\x04\x81\xff",
        b"\x04\x82\x1f\xff",
        b"\x04\x81\x00",
        b"\x04\x81\x1e",
        b"\x04\x84\xff\xff\xff\xff",
        b"\x04\x85\x1f\xff\xff\xff\xff",
        b"\x00\x81\xff\x01a",
    ],
    ids=[
        "index zero",
        "index of an empty table",
        "index far away",
        "name's index, indexing",
        "name's index, not indexed",
        "name's index, never indexed",
        "large index",
        "large name's index",
        "large name",
        "large value",
        "large size update",
        "index of six octets",
        "index of many octets",
        "index cut",
        "index cut later",
        "name's index cut",
        "size update cut",
        "without a name",
        "indexed without a name",
        "name cut",
        "without a value",
        "value cut",
        "value's length cut",
        "path cut",
        "huffman cut",
        "size update behind an index",
        "size update like a literal",
        "size update like a literal, never indexed",
        "size update behind a literal",
        "size update beyond the limit",
        "second size update beyond the limit",
        "eight bits of padding",
        "eleven bits of padding",
        "padding of zeroes",
        "wrong padding",
        "end of string alone",
        "end of string behind a letter",
        "padding of a name",
    ],
)
def test_what_cannot_be_decoded_is_a_field_block_error(block: bytes) -> None:
    """RFC 7541 §2.3.3, §4.2, §5.1, §5.2, §6.1, §6.3."""
    with pytest.raises(FieldBlockError):
        decoder().decode(block)


@pytest.mark.parametrize("max_table_size", [0, 31, 67, 68, 4_096])
def test_the_table_holds_what_the_peer_was_told(max_table_size: int) -> None:
    reader = decoder(max_table_size=max_table_size)
    reader.decode(b"".join(literal(b"a", b"%d" % number, INDEXING) for number in range(10)))

    assert table_of(reader) == [(b"a", b"%d" % number) for number in range(9, -1, -1)][: max_table_size // 34]


def test_a_table_that_may_be_larger_begins_with_the_default() -> None:
    """The peer says when it uses more: RFC 7541 §4.2, RFC 9113 §6.5.2."""
    fields = [(b"a", b"%03d" % number) for number in range(200)]
    newest = fields[::-1]
    block = b"".join(literal(*field, INDEXING) for field in fields)
    reader = decoder(max_table_size=8_192)
    reader.decode(block)

    assert table_of(reader) == newest[: 4_096 // 36]

    reader.decode(size_update(8_192) + block)

    assert table_of(reader) == (newest + newest)[: 8_192 // 36]


def test_a_size_update_evicts_the_oldest_entries() -> None:
    """RFC 7541 §4.3."""
    reader = decoder()
    reader.decode(b"".join(literal(b"a", b"%d" % number, INDEXING) for number in range(4)))

    assert reader.decode(size_update(34 * 2) + indexed(NEWEST)) == [(b"a", b"3")]
    assert table_of(reader) == [(b"a", b"3"), (b"a", b"2")]


def test_several_size_updates_may_begin_a_block() -> None:
    """RFC 7541 §4.2: "the smallest maximum table size that occurs in that interval MUST be signaled"."""
    reader = decoder()
    reader.decode(literal(b"a", b"b", INDEXING))

    block = size_update(0) + size_update(2_000) + size_update(4_096) + literal(b"c", b"d", INDEXING)

    assert reader.decode(block) == [(b"c", b"d")]
    assert table_of(reader) == [(b"c", b"d")]


def test_a_block_may_be_a_size_update_alone() -> None:
    reader = decoder()
    reader.decode(literal(b"a", b"b", INDEXING))

    assert reader.decode(size_update(0)) == []
    assert table_of(reader) == []


def test_an_entry_that_is_larger_than_the_table_empties_it() -> None:
    """RFC 7541 §4.4: "it is not an error"."""
    reader = decoder(max_table_size=100)
    reader.decode(literal(b"a", b"b", INDEXING))

    assert reader.decode(literal(b"a", b"b" * 68, INDEXING)) == [(b"a", b"b" * 68)]
    assert table_of(reader) == []

    reader.decode(literal(b"a", b"b" * 67, INDEXING))

    assert table_of(reader) == [(b"a", b"b" * 67)]


def test_an_entry_may_take_its_name_from_one_that_it_evicts() -> None:
    """RFC 7541 §4.4: "A new entry can reference the name of an entry in the dynamic table that will be evicted"."""
    reader = decoder(max_table_size=50)
    reader.decode(literal(b"name", b"value", INDEXING))

    assert reader.decode(literal(NEWEST, b"other", INDEXING)) == [(b"name", b"other")]
    assert table_of(reader) == [(b"name", b"other")]


NAME: Final = "field name that is not a token in lower case"
PSEUDO: Final = "pseudo-header field that no request has"
CONTROL: Final = "control character in a field value"
SPACE: Final = "field value that starts or ends with whitespace"


@pytest.mark.parametrize("huffman", [False, True], ids=["plain", "huffman"])
@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        *((name, b"a", None) for name in (b":authority", b":method", b":path", b":protocol", b":scheme")),
        *((bytes([octet]), b"a", None) for octet in b"az09!#$%&'*+-.^_`|~"),
        *((b"a", bytes([octet]), None) for octet in b"!~\x80\xff"),
        (b"a", b"", None),
        (b"a", b"b\tc d", None),
        *((bytes([octet]), b"a", NAME) for octet in b'AZ "(),/;<=>?@[\\]{}\x00\x1f\x7f\x80\xff'),
        (b"", b"a", NAME),
        (b"Accept", b"a", NAME),
        (b"a:", b"a", NAME),
        *((name, b"a", PSEUDO) for name in (b":status", b":", b":Path", b"::path", b":unknown")),
        *((b"a", b"b" + bytes([octet]) + b"c", CONTROL) for octet in b"\x00\x01\x08\n\x0b\r\x1f\x7f"),
        *((b"a", value, SPACE) for value in (b" ", b"\t", b" b", b"b ", b"\tb", b"b\t")),
        (b"A", b" ", NAME),
        (b"A", b"\n", NAME),
    ],
)
def test_a_malformed_field_is_the_problem_of_its_block(
    name: bytes, value: bytes, problem: str | None, huffman: bool
) -> None:
    """RFC 9113 §8.2.1 and §8.3: it is known again by its index, and does not disturb what comes after."""
    reader = decoder()

    for kind in KINDS.values():
        assert reader.decode(b"\x82" + literal(name, value, kind, huffman)) == [GET, (name, value)]
        assert reader.problem == problem

    assert reader.decode(indexed(NEWEST)) == [(name, value)]
    assert reader.problem == problem
    assert reader.decode(b"\x82") == [GET]
    assert reader.problem is None


@pytest.mark.parametrize("index", range(8, 15))
def test_a_status_of_the_static_table_is_malformed(index: int) -> None:
    reader = decoder()
    reader.decode(indexed(index))

    assert reader.problem == PSEUDO


def test_a_name_from_the_table_is_malformed_without_its_value_being_so() -> None:
    reader = decoder()
    reader.decode(literal(b"A", b"b", INDEXING) + literal(b"a", b" ", INDEXING))
    problems = []
    for index in (NEWEST, NEWEST + 1):
        reader.decode(literal(index, b"c"))
        problems.append(reader.problem)

    assert problems == [None, NAME]


def test_the_first_of_several_problems_is_told() -> None:
    reader = decoder()
    reader.decode(literal(b"a", b"\n") + literal(b"A", b"") + indexed(8))

    assert reader.problem == CONTROL


def test_a_problem_and_an_excess_are_forgotten_when_a_block_cannot_be_decoded() -> None:
    reader = decoder(max_list_size=33)
    reader.decode(literal(b"A", b"b"))

    assert (reader.problem, reader.too_large) == (NAME, True)
    with pytest.raises(FieldBlockError):
        reader.decode(b"\x80")
    assert (reader.problem, reader.too_large) == (None, False)


@pytest.mark.parametrize(
    ("max_list_size", "max_fields", "kept"),
    [
        (42 * 2 + 36, 3, 3),
        (42 * 2 + 35, 3, 2),
        (42, 3, 1),
        (41, 3, 0),
        (0, 3, 0),
        (1_000, 2, 2),
        (1_000, 0, 0),
    ],
)
def test_fields_beyond_a_limit_are_not_kept(max_list_size: int, max_fields: int, kept: int) -> None:
    """RFC 9113 §6.5.2: "the uncompressed size of field lines [...] plus an overhead of 32 octets for each"."""
    reader = decoder(max_list_size, max_fields)

    assert reader.decode(b"\x82\x82" + literal(b"ab", b"cd")) == [GET, GET, (b"ab", b"cd")][:kept]
    assert reader.too_large is (kept < 3)
    assert reader.decode(b"") == []
    assert reader.too_large is False


def test_a_smaller_field_behind_a_limit_is_not_kept_either() -> None:
    assert decoder(max_list_size=100).decode(b"\x82" + literal(b"a", b"b" * 100) + b"\x82") == [GET]


@pytest.mark.parametrize(("max_list_size", "max_fields"), [(0, 10), (1_000, 0)], ids=["size", "number"])
def test_a_block_beyond_a_limit_changes_the_table_all_the_same(max_list_size: int, max_fields: int) -> None:
    """RFC 9113 §10.5.1: it must be processed, or the connection's state would not be the peer's any more."""
    fields = [(b"a", b"b"), (b"c", b"d")]
    block = b"".join(literal(*field, INDEXING, True) for field in fields)
    limited, roomy = decoder(max_list_size, max_fields), decoder()

    assert limited.decode(block) == []
    assert roomy.decode(block) == fields
    assert limited.too_large
    with pytest.raises(FieldBlockError):
        limited.decode(indexed(NEWEST + 2))
    for index in (NEWEST, NEWEST + 1):
        limited.decode(indexed(index))


def test_a_problem_beyond_a_limit_is_told() -> None:
    reader = decoder(max_list_size=0)
    reader.decode(literal(b"A", b"b"))

    assert (reader.problem, reader.too_large) == (NAME, True)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", [b"a", b"cookie", b"authorization", b"proxy-authorization"])
def test_a_string_in_huffman_code_is_read_the_same_each_time(name: bytes, kind: tuple[int, int]) -> None:
    """Also where one read as a value is a name, and where its octets are not in that code."""
    coded = literal(name, b"xyz", kind, True)
    plain = literal(name, string(b"xyz", True)[1:], kind)

    for _ in range(3):
        assert decoder().decode(coded) == [(name, b"xyz")]
        assert decoder().decode(plain) == [(name, string(b"xyz", True)[1:])]
        assert decoder().decode(literal(b"xyz", name, kind, True)) == [(b"xyz", name)]


@pytest.mark.parametrize(
    ("name", "kind", "shared"),
    [
        (b"user-agent", WITHOUT_INDEXING, True),
        (b"user-agent", INDEXING, True),
        (b"user-agent", NEVER_INDEXED, False),
        (b"authorization", WITHOUT_INDEXING, False),
        (b"cookie", INDEXING, False),
    ],
)
def test_connections_share_what_they_decoded_but_no_secrets(
    name: bytes, kind: tuple[int, int], shared: bool
) -> None:
    """RFC 7541 §7.1: the time that it takes to decode a guess must not tell that it is right."""
    block = literal(name, b"the value of " + name + bytes(kind), kind, True)
    [[(_, first)], [(_, second)]] = decoder().decode(block), decoder().decode(block)

    assert first == second
    assert (first is second) is shared


def test_a_string_in_huffman_code_is_read_the_same_when_many_others_were_read() -> None:
    for number in [*range(1_500), *range(10)]:
        field = (b"a", b"%d" % number)

        assert decoder().decode(literal(*field, huffman=True)) == [field]


def through_hpack(block: bytes) -> list[tuple[Field, bool]]:
    """Read with hpack: each field, and whether it may be indexed."""
    judge = Decoder(max_header_list_size=2**31)
    fields = [((field[0], field[1]), field.indexable) for field in judge.decode(block, raw=True)]
    assert not judge.header_table.dynamic_entries
    return fields


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (b":status", b"418", b"\x08\x03418"),
        (b"content-type", b"text/plain", b"\x0f\x10\x0atext/plain"),
        (b"accept-charset", b"a", b"\x0f\x00\x01a"),
        (b"www-authenticate", b"", b"\x0f\x2e\x00"),
        (b"x", b"", b"\x00\x01x\x00"),
        (b"x" * 126, b"y" * 126, b"\x00\x7e" + b"x" * 126 + b"\x7e" + b"y" * 126),
        (b"x" * 127, b"y" * 254, b"\x00\x7f\x00" + b"x" * 127 + b"\x7f\x7f" + b"y" * 254),
        (b"x", b"y" * 255, b"\x00\x01x\x7f\x80\x01" + b"y" * 255),
        (b"x", b"y" * 100_000, b"\x00\x01x\x7f\xa1\x8c\x06" + b"y" * 100_000),
    ],
    ids=["status", "index", "index at the prefix", "last index", "new name", "126", "127", "255", "large"],
)
def test_a_field_is_encoded_without_indexing(name: bytes, value: bytes, line: bytes) -> None:
    """RFC 7541 §6.2.2."""
    assert encode_field(name, value) == line
    assert through_hpack(line) == [((name, value), True)]
    assert decode_field(line) == (name, value)


@pytest.mark.parametrize("name", [b"set-cookie", b"cookie", b"authorization", b"proxy-authorization"])
def test_a_field_with_a_secret_is_never_indexed(name: bytes) -> None:
    """RFC 7541 §7.1.3."""
    line = encode_field(name, b"secret")

    assert through_hpack(line) == [((name, b"secret"), False)]
    assert decode_field(line) == (name, b"secret")


def test_every_status_is_encoded() -> None:
    lines = b"".join(STATUS.values())

    assert list(STATUS) == list(range(100, 600))
    assert [field for field, _ in through_hpack(lines)] == [(b":status", b"%d" % status) for status in STATUS]


@pytest.mark.parametrize(
    ("status", "line"), [(200, b"\x88"), (204, b"\x89"), (500, b"\x8e"), (201, b"\x08\x03201")]
)
def test_a_common_status_is_one_octet(status: int, line: bytes) -> None:
    assert STATUS[status] == line
