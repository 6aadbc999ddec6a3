"""Field lines that are written: what goes out is what every client reads."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio.asgi import Field
from sansio.errors import InvalidMessage
from sansio.fields import (
    EncodedFields,
    FieldEncoder,
)
from tests.sansio.field_octets import (
    contents,
    names,
    tokens,
    values,
    wild_names,
    wild_values,
)

# Written out of the RFC, and not out of the module.
FRAMING = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding"}
FORBIDDEN_TRAILERS = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
]


def make_encoder() -> FieldEncoder:
    def encode(name: bytes, value: bytes) -> bytes:
        return name + b": " + value + b"\r\n"

    def decode(line: bytes) -> Field:
        name, _, value = line[:-2].partition(b": ")
        return name, value

    return FieldEncoder(encode, decode)


def read_by_client(lines: list[bytes]) -> list[Field]:
    """Return the fields of a response, as h11 reads them."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(b"HTTP/1.1 200 \r\n" + b"".join(lines) + b"\r\n")
    event = client.next_event()
    assert isinstance(event, h11.Response)
    return list(event.headers)


def as_view(octets: bytes) -> memoryview:
    return memoryview(octets)


def outcome(encoder: FieldEncoder, items: Any) -> object:
    """Return all there is to see of an encoding, or that it was refused."""
    try:
        result = encoder.encode(items)
    except InvalidMessage:
        return "refused"
    return result.lines, result.content_length, result.close, result.date, result.server


# Fields from the application.


@given(st.lists(st.tuples(wild_names, wild_values), max_size=5))
def test_whatever_is_accepted_a_client_reads_back(items: list[Field]) -> None:
    """Names in lower case, values without outer white space, everything in order, but for what is the server's."""
    encoder = make_encoder()
    try:
        result = encoder.encode(items)
    except InvalidMessage:
        return
    expected = [(name.lower(), value.strip(b" \t")) for name, value in items]
    expected = [field for field in expected if field[0] not in FRAMING | {b"content-length"}]
    assert read_by_client(result.lines) == expected
    assert [encoder.decode(line) for line in result.lines] == expected
    for line in result.lines:
        assert line.endswith(b"\r\n")
        assert not set(line[:-2]) & set(b"\r\n\x00")


@given(st.lists(st.tuples(names, contents), max_size=5))
def test_tokens_with_fit_values_are_accepted(items: list[Field]) -> None:
    lengths = [item for item in items if item[0].lower() == b"content-length"]
    if not lengths:
        make_encoder().encode(items)


@pytest.mark.parametrize("item", [(memoryview(b"a"), b"b"), (b"a", memoryview(b"b"))], ids=["name", "value"])
def test_a_view_of_what_was_seen_before_is_still_no_bytes(item: Any) -> None:
    encoder = make_encoder()
    encoder.encode([(b"a", b"b")])
    encoder.encode([(b"a", b"b")])

    with pytest.raises(InvalidMessage, match="must be bytes"):
        encoder.encode([item])


@given(st.lists(st.tuples(wild_names, wild_values) | st.tuples(names, values), max_size=5))
def test_lists_tuples_and_iterators_are_all_one(items: list[Field]) -> None:
    """ASGI: headers are "an iterable of [name, value] two-item iterables"."""
    expected = outcome(make_encoder(), items)
    assert outcome(make_encoder(), tuple(items)) == expected
    assert outcome(make_encoder(), iter(items)) == expected
    assert outcome(make_encoder(), [list(item) for item in items]) == expected
    assert outcome(make_encoder(), (iter(item) for item in items)) == expected


@given(
    st.lists(
        st.lists(
            st.tuples(names, values)
            | st.tuples(names, values).map(list)
            | st.tuples(names.map(as_view), values)
            | st.tuples(names, values.map(bytearray)),
            max_size=4,
        ),
        max_size=4,
    ),
    st.randoms(use_true_random=False),
)
def test_what_was_seen_before_changes_no_verdict(history: list[Any], random: Any) -> None:
    used = make_encoder()
    again = [*history, *history]
    random.shuffle(again)
    for items in again:
        assert outcome(used, items) == outcome(make_encoder(), items)


def test_a_generator_is_used_once() -> None:
    def fields() -> Iterator[Field]:
        calls.append("started")
        yield b"x-a", b"1"
        yield b"x-b", b"2"
        calls.append("ended")

    calls: list[str] = []
    result = make_encoder().encode(fields())
    assert result.lines == [b"x-a: 1\r\n", b"x-b: 2\r\n"]
    assert calls == ["started", "ended"]


def test_fields_of_the_same_name_stay_apart_and_in_order() -> None:
    result = make_encoder().encode([(b"Set-Cookie", b"a=1"), (b"x-a", b"1"), (b"set-cookie", b"b=2")])
    assert result.lines == [b"set-cookie: a=1\r\n", b"x-a: 1\r\n", b"set-cookie: b=2\r\n"]


def test_no_fields_mean_nothing() -> None:
    result = make_encoder().encode([])
    assert isinstance(result, EncodedFields)
    assert (result.lines, result.content_length, result.close, result.date, result.server) == (
        [],
        None,
        False,
        False,
        False,
    )


@pytest.mark.parametrize(
    "items",
    [
        pytest.param(None, id="None"),
        pytest.param(5, id="a number"),
        pytest.param(b"ab", id="bytes"),
        pytest.param("ab", id="text"),
        pytest.param([None], id="an item that is None"),
        pytest.param([5], id="an item that is a number"),
        pytest.param([b"ab"], id="an item that is bytes"),
        pytest.param(["ab"], id="an item that is text"),
        pytest.param([()], id="an empty item"),
        pytest.param([(b"a",)], id="one thing"),
        pytest.param([(b"a", b"b", b"c")], id="three things"),
        pytest.param([("a", b"b")], id="name as text"),
        pytest.param([(b"a", "b")], id="value as text"),
        pytest.param([(b"a", None)], id="value None"),
        pytest.param([(b"a", 5)], id="value a number"),
        pytest.param([(b"content-length", 5)], id="length as a number"),
        pytest.param([(b"content-length", "5")], id="length as text"),
        pytest.param([(bytearray(b"a"), b"b")], id="name as bytearray"),
        pytest.param([(b"a", memoryview(b"b"))], id="value as memoryview"),
        pytest.param([[b"a"]], id="a list of one"),
        pytest.param([{b"a": b"b"}], id="a dict as item"),
        pytest.param({b"a": b"b"}, id="a dict"),
        pytest.param([(b"", b"b")], id="empty name"),
        pytest.param([(b":status", b"200")], id="pseudo-field"),
        pytest.param([(b"a b", b"c")], id="space in the name"),
        pytest.param([(b"a:", b"c")], id="colon in the name"),
        pytest.param([(b"a\r\nb", b"c")], id="CRLF in the name"),
        pytest.param([(b"\xe4", b"c")], id="name beyond ASCII"),
        pytest.param([(b"a", b"b\r\nc: d")], id="CRLF in the value"),
        pytest.param([(b"a", b"b\n")], id="LF at the end"),
        pytest.param([(b"a", b"\rb")], id="CR at the start"),
        pytest.param([(b"a", b"b\x00")], id="NUL in the value"),
        pytest.param([(b"a", b"\x1b")], id="ESC in the value"),
        pytest.param([(b"a", b"\x7f")], id="DEL in the value"),
    ],
)
@pytest.mark.parametrize(
    "method", [FieldEncoder.encode, FieldEncoder.encode_trailers], ids=["fields", "trailers"]
)
def test_what_is_no_field_is_refused(method: Callable[[FieldEncoder, Any], object], items: Any) -> None:
    """RFC 9110 §5.1, §5.5; ASGI: "Byte strings"."""
    encoder = make_encoder()
    with pytest.raises(InvalidMessage):
        method(encoder, items)
    assert encoder.encode([(b"x-a", b"1")]).lines == [b"x-a: 1\r\n"]


# What is the server's to decide.


@pytest.mark.parametrize(
    ("items", "length"),
    [
        pytest.param([(b"content-length", b"5")], 5, id="one"),
        pytest.param([(b"Content-Length", b"5")], 5, id="any case"),
        pytest.param([(b"content-length", b"0")], 0, id="zero"),
        pytest.param([(b"content-length", b" 5\t")], 5, id="outer white space"),
        pytest.param([[b"content-length", b" 5\t"]], 5, id="outer white space in a list"),
        pytest.param([(b"content-length", b"5"), (b"Content-Length", b"5")], 5, id="twice the same"),
        pytest.param([(b"content-length", b"5"), (b"content-length", b"05")], 5, id="twice the same number"),
    ],
)
def test_a_length_is_taken_out_of_the_lines(items: Any, length: int) -> None:
    """RFC 9110 §8.6."""
    result = make_encoder().encode(items)
    assert (result.content_length, result.lines) == (length, [])


def test_the_name_of_the_length_as_a_value_is_a_value() -> None:
    result = make_encoder().encode([(b"vary", b"content-length"), (b"x-a", b"connection")])
    assert result.lines == [b"vary: content-length\r\n", b"x-a: connection\r\n"]
    assert result.content_length is None


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([(b"content-length", b"")], id="empty"),
        pytest.param([(b"content-length", b"-1")], id="negative"),
        pytest.param([(b"content-length", b"5, 5")], id="a list"),
        pytest.param([(b"content-length", b"0x5")], id="hexadecimal"),
        pytest.param([(b"content-length", b"1" * 19)], id="too many digits"),
        pytest.param([[b"content-length", b"five"]], id="a word"),
        pytest.param([(b"content-length", b"5"), (b"content-length", b"6")], id="a contradiction"),
        pytest.param([(b"content-length", b"0"), (b"Content-Length", b"6")], id="a contradiction with zero"),
    ],
)
def test_a_length_that_is_none_or_contradicts_another_is_refused(items: Any) -> None:
    with pytest.raises(InvalidMessage, match="content-length"):
        make_encoder().encode(items)


@pytest.mark.parametrize("name", sorted(FRAMING), ids=bytes.decode)
def test_the_fields_of_framing_never_go_out(name: bytes) -> None:
    """ASGI: "transfer-encoding" is ignored; RFC 9110 §7.6.1: the others are for this connection only."""
    result = make_encoder().encode([(name.title(), b"chunked"), (name, b"x"), (b"x-a", b"1")])
    assert result.lines == [b"x-a: 1\r\n"]
    assert not result.close


@pytest.mark.parametrize(
    ("values", "close"),
    [
        pytest.param([b"close"], True, id="close"),
        pytest.param([b"Keep-Alive, CLOSE"], True, id="in a list"),
        pytest.param([b"close", b"keep-alive"], True, id="in the first of two"),
        pytest.param([b"upgrade", b"close"], True, id="in the second of two"),
        pytest.param([b"closed", b"not-close"], False, id="another word"),
        pytest.param([b"keep-alive"], False, id="the opposite"),
    ],
)
def test_an_application_can_ask_for_the_end_of_the_connection(values: list[bytes], close: bool) -> None:
    """RFC 9112 §9.6."""
    encoder = make_encoder()
    for _ in range(2):
        assert encoder.encode([(b"connection", value) for value in values]).close is close


def test_a_version_of_http_may_drop_fields_that_it_does_not_send() -> None:
    """RFC 9113 §8.2.2, for one."""
    encoder = FieldEncoder(
        lambda name, value: name + value, lambda line: (line, b""), frozenset({b"upgrade"})
    )
    for _ in range(2):
        assert encoder.encode([(b"a", b"1"), (b"Upgrade", b"x"), (b"upgrade", b"y")]).lines == [b"a1"]


def test_date_and_server_go_out_and_are_noticed_each_time() -> None:
    """RFC 9110 §6.6.1: a field of the application's takes the place of the server's."""
    encoder = make_encoder()
    for _ in range(2):
        result = encoder.encode([(b"Date", b"now"), (b"server", b"mine")])
        assert result.lines == [b"date: now\r\n", b"server: mine\r\n"]
        assert (result.date, result.server) == (True, True)
        assert not encoder.encode([(b"x-date", b"now")]).date


# Trailers, and single values.


@given(st.lists(st.tuples(tokens, contents), max_size=5))
def test_trailers_are_checked_and_encoded_like_fields(items: list[Field]) -> None:
    expected = [name.lower() + b": " + value.strip(b" \t") + b"\r\n" for name, value in items]
    if not {name.lower().decode() for name, _ in items} & {*FORBIDDEN_TRAILERS}:
        assert make_encoder().encode_trailers(items) == expected
        assert make_encoder().encode_trailers(iter([list(item) for item in items])) == expected


@pytest.mark.parametrize("name", FORBIDDEN_TRAILERS)
def test_a_field_that_others_need_early_is_no_trailer(name: str) -> None:
    """RFC 9110 §6.5.1: framing, routing, modifiers, authentication, content format."""
    for spelling in (name, name.title()):
        with pytest.raises(InvalidMessage, match="not allowed in trailers"):
            make_encoder().encode_trailers([(b"x-a", b"1"), (spelling.encode(), b"1")])


def test_a_single_value_is_checked_like_a_field() -> None:
    encoder = make_encoder()
    assert encoder.encode_value(b"link", b" </a>; rel=preload ") == b"link: </a>; rel=preload\r\n"
    for value in (b"a\r\nb: c", "</a>", None):
        with pytest.raises(InvalidMessage):
            encoder.encode_value(b"link", value)


# The cache.


@pytest.mark.parametrize("size", [10, 200, 4_000], ids=["short", "middling", "long"])
def test_lines_that_are_all_different_are_not_kept_for_ever(size: int) -> None:
    """The memory is bounded in lines and in octets."""
    encoder = make_encoder()
    count = 1_500
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(count):
            item = (b"x-%d" % number, b"%0*d" % (size, number))
            assert encoder.encode([item]).lines == [item[0] + b": " + item[1] + b"\r\n"]
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < 512 * 1_024


def test_the_same_line_again_gives_the_same_line() -> None:
    encoder = make_encoder()
    items = [(b"X-A", b" 1 "), (b"etag", b'"a"'), (b"x-long", b"a" * 300)]
    expected = [b"x-a: 1\r\n", b'etag: "a"\r\n', b"x-long: " + b"a" * 300 + b"\r\n"]
    for _ in range(3):
        assert encoder.encode(items).lines == expected
