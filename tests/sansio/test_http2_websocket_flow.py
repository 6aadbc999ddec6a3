"""WebSockets on streams of HTTP/2: credit, windows, pings, and what is beside a session (RFC 8441 §5)."""

from __future__ import annotations

import math

import pytest

from sansio import ClientDisconnected, Settings
from tests.peers import DATA, INITIAL_WINDOW_SIZE, Code, settings, window_update
from tests.sansio.http2_client import Http2Pair
from tests.sansio.http2_websocket_client import ask, connect, open_socket
from tests.sansio.websocket_client import BINARY, PING, PONG, TEXT, close_frame, frame

WINDOW = 131_072
NOTHING = ((INITIAL_WINDOW_SIZE, 0),)


# Credit.


def test_an_application_that_does_not_receive_holds_up_no_other() -> None:
    pair = Http2Pair(Settings(http2_max_concurrent_streams=3))
    lazy = [open_socket(pair), ask(pair)]
    for socket in lazy:
        while socket.view.credit >= 16_384:
            socket.send(frame(BINARY, b"x" * 16_376))
    other = open_socket(pair)
    for _ in range(50):
        other.send(frame(BINARY, b"y" * 16_376))
        assert other.take() == b"y" * 16_376


def test_credit_comes_back_for_what_a_closing_session_drops() -> None:
    pair = Http2Pair()
    socket = open_socket(pair)
    while socket.view.credit >= 16_384:
        socket.send(frame(BINARY, b"x" * 16_376))
    socket.shut()
    for _ in range(50):
        socket.send(frame(BINARY, b"x" * 16_376))
    socket.send(close_frame(1000))
    assert socket.disconnect() == (1000, "")
    assert pair.observer.credit >= pair.observer.limit - WINDOW // 2


def test_a_closed_window_stops_the_application_until_it_opens() -> None:
    """RFC 8441 §5: the stream is subject to flow control, as a TCP connection is."""
    pair = Http2Pair(hello=NOTHING)
    socket = open_socket(pair)
    socket.say("a" * 100)
    assert socket.exchange.can_send is False
    assert socket.view.content == b""
    pair.grant(socket.call.stream, 50)
    assert (len(socket.view.content), socket.exchange.can_send) == (50, False)
    named = socket.call.named
    pair.grant(socket.call.stream, 1000)
    assert socket.exchange.can_send
    assert socket.call.named == named + 1
    assert socket.messages == ["a" * 100]
    socket.say("b")
    assert socket.messages == ["a" * 100, "b"]


def test_a_large_message_waits_for_its_window_too() -> None:
    pair = Http2Pair()
    socket = open_socket(pair)
    content = b"z" * 300_000
    socket.say(content)
    assert not socket.exchange.can_send
    for _ in range(5):
        pair.grant(socket.call.stream, 65_535)
    assert socket.exchange.can_send
    assert socket.messages == [content]


def test_a_window_that_stays_closed_ends_the_stream_only() -> None:
    pair = Http2Pair(Settings(http2_window_timeout=30.0, ws_ping_interval=math.inf))
    socket, other = open_socket(pair), open_socket(pair)
    pair.send(window_update(0, 2**20))
    socket.say(b"z" * 100_000)
    pair.run_until(pair.now + 29.9)
    assert socket.view.reset is None
    pair.run_until(pair.now + 0.1)
    assert socket.view.reset == Code.CANCEL
    assert socket.disconnect() == (1006, "")
    assert socket.exchange.can_send
    with pytest.raises(ClientDisconnected):
        socket.say("a")
    other.say("b")
    assert other.messages == ["b"]


def test_a_client_that_reads_nothing_stops_the_application() -> None:
    pair = Http2Pair(Settings(limit_write_buffer=1000))
    socket = open_socket(pair)
    pair.stall()
    socket.say("a" * 1000)
    socket.say("b" * 1000)
    assert not socket.exchange.can_send
    pair.resume()
    assert socket.exchange.can_send
    assert socket.messages == ["a" * 1000, "b" * 1000]


# Keeping alive.


def test_pings_go_out_and_pongs_keep_the_session() -> None:
    pair = Http2Pair(Settings(ws_ping_interval=20.0, ws_ping_timeout=10.0))
    socket = open_socket(pair)
    for number in range(1, 6):
        pair.run_until(pair.now + 20)
        assert socket.frames[-1] == (PING, b"%d" % number, False)
        assert len(socket.frames) == number
        socket.send(frame(PONG, b"%d" % number))
    assert not socket.view.ended


def test_a_pong_that_was_put_off_waits_for_its_window_from_then_on() -> None:
    pair = Http2Pair(
        Settings(limit_write_buffer=300, ws_ping_interval=math.inf, http2_window_timeout=60.0), hello=NOTHING
    )
    socket = open_socket(pair)
    start = pair.now
    socket.send(*[frame(PING, b"x" * 100)] * 10)  # Three answers wait, and then the last one.
    pair.run_until(start + 30)
    pair.grant(socket.call.stream, 300)
    pair.run_until(start + 59)
    pair.grant(socket.call.stream, 6)
    pair.run_until(start + 118)
    assert socket.view.reset is None
    pair.run_until(start + 119)
    assert socket.view.reset == Code.CANCEL


# Side by side.


def test_sessions_and_requests_live_side_by_side() -> None:
    pair = Http2Pair()
    sockets = [open_socket(pair) for _ in range(10)]
    for turn in range(5):
        calls = [pair.open(path=b"/%d" % number) for number in range(5)]
        for number, socket in enumerate(sockets):
            socket.send(frame(TEXT, b"%d" % number))
        for number, socket in enumerate(sockets):
            text = socket.take()
            assert text == str(number)
            socket.say(f"{text} {turn}")
        for number, call in enumerate(calls):
            call.respond(b"%d" % number)
            assert call.view.content == b"%d" % number
    for number, socket in enumerate(sockets):
        assert socket.messages == [f"{number} {turn}" for turn in range(5)]


def test_a_session_whose_window_is_closed_holds_up_no_other() -> None:
    pair = Http2Pair()
    stuck, other = open_socket(pair), open_socket(pair)
    pair.send(window_update(0, 2**20))
    stuck.say(b"x" * 100_000)
    other.say(b"y" * 60_000)
    assert (stuck.exchange.can_send, other.exchange.can_send) == (False, True)
    assert other.messages == [b"y" * 60_000]
    assert pair.open().view.frames == []


def test_a_session_counts_as_a_stream() -> None:
    pair = Http2Pair(Settings(http2_max_concurrent_streams=2))
    open_socket(pair)
    ask(pair)
    stream = pair.next_id()
    pair.send(connect(stream))
    assert pair.view(stream).reset == Code.REFUSED_STREAM


@pytest.mark.parametrize("size", [4_096, 4_097])
def test_a_short_message_is_one_data_frame(size: int) -> None:
    socket = open_socket(Http2Pair())
    socket.say(b"x" * (size - 4))
    frames = [seen for seen in socket.view.frames if seen.kind == DATA]
    assert len(frames) == 1
    assert len(frames[0].payload) == size


def test_the_window_of_a_session_may_become_negative() -> None:
    """RFC 9113 §6.9.2."""
    pair = Http2Pair(hello=((INITIAL_WINDOW_SIZE, 1000),))
    socket = open_socket(pair)
    socket.say(b"a" * 900)
    pair.send(settings((INITIAL_WINDOW_SIZE, 100)))
    socket.say(b"b" * 10)
    assert not socket.exchange.can_send
    pair.send(settings((INITIAL_WINDOW_SIZE, 1000)))
    assert socket.messages == [b"a" * 900, b"b" * 10]
