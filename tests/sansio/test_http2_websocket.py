"""WebSockets on streams of HTTP/2: what every session goes through (RFC 8441)."""

from __future__ import annotations

import math
import random

import pytest

from sansio import ClientDisconnected, Settings
from sansio.settings import DefaultFields
from tests.peers import INITIAL_WINDOW_SIZE, RST_STREAM, Code, data, window_update
from tests.sansio.http2_client import Http2Pair
from tests.sansio.http2_websocket_client import ACCEPT, DENIAL_BODY, DENIAL_START, ask, open_socket
from tests.sansio.websocket_client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame
from tests.sansio.websocket_deflated import compress

DEFLATE = (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits")
WINDOW = 131_072
NOTHING = ((INITIAL_WINDOW_SIZE, 0),)


# The handshake.


def test_a_websocket_is_accepted_with_200_and_nothing_of_http_1() -> None:
    """RFC 8441 §5: no 101, no Upgrade, no Connection, no Sec-WebSocket-Accept; the stream stays open."""
    pair = Http2Pair(Settings(default_fields=DefaultFields(b"tricorn")))
    socket = ask(
        pair, (b"sec-websocket-protocol", b"a, b"), (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")
    )
    assert socket.view.frames == []
    socket.tell(ACCEPT, subprotocol="b", headers=[(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2")])
    assert socket.view.fields == [
        (b"server", b"tricorn"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"sec-websocket-protocol", b"b"),
    ]
    assert socket.view.status == 200
    assert len(socket.view.frames) == 1
    assert not socket.view.ended


@pytest.mark.parametrize("allowed", [True, False])
def test_compression_is_agreed_on_if_it_is_allowed(allowed: bool) -> None:
    socket = open_socket(Http2Pair(Settings(ws_per_message_deflate=allowed)), DEFLATE)
    agreed = b"permessage-deflate; client_max_window_bits=12; server_max_window_bits=12"
    assert socket.view.value(b"sec-websocket-extensions") == (agreed if allowed else None)
    socket.say("a" * 1000)
    assert [seen.compressed for seen in socket.frames] == [allowed]
    assert socket.messages == ["a" * 1000]
    if allowed:
        socket.send(frame(TEXT, compress(b"b" * 1000, 12), rsv=4))
        assert socket.take() == "b" * 1000


def test_a_close_in_place_of_an_answer_is_a_403() -> None:
    """The client need not send more: RST_STREAM(NO_ERROR), RFC 9113 §8.1."""
    pair = Http2Pair()
    socket = ask(pair)
    socket.shut(3000, "no")
    assert (socket.view.status, socket.view.content) == (403, b"Forbidden\n")
    assert socket.view.value(b"content-length") == b"10"
    socket.expect_end(by=Code.NO_ERROR)
    assert socket.disconnect() == (1006, "")
    socket.finish()
    assert socket.statistics.status == 403
    assert socket.statistics.close_code is None
    pair.expect_service()


def test_a_denial_that_is_left_incomplete_resets_the_stream() -> None:
    pair = Http2Pair()
    socket = ask(pair)
    socket.tell(DENIAL_START, status=401)
    socket.tell(DENIAL_BODY, body=b"first, ", more_body=True)
    socket.finish()
    assert socket.exchange.failure is not None
    pair.expect_stream_error(socket.call.stream, Code.INTERNAL_ERROR)


def test_an_application_that_answers_too_late_is_a_500_and_hears_of_it() -> None:
    pair = Http2Pair(Settings(ws_handshake_timeout=7.0, http2_max_concurrent_streams=2))
    socket = ask(pair)
    other = ask(pair)
    pair.run_until(pair.now + 6.9)
    assert socket.view.frames == []
    other.tell(ACCEPT)
    pair.run_until(pair.now + 0.1)
    assert socket.view.status == 500
    socket.expect_end(by=Code.NO_ERROR)
    assert socket.disconnect() == (1006, "")
    with pytest.raises(ClientDisconnected):
        socket.tell(ACCEPT)
    assert socket.exchange.failure == "the application did not answer a WebSocket's handshake in time"
    socket.finish()
    pair.expect_service()
    pair.run_until(pair.now + 6)
    other.say("a")
    assert other.messages == ["a"]


def test_what_came_before_the_answer_is_read_with_it() -> None:
    """RFC 6455 §4.1 lets no client do it; nothing is lost, and nothing is read where nobody accepts."""
    pair = Http2Pair()
    socket = ask(pair)
    first, second = frame(TEXT, b"first"), frame(PING, b"p") + frame(BINARY, b"second")
    socket.send(first[:3], first[3:], second)
    assert socket.receive() is None
    assert socket.view.frames == []
    socket.tell(ACCEPT)
    assert socket.take_all() == ["first", b"second"]
    assert socket.opcodes == [PONG]


def test_a_client_that_ends_its_side_before_the_answer_has_left() -> None:
    """No response has begun, so none may be ended: the stream is reset (RFC 9113 §8.1)."""
    pair = Http2Pair()
    socket = ask(pair)
    assert socket.receive() is None
    named = socket.call.named
    socket.end()
    assert socket.call.named > named
    assert socket.disconnect() == (1006, "")
    with pytest.raises(ClientDisconnected):
        socket.tell(ACCEPT)
    socket.finish()
    assert socket.statistics.status is None
    assert socket.view.status is None
    pair.expect_stream_error(socket.call.stream, Code.CANCEL)


def test_who_accepts_first_still_gets_what_came_before_the_end() -> None:
    socket = ask(Http2Pair())
    socket.send(frame(TEXT, b"last words"), end=True)
    socket.tell(ACCEPT)
    assert socket.view.status == 200
    assert socket.take() == "last words"
    assert socket.disconnect() == (1006, "")
    socket.expect_end(by=None)


def test_a_session_that_was_over_before_it_was_accepted_is_only_closed() -> None:
    socket = ask(Http2Pair())
    socket.send(frame(TEXT, b"a"), close_frame(3000, b"bye"), frame(TEXT, b"b"))
    socket.tell(ACCEPT)
    assert socket.take() == "a"
    assert socket.disconnect() == (3000, "bye")
    assert socket.close == (3000, "bye")
    socket.expect_end(by=Code.NO_ERROR)


def test_a_denial_that_has_begun_is_an_answer() -> None:
    pair = Http2Pair(Settings(ws_handshake_timeout=7.0))
    socket = ask(pair)
    socket.tell(DENIAL_START, status=401)
    socket.tell(DENIAL_BODY, body=b"a", more_body=True)
    pair.run_until(pair.now + 8)
    socket.tell(DENIAL_BODY, body=b"b")
    assert (socket.view.status, socket.view.content) == (401, b"ab")


def test_early_octets_may_come_one_by_one() -> None:
    socket = ask(Http2Pair())
    octets = frame(BINARY, bytes(range(250)) * 10)
    socket.send(*(octets[place : place + 1] for place in range(len(octets))))
    socket.tell(ACCEPT)
    assert socket.take() == bytes(range(250)) * 10


def test_early_messages_beyond_the_limit_wait_like_others() -> None:
    pair = Http2Pair(Settings(limit_read_buffer=1000))
    socket = ask(pair)
    socket.send(*[frame(BINARY, b"%d" % number * 500) for number in range(8)])
    socket.tell(ACCEPT)
    assert socket.statistics.messages_in == 2
    assert socket.take_all() == [b"%d" % number * 500 for number in range(8)]


# Messages.


def test_messages_go_both_ways() -> None:
    socket = open_socket(Http2Pair())
    socket.send(frame(TEXT, "häh?".encode()), frame(BINARY), frame(TEXT))
    assert socket.take_all() == ["häh?", b"", ""]
    socket.say("so", b"\xff\x00", "", b"")
    assert socket.messages == ["so", b"\xff\x00", "", b""]
    assert socket.view.ended is False


def test_a_fragmented_message_may_begin_and_end_in_any_data_frame() -> None:
    """RFC 8441 §5: DATA frames mean nothing to the WebSocket."""
    socket = open_socket(Http2Pair())
    octets = (
        frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(CONTINUATION, b"b") + frame(BINARY, b"c")
    )
    socket.send(*(octets[place : place + 1] for place in range(len(octets))))
    assert socket.take_all() == ["ab", b"c"]
    assert [(seen.opcode, seen.payload) for seen in socket.frames] == [(PONG, b"p")]


def test_a_waiting_application_is_named_when_its_message_comes() -> None:
    socket = open_socket(Http2Pair())
    assert socket.receive() is None
    named = socket.call.named
    octets = frame(TEXT, b"abc")
    socket.send(octets[:-1])
    assert socket.call.named == named
    socket.send(octets[-1:])
    assert socket.call.named == named + 1
    assert socket.take() == "abc"


def test_a_message_larger_than_frames_arrives_whole() -> None:
    pair = Http2Pair(hello=((INITIAL_WINDOW_SIZE, 2**20),))
    pair.send(window_update(0, 2**20))
    content = random.Random(1).randbytes(200_000)
    socket = open_socket(pair)
    socket.say(content)
    assert socket.messages == [content]
    octets = frame(BINARY, content)
    for start in range(0, len(octets), 16_384):
        socket.send(octets[start : start + 16_384])
    assert socket.take() == content


def test_padding_is_no_part_of_a_message_and_comes_back() -> None:
    pair = Http2Pair()
    socket = open_socket(pair)
    for _ in range(1000):
        pair.upload(socket.call.stream, frame(TEXT, b"a"), padding=255)
        assert socket.take() == "a"


# Credit, and keeping alive.


def test_an_application_that_does_not_receive_leaves_the_client_one_window() -> None:
    """RFC 9113 §5.2: what is held is bounded, and the credit comes back with the reading."""
    pair = Http2Pair(Settings(limit_read_buffer=10_000))
    socket = open_socket(pair)
    message = frame(BINARY, b"x" * 1000)
    sent = 0
    while socket.view.credit >= len(message):
        socket.send(message)
        sent += 1
        assert sent * len(message) < 10_000 + 2 * WINDOW
    assert socket.statistics.messages_in <= 10_000 // 1256 + 1
    assert socket.receive() is not None
    assert socket.view.credit < len(message)
    assert len(socket.take_all()) == sent - 1
    assert socket.view.credit > WINDOW // 2
    assert pair.observer.credit >= pair.observer.limit - WINDOW // 2


def test_a_missing_pong_ends_its_stream_and_harms_no_other() -> None:
    pair = Http2Pair(Settings(ws_ping_interval=20.0, ws_ping_timeout=10.0))
    socket, other = open_socket(pair), open_socket(pair)
    assert socket.receive() is None
    named = socket.call.named
    pair.run_until(pair.now + 20)
    other.send(frame(PONG, b"1"))
    pair.run_until(pair.now + 10)
    assert socket.call.named == named + 1
    assert socket.disconnect() == (1006, "")
    assert socket.close == (1011, "no answer to a ping")
    socket.expect_end(by=Code.NO_ERROR)
    assert socket.exchange.disconnected
    assert pair.connection.error is not None
    assert pair.connection.error.reason == "no answer to a ping"
    other.say("a")
    assert other.messages == ["a"]
    assert other.receive() is None


def test_a_ping_is_due_no_more_where_a_late_look_finds_the_pong_missing() -> None:
    """Both deadlines have passed by then: the first one is the last."""
    pair = Http2Pair(Settings(ws_ping_interval=20.0, ws_ping_timeout=10.0, timeout_keep_alive=1000.0))
    start = pair.now
    socket = open_socket(pair)
    pair.run_until(start + 20)
    pair.now = start + 45
    pair.settle()
    assert socket.opcodes == [PING, CLOSE]
    assert pair.connection.deadline == start + 1000


def test_a_ping_is_answered_at_once_and_the_last_one_when_there_is_room() -> None:
    """RFC 6455 §5.5.3."""
    pair = Http2Pair(Settings(limit_write_buffer=250, ws_ping_interval=math.inf), hello=NOTHING)
    socket = open_socket(pair)
    for number in range(10):
        socket.send(frame(PING, b"%d" % number * 100))
    pair.grant(socket.call.stream, 1000)
    answered = [seen.payload[:1] for seen in socket.frames]
    assert answered == [b"0", b"1", b"2", b"9"]
    assert socket.opcodes == [PONG] * 4


def test_a_pong_that_was_put_off_is_not_sent_behind_the_end() -> None:
    pair = Http2Pair(Settings(limit_write_buffer=250, ws_ping_interval=math.inf), hello=NOTHING)
    socket = open_socket(pair)
    socket.send(*[frame(PING, b"x" * 100)] * 10, close_frame(1000))
    pair.grant(socket.call.stream, 1000)
    assert socket.opcodes == [PONG] * 3 + [CLOSE]
    socket.expect_end(by=Code.NO_ERROR)


# The end.


def test_a_close_that_waits_for_its_window_goes_out_when_it_opens() -> None:
    pair = Http2Pair(Settings(http2_max_concurrent_streams=1), hello=NOTHING)
    socket = open_socket(pair)
    socket.send(close_frame(1000))
    assert socket.disconnect() == (1000, "")
    socket.finish()
    assert socket.view.content == b""
    socket.send(frame(TEXT, b"late") * 100)
    pair.grant(socket.call.stream, 4)
    assert socket.close == (1000, "")
    socket.expect_end(by=Code.NO_ERROR)
    assert pair.observer.credit >= pair.observer.limit - WINDOW // 2
    pair.open()  # There is room for it.


def test_a_client_that_ends_its_side_without_a_close_frame_has_left() -> None:
    """RFC 6455 §7.1.5: 1006; RFC 8441 §5: END_STREAM is what the end of a TCP connection is."""
    pair = Http2Pair()
    socket = open_socket(pair)
    socket.send(frame(TEXT, b"a"))
    socket.end()
    assert socket.exchange.disconnected
    assert socket.take() == "a"
    assert socket.disconnect() == (1006, "")
    assert socket.frames == []
    socket.expect_end(by=None)
    with pytest.raises(ClientDisconnected):
        socket.say("b")
    assert socket.statistics.complete is False
    pair.expect_service()


def test_a_shutdown_closes_every_session_with_1012_also_those_accepted_later() -> None:
    """RFC 9113 §6.8: GOAWAY as for others, and the end of the connection behind the last session."""
    pair = Http2Pair()
    first, second, waiting = open_socket(pair), open_socket(pair), ask(pair)
    plain = pair.open(b"GET")
    waiting.send(frame(TEXT, b"early"))
    pair.shut_down()
    for socket in (first, second):
        assert socket.close == (1012, "")
        assert socket.disconnect() == (1012, "")
        assert socket.exchange.disconnected
        with pytest.raises(ClientDisconnected):
            socket.say("late")
    assert waiting.view.frames == []
    on_its_way = ask(pair)
    for socket in (waiting, on_its_way):
        socket.tell(ACCEPT)
        assert socket.view.status == 200
        assert socket.close == (1012, "")
        assert socket.disconnect() == (1012, "")
    pair.shut_down()
    pair.run_until(pair.now + 1)
    plain.respond(b"still served")
    assert (plain.view.content, plain.view.ended) == (b"still served", True)
    assert [code for _, code in pair.observer.goaways] == [Code.NO_ERROR] * 2
    assert not pair.ended
    for socket in (first, second, waiting, on_its_way):
        assert not pair.ended
        socket.send(close_frame(1012))
        socket.expect_end(by=Code.NO_ERROR)
    assert pair.ended
    assert pair.error is None


def test_a_client_that_ends_its_side_while_the_server_s_close_waits_gets_no_rst_stream() -> None:
    """RFC 9113 §5.1: half-closed (remote), and closed with our END_STREAM."""
    pair = Http2Pair(hello=NOTHING)
    socket = open_socket(pair)
    socket.send(close_frame(1000))
    socket.end()
    pair.grant(socket.call.stream, 4)
    assert socket.disconnect() == (1000, "")
    assert socket.close == (1000, "")
    socket.expect_end(by=None)


def test_what_came_before_a_reset_is_still_the_application_s() -> None:
    pair = Http2Pair(Settings(limit_read_buffer=500))
    socket = open_socket(pair)
    socket.send(*[frame(BINARY, b"%d" % number * 300) for number in range(5)])
    pair.reset(socket.call)
    assert socket.exchange.disconnected
    with pytest.raises(ClientDisconnected):
        socket.say("a")
    assert [socket.take() for _ in range(5)] == [b"%d" % number * 300 for number in range(5)]
    assert socket.disconnect() == (1006, "")
    assert pair.observer.credit >= pair.observer.limit - WINDOW // 2


def test_a_connection_may_end_in_the_middle_of_a_message() -> None:
    """Windows in crumbs have exhausted their budget, and it shows when the next frame is made (RFC 9113 §10.5)."""
    pair = Http2Pair(Settings(http2_control_burst=2, http2_control_rate=1), hello=((INITIAL_WINDOW_SIZE, 2),))
    for _ in range(2):
        pair.open().respond(b"more than two octets")
    socket = open_socket(pair)
    socket.say(b"x" * 5000)
    assert pair.error == Code.ENHANCE_YOUR_CALM
    assert socket.view.content == b""
    assert socket.disconnect() == (1006, "")
    assert socket.exchange.can_send


# Statistics.


def test_statistics_tell_of_the_session() -> None:
    pair = Http2Pair()
    socket = ask(pair)
    assert (socket.statistics.status, socket.statistics.close_code) == (None, None)
    socket.tell(ACCEPT)
    socket.send(frame(TEXT, b"abc"), frame(BINARY, b"de"), frame(PING))
    socket.take_all()
    socket.say("xyz!")
    pair.run_until(pair.now + 5)
    socket.shut(3000)
    statistics = socket.statistics
    assert (statistics.kind, statistics.scheme, statistics.http_version) == ("websocket", "wss", "2")
    assert (statistics.status, statistics.close_code, statistics.complete) == (200, 3000, True)
    assert (statistics.messages_in, statistics.messages_out) == (2, 1)
    assert (statistics.bytes_in, statistics.bytes_out) == (5, 4)
    assert statistics.ended - statistics.opened == 5
    assert (statistics.method, statistics.target) == ("CONNECT", b"/chat")


def test_octets_behind_the_end_of_a_session_are_ignored() -> None:
    """They were on their way (RFC 9113 §5.1)."""
    pair = Http2Pair()
    socket = open_socket(pair)
    socket.send(close_frame(1000))
    pair.send(data(socket.call.stream, frame(TEXT, b"late")), data(socket.call.stream, end_stream=True))
    assert [seen.kind for seen in socket.view.frames].count(RST_STREAM) == 1
    pair.expect_service()
