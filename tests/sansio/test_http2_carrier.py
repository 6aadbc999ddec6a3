"""What HTTP/2 connections do for their streams: room, time, and an end that gives everything back.

Source: RFC 9113 §5.1, §5.4.2, §8.1, §10.5.
"""

from __future__ import annotations

import gc
from typing import Final

import pytest

from sansio import ClientDisconnected, Connection, Message, Settings
from tests.messages import body, start
from tests.peers import (
    DATA,
    PREFACE,
    RST_STREAM,
    Code,
    data,
    headers,
    ping,
    request,
    rst,
    settings,
    window_update,
)
from tests.sansio.http2_client import H2, Call, Http2Pair

CLOSED_WINDOWS: Final = ((4, 0),)
ACCEPT: Final[Message] = {"type": "websocket.accept"}
CONNECT: Final = (
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":scheme", b"https"),
    (b":authority", b"a"),
    (b":path", b"/"),
    (b"sec-websocket-version", b"13"),
)


def open_session(pair: Http2Pair) -> Call:
    stream = pair.next_id()
    pair.send(headers(stream, CONNECT, end_stream=False))
    call = pair.calls[-1]
    call.stream = stream
    return call


def respond_in_parts(call: Call, *parts: bytes) -> None:
    call.send(start())
    for part in parts:
        call.send(body(part, more=True))


# Room.


def test_taking_bytes_makes_frames_of_what_waits() -> None:
    pair = Http2Pair(Settings(limit_write_buffer=10_000), hello=((4, 2**31 - 1),))
    pair.send(window_update(0, 10**6))
    call = pair.open()
    pair.stall()
    call.send(start())
    call.send(body(bytes(100_000)))
    assert pair.connection.size < 40_000
    pair.resume()
    assert call.view.content == bytes(100_000)
    assert call.view.ended


def test_windows_that_open_are_used_before_anything_else_happens() -> None:
    pair = Http2Pair(hello=CLOSED_WINDOWS)
    call = pair.open()
    call.send(start())
    call.send(body(b"abcdef"))
    pair.send(window_update(1, 3))
    assert call.view.content == b"abc"
    pair.send(settings((4, 3)))
    assert (call.view.content, call.view.ended) == (b"abcdef", True)


@pytest.mark.parametrize("moment", ["the window opens", "the application sends", "bytes are taken"])
def test_windows_by_crumbs_end_the_connection_whoever_makes_the_frames(moment: str) -> None:
    """RFC 9113 §10.5; CVE-2019-9511."""
    limits = Settings(http2_control_burst=3, http2_control_rate=1, limit_write_buffer=1_000)
    pair = Http2Pair(limits, hello=((4, 1),))
    calls = [pair.open() for _ in range(5)]
    if moment == "the window opens":
        respond_in_parts(calls[0], b"abcdefg")
        pair.send(window_update(1, 1), window_update(1, 1))
        assert pair.error is None
        pair.send(window_update(1, 1))
    else:
        if moment == "bytes are taken":
            pair.send(window_update(1, 5_000))
            pair.stall()
            respond_in_parts(calls[0], bytes(4_000))
        for call in calls[1:]:
            respond_in_parts(call, b"ab")
        pair.resume()
    assert all(call.is_disconnected() for call in calls)
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_what_stalls_as_bytes_are_taken_has_all_of_its_time() -> None:
    """Taking bytes brings no time: the wait begins when the connection is told the time."""
    pair = Http2Pair(Settings(limit_write_buffer=1_000, http2_window_timeout=5.0), hello=((4, 30_000),))
    call = pair.open()
    pair.run_until(pair.now + 50.0)
    pair.stall()
    respond_in_parts(call, bytes(16_384), bytes(50_000))
    pair.resume()
    pair.run_until(pair.now + 4.9)
    assert call.view.reset is None
    pair.run_until(pair.now + 0.2)
    assert call.view.reset == Code.CANCEL


def test_taking_nothing_does_not_move_what_is_due() -> None:
    connection = Connection(H2, Settings(limit_write_buffer=1), now=1_000.0)
    connection.receive_data(PREFACE + settings((4, 0)) + request(1), 1_000.0)
    (exchange,) = connection.take_ready()
    for message in (start(), body(b"content")):
        exchange.send(message, 1_100.0)
    assert connection.data_to_send()
    assert connection.deadline == 1_000.0
    connection.receive_data(b"\0", 1_100.0)
    assert connection.data_to_send() == b""
    assert connection.deadline == 1_000.0
    connection.handle_timeout(1_100.0)
    assert connection.deadline > 1_100.0


def test_idle_time_begins_when_the_last_response_has_gone() -> None:
    pair = Http2Pair(Settings(limit_write_buffer=1_000, timeout_keep_alive=10.0), hello=((4, 2**31 - 1),))
    call = pair.open()
    pair.run_until(pair.now + 60.0)
    pair.stall()
    call.respond(bytes(60_000))
    pair.resume()
    assert call.view.ended
    pair.run_until(pair.now + 9.0)
    assert not pair.observer.goaways
    pair.run_until(pair.now + 12.0)
    assert pair.observer.goaways == [(1, Code.NO_ERROR)]


# Time for the peer.


def test_a_stream_whose_window_stays_closed_is_reset_and_no_other() -> None:
    pair = Http2Pair(Settings(http2_window_timeout=5.0), hello=CLOSED_WINDOWS)
    one = pair.open()
    one.send(start())
    one.send(body(b"abc"))
    pair.run_until(pair.now + 3.0)
    other = pair.open()
    respond_in_parts(other, b"abc")
    assert not other.exchange.can_send
    pair.run_until(pair.now + 2.0)
    assert (one.view.reset, other.view.reset) == (Code.CANCEL, None)
    pair.run_until(pair.now + 3.0)
    assert other.view.reset == Code.CANCEL
    assert other.is_disconnected()
    assert other.exchange.can_send
    with pytest.raises(ClientDisconnected):
        other.send(body(b"d"))


def test_many_that_wait_too_long_at_once_can_exhaust_the_budget_of_resets() -> None:
    limits = Settings(http2_reset_burst=2, http2_reset_rate=1, http2_window_timeout=5.0)
    pair = Http2Pair(limits, hello=CLOSED_WINDOWS)
    for _ in range(5):
        respond_in_parts(pair.open(), b"abc")
    pair.run_until(pair.now + 5.0)
    assert all(call.is_disconnected() for call in pair.calls)
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_content_that_applications_wait_for_has_its_time_each() -> None:
    pair = Http2Pair(Settings(timeout_request_body=10.0))
    calls = [pair.open(b"POST", end=False) for _ in range(4)]
    for call in calls[:3]:
        assert call.receive() is None
        assert call.receive() is None  # Asking again gives no more time.
        pair.run_until(pair.now + 2.0)
    pair.upload(calls[1].stream, b"in time")
    pair.run_until(pair.now + 4.0)
    assert [call.view.status for call in calls] == [408, None, None, None]
    pair.run_until(pair.now + 4.0)
    assert [call.view.status for call in calls] == [408, None, 408, None]
    assert calls[1].take() == (b"in time", False)
    assert pair.error is None


def test_a_request_that_has_ended_is_waited_for_no_more() -> None:
    pair = Http2Pair(Settings(timeout_request_body=10.0))
    ended, reset = [pair.open(b"POST", end=False) for _ in range(2)]
    for call in (ended, reset):
        assert call.receive() is None
    pair.send(data(ended.stream, end_stream=True))
    pair.reset(reset)
    pair.run_until(pair.now + 20.0)
    assert ended.view.status is None
    assert ended.take() == (b"", True)


def test_an_application_that_is_done_waits_for_no_content() -> None:
    """Its response may wait for the peer's window longer than a peer may be silent."""
    pair = Http2Pair(Settings(timeout_request_body=10.0, http2_window_timeout=60.0), hello=((4, 1_000),))
    call = pair.open(b"POST", end=False)
    assert call.receive() is None
    call.respond(bytes(3_000))
    for _ in range(2):
        pair.run_until(pair.now + 8.0)
        assert call.view.reset is None
        pair.send(window_update(1, 1_000))
    assert (call.view.content, call.view.ended) == (bytes(3_000), True)


# The end.


def test_a_complete_response_asks_for_the_rest_of_the_request_to_be_kept() -> None:
    """RFC 9113 §8.1: RST_STREAM with NO_ERROR, behind END_STREAM."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    call.respond(b"enough")
    assert (call.view.ended, call.view.reset) == (True, Code.NO_ERROR)
    pair.send(data(1, b"on its way", end_stream=True))
    pair.expect_service()


@pytest.mark.parametrize("end", ["reset", "response", "failure", "error", "overdue"])
def test_a_stream_that_ends_gives_back_what_it_held(end: str) -> None:
    """RFC 9113 §5.1, §6.9: all of the connection's window comes back, whatever ended the stream."""
    limits = Settings(
        http2_initial_window_size=65_536, http2_max_concurrent_streams=2, http2_window_timeout=5.0
    )
    pair = Http2Pair(limits, hello=CLOSED_WINDOWS)
    for _ in range(10):
        call = pair.open(b"POST", end=False)
        for _ in range(4):
            pair.upload(call.stream, bytes(16_384))
        if end == "reset":
            pair.reset(call)
        elif end == "response":
            call.send(start(204))
            call.send(body())
        elif end == "failure":
            respond_in_parts(call, b"")
        elif end == "error":
            pair.send(headers(call.stream, [(b":path", b"/")]))
        else:
            respond_in_parts(call, b"abc")
            pair.run_until(pair.now + 5.0)
        call.finish()
    assert pair.observer.credit > 65_536
    assert pair.error is None


def test_what_was_to_be_sent_is_forgotten_with_its_stream() -> None:
    pair = Http2Pair(hello=CLOSED_WINDOWS)
    call = pair.open()
    respond_in_parts(call, b"abc")
    pair.reset(call)
    assert call.is_disconnected()
    pair.send(window_update(1, 100), settings((4, 100)))
    assert [frame.kind for frame in call.view.frames if frame.kind == DATA] == []
    pair.expect_service()


def test_a_request_that_is_reset_in_its_own_read_reaches_no_application() -> None:
    """RFC 9113 §10.5: a pair of frames must not buy the work of an application."""
    pair = Http2Pair(Settings(http2_max_concurrent_streams=1))
    for number in range(1, 101, 2):
        pair.send(request(number) + rst(number))
    assert not pair.calls
    pair.expect_service()


def test_an_application_that_runs_on_without_its_stream_counts_as_a_stream() -> None:
    """RFC 9113 §5.1.2: resets buy no more work than the limit of streams allows."""
    pair = Http2Pair(Settings(http2_max_concurrent_streams=2))
    calls = [pair.open() for _ in range(2)]
    for call in calls:
        pair.reset(call)
        assert call.is_disconnected()
    pair.send(request(5))
    assert pair.view(5).reset == Code.REFUSED_STREAM
    calls[0].finish()
    assert pair.open().stream == 7
    pair.send(request(9))
    assert pair.view(9).reset == Code.REFUSED_STREAM


def test_an_application_whose_request_was_refused_counts_until_it_returns() -> None:
    pair = Http2Pair(Settings(http2_max_concurrent_streams=1, limit_request_body=1))
    call = pair.open(b"POST", end=False)
    pair.upload(1, b"ab")
    assert call.view.status == 413
    pair.send(request(3))
    assert pair.view(3).reset == Code.REFUSED_STREAM
    call.finish()
    assert pair.open().stream == 5


def test_a_response_that_was_refused_and_waits_makes_room_when_it_ends() -> None:
    """The application has returned before its stream has ended."""
    limits = Settings(http2_max_concurrent_streams=1, limit_request_body=1)
    pair = Http2Pair(limits, hello=CLOSED_WINDOWS)
    call = pair.open(b"POST", end=False)
    pair.upload(1, b"too much")
    assert call.is_disconnected()
    call.finish()
    pair.send(window_update(1, 1_000))
    assert (call.view.status, call.view.ended) == (413, True)
    pair.send(settings((4, 1_000)))
    pair.expect_service()


def test_the_thousandth_reset_stream_is_still_known() -> None:
    """RFC 9113 §5.1: frames that were on their way are ignored, for as many streams as are remembered."""
    pair = Http2Pair(Settings(http2_reset_burst=5_000, http2_control_burst=5_000))
    for number in range(1, 2 * 1_100, 2):
        pair.send(request(number) + rst(number))
    pair.send(data(2 * 1_099 + 1, b"on its way"), data(2 * 100 + 1, b"on its way"))
    assert pair.error is None
    pair.send(data(1, b"not on its way any more"))
    pair.expect_connection_error(Code.STREAM_CLOSED)


@pytest.mark.parametrize("cause", ["eof", "lose", "error"])
def test_the_end_of_the_connection_is_that_of_all_streams(cause: str) -> None:
    pair = Http2Pair(hello=CLOSED_WINDOWS)
    calls = [pair.open(b"POST", end=False) for _ in range(3)]
    assert calls[0].receive() is None
    respond_in_parts(calls[1], b"abc")
    if cause == "error":
        pair.send(ping(b"short"))
    else:
        getattr(pair, cause)()
    assert all(call.is_disconnected() for call in calls)
    assert all(call.exchange.can_send for call in calls)
    for call in calls:
        call.finish()
    pair.eof()
    assert pair.connection.closed


@pytest.mark.parametrize("last", [ping(), window_update(1, 0)], ids=["an answer", "a reset"])
def test_answers_that_are_not_read_end_the_connection(last: bytes) -> None:
    """RFC 9113 §10.5: RST_STREAM that the client makes us send counts among them."""
    pair = Http2Pair(Settings(http2_control_burst=10_000))
    calls = [pair.open(b"POST", end=False) for _ in range(2)]
    pair.stall()
    pair.send(ping() * 3_855)  # 17 octets each, of 65,536.
    assert not pair.connection.closed
    pair.send(last)
    assert pair.connection.closed
    assert all(call.is_disconnected() for call in calls)
    assert pair.connection.error is not None


def test_a_request_that_reached_no_application_ends_as_well() -> None:
    pair = Http2Pair(Settings(http2_max_concurrent_streams=1, timeout_keep_alive=10.0))
    pair.send(headers(1, [(b"x", b"y")]), headers(3, [(b"x", b"y")], end_stream=False))
    assert [pair.view(number).reset for number in (1, 3)] == [Code.PROTOCOL_ERROR] * 2
    pair.expect_service()
    pair.run_until(pair.now + 10.0)
    assert pair.observer.goaways == [(5, Code.NO_ERROR)]


def test_resets_are_counted_whoever_makes_them() -> None:
    """RFC 9113 §10.5: those of the client, and those that it makes us send."""
    pair = Http2Pair(Settings(http2_reset_burst=4, http2_reset_rate=1))
    calls = [pair.open(b"POST", end=False) for _ in range(6)]
    for call in calls[:2]:
        pair.reset(call)
    for call in calls[2:4]:
        pair.send(window_update(call.stream, 0))
    assert pair.error is None
    pair.send(window_update(calls[4].stream, 0))
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


# Sessions.


def test_a_shutdown_is_told_to_every_session() -> None:
    """Those that are accepted later hear of it too: 1012, the service restarts."""
    pair = Http2Pair()
    opened, late = open_session(pair), open_session(pair)
    opened.send(ACCEPT)
    pair.shut_down()
    late.send(ACCEPT)
    for call in (opened, late):
        assert call.view.status == 200
        assert call.view.content == b"\x88\x02\x03\xf4"


def test_sessions_have_deadlines_of_their_own() -> None:
    pair = Http2Pair(Settings(ws_handshake_timeout=30.0, ws_ping_interval=20.0, ws_ping_timeout=5.0))
    idle = open_session(pair)
    pair.run_until(pair.now + 5.0)
    opened = open_session(pair)
    opened.send(ACCEPT)
    pair.run_until(pair.now + 20.0)
    assert opened.view.content[:1] == b"\x89"
    assert idle.view.status is None
    pair.run_until(pair.now + 5.0)
    assert idle.view.status == 500
    assert opened.view.ended
    pair.expect_service()


def test_a_session_that_is_reset_is_gone_and_its_deadlines_with_it() -> None:
    pair = Http2Pair(Settings(ws_ping_interval=20.0))
    gone, other = open_session(pair), open_session(pair)
    for call in (gone, other):
        call.send(ACCEPT)
    pair.reset(gone)
    assert gone.exchange.disconnected
    pair.run_until(pair.now + 20.0)
    assert gone.view.content == b""
    assert other.view.content[:1] == b"\x89"
    assert [frame.kind for frame in pair.frames if frame.kind == RST_STREAM] == []


def test_a_request_leaves_nothing_for_the_garbage_collector() -> None:
    """A stream and its exchange know each other for as long as both are needed, and no longer."""
    connection = Connection(H2, Settings(), 0.0)
    connection.receive_data(PREFACE + settings(), 0.0)
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for number in range(1, 20, 2):
            connection.receive_data(request(number), 0.0)
            [exchange] = connection.take_ready()
            exchange.send(start(), 0.0)
            exchange.send(body(b"abc"), 0.0)
            exchange.finish(None, 0.0)
            connection.data_to_send()
        del exchange
        assert gc.collect() == 0
    finally:
        if collects:
            gc.enable()
