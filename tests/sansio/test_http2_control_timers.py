"""What happens on HTTP/2 when nothing happens: the deadlines of a connection and of its streams."""

from __future__ import annotations

import math
from typing import Final

import pytest

from sansio import ClientDisconnected, Settings
from tests.messages import body, start
from tests.peers import (
    PREFACE,
    Code,
    block,
    continuation,
    data,
    headers,
    ping,
    request,
    settings,
    window_update,
)
from tests.sansio.http2_client import Http2Pair

HEAD: Final = block(
    [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"server.example"), (b":path", b"/")]
)


def test_settings_that_are_not_acknowledged_end_the_connection() -> None:
    """RFC 9113 §6.5.3: "it MAY issue a connection error (Section 5.4.1) of type SETTINGS_TIMEOUT"."""
    pair = Http2Pair(Settings(http2_settings_timeout=10.0), hello=None)
    pair.send(PREFACE + settings())
    call = pair.open()
    pair.run_until(pair.now + 9.9)
    assert pair.error is None
    pair.run_until(pair.now + 0.1)
    assert call.is_disconnected()
    pair.expect_connection_error(Code.SETTINGS_TIMEOUT)


def test_settings_that_are_acknowledged_in_time_are_no_matter_any_more() -> None:
    pair = Http2Pair(Settings(http2_settings_timeout=10.0), hello=None)
    pair.send(PREFACE + settings())
    pair.open()
    pair.run_until(pair.now + 9.9)
    pair.send(settings(ack=True))
    pair.run_until(pair.now + 20.0)
    assert pair.error is None
    assert not pair.ended


@pytest.mark.parametrize("octets", [b"", PREFACE[:5], PREFACE, PREFACE + settings()[:4]], ids=len)
def test_a_client_that_does_not_begin_is_not_waited_for(octets: bytes) -> None:
    pair = Http2Pair(Settings(timeout_request_head=5.0), hello=None)
    if octets:
        pair.send(octets)
    pair.run_until_closed(within=10.0)


def test_a_preface_that_comes_octet_by_octet_gains_no_time() -> None:
    pair = Http2Pair(Settings(timeout_request_head=5.0, timeout_linger=1.0), hello=None)
    opened = pair.now
    for octet in PREFACE:
        if pair.connection.wants_read:
            pair.send(bytes([octet]))
        pair.run_until(pair.now + 1.0)
        if pair.ended:
            break
    assert pair.now <= opened + 6.0


def test_a_field_block_in_pieces_has_the_time_of_a_head() -> None:
    """Progress by an octet gains no time."""
    pair = Http2Pair(Settings(timeout_request_head=5.0))
    other = pair.open()
    pair.run_until(pair.now + 50.0)
    began = pair.now
    pair.send(headers(3, HEAD[:3], end_headers=False))
    for number in range(3, 60):
        if pair.ended:
            break
        pair.send(continuation(3, HEAD[number : number + 1], end_headers=False))
        pair.run_until(pair.now + 0.5)
    assert pair.ended
    assert began + 4.5 <= pair.now <= began + 5.5
    assert other.is_disconnected()
    assert len(pair.calls) == 1


def test_a_field_block_that_has_come_whole_is_waited_for_no_more() -> None:
    pair = Http2Pair(Settings(timeout_request_head=5.0))
    pair.send(headers(1, HEAD[:3], end_headers=False))
    pair.run_until(pair.now + 4.0)
    pair.send(continuation(1, HEAD[3:]))
    pair.run_until(pair.now + 100.0)
    pair.call.respond(b"late")
    assert pair.view(1).content == b"late"


def test_field_blocks_that_are_cut_by_reads_are_no_slow_head() -> None:
    """Each block has its own time, even if every read ends in the middle of the next one."""
    pair = Http2Pair(Settings(timeout_request_head=5.0))
    rest = b""
    for number in range(20):
        stream = 2 * number + 1
        pair.send(rest + headers(stream, HEAD[:5], end_headers=False))
        rest = continuation(stream, HEAD[5:])
        pair.run_until(pair.now + 1.0)
    assert pair.error is None
    assert not pair.ended
    assert len(pair.calls) == 19


def test_a_frame_that_comes_slowly_is_waited_for_while_streams_are_open() -> None:
    pair = Http2Pair(Settings(timeout_request_body=math.inf))
    call = pair.open(b"POST", end=False)
    octets = data(1, b"0123456789", end_stream=True)
    for octet in octets:
        pair.send(bytes([octet]))
        pair.run_until(pair.now + 2.0)
    assert call.take() == (b"0123456789", True)


def test_an_idle_connection_is_closed_with_a_goaway() -> None:
    """RFC 9113 §9.1: "endpoints SHOULD send a GOAWAY frame" before they close a connection."""
    pair = Http2Pair(Settings(timeout_keep_alive=75.0))
    pair.open().respond(b"x")
    pair.run_until(pair.now + 74.0)
    assert not pair.ended
    pair.open().respond(b"x")
    pair.run_until(pair.now + 74.0)
    assert not pair.ended
    pair.run_until(pair.now + 1.0)
    assert pair.observer.goaways[-1] == (3, Code.NO_ERROR)
    assert pair.ended
    pair.run_until_closed(within=10.0)


def test_a_connection_that_never_carries_a_request_is_closed() -> None:
    pair = Http2Pair(Settings(timeout_keep_alive=75.0, timeout_request_head=30.0))
    pair.run_until_closed(within=80.0)
    assert pair.observer.goaways[-1][0] == 0


def test_a_connection_with_an_open_stream_is_not_idle() -> None:
    pair = Http2Pair(Settings(timeout_keep_alive=5.0))
    call = pair.open()
    pair.run_until(pair.now + 500.0)
    call.respond(b"late")
    assert call.view.content == b"late"
    assert not pair.ended


def test_pings_alone_do_not_keep_a_connection() -> None:
    pair = Http2Pair(Settings(timeout_keep_alive=10.0))
    began = pair.now
    while not pair.ended:
        pair.send(ping())
        pair.run_until(pair.now + 1.0)
        assert pair.now <= began + 15.0


def test_a_keep_alive_ping_asks_whether_the_client_is_there() -> None:
    """RFC 9113 §6.7."""
    pair = Http2Pair(Settings(http2_keep_alive_interval=30.0, http2_keep_alive_timeout=20.0))
    call = pair.open()
    for number in range(1, 6):
        pair.run_until(pair.now + 30.0)
        assert len(pair.observer.pings) == number
        pair.send(ping(pair.observer.pings[-1], ack=True))
    pair.run_until(pair.now + 30.0)
    pair.run_until(pair.now + 19.9)
    assert not pair.ended
    pair.run_until(pair.now + 0.1)
    assert pair.ended
    assert call.is_disconnected()
    call.finish()
    pair.run_until_closed(within=10.0)


def test_an_answer_to_another_ping_is_no_answer() -> None:
    pair = Http2Pair(Settings(http2_keep_alive_interval=30.0, http2_keep_alive_timeout=20.0))
    pair.open()
    pair.run_until(pair.now + 30.0)
    pair.send(ping(b"\x00" * 8, ack=True))
    pair.run_until(pair.now + 20.0)
    assert pair.ended


def test_nobody_is_pinged_unless_it_is_asked_for() -> None:
    pair = Http2Pair()
    pair.open()
    pair.run_until(pair.now + 10_000.0)
    assert pair.observer.pings == []


# Streams.


def test_a_window_that_stays_closed_ends_its_stream_and_no_other() -> None:
    pair = Http2Pair(Settings(http2_window_timeout=60.0), hello=((4, 100),))
    stuck = pair.open()
    other = pair.open(b"POST", end=False)
    stuck.send(start())
    stuck.send(body(bytes(1_000), more=True))
    pair.run_until(pair.now + 59.0)
    assert stuck.view.reset is None
    pair.run_until(pair.now + 1.0)
    assert stuck.view.reset is not None
    assert stuck.is_disconnected()
    with pytest.raises(ClientDisconnected):
        stuck.send(body(b"more"))
    stuck.finish()
    pair.upload(other.stream, b"content", end=True)
    assert other.take() == (b"content", True)
    other.respond(b"answer")
    assert other.view.content == b"answer"
    assert pair.error is None


def test_a_response_that_was_complete_for_its_application_may_wait_as_long() -> None:
    pair = Http2Pair(Settings(http2_window_timeout=60.0), hello=((4, 100),))
    call = pair.open()
    call.respond(bytes(1_000))
    pair.run_until(pair.now + 60.0)
    assert (len(call.view.content), call.view.ended) == (100, False)
    assert call.view.reset is not None
    assert not call.exchange.disconnected


def test_a_window_that_opens_in_time_gains_time() -> None:
    pair = Http2Pair(Settings(http2_window_timeout=60.0), hello=((4, 1_000),))
    call = pair.open()
    call.respond(bytes(11_000))
    for _ in range(10):
        pair.run_until(pair.now + 59.0)
        pair.send(window_update(1, 1_000))
    assert (len(call.view.content), call.view.ended) == (11_000, True)
    assert pair.error is None


def test_a_connection_s_window_that_stays_closed_ends_who_waits_for_it() -> None:
    pair = Http2Pair(Settings(http2_window_timeout=60.0), hello=((4, 2**31 - 1),))
    calls = [pair.open() for _ in range(3)]
    for call in calls[:2]:
        call.send(start())
        call.send(body(bytes(60_000), more=True))
    pair.run_until(pair.now + 61.0)
    waiting = [call for call in calls[:2] if len(call.view.content) < 60_000]
    assert waiting
    assert all(call.is_disconnected() for call in waiting) or pair.ended
    if not pair.ended:
        calls[2].send(start(204))
        calls[2].send(body())
        assert calls[2].view.ended


def test_who_waits_for_the_connection_s_window_has_time_of_its_own() -> None:
    """The time of one that waited before, and was reset by its client, is not the time of the next."""
    pair = Http2Pair(Settings(http2_window_timeout=60.0), hello=((4, 2**31 - 1),))
    first = pair.open()
    first.send(start())
    first.send(body(bytes(100_000), more=True))
    pair.run_until(pair.now + 30.0)
    pair.reset(first)
    first.finish()
    pair.run_until(pair.now + 29.0)
    second = pair.open()
    second.send(start())
    second.send(body(b"waits", more=True))
    pair.run_until(pair.now + 59.0)
    assert second.view.reset is None
    pair.run_until(pair.now + 1.0)
    assert second.view.reset is not None
    second.finish()


def test_time_for_a_window_begins_when_the_window_is_what_is_waited_for() -> None:
    """Not when the client was last heard of: applications may be slow."""
    pair = Http2Pair(Settings(http2_window_timeout=5.0), hello=((4, 100_000),))
    pair.send(window_update(0, 1_000_000))
    call = pair.open()
    pair.run_until(pair.now + 50.0)
    call.send(start())
    call.send(body(bytes(200_000), more=True))
    assert (len(call.view.content), call.view.reset) == (100_000, None)
    pair.run_until(pair.now + 4.9)
    assert call.view.reset is None
    pair.run_until(pair.now + 0.1)
    assert call.view.reset is not None


def test_idle_time_begins_when_the_response_is_on_its_way() -> None:
    """However late the application was, and however large its response is."""
    pair = Http2Pair(Settings(timeout_keep_alive=75.0), hello=((4, 1_000_000),))
    pair.send(window_update(0, 1_000_000))
    call = pair.open()
    pair.run_until(pair.now + 200.0)
    call.respond(bytes(500_000))
    assert call.view.ended
    pair.run_until(pair.now + 74.0)
    assert not pair.ended
    pair.run_until(pair.now + 1.0)
    assert pair.ended


def test_time_for_the_transport_is_not_time_for_the_window() -> None:
    """Who does not take what we write is the embedder's to watch."""
    pair = Http2Pair(Settings(http2_window_timeout=5.0), hello=((4, 200_000),))
    pair.send(window_update(0, 1_000_000))
    call = pair.open()
    pair.stall()
    call.send(start())
    call.send(body(bytes(300_000), more=True))
    pair.run_until(pair.now + 50.0)
    pair.resume()
    assert (len(call.view.content), call.view.reset) == (200_000, None)
    pair.run_until(pair.now + 4.9)
    assert call.view.reset is None
    pair.run_until(pair.now + 0.2)
    assert call.view.reset is not None


@pytest.mark.parametrize("seconds", [10.0, 60.0, 80.0, 200.0])
def test_idle_time_begins_when_a_slow_transport_has_taken_the_response(seconds: float) -> None:
    pair = Http2Pair(Settings(timeout_keep_alive=75.0), hello=((4, 1_000_000),))
    pair.send(window_update(0, 1_000_000))
    call = pair.open()
    pair.stall()
    call.respond(bytes(500_000))
    pair.run_until(pair.now + seconds)
    pair.resume()
    assert call.view.ended
    pair.run_until(pair.now + 74.0)
    assert not pair.ended
    pair.run_until(pair.now + 75.0)
    assert pair.ended


def test_a_window_of_which_nobody_waits_has_no_deadline() -> None:
    pair = Http2Pair(Settings(http2_window_timeout=5.0), hello=((4, 10),))
    call = pair.open()
    call.send(start())
    call.send(body(bytes(10), more=True))
    pair.run_until(pair.now + 100.0)
    assert call.view.reset is None
    pair.send(window_update(1, 1))
    call.send(body(b"x"))
    assert call.view.ended


def test_content_that_an_application_waits_for_in_vain_is_answered_with_408() -> None:
    """RFC 9110 §15.5.9."""
    pair = Http2Pair(Settings(timeout_request_body=60.0))
    silent = pair.open(b"POST", end=False)
    other = pair.open()
    assert silent.receive() is None
    pair.run_until(pair.now + 59.0)
    pair.upload(1, b"a sign of life")
    assert silent.take() == (b"a sign of life", False)
    pair.run_until(pair.now + 59.0)
    assert silent.view.frames == []
    pair.run_until(pair.now + 1.0)
    assert (silent.view.status, silent.view.ended, silent.view.reset) == (408, True, Code.NO_ERROR)
    assert silent.is_disconnected()
    silent.finish()
    other.respond(b"fine")
    assert other.view.content == b"fine"


def test_content_that_stops_after_the_response_began_ends_the_stream() -> None:
    pair = Http2Pair(Settings(timeout_request_body=60.0))
    call = pair.open(b"POST", end=False)
    call.send(start())
    call.send(body(b"begun", more=True))
    assert call.receive() is None
    pair.run_until(pair.now + 60.0)
    assert call.is_disconnected()
    assert call.view.reset is not None
    call.finish()
    pair.expect_service()


def test_an_application_that_does_not_ask_for_content_gives_the_client_all_the_time() -> None:
    pair = Http2Pair(Settings(timeout_request_body=60.0))
    call = pair.open(b"POST", end=False)
    pair.run_until(pair.now + 1_000.0)
    pair.upload(1, b"late", end=True)
    assert call.take() == (b"late", True)


def test_several_streams_that_wait_have_deadlines_of_their_own() -> None:
    pair = Http2Pair(Settings(timeout_request_body=60.0))
    first = pair.open(b"POST", end=False)
    assert first.receive() is None
    pair.run_until(pair.now + 30.0)
    second = pair.open(b"POST", end=False)
    assert second.receive() is None
    pair.run_until(pair.now + 30.0)
    assert (first.view.status, second.view.status) == (408, None)
    pair.run_until(pair.now + 30.0)
    assert second.view.status == 408


def test_a_connection_that_has_failed_does_not_wait_for_ever_for_its_client() -> None:
    """RFC 9112 §9.6 has it for HTTP/1: our end, then a moment for what is on its way, then the end."""
    pair = Http2Pair(Settings(timeout_linger=2.0))
    pair.send(data(0, b"x"))
    assert pair.ended
    pair.run_until_closed(within=2.0)


def test_a_client_that_talks_on_after_the_end_is_not_listened_to_for_long() -> None:
    pair = Http2Pair(Settings(limit_discard=10_000))
    pair.send(data(0, b"x"))
    for _ in range(9):
        pair.send(bytes(1_000))
    assert not pair.connection.closed
    pair.send(bytes(1_000), bytes(1_000))
    assert pair.connection.closed


def test_no_deadline_is_left_when_everything_is_infinite() -> None:
    pair = Http2Pair(
        Settings(
            timeout_request_head=math.inf,
            timeout_keep_alive=math.inf,
            timeout_request_body=math.inf,
            http2_settings_timeout=math.inf,
            http2_window_timeout=math.inf,
        ),
        hello=((4, 0),),
    )
    call = pair.open(b"POST", end=False)
    call.send(start())
    call.send(body(b"x", more=True))
    assert call.receive() is None
    assert pair.connection.deadline == math.inf
    pair.send(request(3))
