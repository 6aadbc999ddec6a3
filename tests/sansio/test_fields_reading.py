"""What is read of fields: tokens, targets, hosts, lists and lengths, and the lines of a peer. RFC 9110 §5."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio.asgi import Field
from sansio.fields import (
    TARGET_CHARACTERS,
    TOKEN_CHARACTERS,
    is_host,
    is_token,
    list_members,
    parse_content_length,
    parse_field_line,
)
from tests.sansio.field_octets import (
    FIELD_CONTENT,
    TCHAR,
    contents,
    tokens,
    wild_values,
)

# Tokens, targets, hosts, lists, lengths.


@given(st.binary(max_size=8) | tokens)
def test_a_token_is_one_or_more_tchar(value: bytes) -> None:
    """RFC 9110 §5.6.2."""
    assert is_token(value) == (len(value) > 0 and set(value) <= TCHAR)


def test_each_octet_alone_is_a_token_or_not() -> None:
    assert {octet for octet in range(256) if is_token(bytes([octet]))} == TCHAR == set(TOKEN_CHARACTERS)


def test_a_target_has_visible_ascii_but_no_fragment() -> None:
    """RFC 9112 §3.2: a fragment is never sent. Browsers send some characters that RFC 3986 excludes."""
    assert set(TARGET_CHARACTERS) == set(range(0x21, 0x7F)) - {ord("#")}


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        (b"server.example", True),
        (b"server.example:65535", True),
        (b"server.example:65536", False),
        (b"server.example/a", False),
        (b"[::1]:80", True),
        (b"[:::::]", False),
    ],
    ids=repr,
)
def test_a_host_is_a_name_or_an_address_and_perhaps_a_port(value: bytes, valid: bool) -> None:
    """RFC 9110 §7.2. More of them are in the tests of hosts alone."""
    assert is_host(value) is valid


@pytest.mark.parametrize(
    ("value", "members"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b" ,, \t,", [], id="empty members"),
        pytest.param(b"close", [b"close"], id="one"),
        pytest.param(b"Keep-Alive ,\tClose", [b"keep-alive", b"close"], id="two"),
        pytest.param(b"a b", [b"a b"], id="inner space"),
        pytest.param(b"a\x0b,\x0cb", [b"a\x0b", b"\x0cb"], id="other white space is not OWS"),
    ],
)
def test_a_list_is_split_at_its_commas(value: bytes, members: list[bytes]) -> None:
    """RFC 9110 §5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements"."""
    assert list_members(value) == members


@given(st.binary(max_size=20))
def test_the_members_of_a_list_are_a_list_of_themselves(value: bytes) -> None:
    members = list_members(value)
    assert list_members(b" ,\t".join(members)) == members
    assert all(member and member == member.strip(b" \t").lower() for member in members)


@given(st.integers(0, 10**18 - 1))
def test_a_length_is_up_to_18_digits(length: int) -> None:
    assert parse_content_length(b"%d" % length) == length
    assert parse_content_length(b"%018d" % length) == length


@given(st.binary(max_size=20) | st.integers(min_value=10**18).map(lambda length: b"%d" % length))
def test_what_is_read_as_a_length_is_nothing_but_digits(value: bytes) -> None:
    """RFC 9110 §8.6."""
    length = parse_content_length(value)
    if length is not None:
        assert 1 <= len(value) <= 18
        assert set(value) <= set(b"0123456789")
        assert int(value) == length


@pytest.mark.parametrize(
    "value", [b"", b" 5", b"5 ", b"+5", b"-5", b"0x5", b"1_0", b"5,5", b"5.0", b"\xb2", b"9" * 19], ids=repr
)
def test_what_is_no_length_is_none(value: bytes) -> None:
    assert parse_content_length(value) is None


# Lines from a peer.


@given(
    st.binary(max_size=20)
    | st.builds(lambda name, ows, value: name + b":" + ows + value, tokens, contents, contents)
)
def test_a_line_is_a_field_or_a_phrase_that_repeats_nothing_of_it(line: bytes) -> None:
    """It never raises, and what it accepts is a token, a colon, and octets that are fit for a value."""
    field = parse_field_line(line)
    before, colon, after = line.partition(b":")
    valid = set(before) <= TCHAR and bool(before) and set(after.strip(b" \t")) <= FIELD_CONTENT
    if isinstance(field, str):
        assert not (colon and valid)
        assert field in {
            "field line without a colon",
            "folded field line",
            "field name that is not a token",
            "control character in a field value",
        }
    else:
        assert colon
        assert valid
        assert field == (before.lower(), after.strip(b" \t"))


@given(
    tokens.filter(lambda name: name.lower() not in {b"host", b"content-length", b"transfer-encoding"}),
    wild_values,
)
def test_what_is_accepted_h11_reads_alike(name: bytes, value: bytes) -> None:
    field = parse_field_line(name + b":" + value)
    if not isinstance(field, str):
        server = h11.Connection(h11.SERVER)
        server.receive_data(b"GET / HTTP/1.1\r\nhost: a\r\n" + name + b":" + value + b"\r\n\r\n")
        event = server.next_event()
        assert isinstance(event, h11.Request)
        assert list(event.headers) == [(b"host", b"a"), field]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(b"Name: value", (b"name", b"value"), id="plain"),
        pytest.param(b"a:", (b"a", b""), id="empty value"),
        pytest.param(b"a:\t b:c \t", (b"a", b"b:c"), id="outer white space"),
        pytest.param(b"a: \xa0b\x85", (b"a", b"\xa0b\x85"), id="octets that are spaces elsewhere"),
        pytest.param(b"a", "field line without a colon", id="no colon"),
        pytest.param(b"", "field line without a colon", id="nothing"),
        pytest.param(b": b", "field name that is not a token", id="no name"),
        pytest.param(b"a : b", "field name that is not a token", id="space before the colon"),
        pytest.param(b" a: b", "folded field line", id="folded with a space"),
        pytest.param(b"\ta: b", "folded field line", id="folded with a tab"),
        pytest.param(b"a\x00: b", "field name that is not a token", id="NUL in the name"),
        pytest.param(b"a: b\x00", "control character in a field value", id="NUL"),
        pytest.param(b"a: b\rc", "control character in a field value", id="CR"),
        pytest.param(b"a: \r", "control character in a field value", id="CR alone"),
        pytest.param(b"a: b\x1b[2J", "control character in a field value", id="ESC"),
        pytest.param(b"a: b\x7f", "control character in a field value", id="DEL"),
        pytest.param(b"a: \x0b", "control character in a field value", id="VT"),
    ],
)
def test_a_line_is_read_as_the_rfc_says(line: bytes, expected: Field | str) -> None:
    """RFC 9112 §5.1: white space before the colon; §5.2: folding; RFC 9110 §5.5: control characters."""
    assert parse_field_line(line) == expected
