"""How a WebSocket ends: codes, reasons, who is told what, and when the transport goes. RFC 6455 §5.5.1, §7."""

from __future__ import annotations

from typing import Any

import pytest

from sansio import ClientDisconnected, Message, Settings, UnexpectedMessage
from tests.sansio.websocket_client import HANDSHAKE, Frame, WebSocketPair, close_frame, frame

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
ACCEPT: Message = {"type": "websocket.accept"}
TEXT_MESSAGE: Message = {"type": "websocket.send", "text": "x"}


def closing(**values: Any) -> Message:
    return {"type": "websocket.close", **values}


def payload(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2, "big") + reason


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]
)
def test_a_code_goes_both_ways(code: int) -> None:
    """RFC 6455 §7.4, and the registry of §11.7, which has 1014 too."""
    ours = WebSocketPair()
    ours.open()
    ours.tell(closing(code=code, reason="é"))
    assert ours.frames == [Frame(CLOSE, payload(code, "é".encode()))]
    assert ours.disconnect() == (code, "é")
    theirs = WebSocketPair()
    theirs.open()
    theirs.send(close_frame(code, "é".encode()))
    assert theirs.frames == [Frame(CLOSE, payload(code, "é".encode()))]
    assert theirs.disconnect() == (code, "é")


@pytest.mark.parametrize("cut", [1, 2, 7, 1_000])
@pytest.mark.parametrize("opcode", [CLOSE, PING])
def test_what_begins_like_1014_is_what_it_is(opcode: int, cut: int) -> None:
    pair = WebSocketPair()
    pair.open()
    octets = frame(opcode, b"\x03\xf6why")
    for start in range(0, len(octets), cut):
        pair.send(octets[start : start + cut])
    assert pair.frames == [Frame(CLOSE if opcode == CLOSE else PONG, b"\x03\xf6why")]


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        (closing(), (1000, "")),
        (closing(code=None, reason=None), (1000, "")),
        (closing(reason="r"), (1000, "r")),
        (closing(code=1014), (1014, "")),
    ],
    ids=["nothing", "none", "reason", "1014"],
)
def test_what_a_close_leaves_out_has_a_default(message: Message, sent: tuple[int, str]) -> None:
    pair = WebSocketPair()
    pair.open()
    pair.tell(message)
    assert pair.frames == [Frame(CLOSE, payload(sent[0], sent[1].encode()))]
    assert pair.disconnect() == sent


@pytest.mark.parametrize("unit", ["a", "é", "€", "\U0001f600"], ids=["1", "2", "3", "4"])
def test_a_reason_that_is_too_long_is_cut_between_characters(unit: str) -> None:
    """RFC 6455 §5.5: a control frame has at most 125 octets."""
    pair = WebSocketPair()
    pair.open()
    pair.tell(closing(reason=unit * 200))
    (sent,) = pair.frames
    reason = sent.payload[2:].decode()
    assert reason == unit * len(reason)
    assert 123 - len(unit.encode()) < len(reason.encode()) <= 123


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535])
def test_a_code_that_no_close_frame_may_have_is_a_broken_rule(code: int) -> None:
    """RFC 6455 §7.4.1: 1005, 1006 and 1015 "MUST NOT be set as a status code in a Close control frame"."""
    pair = WebSocketPair()
    pair.open()
    pair.send(close_frame(code))
    assert pair.frames == [Frame(CLOSE, payload(1002))]
    assert pair.disconnect() == (1002, "")


def test_what_was_sent_before_a_close_comes_before_the_disconnect_and_what_came_later_never() -> None:
    pair = WebSocketPair()
    pair.open()
    pair.send(frame(TEXT, b"1"), frame(BINARY, b"2") + frame(TEXT, b"part", fin=False) + close_frame())
    pair.send(frame(TEXT, b"3"))
    assert (pair.take(), pair.take()) == ("1", b"2")
    assert pair.disconnect() == (1005, "")


@pytest.mark.parametrize("frames", [[PING], [PONG], [TEXT, BINARY], [TEXT] * 100])
def test_only_the_peers_close_frame_counts_after_ours(frames: list[int]) -> None:
    """RFC 6455 §5.5.1."""
    pair = WebSocketPair(Settings(limit_read_buffer=10))
    pair.open()
    pair.tell(closing())
    for opcode in frames:
        pair.send(frame(opcode, b"a" * 100))
    assert pair.unread == 0
    assert pair.disconnect() == (1000, "")
    assert not pair.connection.write_ended
    pair.send(close_frame(1000))
    assert pair.connection.write_ended
    assert pair.frames == [Frame(CLOSE, payload(1000))]
    assert pair.exchange.statistics(pair.now).messages_in == 0


@pytest.mark.parametrize(
    "data",
    [
        frame(0x3),
        frame(TEXT, b"\xff"),
        frame(TEXT, b"a", mask=False),
        close_frame(1005),
        frame(BINARY, b"a" * 99),
    ],
    ids=["opcode", "utf-8", "unmasked", "code", "size"],
)
def test_a_rule_broken_after_our_close_ends_the_wait(data: bytes) -> None:
    pair = WebSocketPair(Settings(ws_max_size=98))
    pair.open()
    pair.tell(closing(code=4000))
    pair.send(data)
    assert pair.connection.write_ended
    assert pair.disconnect() == (4000, "")
    assert pair.frames == [Frame(CLOSE, payload(4000))]


def test_the_transport_is_ended_by_the_server_first_and_closed_with_the_clients_end() -> None:
    """RFC 6455 §7.1.1."""
    for late in (False, True):
        pair = WebSocketPair(Settings(timeout_linger=2.0))
        pair.open()
        pair.send(close_frame(1000))
        assert (pair.connection.write_ended, pair.connection.closed) == (True, False)
        if late:
            pair.run_until(pair.now + 2)
        else:
            pair.eof()
        assert pair.connection.closed


def test_what_comes_after_the_end_is_dropped_up_to_a_limit() -> None:
    pair = WebSocketPair(Settings(limit_discard=1000))
    pair.open()
    pair.send(close_frame(1000))
    pair.send(b"x" * 1000)
    assert not pair.connection.closed
    pair.send(b"x")
    assert pair.connection.closed
    assert len(pair.frames) == 1


def test_a_client_that_never_reads_our_close_frame_is_cut_off_by_the_shutdown() -> None:
    pair = WebSocketPair(Settings(timeout_graceful_shutdown=30.0))
    pair.open()
    pair.stall()
    pair.shut_down()
    pair.run_until(pair.now + 29.9)
    assert not pair.connection.closed
    pair.run_until(pair.now + 0.1)
    assert pair.connection.closed
    assert pair.frames == []
    assert pair.disconnect() == (1012, "")


@pytest.mark.parametrize("answers", [False, True])
def test_a_shutdown_waits_for_the_clients_close_frame_and_not_for_ever(answers: bool) -> None:
    pair = WebSocketPair(Settings(ws_close_timeout=10.0, timeout_graceful_shutdown=30.0))
    pair.open()
    assert pair.receive() is None
    pair.shut_down()
    assert pair.disconnect() == (1012, "")
    if answers:
        pair.send(close_frame(1012))
    pair.run_until(pair.now + 10)
    assert pair.connection.write_ended
    pair.finish()
    assert pair.frames == [Frame(CLOSE, payload(1012))]
    pair.run_until(pair.now + 20)
    assert pair.connection.closed


def test_a_shutdown_gives_the_application_what_it_had_not_taken() -> None:
    pair = WebSocketPair()
    pair.open()
    pair.send(frame(TEXT, b"1"), frame(TEXT, b"2"))
    pair.shut_down()
    pair.send(frame(TEXT, b"late"))
    assert (pair.take(), pair.take()) == ("1", "2")
    assert pair.disconnect() == (1012, "")


def test_a_shutdown_before_the_answer_lets_the_application_refuse() -> None:
    pair = WebSocketPair()
    pair.send(HANDSHAKE)
    pair.shut_down()
    pair.tell(closing())
    assert (pair.status, pair.connection.write_ended) == (403, True)


def test_a_shutdown_after_the_clients_close_changes_nothing() -> None:
    pair = WebSocketPair()
    pair.open()
    pair.send(close_frame(3001))
    pair.shut_down()
    assert pair.disconnect() == (3001, "")
    assert pair.frames == [Frame(CLOSE, payload(3001))]


@pytest.mark.parametrize("first", ["application", "client", "server", "return", "broken"])
@pytest.mark.parametrize(
    "second", ["application", "client", "server", "return", "broken", "eof", "lose", "time"]
)
def test_a_session_ends_once_whoever_ends_it(first: str, second: str) -> None:
    """RFC 6455 §5.5.1: an endpoint that has sent and received a close frame is done."""
    pair = WebSocketPair()
    pair.open()
    codes = {"application": 3000, "client": 3001, "server": 1012, "return": 1000, "broken": 1002}
    for number, what in enumerate((first, second)):
        if what == "application":
            if not number or first == "return":  # What comes after the return is ignored.
                pair.tell(closing(code=3000))
            else:
                gone = first in {"client", "server", "broken"}
                with pytest.raises(ClientDisconnected if gone else UnexpectedMessage):
                    pair.tell(closing(code=3000))
        elif what == "client":
            pair.send(close_frame(3001))
        elif what == "broken":
            pair.send(frame(0x3))
        elif what == "server":
            pair.shut_down()
        elif what == "return":
            if not number or first != "return":
                pair.finish()
        elif what == "time":
            pair.run_until(pair.now + 1000)
            assert pair.connection.closed
        else:
            getattr(pair, what)()
            assert pair.connection.closed
        assert pair.disconnect() == (codes[first], "")
    assert pair.frames == [Frame(CLOSE, payload(codes[first]))]


@pytest.mark.parametrize("how", ["eof", "lose", "close"])
def test_an_application_that_waits_is_woken_by_the_end(how: str) -> None:
    pair = WebSocketPair()
    pair.open()
    assert pair.receive() is None
    connection = pair.connection
    if how == "eof":
        connection.receive_eof(pair.now)
    elif how == "lose":
        connection.connection_lost(pair.now)
    else:
        connection.receive_data(close_frame(), pair.now)
    assert connection.take_ready() == [pair.exchange]


def test_an_application_that_waits_for_room_is_told_when_the_client_leaves() -> None:
    pair = WebSocketPair(Settings(limit_write_buffer=1))
    pair.open()
    pair.stall()
    pair.tell(TEXT_MESSAGE)
    assert not pair.exchange.can_send
    connection = pair.connection
    connection.receive_data(close_frame(), pair.now)
    assert connection.take_ready() == [pair.exchange]
    assert pair.exchange.disconnected
    with pytest.raises(ClientDisconnected):
        pair.tell(TEXT_MESSAGE)
    pair.resume()
    assert [seen.opcode for seen in pair.frames] == [TEXT, CLOSE]


def test_a_client_that_closes_before_the_answer_is_heard_after_it() -> None:
    pair = WebSocketPair()
    pair.send(HANDSHAKE + frame(TEXT, b"a") + close_frame(1001))
    pair.receive()
    assert pair.receive() is None
    pair.tell(ACCEPT)
    assert pair.take() == "a"
    assert pair.disconnect() == (1001, "")
    assert pair.frames == [Frame(CLOSE, payload(1001))]


def test_a_client_that_is_lost_before_the_answer_cannot_be_answered() -> None:
    pair = WebSocketPair()
    pair.send(HANDSHAKE)
    pair.receive()
    assert pair.receive() is None
    pair.lose()
    assert pair.disconnect() == (1006, "")
    for message in (ACCEPT, closing(), {"type": "websocket.http.response.start", "status": 400}):
        with pytest.raises(ClientDisconnected):
            pair.tell(message)
    pair.finish()
    assert pair.output == b""
    assert pair.exchange.statistics(pair.now).close_code is None


def test_an_application_that_waits_for_room_is_told_of_the_shutdown() -> None:
    pair = WebSocketPair(Settings(limit_write_buffer=1))
    pair.open()
    pair.stall()
    pair.tell(TEXT_MESSAGE)
    pair.connection.shut_down(pair.now)
    assert pair.connection.take_ready() == [pair.exchange]
    assert pair.exchange.disconnected


@pytest.mark.parametrize("open_ping", [False, True])
def test_after_our_close_frame_there_are_no_pings_and_no_pong_is_waited_for(open_ping: bool) -> None:
    pair = WebSocketPair(Settings(ws_ping_interval=5.0, ws_ping_timeout=10.0, ws_close_timeout=100.0))
    pair.open()
    if open_ping:
        pair.run_until(pair.now + 5)
    pair.tell(closing())
    pair.run_until(pair.now + 99)
    assert not pair.connection.write_ended
    assert [seen.opcode for seen in pair.frames] == ([PING] if open_ping else []) + [CLOSE]
    pair.run_until(pair.now + 1)
    assert pair.connection.write_ended
