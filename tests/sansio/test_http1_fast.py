"""The fast reader of heads: what it takes, what it leaves to the gate and the library, and its cache."""

import itertools
import tracemalloc
from collections.abc import Iterator
from typing import Final

import pytest

from sansio import Settings
from sansio.http1_fast import read_head
from sansio.scope import RequestHead

from .http1_octets import head_of

SETTINGS: Final = Settings()
FRESH: Final[Iterator[int]] = itertools.count()

PLAIN: Final = (b"GET /a?b HTTP/1.1", b"Host: a")


def read(*lines: bytes, settings: Settings = SETTINGS) -> RequestHead | None:
    octets = head_of(*lines)
    result = read_head(octets, 0, settings)
    if result is None:
        return None
    head, end = result
    assert end == len(octets)
    return head


def taken(*lines: bytes) -> RequestHead:
    head = read(*lines)
    assert head is not None
    return head


def fresh_line(size: int = 24) -> bytes:
    """Return a line that was never read before."""
    return (b"x-fresh: %d " % next(FRESH)).ljust(size, b".")


def forget_all_lines() -> None:
    """Read more different lines than any cache may hold."""
    for _ in range(50):
        taken(*PLAIN, *[fresh_line() for _ in range(90)])


def test_a_browsers_head_is_read() -> None:
    head = taken(
        b"GET /a/b?c=%20d HTTP/1.1",
        b"Host: example.org:8000",
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
        b"Accept:\ttext/html ",
        b"X-Empty:",
        b"Accept: */*",
    )

    assert head.method == "GET"
    assert head.target == b"/a/b?c=%20d"
    assert head.version == "1.1"
    assert head.fields == [
        (b"host", b"example.org:8000"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64)"),
        (b"accept", b"text/html"),
        (b"x-empty", b""),
        (b"accept", b"*/*"),
    ]
    assert head.content_length == 0
    assert (head.close, head.expects_continue, head.accepts_trailers) == (False, False, False)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_the_common_methods_are_read(method: str) -> None:
    assert taken(b"%b / HTTP/1.1" % method.encode(), b"Host: a").method == method


def test_a_head_is_read_from_the_middle_of_a_read() -> None:
    first = head_of(*PLAIN)
    second = head_of(b"GET /second HTTP/1.1", b"Host: b")

    result = read_head(first + second + b"GET", len(first), SETTINGS)

    assert result is not None
    head, end = result
    assert head.target == b"/second"
    assert end == len(first + second)


MEANINGS: Final = {
    "length": (b"Content-Length: 12", {"content_length": 12}),
    "length-zero": (b"content-length: 0", {"content_length": 0}),
    "length-with-a-leading-zero": (b"Content-Length: 010", {"content_length": 10}),
    "chunked": (b"Transfer-Encoding: chunked", {"content_length": None}),
    "chunked-with-a-name-in-capitals": (b"TRANSFER-ENCODING:chunked", {"content_length": None}),
    "close": (b"Connection: close", {"close": True}),
    "close-in-a-list": (b"Connection: TE , Close", {"close": True}),
    "keep-alive": (b"Connection: keep-alive", {"close": False}),
    "not-quite-close": (b"Connection: closed", {"close": False}),
    "trailers": (b"TE: gzip, Trailers", {"accepts_trailers": True}),
    "other-te": (b"TE: gzip", {"accepts_trailers": False}),
    "expect-without-content": (b"Expect: 100-continue", {"expects_continue": False}),
}


@pytest.mark.parametrize(("line", "expected"), MEANINGS.values(), ids=MEANINGS)
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_fields_with_a_meaning_are_understood(line: bytes, expected: dict[str, object], known: bool) -> None:
    if known:
        taken(*PLAIN, line)
    else:
        forget_all_lines()

    head = taken(*PLAIN, line)

    assert {name: getattr(head, name) for name in expected} == expected


@pytest.mark.parametrize("framing", [b"Content-Length: 3", b"Transfer-Encoding: chunked"])
def test_a_client_that_waits_before_it_sends_content_is_understood(framing: bytes) -> None:
    """RFC 9110 §10.1.1."""
    assert taken(*PLAIN, b"Expect: 100-Continue", framing).expects_continue


LEFT: Final = {
    "two-parts": [b"GET /", b"Host: a"],
    "four-parts": [b"GET / x HTTP/1.1", b"Host: a"],
    "unknown-method": [b"FOO / HTTP/1.1", b"Host: a"],
    "lower-case-method": [b"get / HTTP/1.1", b"Host: a"],
    "http-1.0": [b"GET / HTTP/1.0", b"Host: a"],
    "http-1.2": [b"GET / HTTP/1.2", b"Host: a"],
    "absolute-form": [b"GET http://a/ HTTP/1.1", b"Host: a"],
    "asterisk-form": [b"OPTIONS * HTTP/1.1", b"Host: a"],
    "no-target": [b"GET  HTTP/1.1", b"Host: a"],
    "target-with-a-fragment": [b"GET /# HTTP/1.1", b"Host: a"],
    "target-with-a-high-octet": [b"GET /\x80 HTTP/1.1", b"Host: a"],
    "target-with-a-bare-cr": [b"GET /\r HTTP/1.1", b"Host: a"],
    "bare-lf": [b"GET / HTTP/1.1\nX: y", b"Host: a"],
    "no-host": [b"GET / HTTP/1.1"],
    "two-hosts": [*PLAIN, b"Host: a"],
    "bad-host": [b"GET / HTTP/1.1", b"Host: a/b"],
    "empty-line-first": [b"", *PLAIN],
    "no-colon": [*PLAIN, b"colonless"],
    "folded": [*PLAIN, b" folded: x"],
    "space-before-colon": [*PLAIN, b"X : y"],
    "control-character": [*PLAIN, b"X: \x0b"],
    "bare-lf-in-a-value": [*PLAIN, b"X: a\nY: b"],
    "two-lengths": [*PLAIN, b"Content-Length: 1", b"Content-Length: 1"],
    "length-and-coding": [*PLAIN, b"Content-Length: 1", b"Transfer-Encoding: chunked"],
    "coding-and-length": [*PLAIN, b"Transfer-Encoding: chunked", b"Content-Length: 1"],
    "two-codings": [*PLAIN, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
    "bad-length": [*PLAIN, b"Content-Length: +1"],
    "chunked-in-capitals": [*PLAIN, b"Transfer-Encoding: CHUNKED"],
    "other-coding": [*PLAIN, b"Transfer-Encoding: gzip, chunked"],
    "other-expectation": [*PLAIN, b"Expect: coffee"],
}


@pytest.mark.parametrize("lines", LEFT.values(), ids=LEFT)
@pytest.mark.parametrize("round_", [1, 2], ids=["first-time", "second-time"])
def test_what_is_not_plain_is_left_alone(lines: list[bytes], round_: int) -> None:
    for _ in range(round_):
        assert read(*lines) is None


@pytest.mark.parametrize("size", range(len(head_of(*PLAIN))))
def test_an_incomplete_head_is_left_alone(size: int) -> None:
    assert read_head(head_of(*PLAIN)[:size], 0, SETTINGS) is None


def test_a_head_up_to_the_limit_is_read_and_none_beyond_it() -> None:
    octets = head_of(*PLAIN)

    assert read_head(octets, 0, Settings(limit_request_head=len(octets))) is not None
    assert read_head(octets, 0, Settings(limit_request_head=len(octets) - 1)) is None
    assert read_head(b"junk" + octets, 4, Settings(limit_request_head=len(octets))) is not None


def test_so_many_fields_are_read_and_no_more() -> None:
    settings = Settings(limit_request_fields=3)

    assert read(*PLAIN, b"A: a", b"B: b", settings=settings) is not None
    assert read(*PLAIN, b"A: a", b"B: b", b"C: c", settings=settings) is None


# The cache. A line that was found in it gives the very same name and value.


@pytest.mark.parametrize("line", [b"Accept: */*", b"Connection: close"], ids=["plain", "with-a-meaning"])
def test_a_line_that_was_seen_before_is_found_again(line: bytes) -> None:
    first, second = taken(*PLAIN, line), taken(*PLAIN, line)

    for part in (0, 1):
        assert first.fields[1][part] is second.fields[1][part]


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer 1",
        b"Proxy-Authorization: Basic eA==",
        b"Cookie: session=1",
        b"Content-Length: 12",
        b"traceparent: 00-1-1-00",
        b"X-Request-Id: 12",
        b"X-Long: " + b"a" * 600,
    ],
    ids=lambda line: line.split(b":")[0].decode(),
)
def test_what_is_secret_or_always_new_or_long_is_not_kept(line: bytes) -> None:
    first, second = taken(*PLAIN, line), taken(*PLAIN, line)

    assert first.fields == second.fields
    assert first.fields[1][1] is not second.fields[1][1]


def test_a_line_is_forgotten_when_enough_others_came() -> None:
    line = fresh_line()
    before = taken(*PLAIN, line)

    forget_all_lines()

    after = taken(*PLAIN, line)
    assert before.fields == after.fields
    assert before.fields[1][1] is not after.fields[1][1]


@pytest.mark.parametrize("prefix", [b"", b"Connection: close, "], ids=["plain", "with-a-meaning"])
def test_a_peer_cannot_make_the_cache_grow(prefix: bytes) -> None:
    forget_all_lines()
    tracemalloc.start()
    try:
        for _ in range(150):
            taken(*PLAIN, *[prefix + fresh_line(480) for _ in range(60)])
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size < 3_000_000  # 9,000 lines of 480 octets, each kept twice and more, would be beyond 9,000,000.


def test_what_is_done_to_a_heads_fields_does_not_reach_the_next_one() -> None:
    first = taken(*PLAIN, b"Accept: */*")
    first.fields.clear()
    first.fields.append((b"host", b"evil"))

    assert taken(*PLAIN, b"Accept: */*").fields == [(b"host", b"a"), (b"accept", b"*/*")]


NEIGHBOURS: Final = {
    "case-of-the-name": (b"X-Case: a", b"x-case: A"),
    "white-space": (b"X-Space: a", b"X-Space:a "),
    "split-at-another-place": (b"X-Split: b: c", b"X-Split : b: c"),
    "length-hidden-in-a-value": (b"X-A: Content-Length: 3", b"Content-Length: 3"),
    "coding-with-a-prefix": (b"XTransfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "close-hidden-in-a-value": (b"X-B: Connection: close", b"Connection: close"),
}


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_a_known_line_does_not_change_what_a_similar_one_means(one: bytes, other: bytes) -> None:
    def meaning(line: bytes) -> object:
        head = read(*PLAIN, line)
        return head and (head.fields, head.content_length, head.close)

    forget_all_lines()
    alone = meaning(one), meaning(other)
    forget_all_lines()
    reversed_ = meaning(other), meaning(one)

    assert alone == reversed_[::-1]
    assert alone == (meaning(one), meaning(other))


@pytest.mark.parametrize("line", [b"Host: a", b"Transfer-Encoding: chunked"])
def test_a_known_line_still_counts_as_a_second_one(line: bytes) -> None:
    """RFC 9112 §3.2, §6.1: neither may stand twice, however often it was seen."""
    taken(*PLAIN, b"Transfer-Encoding: chunked")

    assert read(*PLAIN, b"Transfer-Encoding: chunked", line) is None


def test_a_refused_head_leaves_nothing_bad_behind() -> None:
    assert read(*PLAIN, b"Content-Length: 5", b"X-New: fine", b"Bad Name: x") is None

    head = taken(*PLAIN, b"X-New: fine")
    assert head.content_length == 0
    assert read(*PLAIN, b"Bad Name: x") is None


@pytest.mark.parametrize("value", [b"websocket", b"WebSocket", b"h2c, websocket"])
def test_what_may_become_a_websocket_is_left_to_the_gate(value: bytes) -> None:
    for _ in range(2):
        assert read(*PLAIN, b"Upgrade: " + value, b"Connection: Upgrade") is None


@pytest.mark.parametrize("value", [b"h2c", b"TLS/1.0", b"websockets"])
def test_another_upgrade_is_a_field_like_others(value: bytes) -> None:
    for _ in range(2):
        head = taken(*PLAIN, b"Upgrade: " + value, b"Connection: Upgrade")
        assert not head.websocket
        assert (b"upgrade", value) in head.fields
