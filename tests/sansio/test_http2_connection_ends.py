"""HTTP/2's stream 0: how a connection ends, and what comes behind its end.

Source: RFC 9113 §5.4.1, §6.8.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import pytest

from sansio import Connection, Settings
from tests.peers import (
    GOAWAY,
    PREFACE,
    Code,
    data,
    goaway,
    ping,
    request,
    settings,
)
from tests.sansio.http2_client import H2, Http2Pair

NOW: Final = 1000.0
LARGEST: Final = 2**31 - 1


def connect(now: float = 0.0, **limits: float) -> Connection:
    return Connection(H2, Settings(**limits), now)  # type: ignore[arg-type] # mypy takes each for all.


# Ending.


def test_draining_lets_in_what_is_on_its_way() -> None:
    """RFC 9113 §6.8: GOAWAY with 2^31-1, and "after allowing time for any in-flight stream creation" another."""
    pair = Http2Pair()
    first = pair.open()
    pair.shut_down()
    pair.shut_down()
    assert pair.observer.goaways == [(LARGEST, Code.NO_ERROR)]
    late = pair.open()
    pair.send(ping(pair.observer.pings[-1], ack=True))
    assert pair.observer.goaways[1:] == [(3, Code.NO_ERROR)]
    pair.send(request(5))
    assert len(pair.calls) == 2
    late.respond(b"late")
    assert not pair.ended
    first.respond(b"first")
    assert (first.view.content, late.view.content) == (b"first", b"late")
    assert pair.ended
    pair.eof()
    assert pair.connection.closed


def test_a_client_that_answers_no_ping_has_a_second() -> None:
    pair = Http2Pair()
    call = pair.open()
    pair.shut_down()
    pair.run_until(NOW + 0.9)
    assert len(pair.observer.goaways) == 1
    pair.run_until(NOW + 1.0)
    assert pair.observer.goaways == [(LARGEST, Code.NO_ERROR), (1, Code.NO_ERROR)]
    call.respond()
    assert pair.ended


def test_a_shutdown_has_an_end() -> None:
    pair = Http2Pair(Settings(timeout_graceful_shutdown=10.0))
    call = pair.open()
    pair.shut_down()
    pair.run_until(NOW + 5.0)
    pair.shut_down()
    pair.run_until(NOW + 9.9)
    assert not pair.connection.closed
    pair.run_until(NOW + 10.0)
    assert pair.connection.closed
    assert call.is_disconnected()


def test_a_client_that_opens_no_more_streams_gets_what_it_has_asked_for() -> None:
    """RFC 9113 §6.8."""
    pair = Http2Pair()
    call = pair.open()
    pair.send(goaway())
    pair.send(goaway(), request(3))
    assert pair.observer.goaways == [(1, Code.NO_ERROR)]
    call.respond(b"content")
    assert (call.view.content, pair.ended) == (b"content", True)


def test_an_error_is_told_with_the_last_stream_and_a_reason() -> None:
    """RFC 9113 §5.4.1, §6.8."""
    pair = Http2Pair()
    call = pair.open()
    pair.send(request(7), data(9, b"on an idle stream") + ping())
    last = pair.frames[-1]
    assert (last.kind, last.payload[:8]) == (GOAWAY, (7).to_bytes(4, "big") + (1).to_bytes(4, "big"))
    assert last.payload[8:].isascii()
    assert len(last.payload) > 8
    assert pair.connection.error is not None
    assert call.is_disconnected()
    pair.expect_connection_error(Code.PROTOCOL_ERROR)


def test_an_error_behind_the_announced_last_names_that_one() -> None:
    """RFC 9113 §6.8: "Endpoints MUST NOT increase the value they send in the last stream identifier"."""
    pair = Http2Pair()
    pair.open()
    pair.send(goaway())
    pair.send(request(3), ping(b"short"))
    assert pair.observer.goaways == [(1, Code.NO_ERROR), (1, Code.FRAME_SIZE_ERROR)]


def test_the_first_fault_is_the_one_that_is_told() -> None:
    pair = Http2Pair(Settings(limit_request_body=1))
    pair.open(b"POST", end=False)
    pair.send(data(1, b"too much"))
    error = pair.connection.error
    assert error is not None
    assert error.status == 413
    pair.send(ping(b"short"))
    assert pair.connection.error is error


# Behind the end.


@pytest.mark.parametrize("end", [Connection.receive_eof, Connection.connection_lost])
def test_the_peer_s_end_is_the_end(end: Callable[[Connection, float], None]) -> None:
    connection = connect()
    connection.receive_data(PREFACE + settings() + request(1), 0.0)
    [exchange] = connection.take_ready()
    connection.data_to_send()
    end(connection, 1.0)
    assert exchange.disconnected
    assert (connection.closed, connection.deadline) == (True, math.inf)


def test_what_comes_behind_an_error_is_dropped_up_to_a_limit() -> None:
    connection = connect(limit_discard=100)
    connection.receive_data(PREFACE + settings() + ping(b"short"), 0.0)
    connection.data_to_send()
    assert (connection.write_ended, connection.closed) == (True, False)
    connection.receive_data(bytes(100), 1.0)
    assert not connection.closed
    connection.receive_data(b"x", 1.0)
    assert connection.closed


def test_a_peer_that_does_not_end_its_side_is_not_waited_for() -> None:
    connection = connect(timeout_linger=2.0)
    connection.receive_data(PREFACE + settings() + ping(b"short"), 0.0)
    connection.data_to_send()
    assert connection.deadline == 2.0
    connection.handle_timeout(2.0)
    assert connection.closed


@pytest.mark.parametrize("linger", [2.0, 0.0])
def test_a_peer_that_is_slow_to_take_the_last_has_its_time_from_then(linger: float) -> None:
    connection = connect(timeout_linger=linger)
    connection.receive_data(PREFACE + settings() + ping(b"short"), 0.0)
    connection.handle_timeout(linger)
    assert connection.wants_write
    if linger:
        assert connection.deadline == 4.0
        connection.data_to_send()
        connection.handle_timeout(4.0)
        assert (connection.closed, connection.deadline) == (False, 6.0)
        connection.handle_timeout(6.0)
    else:
        connection.data_to_send()
    assert (connection.closed, connection.deadline) == (True, math.inf)


def test_a_shutdown_bounds_the_wait_for_who_takes_nothing() -> None:
    connection = connect(timeout_graceful_shutdown=3.0, timeout_linger=2.0)
    connection.receive_data(PREFACE + settings() + ping(b"short"), 0.0)
    connection.shut_down(0.5)
    connection.handle_timeout(2.0)
    assert connection.deadline == 3.5
    connection.handle_timeout(3.5)
    assert (connection.closed, connection.deadline) == (True, math.inf)


def test_a_late_timeout_leaves_no_deadline_behind() -> None:
    connection = connect(timeout_graceful_shutdown=3.0, timeout_linger=2.0)
    connection.receive_data(PREFACE + settings() + ping(b"short"), 0.0)
    connection.shut_down(0.5)
    connection.handle_timeout(2.0)
    connection.handle_timeout(4.5)
    assert (connection.closed, connection.deadline) == (True, math.inf)


def test_deadlines_of_an_open_connection_end_with_it() -> None:
    """Of those that are due together the first ends the connection, and the others are none of its business."""
    connection = connect(
        timeout_request_head=5.0,
        http2_settings_timeout=5.0,
        http2_keep_alive_interval=5.0,
        timeout_linger=9.0,
    )
    connection.data_to_send()
    connection.handle_timeout(5.0)
    assert connection.data_to_send()[3] == GOAWAY
    assert connection.deadline == 14.0
    assert not connection.wants_write
