"""Any schedule of content and windows: all of it comes out, in order, and never beyond a window.

Source: RFC 9113 §5.2, §6.9.
"""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.peers import DATA, END_STREAM
from tests.sansio.http2_sender import FRAME, NOW, TAIL, Download, Wire


class Account:
    """A sender, three streams, and what is to be expected of them."""

    def __init__(self, windows: list[int], tail: bytes) -> None:
        self.wire = Wire(window=20_000, limit_write_buffer=30_000)
        self.streams = [
            Download(2 * number + 1, window=window, tail=tail) for number, window in enumerate(windows)
        ]
        self.connection = 20_000
        self.allowed = list(windows)
        self.given = [b""] * 3
        self.taken = [b""] * 3
        self.ended = [False] * 3
        self.over = [False] * 3

    def send(self, which: int, size: int, *, ended: bool) -> None:
        if not self.ended[which]:
            content = bytes([len(self.given[which]) % 251]) * size
            self.given[which] += content
            self.ended[which] = ended
            assert self.wire.send(self.streams[which], content, ended=ended)

    def open_window(self, which: int | None, change: int) -> None:
        if which is None:
            self.connection += change
            self.wire.sender.open_window(None, change)
        elif not self.over[which]:
            self.allowed[which] += change
            self.wire.sender.open_window(self.streams[which], change)
        assert self.wire.sender.produce(NOW)

    def take(self) -> None:
        """Take what was made, all of it, and judge it."""
        while self.wire.outbox.wants_write:
            assert self.wire.outbox.size <= 30_000 + FRAME + 9 + 3 * (9 + len(TAIL))
            for frame in self.wire.take():
                number = frame.stream // 2
                assert not self.over[number], "a frame behind the end"
                self.over[number] = bool(frame.flags & END_STREAM)
                size = len(frame.payload)
                if frame.kind != DATA:
                    assert self.over[number]
                    continue
                assert size <= FRAME
                assert size or self.over[number]
                self.taken[number] += frame.payload
                self.connection -= size
                self.allowed[number] -= size
                assert not size or (self.connection >= 0 and self.allowed[number] >= 0)
            assert self.wire.sender.produce(NOW)


steps = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 2), st.sampled_from([0, 1, 300, 5_000, 40_000])),
    st.tuples(st.just("end"), st.integers(0, 2), st.sampled_from([0, 7])),
    st.tuples(st.just("stream"), st.integers(0, 2), st.sampled_from([1, 299, 20_000, 70_000, -1, -30_000])),
    st.tuples(st.just("connection"), st.just(0), st.sampled_from([1, 299, 20_000, 70_000])),
    st.tuples(st.just("urgency"), st.integers(0, 2), st.integers(0, 7)),
    st.tuples(st.just("take"), st.just(0), st.just(0)),
)


@hypothesis_settings(max_examples=120, deadline=None)
@given(
    script=st.lists(steps, max_size=40),
    windows=st.lists(st.sampled_from([0, 10, 30_000]), min_size=3, max_size=3),
    tails=st.booleans(),
)
def test_all_content_comes_out_in_order_and_never_beyond_a_window(
    script: list[tuple[str, int, int]], windows: list[int], tails: bool
) -> None:
    account = Account(windows, TAIL if tails else b"")
    for kind, which, value in script:
        if kind in {"send", "end"}:
            account.send(which, value, ended=kind == "end")
        elif kind == "stream":
            account.take()  # A window that shrinks does not count for what was made before.
            account.open_window(which, value)
        elif kind == "connection":
            account.open_window(None, value)
        elif kind == "urgency":
            account.wire.sender.change_urgency(account.streams[which], value)
        else:
            account.take()
    account.open_window(None, 10**6)
    for which in range(3):
        account.send(which, 0, ended=True)
        account.take()
        account.open_window(which, 10**6)
    account.take()
    assert account.taken == account.given
    assert account.over == [True] * 3
    assert account.wire.sender.deadline == math.inf
    assert all(stream.told[-1] == (NOW, True) for stream in account.streams)
