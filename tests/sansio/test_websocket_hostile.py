"""What a client or an application may do to a session without costing more than a bounded amount."""

from __future__ import annotations

import pytest

from sansio import Settings
from tests.sansio.websocket_client import CONTINUATION, HANDSHAKE, WebSocketPair, frame

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


@pytest.mark.parametrize("size", [0, 125])
def test_a_flood_of_pings_to_a_client_that_never_reads_fills_no_memory(size: int) -> None:
    pair = WebSocketPair(Settings(limit_write_buffer=10_000))
    pair.open()
    pair.stall()
    flood = frame(PING, b"p" * size) * 500
    for _ in range(20):
        pair.send(flood)
    assert pair.connection.size <= 10_000 + 127
    assert pair.exchange.can_send
    pair.resume()
    assert pair.frames[-1].opcode == PONG


@pytest.mark.parametrize("kind", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 1000])
def test_messages_that_are_not_taken_stop_the_reading(kind: int, size: int) -> None:
    """Empty ones are not for nothing."""
    pair = WebSocketPair(Settings(limit_read_buffer=65_536))
    pair.open()
    for _ in range(400):
        pair.send(frame(kind, b"a" * size))
    assert pair.exchange.statistics(pair.now).messages_in <= 65_536 // max(size, 200) + 1
    assert pair.unread > 0
    for _ in range(400):
        assert len(pair.take()) == size
    assert pair.receive() is None
    assert (pair.unread, pair.connection.wants_read) == (0, True)


def test_what_comes_before_the_answer_stays_on_the_wire() -> None:
    pair = WebSocketPair()
    pair.send(HANDSHAKE)
    for _ in range(1000):
        pair.send(frame(TEXT, b"a" * 100))
    assert pair.unread >= 998 * 106
    pair.receive()
    pair.tell({"type": "websocket.accept"})
    for _ in range(1000):
        assert pair.take() == "a" * 100


def test_a_client_that_answers_no_ping_because_it_reads_nothing_is_given_up() -> None:
    pair = WebSocketPair(Settings(limit_write_buffer=10, ws_ping_interval=20.0, ws_ping_timeout=20.0))
    pair.open()
    pair.stall()
    pair.tell({"type": "websocket.send", "text": "a" * 100})
    size = pair.connection.size
    pair.run_until(pair.now + 40)
    assert pair.connection.size - size < 100
    assert pair.disconnect() == (1006, "")
    assert pair.exchange.disconnected
    pair.resume()
    assert [seen.opcode for seen in pair.frames] == [TEXT, PING, CLOSE]


def test_pongs_that_nobody_asked_for_keep_no_dead_session() -> None:
    """RFC 6455 §5.5.3: "A response to an unsolicited Pong frame is not expected"."""
    pair = WebSocketPair(Settings(ws_ping_interval=20.0, ws_ping_timeout=20.0))
    pair.open()
    for _ in range(39):
        pair.run_until(pair.now + 1)
        pair.send(frame(PONG, b"x") + frame(PONG) + frame(PONG, b"0"))
    assert pair.close is None
    pair.run_until(pair.now + 1)
    assert pair.close is not None


def test_a_message_without_end_is_bounded_in_octets_and_in_fragments() -> None:
    for fragment, limit in ((b"a" * 100, 10), (b"", 50)):
        pair = WebSocketPair(Settings(ws_max_size=1000, ws_max_fragments=50))
        pair.open()
        pair.send(frame(TEXT, fragment, fin=False))
        for _ in range(limit - 1):
            pair.send(frame(CONTINUATION, fragment, fin=False))
        assert pair.frames == []
        pair.send(frame(CONTINUATION, fragment, fin=False))
        assert pair.disconnect() == (1009, "")
        assert len(pair.frames) == 1


@pytest.mark.parametrize("size", [1001, 65_536, 2**62, 2**63 - 1])
def test_a_frame_that_is_too_big_is_refused_by_its_header(size: int) -> None:
    pair = WebSocketPair(Settings(ws_max_size=1000))
    pair.open()
    length = b"\xfe" + size.to_bytes(2, "big") if size < 65_536 else b"\xff" + size.to_bytes(8, "big")
    pair.send(b"\x82" + length + b"mask")
    assert pair.disconnect() == (1009, "")
    assert pair.connection.write_ended
