"""The face towards the socket: what may be called when, and what the outputs then promise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio import (
    Connection,
    PeerError,
    Settings,
    TransportInfo,
    UsageError,
)
from tests.pair import Pair, echo, respond
from tests.peers import PREFACE, SETTINGS, frame, request
from tests.sansio.bare_connection import GET, POST, assert_over, connect, open_exchange, states

# The beginning.


def test_a_new_connection_reads_and_waits_for_a_head_only_so_long() -> None:
    connection = connect(Settings(timeout_request_head=7.0), now=100.0)
    assert connection.wants_read
    assert not connection.wants_write
    assert not connection.closed
    assert connection.deadline == 107.0
    assert connection.take_ready() == []
    connection.handle_timeout(107.0)
    assert_over(connection)


def test_scopes_know_transport_settings_and_state() -> None:
    state = {"pool": object()}
    transport = TransportInfo(("192.0.2.1", 1), ("192.0.2.2", 2), secure=True)
    connection = Connection(transport, Settings(root_path="/app"), 0.0, state)
    scope = open_exchange(connection).scope
    assert scope["client"] == ("192.0.2.1", 1)
    assert scope["server"] == ("192.0.2.2", 2)
    assert scope["scheme"] == "https"
    assert scope["path"] == "/app/a"
    assert scope["state"] == state
    assert scope["state"] is not state


def test_the_state_is_copied_for_each_request_when_it_comes() -> None:
    state: dict[str, object] = {}
    pair = Pair(respond(), state=state)
    pair.request()
    state["later"] = 1
    pair.request()
    assert [call.scope["state"] for call in pair.calls] == [{}, {"later": 1}]


# The version of HTTP.

HTTP2 = PREFACE + frame(SETTINGS) + request(1, path=b"/a")
PRIOR_KNOWLEDGE = Settings(h2c="prior-knowledge")
PLAIN = TransportInfo()


@pytest.mark.parametrize(
    ("transport", "settings", "at_once", "preface"),
    [
        (PLAIN, Settings(), False, False),
        (TransportInfo(secure=True, alpn="http/1.1"), PRIOR_KNOWLEDGE, False, False),
        (TransportInfo(secure=True, alpn="h2"), Settings(), True, True),
        (PLAIN, Settings(http="2"), True, True),
        (PLAIN, Settings(http="1", h2c="prior-knowledge"), False, False),
        (PLAIN, PRIOR_KNOWLEDGE, False, True),
        (TransportInfo(secure=True), PRIOR_KNOWLEDGE, False, False),
    ],
)
def test_tls_or_the_first_bytes_decide_on_the_version(
    transport: TransportInfo, settings: Settings, at_once: bool, preface: bool
) -> None:
    """RFC 9113 §3.2, §3.3."""
    connection = Connection(transport, settings, 0.0)
    assert connection.multiplexes is at_once
    assert connection.wants_write is at_once  # HTTP/2's server speaks first.
    connection.receive_data(HTTP2, 0.0)
    assert connection.multiplexes is preface
    assert connection.data_to_send().startswith(b"HTTP/1.1 ") is not preface
    assert [exchange.scope["http_version"] for exchange in connection.take_ready()] == ["2"] * preface


@pytest.mark.parametrize("size", [1, 23, 24, 25])
@pytest.mark.parametrize(("data", "version"), [(HTTP2, "2"), (GET, "1.1"), (b"PRI" + GET[3:], "1.1")])
def test_the_first_bytes_may_come_in_pieces(size: int, data: bytes, version: str) -> None:
    connection = Connection(PLAIN, PRIOR_KNOWLEDGE, 0.0, {"a": 1})
    for start in range(0, len(data), size):
        connection.receive_data(data[start : start + size], 0.0)
    [exchange] = connection.take_ready()
    assert (exchange.scope["http_version"], exchange.scope["path"]) == (version, "/a")
    assert exchange.scope["state"] == {"a": 1}


@pytest.mark.parametrize("begun", [b"", PREFACE[:10]], ids=["nothing", "a part"])
@pytest.mark.parametrize("name", ["receive_eof", "shut_down", "handle_timeout", "connection_lost"])
def test_a_preface_that_does_not_come_whole_is_http_1_that_does_not(begun: bytes, name: str) -> None:
    connections = [connect(PRIOR_KNOWLEDGE), connect()]
    for connection in connections:
        connection.receive_data(begun, 0.0)
        getattr(connection, name)(30.0)
    assert states(connections[0]) == states(connections[1])
    assert connections[0].data_to_send() == connections[1].data_to_send()


# Bytes.


def test_no_bytes_are_nothing() -> None:
    connection = connect()
    before = states(connection)
    connection.receive_data(b"", 1.0)
    assert states(connection) == before
    connection.receive_eof(2.0)
    connection.receive_data(b"", 3.0)
    assert_over(connection)


def test_bytes_are_accepted_though_unwanted() -> None:
    connection = connect(Settings(limit_read_buffer=3))
    exchange = open_exchange(connection, POST + b"abc")
    assert not connection.wants_read
    connection.receive_data(b"de", 0.0)
    assert exchange.receive(0.0) == {"type": "http.request", "body": b"abcde", "more_body": False}


def test_pipelined_bytes_are_accepted_though_unwanted() -> None:
    connection = connect()
    exchange = open_exchange(connection, GET + GET[:5])
    assert not connection.wants_read
    for octet in GET[5:]:
        connection.receive_data(bytes([octet]), 0.0)
    exchange.send({"type": "http.response.start", "status": 200}, 1.0)
    exchange.send({"type": "http.response.body"}, 1.0)
    exchange.finish(None, 1.0)
    (following,) = connection.take_ready()
    assert following is not exchange


def test_bytes_after_the_peers_end_are_the_embedders_mistake() -> None:
    connection = connect()
    open_exchange(connection)
    connection.receive_eof(0.0)
    with pytest.raises(UsageError, match=r"receive_data\(\) after receive_eof\(\)"):
        connection.receive_data(b"x", 0.0)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda connection: connection.receive_eof(0.0), id="receive_eof"),
        pytest.param(lambda connection: connection.connection_lost(0.0), id="connection_lost"),
        pytest.param(lambda connection: connection.shut_down(0.0), id="shut_down"),
        pytest.param(lambda connection: connection.handle_timeout(100.0), id="handle_timeout"),
    ],
)
def test_after_the_end_every_input_is_dropped(end: Callable[[Connection], None]) -> None:
    connection = connect()
    end(connection)
    assert_over(connection)
    before = states(connection)
    connection.receive_data(GET, 200.0)
    connection.handle_timeout(200.0)
    connection.receive_eof(200.0)
    connection.shut_down(200.0)
    connection.connection_lost(200.0)
    connection.handle_timeout(1e9)
    connection.receive_data(GET, 1e9)
    assert states(connection) == before
    assert connection.take_ready() == []


def test_what_the_peer_did_wrong_is_told_once_and_first() -> None:
    connection = connect()
    assert connection.error is None
    connection.receive_data(b"GET / HTTP/2.0\r\n", 0.0)
    error = connection.error
    assert isinstance(error, PeerError)
    assert error.status == 505
    connection.receive_data(b"more of it\r\n", 0.0)
    connection.receive_eof(0.0)
    assert connection.error is error


# Cuts.


@given(st.lists(st.integers(0, 200)), st.integers(0, 3))
def test_where_the_bytes_are_cut_changes_nothing(cuts: list[int], count: int) -> None:
    data = POST + b"abcde" + GET * count
    whole, pieces = Pair(echo), Pair(echo)
    whole.send(data)
    pieces.send(data, cuts=cuts)
    assert [call.scope for call in pieces.calls] == [call.scope for call in whole.calls]
    assert [(each.status, each.body) for each in pieces.responses] == [
        (each.status, each.body) for each in whole.responses
    ]
