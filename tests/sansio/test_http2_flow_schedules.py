"""Windows that open by any schedule: the same content comes out, and never beyond them.

Source: RFC 9113 §5.2, §6.9.
"""

from __future__ import annotations

from typing import Final

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sansio import Settings
from tests.messages import body, start
from tests.peers import DATA, priority_update, settings, window_update
from tests.sansio.http2_client import Http2Pair

CONTENTS: Final = (b"", b"a", bytes(range(256)) * 3, b"b" * 20_000)


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    initial=st.sampled_from([0, 1, 7, 256, 16_384, 65_535, 100_000]),
    bodies=st.lists(st.lists(st.sampled_from(CONTENTS), min_size=1, max_size=3), min_size=1, max_size=4),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(0, 3), st.just(0)),
            st.tuples(st.just("connection"), st.just(0), st.integers(1, 40_000)),
            st.tuples(st.just("stream"), st.integers(0, 3), st.integers(1, 40_000)),
            st.tuples(st.just("settings"), st.just(0), st.sampled_from([0, 1, 100, 16_384, 70_000])),
            st.tuples(st.just("frames"), st.just(0), st.sampled_from([16_384, 20_000, 2**24 - 1])),
            st.tuples(st.just("urgency"), st.integers(0, 3), st.integers(0, 7)),
        ),
        max_size=25,
    ),
)
def test_the_same_content_comes_out_for_any_schedule_of_windows(
    initial: int, bodies: list[list[bytes]], steps: list[tuple[str, int, int]]
) -> None:
    pair = Http2Pair(hello=((4, initial),))
    calls = [pair.open() for _ in bodies]
    left = [list(parts) for parts in bodies]

    def say(number: int) -> None:
        parts = left[number]
        if len(parts) == len(bodies[number]):
            calls[number].send(start())
        if parts:
            content = parts.pop(0)
            calls[number].send(body(content, more=bool(parts)))

    for kind, which, value in steps:
        number = which % len(calls)
        open_ = not calls[number].view.ended
        if kind == "send" and left[number]:
            say(number)
        elif kind == "connection":
            pair.send(window_update(0, value))
        elif kind == "stream" and open_:
            pair.send(window_update(calls[number].stream, value))
        elif kind == "settings":
            pair.send(settings((4, value)))
        elif kind == "frames":
            pair.send(settings((5, value)))
        elif kind == "urgency" and open_:
            pair.send(priority_update(calls[number].stream, b"u=%d" % value))
    for number in range(len(calls)):
        while left[number]:
            say(number)
    pair.send(settings((4, 70_000)), window_update(0, 1_000_000))
    for call, parts in zip(calls, bodies, strict=True):
        if not call.view.ended:
            pair.send(window_update(call.stream, 100_000))
        assert call.view.content == b"".join(parts)
        assert call.view.ended
        assert all(frame.payload or frame.ended for frame in call.view.frames if frame.kind == DATA)
        call.finish()


def test_a_client_that_gives_back_each_frame_alone_is_not_taken_for_a_miser() -> None:
    """A window that is no multiple of a frame makes one small frame in each round, for ever."""
    pair = Http2Pair(Settings(http2_control_burst=100, http2_control_rate=10), hello=((4, 65_636),))
    pair.send(window_update(0, 101))
    call = pair.open()
    call.respond(bytes(10_000_000))
    seen = 0
    while not call.view.ended and not pair.ended:
        sizes = [len(frame.payload) for frame in call.view.frames[seen:] if frame.kind == DATA]
        seen = len(call.view.frames)
        for size in sizes:
            pair.grant(1, size)
    assert pair.error is None
    assert call.view.ended
