"""The gate: what it lets through, what it refuses and with which status, and that cuts do not matter."""

from typing import Final

import pytest

from sansio import PeerError, Settings
from sansio.http1_gate import HeadGate, accepts_trailers, interpret
from sansio.scope import RequestHead

from .http1_octets import cut, head_of, judge_head, octets, status_of

SETTINGS: Final = Settings()
HOST: Final = b"Host: a"


REQUEST_LINES: Final = {
    "plain": (b"GET / HTTP/1.1", None),
    "http-1.0": (b"GET / HTTP/1.0", None),
    "later-minor-version": (b"GET / HTTP/1.9", None),
    "unknown-method": (b"FOO / HTTP/1.1", None),
    "method-of-every-kind-of-character": (b"!#$%&'*+-.^_`|~09AZ / HTTP/1.1", None),
    "method-of-32-octets": (b"A" * 32 + b" / HTTP/1.1", None),
    "method-of-33-octets": (b"A" * 33 + b" / HTTP/1.1", 501),
    "lower-case-method": (b"get / HTTP/1.1", 501),
    "mixed-case-method": (b"Get / HTTP/1.1", 501),
    "connect": (b"CONNECT a:80 HTTP/1.1", 501),
    "trace": (b"TRACE / HTTP/1.1", 501),
    "method-with-a-separator": (b"GE@T / HTTP/1.1", 400),
    "leading-space": (b" GET / HTTP/1.1", 400),
    "two-spaces": (b"GET  / HTTP/1.1", 400),
    "two-spaces-before-the-version": (b"GET /  HTTP/1.1", 400),
    "trailing-space": (b"GET / HTTP/1.1 ", 400),
    "tabs": (b"GET\t/\tHTTP/1.1", 400),
    "vertical-tab": (b"GET\x0b/ HTTP/1.1", 400),
    "no-version": (b"GET /", 400),
    "only-a-method": (b"GET", 400),
    "space-in-the-target": (b"GET /a b HTTP/1.1", 400),
    "lower-case-version": (b"GET / http/1.1", 400),
    "two-digits": (b"GET / HTTP/1.10", 400),
    "no-minor-version": (b"GET / HTTP/1", 400),
    "no-point": (b"GET / HTTP/11", 400),
    "other-protocol": (b"GET / HTTPS/1.1", 400),
    "digits-that-are-not-ascii": (b"GET / HTTP/\xb9.1", 400),
    "http-2-as-text": (b"GET / HTTP/2.0", 505),
    "http-0.9-as-text": (b"GET / HTTP/0.9", 505),
    "preface-of-http-2": (b"PRI * HTTP/2.0", 505),
    "bare-cr": (b"GET /\rX HTTP/1.1", 400),
    "cr-cr-lf": (b"GET / HTTP/1.1\r", 400),
    "null": (b"GET /\x00 HTTP/1.1", 400),
    "target-in-no-form": (b"GET foo HTTP/1.1", 400),
}


@pytest.mark.parametrize(("line", "status"), REQUEST_LINES.values(), ids=REQUEST_LINES)
def test_request_lines(line: bytes, status: int | None) -> None:
    """RFC 9112 §2.3, §3; RFC 9110 §9.1, §15.6.2, §15.6.6."""
    assert status_of(head_of(line, HOST)) == status


def test_http_1_0_may_leave_host_out_but_not_give_two() -> None:
    assert status_of(head_of(b"GET / HTTP/1.0")) is None
    assert status_of(head_of(b"GET / HTTP/1.0", HOST, HOST)) == 400
    assert status_of(head_of(b"GET / HTTP/1.2")) == 400


FIELDS: Final = {
    "plain": (b"X: y", None),
    "no-space": (b"X:y", None),
    "white-space-around": (b"X: \t y \t ", None),
    "empty-value": (b"X:", None),
    "colons": (b"X::y:", None),
    "name-of-every-kind-of-character": (b"!#$%&'*+-.^_`|~09azAZ: y", None),
    "high-octets": (b"X: \x80\x85\xa0\xff", None),
    "twice-what-should-stand-once": (b"Content-Type: a\r\nContent-Type: b", None),
    "underscore-is-another-name": (b"Transfer_Encoding: chunked\r\nContent-Length: 1", None),
    "space-before-the-colon": (b"X : y", 400),
    "tab-before-the-colon": (b"X\t: y", 400),
    "no-colon": (b"X", 400),
    "no-name": (b": y", 400),
    "space-in-the-name": (b"X Y: z", 400),
    "high-octet-in-the-name": (b"\xc3\xa4: y", 400),
    "folded": (b"X: y\r\n z", 400),
    "folded-with-a-tab": (b"X: y\r\n\tz: a", 400),
    "folded-coding": (b"Transfer-Encoding:\r\n chunked", 400),
    "only-a-space": (b" ", 400),
    "bare-cr": (b"X: y\rZ: a", 400),
    "bare-cr-at-the-start-of-a-line": (b"\rX: y", 400),
    "bare-lf": (b"X: y\nZ: a", 400),
    "lf-cr": (b"X: y\n\rZ: a", 400),
}


@pytest.mark.parametrize(("line", "status"), FIELDS.values(), ids=FIELDS)
def test_field_lines(line: bytes, status: int | None) -> None:
    """RFC 9112 §2.2, §5.1, §5.2; RFC 9110 §5.5."""
    assert status_of(head_of(b"GET / HTTP/1.1", HOST, line)) == status


def test_white_space_between_the_request_line_and_the_first_field_is_refused() -> None:
    """RFC 9112 §2.2."""
    assert status_of(head_of(b"GET / HTTP/1.1", b" Host: a", HOST)) == 400


@pytest.mark.parametrize("octet", range(256))
def test_every_octet_in_a_name_and_in_a_value(octet: int) -> None:
    """RFC 9110 §5.5, §5.6.2. Control characters other than HTAB are "invalid"."""
    allowed_in_value = octet == 9 or 32 <= octet != 127
    allowed_in_name = (
        bytes([octet]) in b"!#$%&'*+-.^_`|~:" or bytes([octet]).isalnum()
    )  # A colon ends the name.

    assert (status_of(head_of(b"GET / HTTP/1.1", HOST, b"X: a%cb" % octet)) is None) == allowed_in_value
    assert (status_of(head_of(b"GET / HTTP/1.1", HOST, b"A%cB: x" % octet)) is None) == allowed_in_name


FRAMINGS: Final = {
    "none": ([], None),
    "length": ([b"Content-Length: 5"], None),
    "length-of-18-digits": ([b"Content-Length: 999999999999999999"], None),
    "leading-zeros-are-decimal": ([b"Content-Length: 010"], None),
    "chunked": ([b"Transfer-Encoding: chunked"], None),
    "chunked-in-any-case-between-white-space": ([b"transfer-encoding: \tChunKed \t"], None),
    "both": ([b"Content-Length: 5", b"Transfer-Encoding: chunked"], 400),
    "both-the-other-way-round": ([b"Transfer-Encoding: chunked", b"Content-Length: 5"], 400),
    "both-one-of-them-unknown": ([b"Transfer-Encoding: x", b"Content-Length: 5"], 400),
    "two-codings": ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], 400),
    "two-codings-in-two-fields": ([b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"], 400),
    "coding-before-chunked": ([b"Transfer-Encoding: gzip, chunked"], 501),
    "codings-before-chunked": ([b"Transfer-Encoding: gzip ,\tdeflate, , Chunked"], 501),
    "chunked-twice": ([b"Transfer-Encoding: chunked, chunked"], 400),
    "chunked-not-last": ([b"Transfer-Encoding: chunked, gzip"], 400),
    "chunked-then-identity": ([b"Transfer-Encoding: chunked, identity"], 400),
    "identity": ([b"Transfer-Encoding: identity"], 400),
    "gzip": ([b"Transfer-Encoding: gzip"], 400),
    "empty-coding": ([b"Transfer-Encoding:"], 400),
    "parameter": ([b"Transfer-Encoding: chunked;x=y"], 400),
    "prefix": ([b"Transfer-Encoding: xchunked"], 400),
    "suffix": ([b"Transfer-Encoding: chunkedx"], 400),
    "comma-first": ([b"Transfer-Encoding: ,chunked"], 400),
    "comma-last": ([b"Transfer-Encoding: chunked,"], 400),
    "quoted": ([b'Transfer-Encoding: "chunked"'], 400),
    "nonsense-before-chunked": ([b"Transfer-Encoding: a b, chunked"], 400),
    "vertical-tab": ([b"Transfer-Encoding: \x0bchunked"], 400),
    "high-space": ([b"Transfer-Encoding: \xa0chunked"], 400),
    "plus": ([b"Content-Length: +5"], 400),
    "minus": ([b"Content-Length: -5"], 400),
    "minus-zero": ([b"Content-Length: -0"], 400),
    "hexadecimal": ([b"Content-Length: 0x5"], 400),
    "underscore": ([b"Content-Length: 1_0"], 400),
    "empty-length": ([b"Content-Length:"], 400),
    "space-inside": ([b"Content-Length: 1 0"], 400),
    "fraction": ([b"Content-Length: 5.0"], 400),
    "digits-that-are-not-ascii": ([b"Content-Length: \xb2"], 400),
    "list": ([b"Content-Length: 5, 6"], 400),
    "list-of-equals": ([b"Content-Length: 5, 5"], 400),
    "two-lengths": ([b"Content-Length: 5", b"Content-Length: 6"], 400),
    "two-equal-lengths": ([b"Content-Length: 5", b"Content-Length: 5"], 400),
    "length-of-19-digits": ([b"Content-Length: 1000000000000000000"], 400),
    "length-of-21-digits": ([b"Content-Length: 100000000000000000005"], 400),
    "other-expectation": ([b"Expect: coffee"], 417),
    "more-than-one-expectation": ([b"Expect: 100-continue, coffee"], 417),
    "empty-expectation": ([b"Expect:"], 417),
}


@pytest.mark.parametrize(("lines", "status"), FRAMINGS.values(), ids=FRAMINGS)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_framing(lines: list[bytes], status: int | None, method: bytes) -> None:
    """RFC 9112 §6.1 to §6.3, the same for all methods; RFC 9110 §8.6, §10.1.1."""
    assert status_of(head_of(method + b" / HTTP/1.1", HOST, *lines)) == status


def test_a_transfer_coding_in_http_1_0_is_refused() -> None:
    """RFC 9112 §6.1: the framing of such a message is to be taken as faulty."""
    assert status_of(head_of(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked")) == 400
    assert status_of(head_of(b"POST / HTTP/1.0", b"Content-Length: 5")) is None


def meaning(
    *lines: bytes, method: bytes = b"GET", target: bytes = b"/", version: bytes = b"HTTP/1.1"
) -> RequestHead:
    fields = []
    for line in (HOST, *lines):
        name, _, value = line.partition(b": ")
        fields.append((name.lower(), value))
    head = interpret(method, target, version, fields)
    assert isinstance(head, RequestHead)
    return head


def test_a_head_says_what_its_fields_mean() -> None:
    head = meaning(
        b"Connection: x",
        b"Connection: a , Close",
        b"TE: gzip",
        b"TE: trailers",
        b"Expect: 100-Continue",
        b"Transfer-Encoding: chunked",
        method=b"POST",
        target=b"/a?b",
    )

    assert (head.method, head.target, head.version) == ("POST", b"/a?b", "1.1")
    assert (head.close, head.accepts_trailers, head.expects_continue, head.content_length) == (
        True,
        True,
        True,
        None,
    )
    assert head.fields[0] == (b"host", b"a")


def test_a_head_without_fields_of_meaning_says_little() -> None:
    head = meaning(b"Connection: closed", b"TE: gzip", b"Content-Length: 010")

    assert (head.close, head.accepts_trailers, head.expects_continue, head.content_length) == (
        False,
        False,
        False,
        10,
    )


def test_an_expectation_without_content_is_none() -> None:
    assert not meaning(b"Expect: 100-continue").expects_continue
    assert not meaning(b"Expect: 100-continue", b"Content-Length: 0").expects_continue
    assert meaning(b"Expect: 100-continue", b"Content-Length: 1").expects_continue


def test_http_1_0_closes_and_has_no_expectations_and_no_trailers() -> None:
    """RFC 9110 §10.1.1: a server "MUST ignore that expectation"."""
    head = meaning(b"Expect: coffee", b"TE: trailers", b"Connection: keep-alive", version=b"HTTP/1.0")

    assert (head.version, head.close, head.expects_continue, head.accepts_trailers) == (
        "1.0",
        True,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("method", "target", "path", "host"),
    [
        (b"GET", b"http://b:80/x?y", b"/x?y", b"b:80"),
        (b"GET", b"http://b", b"/", b"b"),
        (b"GET", b"http://b?y", b"/?y", b"b"),
        (b"OPTIONS", b"http://b", b"*", b"b"),
        (b"OPTIONS", b"http://b/", b"/", b"b"),
    ],
)
def test_the_authority_of_an_absolute_form_takes_the_place_of_host(
    method: bytes, target: bytes, path: bytes, host: bytes
) -> None:
    """RFC 9112 §3.2.2, §3.2.4."""
    head = meaning(b"X: y", method=method, target=target)

    assert head.target == path
    assert head.fields == [(b"host", host), (b"x", b"y")]


def test_a_target_in_no_form_is_refused_when_a_head_is_interpreted() -> None:
    assert isinstance(interpret(b"GET", b"*", b"HTTP/1.1", []), PeerError)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"trailers", True),
        (b"gzip;q=0.5, Trailers ;q=1", True),
        (b"gzip", False),
        (b"", False),
        (b"trailer", False),
        (b"x-trailers", False),
    ],
)
def test_a_client_that_takes_trailers_is_known(value: bytes, expected: bool) -> None:
    """RFC 9110 §10.1.4."""
    assert accepts_trailers(value) is expected


UPGRADES: Final = {
    "plain": ((b"Upgrade: websocket", b"Connection: Upgrade"), True),
    "any-case": ((b"UPGRADE: WebSocket", b"connection: UPGRADE"), True),
    "in-lists": ((b"Upgrade: h2c, websocket", b"Connection: keep-alive, upgrade"), True),
    "in-lines": ((b"Upgrade: h2c", b"Upgrade: websocket", b"Connection: a", b"Connection: upgrade"), True),
    "then-others": ((b"Upgrade: websocket", b"Upgrade: a", b"Connection: upgrade", b"Connection: a"), True),
    "no-connection": ((b"Upgrade: websocket",), False),
    "no-upgrade": ((b"Connection: upgrade",), False),
    "another-protocol": ((b"Upgrade: websocket/13", b"Connection: upgrade"), False),
    "part-of-a-name": ((b"Upgrade: xwebsocket", b"Connection: upgraded"), False),
}


@pytest.mark.parametrize(("lines", "asked"), UPGRADES.values(), ids=UPGRADES)
@pytest.mark.parametrize(
    ("method", "version", "possible"),
    [(b"GET", b"HTTP/1.1", True), (b"POST", b"HTTP/1.1", False), (b"GET", b"HTTP/1.0", False)],
    ids=["get", "post", "http-1.0"],
)
def test_a_request_asks_for_a_websocket(
    lines: tuple[bytes, ...], asked: bool, method: bytes, version: bytes, possible: bool
) -> None:
    """RFC 6455 §4.2.1; RFC 9110 §7.8."""
    fields = [(b"host", b"a")]
    for line in lines:
        name, _, value = line.partition(b": ")
        fields.append((name.lower(), value))

    head = interpret(method, b"/", version, fields)

    assert isinstance(head, RequestHead)
    assert head.websocket is (asked and possible)


# How a head comes.


def test_a_head_ends_where_it_ends() -> None:
    head = head_of(b"GET / HTTP/1.1", HOST)
    gate = HeadGate(SETTINGS)

    assert gate.receive_data(b"junk" + head[:9], 4) is None
    assert gate.receive_data(b"--" + head[9:] + b"GET /next", 2) == 2 + len(head) - 9
    assert gate.take_head() == head


def test_one_head_after_another_passes() -> None:
    first, second = head_of(b"GET /1 HTTP/1.1", HOST), b"\r\n" * 4 + head_of(b"GET /2 HTTP/1.1", HOST)
    gate = HeadGate(SETTINGS)

    assert gate.receive_data(first + second, 0) == len(first)
    assert gate.take_head() == first
    assert gate.receive_data(first + second, len(first)) == len(first + second)
    assert gate.take_head() == second[8:]


@pytest.mark.parametrize("lines", range(7))
def test_up_to_four_empty_lines_before_a_request_are_ignored(lines: int) -> None:
    """RFC 9112 §2.2: "at least one"."""
    assert status_of(b"\r\n" * lines + head_of(b"GET / HTTP/1.1", HOST)) == (None if lines < 5 else 400)


def test_empty_lines_without_end_are_refused() -> None:
    assert judge_head(octets(b"\r\n" * 20_000)).status == 400
    assert judge_head([b"\r\n" * 20_000]).status == 400
    assert judge_head([b"\n"]).status == 400


@pytest.mark.parametrize("octet", range(256))
def test_the_first_octet_tells_what_is_no_request(octet: int) -> None:
    """TLS on a plaintext port, say: it is refused at once and not after a line that may never come."""
    starts_a_request = bytes([octet]) in b"!#$%&'*+-.^_`|~\r" or bytes([octet]).isalnum()

    for before in (b"", b"\r\n"):
        verdict = judge_head(octets(before + bytes([octet])))
        assert verdict.status == (None if starts_a_request else 400)
        assert verdict == judge_head([before + bytes([octet])])


def test_how_much_has_come_can_be_asked() -> None:
    gate = HeadGate(SETTINGS)
    assert not gate.in_head

    gate.receive_data(b"\r\n", 0)
    assert (gate.in_head, gate.is_head_method) == (False, False)

    gate.receive_data(b"HEAD", 0)
    assert (gate.in_head, gate.is_head_method) == (True, False)

    gate.receive_data(b" / HT", 0)
    assert gate.is_head_method


# Limits: the octet beyond one is refused, and no other.

LIMITED: Final = Settings(limit_request_head=64, limit_request_fields=2)


@pytest.mark.parametrize(("size", "status"), [(63, None), (64, None), (65, 431)])
@pytest.mark.parametrize("empty", [b"", b"\r\n"], ids=["alone", "after-an-empty-line"])
def test_a_head_up_to_the_limit_passes(size: int, status: int | None, empty: bytes) -> None:
    """RFC 9110 §5.4. The empty lines before it count."""
    start = empty + b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    head = start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"

    for place in range(len(head)):
        assert judge_head(cut(head, place), LIMITED).status == status
    assert status_of(head, LIMITED) == status


@pytest.mark.parametrize(("size", "status"), [(63, None), (64, None), (65, 414), (66, 414), (10_000, 414)])
def test_a_request_line_beyond_the_limit_is_a_target_too_long(size: int, status: int | None) -> None:
    """RFC 9110 §15.5.15; RFC 9112 §3."""
    line = (b"GET /" + b"x" * 10_000)[:size]

    assert judge_head([line], LIMITED).status == status
    assert judge_head(octets(line), LIMITED).status == status


def test_a_request_line_of_8000_octets_passes() -> None:
    """RFC 9112 §3: "RECOMMENDED that all HTTP senders and recipients support [...] 8000 octets"."""
    assert status_of(head_of(b"GET /%b HTTP/1.1" % (b"x" * 7_986), HOST)) is None


@pytest.mark.parametrize(("count", "status"), [(1, None), (2, None), (3, 431)])
def test_so_many_fields_pass(count: int, status: int | None) -> None:
    assert status_of(head_of(b"GET / HTTP/1.1", HOST, *[b"a:"] * (count - 1)), LIMITED) == status


@pytest.mark.parametrize("pieces", [1, 1_000, 5_000])
def test_fields_without_end_are_refused_at_the_limit(pieces: int) -> None:
    many = b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 10_000
    verdict = judge_head(cut(many, *range(0, len(many), len(many) // pieces)))

    assert (verdict.status, verdict.reason) == (431, "more than 100 fields")
