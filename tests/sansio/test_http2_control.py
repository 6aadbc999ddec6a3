"""HTTP/2's start, its frames that belong to no request, and what ends a connection at once.

Source: RFC 9113 §3.4, §4, §5.1, §5.4.1, §6; RFC 9218 §7.1.
"""

from __future__ import annotations

from typing import Final

import pytest

from sansio import Settings
from tests import peers
from tests.peers import (
    ACK,
    CONTINUATION,
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    PRIORITY_UPDATE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Code,
    block,
    continuation,
    data,
    frame,
    goaway,
    headers,
    ping,
    priority,
    priority_update,
    request,
    rst,
    settings,
    window_update,
)
from tests.sansio.http2_client import Http2Pair

HEAD: Final = block(
    [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"server.example"), (b":path", b"/")]
)


# The preface.


def test_the_server_begins_with_its_settings() -> None:
    """RFC 9113 §3.4: "The server connection preface consists of a potentially empty SETTINGS frame"."""
    pair = Http2Pair(Settings(http2_max_concurrent_streams=7, http2_initial_window_size=70_000))
    seen = pair.observer.settings
    assert seen[peers.MAX_CONCURRENT_STREAMS] == 7
    assert seen[peers.INITIAL_WINDOW_SIZE] == 70_000
    assert seen[peers.MAX_HEADER_LIST_SIZE] == 65_536
    assert seen[peers.NO_RFC7540_PRIORITIES] == 1
    assert pair.observer.credit == 490_000
    assert pair.observer.acknowledged == 1


def test_extended_connect_is_offered_where_websockets_are() -> None:
    """RFC 8441 §3."""
    assert Http2Pair().observer.settings[peers.ENABLE_CONNECT_PROTOCOL] == 1
    assert Http2Pair(Settings(ws=False)).observer.settings.get(peers.ENABLE_CONNECT_PROTOCOL, 0) == 0


def test_the_preface_may_come_octet_by_octet() -> None:
    pair = Http2Pair(hello=None)
    pair.send(*[bytes([octet]) for octet in PREFACE + settings() + request(1)])
    assert len(pair.calls) == 1
    pair.call.respond(b"hello")
    assert pair.view(1).content == b"hello"


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        PREFACE[:-1] + b"x" + settings(),
        PREFACE[:10] + b"y",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        settings(),
    ],
    ids=["http1", "another word", "last octet", "in the middle", "tls", "no preface"],
)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "in octets"])
def test_another_preface_ends_the_connection(octets: bytes, cut: bool) -> None:
    """RFC 9113 §3.4: "MUST treat an invalid connection preface as a connection error [...] PROTOCOL_ERROR"."""
    pair = Http2Pair(hello=None)
    pair.send(*([bytes([octet]) for octet in octets] if cut else [octets]))
    assert not pair.calls
    assert pair.ended
    assert pair.error in {None, Code.PROTOCOL_ERROR}  # "A GOAWAY frame [...] MAY be omitted in this case".
    assert not pair.output.startswith(b"HTTP/1")


FIRST_FRAMES: Final = {
    "HEADERS": request(1),
    "PING": ping(),
    "WINDOW_UPDATE": window_update(0, 1),
    "an acknowledgement": settings(ack=True),
    "an unknown frame": frame(0xBE),
    "PRIORITY": priority(1),
    "GOAWAY": goaway(),
}


@pytest.mark.parametrize("first", FIRST_FRAMES.values(), ids=FIRST_FRAMES)
def test_the_client_has_to_begin_with_its_settings(first: bytes) -> None:
    """RFC 9113 §3.4: "This sequence MUST be followed by a SETTINGS frame"."""
    pair = Http2Pair(hello=None)
    pair.send(PREFACE + first)
    assert not pair.calls
    pair.expect_connection_error(Code.PROTOCOL_ERROR)


# Frames that end the connection, whatever else goes on.

CONNECTION_ERRORS: Final = {
    # §6.1
    "DATA on stream 0": (frame(DATA, 0, 0, b"x"), Code.PROTOCOL_ERROR),
    "DATA on an idle stream": (data(3, b"x"), Code.PROTOCOL_ERROR),
    "DATA on a server's stream": (data(2, b"x"), Code.PROTOCOL_ERROR),
    "DATA with more padding than payload": (frame(DATA, 8, 1, b"\x05abcd"), Code.PROTOCOL_ERROR),
    "DATA that is padding's length and too little": (frame(DATA, 8, 1, b"\x01"), Code.PROTOCOL_ERROR),
    "DATA without a padding length": (frame(DATA, 8, 1), Code.FRAME_SIZE_ERROR),
    # §6.2, §5.1.1
    "HEADERS on stream 0": (frame(HEADERS, 5, 0, HEAD), Code.PROTOCOL_ERROR),
    "HEADERS on an even stream": (headers(2, HEAD), Code.PROTOCOL_ERROR),
    "HEADERS with more padding than payload": (frame(HEADERS, 13, 3, b"\xff" + HEAD), Code.PROTOCOL_ERROR),
    "HEADERS without a padding length": (frame(HEADERS, 13, 3), Code.FRAME_SIZE_ERROR),
    "HEADERS without a priority": (frame(HEADERS, 0x25, 3, b"\x00\x00"), Code.FRAME_SIZE_ERROR),
    # §6.3
    "PRIORITY on stream 0": (frame(PRIORITY, 0, 0, bytes(5)), Code.PROTOCOL_ERROR),
    # §6.4
    "RST_STREAM on stream 0": (frame(RST_STREAM, 0, 0, bytes(4)), Code.PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": (rst(3), Code.PROTOCOL_ERROR),
    "RST_STREAM on an idle stream far away": (rst(2**31 - 1), Code.PROTOCOL_ERROR),
    "RST_STREAM on a server's stream": (rst(2), Code.PROTOCOL_ERROR),
    "RST_STREAM of three octets": (frame(RST_STREAM, 0, 1, bytes(3)), Code.FRAME_SIZE_ERROR),
    "RST_STREAM of five octets": (frame(RST_STREAM, 0, 1, bytes(5)), Code.FRAME_SIZE_ERROR),
    # §6.5
    "SETTINGS on a stream": (frame(SETTINGS, 0, 1), Code.PROTOCOL_ERROR),
    "SETTINGS of five octets": (frame(SETTINGS, 0, 0, bytes(5)), Code.FRAME_SIZE_ERROR),
    "SETTINGS of seven octets": (frame(SETTINGS, 0, 0, bytes(7)), Code.FRAME_SIZE_ERROR),
    "an acknowledgement with settings": (frame(SETTINGS, ACK, 0, bytes(6)), Code.FRAME_SIZE_ERROR),
    "ENABLE_PUSH of 2": (settings((2, 2)), Code.PROTOCOL_ERROR),
    "INITIAL_WINDOW_SIZE of 2**31": (settings((4, 2**31)), Code.FLOW_CONTROL_ERROR),
    "INITIAL_WINDOW_SIZE of 2**32-1": (settings((4, 2**32 - 1)), Code.FLOW_CONTROL_ERROR),
    "MAX_FRAME_SIZE of 16,383": (settings((5, 16_383)), Code.PROTOCOL_ERROR),
    "MAX_FRAME_SIZE of 2**24": (settings((5, 2**24)), Code.PROTOCOL_ERROR),
    "ENABLE_CONNECT_PROTOCOL of 2": (settings((8, 2)), Code.PROTOCOL_ERROR),
    "a bad setting behind a good one": (settings((3, 1), (2, 3)), Code.PROTOCOL_ERROR),
    # §6.6
    "PUSH_PROMISE": (frame(PUSH_PROMISE, 4, 1, b"\x00\x00\x00\x02" + HEAD), Code.PROTOCOL_ERROR),
    # §6.7
    "PING on a stream": (frame(PING, 0, 1, bytes(8)), Code.PROTOCOL_ERROR),
    "PING of seven octets": (frame(PING, 0, 0, bytes(7)), Code.FRAME_SIZE_ERROR),
    "PING of nine octets": (frame(PING, 0, 0, bytes(9)), Code.FRAME_SIZE_ERROR),
    "an empty PING that is acknowledged": (frame(PING, ACK, 0), Code.FRAME_SIZE_ERROR),
    # §6.8
    "GOAWAY on a stream": (frame(GOAWAY, 0, 1, bytes(8)), Code.PROTOCOL_ERROR),
    "GOAWAY of seven octets": (frame(GOAWAY, 0, 0, bytes(7)), Code.FRAME_SIZE_ERROR),
    # §6.9
    "WINDOW_UPDATE of 0 on the connection": (window_update(0, 0), Code.PROTOCOL_ERROR),
    "WINDOW_UPDATE of 0 but for the reserved bit": (window_update(0, 2**31), Code.PROTOCOL_ERROR),
    "WINDOW_UPDATE of three octets": (frame(WINDOW_UPDATE, 0, 0, bytes(3)), Code.FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of five octets": (frame(WINDOW_UPDATE, 0, 1, bytes(5)), Code.FRAME_SIZE_ERROR),
    "WINDOW_UPDATE on an idle stream": (window_update(3, 1), Code.PROTOCOL_ERROR),
    "a window beyond 2**31-1": (window_update(0, 2**31 - 1), Code.FLOW_CONTROL_ERROR),
    # §6.10
    "CONTINUATION without HEADERS": (continuation(1, b""), Code.PROTOCOL_ERROR),
    "CONTINUATION on stream 0": (frame(CONTINUATION, 4, 0, b""), Code.PROTOCOL_ERROR),
    "CONTINUATION behind a whole field block": (headers(3, HEAD) + continuation(3, b""), Code.PROTOCOL_ERROR),
    "CONTINUATION of another stream": (
        headers(3, HEAD, end_headers=False) + continuation(5, b""),
        Code.PROTOCOL_ERROR,
    ),
    "DATA inside a field block": (headers(3, HEAD, end_headers=False) + data(1, b"x"), Code.PROTOCOL_ERROR),
    "HEADERS inside a field block": (
        headers(3, HEAD, end_headers=False) + headers(5, HEAD),
        Code.PROTOCOL_ERROR,
    ),
    "PING inside a field block": (headers(3, HEAD, end_headers=False) + ping(), Code.PROTOCOL_ERROR),
    "RST_STREAM inside a field block": (headers(3, HEAD, end_headers=False) + rst(3), Code.PROTOCOL_ERROR),
    "PRIORITY inside a field block": (headers(3, HEAD, end_headers=False) + priority(3), Code.PROTOCOL_ERROR),
    # RFC 9218 §7.1
    "PRIORITY_UPDATE on a stream": (priority_update(1, b"u=1", stream=1), Code.PROTOCOL_ERROR),
    "PRIORITY_UPDATE of stream 0": (priority_update(0, b"u=1"), Code.PROTOCOL_ERROR),
    "PRIORITY_UPDATE of three octets": (frame(PRIORITY_UPDATE, 0, 0, bytes(3)), Code.FRAME_SIZE_ERROR),
}


@pytest.mark.parametrize(("octets", "code"), CONNECTION_ERRORS.values(), ids=CONNECTION_ERRORS)
def test_a_connection_error_is_told_once_and_disconnects_everybody(octets: bytes, code: Code) -> None:
    """RFC 9113 §5.4.1: GOAWAY with the last stream and the code, then the connection ends."""
    pair = Http2Pair()
    reading = pair.open(b"POST", end=False)
    pair.send(octets)
    assert pair.observer.goaways[-1][0] >= 1
    assert reading.is_disconnected()
    pair.expect_connection_error(code)


@pytest.mark.parametrize("size", [16_385, 65_536, 2**24 - 1], ids=str)
@pytest.mark.parametrize(
    ("kind", "stream"),
    [(DATA, 1), (HEADERS, 3), (SETTINGS, 0), (GOAWAY, 0), (0xBE, 0), (PING, 0), (CONTINUATION, 1)],
    ids=["DATA", "HEADERS", "SETTINGS", "GOAWAY", "unknown", "PING", "CONTINUATION"],
)
def test_a_frame_that_is_too_large_is_refused_by_its_first_nine_octets(
    size: int, kind: int, stream: int
) -> None:
    """RFC 9113 §4.2: "MUST send an error code of FRAME_SIZE_ERROR if a frame exceeds the size"."""
    pair = Http2Pair()
    pair.open(b"POST", end=False)
    pair.send(frame(kind, 0, stream, length=size)[:8])
    assert pair.error is None
    pair.send(frame(kind, 0, stream, length=size)[8:])
    pair.expect_connection_error(Code.FRAME_SIZE_ERROR)


def test_a_frame_of_the_largest_size_is_taken() -> None:
    pair = Http2Pair()
    call = pair.open(b"POST", content=b"a" * 16_384)
    assert call.take() == (b"a" * 16_384, True)


def test_a_bad_frame_does_not_hide_the_good_ones_before_it() -> None:
    """RFC 9113 §5.4.1: GOAWAY names the last stream that was seen; what came before was done."""
    pair = Http2Pair()
    pair.send(request(1) + request(3, b"POST", end_stream=False) + ping() + data(0, b"x") + request(5))
    assert pair.observer.goaways == [(3, Code.PROTOCOL_ERROR)]
    assert pair.observer.pongs == [b"12345678"]
    pair.expect_connection_error(Code.PROTOCOL_ERROR)


def test_a_lower_stream_than_before_ends_the_connection() -> None:
    """RFC 9113 §5.1.1: "an unexpected stream identifier" is a connection error; lower idle streams are closed."""
    pair = Http2Pair()
    pair.send(request(5))
    pair.send(request(3))
    assert len(pair.calls) == 1
    assert pair.error == Code.PROTOCOL_ERROR
    assert pair.ended


def test_streams_may_be_left_out() -> None:
    """RFC 9113 §5.1.1: identifiers grow, and need not be next to each other."""
    pair = Http2Pair()
    pair.send(request(1), request(99), request(2**31 - 1))
    for call, stream in zip(pair.calls, [1, 99, 2**31 - 1], strict=True):
        call.respond(b"%d" % stream)
        assert pair.view(stream).content == b"%d" % stream


# Frames that are harmless.

HARMLESS: Final = {
    "an unknown frame": frame(0xBE, 0xFF, 0, b"anything"),
    "an unknown frame on a stream": frame(0xBE, 0xFF, 1, b"anything"),
    "an unknown frame on an idle stream": frame(0xBE, 0xFF, 77, b"anything"),
    "an empty unknown frame": frame(0xFF),
    "an unknown frame of the largest size": frame(0x0B, 0, 0, bytes(16_384)),
    "the reserved bit": window_update(2**31, 5),
    "the reserved bit of an increment": window_update(0, 2**31 + 5),
    "undefined flags of PING": frame(PING, 0xFE & ~ACK, 0, bytes(8)),
    "undefined flags of SETTINGS": frame(SETTINGS, 0xFE, 0),
    "undefined flags of WINDOW_UPDATE": frame(WINDOW_UPDATE, 0xFF, 0, b"\x00\x00\x00\x01"),
    "an unknown setting": settings((0xABCD, 2**32 - 1), (0, 1)),
    "settings twice in a frame": settings((4, 5), (4, 70_000)),
    "the largest settings": settings((1, 2**32 - 1), (3, 2**32 - 1), (4, 2**31 - 1), (5, 2**24 - 1), (6, 2**32 - 1)),
    "the smallest settings": settings((1, 0), (2, 0), (3, 0), (5, 16_384), (6, 1)),
    "pushes": settings((2, 1)),
    "PRIORITY on an idle stream": priority(99, 1),
    "PRIORITY on a stream": priority(1, 3, 255),
    "a PING that was not asked for": ping(b"whatever", ack=True),
    "settings acknowledged once too often": settings(ack=True),
    "a field of the priority's that means nothing": priority_update(1, b'u="x", i=7, \xff'),
    "an empty priority": priority_update(1, b""),
    "the priority of a stream to come": priority_update(2**31 - 1, b"u=0"),
}  # fmt: skip


@pytest.mark.parametrize("octets", HARMLESS.values(), ids=HARMLESS)
def test_what_is_harmless_changes_nothing(octets: bytes) -> None:
    """RFC 9113 §4.1, §5.5, §6.5.2: what is unknown is ignored."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    pair.send(octets)
    pair.upload(1, b"content", end=True)
    assert call.take() == (b"content", True)
    call.respond(b"answer")
    assert pair.view(1).content == b"answer"
    pair.expect_service()


def test_a_ping_is_answered_with_its_own_octets() -> None:
    """RFC 9113 §6.7."""
    pair = Http2Pair()
    pair.send(ping(b"\x00" * 8) + ping(b"abcdefgh"), ping(b"ABCDEFGH", ack=True))
    assert pair.observer.pongs == [b"\x00" * 8, b"abcdefgh"]
    assert len(pair.take_frames()) == 2


def test_each_settings_frame_is_acknowledged_at_once() -> None:
    """RFC 9113 §6.5.3. Unknown settings leave nothing behind (§6.5.2)."""
    pair = Http2Pair()
    for number in range(20):
        pair.send(settings(*[(0x1000 + 200 * number + key, key) for key in range(200)]))
    assert [(seen.kind, seen.flags) for seen in pair.take_frames()] == [(SETTINGS, ACK)] * 20
    pair.expect_service()


@pytest.mark.parametrize("size", [0, 1, 100, 4_096, 65_536, 2**32 - 1], ids=str)
def test_the_client_s_table_is_never_larger_than_it_allows_and_we_need(size: int) -> None:
    """RFC 7541 §4.2. The observer's decoder refuses what is larger, and a change that was not announced."""
    pair = Http2Pair(hello=((1, size),))
    for number in range(50):
        call = pair.open(path=b"/%d" % number)
        call.respond(b"x", fields=[(b"x-number", b"%d" % number), (b"content-type", b"text/plain")])
        assert call.view.value(b"x-number") == b"%d" % number
    pair.send(settings((1, 0)))
    pair.open().respond(b"x", fields=[(b"content-type", b"text/plain")])
    pair.send(settings((1, 4_096)))
    pair.open().respond(b"x", fields=[(b"content-type", b"text/plain")])


def test_response_fields_larger_than_a_frame_are_sent_in_pieces() -> None:
    """RFC 9113 §4.3, §6.10. The observer refuses frames beyond the client's MAX_FRAME_SIZE."""
    pair = Http2Pair()
    call = pair.open()
    fields = [(b"x-large-%d" % number, b"%d" % number * 10_000) for number in range(9)]
    call.respond(b"content", fields=fields)
    assert [field for field in call.view.fields if field[0].startswith(b"x-large")] == fields
    assert call.view.content == b"content"


@pytest.mark.parametrize("size", [16_384, 16_385, 100_000, 2**24 - 1], ids=str)
def test_content_is_sent_in_frames_of_a_size_that_the_client_takes(size: int) -> None:
    """RFC 9113 §4.2. The observer refuses larger ones."""
    pair = Http2Pair(hello=((5, size), (4, 2**31 - 1)))
    pair.send(window_update(0, 10_000_000))
    call = pair.open()
    call.respond(b"a" * 300_000)
    assert call.view.content == b"a" * 300_000


def test_eof_ends_every_stream() -> None:
    pair = Http2Pair()
    asking = pair.open(b"POST", end=False)
    answering = pair.open()
    assert answering.take() == (b"", True)
    pair.eof()
    for call in (asking, answering):
        assert call.receive() == {"type": "http.disconnect"}
        call.finish()
    pair.run_until_closed(within=100.0)


def test_a_lost_transport_disconnects_every_stream() -> None:
    pair = Http2Pair()
    calls = [pair.open(b"POST", end=False), pair.open()]
    pair.lose()
    assert all(call.is_disconnected() for call in calls)
    assert pair.connection.closed


def test_an_empty_read_means_nothing() -> None:
    pair = Http2Pair()
    pair.connection.receive_data(b"", pair.now)
    pair.expect_service()
