"""What a client asks for that wants a WebSocket: read by the letter of RFC 6455, and nothing in it raises."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sansio.errors import PeerError
from sansio.scope import RequestHead
from sansio.websocket_handshake import Handshake, accept_token, read_handshake

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
REQUIRED = [(b"sec-websocket-key", KEY), (b"sec-websocket-version", b"13")]

Parameters = list[tuple[bytes, bytes | None]]

# What the readers let through as a field's value, RFC 9110 §5.5.
VALUE_CHARACTERS = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
values = st.lists(st.sampled_from(VALUE_CHARACTERS), max_size=20).map(bytes)
# Close to what an extension is, so that it is often well-formed.
extension_values = st.lists(
    st.sampled_from(
        [b"a", b"permessage-deflate", b";", b",", b"=", b'"', b" ", b"\t", b"12", b"\\", b"\xff"]
    ),
    max_size=14,
).map(b"".join)
tokens = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=6).map(str.encode)
white = st.sampled_from([b"", b" ", b"\t", b" \t "])


def read(
    *fields: tuple[bytes, bytes], required: bool = True, content_length: int | None = 0
) -> Handshake | PeerError:
    lines = [(b"host", b"a"), *(REQUIRED if required else ()), *fields]
    return read_handshake(RequestHead("GET", b"/", "1.1", lines, content_length))


def accepted(*fields: tuple[bytes, bytes]) -> Handshake:
    handshake = read(*fields)
    assert isinstance(handshake, Handshake)
    return handshake


def offered(*lines: bytes) -> list[tuple[bytes, Parameters]]:
    handshake = accepted(*((b"sec-websocket-extensions", line) for line in lines))
    return [(offer.name, offer.parameters) for offer in handshake.offers]


def status(answer: Handshake | PeerError) -> int | None:
    assert isinstance(answer, PeerError)
    assert answer.reason
    return answer.status


# The least, and the key.


def test_a_key_and_a_version_are_all_that_is_needed() -> None:
    handshake = accepted()
    assert (handshake.key, handshake.subprotocols, handshake.offers) == (KEY, [], [])


def test_other_fields_are_nobodys_business() -> None:
    """RFC 6455 §4.2.1: "Optionally, other header fields, such as those used to send cookies". §10.2: Origin."""
    handshake = accepted(
        (b"origin", b"null"),
        (b"cookie", b"\xff;,="),
        (b"sec-websocket-accept", b"\xe9"),
        (b"x-sec-websocket-key", b"b"),
    )
    assert (handshake.key, handshake.subprotocols, handshake.offers) == (KEY, [], [])


def test_the_proof_is_that_of_the_rfcs_example() -> None:
    """RFC 6455 §1.3: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="."""
    assert accept_token(KEY) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(st.binary(min_size=16, max_size=16))
@example(bytes(16))
@example(b"\xff" * 16)
def test_any_16_octets_are_a_key(octets: bytes) -> None:
    key = base64.b64encode(octets)
    handshake = read((b"sec-websocket-key", key), (b"sec-websocket-version", b"13"), required=False)
    assert isinstance(handshake, Handshake)
    assert handshake.key == key
    assert len(base64.b64decode(accept_token(key), validate=True)) == 20


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([], id="none"),
        pytest.param([b""], id="empty"),
        pytest.param([KEY, KEY], id="the same twice"),
        pytest.param([KEY, b"AAAAAAAAAAAAAAAAAAAAAA=="], id="two"),
        pytest.param([KEY + b", " + KEY], id="a list"),
        pytest.param([KEY, b""], id="one and an empty one"),
        pytest.param([b"xx"], id="two letters"),
        pytest.param([base64.b64encode(bytes(15))], id="15 octets"),
        pytest.param([base64.b64encode(bytes(17))], id="17 octets"),
        pytest.param([base64.b64encode(bytes(18))], id="18 octets"),
        pytest.param([base64.b64encode(bytes(48_000))], id="48 kB"),
        pytest.param([b"A" * 22], id="no padding"),
        pytest.param([b"A" * 22 + b"="], id="half a padding"),
        pytest.param([b"A" * 22 + b"==="], id="too much padding"),
        pytest.param([KEY + b"AAAA"], id="more after the padding"),
        pytest.param([b"==" + b"A" * 22], id="padding first"),
        pytest.param([b"=" * 24], id="padding only"),
        pytest.param([b"A" * 11 + b" " + b"A" * 11 + b"=="], id="a space within"),
        pytest.param([b"A" * 21 + b"-=="], id="the alphabet of URLs"),
        pytest.param([b'"' + KEY + b'"'], id="quoted"),
        pytest.param([b"A" * 21 + b"\xe9=="], id="not ASCII"),
        pytest.param([b"\x00" * 24], id="NUL"),
    ],
)
def test_anything_but_one_key_of_16_octets_is_refused(keys: list[bytes]) -> None:
    """RFC 6455 §4.2.1: "a base64-encoded value that, when decoded, is 16 bytes in length"."""
    fields = [(b"sec-websocket-key", key) for key in keys]
    assert status(read((b"sec-websocket-version", b"13"), *fields, required=False)) == 400


# The version.


@pytest.mark.parametrize(
    "version", [b"8", b"0", b"12", b"14", b"255", b"013", b"+13", b"13.0", b"13, 8", b"", b"x", b"\xb9"]
)
def test_another_version_is_told_which_one_is_spoken(version: bytes) -> None:
    """RFC 6455 §4.2.2: "an appropriate HTTP error code (such as 426 Upgrade Required)"."""
    fields = [(b"sec-websocket-key", KEY), (b"sec-websocket-version", version)]
    assert status(read(*fields, required=False)) == 426


@pytest.mark.parametrize(
    "versions", [[], [b"13", b"13"], [b"13", b"8"], [b"8", b"13"]], ids=["none", "twice", "13, 8", "8, 13"]
)
def test_a_version_that_is_not_there_once_is_refused(versions: list[bytes]) -> None:
    """RFC 6455 §11.3.5: "MUST NOT appear more than once in an HTTP request"."""
    fields = [(b"sec-websocket-version", version) for version in versions]
    assert status(read((b"sec-websocket-key", KEY), *fields, required=False)) == 400


def test_another_version_is_told_so_even_if_its_key_is_none() -> None:
    """What a key is, another version may see otherwise."""
    assert status(read((b"sec-websocket-version", b"14"), required=False)) == 426


# Content.


@pytest.mark.parametrize("length", [1, 125, 10**17, None], ids=["1", "125", "10^17", "chunked"])
def test_a_handshake_with_content_is_refused(length: int | None) -> None:
    """A client sends frames after the head (RFC 6455 §4.1), and content would be taken for them."""
    assert status(read(content_length=length)) == 400


# Subprotocols.


@pytest.mark.parametrize(
    ("lines", "subprotocols"),
    [
        pytest.param([], [], id="no line"),
        pytest.param([b"chat"], ["chat"], id="one"),
        pytest.param([b"b, a, c"], ["b", "a", "c"], id="in the client's order"),
        pytest.param([b"b,a", b"d", b"c"], ["b", "a", "d", "c"], id="several lines"),
        pytest.param([b" \tb\t ,\t a "], ["b", "a"], id="white space around"),
        pytest.param([b"b,,a,"], ["b", "a"], id="empty members"),
        pytest.param([b"", b" ,\t, "], [], id="only empty members"),
        pytest.param([b"Chat, chat"], ["Chat", "chat"], id="case is kept"),
        pytest.param([b"!#$%&'*+-.^_`|~09azAZ"], ["!#$%&'*+-.^_`|~09azAZ"], id="every kind of tchar"),
    ],
)
def test_subprotocols_are_in_the_order_of_preference(lines: list[bytes], subprotocols: list[str]) -> None:
    """RFC 6455 §4.2.1 point 8, "ordered by preference"; §11.3.4: on several lines it is one list."""
    fields = [(b"sec-websocket-protocol", line) for line in lines]
    assert accepted(*fields).subprotocols == subprotocols


@pytest.mark.parametrize(
    "value",
    [
        b"a b",
        b"a\tb",
        b"a/b",
        b"ch\xc3\xa4t",
        b"\xff",
        b'"a"',
        b"a;b",
        b"a=b",
        b"ok, no(",
        b"{",
        b"a:b",
        b"a@b",
    ],
)
def test_a_subprotocol_that_is_not_a_token_is_refused(value: bytes) -> None:
    """RFC 6455 §4.3: "Sec-WebSocket-Protocol-Client = 1#token"."""
    assert status(read((b"sec-websocket-protocol", value))) == 400


# Extensions.


@pytest.mark.parametrize(
    ("lines", "offers"),
    [
        pytest.param([b"a"], [(b"a", [])], id="a name"),
        pytest.param([b"a, b,c"], [(b"a", []), (b"b", []), (b"c", [])], id="several"),
        pytest.param([b"b", b"a"], [(b"b", []), (b"a", [])], id="several lines"),
        pytest.param([b"a;x"], [(b"a", [(b"x", None)])], id="a parameter"),
        pytest.param([b"a;x=1"], [(b"a", [(b"x", b"1")])], id="a value"),
        pytest.param([b'a;x="1"'], [(b"a", [(b"x", b"1")])], id="a quoted value"),
        pytest.param([rb'a;x="\1\0"'], [(b"a", [(b"x", b"10")])], id="a quoted-pair"),
        pytest.param([b'a;x="1";y'], [(b"a", [(b"x", b"1"), (b"y", None)])], id="more after a quoted value"),
        pytest.param([b"a;x=1;x=2"], [(b"a", [(b"x", b"1"), (b"x", b"2")])], id="the same twice, in order"),
        pytest.param(
            [b"\ta ;\tx = 1\t; y\t, b "], [(b"a", [(b"x", b"1"), (b"y", None)]), (b"b", [])], id="spaces"
        ),
        pytest.param([b",a,,b ,", b"", b" , "], [(b"a", []), (b"b", [])], id="empty members"),
        pytest.param([b"A;X=Y"], [(b"A", [(b"X", b"Y")])], id="case is kept"),
        pytest.param([b"a;x=1, a"], [(b"a", [(b"x", b"1")]), (b"a", [])], id="the same extension twice"),
    ],
)
def test_extensions_are_read_with_their_parameters(
    lines: list[bytes], offers: list[tuple[bytes, Parameters]]
) -> None:
    """RFC 6455 §9.1."""
    assert offered(*lines) == offers


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"a b", id="two names"),
        pytest.param(b"a;", id="no parameter"),
        pytest.param(b"a;;x", id="an empty parameter"),
        pytest.param(b";x", id="no name"),
        pytest.param(b"=1", id="a value alone"),
        pytest.param(b"a=1", id="a value of the name"),
        pytest.param(b"a;x=", id="no value"),
        pytest.param(b"a;x=,b", id="no value, and another"),
        pytest.param(b"a;=1", id="no parameter's name"),
        pytest.param(b"a;x=1=2", id="two values"),
        pytest.param(b"a;x=1 2", id="two values with a space"),
        pytest.param(b'a;x=""', id="quoted nothing"),
        pytest.param(b'a;x="1', id="an open quote"),
        pytest.param(b'a;x=1"', id="a quote too much"),
        pytest.param(rb'a;x="1\"', id="an escaped quote, and no other"),
        pytest.param(rb'a;x="\\"', id="an escaped backslash"),
        pytest.param(rb"a;x=\1", id="escaped, not quoted"),
        pytest.param(b"a\n", id="LF"),
        pytest.param(b"\n", id="only LF"),
        pytest.param(b"a,\n", id="LF at the end"),
        pytest.param(b'a;x="1"2', id="more after the quote"),
        pytest.param(b'a;x="1 2"', id="quoted, not a token"),
        pytest.param(b'a;x="1,2"', id="a quoted comma"),
        pytest.param(b'a;x="\xc3\xa4"', id="quoted, not ASCII"),
        pytest.param(b'"a"', id="a quoted name"),
        pytest.param(b"a;x=\xe9", id="a value that is not ASCII"),
        pytest.param(b"\xff", id="a name that is not ASCII"),
        pytest.param(b"a;\xff", id="a parameter that is not ASCII"),
        pytest.param(b"a, b, (", id="the last is wrong"),
        pytest.param(b"a\x00", id="NUL"),
        pytest.param(b"a;x" + b" " * 60_000 + b"y", id="60 kB of spaces"),
        pytest.param(b'a;x="' + b"y" * 60_000, id="60 kB in an open quote"),
    ],
)
@pytest.mark.parametrize("good_line_first", [False, True], ids=["alone", "after a good line"])
def test_malformed_extensions_are_refused(value: bytes, good_line_first: bool) -> None:
    """RFC 6455 §9.1: what violates the syntax "MUST" fail; §4.2.1: with "an appropriate HTTP error code"."""
    good = [(b"sec-websocket-extensions", b"permessage-deflate")] if good_line_first else []
    assert status(read(*good, (b"sec-websocket-extensions", value))) == 400


offer_lists = st.lists(
    st.tuples(tokens, st.lists(st.tuples(tokens, st.none() | tokens), max_size=3)), max_size=4
)


@settings(max_examples=60)
@given(offer_lists, white, st.booleans(), st.booleans())
def test_what_was_offered_is_what_is_read(
    offers: list[tuple[bytes, Parameters]], space: bytes, quoted: bool, own_lines: bool
) -> None:
    quote = b'"' if quoted else b""
    members = [
        name
        + b"".join(
            space
            + b";"
            + space
            + parameter
            + (b"" if value is None else space + b"=" + space + quote + value + quote)
            for parameter, value in parameters
        )
        for name, parameters in offers
    ]
    lines = members if own_lines else [(space + b"," + space).join(members)]
    assert offered(*lines) == offers


# On a stream of HTTP/2.

VERSION = (b"sec-websocket-version", b"13")


def read_on_stream(*fields: tuple[bytes, bytes], content_length: int | None = None) -> Handshake | PeerError:
    lines = [(b"host", b"a"), *fields]
    return read_handshake(RequestHead("CONNECT", b"/", "2", lines, content_length))


def test_on_a_stream_a_version_is_all_that_is_needed() -> None:
    """RFC 8441 §5: Sec-WebSocket-Key and Sec-WebSocket-Accept are "not used"."""
    handshake = read_on_stream(VERSION)
    assert isinstance(handshake, Handshake)
    assert (handshake.key, handshake.subprotocols, handshake.offers) == (b"", [], [])


def test_on_a_stream_subprotocols_and_extensions_are_offered_as_ever() -> None:
    """RFC 8441 §5: "Sec-WebSocket-Protocol, and Sec-WebSocket-Extensions" are used as in RFC 6455."""
    handshake = read_on_stream(
        (b"sec-websocket-protocol", b"chat, superchat"),
        VERSION,
        (b"sec-websocket-extensions", b"permessage-deflate; server_no_context_takeover"),
    )
    assert isinstance(handshake, Handshake)
    assert handshake.subprotocols == ["chat", "superchat"]
    [offer] = handshake.offers
    assert (offer.name, offer.parameters) == (b"permessage-deflate", [(b"server_no_context_takeover", None)])


def test_on_a_stream_a_key_is_read_by_nobody() -> None:
    assert isinstance(read_on_stream(VERSION, (b"sec-websocket-key", b"not a key")), Handshake)


@pytest.mark.parametrize(
    "versions", [[], [b"8"], [b"14"], [b"13, 8"], [b"13", b"13"], [b"13", b"8"], [b""]], ids=str
)
def test_on_a_stream_the_version_is_13_once(versions: list[bytes]) -> None:
    """RFC 6455 §4.2.1. An answer of 426 has no meaning without the Upgrade field that HTTP/2 does not have."""
    assert status(read_on_stream(*[(b"sec-websocket-version", version) for version in versions])) == 400


@pytest.mark.parametrize("length", [0, 5])
def test_on_a_stream_that_has_an_end_or_content_there_is_no_websocket(length: int) -> None:
    """RFC 8441 §5: the stream takes the place of the TCP connection, and stays open."""
    assert status(read_on_stream(VERSION, content_length=length)) == 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"sec-websocket-protocol", b"a b"),
        (b"sec-websocket-protocol", b",".join([b"p"] * 65)),
        (b"sec-websocket-extensions", b"a;=b"),
        (b"sec-websocket-extensions", b",".join([b"e"] * 33)),
    ],
    ids=["protocol", "protocols", "extension", "extensions"],
)
def test_on_a_stream_lists_are_read_as_strictly(name: bytes, value: bytes) -> None:
    assert status(read_on_stream(VERSION, (name, value))) == 400


# How much.


@pytest.mark.parametrize("name", [b"sec-websocket-protocol", b"sec-websocket-extensions"])
@pytest.mark.parametrize("lines", [1, 2], ids=["one line", "two lines"])
def test_a_list_without_end_is_refused(name: bytes, lines: int) -> None:
    """Not asked by the RFC: each offer is work, and no client has so many."""
    assert status(read(*[(name, b",".join([b"a"] * 4_000))] * lines)) == 400


def test_more_subprotocols_and_extensions_than_browsers_send_are_fine() -> None:
    handshake = accepted(
        (b"sec-websocket-protocol", b", ".join([b"p%d" % number for number in range(64)])),
        (b"sec-websocket-extensions", b", ".join([b"e%d" % number for number in range(32)])),
    )
    assert (len(handshake.subprotocols), len(handshake.offers)) == (64, 32)
    assert status(read((b"sec-websocket-protocol", b",".join([b"p"] * 65)))) == 400
    assert status(read((b"sec-websocket-extensions", b",".join([b"e"] * 33)))) == 400


# Whatever it is.

names = st.sampled_from(
    [
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"sec-websocket-protocol",
        b"sec-websocket-extensions",
        b"x",
    ]
)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(names, values | extension_values | st.sampled_from([KEY, b"13"])), max_size=6),
    st.booleans(),
)
@example([(b"sec-websocket-extensions", b"a;x=" + b"\xff" * 60_000)], True)
@example([(b"sec-websocket-protocol", b"\x80,\x81")], True)
@example([(b"sec-websocket-extensions", b",".join([b" "] * 30_000))], True)
def test_no_value_raises(fields: list[tuple[bytes, bytes]], required: bool) -> None:
    answer = read(*fields, required=required)
    if isinstance(answer, PeerError):
        assert answer.status in {400, 426}
        assert answer.reason.isascii()
    else:
        assert len(base64.b64decode(answer.key, validate=True)) == 16
        assert all(answer.subprotocols)
        for offer in answer.offers:
            assert offer.name
            assert all(name for name, _ in offer.parameters)
            assert all(value != b"" for _, value in offer.parameters)
