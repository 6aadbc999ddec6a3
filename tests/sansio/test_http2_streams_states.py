"""Frames on streams that do not want them, and how many streams there may be.

Source: RFC 9113 §5.1, §5.4.2, §6.4.
"""

from __future__ import annotations

from typing import Final

import pytest

from sansio import ClientDisconnected, Settings
from tests.messages import body, start
from tests.peers import (
    PREFACE,
    PRIORITY,
    Code,
    block,
    data,
    frame,
    headers,
    in_pieces,
    priority,
    priority_update,
    request,
    rst,
    settings,
    window_update,
)
from tests.sansio.http2_client import Http2Pair

TRAILERS: Final = [(b"x", b"y")]

ON_THEIR_WAY: Final = {
    "DATA": data(1, b"content"),
    "DATA with padding": data(1, b"content", padding=100),
    "the end": data(1, b"", end_stream=True),
    "trailers": headers(1, TRAILERS),
    "trailers in pieces": in_pieces(1, [block(TRAILERS)[:2], block(TRAILERS)[2:]]),
    "malformed trailers": headers(1, [(b"X", b"\x00")]),
    "WINDOW_UPDATE": window_update(1, 100),
    "RST_STREAM": rst(1),
    "PRIORITY": priority(1),
    "PRIORITY_UPDATE": priority_update(1, b"u=0"),
    "an unknown frame": frame(0xBE, 0, 1, b"?"),
}


@pytest.mark.parametrize("octets", ON_THEIR_WAY.values(), ids=ON_THEIR_WAY)
def test_what_was_on_its_way_to_a_stream_that_we_have_reset_is_ignored(octets: bytes) -> None:
    """RFC 9113 §5.4.2: "The endpoint that sends [RST_STREAM] MUST be prepared to receive any frames" in flight."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    call.send(start())
    call.send(body(b"x", more=True))
    call.finish(ValueError("broken"))
    pair.send(octets, octets)
    pair.expect_stream_error(1, Code.INTERNAL_ERROR)


@pytest.mark.parametrize("octets", ON_THEIR_WAY.values(), ids=ON_THEIR_WAY)
def test_what_was_on_its_way_when_we_told_the_client_to_stop_is_ignored(octets: bytes) -> None:
    """RFC 9113 §8.1."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    call.respond(b"enough")
    pair.send(octets, octets)
    pair.expect_stream_error(1, Code.NO_ERROR)


@pytest.mark.parametrize("octets", ON_THEIR_WAY.values(), ids=ON_THEIR_WAY)
def test_what_follows_a_reset_of_the_client_s_is_ignored(octets: bytes) -> None:
    """RFC 9113 §5.1: such frames may be ignored, and no reset answers them."""
    pair = Http2Pair()
    call = pair.open(b"POST", end=False)
    pair.reset(call)
    call.finish()
    pair.send(octets, octets)
    assert call.view.frames == []
    pair.expect_service()


@pytest.mark.parametrize(
    "name", ["WINDOW_UPDATE", "RST_STREAM", "PRIORITY", "PRIORITY_UPDATE", "an unknown frame"]
)
def test_what_belongs_to_no_content_may_follow_a_stream_s_end(name: str) -> None:
    """RFC 9113 §5.1, "closed": frames "for a short period after" the end of a stream."""
    pair = Http2Pair()
    pair.open().respond(b"done")
    pair.send(ON_THEIR_WAY[name])
    assert not pair.view(1).reset
    pair.expect_service()


@pytest.mark.parametrize("name", ["DATA", "the end", "trailers", "trailers in pieces"])
@pytest.mark.parametrize("others", [0, 1], ids=["newest", "older"])
def test_content_behind_the_end_of_both_sides_ends_the_connection(name: str, others: int) -> None:
    """RFC 9113 §5.1: frames after END_STREAM are "a connection error (Section 5.4.1) of type STREAM_CLOSED"."""
    pair = Http2Pair()
    pair.open().respond(b"done")
    calls = [pair.open() for _ in range(others)]
    pair.send(ON_THEIR_WAY[name])
    assert all(call.is_disconnected() for call in calls)
    pair.expect_connection_error(Code.STREAM_CLOSED)


@pytest.mark.parametrize("name", ["DATA", "DATA with padding", "the end", "trailers", "trailers in pieces"])
def test_content_behind_the_end_of_a_request_resets_its_stream(name: str) -> None:
    """RFC 9113 §5.1, "half-closed (remote)": "a stream error (Section 5.4.2) of type STREAM_CLOSED"."""
    pair = Http2Pair()
    call = pair.open(b"POST", content=b"content")
    other = pair.open(b"POST", end=False)
    pair.send(ON_THEIR_WAY[name])
    assert call.is_disconnected()
    with pytest.raises(ClientDisconnected):
        call.send(start())
    call.finish()
    assert not other.exchange.disconnected
    pair.expect_stream_error(1, Code.STREAM_CLOSED)


@pytest.mark.parametrize("size", [0, 4, 6], ids=str)
@pytest.mark.parametrize("stream", [1, 77], ids=["open", "idle"])
def test_a_priority_of_the_wrong_size_harms_its_stream_at_most(size: int, stream: int) -> None:
    """RFC 9113 §6.3: "MUST be treated as a stream error (Section 5.4.2) of type FRAME_SIZE_ERROR".

    An idle stream cannot be reset (§6.4): there it is ignored, or ends the connection.
    """
    pair = Http2Pair()
    call = pair.open()
    pair.send(frame(PRIORITY, 0, stream, bytes(size)))
    if pair.error is not None:
        pair.expect_connection_error(Code.FRAME_SIZE_ERROR)
    elif stream == 1:
        assert call.is_disconnected()
        call.finish()
        pair.expect_stream_error(1, Code.FRAME_SIZE_ERROR)
    else:
        call.respond()
        pair.expect_service()


def test_a_stream_may_depend_on_itself_as_on_any_other() -> None:
    """RFC 9113 §5.3.2: priorities of RFC 7540 mean nothing any more, and the frames are only measured."""
    pair = Http2Pair()
    call = pair.open()
    pair.send(priority(1, 1))
    assert not pair.ended
    call.respond(b"x")
    assert call.view.ended or call.view.reset == Code.PROTOCOL_ERROR


# How many.


def test_more_streams_than_allowed_are_refused() -> None:
    """RFC 9113 §5.1.2: "MUST treat this as a stream error [...] REFUSED_STREAM": it may be tried again."""
    pair = Http2Pair(Settings(http2_max_concurrent_streams=3))
    calls = [pair.open(b"POST", end=False) for _ in range(3)]
    pair.send(request(7, b"POST", end_stream=False) + data(7, b"content"), request(9))
    assert len(pair.calls) == 3
    assert pair.view(7).reset == Code.REFUSED_STREAM
    assert pair.view(9).reset == Code.REFUSED_STREAM
    for call in calls:
        assert not call.exchange.disconnected
        pair.upload(call.stream, b"x", end=True)
        call.take()
        call.respond()
    pair.expect_stream_error(7, Code.REFUSED_STREAM)


def test_streams_that_come_before_the_client_knows_the_limit_are_refused_without_harm() -> None:
    """RFC 9113 §5.1.2: a client that has not seen our settings is not to blame."""
    pair = Http2Pair(Settings(http2_max_concurrent_streams=2, http2_reset_burst=5), hello=None)
    pair.send(PREFACE + settings() + b"".join(request(2 * number + 1) for number in range(100)))
    assert len(pair.calls) == 2
    assert [pair.view(2 * number + 1).reset for number in range(2, 100)] == [Code.REFUSED_STREAM] * 98
    for call in pair.calls:
        call.respond()
    pair.expect_service()


def test_an_application_that_runs_on_after_a_reset_counts_as_a_stream() -> None:
    """RFC 9113 §10.5: resets must not buy more work than the limit allows."""
    pair = Http2Pair(Settings(http2_max_concurrent_streams=2))
    first, second = pair.open(), pair.open()
    pair.reset(first)
    pair.reset(second)
    pair.send(request(5))
    assert pair.view(5).reset == Code.REFUSED_STREAM
    first.finish()
    pair.open().respond()


def test_applications_that_run_on_after_their_responses_leave_room_but_not_without_end() -> None:
    """What an application does in the background is no stream, but it is work."""
    pair = Http2Pair(Settings(http2_max_concurrent_streams=2))
    calls = []
    for _ in range(4):
        call = pair.open()
        call.send(start())
        call.send(body(b"x"))
        assert call.view.ended
        calls.append(call)
    pair.send(request(9))
    assert pair.view(9).reset == Code.REFUSED_STREAM
    calls[0].finish()
    pair.open().respond(b"x")
    pair.expect_service()


def test_a_response_makes_room_for_the_next_request() -> None:
    pair = Http2Pair(Settings(http2_max_concurrent_streams=1))
    for _ in range(50):
        pair.open().respond(b"x")
    assert pair.error is None


def test_a_response_that_waits_for_its_window_still_counts_as_a_stream() -> None:
    """RFC 9113 §5.1.2: half-closed streams count. What they hold would have no limit otherwise."""
    pair = Http2Pair(Settings(http2_max_concurrent_streams=2), hello=((4, 0),))
    for _ in range(2):
        pair.open().respond(b"x" * 1_000)
    pair.send(request(5))
    assert len(pair.calls) == 2
    assert pair.view(5).reset == Code.REFUSED_STREAM
    pair.send(window_update(1, 1_000))
    assert pair.view(1).ended
    pair.open()


def test_a_refusal_that_waits_for_its_window_makes_room_when_it_is_sent() -> None:
    pair = Http2Pair(Settings(http2_max_concurrent_streams=1, limit_request_body=10), hello=((4, 0),))
    for _ in range(3):
        call = pair.open(b"POST", end=False)
        pair.upload(call.stream, b"x" * 11)
        assert (call.view.status, call.view.ended) == (413, False)
        call.finish()
        pair.send(window_update(call.stream, 1_000))
        assert call.view.ended
    assert pair.error is None


def test_a_malformed_request_counts_only_while_it_is_there() -> None:
    pair = Http2Pair(Settings(http2_max_concurrent_streams=1))
    for number in range(20):
        pair.send(headers(2 * number + 1, [(b"x", b"y")], end_stream=False))
        assert pair.view(2 * number + 1).reset == Code.PROTOCOL_ERROR
    pair.expect_service()


def test_an_error_of_one_stream_is_kept_for_the_operator() -> None:
    pair = Http2Pair()
    pair.send(headers(1, [(b":method", b"GET")]))
    assert pair.connection.error is not None
    assert pair.connection.error.reason
