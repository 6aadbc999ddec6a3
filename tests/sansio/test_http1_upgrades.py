"""An HTTP/1 connection that becomes a WebSocket, and requests that ask for it in vain. More in test_websocket.py."""

from __future__ import annotations

from typing import Any

import pytest

from sansio import Message, Settings
from tests.messages import body, start
from tests.pair import Pair, respond
from tests.sansio.websocket_client import HANDSHAKE, WebSocketPair, close_frame, frame

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
readers = pytest.mark.parametrize("reader", ["fast", "h11"])


ACCEPT: Message = {"type": "websocket.accept"}
UNANSWERED: Message = {"type": "websocket.disconnect", "code": 1006, "reason": ""}


@readers
def test_an_accepted_websocket_has_the_connection_to_itself(reader: Any) -> None:
    pair = WebSocketPair(Settings(http1_reader=reader, limit_requests_per_connection=1))
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    assert (pair.status, pair.connection.deadline) == (101, pair.now + 20)
    pair.send(frame(1, b"a"), frame(1, GET))
    assert pair.receive() == {"type": "websocket.connect"}
    assert (pair.take(), pair.take()) == ("a", GET.decode())
    pair.send(close_frame(1000) + GET, GET)
    pair.eof()
    assert (len(pair.exchanges), pair.connection.closed) == (1, True)


@readers
def test_a_websocket_may_follow_requests(reader: Any) -> None:
    pair = WebSocketPair(Settings(http1_reader=reader))
    pair.send(GET + HANDSHAKE)
    pair.tell(start())
    pair.tell(body())
    assert [exchange.scope["type"] for exchange in pair.exchanges] == ["http", "websocket"]
    del pair.exchanges[0]
    pair.finish()
    assert pair.output.count(b"HTTP/1.1 500 ") == 1


@readers
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GET", b"POST"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Connection: Upgrade", b"Connection: keep-alive"),
        (b"Upgrade: websocket", b"Upgrade: h2c"),
        (b"", b""),
    ],
    ids=["post", "http-1.0", "no-connection", "another", "setting"],
)
def test_what_is_no_handshake_is_an_ordinary_request(reader: Any, old: bytes, new: bytes) -> None:
    """RFC 9110 §7.8: "A server MAY ignore a received Upgrade header field", and of HTTP/1.0 it must."""
    pair = Pair(respond(b"hi"), Settings(http1_reader=reader, ws=bool(old)))
    pair.send(HANDSHAKE.replace(old, new) + GET)
    assert pair.calls[0].scope["type"] == "http"
    assert pair.responses[0].body == b"hi"
    assert len(pair.calls) == (1 if new == b"HTTP/1.0" else 2)


@readers
def test_another_version_of_websocket_is_answered_with_ours(reader: Any) -> None:
    """RFC 6455 §4.2.2; RFC 9110 §15.5.22."""
    pair = Pair(settings=Settings(http1_reader=reader))
    pair.send(HANDSHAKE.replace(b"13", b"14") + GET)
    response = pair.response
    assert (response.status, pair.calls, pair.eof_received) == (426, [], True)
    assert response.values(b"upgrade") == [b"websocket"]
    assert response.values(b"sec-websocket-version") == [b"13"]
    assert response.values(b"connection") == [b"close"]


def test_what_comes_before_the_answer_is_held_within_a_bound() -> None:
    pair = WebSocketPair()
    pair.send(HANDSHAKE + frame(1, b"a"))
    assert not pair.connection.wants_read
    pair.send(frame(1, b"b"))
    assert pair.unread > 0
    assert pair.receive() == {"type": "websocket.connect"}
    assert pair.receive() is None
    pair.tell(ACCEPT)
    assert (pair.take(), pair.take(), pair.unread) == ("a", "b", 0)


@pytest.mark.parametrize("early", [b"", frame(1, b"a"), close_frame(3000)], ids=["nothing", "text", "close"])
def test_a_client_that_ended_its_side_before_the_answer_is_told_of_it(early: bytes) -> None:
    pair = WebSocketPair()
    pair.connection.receive_data(HANDSHAKE + early, pair.now)
    pair.connection.receive_eof(pair.now)
    pair.settle()
    pair.receive()
    pair.tell(ACCEPT)
    assert (pair.status, pair.connection.closed) == (101, True)
    if early == frame(1, b"a"):
        assert pair.take() == "a"
    assert pair.disconnect()[0] == (3000 if early == close_frame(3000) else 1006)


def test_a_handshake_has_its_time_from_when_it_came() -> None:
    pair = WebSocketPair(Settings(ws_handshake_timeout=60.0))
    pair.run_until(pair.now + 2)
    pair.send(HANDSHAKE)
    assert pair.connection.deadline == pair.now + 60
    pair.run_until(pair.now + 60)
    assert (pair.status, pair.connection.write_ended) == (500, True)


def test_an_answered_handshake_has_no_deadline_any_more() -> None:
    pair = WebSocketPair(Settings(ws_handshake_timeout=5.0))
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    pair.run_until(pair.now + 19)
    assert pair.content == b""


def test_pings_come_and_end_at_their_time() -> None:
    pair = WebSocketPair(Settings(ws_ping_interval=20.0, ws_ping_timeout=20.0))
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    pair.run_until(pair.now + 20)
    assert [seen.opcode for seen in pair.frames] == [9]
    pair.run_until(pair.now + 20)
    assert ([seen.opcode for seen in pair.frames], pair.connection.write_ended) == ([9, 8], True)


def test_a_late_timer_sends_no_ping_behind_the_end() -> None:
    pair = WebSocketPair(Settings(ws_ping_interval=20.0, ws_ping_timeout=10.0))
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    pair.run_until(pair.now + 20)
    pair.connection.handle_timeout(pair.now + 100)
    pair.settle()
    assert [seen.opcode for seen in pair.frames] == [9, 8]
    pair.receive()
    assert pair.disconnect() == (1006, "")


def test_a_lost_client_and_an_ended_one_are_told_to_the_session() -> None:
    for end in (WebSocketPair.eof, WebSocketPair.lose):
        pair = WebSocketPair()
        pair.send(HANDSHAKE)
        pair.tell(ACCEPT)
        pair.receive()
        end(pair)
        assert (pair.receive(), pair.connection.closed) == (UNANSWERED, True)


def test_the_last_ping_is_answered_when_there_is_room() -> None:
    pair = WebSocketPair(Settings(limit_write_buffer=1))
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    pair.stall()
    pair.send(frame(9, b"1"), frame(9, b"2"), frame(9, b"3"))
    pair.resume()
    assert [seen.payload for seen in pair.frames] == [b"1", b"3"]


@pytest.mark.parametrize("when", ["head", "before", "after"])
def test_shutting_down_ends_a_websocket(when: str) -> None:
    """A handshake that has begun is still answered."""
    pair = WebSocketPair(Settings(ws_close_timeout=10.0, timeout_graceful_shutdown=15.0))
    pair.send(HANDSHAKE[:20])
    if when == "head":
        pair.shut_down()
    pair.send(HANDSHAKE[20:])
    if when == "before":
        pair.shut_down()
    pair.tell(ACCEPT)
    if when == "after":
        pair.shut_down()
    assert [seen.payload for seen in pair.frames] == [b"\x03\xf4"]
    pair.receive()
    assert pair.disconnect() == (1012, "")
    assert not pair.connection.write_ended
    pair.run_until(pair.now + 10)
    assert (pair.connection.write_ended, pair.connection.closed) == (True, False)
    pair.run_until(pair.now + 5)
    assert pair.connection.closed


def test_shutting_down_cuts_off_a_handshake_that_stays_unanswered() -> None:
    pair = WebSocketPair(Settings(timeout_graceful_shutdown=15.0))
    pair.send(HANDSHAKE)
    pair.receive()
    pair.shut_down()
    pair.run_until(pair.now + 15)
    assert (pair.output, pair.connection.closed) == (b"", True)
    assert pair.receive() == UNANSWERED
