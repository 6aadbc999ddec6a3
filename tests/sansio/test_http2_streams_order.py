"""Streams side by side: whose turn it is.

Source: RFC 9113 §5.2; RFC 9218.
"""

from __future__ import annotations

import pytest

from tests.messages import body, start
from tests.peers import DATA, Code, headers, in_pieces, priority_update, window_update
from tests.sansio.http2_client import Call, Http2Pair

LARGE = 2**31 - 1
SIZE = 100_000


def order(pair: Http2Pair) -> list[int]:
    """Return the streams of the DATA frames since this was last asked, without repetitions."""
    streams: list[int] = []
    for frame in pair.take_frames():
        if frame.kind == DATA and frame.payload and streams[-1:] != [frame.stream]:
            streams.append(frame.stream)
    return streams


def compete(pair: Http2Pair, *priorities: bytes | None) -> list[Call]:
    """Open streams, and let each have more to send than the connection's window, which is used up, lets through."""
    blocker = pair.open()
    blocker.send(start())
    blocker.send(body(bytes(65_535)))
    calls = [pair.open(fields=[] if value is None else [(b"priority", value)]) for value in priorities]
    for call in calls:
        call.send(start())
        call.send(body(bytes(SIZE)))
    pair.take_frames()
    return calls


def wide_open() -> Http2Pair:
    """Return a pair whose client lets everything through; what a stream waits for is the transport."""
    pair = Http2Pair(hello=((4, LARGE),))
    pair.send(window_update(0, LARGE - 65_535))
    return pair


def test_streams_take_turns_frame_by_frame() -> None:
    """RFC 9113 §5.2: no stream starves another."""
    pair = Http2Pair(hello=((4, LARGE),))
    calls = compete(pair, None, None, None)
    pair.send(window_update(0, 6 * 16_384))
    assert sorted(len(call.view.content) for call in calls) == [2 * 16_384] * 3
    pair.send(window_update(0, 3 * SIZE))
    assert all(call.view.content == bytes(SIZE) and call.view.ended for call in calls)


def test_a_stream_that_comes_later_gets_its_turn() -> None:
    pair = Http2Pair(hello=((4, LARGE),))
    large = pair.open()
    large.send(start())
    large.send(body(bytes(1_000_000)))
    small = pair.open()
    small.respond(b"small")
    pair.send(window_update(0, 2 * 16_384 + 5))
    assert (small.view.content, small.view.ended) == (b"small", True)
    assert not large.view.ended


def test_a_more_urgent_stream_goes_first() -> None:
    """RFC 9218 §4.1, §10: from 0, the most urgent, to 7; 3 if nothing is said."""
    pair = Http2Pair(hello=((4, LARGE),))
    calls = compete(pair, b"u=7", None, b"u=0", b"u=4", b"i, u=1;x=1")
    pair.send(*[window_update(0, SIZE)] * 5)
    assert order(pair) == [calls[number].stream for number in (2, 4, 1, 3, 0)]
    assert all(call.view.ended for call in calls)


@pytest.mark.parametrize("value", [b"u=8", b"u=-1", b"u=a", b"u", b"x=1", b"", b"\xff", b"u=3.0", b'u="0"'])
def test_a_priority_that_means_nothing_is_the_usual_one(value: bytes) -> None:
    """RFC 9218 §4: "a receiver MUST ignore" values out of range and unknown members."""
    pair = Http2Pair(hello=((4, LARGE),))
    last, usual, first = compete(pair, b"u=4", value, b"u=2")
    pair.send(*[window_update(0, SIZE)] * 3)
    assert order(pair) == [first.stream, usual.stream, last.stream]


def test_priority_update_lets_a_stream_go_first_that_waits_already() -> None:
    """RFC 9218 §7."""
    pair = Http2Pair(hello=((4, LARGE),))
    first, second = compete(pair, None, None)
    pair.send(priority_update(second.stream, b"u=1"))
    pair.send(window_update(0, SIZE), window_update(0, SIZE))
    assert order(pair) == [second.stream, first.stream]
    assert first.view.ended
    assert second.view.ended


def test_priority_update_takes_the_place_of_what_the_request_said() -> None:
    pair = Http2Pair(hello=((4, LARGE),))
    first, second = compete(pair, b"u=0", b"u=5")
    pair.send(priority_update(first.stream, b"u=6"))
    pair.send(window_update(0, SIZE), window_update(0, SIZE))
    assert order(pair) == [second.stream, first.stream]


def test_the_newest_priority_update_counts() -> None:
    pair = Http2Pair(hello=((4, LARGE),))
    first, second = compete(pair, None, None)
    pair.send(priority_update(first.stream, b"u=6"), priority_update(first.stream, b"u=1"))
    pair.send(window_update(0, SIZE), window_update(0, SIZE))
    assert order(pair) == [first.stream, second.stream]


def test_an_urgent_stream_without_a_window_lets_others_pass() -> None:
    pair = Http2Pair(hello=((4, 10),))
    urgent = pair.open(fields=[(b"priority", b"u=0")])
    urgent.respond(bytes(100))
    other = pair.open(fields=[(b"priority", b"u=7")])
    other.respond(b"x" * 10)
    assert other.view.ended
    assert len(urgent.view.content) == 10


def test_the_priority_of_a_stream_to_come_is_kept_for_it() -> None:
    """RFC 9218 §7.1: PRIORITY_UPDATE may overtake its request."""
    pair = Http2Pair(hello=((4, LARGE),))
    pair.send(priority_update(5, b"u=1"), priority_update(7, b"u=6"))
    usual, first, last = compete(pair, None, b"u=7", b"u=0")
    pair.send(*[window_update(0, SIZE)] * 3)
    assert order(pair) == [first.stream, usual.stream, last.stream]


def test_streams_that_wait_for_the_transport_take_turns() -> None:
    pair = wide_open()
    pair.stall()
    calls = [pair.open() for _ in range(3)]
    for call in calls:
        call.send(start())
        for part in range(4):
            call.send(body(bytes([part]) * 50_000, more=True))
        assert not call.exchange.can_send
    pair.resume()
    for call in calls:
        assert call.exchange.can_send
        assert call.view.content == b"".join(bytes([part]) * 50_000 for part in range(4))
        call.send(body(b"end"))
        assert call.view.ended
    turns = order(pair)
    assert max(turns.index(call.stream) for call in calls) < 5
    assert len(turns) > 8


def test_a_stream_that_is_reset_while_it_waits_for_the_transport_is_passed_over() -> None:
    pair = wide_open()
    pair.stall()
    calls = [pair.open() for _ in range(4)]
    for call in calls:
        call.send(start())
        call.send(body(bytes(200_000), more=True))
    pair.reset(calls[1])
    calls[2].finish(ValueError("broken"))
    pair.resume()
    assert (len(calls[0].view.content), len(calls[3].view.content)) == (200_000, 200_000)
    assert len(calls[1].view.content) < 200_000
    assert calls[2].view.reset == Code.INTERNAL_ERROR
    pair.expect_service()


def test_an_urgency_may_change_while_the_transport_is_waited_for() -> None:
    pair = wide_open()
    pair.stall()
    calls = [pair.open() for _ in range(3)]
    for call in calls:
        call.respond(bytes(200_000))
    pair.send(priority_update(calls[2].stream, b"u=0"), priority_update(calls[1].stream, b"u=7"))
    pair.resume()
    assert all(call.view.content == bytes(200_000) and call.view.ended for call in calls)
    ends = [frame.stream for frame in pair.frames if frame.kind == DATA and frame.ended]
    assert ends == [calls[number].stream for number in (2, 0, 1)]


def test_field_blocks_of_responses_are_never_mixed() -> None:
    """RFC 9113 §4.3. The observer refuses a field block with another frame in it."""
    pair = Http2Pair(hello=((4, LARGE),))
    calls = compete(pair, None, None)
    large = [(b"x-large", b"y" * 40_000)]
    third = pair.open(fields=[(b"te", b"trailers")])
    third.send(start(200, large, trailers=True))
    third.send(body(b"content"))
    third.send({"type": "http.response.trailers", "headers": large})
    pair.send(window_update(0, 3 * SIZE))
    assert third.view.trailers == large
    assert all(call.view.ended for call in calls)


def test_a_hundred_streams_side_by_side() -> None:
    pair = Http2Pair(hello=((4, 1_000),))
    calls = [pair.open(b"POST", b"/%d" % number, end=False) for number in range(100)]
    for part in range(3):
        for call in reversed(calls):
            pair.upload(call.stream, b"%s:%d;" % (call.scope["raw_path"], part), end=part == 2)
    for number, call in enumerate(calls):
        content, ended = call.take()
        assert ended
        assert content == b"".join(b"/%d:%d;" % (number, part) for part in range(3))
        call.send(start())
        call.send(body(content * 100, more=True))
    for call in calls:
        call.send(body(b"end"))
        call.finish()
    pair.send(window_update(0, 10_000_000), *[window_update(call.stream, 10_000) for call in calls])
    for number, call in enumerate(calls):
        expected = b"".join(b"/%d:%d;" % (number, part) for part in range(3)) * 100 + b"end"
        assert call.view.content == expected
        assert call.view.ended


def test_streams_open_between_the_pieces_of_nothing_else() -> None:
    """RFC 9113 §6.2: a field block in pieces, while others wait."""
    pair = Http2Pair(hello=((4, LARGE),))
    (first,) = compete(pair, None)
    octets = b"\x00\x07:method\x03GET\x00\x07:scheme\x05https\x00\x05:path\x01/\x00\x0a:authority\x01a"  # fmt: skip
    pair.send(in_pieces(9, [octets[:10], octets[10:]]), headers(11, octets))
    assert len(pair.calls) == 4
    pair.send(window_update(0, SIZE))
    assert first.view.ended
    assert pair.error is not Code.PROTOCOL_ERROR
