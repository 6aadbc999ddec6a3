"""What a client may do without bringing anything forward, and how often.

Each budget ends in one GOAWAY(ENHANCE_YOUR_CALM), and none in the way of those who do ordinary things.
Source: RFC 9113 §10.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from sansio import Settings
from tests.messages import body, start
from tests.peers import (
    PRIORITY,
    Code,
    block,
    continuation,
    data,
    frame,
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

BURST: Final = 50
TIGHT: Final = Settings(http2_control_burst=BURST, http2_control_rate=10)
HEAD: Final = block(
    [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"server.example"), (b":path", b"/")]
)

# Stream 1 is open, and stream 3 was reset by its client.
EMPTY_FRAMES: Final = {
    "PING": ping(),
    "PING that answers nothing": ping(ack=True),
    "SETTINGS": settings(),
    "SETTINGS with values": settings((4, 65_535), (0xABC, 1)),
    "acknowledgements": settings(ack=True),
    "empty DATA": data(1, b""),
    "DATA that is padding": data(1, b"", padding=5),
    "PRIORITY": priority(1, 3),
    "PRIORITY of idle streams": priority(99),
    "PRIORITY_UPDATE": priority_update(1, b"u=1"),
    "PRIORITY_UPDATE of streams to come": priority_update(99, b"u=1"),
    "WINDOW_UPDATE": window_update(0, 1),
    "WINDOW_UPDATE of a stream": window_update(1, 1),
    "WINDOW_UPDATE of a stream that was reset": window_update(3, 1),
    "DATA of a stream that was reset": data(3, b""),
    "fields of a stream that was reset": headers(3, [(b"x", b"y")]),
    "RST_STREAM of a stream that was reset": rst(3),
    "unknown frames": frame(0xBE, 0, 0, b"?"),
    "unknown frames of a stream": frame(0xBE, 0, 1),
    "unknown frames of many types": b"",
}


def prepare(limits: Settings = TIGHT) -> Http2Pair:
    pair = Http2Pair(limits)
    pair.open(b"POST", end=False)
    pair.reset(pair.open(b"POST", end=False))
    pair.calls[1].finish()
    pair.run_until(pair.now + 20.0)  # What was used up so far has come back.
    return pair


def repeat(octets: bytes, count: int) -> bytes:
    if octets:
        return octets * count
    return b"".join(frame(0x20 + number % 200) for number in range(count))


@pytest.mark.parametrize("octets", EMPTY_FRAMES.values(), ids=EMPTY_FRAMES)
@pytest.mark.parametrize("at_once", [True, False], ids=["one read", "a read each"])
def test_too_many_frames_that_bring_nothing_end_the_connection(octets: bytes, at_once: bool) -> None:
    pair = prepare()
    frames = repeat(octets, 5 * BURST)
    if at_once:
        pair.send(frames)
    else:
        size = len(frames) // (5 * BURST)
        for place in range(0, len(frames), size):
            if not pair.ended:
                pair.send(frames[place : place + size])
    assert pair.observer.goaways == [(3, Code.ENHANCE_YOUR_CALM)]
    assert pair.calls[0].is_disconnected()
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


@pytest.mark.parametrize("octets", EMPTY_FRAMES.values(), ids=EMPTY_FRAMES)
def test_a_few_of_them_now_and_then_do_no_harm(octets: bytes) -> None:
    pair = prepare()
    for _ in range(20):
        pair.send(repeat(octets, BURST // 5))
        pair.run_until(pair.now + 1.0)
    pair.upload(1, b"content", end=True)
    assert pair.calls[0].take() == (b"content", True)
    pair.expect_service()


def test_each_kind_has_its_own_budget() -> None:
    pair = prepare()
    pair.send(*[ping() + settings() + priority(1) + window_update(0, 1) + frame(0xBE)] * (BURST - 5))
    assert pair.error is None


@pytest.mark.parametrize("fragment", [b"", b"x"], ids=["empty", "an octet each"])
def test_a_field_block_without_end_ends_the_connection(fragment: bytes) -> None:
    """VU#421644: "CONTINUATION flood"."""
    pair = Http2Pair()
    other = pair.open()
    pair.send(headers(3, HEAD, end_headers=False))
    for _ in range(70_000):
        pair.send(continuation(3, fragment, end_headers=False))
        if pair.ended:
            break
    assert other.is_disconnected()
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_a_field_block_without_end_in_large_frames_ends_at_its_limit() -> None:
    pair = Http2Pair()
    pair.send(headers(1, HEAD, end_headers=False))
    sent = 0
    while not pair.ended:
        pair.send(continuation(1, b"x" * 16_000, end_headers=False))
        sent += 16_000
        assert sent < 2 * 65_536
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


# Resets.


def test_rapid_resets_end_the_connection_and_start_few_applications() -> None:
    """CVE-2023-44487."""
    pair = Http2Pair(Settings(http2_reset_burst=200, http2_reset_rate=33))
    for number in range(10_000):
        pair.send(request(2 * number + 1))
        pair.send(rst(2 * number + 1))
        if pair.ended:
            break
        pair.calls[-1].finish() if not pair.calls[-1].finished else None
    assert len(pair.calls) <= 202
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_rapid_resets_in_one_read_start_no_application() -> None:
    pair = Http2Pair()
    pair.send(b"".join(request(2 * number + 1) + rst(2 * number + 1) for number in range(10_000)))
    assert pair.calls == []
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_resets_at_a_moderate_rate_do_no_harm() -> None:
    pair = Http2Pair(Settings(http2_reset_burst=20, http2_reset_rate=10))
    for _ in range(30):
        for _ in range(9):
            call = pair.open()
            pair.reset(call)
            call.finish()
        pair.run_until(pair.now + 1.0)
    pair.expect_service()


def second_end(pair: Http2Pair, stream: int) -> bytes:
    return request(stream, b"POST") + data(stream, b"x", end_stream=True)


def second_head(pair: Http2Pair, stream: int) -> bytes:
    return request(stream, b"POST") + headers(stream, [(b"x", b"y")])


def overflow(pair: Http2Pair, stream: int) -> bytes:
    return request(stream, b"POST") + window_update(stream, 2**31 - 1)


def no_increment(pair: Http2Pair, stream: int) -> bytes:
    return request(stream, b"POST") + window_update(stream, 0)


def bad_priority(pair: Http2Pair, stream: int) -> bytes:
    return request(stream, b"POST") + frame(PRIORITY, 0, stream, b"1234")


def malformed(pair: Http2Pair, stream: int) -> bytes:
    return headers(stream, [(b"x", b"y")])


def wrong_length(pair: Http2Pair, stream: int) -> bytes:
    octets = request(stream, b"POST", fields=[(b"content-length", b"5")], end_stream=False)
    return octets + data(stream, b"x", end_stream=True)


def bad_trailers(pair: Http2Pair, stream: int) -> bytes:
    return request(stream, b"POST", end_stream=False) + headers(stream, [(b":path", b"/")])


MADE: Final = [
    second_end,
    second_head,
    overflow,
    no_increment,
    bad_priority,
    malformed,
    wrong_length,
    bad_trailers,
]


@pytest.mark.parametrize("make", MADE)
def test_resets_that_a_client_makes_us_send_count_as_its_own(make: Callable[[Http2Pair, int], bytes]) -> None:
    """CVE-2025-8671, "MadeYouReset"."""
    pair = Http2Pair(Settings(http2_reset_burst=50, http2_reset_rate=10))
    for number in range(1_000):
        pair.send(make(pair, 2 * number + 1))
        if pair.ended:
            break
        for call in pair.calls:
            if not call.finished:
                assert call.exchange.disconnected
                call.finish()
    assert len(pair.observer.streams) <= 55
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM, Code.FRAME_SIZE_ERROR)


def test_streams_that_are_refused_count_as_resets() -> None:
    pair = Http2Pair(Settings(http2_max_concurrent_streams=1, http2_reset_burst=50, http2_reset_rate=1))
    pair.open(b"POST", end=False)
    pair.send(b"".join(request(2 * number + 3) for number in range(200)))
    assert len(pair.calls) == 1
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_early_responses_are_no_resets_of_the_client_s() -> None:
    """Whether a request is answered before its end is the application's choice."""
    pair = Http2Pair(Settings(http2_reset_burst=5, http2_reset_rate=1))
    for _ in range(100):
        call = pair.open(b"POST", end=False)
        call.respond(b"no", 403)
        assert call.view.reset == Code.NO_ERROR
    pair.expect_service()


def test_failing_applications_are_not_the_client_s_fault() -> None:
    pair = Http2Pair(Settings(http2_reset_burst=5, http2_reset_rate=1))
    for _ in range(100):
        call = pair.open()
        call.send(start())
        call.send(body(b"x", more=True))
        call.finish(ValueError("broken"))
    pair.expect_service()


# Memory.


def test_a_client_that_reads_nothing_is_not_answered_for_ever() -> None:
    """CVE-2019-9512, -9515: answers to PING and SETTINGS pile up."""
    pair = Http2Pair(Settings(http2_control_burst=1_000_000, http2_control_rate=1_000_000))
    call = pair.open()
    pair.stall()
    for _ in range(200):
        pair.send(ping() * 1_000)
        if pair.unread:
            break
    assert pair.connection.size < 200_000
    if pair.connection.closed:
        assert call.is_disconnected()


def test_content_in_crumbs_is_not_sent_for_ever() -> None:
    """CVE-2019-9511, "Data Dribble": a window that opens octet by octet costs a frame for each."""
    pair = Http2Pair(Settings(http2_control_burst=100, http2_control_rate=10), hello=((4, 0),))
    call = pair.open()
    call.respond(bytes(100_000))
    for _ in range(100_000):
        pair.send(window_update(1, 1))
        if pair.ended:
            break
    assert len(call.view.content) <= 110
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_content_in_small_frames_is_no_attack() -> None:
    pair = Http2Pair(TIGHT)
    call = pair.open(b"POST", end=False)
    for _ in range(1_000):
        pair.upload(1, b"x")
    pair.send(data(1, b"", end_stream=True))
    assert call.take() == (b"x" * 1_000, True)
