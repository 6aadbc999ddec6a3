"""WebSockets on streams of HTTP/2: how they end, whoever ends them (RFC 6455 §7, RFC 8441 §5)."""

from __future__ import annotations

import pytest

from sansio import ClientDisconnected, Settings, UnexpectedMessage
from tests.peers import Code
from tests.sansio.http2_client import Http2Pair
from tests.sansio.http2_websocket_client import ask, open_socket
from tests.sansio.websocket_client import BINARY, CLOSE, PING, TEXT, close_frame, frame

# The end.


@pytest.mark.parametrize(
    ("closing", "expected"),
    [
        (close_frame(3000, b"bye"), (3000, "bye")),
        (close_frame(1000), (1000, "")),
        (close_frame(), (1005, "")),
    ],
)
def test_a_client_s_close_is_echoed_and_ends_the_stream(closing: bytes, expected: tuple[int, str]) -> None:
    """RFC 6455 §5.5.1; RFC 8441 §5: END_STREAM is what closing the TCP connection is."""
    pair = Http2Pair()
    socket = open_socket(pair)
    socket.send(frame(TEXT, b"a") + closing)
    assert socket.take() == "a"
    assert socket.disconnect() == expected
    assert socket.close == expected
    socket.expect_end(by=Code.NO_ERROR)
    with pytest.raises(ClientDisconnected):
        socket.say("late")
    socket.finish()
    assert socket.statistics.close_code == expected[0]
    assert socket.statistics.complete
    pair.expect_service()


def test_a_client_that_ends_its_side_with_its_close_frame_gets_no_rst_stream() -> None:
    """RFC 9113 §5.1: END_STREAM from both sides, and the stream is closed."""
    pair = Http2Pair()
    socket = open_socket(pair)
    socket.send(close_frame(1000), end=True)
    assert socket.disconnect() == (1000, "")
    assert socket.close == (1000, "")
    socket.expect_end(by=None)
    pair.expect_service()


@pytest.mark.parametrize("ends", ["with it", "behind it", "not at all"])
def test_the_application_s_close_waits_for_the_client_s(ends: str) -> None:
    pair = Http2Pair()
    socket = open_socket(pair)
    socket.shut(3001, "enough")
    assert socket.close == (3001, "enough")
    assert not socket.view.ended
    assert socket.disconnect() == (3001, "enough")
    with pytest.raises(UnexpectedMessage):
        socket.say("late")
    socket.send(frame(TEXT, b"late"), frame(PING, b"p"))
    if ends == "behind it":
        socket.send(close_frame(3001))
        socket.expect_end(by=Code.NO_ERROR)
        socket.end()
    else:
        socket.send(close_frame(3001), end=ends == "with it")
        socket.expect_end(by=None if ends == "with it" else Code.NO_ERROR)
    assert socket.opcodes == [CLOSE]
    socket.finish()
    assert socket.statistics.close_code == 3001
    pair.expect_service()


def test_a_client_that_never_closes_has_its_time() -> None:
    pair = Http2Pair(Settings(ws_close_timeout=10.0))
    socket, other = open_socket(pair), open_socket(pair)
    socket.shut()
    pair.run_until(pair.now + 9.9)
    assert not socket.view.ended
    pair.run_until(pair.now + 0.1)
    socket.expect_end(by=Code.NO_ERROR)
    assert other.receive() is None


@pytest.mark.parametrize(("error", "code"), [(None, 1000), (ValueError(), 1011)], ids=["returns", "raises"])
def test_an_application_that_is_done_closes(error: ValueError | None, code: int) -> None:
    pair = Http2Pair()
    socket = open_socket(pair)
    socket.finish(error)
    assert socket.close == (code, "")
    socket.send(close_frame(code))
    socket.expect_end(by=Code.NO_ERROR)
    pair.expect_service()


def test_what_came_before_the_end_is_read_before_it() -> None:
    pair = Http2Pair(Settings(limit_read_buffer=500))
    socket = open_socket(pair)
    socket.send(*[frame(BINARY, b"%d" % number * 300) for number in range(5)])
    socket.end()
    assert [socket.take() for _ in range(5)] == [b"%d" % number * 300 for number in range(5)]
    assert socket.disconnect() == (1006, "")
    socket.expect_end(by=None)


def test_a_lost_connection_is_the_end_of_every_session() -> None:
    pair = Http2Pair()
    sockets = [ask(pair), open_socket(pair), open_socket(pair)]
    sockets[2].shut(3000)
    pair.lose()
    assert [socket.disconnect() for socket in sockets] == [(1006, ""), (1006, ""), (3000, "")]
    for socket in sockets:
        socket.finish()


@pytest.mark.parametrize("place", [1, 10, 200])
def test_a_close_finds_its_place_in_what_was_not_read(place: int) -> None:
    """What waits for the application is read in order, for the client's close frame alone."""
    pair = Http2Pair(Settings(limit_read_buffer=500))
    socket = open_socket(pair)
    octets = frame(BINARY, bytes(300))
    socket.send(octets, octets[:place], octets[place:-1])
    socket.shut(3000)
    socket.send(octets[-1:])
    assert not socket.view.ended
    socket.send(close_frame(3000))
    socket.expect_end(by=Code.NO_ERROR)
    assert socket.disconnect() == (3000, "")


def test_a_client_s_close_that_was_not_read_is_found_by_the_server_s() -> None:
    pair = Http2Pair(Settings(limit_read_buffer=500))
    socket = open_socket(pair)
    closing = close_frame(4000)
    socket.send(*[frame(BINARY, bytes(300))] * 3, closing[:3], closing[3:])
    assert not socket.view.ended
    socket.shut(3000)
    assert socket.opcodes == [CLOSE]
    socket.expect_end(by=Code.NO_ERROR)


# The server's end.


def test_a_session_that_is_not_closed_by_its_client_ends_with_the_time_for_it() -> None:
    pair = Http2Pair(Settings(ws_close_timeout=5.0))
    socket = open_socket(pair)
    pair.shut_down()
    pair.run_until(pair.now + 4.9)
    assert not socket.view.ended
    pair.run_until(pair.now + 0.1)
    socket.expect_end(by=Code.NO_ERROR)
    assert pair.ended


def test_a_session_that_holds_messages_is_closed_by_a_shutdown_too() -> None:
    pair = Http2Pair(Settings(limit_read_buffer=500))
    socket = open_socket(pair)
    socket.send(*[frame(BINARY, b"x" * 300)] * 5)
    pair.shut_down()
    assert socket.close == (1012, "")
    assert socket.take() == b"x" * 300
    assert socket.disconnect() == (1012, "")
