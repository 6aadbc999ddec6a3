"""A second opinion: what the gate accepts, llhttp reads with the same result.

Where llhttp refuses what we accept, the RFC is on our side: the table says where. The other way round there is no
table: we refuse more on purpose.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httptools
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sansio import PeerError, Settings
from sansio.http1_content import ChunkedGate, LengthGate
from sansio.http1_h11 import read_head
from sansio.scope import RequestHead

from .http1_octets import CHUNKED_HEAD, chunked_contents, connections, head_of, heads, judge_head, mutated

SETTINGS: Final = Settings()
HOST: Final = b"Host: a"

thorough: Final = settings(
    max_examples=4 * settings().max_examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@dataclass(frozen=True)
class Ours:
    """One message as we read it, and the octets that it is made of."""

    head: RequestHead
    request_line: bytes
    content: bytes
    octets: bytes
    framing: bytes
    """The octets behind the head."""


def read_ours(data: bytes) -> Ours | None:
    """Read one whole message, or None if it is refused or incomplete."""
    verdict = judge_head([data], SETTINGS)
    if verdict.head is None:
        return None
    result = read_head(verdict.head)
    assert not isinstance(result, PeerError)
    head, content, end = result[0], b"", verdict.end
    if head.content_length != 0:
        reader = ChunkedGate(SETTINGS) if head.content_length is None else LengthGate(head.content_length)
        content = reader.receive_data(data, end)
        if not reader.ended:
            return None
        end = reader.position
    return Ours(head, verdict.head.partition(b"\r\n")[0], content, data[:end], data[verdict.end : end])


class Llhttp:
    """What llhttp reads."""

    def __init__(self) -> None:
        self.url = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.content = b""
        self.head_complete = False
        self.complete = 0
        self._parser = httptools.HttpRequestParser(self)

    def read(self, data: bytes) -> str:
        """Return what llhttp says against it, or nothing."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return "upgrade"
        except httptools.HttpParserError as error:
            return str(error)
        return ""

    @property
    def method(self) -> str:
        method: bytes = self._parser.get_method()
        return method.decode()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_complete:  # What follows it is a trailer.
            # The names of codings are case-insensitive (RFC 9112 §7), and h11 writes them in lower case.
            coding = name.lower() == b"transfer-encoding"
            self.fields.append((name.lower(), (value.lower() if coding else value).rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.head_complete = True

    def on_body(self, content: bytes) -> None:
        self.content += content

    def on_message_complete(self) -> None:
        self.complete += 1


def unknown_method(ours: Ours) -> bool:
    return ours.head.method not in {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}


def tab_behind_a_coding(ours: Ours) -> bool:
    return re.search(rb"\r\ntransfer-encoding:[^\r]*\t[ \t]*\r\n", ours.octets, re.IGNORECASE) is not None


def later_minor_version(ours: Ours) -> bool:
    return not ours.request_line.endswith((b"HTTP/1.0", b"HTTP/1.1"))


def unusual_extension(ours: Ours) -> bool:
    return re.search(rb"[0-9A-Fa-f];[^\r\n]*[ \t\\\x80-\xff][^\r\n]*\r\n", ours.framing) is not None


def framing_field_in_trailers(ours: Ours) -> bool:
    return re.search(rb"\r\n(content-length|transfer-encoding):", ours.framing, re.IGNORECASE) is not None


def upgrade(ours: Ours) -> bool:
    return any(name == b"upgrade" for name, _ in ours.head.fields)


# What llhttp refuses, or leaves to its user, and why we do not: an example, and how to recognise it.
DIFFERENCES: Final[dict[str, tuple[bytes, str, Callable[[Ours], bool]]]] = {
    # RFC 9110 §9.1: methods are tokens, and their set is open. llhttp knows a list.
    "unknown-method": (head_of(b"FOO / HTTP/1.1", HOST), "Invalid method", unknown_method),
    # RFC 9112 §2.3, RFC 9110 §2.5: a higher minor version is to be read like the highest one that is known.
    "later-minor-version": (head_of(b"GET / HTTP/1.2", HOST), "Invalid HTTP version", later_minor_version),
    # RFC 9112 §5, RFC 9110 §5.6.3: what stands around a field's value is any number of SP and HTAB.
    "tab-behind-a-coding": (
        head_of(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked\t") + b"0\r\n\r\n",
        "Transfer-Encoding",
        tab_behind_a_coding,
    ),
    # RFC 9112 §7.1.1: "BWS" may stand around the semicolon and the equals sign of an extension, and
    # RFC 9110 §5.6.4: any HTAB, SP, VCHAR or obs-text may stand behind a backslash in a quoted string.
    "white-space-in-an-extension": (
        CHUNKED_HEAD + b"1; a = b\r\nx\r\n0\r\n\r\n",
        "Invalid character in chunk extension",
        unusual_extension,
    ),
    # RFC 9110 §6.5.1, RFC 9112 §7.1.2: trailers are no part of the head. They frame nothing, and we discard them.
    "coding-in-a-trailer": (
        CHUNKED_HEAD + b"0\r\nTransfer-Encoding: x\r\n\r\n",
        "Transfer-Encoding",
        framing_field_in_trailers,
    ),
    # RFC 9110 §7.8: "A server MAY ignore a received Upgrade header field", and then content is content. llhttp stops.
    "upgrade": (
        head_of(b"GET / HTTP/1.1", HOST, b"Connection: upgrade", b"Upgrade: foo/2"),
        "upgrade",
        upgrade,
    ),
}


def compare(data: bytes) -> str:
    """Hold one message against llhttp; tell what came of it."""
    ours = read_ours(data)
    if ours is None:
        return "refused or incomplete"
    theirs = Llhttp()
    error = theirs.read(ours.octets)
    if error:
        reasons = [name for name, (_, _, applies) in DIFFERENCES.items() if applies(ours)]
        assert reasons, (error, ours.octets)
        return reasons[0]
    assert theirs.complete == 1
    assert theirs.method == ours.head.method
    _, url, _ = ours.request_line.split(b" ")
    assert theirs.url == url
    assert theirs.content == ours.content
    if url.startswith(b"/") or url == b"*":
        assert url == ours.head.target
        assert theirs.fields == ours.head.fields
    else:
        # Absolute-form: its authority takes the place of Host (RFC 9112 §3.2.2).
        _, _, rest = url.partition(b"://")
        assert rest.startswith(ours.head.fields[0][1])
        assert [field for field in theirs.fields if field[0] != b"host"] == ours.head.fields[1:]
    return "equal"


@thorough
@given(data=mutated(heads()), content=st.binary(max_size=20))
def test_llhttp_reads_the_heads_that_we_accept(data: bytes, content: bytes) -> None:
    compare(data + content)


@thorough
@given(data=mutated(chunked_contents(), 2))
def test_llhttp_reads_the_chunks_that_we_accept(data: bytes) -> None:
    compare(CHUNKED_HEAD + data)


@thorough
@given(data=mutated(connections(), 2))
def test_llhttp_reads_the_messages_that_we_accept(data: bytes) -> None:
    compare(data)


@pytest.mark.parametrize("octet", range(256))
def test_llhttp_reads_what_we_accept_with_any_octet_in_any_place(octet: int) -> None:
    good = (
        head_of(b"POST /a?b HTTP/1.1", HOST, b"TE: x", b"Transfer-Encoding: chunked")
        + b'1;a="b"\r\nx\r\n0\r\nX: y\r\n\r\n'
    )
    results = set()

    for place in range(len(good)):
        results.add(compare(good[:place] + bytes([octet]) + good[place + 1 :]))
        results.add(compare(good[:place] + bytes([octet]) + good[place:]))

    assert "equal" in results


@pytest.mark.parametrize(("data", "error", "applies"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_llhttp_refuses_what_the_rfc_allows(data: bytes, error: str, applies: Callable[[Ours], bool]) -> None:
    """Should a later llhttp take it, the row can go."""
    ours = read_ours(data)
    assert ours is not None
    assert ours.octets == data
    assert applies(ours)

    assert error in Llhttp().read(data)


@pytest.mark.parametrize(
    "data",
    [
        head_of(b"GET /a?b HTTP/1.1", HOST, b"X: \x80", b"Y:", b"Cookie: a=b"),
        head_of(b"GET / HTTP/1.0"),
        head_of(b"OPTIONS * HTTP/1.1", HOST),
        head_of(b"GET http://b:80/x?y HTTP/1.1", HOST, b"X: y"),
        b"\r\n\r\n" + head_of(b"POST / HTTP/1.1", HOST, b"Content-Length: 3") + b"abc",
        CHUNKED_HEAD + b'3;a;b=c;d="e"\r\nabc\r\n00a\r\n0123456789\r\n0\r\nX: y\r\n\r\n',
    ],
    ids=["plain", "http-1.0", "asterisk", "absolute", "length", "chunks"],
)
def test_llhttp_and_we_read_the_same(data: bytes) -> None:
    assert compare(data + b"GET /next HTTP/1.1\r\n") == "equal"
