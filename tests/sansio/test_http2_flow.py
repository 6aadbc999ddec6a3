"""Flow control of what goes: the windows of the connection and of its streams, and who waits for them.

The observer of `tests.peers` keeps the accounts: no DATA beyond a window.
Source: RFC 9113 §5.2, §6.9.
"""

from __future__ import annotations

from typing import Final

import pytest
from h2.events import DataReceived, StreamEnded

from fuzz.laws_work import count_lines
from sansio import ClientDisconnected, Settings
from tests.messages import body, start
from tests.peers import (
    Code,
    settings,
    window_update,
)
from tests.sansio.http2_client import Http2Pair

LARGEST: Final = 2**31 - 1


# What goes.


def test_content_waits_for_the_stream_s_window() -> None:
    """RFC 9113 §6.9.1."""
    pair = Http2Pair(hello=((4, 10),))
    call = pair.open()
    call.respond(b"0123456789abcdef")
    assert (call.view.content, call.view.ended) == (b"0123456789", False)
    pair.send(window_update(1, 5))
    assert (call.view.content, call.view.ended) == (b"0123456789abcde", False)
    pair.send(window_update(1, 100))
    assert (call.view.content, call.view.ended) == (b"0123456789abcdef", True)


def test_content_waits_for_the_connection_s_window() -> None:
    pair = Http2Pair(hello=((4, LARGEST),))
    calls = [pair.open(), pair.open()]
    for call in calls:
        call.respond(bytes(50_000))
    assert sum(len(call.view.content) for call in calls) == 65_535
    pair.send(window_update(0, 34_464))
    assert sum(len(call.view.content) for call in calls) == 99_999
    pair.send(window_update(0, 1))
    assert all(call.view.ended for call in calls)


@pytest.mark.parametrize("size", [700, 3_000, 5_000, 16_384])
def test_small_responses_use_up_the_connection_s_window_too(size: int) -> None:
    pair = Http2Pair()
    calls = [pair.open() for _ in range(99)]
    for call in calls:
        call.respond(bytes(size))
    assert sum(len(call.view.content) for call in calls) == 65_535
    pair.send(window_update(0, 99 * size - 65_535))
    assert all(call.view.content == bytes(size) and call.view.ended for call in calls)


@pytest.mark.parametrize("size", [700, 3_000, 5_000, 16_384])
def test_a_response_is_no_larger_than_the_stream_s_window(size: int) -> None:
    pair = Http2Pair(hello=((4, size - 1),))
    call = pair.open()
    call.respond(bytes(size))
    assert (len(call.view.content), call.view.ended) == (size - 1, False)
    pair.send(window_update(1, 1))
    assert (len(call.view.content), call.view.ended) == (size, True)


def test_small_parts_use_up_the_stream_s_window_too() -> None:
    pair = Http2Pair(hello=((4, 12_000),))
    call = pair.open()
    call.send(start())
    for _ in range(20):
        call.send(body(bytes(5_000), more=True))
    assert len(call.view.content) == 12_000
    pair.grant(1, 100_000)
    assert len(call.view.content) == 100_000
    call.send(body(b""))
    assert call.view.ended


def test_a_window_of_one_octet_is_used() -> None:
    """RFC 9113 §6.9."""
    pair = Http2Pair(hello=((4, 1),))
    call = pair.open()
    call.respond(b"abc")
    for content in (b"a", b"ab", b"abc"):
        assert call.view.content == content
        pair.send(window_update(1, 1))
    assert call.view.ended


def test_an_end_without_content_needs_no_window() -> None:
    """RFC 9113 §6.9.1: frames "with zero length with the END_STREAM flag set [...] MAY be sent"."""
    pair = Http2Pair(hello=((4, 3),))
    call = pair.open()
    call.send(start())
    call.send(body(b"abc", more=True))
    assert (call.view.content, call.view.ended) == (b"abc", False)
    call.send(body(b""))
    assert call.view.ended


def test_trailers_need_no_window_but_come_behind_the_content() -> None:
    pair = Http2Pair(hello=((4, 3),))
    call = pair.open(fields=[(b"te", b"trailers")])
    call.send(start(trailers=True))
    call.send(body(b"abcd"))
    call.send({"type": "http.response.trailers", "headers": [(b"x", b"y")]})
    assert (call.view.content, call.view.trailers) == (b"abc", None)
    pair.send(window_update(1, 1))
    assert (call.view.content, call.view.trailers, call.view.ended) == (b"abcd", [(b"x", b"y")], True)


def test_new_settings_change_the_windows_of_open_streams() -> None:
    """RFC 9113 §6.9.2: "MUST adjust the size of all stream flow-control windows that it maintains"."""
    pair = Http2Pair(hello=((4, 3),))
    call = pair.open()
    call.respond(b"0123456789")
    assert call.view.content == b"012"
    pair.send(settings((4, 5)))
    assert call.view.content == b"01234"
    pair.send(settings((4, 2)))
    pair.send(window_update(1, 3))  # 0 now, after a window of -3.
    assert call.view.content == b"01234"
    pair.send(window_update(1, 1))
    assert call.view.content == b"012345"
    pair.send(settings((4, 0)), settings((4, 6)))
    assert call.view.ended


def test_a_window_that_settings_make_negative_grows_back() -> None:
    """RFC 9113 §6.9.2: "A sender MUST track the negative flow-control window"."""
    pair = Http2Pair(hello=((4, 1_000),))
    call = pair.open()
    call.respond(bytes(3_000))
    pair.send(settings((4, 0)))
    pair.send(window_update(1, 999))
    assert len(call.view.content) == 1_000
    pair.send(window_update(1, 1))
    assert len(call.view.content) == 1_000
    pair.send(window_update(1, 2_000))
    assert call.view.ended


@pytest.mark.parametrize(
    ("values", "sent"),
    [((0, 10, 5), 5), ((10, 0), 3), ((2, 2, 2), 3), ((100, 0, 100), 100), ((4,) * 2_700 + (9,), 9)],
)
def test_of_many_changes_of_a_window_the_last_one_counts(values: tuple[int, ...], sent: int) -> None:
    """RFC 9113 §6.5.3: "The values in the SETTINGS frame MUST be processed in the order they appear"."""
    pair = Http2Pair(hello=((4, 3),))
    call = pair.open()
    call.respond(bytes(1_000))
    assert len(call.view.content) == 3
    pair.send(settings(*((4, value) for value in values)))
    assert len(call.view.content) == sent


def test_a_window_that_is_too_large_for_a_moment_is_too_large() -> None:
    """RFC 9113 §6.9.2: the maximum must not be exceeded by "a change to SETTINGS_INITIAL_WINDOW_SIZE" either."""
    pair = Http2Pair()
    pair.open().respond(b"x")
    pair.open()
    pair.send(window_update(3, 1))
    pair.send(settings((4, LARGEST), (4, 0)))
    pair.expect_connection_error(Code.FLOW_CONTROL_ERROR)


def test_a_frame_of_settings_costs_each_stream_one_step() -> None:
    """RFC 9113 §10.5: what may be abused is to change "the same setting multiple times in the same frame"."""
    steps = []
    for streams in (1, 51):
        pair = Http2Pair()
        for _ in range(streams):
            pair.open()
        frame = settings(*((4, 100 + number % 2) for number in range(2_700)))
        steps.append(count_lines(lambda pair=pair, frame=frame: pair.send(frame)))  # type: ignore[misc]  # It has a default.
    assert steps[1] <= 2 * steps[0]  # None are seen of a compiled core.


def test_a_stream_s_window_that_grows_too_large_ends_the_stream() -> None:
    """RFC 9113 §6.9.1: "For streams, the sender sends a RST_STREAM with an error code of FLOW_CONTROL_ERROR"."""
    pair = Http2Pair()
    call = pair.open()
    pair.send(window_update(1, LARGEST - 65_535))
    assert call.view.reset is None
    pair.send(window_update(1, 1))
    assert call.is_disconnected()
    call.finish()
    pair.expect_stream_error(1, Code.FLOW_CONTROL_ERROR)


def test_settings_that_make_a_window_too_large_end_the_connection() -> None:
    """RFC 9113 §6.9.2: a change "that causes any flow-control window to exceed the maximum size"."""
    pair = Http2Pair()
    pair.open()
    pair.send(window_update(1, 1_000), settings((4, LARGEST)))
    pair.expect_connection_error(Code.FLOW_CONTROL_ERROR)


def test_an_increment_of_0_ends_the_stream() -> None:
    """RFC 9113 §6.9: "MUST treat [it] as a stream error (Section 5.4.2) of type PROTOCOL_ERROR"."""
    pair = Http2Pair()
    call = pair.open()
    pair.send(window_update(1, 0))
    assert call.is_disconnected()
    call.finish()
    pair.expect_stream_error(1, Code.PROTOCOL_ERROR)


def test_an_application_waits_while_the_window_is_closed_and_goes_on_when_it_opens() -> None:
    pair = Http2Pair(Settings(limit_write_buffer=10_000), hello=((4, 0),))
    call = pair.open()
    call.send(start())
    call.send(body(bytes(20_000), more=True))
    assert not call.exchange.can_send
    named = call.named
    pair.send(window_update(1, 20_000))
    assert call.exchange.can_send
    assert call.named > named
    call.send(body(b"end"))
    pair.send(window_update(1, 3))
    assert (len(call.view.content), call.view.ended) == (20_003, True)


def test_a_stream_that_waits_for_its_window_does_not_hold_up_others() -> None:
    pair = Http2Pair(hello=((4, 100),))
    waiting = pair.open()
    waiting.respond(bytes(1_000))
    for _ in range(10):
        call = pair.open()
        call.respond(b"short")
        assert (call.view.content, call.view.ended) == (b"short", True)
    assert len(waiting.view.content) == 100


def test_a_reset_drops_what_waits_and_leaves_the_window_to_others() -> None:
    """RFC 9113 §6.4."""
    pair = Http2Pair(hello=((4, LARGEST),))
    first, second = pair.open(), pair.open()
    first.send(start())
    first.send(body(bytes(100_000), more=True))
    second.send(start())
    second.send(body(bytes(65_000)))
    pair.reset(first)
    with pytest.raises(ClientDisconnected):
        first.send(body(b"more"))
    pair.send(window_update(0, 65_000))
    assert (len(second.view.content), second.view.ended) == (65_000, True)
    assert first.exchange.can_send


def test_a_peer_that_does_not_read_is_not_sent_more_than_a_buffer() -> None:
    """RFC 9113 §10.5: frames are made when there is room for them, whatever the windows say."""
    pair = Http2Pair(hello=((4, LARGEST),))
    pair.send(window_update(0, LARGEST - 65_535))
    calls = [pair.open() for _ in range(10)]
    pair.stall()
    for call in calls:
        call.send(start())
        call.send(body(bytes(500_000)))
        assert call.exchange.ended
    assert pair.connection.size <= pair.settings.limit_write_buffer + 2 * 16_384 + 10 * 200
    pair.resume()
    assert all(len(call.view.content) == 500_000 and call.view.ended for call in calls)


def test_a_legal_client_downloads_and_uploads_as_much_as_it_likes() -> None:
    """No budget stands in the way of what brings something forward: h2 acknowledges each frame by two others."""
    pair = Http2Pair(legal=True)
    pair.client.send_headers(
        1,
        [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")],
    )
    pair.push()
    pair.call.send(start())
    for number in range(250):
        size = min(pair.client.local_flow_control_window(1), 16_384)
        pair.client.send_data(1, bytes(size), end_stream=number == 249)
        pair.push()
        pair.call.take()
        pair.call.send(body(bytes(16_384), more=number < 249))
        for event in pair.events:
            if isinstance(event, DataReceived):
                pair.client.acknowledge_received_data(event.flow_controlled_length, 1)
                pair.push()
        ended = any(isinstance(event, StreamEnded) for event in pair.events)
        pair.events.clear()
    assert ended
    assert pair.observer.streams[1].content == bytes(16_384 * 250)
    assert pair.error is None
