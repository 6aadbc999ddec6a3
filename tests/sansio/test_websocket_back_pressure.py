"""A WebSocket whose client does not read, or whose application does not take what has come."""

from __future__ import annotations

import math

import pytest

from sansio import (
    ClientDisconnected,
    Settings,
)
from tests.sansio.websocket_client import Frame, WebSocketPair, close_frame, frame
from tests.sansio.websocket_words import CLOSE, GONE, PING, PONG, TEXT, close, text


def test_a_client_that_does_not_read_holds_the_application_up() -> None:
    pair = WebSocketPair(Settings(limit_write_buffer=100))
    pair.open()
    pair.stall()
    pair.tell(text("a" * 50))
    assert pair.exchange.can_send
    pair.tell(text("b" * 100))
    assert not pair.exchange.can_send
    pair.resume()
    assert pair.exchange.can_send
    assert pair.messages == ["a" * 50, "b" * 100]


@pytest.mark.parametrize("end", ["nothing", "eof", "lose", "close", "broken"])
def test_messages_that_are_not_taken_stop_reading_and_are_delivered_later(end: str) -> None:
    pair = WebSocketPair(Settings(limit_read_buffer=1024))
    pair.open()
    connection = pair.connection
    sent = [str(number) for number in range(20)]
    last = {"close": close_frame(3000, b"bye"), "broken": frame(0x3)}.get(end, b"")
    connection.receive_data(
        b"".join(frame(TEXT, data.encode()) for data in sent) + frame(PING, b"p"), pair.now
    )
    assert not connection.wants_read
    connection.receive_data(frame(TEXT, b"last") + last, pair.now)
    if end == "eof":
        connection.receive_eof(pair.now)
    elif end == "lose":
        pair.lose()
    assert [pair.take() for _ in range(21)] == [*sent, "last"]
    assert [seen.opcode for seen in pair.frames if seen.opcode == PONG] == [] if end == "lose" else [PONG]
    if end == "nothing":
        assert pair.receive() is None
        assert connection.wants_read
        return
    expected = {"eof": GONE, "lose": GONE, "close": (3000, "bye"), "broken": (1002, "")}
    assert pair.disconnect() == expected[end]


def test_reading_goes_on_only_when_there_is_room() -> None:
    pair = WebSocketPair(Settings(limit_read_buffer=300))
    pair.open()
    pair.send(frame(TEXT, b"a") + frame(TEXT, b"b" * 1000) + frame(PING))
    assert pair.take() == "a"
    assert not pair.connection.wants_read
    assert pair.frames == []
    assert pair.take() == "b" * 1000
    assert pair.connection.wants_read
    assert pair.frames == [Frame(PONG, b"")]


def test_a_transport_that_is_gone_is_told_though_messages_wait() -> None:
    pair = WebSocketPair(Settings(limit_read_buffer=1))
    pair.open()
    pair.send(frame(TEXT, b"a") + frame(TEXT, b"b") + close_frame(3000))
    pair.lose()
    assert pair.exchange.disconnected
    for message in (text("x"), close()):
        with pytest.raises(ClientDisconnected):
            pair.tell(message)
    assert (pair.take(), pair.take()) == ("a", "b")
    assert pair.disconnect() == (3000, "")


@pytest.mark.parametrize("error", [None, ValueError()], ids=["return", "error"])
def test_returning_while_messages_wait_of_a_transport_that_is_gone_says_nothing(
    error: BaseException | None,
) -> None:
    pair = WebSocketPair(Settings(limit_read_buffer=1))
    pair.open()
    pair.send(frame(TEXT, b"a") + frame(TEXT, b"b"))
    pair.lose()
    pair.finish(error)
    assert pair.frames == []
    assert pair.connection.closed
    assert pair.connection.deadline == math.inf


@pytest.mark.parametrize("behind", [b"", close_frame(1001)], ids=["nothing", "close"])
def test_what_waits_behind_messages_is_dropped_by_the_applications_close(behind: bytes) -> None:
    pair = WebSocketPair(Settings(limit_read_buffer=1))
    pair.open()
    pair.send(frame(TEXT, b"a") + frame(TEXT, b"b") + frame(PING) + behind)
    assert not pair.connection.wants_read
    pair.tell(close(1000))
    assert pair.connection.wants_read
    assert pair.connection.write_ended is bool(behind)
    assert pair.disconnect() == (1000, "")
    assert pair.frames == [Frame(CLOSE, b"\x03\xe8")]


def test_a_client_that_has_ended_its_side_is_not_waited_for() -> None:
    pair = WebSocketPair(Settings(limit_read_buffer=1))
    pair.open()
    pair.connection.receive_data(frame(TEXT, b"a") + frame(TEXT, b"b"), pair.now)
    pair.connection.receive_eof(pair.now)
    pair.tell(text("x"))
    pair.tell(close(1000))
    assert [seen.opcode for seen in pair.frames] == [TEXT, CLOSE]
    assert pair.connection.closed
