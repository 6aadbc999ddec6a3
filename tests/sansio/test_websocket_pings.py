"""Pings of a WebSocket alone: when, with what in them, and how long their answers may take. RFC 6455 §5.5.2."""

from __future__ import annotations

import math
from typing import Final

import pytest

from sansio import Settings
from sansio.deadlines import Deadline
from sansio.outbox import Outbox
from sansio.websocket_pings import Pings

SETTINGS: Final = Settings(ws_ping_interval=20.0, ws_ping_timeout=7.0)


def begun() -> tuple[Outbox, Pings]:
    outbox = Outbox()
    pings = Pings(outbox, SETTINGS)
    pings.begin(100.0)
    return outbox, pings


def deadlines(outbox: Outbox) -> tuple[float, float]:
    return outbox.get_deadline(Deadline.PING), outbox.get_deadline(Deadline.PONG)


def test_the_first_ping_is_due_after_the_interval() -> None:
    outbox, _ = begun()
    assert deadlines(outbox) == (120.0, math.inf)
    assert not outbox.wants_write


def test_each_ping_says_something_else_and_has_its_answer_s_time() -> None:
    outbox, pings = begun()
    for number, now in enumerate((120.0, 140.0, 160.0), start=1):
        pings.send(now, unread=False)
        assert outbox.data_to_send() == b"\x89\x01%d" % number
        assert deadlines(outbox) == (now + 20.0, now + 7.0)
        pings.receive_pong(b"%d" % number)
        assert deadlines(outbox) == (now + 20.0, math.inf)


@pytest.mark.parametrize("payload", [b"", b"2", b"11", b"hello"])
def test_a_pong_that_nobody_asked_for_is_no_answer(payload: bytes) -> None:
    """RFC 6455 §5.5.3: "A Pong frame MAY be sent unsolicited"."""
    outbox, pings = begun()
    pings.send(120.0, unread=False)
    pings.receive_pong(payload)
    assert deadlines(outbox) == (140.0, 127.0)


def test_no_second_ping_goes_out_before_the_first_is_answered() -> None:
    outbox, pings = begun()
    pings.send(120.0, unread=False)
    outbox.data_to_send()
    pings.send(140.0, unread=False)
    assert not outbox.wants_write
    assert deadlines(outbox) == (160.0, 127.0)


def test_the_same_ping_goes_out_again_while_nobody_reads() -> None:
    outbox, pings = begun()
    for now in (120.0, 140.0, 160.0):
        pings.send(now, unread=True)
        assert outbox.data_to_send() == b"\x89\x011"
        assert deadlines(outbox) == (now + 20.0, 127.0)
    pings.wait(160.0)
    assert deadlines(outbox) == (180.0, 167.0)


def test_pings_that_are_stopped_have_no_deadline() -> None:
    outbox, pings = begun()
    pings.send(120.0, unread=False)
    pings.stop()
    assert deadlines(outbox) == (math.inf, math.inf)
