"""How a connection ends: by its peer, with its transport, in time, and by a shutdown."""

from __future__ import annotations

import math

import pytest

from sansio import (
    ClientDisconnected,
    Settings,
)
from tests.pair import Pair, respond
from tests.sansio.bare_connection import GET, POST, assert_over, connect, open_exchange, states

# The peer's end.


def test_the_end_of_an_idle_peer_is_the_end() -> None:
    pair = Pair(respond())
    pair.request()
    pair.eof()
    assert pair.closed
    assert pair.connection.error is None


def test_a_peer_that_ends_after_its_request_still_gets_the_response() -> None:
    """RFC 9112 §9.6: a half-closed connection does not "imply that the client is no longer interested"."""
    pair = Pair()
    pair.request()
    pair.eof()
    pair.eof()
    assert pair.call.exchange.half_closed
    assert not pair.call.exchange.disconnected
    assert pair.call.receive() == {"type": "http.request", "body": b"", "more_body": False}
    assert pair.call.receive() == {"type": "http.disconnect"}
    pair.call.respond(b"hi")
    assert pair.response.body == b"hi"
    assert pair.response.complete
    assert pair.closed


def test_ending_twice_is_ending_once() -> None:
    connection = connect()
    exchange = open_exchange(connection)
    connection.receive_eof(1.0)
    before = states(connection)
    assert connection.take_ready() == [exchange]
    connection.receive_eof(2.0)
    assert connection.take_ready() == []
    assert states(connection)[:3] == before[:3]


def test_a_request_cut_short_is_a_disconnect() -> None:
    """RFC 9112 §8: an incomplete message; the content that came must not look complete."""
    pair = Pair()
    pair.send(POST + b"abc")
    pair.eof()
    assert pair.call.exchange.disconnected
    assert pair.call.receive() == {"type": "http.disconnect"}
    with pytest.raises(ClientDisconnected):
        pair.call.send({"type": "http.response.start", "status": 200})
    assert pair.closed


# Loss.


def test_a_lost_transport_disconnects_the_exchange_at_once() -> None:
    connection = connect()
    exchange = open_exchange(connection, POST)
    assert exchange.receive(0.0) is None
    connection.connection_lost(1.0)
    assert connection.take_ready() == [exchange]
    assert exchange.disconnected
    assert exchange.ended
    for _ in range(3):
        assert exchange.receive(1.0) == {"type": "http.disconnect"}
        with pytest.raises(ClientDisconnected):
            exchange.send({"type": "http.response.start", "status": 200}, 1.0)
    exchange.finish(ClientDisconnected(), 2.0)
    assert exchange.failure is None
    assert_over(connection)


def test_a_lost_transport_wakes_an_application_that_waits_to_send() -> None:
    pair = Pair(settings=Settings(limit_write_buffer=1))
    pair.stall()
    pair.request()
    pair.call.send({"type": "http.response.start", "status": 200})
    pair.call.send({"type": "http.response.body", "body": b"abc", "more_body": True})
    assert not pair.call.exchange.can_send
    named = pair.call.named
    pair.lose()
    assert pair.call.named == named + 1
    assert pair.call.exchange.disconnected


def test_losing_the_transport_twice_is_losing_it_once() -> None:
    connection = connect()
    exchange = open_exchange(connection)
    connection.connection_lost(1.0)
    assert connection.take_ready() == [exchange]
    connection.connection_lost(2.0)
    assert connection.take_ready() == []
    assert_over(connection)


def test_a_complete_response_is_not_undone_by_the_loss() -> None:
    pair = Pair()
    pair.request()
    pair.call.send({"type": "http.response.start", "status": 200})
    pair.call.send({"type": "http.response.body"})
    pair.lose()
    assert not pair.call.exchange.disconnected
    pair.call.send({"type": "http.response.body"})
    pair.call.finish()
    assert pair.call.exchange.statistics(pair.now).complete


# Time.


@pytest.mark.parametrize("data", [b"", b"GET", GET, POST, POST + b"abc", b"bad\n"], ids=repr)
def test_a_timeout_before_its_time_changes_nothing(data: bytes) -> None:
    connection = connect()
    connection.receive_data(data, 1.0)
    for exchange in connection.take_ready():
        exchange.receive(1.0)
        exchange.receive(1.0)
    connection.data_to_send()
    before = states(connection)
    for now in (-math.inf, 0.0, 1.0, math.nextafter(min(connection.deadline, 1e9), 0.0)):
        connection.handle_timeout(now)
        connection.handle_timeout(now)
    assert states(connection) == before


@pytest.mark.parametrize(
    "data", [pytest.param(b"GET / HT", id="in a head"), pytest.param(POST, id="waiting for content")]
)
@pytest.mark.parametrize("grace", [1.0, 31.0, 1000.0])
def test_a_late_timer_finds_one_end_only(data: bytes, grace: float) -> None:
    """An application that blocks the loop makes several deadlines pass at once."""
    connection = connect(Settings(timeout_graceful_shutdown=grace))
    connection.receive_data(data, 0.0)
    exchanges = connection.take_ready()
    for exchange in exchanges:
        assert exchange.receive(0.0) is None
    connection.shut_down(0.0)
    connection.handle_timeout(1e6)
    was_closed = connection.closed
    output = connection.data_to_send()
    assert not (was_closed and output)
    assert output.count(b"HTTP/1.1 ") <= 1
    for exchange in exchanges:
        assert exchange.disconnected
    if not connection.closed:
        connection.handle_timeout(2e6)
    assert_over(connection)


def test_a_timer_that_is_late_for_everything_ends_a_connection_in_few_steps() -> None:
    connection = connect()
    connection.receive_data(b"GET / HT", 0.0)
    for step in range(1, 4):
        connection.handle_timeout(step * 1e6)
        connection.data_to_send()
    assert_over(connection)


def test_a_client_that_is_slow_to_take_the_response_is_not_idle() -> None:
    """The keep-alive time is for clients that could ask and do not; this one still waits for what it asked for."""
    pair = Pair(settings=Settings(timeout_keep_alive=5.0), now=0.0)
    pair.stall()
    pair.request()
    pair.call.respond(bytes(100_000))
    pair.run_until(20.0)
    pair.resume()
    assert pair.response.complete
    assert not pair.closed
    assert pair.connection.deadline == 25.0
    pair.request()
    pair.calls[1].respond()
    assert len(pair.responses) == 2
    pair.run_until_closed()


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(
    "blocked", [False, True], ids=["application has finished", "application waits to send"]
)
def test_pipelined_requests_are_served_however_slow_the_client_is_to_take_the_responses(
    count: int, blocked: bool
) -> None:
    settings = Settings(timeout_keep_alive=5.0, timeout_request_head=3.0)
    pair = Pair(respond(bytes(100_000)) if blocked else None, settings, now=0.0)
    pair.stall()
    pair.send(GET * count + GET[:5])
    if not blocked:
        pair.call.respond(bytes(100_000))
        pair.app = respond(b"hi")
    pair.run_until(20.0)
    pair.resume()
    assert len(pair.responses) == count
    assert pair.connection.deadline > 20.0
    pair.send(GET[5:])
    assert [response.status for response in pair.responses] == [200] * (count + 1)


# Shutdown.


def test_an_idle_connection_is_closed_at_once() -> None:
    for connection in (connect(), Pair(respond()).connection):
        connection.shut_down(0.0)
        assert_over(connection)


def test_an_open_exchange_is_finished_and_the_client_told() -> None:
    """RFC 9112 §9.6: a server that is going to close says so."""
    pair = Pair()
    pair.request()
    pair.shut_down()
    pair.call.respond(b"hi")
    assert pair.response.values(b"connection") == [b"close"]
    assert pair.response.complete
    assert pair.eof_received
    pair.eof()
    assert pair.closed


def test_nothing_new_is_opened() -> None:
    pair = Pair()
    pair.send(GET + GET)
    pair.shut_down()
    pair.call.respond()
    pair.run_until_closed()
    assert len(pair.calls) == 1


def test_what_does_not_finish_is_cut_off_in_time() -> None:
    pair = Pair(settings=Settings(timeout_graceful_shutdown=10.0), now=0.0)
    pair.request()
    pair.shut_down()
    assert pair.connection.deadline == 10.0
    assert pair.advance()
    assert pair.closed
    assert pair.call.exchange.disconnected


def test_asking_for_shutdown_again_does_not_postpone_it() -> None:
    pair = Pair(settings=Settings(timeout_graceful_shutdown=10.0), now=0.0)
    pair.request()
    pair.shut_down()
    pair.run_until(9.0)
    pair.shut_down()
    assert pair.connection.deadline == 10.0


def test_a_peer_that_takes_nothing_does_not_hold_up_the_shutdown() -> None:
    pair = Pair(respond(bytes(100_000)), Settings(timeout_graceful_shutdown=10.0), now=0.0)
    pair.stall()
    pair.request()
    pair.shut_down()
    pair.run_until(10.0)
    assert pair.closed


def test_a_shutdown_of_a_connection_that_is_closing_leaves_no_deadline_behind() -> None:
    connection = connect()
    connection.receive_data(b"bad\r\n", 0.0)
    connection.receive_eof(0.0)
    assert not connection.closed
    connection.shut_down(1.0)
    assert connection.data_to_send().startswith(b"HTTP/1.1 400 ")
    assert_over(connection)
