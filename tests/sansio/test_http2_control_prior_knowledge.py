"""HTTP/2 without TLS, by prior knowledge (RFC 9113 §3.3), and what HTTP/1 makes of everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sansio import Connection, Settings, TransportInfo
from tests.client import cut
from tests.peers import PREFACE, block, headers, settings
from tests.sansio.http2_client import Http2Pair

PLAIN: Final = TransportInfo()
PRIOR_KNOWLEDGE: Final = Settings(h2c="prior-knowledge")
NOW: Final = 1000.0
HEAD: Final = block([(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/x")])


def converse(
    limits: Settings, transport: TransportInfo, pieces: Sequence[bytes]
) -> tuple[bytes, list[object]]:
    """Return all that a connection makes of these reads: its bytes and its scopes."""
    connection = Connection(transport, limits, NOW)
    output = b""
    scopes: list[object] = []
    for piece in pieces:
        connection.receive_data(piece, NOW)
        output += connection.data_to_send()
        for exchange in connection.take_ready():
            scopes.append(exchange.scope)
            exchange.send({"type": "http.response.start", "status": 200}, NOW)
            exchange.send({"type": "http.response.body", "body": b"x"}, NOW)
            exchange.finish(None, NOW)
            output += connection.data_to_send()
        if connection.closed:
            break
    return output, scopes


@pytest.mark.parametrize("places", [[], range(24), range(200), [1], [5], [23], [24], [25], [18, 30]], ids=str)
def test_the_preface_in_any_cuts_begins_http2(places: Sequence[int]) -> None:
    pair = Http2Pair(PRIOR_KNOWLEDGE, transport=PLAIN, hello=None)
    assert pair.output == b""
    pair.send(*cut(PREFACE + settings() + settings(ack=True) + headers(1, HEAD), places))
    assert pair.call.scope["http_version"] == "2"
    assert pair.call.scope["scheme"] == "http"
    pair.call.respond(b"hello")
    assert pair.view(1).content == b"hello"


OTHERS: Final = {
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "two requests": b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    "content": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "a method that begins alike": b"PRINT / HTTP/1.1\r\nHost: a\r\n\r\n",
    "the method": b"PRI / HTTP/1.1\r\nHost: a\r\n\r\n",
    "the target": b"PRI * HTTP/1.1\r\nHost: a\r\n\r\n",
    "the request line": b"PRI * HTTP/2.0\r\nHost: a\r\n\r\n",
    "the whole head": b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    "all but the last octet": PREFACE[:-1] + b"x",
    "a preface behind a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + PREFACE + settings(),
    "an empty line before a request": b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "an empty line before the preface": b"\r\n" + PREFACE + settings(),
    "a handshake of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
    "an upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
}


@pytest.mark.parametrize("octets", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("places", [[], range(300), [1], [3]], ids=["whole", "octets", "one", "three"])
def test_anything_else_is_http1_as_before(octets: bytes, places: Sequence[int]) -> None:
    pieces = cut(octets, places)
    assert converse(PRIOR_KNOWLEDGE, PLAIN, pieces) == converse(Settings(), PLAIN, pieces)


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    octets=st.one_of(
        st.binary(max_size=60),
        st.tuples(st.integers(0, 24), st.binary(max_size=40)).map(
            lambda parts: PREFACE[: parts[0]] + parts[1]
        ),
    ).filter(lambda octets: not octets.startswith(PREFACE)),
    places=st.lists(st.integers(1, 50), max_size=5),
)
@example(octets=b"P", places=[])
def test_octets_that_are_not_the_preface_mean_the_same_with_and_without_it(
    octets: bytes, places: list[int]
) -> None:
    pieces = cut(octets, places)
    if PREFACE.startswith(octets):
        assert converse(PRIOR_KNOWLEDGE, PLAIN, pieces) == (b"", [])
    else:
        assert converse(PRIOR_KNOWLEDGE, PLAIN, pieces) == converse(Settings(), PLAIN, pieces)


@pytest.mark.parametrize(
    ("limits", "transport"),
    [
        (Settings(), PLAIN),
        (PRIOR_KNOWLEDGE, TransportInfo(secure=True)),
        (PRIOR_KNOWLEDGE, TransportInfo(secure=True, alpn="http/1.1")),
    ],
    ids=["off", "TLS without ALPN", "TLS with HTTP/1.1"],
)
@pytest.mark.parametrize("places", [[], range(24)], ids=["whole", "octets"])
def test_where_it_is_not_allowed_the_preface_is_an_http1_error(
    limits: Settings, transport: TransportInfo, places: Sequence[int]
) -> None:
    """RFC 9113 §3.2: over TLS, ALPN alone decides."""
    output, scopes = converse(limits, transport, cut(PREFACE + settings(), places))
    assert scopes == []
    assert output.startswith((b"HTTP/1.1 505 ", b"HTTP/1.1 400 "))
    assert output.endswith(b"\n")
    assert b"connection: close" in output.lower()


def test_a_preface_that_never_comes_whole_is_not_waited_for() -> None:
    pair = Http2Pair(Settings(h2c="prior-knowledge", timeout_request_head=5.0), transport=PLAIN, hello=None)
    connection = pair.connection
    connection.receive_data(PREFACE[:10], NOW + 1.0)
    assert connection.deadline <= NOW + 5.0
    connection.handle_timeout(NOW + 5.0)
    output = connection.data_to_send()
    assert not output or output.startswith(b"HTTP/1.1 408 ")
    assert connection.write_ended


def test_eof_in_the_preface_ends_the_connection() -> None:
    connection = Connection(PLAIN, PRIOR_KNOWLEDGE, NOW)
    connection.receive_data(PREFACE[:10], NOW)
    connection.receive_eof(NOW)
    connection.data_to_send()
    assert connection.closed


def test_eof_before_anything_closes_the_connection_without_a_word() -> None:
    connection = Connection(PLAIN, PRIOR_KNOWLEDGE, NOW)
    connection.receive_eof(NOW)
    assert connection.data_to_send() == b""
    assert connection.closed


def test_a_shutdown_before_anything_closes_the_connection_without_a_word() -> None:
    connection = Connection(PLAIN, PRIOR_KNOWLEDGE, NOW)
    connection.shut_down(NOW)
    assert connection.data_to_send() == b""
    assert connection.closed or connection.write_ended


def test_a_lost_transport_in_the_preface_is_the_end() -> None:
    connection = Connection(PLAIN, PRIOR_KNOWLEDGE, NOW)
    connection.receive_data(PREFACE[:5], NOW)
    connection.connection_lost(NOW)
    assert connection.closed
    assert connection.data_to_send() == b""
