"""The output side of a connection: bytes in order, exchanges once, states that never go back."""

from __future__ import annotations

import math
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio.deadlines import Deadline
from sansio.exchange import Exchange
from sansio.outbox import Outbox


def test_a_new_outbox_has_nothing() -> None:
    outbox = Outbox()
    assert outbox.data_to_send() == b""
    assert outbox.take_ready() == []
    assert outbox.wants_read
    assert not outbox.wants_write
    assert not outbox.has_ready
    assert not outbox.write_ended
    assert not outbox.closed
    assert outbox.error is None
    assert outbox.size == 0
    assert outbox.deadline == math.inf


@given(st.lists(st.lists(st.binary(min_size=1, max_size=5), max_size=4)))
def test_bytes_come_out_once_and_in_order(rounds: list[list[bytes]]) -> None:
    outbox = Outbox()
    for pieces in rounds:
        for piece in pieces:
            outbox.write(piece)
        joined = b"".join(pieces)
        assert outbox.size == len(joined)
        assert outbox.wants_write == bool(joined)
        assert outbox.data_to_send() == joined
        assert outbox.size == 0
        assert not outbox.wants_write


def test_a_single_piece_is_not_copied() -> None:
    outbox = Outbox()
    piece = bytes(100_000)
    outbox.write(piece)
    assert outbox.data_to_send() is piece


def test_exchanges_are_named_once_in_the_order_of_their_first_mention() -> None:
    outbox = Outbox()
    one, other = Exchange({}), Exchange({})
    for exchange in (one, other, one):
        outbox.mark_ready(exchange)
    assert outbox.has_ready
    assert outbox.take_ready() == [one, other]
    assert not outbox.has_ready
    assert outbox.take_ready() == []
    outbox.mark_ready(one)
    assert outbox.take_ready() == [one]


@pytest.mark.parametrize("others", [False, True])
def test_an_exchange_that_was_not_handed_over_can_be_withdrawn(others: bool) -> None:
    outbox = Outbox()
    outbox.take_ready()
    one, other = Exchange({}), Exchange({})
    made_at = outbox.taken
    for exchange in (one, other) if others else (one,):
        outbox.mark_ready(exchange)
    assert outbox.withdraw(one, made_at)
    assert outbox.has_ready is others
    assert outbox.take_ready() == ([other] if others else [])


def test_an_exchange_that_was_handed_over_stays_and_is_named() -> None:
    outbox = Outbox()
    exchange = Exchange({})
    made_at = outbox.taken
    outbox.mark_ready(exchange)
    assert outbox.take_ready() == [exchange]
    outbox.mark_ready(exchange)
    assert not outbox.withdraw(exchange, made_at)
    assert outbox.has_ready
    assert outbox.take_ready() == [exchange]


def test_an_exchange_that_nobody_has_named_can_be_withdrawn() -> None:
    outbox = Outbox()
    assert outbox.withdraw(Exchange({}), outbox.taken)
    assert not outbox.has_ready


def test_a_blocked_exchange_may_send_and_is_named_when_the_bytes_are_taken() -> None:
    outbox = Outbox()
    exchange = Exchange({})
    outbox.write(b"a")
    outbox.block(exchange)
    outbox.block(exchange)
    assert not exchange.can_send
    assert outbox.take_ready() == []
    assert outbox.data_to_send() == b"a"
    assert exchange.can_send
    assert outbox.take_ready() == [exchange]
    outbox.write(b"b")
    outbox.data_to_send()
    assert outbox.take_ready() == []


def test_a_lost_transport_unblocks_and_drops_what_was_not_taken() -> None:
    outbox = Outbox()
    exchange = Exchange({})
    outbox.write(b"a")
    outbox.block(exchange)
    outbox.set_deadline(Deadline.DRAIN, 5.0)
    outbox.abandon()
    assert exchange.can_send
    assert outbox.take_ready() == [exchange]
    assert outbox.closed
    assert outbox.write_ended
    assert not outbox.wants_write
    assert not outbox.wants_read
    assert outbox.size == 0
    assert outbox.data_to_send() == b""
    assert outbox.deadline == math.inf


@pytest.mark.parametrize("pending", [False, True], ids=["nothing to take", "bytes to take"])
def test_the_end_comes_after_the_last_byte(pending: bool) -> None:
    outbox = Outbox()
    if pending:
        outbox.write(b"a")
    outbox.end_writing()
    assert outbox.write_ended is not pending
    assert outbox.data_to_send() == (b"a" if pending else b"")
    assert outbox.write_ended
    assert not outbox.closed
    assert outbox.wants_read


def test_it_closes_at_once_when_nothing_is_left_to_take() -> None:
    outbox = Outbox()
    for name in Deadline:
        outbox.set_deadline(name, 5.0)
    outbox.close()
    assert outbox.closed
    assert outbox.write_ended
    assert not outbox.wants_read
    assert outbox.deadline == math.inf


def test_it_closes_after_the_last_byte_and_only_the_drain_bounds_the_wait() -> None:
    """A peer that takes nothing does not hold up a shutdown."""
    outbox = Outbox()
    outbox.write(b"a")
    outbox.set_deadline(Deadline.CLOSE, 5.0)
    outbox.set_deadline(Deadline.DRAIN, 7.0)
    outbox.close()
    assert not outbox.closed
    assert not outbox.write_ended
    assert not outbox.wants_read
    assert outbox.deadline == 7.0
    assert outbox.data_to_send() == b"a"
    assert outbox.closed
    assert outbox.write_ended
    assert outbox.deadline == math.inf


def test_an_outbox_that_has_ended_can_still_close() -> None:
    outbox = Outbox()
    outbox.write(b"a")
    outbox.end_writing()
    outbox.data_to_send()
    outbox.close()
    assert outbox.closed


Script: TypeAlias = list[str]
scripts = st.lists(
    st.sampled_from(["write", "take", "end", "close", "abandon", "block", "ready"]), max_size=12
)


@given(scripts)
def test_no_order_of_steps_brings_it_back_from_the_end(script: Script) -> None:
    """Whoever writes after ending would break the promise of `write_ended`, so no protocol does, and nor does this."""
    outbox = Outbox()
    exchange = Exchange({})
    ending = closing = False
    pending = b""
    for step in script:
        if step == "write" and not ending:
            outbox.write(b"ab")
            pending += b"ab"
        elif step == "take":
            assert outbox.data_to_send() == pending
            pending = b""
        elif step == "end":
            outbox.end_writing()
            ending = True
        elif step == "close":
            outbox.close()
            ending = closing = True
        elif step == "abandon":
            outbox.abandon()
            ending = closing = True
            pending = b""
        elif step == "block" and pending:
            outbox.block(exchange)
        elif step == "ready":
            assert outbox.has_ready == bool(outbox.take_ready())
        assert outbox.size == len(pending)
        assert outbox.wants_write == bool(pending)
        assert outbox.write_ended == (ending and not pending)
        assert outbox.closed == (closing and not pending)
        assert outbox.wants_read is not closing
        assert exchange.can_send or pending
