"""What a client may do to WebSockets on HTTP/2 without harm to others, and without costing more than it should."""

from __future__ import annotations

import math
import zlib

import pytest

from sansio import ClientDisconnected, Settings
from tests.peers import (
    INITIAL_WINDOW_SIZE,
    PREFACE,
    Code,
    data,
    headers,
    ping,
    priority_update,
    rst,
    settings,
    window_update,
)
from tests.sansio.http2_client import Http2Pair
from tests.sansio.http2_websocket_client import (
    ACCEPT,
    DENIAL_BODY,
    DENIAL_START,
    VERSION,
    Socket,
    ask,
    connect,
    open_socket,
)
from tests.sansio.websocket_client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame
from tests.sansio.websocket_deflated import compress

DEFLATE = (b"sec-websocket-extensions", b"permessage-deflate")
WINDOW = 131_072
NOTHING = ((INITIAL_WINDOW_SIZE, 0),)
STATES = ["asked", "early", "accepted", "holding", "closing", "denying", "pending"]


def bring(pair: Http2Pair, state: str) -> Socket:
    """Return a session in some state."""
    socket = ask(pair)
    if state == "early":
        socket.send(frame(TEXT, b"early")[:-1])
    elif state == "denying":
        socket.tell(DENIAL_START, status=401)
        socket.tell(DENIAL_BODY, body=b"a", more_body=True)
    elif state != "asked":
        socket.tell(ACCEPT)
    if state == "holding":
        socket.send(*[frame(BINARY, b"x" * 300)] * 5)
    elif state == "closing":
        socket.shut(3000)
    elif state == "pending":
        socket.say(b"x" * 100_000)
    return socket


def left(socket: Socket) -> list[int]:
    """Take all messages: the codes of what says that the client is gone."""
    while (message := socket.receive()) is not None:
        if message["type"] == "websocket.disconnect":
            return [message["code"]]
        assert message["type"] == "websocket.receive"
    return []


@pytest.mark.parametrize("code", [Code.CANCEL, Code.NO_ERROR, Code.INTERNAL_ERROR, 0xFFFFFFFF])
@pytest.mark.parametrize("state", STATES)
def test_a_reset_in_any_state_is_a_disconnect_and_gives_back_everything(state: str, code: int) -> None:
    """RFC 8441 §5: RST_STREAM is what a reset of the TCP connection is. An application that has closed knows why."""
    pair = Http2Pair(Settings(limit_read_buffer=500, http2_max_concurrent_streams=2))
    other = open_socket(pair)
    socket = bring(pair, state)
    waits = state not in {"holding", "closing"}
    if waits:
        assert socket.receive() is None
    named = socket.call.named
    frames = len(socket.view.frames)
    pair.reset(socket.call, code)
    assert (socket.call.named == named + 1) is (state != "closing")
    assert left(socket) == [3000 if state == "closing" else 1006]
    assert left(socket) == [3000 if state == "closing" else 1006]
    if state != "closing":
        assert socket.exchange.disconnected
        with pytest.raises(ClientDisconnected):
            socket.tell("websocket.send", text="late")
    assert socket.exchange.can_send
    pair.run_until(pair.now + 1)
    assert len(socket.view.frames) == frames
    assert pair.observer.credit >= pair.observer.limit - WINDOW // 2
    socket.finish()
    pair.grant(other.call.stream, 100_000)
    pair.expect_service()
    other.say("unharmed")
    assert other.messages == ["unharmed"]


@pytest.mark.parametrize("state", ["asked", "early", "holding", "denying", "pending"])
def test_data_behind_the_end_is_an_error_of_the_stream_only(state: str) -> None:
    """RFC 9113 §5.1: STREAM_CLOSED, while the server has not ended its side yet."""
    pair = Http2Pair(Settings(limit_read_buffer=500))
    socket = bring(pair, state)
    other = open_socket(pair)
    socket.send(frame(TEXT, b"b"), end=True)
    pair.send(data(socket.call.stream, b"late"))
    assert socket.view.reset == Code.STREAM_CLOSED
    assert left(socket)
    other.say("unharmed")
    pair.grant(other.call.stream, 100_000)
    assert other.messages == ["unharmed"]
    assert pair.error is None


@pytest.mark.parametrize(
    "octets",
    [
        headers(1, [(b"x-a", b"b")]),
        headers(1, [(b"x-a", b"b")], end_stream=False),
        headers(1, [(b":a", b"b")]),
    ],
    ids=["trailers", "fields", "pseudo"],
)
def test_fields_on_a_websocket_are_an_error_of_its_stream(octets: bytes) -> None:
    """RFC 9113 §8.5: they "MUST be treated as a stream error", for a connected stream carries DATA only."""
    pair = Http2Pair()
    socket = open_socket(pair)
    pair.send(octets)
    assert socket.disconnect() == (1006, "")
    pair.expect_stream_error(socket.call.stream, Code.PROTOCOL_ERROR)


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (frame(0x3), 1002),
        (frame(TEXT, b"a", mask=False), 1002),
        (frame(CONTINUATION, b"a"), 1002),
        (frame(PING, b"a", fin=False), 1002),
        (frame(TEXT, b"a", rsv=4), 1002),
        (close_frame(1005), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (close_frame(1000, b"\xff"), 1007),
        (frame(BINARY, b"a" * 5_001), 1009),
        (PREFACE, 1002),
    ],
)
def test_a_broken_rule_of_websocket_ends_one_session(octets: bytes, code: int) -> None:
    """RFC 6455 §7.4.1. HTTP/2 has no part in it."""
    pair = Http2Pair(Settings(ws_max_size=5_000))
    socket, other = open_socket(pair), open_socket(pair)
    socket.send(frame(TEXT, b"a") + octets + frame(TEXT, b"late"))
    assert socket.take() == "a"
    assert socket.disconnect() == (code, "")
    assert socket.close == (code, "")
    socket.expect_end(by=Code.NO_ERROR)
    assert pair.connection.error is not None
    other.send(frame(TEXT, b"b"))
    assert other.take() == "b"
    assert pair.error is None


def test_a_bomb_is_not_inflated_beyond_the_limit() -> None:
    """RFC 7692 §8; 1009."""
    pair = Http2Pair(Settings(ws_max_size=100_000))
    socket = open_socket(pair, DEFLATE)
    bomb = compress(bytes(10_000_000), 15, 9)
    assert len(bomb) < 16_000
    socket.send(frame(BINARY, bomb, rsv=4))
    assert socket.disconnect() == (1009, "")
    assert socket.close == (1009, "")
    assert socket.statistics.messages_in == 0
    pair.expect_service()


def test_small_bombs_that_nobody_takes_stop_the_reading() -> None:
    pair = Http2Pair(Settings(ws_max_size=1_000_000, limit_read_buffer=1_000_000))
    socket = open_socket(
        pair, (b"sec-websocket-extensions", b"permessage-deflate; client_no_context_takeover")
    )
    bomb = frame(BINARY, compress(bytes(500_000), 15, 9), rsv=4)
    for _ in range(50):
        socket.send(bomb)
    assert socket.statistics.messages_in == 2
    assert len(socket.take_all()) == 50


def test_octets_that_are_no_deflate_are_1007_or_1002() -> None:
    socket = open_socket(Http2Pair(), DEFLATE)
    socket.send(frame(BINARY, zlib.compress(b"a" * 100), rsv=4))
    assert socket.disconnect()[0] in {1002, 1007}


@pytest.mark.parametrize("blocked", ["the window", "the transport"])
def test_a_flood_of_pings_to_a_client_that_takes_no_answers_fills_no_memory(blocked: str) -> None:
    pair = Http2Pair(
        Settings(limit_write_buffer=10_000, ws_ping_interval=math.inf),
        hello=NOTHING if blocked == "the window" else (),
    )
    socket = open_socket(pair)
    if blocked == "the transport":
        pair.stall()
    for _ in range(300):
        pair.send(data(socket.call.stream, frame(PING, b"p" * 125) * 20))
    pair.resume()
    pair.grant(socket.call.stream, 2**20)
    assert set(socket.opcodes) == {PONG}
    assert len(socket.frames) <= 2 * 10_000 // 127 + 5


def test_a_client_that_never_reads_a_session_loses_it_in_time() -> None:
    pair = Http2Pair(Settings(ws_ping_interval=math.inf, http2_window_timeout=60.0), hello=NOTHING)
    socket = open_socket(pair)
    for _ in range(70):
        pair.run_until(pair.now + 1)
        if not socket.exchange.disconnected:
            socket.send(frame(PING, b"p"))
    assert socket.view.reset == Code.CANCEL
    assert socket.disconnect() == (1006, "")


@pytest.mark.parametrize("early", [False, True])
def test_more_than_the_window_ends_the_connection(early: bool) -> None:
    """RFC 9113 §6.9.1: FLOW_CONTROL_ERROR. Nothing is held beyond the window."""
    pair = Http2Pair(Settings(http2_initial_window_size=10_000))
    socket = ask(pair) if early else open_socket(pair)
    octets = frame(BINARY, bytes(20_000))
    socket.send(octets[:1000])
    pair.send(data(socket.call.stream, octets[1000 : 1001 + socket.view.credit]))
    assert socket.exchange.disconnected
    pair.expect_connection_error(Code.FLOW_CONTROL_ERROR)


def test_empty_data_frames_are_counted_on_a_session_too() -> None:
    """CVE-2019-9518."""
    pair = Http2Pair(Settings(http2_control_burst=100))
    socket = open_socket(pair)
    for _ in range(101):
        pair.send(data(socket.call.stream))
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)
    assert left(socket) == [1006]


def test_handshakes_that_are_reset_are_counted_and_call_nobody() -> None:
    """CVE-2023-44487."""
    pair = Http2Pair(Settings(http2_reset_burst=50, http2_reset_rate=1))
    for number in range(60):
        pair.send(connect(2 * number + 1) + rst(2 * number + 1))
    assert pair.calls == []
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_sessions_that_end_well_are_not_counted_as_resets() -> None:
    pair = Http2Pair(Settings(http2_reset_burst=5, http2_reset_rate=1))
    for _ in range(30):
        socket = open_socket(pair)
        socket.send(close_frame(1000))
        socket.finish()
    assert pair.error is None
    pair.expect_service()


def test_applications_whose_clients_have_left_count_as_streams() -> None:
    pair = Http2Pair(Settings(http2_max_concurrent_streams=3))
    sockets = [open_socket(pair) for _ in range(3)]
    for socket in sockets:
        socket.send(close_frame(1000))
    stream = pair.next_id()
    pair.send(connect(stream))
    assert pair.view(stream).reset == Code.REFUSED_STREAM
    for socket in sockets:
        socket.finish()
    pair.expect_service()


@pytest.mark.parametrize("waits", [False, True], ids=["sent", "pending"])
@pytest.mark.parametrize(
    "how", ["refused", "denied", "too late", "left", "closed", "reset", "1012", "raised", "broken"]
)
def test_no_way_to_end_costs_a_stream_or_credit(how: str, waits: bool) -> None:
    """What has to be sent may wait for its window, while the application is done: nothing of it stays."""
    pair = Http2Pair(
        Settings(http2_max_concurrent_streams=1, ws_handshake_timeout=1.0, timeout_keep_alive=math.inf),
        hello=NOTHING if waits else (),
    )
    for _ in range(5):
        socket = ask(pair)
        socket.send(frame(TEXT, b"a") * 1500)
        if how == "refused":
            socket.shut()
        elif how == "denied":
            socket.tell(DENIAL_START, status=401)
            socket.tell(DENIAL_BODY, body=b"a")
        elif how == "too late":
            pair.run_until(pair.now + 1)
        elif how == "left":
            socket.end()
            left(socket)
        else:
            socket.tell(ACCEPT)
        if how == "closed":
            socket.send(close_frame(1000))
        elif how == "reset":
            pair.reset(socket.call)
        elif how == "broken":
            socket.send(frame(0x3))
        elif how == "1012":
            socket.shut(1012)
            socket.send(close_frame(1012))
        socket.finish(ValueError() if how == "raised" else None)
        if how == "raised":
            socket.send(close_frame(1011))
        if waits and not socket.view.ended and socket.view.reset is None and not socket.view.peer_reset:
            pair.grant(socket.call.stream, 1000)
        assert pair.observer.credit >= pair.observer.limit - WINDOW // 2
    pair.open().finish()
    assert pair.error is None


def test_frames_of_other_kinds_do_a_session_no_harm() -> None:
    pair = Http2Pair()
    socket = open_socket(pair)
    octets = frame(TEXT, b"abc" * 10)
    for place in range(len(octets)):
        pair.send(
            data(1, octets[place : place + 1], padding=place)
            + ping()
            + priority_update(1, b"u=%d" % (place % 8))
            + settings((INITIAL_WINDOW_SIZE, 60_000 + place))
            + window_update(1, 1)
        )
    assert socket.take() == "abc" * 10
    socket.say("d")
    assert socket.messages == ["d"]


@pytest.mark.parametrize(
    ("increment", "code"), [(0, Code.PROTOCOL_ERROR), (2**31 - 1, Code.FLOW_CONTROL_ERROR)]
)
def test_a_bad_window_update_ends_its_session(increment: int, code: int) -> None:
    """RFC 9113 §6.9, §6.9.1."""
    pair = Http2Pair()
    socket = open_socket(pair)
    pair.send(window_update(socket.call.stream, increment))
    assert socket.disconnect() == (1006, "")
    pair.expect_stream_error(socket.call.stream, code)


def test_a_field_block_in_the_middle_of_a_session_s_octets_breaks_the_connection_only_where_it_must() -> None:
    """RFC 9113 §6.10: DATA inside a field block is an error of the connection; every session hears of it."""
    pair = Http2Pair()
    sockets = [open_socket(pair), open_socket(pair)]
    pair.send(headers(5, [(b":method", b"GET")], end_headers=False) + data(1, b"\x81"))
    for socket in sockets:
        assert socket.disconnect() == (1006, "")
    pair.expect_connection_error(Code.PROTOCOL_ERROR)


def test_many_sessions_whose_windows_stay_closed_end_together() -> None:
    """The budget of resets may end with one of them, and the connection with it."""
    pair = Http2Pair(
        Settings(
            http2_window_timeout=5.0, http2_reset_burst=1, http2_reset_rate=1, ws_ping_interval=math.inf
        ),
        hello=NOTHING,
    )
    sockets = [open_socket(pair) for _ in range(4)]
    for socket in sockets:
        socket.say("a")
    pair.run_until(pair.now + 5)
    for socket in sockets:
        assert socket.disconnect() == (1006, "")
    pair.expect_connection_error(Code.ENHANCE_YOUR_CALM)


def test_a_session_that_holds_enough_is_not_ended_for_a_pong_that_it_has_not_read() -> None:
    pair = Http2Pair(Settings(limit_read_buffer=500, ws_ping_interval=20.0, ws_ping_timeout=20.0))
    socket = open_socket(pair)
    socket.send(*[frame(BINARY, b"x" * 300)] * 3)
    pair.run_until(pair.now + 20)
    socket.send(frame(PONG, b"1"))
    pair.run_until(pair.now + 100)
    assert (
        socket.opcodes == [PING] * 6
    )  # While nothing is read, only what is written finds out that a peer has gone.
    assert socket.take_all() == [b"x" * 300] * 3
    pair.run_until(pair.now + 40)
    assert socket.opcodes == [PING] * 7 + [CLOSE]


def test_a_version_that_is_given_in_pieces_is_none() -> None:
    pair = Http2Pair()
    pair.send(
        connect(1, [(b"sec-websocket-version", b"13, 8")]), connect(3, [(b"sec-websocket-version", b"013")])
    )
    pair.send(connect(5, [VERSION, (b"sec-websocket-protocol", b",".join([b"a"] * 100))]))
    assert [pair.view(stream).status for stream in (1, 3, 5)] == [400, 400, 400]
    assert pair.calls == []
