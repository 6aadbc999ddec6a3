"""The receiving half of flow control: credit comes back in sums, none is made up, and none is lost.

Source: RFC 9113 §5.2, §6.9.
"""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sansio import Settings
from sansio.http2_receiving import Receiver
from sansio.outbox import Outbox

LARGEST: Final = 2**31 - 1
FIRST: Final = 65_535


class Upload:
    """A stream, as flow control sees it."""

    def __init__(self, number: int, window: int) -> None:
        self.id = number
        self.receive_window = window
        self.owed = 0
        self.remote_ended = False


class Peer:
    """What the peer may send, by what it was told."""

    def __init__(self, window: int, streams: int) -> None:
        self.outbox = Outbox()
        limits = Settings(http2_initial_window_size=window, http2_max_concurrent_streams=streams)
        self.receiver = Receiver(self.outbox, limits)
        self.credit = FIRST
        self.credits: dict[int, int] = {}
        self.window = window
        self.read()

    def open(self, number: int) -> Upload:
        self.credits[number] = self.window
        return Upload(number, self.window)

    def read(self) -> list[tuple[int, int]]:
        """Read what was written: streams and increments."""
        octets = self.outbox.data_to_send()
        updates = []
        for place in range(0, len(octets), 13):
            frame = octets[place : place + 13]
            assert frame[:5] == b"\x00\x00\x04\x08\x00"
            number, increment = int.from_bytes(frame[5:9], "big"), int.from_bytes(frame[9:], "big")
            assert increment > 0
            updates.append((number, increment))
            if number:
                self.credits[number] += increment
            else:
                self.credit += increment
        return updates

    def send(self, stream: Upload, size: int) -> None:
        """Send so much content, for which there has to be credit."""
        assert size <= self.credit
        assert size <= self.credits[stream.id]
        self.credit -= size
        self.credits[stream.id] -= size
        self.receiver.window -= size
        stream.receive_window -= size


# The connection's window.


@pytest.mark.parametrize(
    ("window", "streams", "size"),
    [
        (131_072, 100, 13_107_200),
        (1, 1, FIRST),
        (FIRST, 1, FIRST),
        (65_536, 1, 65_536),
        (1_000, 66, 66_000),
        (LARGEST, 1, LARGEST),
        (LARGEST, 100, LARGEST),
        (2**20, 2**11, LARGEST),
    ],
)
def test_the_connection_s_window_is_as_wide_as_all_streams_together(
    window: int, streams: int, size: int
) -> None:
    """RFC 9113 §6.9.2: it begins with 65,535 octets and "can only be changed using WINDOW_UPDATE frames"."""
    peer = Peer(window, streams)
    assert peer.credit == size
    assert peer.receiver.window == size
    assert not peer.receiver.ended


# Credit.


@pytest.mark.parametrize(
    ("taken", "told"),
    [(49, []), (50, [(0, 50), (1, 50)]), (51, [(0, 51), (1, 51)]), (100, [(0, 100), (1, 100)])],
)
def test_credit_is_given_in_sums_of_half_a_window(taken: int, told: list[tuple[int, int]]) -> None:
    peer = Peer(100, 1_000)
    stream = peer.open(1)
    peer.send(stream, 100)
    peer.receiver.give_credit(stream, taken)
    assert peer.read() == told
    assert stream.receive_window == peer.credits[1]


def test_small_sums_add_up() -> None:
    peer = Peer(100, 1_000)
    stream = peer.open(1)
    peer.send(stream, 60)
    for _ in range(49):
        peer.receiver.give_credit(stream, 1)
    assert peer.read() == []
    peer.receiver.give_credit(stream, 1)
    assert peer.read() == [(0, 50), (1, 50)]
    assert (peer.credits[1], stream.owed) == (90, 0)


def test_a_stream_that_will_send_no_more_gets_no_credit_but_the_connection_does() -> None:
    """RFC 9113 §5.1: half-closed (remote) needs no window; the connection's octets are everybody's."""
    peer = Peer(100, 1_000)
    stream = peer.open(1)
    peer.send(stream, 80)
    stream.remote_ended = True
    peer.receiver.give_credit(stream, 80)
    assert peer.read() == [(0, 80)]


def test_octets_of_streams_that_have_ended_count_for_the_connection() -> None:
    """RFC 9113 §5.1: for frames on a closed stream "flow-control" is counted as well."""
    peer = Peer(100, 1_000)
    peer.send(peer.open(1), 60)
    peer.receiver.give_back(49)
    assert peer.read() == []
    peer.receiver.give_back(11)
    assert peer.read() == [(0, 60)]
    assert peer.credit == peer.receiver.window


def test_nothing_is_written_when_nothing_more_is_read() -> None:
    """Behind GOAWAY, or the end of our side, credit would be of no use."""
    peer = Peer(100, 1_000)
    stream = peer.open(1)
    peer.send(stream, 100)
    peer.receiver.ended = True
    peer.receiver.give_credit(stream, 100)
    peer.receiver.give_back(100)
    assert peer.read() == []
    assert not peer.outbox.wants_write


@hypothesis_settings(max_examples=100, deadline=None)
@given(
    window=st.sampled_from([1, 2, 3, 1_000, 40_000, 100_000]),
    streams=st.integers(1, 4),
    steps=st.lists(
        st.tuples(
            st.integers(0, 3), st.sampled_from(["send", "take", "end", "drop"]), st.integers(1, 50_000)
        ),
        max_size=40,
    ),
)
def test_no_credit_is_made_up_and_none_is_lost(
    window: int, streams: int, steps: list[tuple[int, str, int]]
) -> None:
    """What the peer may send, what is held and what is owed are the whole window at any time."""
    peer = Peer(window, streams)
    size = peer.credit
    uploads = [peer.open(2 * number + 1) for number in range(streams)]
    held = [0] * streams
    gone: set[int] = set()
    for which, kind, amount in steps:
        number = which % streams
        stream = uploads[number]
        if kind == "send" and number not in gone and not stream.remote_ended:
            amount = min(amount, peer.credits[stream.id], peer.credit)  # noqa: PLW2901 - the same, as allowed.
            peer.send(stream, amount)
            held[number] += amount
        elif kind == "take" and number not in gone:
            peer.receiver.give_credit(stream, held[number])
            held[number] = 0
        elif kind == "end":
            stream.remote_ended = True
        elif kind == "drop":
            gone.add(number)
            peer.receiver.give_back(held[number])
            held[number] = 0
        peer.read()
        assert peer.receiver.window == peer.credit <= size - sum(held)
        assert peer.credit > size - sum(held) - max(window / 2, 1)
        for one, octets in zip(uploads, held, strict=True):
            assert (
                one.receive_window == peer.credits[one.id] <= window - (0 if one.id // 2 in gone else octets)
            )
            if one.id // 2 not in gone and not one.remote_ended:
                assert one.receive_window > window - octets - max(window / 2, 1)
