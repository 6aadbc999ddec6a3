"""HTTP/2's frames, however many come in one read: the verdict, and what applications are told, are the same.

What waits for a window is sent behind all that came in one read with it: an answer of ours, in place of an application,
may end its stream later. Such connections are not compared.

Where a request is cut off, fewer may be opened: one that is over in its own read reaches no application
(`sansio.http2_carrier`), and counts as none. There, and where the connection breaks, only the verdict is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.peers import HEADERS, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, Code
from tests.sansio.http2_client import Http2Pair

from .against_http2_differences import LIMITS
from .against_http2_frames import ANSWER

__all__ = ["Outcome", "check_reads", "compare", "play"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has come of a connection."""

    error: int | None
    """The code with which it ended."""
    resets: dict[int, int]
    """The streams that we have reset, and why."""
    requests: list[tuple[dict[str, Any], bytes, bool]]
    """The scopes, their content as far as it came, and whether that was all."""
    answered: bool
    """We have answered in place of an application."""
    cut_off: bool
    """One of them ended before its application was done."""


def check_reads(frames: list[bytes], window: int) -> None:
    """Give the frames one in each read, and as many in each as come before an application answers."""
    compare(frames, play(frames, window), play(frames, window, together=True))


def compare(frames: list[bytes], apart: Outcome, together: Outcome) -> None:
    """Hold against each other what came of the same frames in other reads. Raises `AssertionError`."""
    if apart.answered and any(each[3] in {SETTINGS, WINDOW_UPDATE} for each in frames[1:]):
        return
    reset = apart.resets or together.resets or any(each[3] == RST_STREAM for each in frames)
    requests = sum(each[3] == HEADERS for each in frames)
    if not reset or requests <= LIMITS.http2_max_concurrent_streams:
        assert together.error == apart.error, f"reads matter: {apart} became {together}"
    if not (reset or apart.cut_off) and apart.error is None:
        assert together == apart, f"reads matter: {apart} became {together}"


def play(frames: list[bytes], window: int, *, together: bool = False) -> Outcome:
    """Give the frames to a connection, those `together` in one read that no answer parts."""
    pair = Http2Pair(replace(LIMITS, http2_initial_window_size=window), hello=None)
    pair.observer.exact = False
    pair.send(PREFACE)
    told: dict[int, tuple[bytes, bool]] = {}
    for group, answer in _groups(frames):
        for octets in [b"".join(group)] if together else group:
            if not pair.ended:
                pair.send(octets)
        waiting = [n for n, call in enumerate(pair.calls) if not call.exchange.ended]
        waiting = [n for n in waiting if pair.calls[n].scope["type"] == "http"]
        if answer is not None and waiting:
            number = waiting[answer % len(waiting)]
            told[number] = pair.calls[number].take()
            pair.calls[number].respond()
    for number, call in enumerate(pair.calls):
        if not call.exchange.ended and call.scope["type"] == "http":
            told[number] = call.take()
    views = pair.observer.streams.values()
    resets = {view.id: view.reset for view in views if view.reset not in {None, Code.NO_ERROR}}
    requests = [(call.scope, *told.get(n, (b"", False))) for n, call in enumerate(pair.calls)]
    answered = any((view.status or 0) >= 400 for view in views)  # Applications answer with 200.
    cut_off = any(call.exchange.disconnected for call in pair.calls)
    return Outcome(pair.error, resets, requests, answered, cut_off)


def _groups(frames: list[bytes]) -> Iterator[tuple[list[bytes], int | None]]:
    """Yield the frames that come before an answer, and which request it is for."""
    group: list[bytes] = []
    for octets in frames:
        if octets[3] == ANSWER:
            yield group, octets[8]
            group = []
        else:
            group.append(octets)
    yield group, None
