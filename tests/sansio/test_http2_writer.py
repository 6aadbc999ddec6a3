"""The writer of HTTP/2's field blocks: what it makes of what it is given, read back by hpack.

Source: RFC 9113 §8.2, §8.3.2; RFC 7541 §6.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from hpack import Decoder
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sansio.asgi import Field
from sansio.errors import InvalidMessage
from sansio.http2_writer import CONTINUE, ENCODER, encode_early_hint, encode_error, encode_head
from sansio.settings import DefaultFields

DATE: Final = b"Sun, 06 Nov 1994 08:49:37 GMT"
LATER: Final = b"Sun, 06 Nov 1994 08:49:38 GMT"
NONE: Final = DefaultFields()

# "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields." RFC 9113 §8.2.2
CONNECTION_FIELDS: Final = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"transfer-encoding",
    b"upgrade",
]

tokens = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=8).map(str.encode)
names = (
    tokens
    | st.sampled_from(CONNECTION_FIELDS)
    | st.sampled_from([name.title() for name in CONNECTION_FIELDS])
    | st.sampled_from([b"Set-Cookie", b"Date", b"server", b"ETag", b"content-type", b"Location"])
)
values = st.lists(st.sampled_from(bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])), max_size=300).map(
    bytes
)


def make_defaults() -> DefaultFields:
    defaults = DefaultFields(b"tricorn", [(b"x-extra", b"1")])
    defaults.set_date(DATE)
    return defaults


def read(block: bytes) -> list[Field]:
    """Return the fields of a block, and see to it that it needs no table and says what a response may."""
    decoder = Decoder()
    decoder.max_allowed_table_size = 0
    decoder.header_table_size = 0
    fields = [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]
    again = Decoder().decode(block, raw=True)
    assert [(bytes(name), bytes(value)) for name, value in again] == fields
    assert fields[0][0] == b":status"
    for name, _ in fields[1:]:
        assert not name.startswith(b":")
        assert name == name.lower()
        assert name not in CONNECTION_FIELDS
    return fields


def head(
    *fields: Field, status: int = 200, defaults: DefaultFields = NONE, length: int | None = None
) -> list[Field]:
    return read(encode_head(status, ENCODER.encode(list(fields)), defaults, length))


@pytest.mark.parametrize("status", [*range(200, 207), 304, 400, 404, 418, 500, 599])
def test_a_head_begins_with_its_status(status: int) -> None:
    """RFC 9113 §8.3.2: a single ":status", without a reason."""
    assert head(status=status) == [(b":status", b"%d" % status)]


def test_a_head_has_the_defaults_the_fields_and_the_length_in_this_order() -> None:
    assert head((b"X-A", b"1"), (b"x-a", b" 2\t"), defaults=make_defaults(), length=5) == [
        (b":status", b"200"),
        (b"date", DATE),
        (b"server", b"tricorn"),
        (b"x-extra", b"1"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
        (b"content-length", b"5"),
    ]


@pytest.mark.parametrize("length", [0, 1, 99, 123_456_789, 10**18 - 1])
def test_a_length_stands_as_it_is(length: int) -> None:
    assert head(length=length) == [(b":status", b"200"), (b"content-length", b"%d" % length)]


@pytest.mark.parametrize("own", [[b"date"], [b"server"], [b"date", b"server"]], ids=str)
def test_a_default_gives_way_to_the_applications_own(own: list[bytes]) -> None:
    """RFC 9110 §6.6.1 and §10.2.4: a response has one of each."""
    defaults = make_defaults()
    fields = head(*[(name, b"mine") for name in own], defaults=defaults)
    expected = {b"date": DATE, b"server": b"tricorn", b"x-extra": b"1"} | dict.fromkeys(own, b"mine")
    assert dict(fields[1:]) == expected
    assert len(fields) == 4
    assert head(defaults=defaults)[1:] == [(b"date", DATE), (b"server", b"tricorn"), (b"x-extra", b"1")]


@pytest.mark.parametrize("own", [[], [b"date"], [b"server"]], ids=str)
def test_defaults_that_do_not_exist_are_left_out(own: list[bytes]) -> None:
    fields = [(name, b"mine") for name in own]
    assert head(*fields) == [(b":status", b"200"), *fields]


def test_a_new_second_has_a_new_date() -> None:
    defaults = make_defaults()
    assert (b"date", DATE) in head(defaults=defaults)
    defaults.set_date(LATER)
    assert (b"date", LATER) in head(defaults=defaults)
    assert (b"date", LATER) in read(encode_error(400, "why", defaults)[0])
    defaults.set_date(None)
    assert head(defaults=defaults) == [(b":status", b"200"), (b"server", b"tricorn"), (b"x-extra", b"1")]


@pytest.mark.parametrize("name", CONNECTION_FIELDS)
@pytest.mark.parametrize("spelling", [bytes.lower, bytes.title, bytes.upper])
def test_a_field_of_the_connection_never_goes_out(name: bytes, spelling: Callable[[bytes], bytes]) -> None:
    """RFC 9113 §8.2.2; an application that was written for HTTP/1 may send them."""
    written = spelling(name)
    for _ in range(2):  # A line that was seen before goes another way.
        assert head((b"a", b"b"), (written, b"trailers"), (b"c", b"d")) == [
            (b":status", b"200"),
            (b"a", b"b"),
            (b"c", b"d"),
        ]


@pytest.mark.parametrize("name", CONNECTION_FIELDS)
def test_a_field_of_the_connection_is_no_trailer(name: bytes) -> None:
    with pytest.raises(InvalidMessage):
        ENCODER.encode_trailers([(name, b"trailers")])


@hypothesis_settings(max_examples=80, deadline=None)
@given(
    status=st.integers(200, 599),
    items=st.lists(st.tuples(names, values), max_size=6),
    length=st.none() | st.integers(0, 10**18 - 1),
    server=st.booleans(),
)
def test_what_goes_in_comes_out_but_for_what_belongs_to_the_connection(
    status: int, items: list[Field], length: int | None, server: bool
) -> None:
    expected = [
        (name.lower(), value.strip(b" \t")) for name, value in items if name.lower() not in CONNECTION_FIELDS
    ]
    own = any(name == b"server" for name, _ in expected)
    defaults = DefaultFields(b"tricorn") if server else NONE
    fields = head(*items, status=status, defaults=defaults, length=length)
    assert fields == [
        (b":status", b"%d" % status),
        *([(b"server", b"tricorn")] if server and not own else []),
        *expected,
        *([] if length is None else [(b"content-length", b"%d" % length)]),
    ]


@given(st.lists(st.tuples(names, values), max_size=6))
def test_a_line_can_be_read_back_alone(items: list[Field]) -> None:
    """What was sent is told to who keeps a log of it."""
    lines = ENCODER.encode(items).lines
    expected = [
        (name.lower(), value.strip(b" \t")) for name, value in items if name.lower() not in CONNECTION_FIELDS
    ]
    assert [ENCODER.decode(line) for line in lines] == expected


@pytest.mark.parametrize("name", [b"set-cookie", b"Set-Cookie"])
def test_a_secret_is_never_indexed_on_its_way(name: bytes) -> None:
    """RFC 7541 §6.2.3, §7.1.3: an intermediary is told not to keep it."""
    block = encode_head(200, ENCODER.encode([(name, b"a=b"), (b"x", b"y")]), NONE, None)
    kinds = {bytes(field[0]): type(field).__name__ for field in Decoder().decode(block, raw=True)}
    assert kinds == {b":status": "HeaderTuple", b"set-cookie": "NeverIndexedHeaderTuple", b"x": "HeaderTuple"}


# The server's own.


@pytest.mark.parametrize(
    ("status", "reason"), [(400, "bad"), (431, "fields beyond a limit"), (500, "Internal Server Error")]
)
def test_an_error_is_a_line_of_text(status: int, reason: str) -> None:
    block, content = encode_error(status, reason, make_defaults())
    assert content == reason.encode() + b"\n"
    assert read(block) == [
        (b":status", b"%d" % status),
        (b"date", DATE),
        (b"server", b"tricorn"),
        (b"x-extra", b"1"),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(content)),
    ]


def test_the_interim_responses_have_no_defaults() -> None:
    """RFC 9110 §15.2: an interim response is no place for them."""
    assert read(CONTINUE) == [(b":status", b"100")]
    lines = ENCODER.encode_value(b"link", b"</a>; rel=preload") + ENCODER.encode_value(b"link", b"</b>")
    assert read(encode_early_hint(lines)) == [
        (b":status", b"103"),
        (b"link", b"</a>; rel=preload"),
        (b"link", b"</b>"),
    ]
