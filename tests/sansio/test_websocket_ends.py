"""How a WebSocket ends in each of its ways, and what is known of it afterwards. RFC 6455 §7; ASGI, "WebSocket"."""

from __future__ import annotations

import pytest
from wsproto.events import CloseConnection

from sansio import (
    ClientDisconnected,
    Settings,
    TransportInfo,
    UnexpectedMessage,
)
from tests.sansio.websocket_client import Frame, WebSocketPair, close_frame, frame
from tests.sansio.websocket_words import ACCEPT, BINARY, CLOSE, GONE, PING, TEXT, close, denial, text

# Closing. More in test_websocket_closing.py.


@pytest.mark.parametrize(
    ("data", "seen", "answer"),
    [
        (close_frame(), (1005, ""), b""),
        (close_frame(1000), (1000, ""), b"\x03\xe8"),
        (close_frame(4999, "é".encode()), (4999, "é"), b"\x13\x87\xc3\xa9"),
    ],
    ids=["no code", "code", "reason"],
)
def test_the_clients_close_is_answered_and_ends_the_connection(
    data: bytes, seen: tuple[int, str], answer: bytes
) -> None:
    """RFC 6455 §5.5.1, §7.1.1: the server ends the transport first."""
    pair = WebSocketPair()
    pair.open()
    assert pair.receive() is None
    pair.send(frame(TEXT, b"a") + data + frame(TEXT, b"b"), frame(PING))
    assert pair.frames == [Frame(CLOSE, answer)]
    assert pair.connection.write_ended
    assert pair.take() == "a"
    assert pair.disconnect() == seen
    with pytest.raises(ClientDisconnected):
        pair.tell(text("x"))
    with pytest.raises(ClientDisconnected):
        pair.tell(close())
    pair.finish()
    pair.eof()
    assert pair.connection.closed
    assert len(pair.frames) == 1
    assert pair.exchange.statistics(pair.now).close_code == seen[0]


def test_the_applications_close_waits_for_the_clients() -> None:
    pair = WebSocketPair(Settings(ws_close_timeout=10.0))
    pair.open()
    pair.send(frame(TEXT, b"not taken"))
    pair.tell(close(3000, "bye"))
    assert pair.close == (3000, "bye")
    assert not pair.connection.write_ended
    assert pair.disconnect() == (3000, "bye")
    with pytest.raises(UnexpectedMessage, match="nothing more, got 'websocket.send'; .*closed by the app"):
        pair.tell(text("x"))
    with pytest.raises(UnexpectedMessage):
        pair.tell(close())
    pair.send(frame(TEXT, b"a") + frame(PING))
    assert not pair.connection.write_ended
    pair.send(close_frame(1001))
    assert pair.connection.write_ended
    assert pair.disconnect() == (3000, "bye")
    assert len(pair.frames) == 1
    with pytest.raises(UnexpectedMessage, match="the WebSocket was closed"):
        pair.tell(text("x"))


def test_a_close_without_a_code_is_1000() -> None:
    pair = WebSocketPair()
    pair.open()
    pair.tell(close(None, None))
    assert pair.frames == [Frame(CLOSE, b"\x03\xe8")]
    assert pair.disconnect() == (1000, "")


def test_a_close_that_is_not_answered_is_given_up() -> None:
    pair = WebSocketPair(Settings(ws_close_timeout=10.0))
    pair.open()
    pair.tell(close())
    pair.run_until(pair.now + 9.9)
    assert not pair.connection.write_ended
    pair.run_until(pair.now + 0.1)
    assert pair.connection.write_ended
    assert pair.disconnect() == (1000, "")


@pytest.mark.parametrize("how", ["eof", "lose"])
def test_without_a_close_frame_the_code_is_1006(how: str) -> None:
    """RFC 6455 §7.1.5."""
    pair = WebSocketPair()
    pair.open()
    pair.send(frame(TEXT, b"a") + frame(TEXT, b"b", fin=False))
    getattr(pair, how)()
    assert pair.take() == "a"
    assert pair.disconnect() == GONE
    with pytest.raises(ClientDisconnected):
        pair.tell(text("x"))
    pair.finish()
    assert pair.frames == []
    assert pair.connection.closed


def test_an_application_that_waits_before_it_accepts_is_told_of_a_client_that_has_ended_its_side() -> None:
    pair = WebSocketPair()
    pair.request()
    assert pair.receive() == {"type": "websocket.connect"}
    assert pair.receive() is None
    pair.eof()
    assert pair.disconnect() == GONE
    with pytest.raises(ClientDisconnected):
        pair.tell(ACCEPT)
    pair.finish()
    assert pair.output == b""
    assert pair.connection.closed


def test_an_application_that_accepts_first_gets_what_a_client_sent_before_it_ended_its_side() -> None:
    pair = WebSocketPair()
    pair.request()
    pair.send(frame(TEXT, b"a"))
    pair.eof()
    assert pair.receive() == {"type": "websocket.connect"}
    pair.tell(ACCEPT)
    assert pair.take() == "a"
    assert pair.disconnect() == GONE


@pytest.mark.parametrize("how", ["eof", "lose"])
def test_a_client_that_leaves_after_the_applications_close_changes_nothing(how: str) -> None:
    pair = WebSocketPair()
    pair.open()
    pair.tell(close(1001))
    getattr(pair, how)()
    assert pair.connection.closed
    assert pair.disconnect() == (1001, "")
    with pytest.raises(UnexpectedMessage):
        pair.tell(text("x"))


@pytest.mark.parametrize("closing", [False, True])
def test_a_broken_rule_ends_the_session(closing: bool) -> None:
    pair = WebSocketPair()
    pair.open()
    if closing:
        pair.tell(close(1001))
    pair.send(frame(TEXT, b"a") + frame(0x3) + frame(TEXT, b"b"))
    assert pair.connection.write_ended
    assert pair.close == ((1001, "") if closing else (1002, ""))
    assert (pair.connection.error is None) is closing
    if not closing:
        assert pair.take() == "a"
    assert pair.disconnect() == ((1001, "") if closing else (1002, ""))


# The application returns.


@pytest.mark.parametrize(("error", "code"), [(None, 1000), (ValueError(), 1011)], ids=["return", "error"])
def test_returning_closes_the_session(error: BaseException | None, code: int) -> None:
    pair = WebSocketPair()
    pair.open()
    pair.send(frame(TEXT, b"not taken"))
    pair.finish(error)
    assert pair.close == (code, "")
    pair.tell(text("of another task"))
    assert pair.disconnect() == (code, "")
    pair.send(close_frame(code))
    assert pair.connection.write_ended
    assert len(pair.frames) == 1


@pytest.mark.parametrize("error", [None, ValueError()], ids=["return", "error"])
@pytest.mark.parametrize("begun", [False, True])
def test_returning_without_an_answer_is_a_500(error: BaseException | None, begun: bool) -> None:
    pair = WebSocketPair()
    pair.request()
    if begun:
        pair.tell(denial())
    pair.finish(error)
    assert pair.status == 500
    assert b"connection: close" in pair.head
    assert pair.connection.write_ended
    assert (pair.exchange.failure is None) is (error is not None)
    pair.tell(ACCEPT)


def test_returning_after_the_end_says_nothing() -> None:
    pair = WebSocketPair()
    pair.open()
    pair.tell(close(1001))
    pair.finish(ValueError())
    assert pair.close == (1001, "")
    assert len(pair.frames) == 1


# Shutdown, and what is known afterwards.


def test_shutting_down_closes_with_1012() -> None:
    pair = WebSocketPair()
    pair.open()
    pair.send(frame(TEXT, b"a"))
    pair.shut_down()
    pair.shut_down()
    assert pair.close == (1012, "")
    assert pair.take() == "a"
    assert pair.disconnect() == (1012, "")
    with pytest.raises(ClientDisconnected):
        pair.tell(text("x"))
    pair.say(CloseConnection(code=1012))
    assert pair.connection.write_ended
    assert len(pair.frames) == 1


def test_shutting_down_after_the_applications_close_changes_nothing() -> None:
    pair = WebSocketPair()
    pair.open()
    pair.tell(close(3000))
    pair.shut_down()
    assert pair.disconnect() == (3000, "")
    assert len(pair.frames) == 1


def test_statistics_tell_of_the_session() -> None:
    pair = WebSocketPair(transport=TransportInfo(secure=True))
    pair.request()
    before = pair.exchange.statistics(pair.now)
    assert (before.kind, before.scheme, before.status, before.close_code) == ("websocket", "wss", None, None)
    pair.tell(ACCEPT)
    pair.send(frame(TEXT, b"abc") + frame(BINARY, b"d"))
    pair.tell(text("é"))
    pair.now += 5
    during = pair.exchange.statistics(pair.now)
    assert (during.status, during.close_code, during.messages_in, during.messages_out) == (101, None, 2, 1)
    assert (during.bytes_in, during.bytes_out, during.ended) == (4, 2, pair.now)
    pair.send(close_frame())
    after = pair.exchange.statistics(pair.now + 5)
    assert (after.close_code, after.opened, after.ended) == (1005, 1000.0, 1005.0)
