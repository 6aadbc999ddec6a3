"""The sending half of flow control: what fits, what does not, and what the peer makes us do.

Source: RFC 9113 §5.2, §6.9; RFC 9218 §10.
"""

from __future__ import annotations

import math

import hpack
import pytest

from tests.peers import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS
from tests.sansio.http2_sender import FIRST, FRAME, HEAD, NOW, TAIL, Download, Frame, Wire, fill

# What fits.


def test_what_fits_goes_at_once() -> None:
    wire = Wire()
    stream = Download(1)
    assert wire.send(stream, b"one")
    assert wire.send(stream, b"two", ended=True, now=NOW + 1.0)
    assert wire.take() == [Frame(DATA, 0, 1, b"one"), Frame(DATA, END_STREAM, 1, b"two")]
    assert (stream.window, wire.sender.window) == (FIRST - 6, FIRST - 6)
    assert stream.told == [(NOW + 1.0, True)]
    assert wire.sender.deadline == math.inf


def test_nothing_is_no_frame_but_for_the_end() -> None:
    """RFC 9113 §6.9.1: "Frames with zero length with the END_STREAM flag set" need no window."""
    wire = Wire(window=0)
    stream = Download(1, window=0)
    assert wire.send(stream, b"")
    assert wire.take() == []
    assert wire.send(stream, b"", ended=True)
    assert wire.take() == [Frame(DATA, END_STREAM, 1, b"")]
    assert stream.told == [(NOW, True)]


@pytest.mark.parametrize("size", [1, 4_096, 4_097, FRAME])
def test_content_of_any_size_is_a_frame(size: int) -> None:
    wire = Wire()
    content = bytes(range(256)) * 64
    assert wire.send(Download(1), content[:size], ended=True)
    assert wire.take() == [Frame(DATA, END_STREAM, 1, content[:size])]


@pytest.mark.parametrize("content", [b"", b"content"])
def test_trailers_end_the_stream_behind_its_content(content: bytes) -> None:
    """RFC 9113 §8.1."""
    wire = Wire()
    stream = Download(1, tail=TAIL)
    assert wire.send(stream, content, ended=True)
    data = [Frame(DATA, 0, 1, content)] if content else []
    assert wire.take() == [*data, Frame(HEADERS, END_STREAM | END_HEADERS, 1, TAIL)]
    assert stream.told == [(NOW, True)]


# Field blocks.


@pytest.mark.parametrize("ended", [False, True])
def test_a_field_block_is_subject_to_no_window(ended: bool) -> None:
    """RFC 9113 §5.2.1: "only DATA frames are subject to flow control"."""
    wire = Wire(window=0)
    wire.sender.write_headers(7, HEAD, ended=ended)
    assert wire.take() == [Frame(HEADERS, END_HEADERS | (END_STREAM if ended else 0), 7, HEAD)]


def test_a_large_field_block_is_cut_by_the_peer_s_largest_frame() -> None:
    """RFC 9113 §6.10."""
    wire = Wire()
    large = bytes(40_000)
    wire.sender.write_headers(7, large, ended=True)
    frames = wire.take()
    assert [frame.kind for frame in frames] == [HEADERS, CONTINUATION, CONTINUATION]
    assert b"".join(frame.payload for frame in frames) == large
    wire.sender.max_frame_size = 40_000
    wire.sender.write_headers(7, large, ended=True)
    assert wire.take() == [Frame(HEADERS, END_STREAM | END_HEADERS, 7, large)]


def test_a_smaller_table_is_acknowledged_by_the_next_field_block_alone() -> None:
    """RFC 9113 §4.3.1: "the encoder [...] MUST start [...] with a Dynamic Table Size Update instruction"."""
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 0
    wire = Wire()
    wire.sender.resizes_table = True
    for _ in range(2):
        wire.sender.write_headers(1, HEAD, ended=False)
    one, other = wire.take()
    assert other.payload == HEAD
    assert one.payload != HEAD
    for frame in (one, other):
        assert list(decoder.decode(frame.payload, raw=True)) == [(b":status", b"200"), (b"x", b"y")]
    assert decoder.header_table_size == 0


# A whole response.


def test_a_whole_response_goes_at_once() -> None:
    wire = Wire()
    stream = Download(1)
    assert wire.sender.send_response(stream, HEAD, b"content", NOW)
    assert wire.take() == [Frame(HEADERS, END_HEADERS, 1, HEAD), Frame(DATA, END_STREAM, 1, b"content")]
    assert (stream.window, wire.sender.window) == (FIRST - 7, FIRST - 7)
    assert stream.told == [(NOW, True)]


@pytest.mark.parametrize("reason", ["stream", "connection", "content", "block", "outbox", "queue", "table"])
def test_a_response_that_does_not_fit_leaves_no_trace(reason: str) -> None:
    wire = Wire(window=6 if reason == "connection" else None, limit_write_buffer=10_000)
    stream = Download(1, window=6 if reason == "stream" else FIRST)
    content = bytes(4_097) if reason == "content" else b"content"
    if reason == "outbox":
        fill(wire)
    elif reason == "queue":
        fill(wire)
        assert wire.send(Download(3), b"waits")
        wire.take()
    elif reason == "table":
        wire.sender.resizes_table = True
    before = (stream.window, wire.sender.window, wire.outbox.size)
    assert not wire.sender.send_response(
        stream, bytes(FRAME + 1) if reason == "block" else HEAD, content, NOW
    )
    assert (stream.window, wire.sender.window, wire.outbox.size) == before
    assert (stream.told, stream.ending, stream.queued) == ([], False, False)


@pytest.mark.parametrize("size", [1, 4_096])
def test_a_response_may_fill_its_window_and_its_frames(size: int) -> None:
    wire = Wire(window=size)
    stream = Download(1, window=size)
    assert wire.sender.send_response(stream, bytes(FRAME), bytes(size), NOW)
    assert [len(frame.payload) for frame in wire.take()] == [FRAME, size]
    assert (stream.window, wire.sender.window) == (0, 0)


# What does not fit.


def test_content_is_cut_by_the_peer_s_largest_frame() -> None:
    """RFC 9113 §4.2."""
    wire = Wire()
    stream = Download(1)
    assert wire.send(stream, bytes(40_000), ended=True)
    assert wire.take_short() == [(1, FRAME, False), (1, FRAME, False), (1, 40_000 - 2 * FRAME, True)]
    assert stream.told == [(NOW, True)]
    assert (stream.pending_size, stream.queued) == (0, False)


def test_a_larger_frame_is_used_where_it_is_allowed() -> None:
    wire = Wire()
    wire.sender.max_frame_size = 65_536
    assert wire.send(Download(1), bytes(40_000), ended=True)
    assert wire.take_short() == [(1, 40_000, True)]


def test_content_waits_for_its_stream_s_window() -> None:
    """RFC 9113 §6.9.1."""
    wire = Wire()
    stream = Download(1, window=300)
    assert wire.send(stream, b"a" * 1_000)
    assert wire.take_short() == [(1, 300, False)]
    assert (stream.window, stream.pending_size, stream.told) == (0, 700, [])
    wire.sender.open_window(stream, 500)
    assert wire.sender.produce(NOW + 1.0)
    assert wire.take_short() == [(1, 500, False)]
    wire.sender.open_window(stream, 500)
    assert wire.sender.produce(NOW + 2.0)
    assert wire.take_short() == [(1, 200, False)]
    assert stream.told == [(NOW + 2.0, False)]
    assert wire.sender.deadline == math.inf


def test_content_waits_for_the_connection_s_window() -> None:
    wire = Wire(window=300)
    one, other = Download(1), Download(3)
    assert wire.send(one, b"a" * 1_000, ended=True)
    assert wire.send(other, b"b" * 400, ended=True)
    assert wire.take_short() == [(1, 300, False)]
    wire.sender.open_window(None, 5_000)
    assert wire.sender.produce(NOW)
    assert wire.take_short() == [(1, 700, True), (3, 400, True)]
    assert wire.sender.window == 3_900


def test_who_waits_for_a_window_of_its_own_does_not_go_with_the_connection_s() -> None:
    wire = Wire(window=0)
    one, other = Download(1, window=0), Download(3)
    for stream in (one, other):
        assert wire.send(stream, b"abc", ended=True)
    wire.sender.open_window(None, 100)
    assert wire.sender.produce(NOW)
    assert wire.take_short() == [(3, 3, True)]
    wire.sender.open_window(None, 100)
    assert wire.sender.produce(NOW)
    assert wire.take_short() == []
    wire.sender.open_window(one, 100)
    assert wire.sender.produce(NOW)
    assert wire.take_short() == [(1, 3, True)]


def test_a_stream_s_window_alone_is_not_enough() -> None:
    wire = Wire(window=0)
    stream = Download(1, window=0)
    assert wire.send(stream, b"abc", ended=True)
    wire.sender.open_window(stream, 100)
    assert wire.sender.produce(NOW)
    assert wire.take_short() == []
    wire.sender.open_window(None, 2)
    assert wire.sender.produce(NOW)
    assert wire.take_short() == [(1, 2, False)]


def test_a_window_may_be_negative() -> None:
    """RFC 9113 §6.9.2: "A sender MUST track the negative flow-control window"."""
    wire = Wire()
    stream = Download(1, window=1_000)
    assert wire.send(stream, bytes(1_000))
    wire.sender.open_window(stream, -700)
    assert wire.send(stream, b"abc", ended=True)
    wire.sender.open_window(stream, 700)
    assert wire.sender.produce(NOW)
    assert wire.take_short() == [(1, 1_000, False)]
    wire.sender.open_window(stream, 1)
    assert wire.sender.produce(NOW)
    wire.sender.open_window(stream, 2)
    assert wire.sender.produce(NOW)
    assert wire.take_short() == [(1, 1, False), (1, 2, True)]


def test_what_comes_while_something_waits_goes_behind_it() -> None:
    wire = Wire()
    stream = Download(1, window=2, tail=TAIL)
    for piece in (b"abcd", b"efgh", b""):
        assert wire.send(stream, piece, ended=not piece)
    wire.sender.open_window(stream, 1_000)
    assert wire.sender.produce(NOW)
    assert wire.take() == [
        Frame(DATA, 0, 1, b"ab"),
        Frame(DATA, 0, 1, b"cdefgh"),
        Frame(HEADERS, END_STREAM | END_HEADERS, 1, TAIL),
    ]
    assert stream.told == [(NOW, True)]


def test_no_more_is_made_than_the_transport_takes() -> None:
    """Memory: what is to be written stays below its limit, but for one frame."""
    wire = Wire(window=2**31 - 1, limit_write_buffer=50_000)
    stream = Download(1, window=2**31 - 1)
    assert wire.send(stream, bytes(1_000_000), ended=True)
    sizes = []
    while wire.outbox.size:
        sizes.append(wire.outbox.size)
        wire.take()
        assert wire.sender.produce(NOW)
    assert max(sizes) <= 50_000 + FRAME + 9
    assert len(sizes) > 10
    assert stream.told == [(NOW, True)]


def test_content_does_not_overtake_what_waits_for_room() -> None:
    wire = Wire(limit_write_buffer=10_000)
    fill(wire)
    one, other = Download(1), Download(3)
    assert wire.send(one, b"first", ended=True)
    wire.outbox.data_to_send()
    assert wire.send(other, b"second", ended=True)
    assert wire.take_short() == [(1, 5, True), (3, 6, True)]


# What the peer makes us do.


def test_windows_that_open_by_crumbs_exhaust_a_budget() -> None:
    """RFC 9113 §10.5; CVE-2019-9511."""
    wire = Wire(http2_control_burst=5, http2_control_rate=1)
    stream = Download(1, window=0)
    assert wire.send(stream, bytes(1_000), ended=True)
    answers = []
    for _ in range(7):
        wire.sender.open_window(stream, 1)
        answers.append(wire.sender.produce(NOW))
    assert answers == [True] * 5 + [False] * 2
    assert wire.take_short() == [(1, 1, False)] * 5
    wire.sender.remove(stream)  # As the connection does then.
    assert wire.sender.produce(NOW)
    assert wire.take() == []


def test_a_connection_s_window_that_opens_by_crumbs_exhausts_it_too() -> None:
    wire = Wire(window=0, http2_control_burst=5, http2_control_rate=1)
    assert wire.send(Download(1), bytes(10_000), ended=True)
    answers = []
    for _ in range(6):
        wire.sender.open_window(None, 255)
        answers.append(wire.sender.produce(NOW))
    assert answers == [True] * 5 + [False]


def test_a_message_that_fits_no_window_can_exhaust_it_at_once() -> None:
    wire = Wire(http2_control_burst=1, http2_control_rate=1)
    assert wire.send(Download(1, window=1), b"ab")
    assert not wire.send(Download(3, window=1), b"ab")


@pytest.mark.parametrize("size", [256, 10_000])
def test_a_window_of_some_use_costs_no_budget(size: int) -> None:
    wire = Wire(http2_control_burst=1, http2_control_rate=1)
    stream = Download(1, window=0)
    assert wire.send(stream, bytes(100 * size))
    for _ in range(99):
        wire.sender.open_window(stream, size)
        assert wire.sender.produce(NOW)
        wire.outbox.data_to_send()


def test_messages_that_are_small_themselves_cost_no_budget() -> None:
    wire = Wire(http2_control_burst=1, http2_control_rate=1)
    stream = Download(1, window=0)
    for _ in range(100):
        assert wire.send(stream, b"a")
        wire.sender.open_window(stream, 1)
        assert wire.sender.produce(NOW)
    assert len(wire.take()) == 100


def test_crumbs_between_useful_frames_are_excused() -> None:
    """A client whose window is no multiple of a frame, and which gives back each frame alone, is no miser."""
    wire = Wire(http2_control_burst=2, http2_control_rate=1)
    stream = Download(1, window=0)
    assert wire.send(stream, bytes(1_000_000))
    for _ in range(50):
        for size in (100, FRAME):
            wire.sender.open_window(stream, size)
            wire.sender.open_window(None, size)
            assert wire.sender.produce(NOW)
        wire.outbox.data_to_send()


@pytest.mark.parametrize("way", ["at once", "whole", "later"])
def test_a_frame_of_content_excuses_two_window_updates(way: str) -> None:
    """One of its stream, one of the connection."""
    wire = Wire()
    stream = Download(1, window=0 if way == "later" else FIRST)
    if way == "whole":
        assert wire.sender.send_response(stream, HEAD, b"abc", NOW)
    else:
        assert wire.send(stream, b"abc")
        wire.sender.open_window(stream, 100)
        assert wire.sender.produce(NOW)
    assert wire.sender.excuses == 2


def test_each_kib_of_content_excuses_two_more() -> None:
    """Some clients give back what they have forwarded in many small steps, as HAProxy does."""
    wire = Wire()
    assert wire.send(Download(1, window=FIRST), bytes(10_240))
    assert wire.sender.excuses == 22
