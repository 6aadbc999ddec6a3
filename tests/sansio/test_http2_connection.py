"""HTTP/2's stream 0: settings, pings, budgets, and how a connection stays.

Source: RFC 9113 §5.4.1, §6.5, §6.7 to §6.9, §9.1.
"""

from __future__ import annotations

import math
from typing import Final

import pytest

from sansio import Connection, Settings
from tests.messages import body, start
from tests.peers import (
    GOAWAY,
    HEADERS,
    PREFACE,
    SETTINGS,
    Code,
    block,
    frame,
    goaway,
    headers,
    ping,
    request,
    settings,
    window_update,
)
from tests.sansio.http2_client import H2, Http2Pair

NOW: Final = 1000.0
LARGEST: Final = 2**31 - 1


def connect(now: float = 0.0, **limits: float) -> Connection:
    return Connection(H2, Settings(**limits), now)  # type: ignore[arg-type] # mypy takes each for all.


# Settings.


def test_the_server_speaks_first_and_waits_for_the_client_s_settings() -> None:
    """RFC 9113 §3.4."""
    pair = Http2Pair(hello=None)
    assert [seen.kind for seen in pair.frames] == [SETTINGS, 8]
    pair.send(PREFACE + settings())
    assert [(seen.kind, seen.flags) for seen in pair.frames[2:]] == [(SETTINGS, 1)]


def test_settings_that_are_not_acknowledged_end_the_connection() -> None:
    """RFC 9113 §6.5.3: SETTINGS_TIMEOUT."""
    pair = Http2Pair(Settings(http2_settings_timeout=5.0), hello=None)
    pair.send(PREFACE + settings())
    pair.run_until(NOW + 4.9)
    assert pair.error is None
    pair.run_until(NOW + 5.0)
    pair.expect_connection_error(Code.SETTINGS_TIMEOUT)


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([(2, 2)], Code.PROTOCOL_ERROR),
        ([(4, 2**31)], Code.FLOW_CONTROL_ERROR),
        ([(3, 5), (5, 1)], Code.PROTOCOL_ERROR),
    ],
)
def test_a_setting_that_nobody_may_have_ends_the_connection(items: list[tuple[int, int]], code: Code) -> None:
    """RFC 9113 §6.5.2."""
    pair = Http2Pair()
    pair.send(settings(*items))
    assert pair.observer.acknowledged == 1
    pair.expect_connection_error(code)


def test_a_new_initial_window_moves_those_of_all_streams() -> None:
    """RFC 9113 §6.9.2; below zero too."""
    pair = Http2Pair(hello=((4, 10),))
    calls = [pair.open() for _ in range(2)]
    for call in calls:
        call.send(start())
        call.send(body(bytes(30)))
    assert [len(call.view.content) for call in calls] == [10, 10]
    pair.send(settings((4, 5)), settings((4, 10), (4, 25)))
    assert [len(call.view.content) for call in calls] == [25, 25]
    new = pair.open()
    new.respond(bytes(30))
    assert len(new.view.content) == 25
    pair.send(settings((4, 30)))
    assert all(call.view.ended for call in [*calls, new])


def test_an_initial_window_that_is_too_much_for_one_stream_ends_the_connection() -> None:
    """RFC 9113 §6.9.2: "a window that exceeds the maximum size" is FLOW_CONTROL_ERROR."""
    pair = Http2Pair(hello=((4, 100),))
    pair.open()
    pair.send(window_update(1, LARGEST - 100))
    assert pair.error is None
    pair.send(settings((4, 101)))
    assert pair.call.is_disconnected()
    pair.expect_connection_error(Code.FLOW_CONTROL_ERROR)


@pytest.mark.parametrize(("size", "largest"), [(16_384, 16_384), (20_000, 20_000), (2**24 - 1, 65_536)])
def test_frames_are_as_large_as_the_peer_allows_and_as_is_fair(size: int, largest: int) -> None:
    """RFC 9113 §4.2. Each frame is a turn for which all others wait."""
    pair = Http2Pair(hello=((4, LARGEST), (5, size)))
    pair.send(window_update(0, 10**6))
    call = pair.open()
    call.respond(bytes(200_000))
    assert max(len(seen.payload) for seen in call.view.frames) == largest


@pytest.mark.parametrize(
    ("sizes", "resizes"),
    [([4_096], 0), ([65_536], 0), ([4_095], 1), ([0], 1), ([100, 4_096], 1), ([8_192, 4_096], 0)],
    ids=str,
)
def test_a_smaller_table_is_acknowledged_with_the_next_field_block(sizes: list[int], resizes: int) -> None:
    """RFC 9113 §4.3.1; the peer's decoder would refuse the block otherwise."""
    pair = Http2Pair()
    for size in sizes:
        pair.send(settings((1, size)))
    for _ in range(2):
        pair.open().respond()
    updates = [seen.payload[:1] == b"\x20" for seen in pair.frames if seen.kind == HEADERS]
    assert updates == [bool(resizes), False]
    pair.send(settings((1, sizes[-1])))
    pair.open().respond()
    assert [seen.payload[:1] for seen in pair.frames if seen.kind == HEADERS][-1] != b"\x20"


# Pings.


def test_a_ping_is_answered_with_its_own_octets() -> None:
    """RFC 9113 §6.7."""
    pair = Http2Pair()
    pair.send(ping(b"abcdefgh"), ping(b"nobody's", ack=True))
    assert pair.observer.pongs == [b"abcdefgh"]
    assert pair.error is None


@pytest.mark.parametrize("answers", [True, False])
def test_a_client_that_is_there_answers_a_ping(answers: bool) -> None:
    limits = Settings(http2_keep_alive_interval=10.0, http2_keep_alive_timeout=15.0)
    pair = Http2Pair(limits)
    call = pair.open()
    pair.run_until(NOW + 10.0)
    assert len(pair.observer.pings) == 1
    pair.run_until(NOW + 20.0)
    assert len(pair.observer.pings) == 1  # One at a time.
    pair.send(ping(b"another!", ack=True))
    if answers:
        pair.send(ping(pair.observer.pings[0], ack=True))
        pair.run_until(NOW + 30.0)
        assert len(pair.observer.pings) == 2
        call.respond()
        assert call.view.ended
    else:
        pair.run_until(NOW + 25.0)
        assert pair.connection.closed
        assert call.is_disconnected()
        assert pair.connection.error is not None


def test_an_answer_that_comes_twice_is_an_answer_to_nothing() -> None:
    pair = Http2Pair(Settings(http2_keep_alive_interval=10.0, http2_control_burst=3))
    pair.run_until(NOW + 10.0)
    for _ in range(4):
        pair.send(ping(pair.observer.pings[0], ack=True))
    assert pair.error is None
    pair.send(ping(pair.observer.pings[0], ack=True))
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


# What brings nothing forward.


@pytest.mark.parametrize(
    "octets",
    [settings(), settings(ack=True), ping(), ping(ack=True), frame(0xBE)],
    ids=["SETTINGS", "ACK", "PING", "PONG", "unknown"],
)
def test_frames_that_bring_nothing_forward_are_counted(octets: bytes) -> None:
    """RFC 9113 §10.5."""
    pair = Http2Pair(Settings(http2_control_burst=10, http2_control_rate=1))
    call = pair.open()
    pair.send(octets * 5)
    assert pair.error is None
    pair.send(octets * 6)
    assert call.is_disconnected()
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_too_many_goaways_end_the_connection() -> None:
    pair = Http2Pair(Settings(http2_control_burst=10, http2_control_rate=1))
    pair.open()
    pair.send(goaway() * 11)
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_answers_that_are_read_are_no_matter() -> None:
    connection = connect(http2_control_burst=10**6)
    connection.receive_data(PREFACE + settings(), 0.0)
    for _ in range(20):
        connection.receive_data(ping() * 1_000, 0.0)
        assert connection.data_to_send()
    assert not connection.closed


@pytest.mark.parametrize("last", [ping(), settings()], ids=["PING", "SETTINGS"])
def test_answers_that_are_not_read_end_the_connection(last: bytes) -> None:
    connection = connect(http2_control_burst=10**6)
    connection.receive_data(PREFACE + settings() + request(1), 0.0)
    [exchange] = connection.take_ready()
    connection.receive_data(ping() * 3_854, 0.0)  # 17 octets each, and 9 before them, of 65,536.
    connection.receive_data(settings(), 0.0)
    assert not connection.closed
    connection.receive_data(last, 0.0)
    assert connection.closed
    assert exchange.disconnected
    assert connection.error is not None
    assert connection.data_to_send() == b""


def test_a_reset_that_is_one_too_many_for_both_limits_ends_the_connection_once() -> None:
    connection = connect(http2_control_burst=10**6, http2_reset_burst=1, http2_reset_rate=1)
    connection.receive_data(PREFACE + settings() + request(1, end_stream=False) + request(3), 0.0)
    connection.receive_data(ping() * 3_853 + headers(5, b"") + settings(), 0.0)
    assert not connection.closed
    connection.receive_data(window_update(1, 0), 0.0)
    assert connection.closed
    assert connection.data_to_send() == b""


def test_a_frame_of_content_excuses_two_window_updates() -> None:
    """One of its stream, one of the connection."""
    pair = Http2Pair(Settings(http2_control_burst=4, http2_control_rate=1))
    pair.send(window_update(0, 1) * 3)
    pair.open().respond(b"abc")
    pair.send(window_update(0, 1) * 2)
    assert pair.error is None
    pair.send(window_update(0, 1) * 2)
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


# Staying.


def test_an_idle_connection_ends_in_time() -> None:
    """RFC 9113 §9.1: a server "SHOULD" say GOAWAY first."""
    pair = Http2Pair(Settings(timeout_keep_alive=10.0))
    pair.run_until(NOW + 6.0)
    call = pair.open()
    pair.run_until(NOW + 30.0)  # A stream is open.
    call.respond()
    pair.run_until(NOW + 36.0)
    pair.open().respond()
    pair.run_until(NOW + 45.9)
    assert not pair.observer.goaways
    pair.run_until(NOW + 46.0)
    assert pair.observer.goaways == [(3, Code.NO_ERROR)]
    assert pair.ended
    pair.eof()
    assert pair.connection.closed


def test_idle_time_begins_with_the_last_octets_that_were_taken() -> None:
    """Taking them brings no time: the deadline that comes finds out when."""
    connection = connect(limit_write_buffer=1_000, timeout_keep_alive=10.0)
    connection.receive_data(PREFACE + settings() + settings(ack=True), 0.0)
    connection.receive_data(request(1), 5.0)
    [exchange] = connection.take_ready()
    connection.data_to_send()
    exchange.send(start(), 100.0)
    exchange.send(body(bytes(40_000)), 100.0)
    while connection.wants_write:
        connection.data_to_send()
    assert connection.deadline <= 100.0
    connection.handle_timeout(100.0)
    assert connection.deadline == 110.0
    connection.handle_timeout(110.0)
    assert connection.data_to_send()[3] == GOAWAY


@pytest.mark.parametrize("malformed", [False, True])
def test_the_last_request_that_is_allowed_is_announced(malformed: bool) -> None:
    """RFC 9113 §6.8: the client may send what follows elsewhere."""
    limits = Settings(limit_requests_per_connection=2, http2_reset_burst=1, http2_reset_rate=1)
    pair = Http2Pair(limits)
    last = headers(3, [(b"x", b"y")]) if malformed else request(3)
    pair.send(headers(1, [(b"x", b"y")]) + last + request(5))
    if malformed:  # One reset too many, and then nothing more is to be said.
        pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)
    else:
        assert pair.observer.goaways == [(3, Code.NO_ERROR)]
        pair.call.respond()
        assert pair.ended


@pytest.mark.parametrize("octets", [b"", PREFACE[:9], PREFACE, PREFACE + settings()[:8]], ids=len)
def test_a_client_that_never_begins_is_not_waited_for(octets: bytes) -> None:
    pair = Http2Pair(Settings(timeout_request_head=10.0, http2_settings_timeout=math.inf), hello=None)
    pair.send(octets)
    pair.run_until(NOW + 9.9)
    assert not pair.ended
    pair.run_until(NOW + 10.0)
    assert pair.observer.goaways == [(0, Code.NO_ERROR)]
    assert pair.ended


def test_a_field_block_that_does_not_end_is_not_waited_for() -> None:
    pair = Http2Pair(Settings(timeout_request_head=10.0))
    call = pair.open()
    pair.run_until(NOW + 5.0)
    pair.send(headers(3, block([(b":method", b"GET")]), end_headers=False))
    pair.run_until(NOW + 14.9)
    assert pair.error is None
    pair.run_until(NOW + 15.0)
    assert call.is_disconnected()
    pair.expect_connection_error(Code.PROTOCOL_ERROR)
