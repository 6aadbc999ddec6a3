"""Flow control of what comes: the credit that is given, and the content that goes beyond it.

The observer of `tests.peers` keeps the accounts: no credit for what was never sent.
Source: RFC 9113 §5.2, §6.9.
"""

from __future__ import annotations

from typing import Final

from sansio import Settings
from tests.messages import body, start
from tests.peers import (
    WINDOW_UPDATE,
    Code,
    data,
    request,
    rst,
)
from tests.sansio.http2_client import Call, Http2Pair

WINDOW: Final = 131_072


def updates(pair: Http2Pair, stream: int) -> list[int]:
    """Return the credit that the server has given on a stream since this was last asked."""
    return [
        frame.number for frame in pair.take_frames() if frame.kind == WINDOW_UPDATE and frame.stream == stream
    ]


def fill(pair: Http2Pair, call: Call, size: int) -> None:
    """Send so many octets of content."""
    while size:
        pair.upload(call.stream, bytes(min(size, 16_384)))
        size -= min(size, 16_384)


def test_credit_on_a_stream_comes_back_when_the_application_takes_the_content() -> None:
    """RFC 9113 §5.2.2: windows are for "the receiver [...] to limit" what it has to hold."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    fill(pair, call, WINDOW)
    assert updates(pair, 1) == []
    assert call.view.credit == 0
    assert call.take() == (bytes(WINDOW), False)
    assert call.view.credit == WINDOW
    fill(pair, call, WINDOW)
    pair.send(data(1, b"", end_stream=True))
    assert call.take() == (bytes(WINDOW), True)


def test_credit_comes_back_in_portions_of_at_least_half_a_window() -> None:
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    for _ in range(100):
        pair.upload(1, bytes(10_000))
        call.take()
    portions = updates(pair, 1)
    assert portions
    assert min(portions) >= WINDOW // 2
    assert call.view.credit > WINDOW // 2 - 10_000


def test_a_stream_that_has_ended_gets_no_credit() -> None:
    """RFC 9113 §5.1: it would be of no use."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    fill(pair, call, WINDOW)
    pair.send(data(1, b"", end_stream=True))
    assert call.take() == (bytes(WINDOW), True)
    assert updates(pair, 1) == []


def test_padding_comes_back_at_once() -> None:
    """RFC 9113 §6.1: "The entire DATA frame payload is included in flow control, including [...] Padding"."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    for _ in range(2_000):
        pair.upload(1, b"x", padding=255)  # Fails if the credit does not suffice.
    assert call.take() == (b"x" * 2_000, False)
    for _ in range(600):
        pair.upload(1, b"", padding=255)
    assert call.receive() is None
    assert pair.error is None


def test_an_application_that_does_not_read_does_not_hold_up_others() -> None:
    """RFC 9113 §5.2.2: the connection's window is as large as those of all streams together."""
    pair = Http2Pair(Settings(http2_max_concurrent_streams=4, http2_initial_window_size=65_536))
    lazy = [pair.open(b"POST", end=False) for _ in range(3)]
    for call in lazy:
        fill(pair, call, 65_536)
    busy = pair.open(b"POST", end=False)
    for _ in range(20):
        fill(pair, busy, 65_536)
        assert busy.take() == (bytes(65_536), False)
    for call in lazy:
        assert call.take() == (bytes(65_536), False)


def test_content_beyond_the_stream_s_window_is_an_error() -> None:
    """RFC 9113 §6.9.1: the receiver "MUST" end "either the stream or the connection"."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    fill(pair, call, WINDOW)
    pair.send(data(1, b"x"))
    assert call.is_disconnected()
    call.finish()
    if pair.error is None:
        pair.expect_stream_error(1, Code.FLOW_CONTROL_ERROR)
    else:
        pair.expect_connection_error(Code.FLOW_CONTROL_ERROR)


def test_content_beyond_the_connection_s_window_ends_the_connection() -> None:
    """RFC 9113 §6.9.1. What is ignored for its stream, because it has ended early, counts as well."""
    pair = Http2Pair(Settings(http2_initial_window_size=65_536, http2_max_concurrent_streams=2))
    pair.open(b"POST", end=False).respond(b"enough")
    for _ in range(2):
        fill(pair, pair.open(b"POST", end=False), 65_536)
    assert pair.observer.credit == 0
    pair.send(data(1, b"x"))
    pair.expect_connection_error(Code.FLOW_CONTROL_ERROR)


def test_a_small_window_still_leaves_the_connection_its_first_one() -> None:
    """RFC 9113 §6.9.2: the connection's window is 65,535 octets and cannot be made smaller."""
    pair = Http2Pair(Settings(http2_initial_window_size=100, http2_max_concurrent_streams=2))
    assert pair.observer.credit == 65_535
    call = pair.open(b"POST", end=False)
    for _ in range(2_000):
        pair.upload(1, bytes(100))
        assert call.take() == (bytes(100), False)


def abort_by_client(pair: Http2Pair, stream: int) -> None:
    pair.send(rst(stream))


def abort_by_a_failure(pair: Http2Pair, stream: int) -> None:
    pair.calls[-1].send(start())
    pair.calls[-1].send(body(b"x", more=True))
    pair.calls[-1].finish(ValueError("broken"))


def answer_early(pair: Http2Pair, stream: int) -> None:
    pair.calls[-1].respond(b"enough")


def break_the_length(pair: Http2Pair, stream: int) -> None:
    pair.send(data(stream, b"y" * 200, end_stream=True))


def abort_after_taking(pair: Http2Pair, stream: int) -> None:
    pair.calls[-1].take()
    pair.send(rst(stream))


def answer_and_go_on(pair: Http2Pair, stream: int) -> None:
    pair.calls[-1].respond(b"enough")
    pair.send(data(stream, bytes(500), padding=10), data(stream, b"", end_stream=True))


def reset_and_go_on(pair: Http2Pair, stream: int) -> None:
    pair.send(data(stream, bytes(5_000)), data(stream, bytes(500), padding=10))


def finish_without_reading(pair: Http2Pair, stream: int) -> None:
    pair.send(data(stream, bytes(500), end_stream=True))
    pair.calls[-1].respond(b"done")


ENDINGS: Final = [
    abort_by_client,
    abort_by_a_failure,
    answer_early,
    break_the_length,
    abort_after_taking,
    answer_and_go_on,
    reset_and_go_on,
    finish_without_reading,
]


def test_ten_thousand_aborted_streams_leave_the_connection_s_window_whole() -> None:
    """RFC 9113 §5.4.2, §6.9: content of streams that were reset counts for the connection all the same."""
    pair = Http2Pair(
        Settings(
            http2_max_concurrent_streams=1,
            http2_initial_window_size=65_536,
            http2_reset_burst=100_000,
            http2_control_burst=100_000,
        )
    )
    for number in range(10_000):
        stream = 2 * number + 1
        ending = ENDINGS[number % len(ENDINGS)]
        fields = [(b"content-length", b"1000")] if ending is break_the_length else []
        pair.send(request(stream, b"POST", fields=fields, end_stream=False) + data(stream, bytes(900)))
        ending(pair, stream)
        if not pair.calls[-1].finished:
            pair.calls[-1].finish()
        assert pair.observer.credit >= 6_000, f"the window leaks, after {number} streams"
        pair.calls.clear()
        pair.observer.streams.clear()
    assert pair.error is None
    assert pair.observer.credit > 65_536 // 2 - 6_000


def test_what_comes_while_an_early_response_waits_is_credited_once() -> None:
    pair = Http2Pair(
        Settings(http2_max_concurrent_streams=1, http2_initial_window_size=65_536), hello=((4, 3),)
    )
    call = pair.open(b"POST", end=False)
    call.respond(b"enough", 403)
    for _ in range(10):
        fill(pair, call, 40_000)
    pair.grant(1, 10)
    assert call.view.ended
    assert pair.observer.credit > 65_536 // 2
    following = pair.open(b"POST", end=False)
    for _ in range(10):
        fill(pair, following, 40_000)
        assert following.take() == (bytes(40_000), False)


def test_nothing_of_a_stream_that_both_sides_have_ended_is_held() -> None:
    """What the application never took comes back to the connection when the stream ends."""
    pair = Http2Pair(Settings(http2_max_concurrent_streams=1, http2_initial_window_size=65_536))
    for _ in range(5):
        call = pair.open(b"POST", end=False)
        fill(pair, call, 60_000)
        pair.send(data(call.stream, b"", end_stream=True))
        call.respond(b"done")
        assert pair.observer.credit >= 60_000
