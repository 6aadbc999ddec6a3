"""The sending half of flow control: whose turn it is, who is forgotten, and who waits for how long.

Source: RFC 9113 §5.2; RFC 9218 §10.
"""

from __future__ import annotations

import math

import pytest

from tests.sansio.http2_sender import FIRST, FRAME, NOW, Download, Wire, fill

# Whose turn it is.


def test_streams_take_turns_a_frame_each() -> None:
    """RFC 9218 §10: responses that are not incremental may share too, and none is starved."""
    wire = Wire(window=10**6, limit_write_buffer=1)
    fill(wire)
    streams = [Download(number) for number in (1, 3, 5)]
    for stream in streams:
        assert wire.send(stream, bytes(3 * FRAME), ended=True)
    assert [frame.stream for frame in wire.take_all()][1:] == [1, 3, 5] * 3


def test_the_urgent_go_first() -> None:
    """RFC 9218 §4.1: 0 is the most urgent."""
    wire = Wire(window=10**6, limit_write_buffer=1)
    fill(wire)
    for number, urgency in ((1, 7), (3, 0), (5, 3), (7, 0)):
        assert wire.send(Download(number, urgency=urgency), bytes(2 * FRAME), ended=True)
    assert [frame.stream for frame in wire.take_all()][1:] == [3, 7, 3, 7, 5, 5, 1, 1]


@pytest.mark.parametrize(
    ("urgency", "order"), [(0, [5, 5, 1, 3, 1, 3]), (3, [1, 3, 5, 1, 3, 5]), (7, [1, 3, 1, 3, 5, 5])]
)
def test_a_stream_that_waits_can_change_its_urgency(urgency: int, order: list[int]) -> None:
    """RFC 9218 §6: a client may reprioritise."""
    wire = Wire(window=10**6, limit_write_buffer=1)
    fill(wire)
    streams = [Download(number) for number in (1, 3, 5)]
    for stream in streams:
        assert wire.send(stream, bytes(2 * FRAME), ended=True)
    wire.sender.change_urgency(streams[2], urgency)
    assert [frame.stream for frame in wire.take_all()][1:] == order


def test_a_stream_that_does_not_wait_has_its_urgency_for_later() -> None:
    wire = Wire(window=10**6, limit_write_buffer=1)
    idle, stalled = Download(1), Download(3, window=0)
    assert wire.send(stalled, b"abc", ended=True)
    for stream in (idle, stalled):
        wire.sender.change_urgency(stream, 0)
    fill(wire)
    assert wire.send(Download(5), b"others", ended=True)
    assert wire.send(idle, b"mine", ended=True)
    wire.sender.open_window(stalled, 3)
    assert [frame.stream for frame in wire.take_all()] == [99, 1, 3, 5]


def test_who_has_no_window_does_not_hold_up_its_queue() -> None:
    wire = Wire(window=10**6, limit_write_buffer=1)
    fill(wire)
    closed = Download(1, window=0)
    assert wire.send(closed, b"abc", ended=True)
    assert wire.send(Download(3), b"abc", ended=True)
    assert [frame.stream for frame in wire.take_all()] == [99, 3]
    assert not closed.told


# Who is forgotten.


@pytest.mark.parametrize("place", ["queued", "stalled", "alone in its queue"])
def test_what_a_stream_was_to_send_can_be_forgotten(place: str) -> None:
    wire = Wire(limit_write_buffer=10_000, http2_window_timeout=5.0)
    fill(wire)
    stream = Download(1, window=0 if place == "stalled" else FIRST, urgency=1)
    other = Download(3, urgency=1 if place == "queued" else 2)
    for each in (stream, other):
        assert wire.send(each, b"abc", ended=True)
    if place == "stalled":
        wire.take()
        assert wire.sender.produce(NOW)
        assert wire.sender.deadline == NOW + 5.0
    wire.sender.remove(stream)
    assert (stream.pending_size, list(stream.pending), stream.queued) == (0, [], False)
    assert wire.sender.deadline == math.inf
    assert [frame.stream for frame in wire.take_all() if frame.stream != 99] == [3]
    wire.sender.open_window(stream, 100)
    assert wire.sender.produce(NOW)
    assert wire.take() == []
    assert stream.told == []


# Who waits for how long.


def test_a_stream_that_waits_too_long_for_a_window_is_found() -> None:
    wire = Wire(http2_window_timeout=5.0)
    one, other = Download(1, window=0), Download(3, window=0)
    assert wire.sender.deadline == math.inf
    assert wire.send(one, b"a", now=NOW)
    assert wire.send(other, b"b", now=NOW + 2.0)
    assert wire.sender.deadline == NOW + 5.0
    assert wire.sender.find_overdue(NOW + 4.9) == []
    assert wire.sender.find_overdue(NOW + 5.0) == [one]
    assert wire.sender.find_overdue(NOW + 7.0) == [one, other]
    wire.sender.remove(one)
    assert wire.sender.deadline == NOW + 7.0


def test_a_little_progress_begins_the_wait_anew() -> None:
    wire = Wire(http2_window_timeout=5.0)
    stream = Download(1, window=0)
    assert wire.send(stream, b"abc")
    wire.sender.open_window(stream, 1)
    assert wire.sender.produce(NOW + 4.0)
    assert wire.sender.deadline == NOW + 9.0
    assert wire.sender.find_overdue(NOW + 8.0) == []


def test_more_content_does_not_begin_the_wait_anew() -> None:
    wire = Wire(http2_window_timeout=5.0)
    stream = Download(1, window=0)
    assert wire.send(stream, b"abc")
    assert wire.send(stream, b"def", now=NOW + 4.0)
    assert wire.sender.deadline == NOW + 5.0


def test_a_wait_whose_begin_is_not_known_begins_when_it_is_looked_at() -> None:
    """Taking bytes brings no time: a stream that stalls then has waited since some time after `now`."""
    wire = Wire(limit_write_buffer=1, http2_window_timeout=5.0)
    fill(wire)
    stream, gone, served = [Download(number, window=0) for number in (1, 3, 5)]
    for each in (stream, gone, served):
        assert wire.send(each, b"abc")
    wire.take()
    assert wire.sender.produce(NOW, dated=False)
    assert list(wire.sender.undated) == [stream, gone, served]
    wire.sender.remove(gone)
    wire.sender.open_window(served, 3)
    assert wire.sender.produce(NOW)
    assert wire.sender.find_overdue(NOW + 100.0) == []
    assert not wire.sender.undated
    assert wire.sender.deadline == NOW + 105.0
    assert wire.sender.find_overdue(NOW + 105.0) == [stream]
