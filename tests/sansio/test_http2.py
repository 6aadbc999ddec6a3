"""An HTTP/2 connection: what each frame means in each state of its stream, and which requests become exchanges.

Source: RFC 9113 §5, §6, §8.1; RFC 8441; RFC 9218 §7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from sansio import Connection, Settings, TransportInfo
from tests.messages import body, start
from tests.peers import (
    DATA,
    HEADERS,
    PREFACE,
    RST_STREAM,
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
from tests.sansio.http2_client import H2, Call, Http2Pair

NOW: Final = 1000.0
LARGEST: Final = 2**31 - 1
TRAILERS: Final = [(b"x", b"y")]
CONNECT: Final = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":scheme", b"https"),
    (b":authority", b"a"),
    (b":path", b"/chat"),
]
VERSION: Final = (b"sec-websocket-version", b"13")


def connect(limits: Settings, octets: bytes) -> Connection:
    connection = Connection(H2, limits, 0.0)
    connection.receive_data(PREFACE + settings() + octets, 0.0)
    return connection


# Frames and states.

# What brings a stream (number 5) into its state, in a pair with whatever it needs.
STATES: Final = {
    "idle": b"",
    "left out": request(7),
    "open": request(5, b"POST", end_stream=False),
    "half-closed": request(5),
    "reset by the client": request(5) + rst(5),
    "reset by the server": headers(5, TRAILERS),
    "ended": request(5, fields=[(b"x", b"y")] * 200),  # It is answered at once.
    "even": b"",
}
FRAMES: Final[dict[str, Callable[[int], bytes]]] = {
    "DATA": lambda number: data(number, b"x"),
    "HEADERS": lambda number: headers(number, TRAILERS),
    "PRIORITY": priority,
    "RST_STREAM": rst,
    "WINDOW_UPDATE": lambda number: window_update(number, 1),
    "PRIORITY_UPDATE": lambda number: priority_update(number, b"u=1"),
    "unknown": lambda number: frame(0xBE, 0, number),
}
FAILS: Final = Code.PROTOCOL_ERROR
ENDED: Final = Code.STREAM_CLOSED
# Per state: what each frame does. A code: the connection ends. A code in a tuple: the stream is reset. None: nothing.
RULES: Final[dict[str, dict[str, Code | tuple[Code] | None]]] = {
    # "Receiving any frame other than HEADERS or PRIORITY on a stream in this state MUST be [...] PROTOCOL_ERROR."
    "idle": {"DATA": FAILS, "HEADERS": (FAILS,), "RST_STREAM": FAILS, "WINDOW_UPDATE": FAILS},
    # "The first use of a new stream identifier implicitly closes all streams in the "idle" state [...] lower-valued";
    # "an unexpected stream identifier" is a connection error of type PROTOCOL_ERROR.
    "left out": {"DATA": ENDED, "HEADERS": FAILS},
    "open": {},
    # "it MUST respond with a stream error of type STREAM_CLOSED".
    "half-closed": {"DATA": (ENDED,), "HEADERS": (ENDED,)},
    # "An endpoint that sends a RST_STREAM frame on a stream [...] MUST ignore frames that it receives".
    "reset by the client": {},
    "reset by the server": {},
    # "frames of any type other than PRIORITY [...] after END_STREAM [...] as a connection error of type STREAM_CLOSED".
    "ended": {"DATA": ENDED, "HEADERS": ENDED},
    # §5.1.1: "Streams initiated by a client MUST use odd-numbered stream identifiers".
    "even": {
        "DATA": FAILS,
        "HEADERS": FAILS,
        "RST_STREAM": FAILS,
        "WINDOW_UPDATE": FAILS,
        "PRIORITY_UPDATE": FAILS,
    },
}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("state", STATES)
def test_a_frame_means_what_its_stream_s_state_says(state: str, kind: str) -> None:
    """RFC 9113 §5.1."""
    pair = Http2Pair()
    pair.send(STATES[state])
    before = len(pair.frames)
    number = 6 if state == "even" else 5
    pair.send(FRAMES[kind](number))
    expected = RULES[state].get(kind)
    resets = [(seen.stream, seen.number) for seen in pair.frames[before:] if seen.kind == RST_STREAM]
    if isinstance(expected, tuple):
        assert (resets, pair.error) == ([(number, expected[0])], None)
    elif expected is None:
        assert (resets, pair.error) == ([], None)
        pair.expect_service()
    else:
        pair.expect_connection_error(expected)


def test_frames_on_streams_beyond_the_announced_last_are_ignored() -> None:
    """RFC 9113 §6.8: what the client sends before it has read GOAWAY is no error, but the table needs its fields."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    pair.send(goaway())
    pair.send(
        request(3, end_stream=False) + data(3, b"x") + headers(3, TRAILERS) + rst(3) + window_update(3, 1)
    )
    assert (len(pair.calls), pair.error) == (1, None)
    pair.upload(1, b"content", end=True)
    assert call.take() == (b"content", True)


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (request(3) + request(1), Code.PROTOCOL_ERROR),
        (headers(1, b"\x80"), Code.COMPRESSION_ERROR),
        (frame(DATA, 8, 1, b"\x02a"), Code.PROTOCOL_ERROR),
        (window_update(0, 0), Code.PROTOCOL_ERROR),
        (window_update(0, LARGEST), Code.FLOW_CONTROL_ERROR),
        (data(0, b"x"), Code.PROTOCOL_ERROR),
        (continuation(1, b""), Code.PROTOCOL_ERROR),
    ],
    ids=["lower number", "HPACK", "padding", "no increment", "overflow", "stream 0", "no block"],
)
def test_an_error_of_the_connection_ends_all_streams_and_what_follows_is_not_read(
    octets: bytes, code: Code
) -> None:
    """RFC 9113 §5.4.1."""
    pair = Http2Pair()
    pair.send(octets + request(99) + ping())
    assert all(call.is_disconnected() for call in pair.calls)
    assert not pair.observer.pongs
    pair.expect_connection_error(code)


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (window_update(1, 0), Code.PROTOCOL_ERROR),
        (window_update(1, LARGEST), Code.FLOW_CONTROL_ERROR),
        (headers(1, TRAILERS, end_stream=False), Code.PROTOCOL_ERROR),
        (headers(1, [(b":path", b"/")]), Code.PROTOCOL_ERROR),
        (headers(1, [(b"X", b"y")]), Code.PROTOCOL_ERROR),
        (headers(1, [(b"x", b"y")] * 200), Code.PROTOCOL_ERROR),
    ],
    ids=["no increment", "overflow", "no end", "pseudo-header field", "upper case", "too many"],
)
def test_an_error_of_a_stream_is_the_stream_s_alone(octets: bytes, code: Code) -> None:
    """RFC 9113 §5.4.2, §6.9, §8.1."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    pair.send(octets)
    assert call.is_disconnected()
    call.finish()
    pair.expect_stream_error(1, code)


# Content.


@pytest.mark.parametrize("room", ["stream", "connection"])
def test_content_beyond_a_window_ends_the_connection(room: str) -> None:
    """RFC 9113 §6.9.1."""
    limits = Settings(http2_initial_window_size=40_000, http2_max_concurrent_streams=2)
    pair = Http2Pair(limits)
    calls = [pair.open(b"POST", end=False) for _ in range(2)]
    if room == "stream":
        pair.send(data(1, bytes(16_384)), data(1, bytes(16_384)), data(1, bytes(7_232)))
        assert pair.error is None
        pair.send(data(1, b"x"))
    else:
        pair.send(*[data(number, bytes(16_384)) for number in (1, 3, 1, 3)])
        pair.send(data(1, bytes(7_232)), data(3, bytes(7_232)))
        assert pair.error is None
        pair.send(data(1, bytes(1)))
    assert all(call.is_disconnected() for call in calls)
    pair.expect_connection_error(Code.FLOW_CONTROL_ERROR)


@pytest.mark.parametrize(
    ("length", "pieces", "whole"),
    [
        (5, [b"12345"], True),
        (5, [b"12", b"345"], True),
        (5, [b"12345", b""], True),
        (5, [b"1234"], False),
        (5, [b"123456"], False),
        (5, [b"123", b"456"], False),
        (0, [b""], True),
        (0, [b"x"], False),
    ],
)
@pytest.mark.parametrize("trailers", [False, True])
def test_content_is_as_long_as_was_promised(
    length: int, pieces: list[bytes], whole: bool, trailers: bool
) -> None:
    """RFC 9113 §8.1.1: a request is malformed if Content-Length "does not equal the sum"."""
    pair = Http2Pair()
    call = pair.open(b"POST", fields=[(b"content-length", b"%d" % length)], end=False)
    *first, last = pieces
    octets = b"".join(data(1, piece) for piece in first) + data(1, last, end_stream=not trailers)
    pair.send(octets + (headers(1, TRAILERS) if trailers else b""))
    if whole:
        assert call.take() == (b"".join(pieces), True)
    else:
        assert call.is_disconnected()
        assert call.view.reset == Code.PROTOCOL_ERROR
    assert pair.error is None


def test_padding_is_no_content() -> None:
    """RFC 9113 §6.1, §8.1.1: it counts for flow control, and not for Content-Length."""
    pair = Http2Pair(Settings(limit_request_body=3))
    call = pair.open(b"POST", fields=[(b"content-length", b"3")], end=False)
    for piece in (b"a", b"", b"bc"):
        pair.upload(1, piece, padding=200)
    pair.upload(1, b"", padding=0, end=True)
    assert call.take() == (b"abc", True)


def test_empty_frames_are_counted_and_small_ones_are_not() -> None:
    """RFC 9113 §10.5."""
    pair = Http2Pair(Settings(http2_control_burst=5, http2_control_rate=1))
    call = pair.open(b"POST", end=False)
    pair.send(data(1, b"a") * 20 + data(1) * 5)
    assert call.take() == (b"a" * 20, False)
    pair.send(data(1) + data(1, b"unread"))
    assert call.is_disconnected()
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_content_of_a_websocket_has_no_limit_and_that_of_a_request_has() -> None:
    limits = Settings(limit_request_body=10)
    pair = Http2Pair(limits)
    pair.send(request(1, b"POST", fields=[(b"content-length", b"11")], end_stream=False))
    assert (pair.view(1).status, pair.calls) == (413, [])
    call = pair.open(b"POST", end=False)
    pair.upload(call.stream, b"0123456789")
    assert call.take() == (b"0123456789", False)
    pair.upload(call.stream, b"x", end=True)
    assert call.view.status == 413
    pair.send(headers(5, [*CONNECT, VERSION], end_stream=False))
    pair.calls[-1].send({"type": "websocket.accept"})
    pair.send(data(5, b"\x82\x8b\0\0\0\0" + b"x" * 11))
    assert pair.view(5).reset is None


@pytest.mark.parametrize("octets", [data(1, b"x", end_stream=True), headers(1, TRAILERS)])
def test_who_has_sent_all_is_waited_for_no_more(octets: bytes) -> None:
    pair = Http2Pair(Settings(timeout_request_body=5.0))
    call = pair.open(b"POST", end=False)
    assert call.receive() is None
    pair.send(octets)
    pair.run_until(NOW + 10.0)
    assert call.view.status is None


# Requests.


def test_a_request_becomes_an_exchange() -> None:
    transport = TransportInfo(("192.0.2.1", 5), ("192.0.2.2", 443), secure=True, alpn="h2")
    pair = Http2Pair(Settings(root_path="/app"), transport=transport, state={"a": 1})
    pair.send(request(1, b"PUT", b"/b?c=d", [(b"x", b"y")], authority=b"server.example"))
    scope = pair.call.scope
    assert (scope["type"], scope["http_version"], scope["method"]) == ("http", "2", "PUT")
    assert (scope["path"], scope["query_string"], scope["scheme"]) == ("/app/b", b"c=d", "https")
    assert (scope["client"], scope["server"]) == (transport.client, transport.server)
    assert scope["headers"] == [(b"host", b"server.example"), (b"x", b"y")]
    assert scope["state"] == {"a": 1}
    assert pair.connection.multiplexes


def test_extended_connect_becomes_a_websocket() -> None:
    """RFC 8441 §5."""
    pair = Http2Pair()
    pair.send(headers(1, [*CONNECT, VERSION, (b"sec-websocket-protocol", b"a, b")], end_stream=False))
    scope = pair.call.scope
    assert (scope["type"], scope["scheme"], scope["path"]) == ("websocket", "wss", "/chat")
    assert scope["subprotocols"] == ["a", "b"]
    assert pair.call.receive() == {"type": "websocket.connect"}


def test_a_handshake_that_is_none_is_answered_and_where_there_are_no_websockets_it_is_malformed() -> None:
    pair = Http2Pair()
    pair.send(headers(1, CONNECT, end_stream=False))
    assert (pair.view(1).status, pair.calls) == (400, [])
    without = Http2Pair(Settings(ws=False))
    without.send(headers(1, [*CONNECT, VERSION], end_stream=False))
    assert (without.view(1).reset, without.calls) == (Code.PROTOCOL_ERROR, [])


def test_fields_on_an_accepted_websocket_end_it() -> None:
    """RFC 9113 §8.5: only DATA and what manages the stream may follow."""
    pair = Http2Pair()
    pair.send(headers(1, [*CONNECT, VERSION], end_stream=False))
    pair.call.send({"type": "websocket.accept"})
    pair.send(headers(1, TRAILERS))
    assert pair.view(1).reset == Code.PROTOCOL_ERROR


@pytest.mark.parametrize(("method", "size"), [(b"GET", 22), (b"HEAD", 0)])
def test_fields_beyond_a_limit_are_answered(method: bytes, size: int) -> None:
    """RFC 6585 §5."""
    pair = Http2Pair(Settings(limit_request_fields=10))
    pair.send(request(1, method, fields=[(b"x", b"y")] * 20))
    view = pair.view(1)
    assert (view.status, len(view.content), view.ended) == (431, size, True)
    pair.expect_service()


def test_a_field_that_is_malformed_is_worse_than_too_many() -> None:
    """RFC 9113 §8.2.1."""
    pair = Http2Pair(Settings(limit_request_fields=10))
    pair.send(request(1, fields=[(b"X", b"y")] * 20))
    assert pair.view(1).reset == Code.PROTOCOL_ERROR


@pytest.mark.parametrize("knows", [False, True])
def test_a_stream_beyond_the_limit_is_refused(knows: bool) -> None:
    """RFC 9113 §5.1.2: REFUSED_STREAM; who does not know the limit yet is not to blame."""
    limits = Settings(http2_max_concurrent_streams=2, http2_reset_burst=2, http2_reset_rate=1)
    pair = Http2Pair(limits, hello=None)
    pair.send(PREFACE + settings() + (settings(ack=True) if knows else b""))
    first = [pair.open(b"POST", end=False) for _ in range(2)]
    for _ in range(2):
        pair.send(request(pair.next_id()))
    assert [pair.view(number).reset for number in (5, 7)] == [Code.REFUSED_STREAM] * 2
    pair.send(data(5, b"on its way"))
    assert pair.error is None
    pair.send(request(pair.next_id()))
    if knows:
        pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)
    else:
        first[0].respond()
        pair.expect_service()


def test_applications_that_go_on_after_their_responses_have_a_limit_too() -> None:
    pair = Http2Pair(Settings(http2_max_concurrent_streams=2))
    calls = [pair.open() for _ in range(2)]
    for _ in range(2):
        for call in calls[-2:]:
            call.send(start())
            call.send(body(b"x"))
        calls += [pair.open() for _ in range(2)] if len(calls) < 4 else []
    pair.send(request(9))
    assert pair.view(9).reset == Code.REFUSED_STREAM
    calls[0].finish()
    assert pair.open().stream == 11


def test_as_many_requests_are_taken_as_are_allowed() -> None:
    """RFC 9113 §8.7: what is behind the last, "the client can [...] retry"."""
    pair = Http2Pair(Settings(limit_requests_per_connection=3))
    pair.send(b"".join(request(number) for number in range(1, 21, 2)))
    assert len(pair.calls) == 3
    assert pair.observer.goaways == [(5, Code.NO_ERROR)]
    for call in pair.calls:
        call.respond()
    assert pair.ended


@pytest.mark.parametrize("cause", ["resets", "answers"])
def test_nothing_follows_an_error_in_the_last_request_that_is_allowed(cause: str) -> None:
    """RFC 9113 §5.4.1: GOAWAY with an error is the last frame."""
    malformed = headers(1, TRAILERS) + headers(3, TRAILERS)
    if cause == "resets":
        limits = Settings(http2_reset_burst=1, http2_reset_rate=1, limit_requests_per_connection=2)
        connection = connect(limits, malformed)
        assert connection.data_to_send()[-64:].count(b"too many streams that end with a reset") == 1
        assert connection.write_ended
    else:
        limits = Settings(http2_control_burst=10**6, limit_requests_per_connection=1)
        connection = connect(limits, ping() * 3_854)  # 17 octets each, and 9 before them, of 65,536.
        assert not connection.closed
        connection.receive_data(malformed, 0.0)
        assert connection.closed
    assert not connection.wants_write


# Priorities.


def order(pair: Http2Pair, calls: list[Call]) -> list[int]:
    """Let all answer while nobody takes the bytes; return the streams in the order of their ends."""
    pair.stall()
    for call in calls:
        call.send(start())
        call.send(body(bytes(3_000)))
    before = len(pair.frames)
    pair.resume()
    return [seen.stream for seen in pair.frames[before:] if seen.ended]


def test_the_urgent_are_served_first() -> None:
    """RFC 9218 §4.1, §7.1: by their field, by a frame before them, and by a frame behind them."""
    pair = Http2Pair(Settings(limit_write_buffer=1))
    pair.send(priority_update(7, b"u=1"), priority_update(9, b"?"))
    fill = pair.open()
    calls = [fill] + [pair.open(fields=[(b"priority", b"u=%d" % urgency)]) for urgency in (5, 2, 7)]
    calls += [pair.open(fields=[(b"priority", b"u=0")]) for _ in range(2)]
    pair.send(priority_update(11, b"u=6"))
    assert order(pair, calls) == [1, 7, 5, 9, 3, 11]


def test_priorities_of_streams_that_have_been_or_never_are_change_nothing() -> None:
    pair = Http2Pair(Settings(http2_control_burst=3_000))
    pair.open().respond()
    pair.send(priority_update(1, b"u=1"))
    for number in range(1_001, 1_001 + 2 * 1_100, 2):
        pair.send(priority_update(number, b"u=7"))
    pair.expect_service()


def test_priorities_are_counted() -> None:
    """RFC 9218 §7: "servers MAY" limit them."""
    for octets in (priority(1), priority_update(1, b"u=1")):
        pair = Http2Pair(Settings(http2_control_burst=5, http2_control_rate=1))
        pair.send(octets * 5)
        assert pair.error is None
        pair.send(octets)
        pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


@pytest.mark.parametrize("number", [0, 1])
def test_window_updates_without_use_are_counted(number: int) -> None:
    pair = Http2Pair(Settings(http2_control_burst=5, http2_control_rate=1))
    pair.open(b"POST", end=False)
    pair.send(window_update(number, 1) * 5)
    assert pair.error is None
    pair.send(window_update(number, 1))
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


# Time.


def test_a_field_block_in_pieces_has_the_time_of_a_head() -> None:
    pair = Http2Pair(Settings(timeout_request_head=10.0))
    pair.open(b"POST", end=False)
    fields = block([(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")])
    pair.send(headers(3, fields[:9], end_headers=False))
    pair.run_until(NOW + 9.0)
    pair.send(continuation(3, fields[9:]) + headers(5, fields[:9], end_headers=False))
    assert len(pair.calls) == 2
    pair.run_until(NOW + 18.0)
    pair.send(continuation(5, fields[9:20], end_headers=False))
    assert pair.error is None
    pair.send(continuation(5, fields[20:]))
    pair.run_until(NOW + 40.0)
    assert pair.error is None
    assert [seen.kind for seen in pair.frames].count(HEADERS) == 0
    pair.send(headers(7, fields[:9], end_headers=False))
    pair.run_until(NOW + 50.0)
    pair.expect_connection_error(Code.PROTOCOL_ERROR)
