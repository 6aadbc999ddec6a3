"""Budgets: what a peer may do often, for a while, and not at all.

Source: RFC 9113 §10.5.
"""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sansio import Settings
from sansio.http2_budgets import Budgets, TokenBucket
from tests.peers import (
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    PRIORITY_UPDATE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)

NOW: Final = 1000.0
SMALL: Final = Settings(http2_control_burst=5, http2_control_rate=2, http2_reset_burst=3, http2_reset_rate=1)


def count(bucket: TokenBucket, now: float) -> int:
    """Return how many tokens there are, and take them."""
    taken = 0
    while bucket.take(now):
        taken += 1
    return taken


def count_frames(budgets: Budgets, kind: int, now: float) -> int:
    taken = 0
    while budgets.take_frame(kind, now):
        taken += 1
    return taken


# A bucket.


@pytest.mark.parametrize("burst", [1, 2, 1_000])
def test_a_bucket_allows_its_burst_at_one_time(burst: int) -> None:
    bucket = TokenBucket(burst, 1, NOW)
    assert count(bucket, NOW) == burst
    assert not bucket.take(NOW)


@pytest.mark.parametrize(
    ("seconds", "tokens"), [(0.0, 0), (0.24, 0), (0.25, 1), (0.5, 2), (1.0, 4), (2.5, 10), (1e9, 10)]
)
def test_tokens_come_back_with_time_up_to_the_burst(seconds: float, tokens: int) -> None:
    bucket = TokenBucket(10, 4, NOW)
    assert count(bucket, NOW) == 10
    assert count(bucket, NOW + seconds) == tokens


def test_idle_time_saves_no_more_than_the_burst() -> None:
    bucket = TokenBucket(3, 100, NOW)
    assert count(bucket, NOW + 1e6) == 3


def test_asking_in_vain_costs_nothing() -> None:
    """A peer that goes on while its bucket is empty is measured by what was allowed."""
    bucket = TokenBucket(2, 1, NOW)
    assert count(bucket, NOW) == 2
    for step in range(1, 10):
        assert not bucket.take(NOW + step / 10)
    assert bucket.take(NOW + 1.01)
    assert not bucket.take(NOW + 1.01)


@pytest.mark.parametrize(("given_back", "tokens"), [(0, 0), (1, 1), (3, 3), (5, 5), (6, 5), (1_000, 5)])
def test_what_is_given_back_fills_the_bucket_to_its_brim(given_back: int, tokens: int) -> None:
    bucket = TokenBucket(5, 1, NOW)
    assert count(bucket, NOW) == 5
    bucket.give(given_back)
    assert count(bucket, NOW) == tokens


@hypothesis_settings(max_examples=80)
@given(
    burst=st.integers(1, 20),
    rate=st.integers(1, 50),
    pauses=st.lists(st.integers(0, 40).map(lambda step: step / 16), max_size=60),
)
def test_no_schedule_buys_more_than_burst_and_rate(burst: int, rate: int, pauses: list[float]) -> None:
    """Steps of 1/16 s are exact, so that the bound is as well."""
    bucket = TokenBucket(burst, rate, 0.0)
    now = 0.0
    taken = 0
    for pause in pauses:
        now += pause
        taken += bucket.take(now)
        assert taken <= burst + now * rate


# All of a connection.


@pytest.mark.parametrize(
    "kind", [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, PRIORITY_UPDATE]
)
def test_each_kind_of_frame_has_a_budget_of_its_own(kind: int) -> None:
    budgets = Budgets(SMALL, NOW)
    assert count_frames(budgets, kind, NOW) == 5
    other = PING if kind != PING else SETTINGS
    assert count_frames(budgets, other, NOW) == 5
    assert count_frames(budgets, kind, NOW + 1.0) == 2


def test_unknown_types_share_a_budget() -> None:
    """RFC 9113 §5.5 lets them be ignored; 239 of them must not be 239 budgets."""
    budgets = Budgets(SMALL, NOW)
    assert sum(budgets.take_frame(kind, NOW) for kind in range(0x11, 0x100)) == 5
    assert count_frames(budgets, PRIORITY_UPDATE, NOW) == 5


def test_a_kind_that_comes_late_has_no_more_than_its_burst() -> None:
    budgets = Budgets(SMALL, NOW)
    assert count_frames(budgets, PING, NOW + 1e6) == 5


def test_resets_are_counted_apart_from_all_frames() -> None:
    budgets = Budgets(SMALL, NOW)
    assert [budgets.take_reset(NOW) for _ in range(5)] == [True, True, True, False, False]
    assert [budgets.take_reset(NOW + 2.0) for _ in range(3)] == [True, True, False]
    assert count_frames(budgets, RST_STREAM, NOW) == 5


def test_window_updates_are_excused_by_what_is_sent() -> None:
    budgets = Budgets(SMALL, NOW)
    assert count_frames(budgets, WINDOW_UPDATE, NOW) == 5
    budgets.updates.give(3)
    assert count_frames(budgets, WINDOW_UPDATE, NOW) == 3


def test_crumbs_have_a_budget_of_their_own() -> None:
    budgets = Budgets(SMALL, NOW)
    assert count(budgets.crumbs, NOW) == 5
    assert count_frames(budgets, WINDOW_UPDATE, NOW) == 5
