"""The head of an HTTP/2 request: what fields mean together, and which of them are malformed.

Source: RFC 9113 §8.2, §8.3, §8.5; RFC 8441 §4; RFC 9218 §4.
"""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sansio.asgi import Field
from sansio.errors import PeerError
from sansio.http2_head import find_urgency, is_trailer_section, parse_urgency, read_head
from sansio.scope import RequestHead

GET: Final = (b":method", b"GET")
CONNECT: Final = (b":method", b"CONNECT")
OPTIONS: Final = (b":method", b"OPTIONS")
HTTPS: Final = (b":scheme", b"https")
AUTHORITY: Final = (b":authority", b"a.example")
PATH: Final = (b":path", b"/")
WEBSOCKET: Final = (b":protocol", b"websocket")
HEAD: Final = (GET, HTTPS, AUTHORITY, PATH)
UPGRADE: Final = (CONNECT, WEBSOCKET, HTTPS, AUTHORITY, PATH)
HOST: Final = (b"host", b"a.example")


def read(*fields: Field, ended: bool = True, extended: bool = True) -> RequestHead | PeerError:
    return read_head(list(fields), ended=ended, extended=extended)


def accept(*fields: Field, ended: bool = True, extended: bool = True) -> RequestHead:
    head = read(*fields, ended=ended, extended=extended)
    assert isinstance(head, RequestHead), head
    return head


def refuse(*fields: Field, ended: bool = True, extended: bool = True) -> int | None:
    """Return the status of a refusal; None: malformed."""
    error = read(*fields, ended=ended, extended=extended)
    assert isinstance(error, PeerError)
    assert error.reason
    assert error.reason.isascii()
    return error.status


def with_path(method: bytes, path: bytes) -> tuple[Field, ...]:
    return ((b":method", method), HTTPS, AUTHORITY, (b":path", path))


# What is malformed, and what is answered with a status.

MALFORMED: Final[dict[str, tuple[Field, ...]]] = {
    # §8.3.1: "exactly one valid value for the ":method", ":scheme", and ":path" pseudo-header fields".
    "nothing": (),
    "no method": (HTTPS, AUTHORITY, PATH),
    "no scheme": (GET, AUTHORITY, PATH),
    "no path": (GET, HTTPS, AUTHORITY),
    "two methods": (GET, *HEAD),
    "two schemes": (HTTPS, *HEAD),
    "two authorities": (AUTHORITY, *HEAD),
    "two paths": (PATH, *HEAD),
    "two protocols": (WEBSOCKET, *UPGRADE),
    # §8.3: "All pseudo-header fields MUST appear in a field block before all regular field lines."
    "a method behind a field": (HTTPS, AUTHORITY, PATH, (b"x", b"y"), GET),
    "a path behind a field": (GET, HTTPS, AUTHORITY, (b"x", b"y"), PATH),
    "an authority behind a field": (GET, HTTPS, PATH, (b"x", b"y"), AUTHORITY),
    "a second path behind a field": (*HEAD, (b"x", b"y"), PATH),
    "a protocol behind a field": (*HEAD, (b"x", b"y"), WEBSOCKET),
    # RFC 9110 §9.1: a method is a token.
    "an empty method": with_path(b"", b"/"),
    "a method with a space": with_path(b"GET /", b"/"),
    "a method that is not ASCII": with_path(b"G\xc9T", b"/"),
    # Ours are resources of http and https.
    "an empty scheme": (GET, (b":scheme", b""), AUTHORITY, PATH),
    "another scheme": (GET, (b":scheme", b"ftp"), AUTHORITY, PATH),
    "a scheme and more": (GET, (b":scheme", b"https://"), AUTHORITY, PATH),
    # §8.3.1: ":authority" "MUST NOT include the deprecated userinfo subcomponent"; RFC 9110 §4.2.1: nor be empty.
    "an empty authority": (GET, HTTPS, (b":authority", b""), PATH),
    "user information": (GET, HTTPS, (b":authority", b"user@a.example"), PATH),
    "an authority with a path": (GET, HTTPS, (b":authority", b"a.example/"), PATH),
    "two in an authority": (GET, HTTPS, (b":authority", b"a.example,b.example"), PATH),
    "a port beyond all ports": (GET, HTTPS, (b":authority", b"a.example:65536"), PATH),
    # §8.3.1: the path "MUST NOT be empty", begins with "/", or is "*" for OPTIONS.
    "an empty path": with_path(b"GET", b""),
    "an empty path for OPTIONS": with_path(b"OPTIONS", b""),
    "a path without its slash": with_path(b"GET", b"a"),
    "a path that is a URI": with_path(b"GET", b"https://a.example/"),
    "a path with a space": with_path(b"GET", b"/a b"),
    "a path with a fragment": with_path(b"GET", b"/a#b"),
    "a path that is not ASCII": with_path(b"GET", b"/\xe9"),
    "an asterisk for GET": with_path(b"GET", b"*"),
    "an asterisk and more": with_path(b"OPTIONS", b"*/"),
    # §8.3.1: without ":authority" one Host field takes its place; beside it, Host says the same.
    "no authority at all": (GET, HTTPS, PATH),
    "two Host fields": (GET, HTTPS, PATH, HOST, HOST),
    "another Host": (*HEAD, (b"host", b"b.example")),
    "another port in Host": (*HEAD, (b"host", b"a.example:443")),
    "an empty Host beside an authority": (*HEAD, (b"host", b"")),
    "two Host fields beside an authority": (*HEAD, HOST, HOST),
    "a second Host that differs": (*HEAD, HOST, (b"host", b"b.example")),
    # §8.2.2: "Any message containing connection-specific header fields MUST be treated as malformed".
    "Connection": (*HEAD, (b"connection", b"keep-alive")),
    "Proxy-Connection": (*HEAD, (b"proxy-connection", b"keep-alive")),
    "Keep-Alive": (*HEAD, (b"keep-alive", b"timeout=5")),
    "Transfer-Encoding": (*HEAD, (b"transfer-encoding", b"chunked")),
    "Upgrade": (*HEAD, (b"upgrade", b"h2c")),
    "an empty Connection": (*HEAD, (b"connection", b"")),
    "TE: gzip": (*HEAD, (b"te", b"gzip")),
    "TE: trailers and more": (*HEAD, (b"te", b"trailers, gzip")),
    "an empty TE": (*HEAD, (b"te", b"")),
    "a second TE": (*HEAD, (b"te", b"trailers"), (b"te", b"gzip")),
    # RFC 9110 §8.6; §8.1.1: what is promised has to come.
    "a length that is none": (*HEAD, (b"content-length", b"+5")),
    "an empty length": (*HEAD, (b"content-length", b"")),
    "a list of lengths": (*HEAD, (b"content-length", b"5, 5")),
    "a length beyond all lengths": (*HEAD, (b"content-length", b"1" * 19)),
    "two lengths that are alike": (*HEAD, (b"content-length", b"0"), (b"content-length", b"0")),
    "a length of what does not come": (*HEAD, (b"content-length", b"5")),
    # §8.5: CONNECT has an authority and "The ":scheme" and ":path" pseudo-header fields MUST be omitted."
    "CONNECT with a scheme": (CONNECT, AUTHORITY, HTTPS),
    "CONNECT with a path": (CONNECT, AUTHORITY, PATH),
    "CONNECT without an authority": (CONNECT,),
    "CONNECT with a Host for an authority": (CONNECT, HOST),
    # RFC 8441 §4: with ":protocol" they "MUST also be included", and so must ":authority" (§8.3.1).
    "a protocol for GET": (*HEAD, WEBSOCKET),
    "extended CONNECT without a scheme": (CONNECT, WEBSOCKET, AUTHORITY, PATH),
    "extended CONNECT without a path": (CONNECT, WEBSOCKET, HTTPS, AUTHORITY),
    "extended CONNECT without an authority": (CONNECT, WEBSOCKET, HTTPS, PATH),
    "extended CONNECT with a Host for an authority": (CONNECT, WEBSOCKET, HTTPS, PATH, HOST),
    "extended CONNECT with an asterisk": (CONNECT, WEBSOCKET, HTTPS, AUTHORITY, (b":path", b"*")),
    "extended CONNECT with Upgrade": (*UPGRADE, (b"upgrade", b"websocket")),
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED)
def test_a_request_is_malformed(fields: tuple[Field, ...]) -> None:
    """RFC 9113 §8.1.1."""
    assert refuse(*fields) is None


REFUSED: Final[dict[str, tuple[int, tuple[Field, ...]]]] = {
    # Well-formed, and nothing that an origin has to serve. RFC 9110 §9.1: 501.
    "CONNECT": (501, (CONNECT, AUTHORITY)),
    "another protocol": (501, (CONNECT, (b":protocol", b"connect-udp"), HTTPS, AUTHORITY, PATH)),
    "TRACE": (501, with_path(b"TRACE", b"/")),
    "a method in lower case": (501, with_path(b"get", b"/")),
    "a method of 33 octets": (501, with_path(b"A" * 33, b"/")),
    # RFC 9110 §10.1.1.
    "an expectation that nobody knows": (417, (*HEAD, (b"expect", b"a-miracle"))),
    # RFC 9110 §7.2: "a 400 (Bad Request) status code to any [...] request that contains [...] an invalid" Host.
    "a Host that is none": (400, (GET, HTTPS, PATH, (b"host", b"a b"))),
    "an empty Host": (400, (GET, HTTPS, PATH, (b"host", b""))),
    "user information in Host": (400, (GET, HTTPS, PATH, (b"host", b"user@a.example"))),
}


@pytest.mark.parametrize(("status", "fields"), REFUSED.values(), ids=REFUSED)
def test_a_request_that_is_not_malformed_is_refused_with_a_status(
    status: int, fields: tuple[Field, ...]
) -> None:
    assert refuse(*fields) == status


# What a head means.


@pytest.mark.parametrize(
    ("fields", "method", "target"),
    [
        (HEAD, "GET", b"/"),
        (tuple(reversed(HEAD)), "GET", b"/"),
        (with_path(b"POST", b"/a%20b?c=d&e=/?"), "POST", b"/a%20b?c=d&e=/?"),
        (with_path(b"OPTIONS", b"*"), "OPTIONS", b"*"),
        (with_path(b"OPTIONS", b"/a"), "OPTIONS", b"/a"),
        (with_path(b"M-SEARCH", b"//a//"), "M-SEARCH", b"//a//"),
        (with_path(b"A" * 32, b"/"), "A" * 32, b"/"),
        ((GET, (b":scheme", b"http"), AUTHORITY, PATH), "GET", b"/"),
    ],
)
def test_method_and_target_are_what_their_fields_say(
    fields: tuple[Field, ...], method: str, target: bytes
) -> None:
    """RFC 9113 §8.3.1. In which order pseudo-header fields stand is nowhere said."""
    head = accept(*fields)
    assert (head.method, head.target, head.version) == (method, target, "2")
    assert head.fields == [(b"host", b"a.example")]
    assert (head.websocket, head.close, head.expects_continue, head.accepts_trailers) == (False,) * 4


@pytest.mark.parametrize("authority", [b"a", b"A.Example:8443", b"a.example:", b"127.0.0.1:80", b"[::1]:443"])
def test_the_authority_becomes_the_first_field(authority: bytes) -> None:
    """ASGI: ":authority" is "added to the start of the iterable with host as the header name"."""
    head = accept((b":authority", authority), GET, HTTPS, PATH, (b"x", b"y"))
    assert head.fields == [(b"host", authority), (b"x", b"y")]


def test_the_thousandth_authority_is_judged_like_the_first() -> None:
    """What was seen of others changes no verdict, and they are not kept for ever."""
    for number in range(1_500):
        good = (b":authority", b"h%d.example" % number)
        assert accept(GET, HTTPS, good, PATH).fields == [(b"host", good[1])]
        assert refuse(GET, HTTPS, (b":authority", good[1] + b"/"), PATH) is None
    long = (b":authority", b"h" * 3_000)
    for _ in range(2):
        assert accept(*HEAD).fields == [HOST]
        assert accept(GET, HTTPS, long, PATH).fields == [(b"host", long[1])]
        for fields in MALFORMED.values():
            assert refuse(*fields) is None


@pytest.mark.parametrize("host", [b"a.example", b"A.EXAMPLE"])
def test_a_host_that_says_the_same_gives_way_to_the_authority(host: bytes) -> None:
    """RFC 9113 §8.3.1: a difference in case is none (RFC 3986 §3.2.2)."""
    head = accept(*HEAD, (b"a", b"b"), (b"host", host), (b"c", b"d"))
    assert head.fields == [(b"host", b"a.example"), (b"a", b"b"), (b"c", b"d")]


def test_a_host_alone_keeps_its_place() -> None:
    """RFC 9113 §8.3.1: an intermediary that converts from HTTP/1 may leave ":authority" out."""
    head = accept(GET, HTTPS, PATH, (b"a", b"b"), HOST, (b"c", b"d"))
    assert head.fields == [(b"a", b"b"), HOST, (b"c", b"d")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([(b"cookie", b"a=1")], [(b"cookie", b"a=1")]),
        ([(b"cookie", b"a=1"), (b"cookie", b"b=2")], [(b"cookie", b"a=1; b=2")]),
        (
            [(b"x", b"1"), (b"cookie", b"a=1"), (b"y", b"2"), (b"cookie", b"b=2"), (b"cookie", b"c=3")],
            [(b"x", b"1"), (b"cookie", b"a=1; b=2; c=3"), (b"y", b"2")],
        ),
        ([(b"cookie", b""), (b"cookie", b"a=1; b=2")], [(b"cookie", b"; a=1; b=2")]),
    ],
    ids=["one", "two", "among others", "an empty one"],
)
@pytest.mark.parametrize("with_host", [False, True])
def test_cookie_crumbs_are_one_field_where_the_first_stood(
    fields: list[Field], expected: list[Field], with_host: bool
) -> None:
    """RFC 9113 §8.2.3."""
    if with_host:
        assert accept(GET, HTTPS, PATH, *fields, HOST).fields == [*expected, HOST]
    else:
        assert accept(*HEAD, *fields).fields == [HOST, *expected]


def test_fields_of_one_name_stay_apart_and_in_order() -> None:
    fields = [(b"x", b"1"), (b"accept", b"a"), (b"x", b"2"), (b"accept", b"b"), (b"x", b"1")]
    assert accept(*HEAD, *fields).fields == [HOST, *fields]


@pytest.mark.parametrize("authority", [AUTHORITY, None], ids=["authority", "host"])
@pytest.mark.parametrize(
    ("fields", "ended", "length"),
    [
        ([], True, 0),
        ([], False, None),
        ([(b"content-length", b"0")], True, 0),
        ([(b"content-length", b"0")], False, 0),
        ([(b"content-length", b"5")], False, 5),
        ([(b"content-length", b"007")], False, 7),
        ([(b"content-length", b"9" * 18)], False, 10**18 - 1),
        ([(b"te", b"trailers")], True, 0),
        ([(b"te", b"trailers")], False, None),
    ],
)
def test_the_content_s_length_is_what_was_promised_or_nothing_behind_the_end(
    authority: Field | None, fields: list[Field], ended: bool, length: int | None
) -> None:
    """RFC 9113 §8.1.1; RFC 9110 §8.6. None: only the end will tell."""
    head = accept(GET, HTTPS, PATH, *([authority] if authority else []), *fields, HOST, ended=ended)
    assert head.content_length == length
    assert [field for field in head.fields if field != HOST] == fields


@pytest.mark.parametrize("value", [b"trailers", b"Trailers"])
def test_trailers_are_for_who_asks_for_them(value: bytes) -> None:
    """RFC 9113 §8.2.2; RFC 9110 §10.1.4."""
    head = accept(*HEAD, (b"te", value))
    assert head.accepts_trailers
    assert head.fields == [HOST, (b"te", value)]


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue"])
@pytest.mark.parametrize("ended", [False, True])
def test_a_100_is_expected_by_who_has_content_to_send(value: bytes, ended: bool) -> None:
    """RFC 9110 §10.1.1: "A server MAY omit sending a 100 (Continue) response if [...] there is no content"."""
    head = accept(*HEAD, (b"expect", value), ended=ended)
    assert head.expects_continue is not ended
    assert head.fields == [HOST, (b"expect", value)]


# Extended CONNECT.


@pytest.mark.parametrize("path", [b"/", b"/chat?room=1"])
def test_extended_connect_asks_for_a_websocket(path: bytes) -> None:
    """RFC 8441 §4, §5."""
    head = accept(CONNECT, WEBSOCKET, HTTPS, AUTHORITY, (b":path", path), (b"origin", b"b"), ended=False)
    assert (head.method, head.target, head.websocket) == ("CONNECT", path, True)
    assert head.content_length is None
    assert head.fields == [HOST, (b"origin", b"b")]


def test_extended_connect_that_was_not_offered_is_malformed() -> None:
    """RFC 8441 §3: only after SETTINGS_ENABLE_CONNECT_PROTOCOL may a client use it."""
    assert refuse(*UPGRADE, ended=False, extended=False) is None
    assert refuse(CONNECT, AUTHORITY, ended=False, extended=False) == 501
    assert not accept(*HEAD, extended=False).websocket


# Anything.

names = st.sampled_from(
    [
        b":method",
        b":scheme",
        b":authority",
        b":path",
        b":protocol",
        b"host",
        b"cookie",
        b"te",
        b"expect",
        b"content-length",
        b"connection",
        b"x",
        b"y",
    ]
)
values = st.sampled_from(
    [b"", b"a.example", b"trailers", b"100-continue", b"5", b"0", b"/", b"*", b"a=1", b"\xff", b"websocket"]
)
regular = st.lists(st.tuples(names.filter(lambda name: name[:1] != b":"), values), max_size=6)


@hypothesis_settings(max_examples=200)
@given(
    start=st.sampled_from([(), HEAD, (GET, HTTPS, PATH), UPGRADE]),
    fields=regular | st.lists(st.tuples(names, values), max_size=6),
    ended=st.booleans(),
    extended=st.booleans(),
)
def test_whatever_comes_is_a_head_or_a_fault_of_the_peer_s(
    start: tuple[Field, ...], fields: list[Field], ended: bool, extended: bool
) -> None:
    """A head has one Host, one Cookie at most, nothing of the connection's, and all else as it came."""
    head = read(*start, *fields, ended=ended, extended=extended)
    if isinstance(head, PeerError):
        assert head.status in {None, 400, 417, 501}
        return
    found = [name for name, _ in head.fields]
    assert found.count(b"host") == 1
    assert found.count(b"cookie") <= 1
    assert not any(name.startswith(b":") or name == b"connection" for name in found)
    special = {b"host", b"cookie"}
    assert [field for field in head.fields if field[0] not in special] == [
        field for field in fields if field[0] not in special and field[0][:1] != b":"
    ]
    assert head.content_length == 0 if ended else head.content_length in {None, 0, 5}
    assert head.websocket == (head.method == "CONNECT")
    assert not head.websocket or extended


# Trailers.


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ([], True),
        ([(b"x", b"y"), (b"grpc-status", b"0")], True),
        ([(b"content-length", b"5")], True),
        ([(b":path", b"/")], False),
        ([(b"x", b"y"), (b":method", b"GET")], False),
        ([(b"connection", b"close")], False),
        ([(b"x", b"y"), (b"transfer-encoding", b"chunked")], False),
        ([(b"upgrade", b"h2c")], False),
        ([(b"te", b"trailers")], True),
        ([(b"te", b"gzip")], False),
    ],
)
def test_trailers_have_no_pseudo_header_field_and_nothing_of_the_connection(
    fields: list[Field], allowed: bool
) -> None:
    """RFC 9113 §8.1: "Trailers MUST NOT include pseudo-header fields"; §8.2.2."""
    assert is_trailer_section(fields) is allowed


# Urgency.


@pytest.mark.parametrize(
    ("value", "urgency"),
    [
        *((b"u=%d" % number, number) for number in range(8)),
        (b"", 3),
        (b"i", 3),
        (b"u=5, i", 5),
        (b"i, u=5", 5),
        (b"i=?0,u=5", 5),
        (b" u=1 , i", 1),
        (b"u=1;a=b, i", 1),
        (b"u=1,u=2", 2),  # RFC 8941 §3.2: of members with one name the last counts.
        (b"u=1, u=9", 3),  # The last is none.
        (b"u=1,i,u=6", 6),
        # What cannot be read is ignored.
        (b"u=8", 3),
        (b"u=-1", 3),
        (b"u=10", 3),
        (b"u=1.0", 3),
        (b"u", 3),
        (b"u=", 3),
        (b"u=a", 3),
        (b'u="1"', 3),
        (b"U=1", 3),
        (b"xu=1", 3),
        (b"u =1", 3),
        (b"\xff\x00", 3),
    ],
)
def test_the_urgency_is_a_number_from_0_to_7(value: bytes, urgency: int) -> None:
    """RFC 9218 §4.1: 3 without one, and "out of range" or "unexpected" values are ignored (§4)."""
    assert parse_urgency(value) == urgency


@pytest.mark.parametrize(
    ("fields", "urgency"),
    [
        ([], 3),
        ([(b"x", b"u=1")], 3),
        ([(b"priority", b"u=1")], 1),
        ([(b"priority", b"i"), (b"x", b"y"), (b"priority", b"u=6")], 6),
        ([(b"priority", b"u=6"), (b"priority", b"u=2")], 2),
        ([(b"priority", b"")], 3),
    ],
)
def test_a_request_says_how_urgent_it_is(fields: list[Field], urgency: int) -> None:
    """RFC 9218 §5; several lines are one list (RFC 9110 §5.3)."""
    assert find_urgency([HOST, *fields]) == urgency


@given(st.binary(max_size=12) | st.text("u=,;0123456789 i", max_size=12).map(str.encode))
def test_no_priority_raises(value: bytes) -> None:
    assert 0 <= parse_urgency(value) <= 7
