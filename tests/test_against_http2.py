"""The target `against_http2`: h2 and we agree about its seeds, and a difference is noticed.

That each row of the table is needed is held by `tests.sansio.test_http2_judge`.
"""

from typing import Final

import pytest

from fuzz.against_http2 import against_http2_seeds, check_against_http2
from fuzz.against_http2_differences import HEAD, HELLO, LIMITS
from fuzz.against_http2_frames import ANSWER, BULK, read_frames
from fuzz.against_http2_judge import Trial
from fuzz.against_http2_reads import compare, play
from tests.peers import continuation, data, frame, headers, ping, request, rst, settings, window_update

SEEDS: Final = against_http2_seeds()


def test_frames_are_cut_where_they_end_and_field_blocks_stay_whole() -> None:
    block = (
        headers(1, b"\x82", end_headers=False)
        + continuation(1, b"", end_headers=False)
        + continuation(1, b"")
    )
    interrupted = headers(1, b"\x82", end_headers=False) + ping()
    assert read_frames(HELLO + block + ping() + interrupted + ping()[:-1]) == [
        HELLO,
        block,
        ping(),
        interrupted,
    ]
    assert read_frames(ping() + frame(0, length=16_385)) == [ping(), frame(0, length=16_385)]


def test_what_is_no_frame_stands_for_an_answer_and_for_much_content() -> None:
    opened = HELLO + request(1, b"POST", end_stream=False)
    much = frame(BULK, 1, 1, (16_384).to_bytes(2, "big"))
    check_against_http2(b"\0" + opened + much + frame(ANSWER) + request(3) + frame(ANSWER))


# Differences that are made by giving something to one side alone.

OPEN: Final = [HELLO, headers(1, HEAD, end_stream=False), data(1, b"hello")]


def go_on(trial: Trial, then: bytes | None) -> None:
    if then is not None:
        trial.give(then)
    trial.end()


@pytest.mark.parametrize(
    ("planted", "then"),
    [
        (data(1, b"!"), None),
        (data(1, b"", end_stream=True), None),
        (rst(1), data(1, b"more")),
        (settings((4, 2**31 - 1)), window_update(1, 1)),
        (request(3), request(3)),
        (window_update(0, 2**31 - 65_536), window_update(0, 1)),
    ],
    ids=["an octet", "an end", "a reset", "a setting", "a request", "a window"],
)
def test_what_only_we_were_given_is_noticed(planted: bytes, then: bytes | None) -> None:
    trial = Trial()
    for octets in OPEN:
        trial.give(octets)
    trial.pair.send(planted)
    trial.pair.take_frames()
    with pytest.raises(AssertionError):
        go_on(trial, then)


@pytest.mark.parametrize(
    ("planted", "then"),
    [
        (data(1, b"!"), None),
        (data(1, b"", end_stream=True), None),
        (settings((4, 2**31 - 1)), window_update(1, 1)),
        (window_update(0, 2**31 - 65_536), window_update(0, 1)),
    ],
    ids=["an octet", "an end", "a setting", "a window"],
)
def test_what_only_h2_was_given_is_noticed(planted: bytes, then: bytes | None) -> None:
    trial = Trial()
    for octets in OPEN:
        trial.give(octets)
    events = trial.h2.receive_data(planted)
    for event in events:
        trial.note(1, event)
    with pytest.raises(AssertionError):
        go_on(trial, then)


@pytest.mark.parametrize(
    "planted",
    [data(1, b"!"), data(1, b"", end_stream=True), request(3), data(5, b"!")],
    ids=["an octet", "an end", "a request", "an error"],
)
def test_what_comes_of_one_read_alone_is_noticed(planted: bytes) -> None:
    window = LIMITS.http2_initial_window_size
    apart = play(OPEN, window)
    compare(OPEN, apart, play(OPEN, window, together=True))
    with pytest.raises(AssertionError, match="reads matter"):
        compare(OPEN, apart, play([*OPEN, planted], window, together=True))


def test_the_same_frames_to_both_are_no_difference() -> None:
    trial = Trial()
    for octets in [*OPEN, data(1, b"!"), window_update(1, 1), request(3)]:
        trial.give(octets)
    trial.end()
