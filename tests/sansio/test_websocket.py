"""The WebSocket session: bytes of a client in, ASGI messages out, and back. RFC 6455; ASGI, "WebSocket"."""

from __future__ import annotations

import math
from typing import Any

import pytest
from wsproto.events import BytesMessage, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

from sansio import (
    InvalidMessage,
    Message,
    Settings,
    TransportInfo,
    UnexpectedMessage,
)
from tests.sansio.http2_client import Http2Pair
from tests.sansio.http2_websocket_client import ask
from tests.sansio.websocket_client import CONTINUATION, HANDSHAKE, Frame, WebSocketPair, close_frame, frame
from tests.sansio.websocket_words import ACCEPT, BINARY, CLOSE, GONE, PING, PONG, TEXT, close, denial, text


def denial_body(body: Any = b"", *, more: Any = False) -> Message:
    return {"type": "websocket.http.response.body", "body": body, "more_body": more}


# The handshake.


@pytest.mark.parametrize(("secure", "scheme"), [(False, "ws"), (True, "wss")])
def test_the_scope_says_what_the_client_asks_for(secure: bool, scheme: str) -> None:
    transport = TransportInfo(client=("1.2.3.4", 5), server=("5.6.7.8", 9), secure=secure)
    pair = WebSocketPair(Settings(root_path="/x"), transport=transport, state={"a": 1})
    pair.request(subprotocols=["a", "b"], fields=[(b"Sec-WebSocket-Protocol", b"c ,\td")], target="/%61?q")
    scope = pair.exchange.scope
    headers = scope.pop("headers")
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "scheme": scheme,
        "path": "/x/a",
        "raw_path": b"/%61",
        "query_string": b"q",
        "root_path": "/x",
        "client": ("1.2.3.4", 5),
        "server": ("5.6.7.8", 9),
        "subprotocols": ["a", "b", "c", "d"],
        "state": {"a": 1},
        "extensions": {"websocket.http.response": {}},
    }
    assert (b"upgrade", b"WebSocket") in headers or (b"upgrade", b"websocket") in headers


def test_connect_comes_first_and_nothing_else_before_the_answer() -> None:
    pair = WebSocketPair()
    pair.request()
    assert pair.receive() == {"type": "websocket.connect"}
    assert pair.receive() is None
    assert pair.output == b""


def test_accepting_answers_the_key() -> None:
    """RFC 6455 §1.3 has this key and its answer."""
    pair = WebSocketPair()
    pair.send(HANDSHAKE)
    pair.tell(ACCEPT)
    assert pair.head[0] == b"http/1.1 101 switching protocols"
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".lower() in pair.head
    assert {b"upgrade: websocket", b"connection: upgrade"} <= set(pair.head)
    assert not [line for line in pair.head if line.startswith((b"content-length", b"transfer-encoding"))]
    assert pair.content == b""
    assert pair.receive() == {"type": "websocket.connect"}


def test_accepting_may_choose_a_subprotocol_and_add_fields() -> None:
    pair = WebSocketPair()
    pair.request(subprotocols=["a", "b"])
    pair.tell({"type": "websocket.accept", "subprotocol": "b", "headers": [(b"X-A", b"1"), (b"x-a", b"2")]})
    assert pair.accepted.subprotocol == "b"
    assert [field for field in pair.accepted.extra_headers if field[0] == b"x-a"] == [
        (b"x-a", b"1"),
        (b"x-a", b"2"),
    ]


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"type": "websocket.accept", "subprotocol": "c"}, "'subprotocol' must be one of"),
        ({"type": "websocket.accept", "headers": [(b"Sec-WebSocket-Protocol", b"a")]}, "the server's"),
    ],
    ids=["subprotocol", "field"],
)
def test_accepting_wrongly_raises_and_leaves_the_handshake_to_be_answered(
    message: Message, problem: str
) -> None:
    pair = WebSocketPair()
    pair.request(subprotocols=["a", "b"])
    with pytest.raises(InvalidMessage, match=problem):
        pair.tell(message)
    assert pair.output == b""
    pair.tell({"type": "websocket.accept", "subprotocol": "a"})
    assert pair.accepted.subprotocol == "a"


@pytest.mark.parametrize("name", [b"connection", b"content-length", b"transfer-encoding", b"keep-alive"])
def test_fields_of_framing_never_get_into_the_answer(name: bytes) -> None:
    """RFC 9110 §8.6: no Content-Length in a 1xx."""
    pair = WebSocketPair()
    pair.send(HANDSHAKE)
    pair.tell({"type": "websocket.accept", "headers": [(name, b"4")]})
    assert [line for line in pair.head if line.startswith(name + b":")] in ([], [b"connection: upgrade"])


def test_compression_is_agreed_on_and_used_for_messages_that_gain() -> None:
    pair = WebSocketPair()
    pair.open(extensions=[PerMessageDeflate()])
    assert len(pair.accepted.extensions) == 1
    pair.say(TextMessage(data="a" * 1000))
    pair.say(BytesMessage(data=b""))
    assert (pair.take(), pair.take()) == ("a" * 1000, b"")
    for message in ("b" * 1000, "c" * 63, "", "b" * 1000):
        pair.tell(text(message))
    assert pair.messages == ["b" * 1000, "c" * 63, "", "b" * 1000]
    assert [seen.compressed for seen in pair.frames] == [True, False, False, True]
    assert len(pair.frames[0].payload) < 100


def test_compression_can_be_turned_off() -> None:
    pair = WebSocketPair(Settings(ws_per_message_deflate=False))
    pair.open(extensions=[PerMessageDeflate()])
    pair.tell(text("a" * 1000))
    assert pair.accepted.extensions == []
    assert pair.frames == [Frame(TEXT, b"a" * 1000)]


# Messages.


def test_messages_keep_their_kind_and_an_empty_one_is_one() -> None:
    pair = WebSocketPair()
    pair.open()
    assert pair.receive() is None
    pair.send(frame(TEXT, b"") + frame(BINARY, b"") + frame(TEXT, "é".encode()) + frame(BINARY, b"\xff"))
    assert pair.receive() == {"type": "websocket.receive", "text": "", "bytes": None}
    assert pair.receive() == {"type": "websocket.receive", "text": None, "bytes": b""}
    assert (pair.take(), pair.take()) == ("é", b"\xff")
    assert pair.receive() is None


def test_fragments_and_what_comes_between_them_are_invisible() -> None:
    """RFC 6455 §5.4."""
    pair = WebSocketPair()
    pair.open()
    sent = frame(TEXT, b"\xc3", fin=False) + frame(PING, b"p") + frame(CONTINUATION, b"\xa9")
    pair.send(*(bytes((octet,)) for octet in sent))
    assert pair.take() == "é"
    assert pair.frames == [Frame(PONG, b"p")]


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        (text("é"), Frame(TEXT, b"\xc3\xa9")),
        (text(""), Frame(TEXT, b"")),
        ({"type": "websocket.send", "bytes": b"\xff", "text": None}, Frame(BINARY, b"\xff")),
        ({"type": "websocket.send", "bytes": b""}, Frame(BINARY, b"")),
        ({"type": "websocket.send", "bytes": bytearray(b"a")}, Frame(BINARY, b"a")),
        ({"type": "websocket.send", "bytes": memoryview(b"a")}, Frame(BINARY, b"a")),
        (text("a" * 126), Frame(TEXT, b"a" * 126)),
        (text("a" * 65_536), Frame(TEXT, b"a" * 65_536)),
    ],
    ids=["text", "no-text", "bytes", "no-bytes", "bytearray", "memoryview", "16-bit", "64-bit"],
)
def test_a_message_goes_out_as_one_frame(message: Message, sent: Frame) -> None:
    pair = WebSocketPair()
    pair.open()
    pair.tell(message)
    assert pair.frames == [sent]


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"type": "websocket.send"}, "exactly one"),
        ({"type": "websocket.send", "bytes": b"", "text": ""}, "exactly one"),
        ({"type": "websocket.send", "bytes": "a"}, "'bytes' must be bytes, got str"),
        (text(b"a"), "'text' must be a str, got bytes"),
        (close(1005), "'code' must be"),
        (close(1000, "\ud800"), "surrogate"),
        ({"type": []}, "'type'"),
        ({}, "'type'"),
        (None, "'type'"),
    ],
)
def test_a_message_that_is_wrong_raises_and_changes_nothing(message: Any, problem: str) -> None:
    pair = WebSocketPair()
    pair.open()
    with pytest.raises(InvalidMessage, match=problem):
        pair.tell(message)
    assert pair.frames == []
    pair.tell(text("a"))
    pair.say(TextMessage(data="b"))
    assert (pair.messages, pair.take()) == (["a"], "b")
    assert pair.exchange.statistics(pair.now).messages_out == 1


@pytest.mark.parametrize(
    "message",
    [ACCEPT, denial(), denial_body(), {"type": "http.response.start", "status": 200}, {"type": "x"}],
    ids=lambda message: str(message["type"]),
)
def test_a_message_that_has_no_place_in_an_open_session_raises(message: Message) -> None:
    pair = WebSocketPair()
    pair.open()
    with pytest.raises(UnexpectedMessage, match="expected 'websocket.send' or 'websocket.close', got"):
        pair.tell(message)
    pair.tell(text("a"))
    assert pair.messages == ["a"]


@pytest.mark.parametrize(
    "message",
    [text("a"), denial_body(), {"type": "http.response.start", "status": 200}],
    ids=lambda message: str(message["type"]),
)
def test_a_message_before_the_answer_raises(message: Message) -> None:
    pair = WebSocketPair()
    pair.request()
    with pytest.raises(UnexpectedMessage, match="expected 'websocket.accept' or .*neither accepted"):
        pair.tell(message)
    assert pair.output == b""
    pair.tell(ACCEPT)
    assert pair.status == 101


# Refusing. More in test_websocket_denial.py.


def test_a_close_in_place_of_an_answer_is_a_403() -> None:
    pair = WebSocketPair()
    pair.request()
    with pytest.raises(InvalidMessage):
        pair.tell(close(1005))
    pair.tell(close(3000, "secret"))
    assert pair.status == 403
    assert b"connection: close" in pair.head
    assert b"secret" not in pair.output
    assert pair.connection.write_ended
    assert pair.receive() == {"type": "websocket.connect"}
    assert pair.disconnect() == GONE
    for message in (text("a"), ACCEPT, close(), denial(), denial_body()):
        with pytest.raises(UnexpectedMessage, match="nothing more, got 'websocket.*was refused"):
            pair.tell(message)
    pair.finish()
    assert pair.exchange.statistics(pair.now).close_code is None


def test_a_response_of_the_applications_own() -> None:
    pair = WebSocketPair()
    pair.request()
    pair.tell(denial(401, [(b"x-a", b"1")]))
    for message in (text("a"), ACCEPT, close(), denial(), {"type": "http.response.body"}):
        with pytest.raises(
            UnexpectedMessage, match=f"'websocket.http.response.body', got '{message['type']}'"
        ):
            pair.tell(message)
    wrong: Any
    for wrong in ({}, None):
        with pytest.raises(InvalidMessage, match="'type'"):
            pair.tell(wrong)
    pair.tell(denial_body(b"one, ", more=True))
    pair.tell(denial_body(b"two"))
    assert pair.status == 401
    assert {b"x-a: 1", b"connection: close", b"transfer-encoding: chunked"} <= set(pair.head)
    assert pair.content == b"5\r\none, \r\n3\r\ntwo\r\n0\r\n\r\n"
    pair.receive()
    assert pair.disconnect() == GONE
    assert pair.connection.write_ended


# Pings.


def test_a_ping_is_answered_with_its_payload() -> None:
    pair = WebSocketPair()
    pair.open()
    pair.say(Ping(payload=b"p"))
    pair.say(Pong(payload=b"unsolicited"))
    assert pair.frames == [Frame(PONG, b"p")]
    assert pair.receive() is None


def test_pings_go_out_and_their_answers_keep_the_session() -> None:
    pair = WebSocketPair(Settings(ws_ping_interval=20.0, ws_ping_timeout=10.0))
    pair.open()
    seen = set()
    for number in range(1, 4):
        pair.run_until(1000.0 + 20 * number)
        opcode, payload, _ = pair.frames[-1]
        assert (len(pair.frames), opcode) == (number, PING)
        seen.add(payload)
        pair.run_until(pair.now + 9)
        pair.send(frame(PONG, payload))
    assert len(seen) == 3
    assert pair.receive() is None


def test_a_ping_without_an_answer_ends_the_session() -> None:
    pair = WebSocketPair(Settings(ws_ping_interval=4.0, ws_ping_timeout=10.0))
    pair.open()
    pair.send(frame(TEXT, b"a"))
    pair.run_until(1013.9)
    pair.send(frame(PONG, b"another"))
    assert [seen.opcode for seen in pair.frames] == [PING]
    pair.run_until(1014.0)
    assert pair.close == (1011, "no answer to a ping")
    assert pair.connection.write_ended
    assert pair.connection.error is not None
    assert pair.take() == "a"
    assert pair.disconnect() == GONE


@pytest.mark.parametrize("lost", [False, True], ids=["there", "lost"])
def test_what_was_refused_stays_refused_when_the_client_has_gone(lost: bool) -> None:
    """Over HTTP/2, where the connection outlives it."""
    pair = Http2Pair()
    socket = ask(pair)
    socket.shut()
    if lost:
        pair.lose()
    with pytest.raises(UnexpectedMessage, match="was refused"):
        socket.tell("websocket.accept")


def test_without_an_interval_there_are_no_pings() -> None:
    pair = WebSocketPair(Settings(ws_ping_interval=math.inf))
    pair.open()
    assert pair.connection.deadline == math.inf
    pair.run_until(1e6)
    assert pair.frames == []


def test_a_pong_behind_messages_that_are_not_taken_may_have_come() -> None:
    settings = Settings(ws_ping_interval=20.0, ws_ping_timeout=10.0, limit_read_buffer=1)
    pair = WebSocketPair(settings)
    pair.open()
    pair.run_until(1020.0)
    pair.send(frame(TEXT, b"a") + frame(TEXT, b"b") + frame(PONG, pair.frames[0].payload))
    pair.run_until(1500.0)
    # The same again, every 20 seconds: while nothing is read, only what is written finds out that a peer has gone.
    assert pair.frames == [Frame(PING, b"1")] * 25
    assert (pair.take(), pair.take()) == ("a", "b")
    pair.run_until(1520.0)
    assert pair.frames[25:] == [Frame(PING, b"2")]
    pair.run_until(1530.0)
    assert pair.close is not None


def test_a_client_that_reads_nothing_gets_a_pong_for_its_last_ping_only() -> None:
    """RFC 6455 §5.5.3: "it MAY elect to send a Pong frame for only the most recently processed Ping frame"."""
    pair = WebSocketPair(Settings(limit_write_buffer=100))
    pair.open()
    pair.stall()
    for number in range(1000):
        pair.send(frame(PING, b"%d" % number))
    assert pair.connection.size < 300
    pair.resume()
    payloads = [seen.payload for seen in pair.frames]
    assert payloads == [*(b"%d" % number for number in range(len(payloads) - 1)), b"999"]


@pytest.mark.parametrize("end", ["close", "peer"])
def test_no_pong_follows_a_close_frame(end: str) -> None:
    pair = WebSocketPair(Settings(limit_write_buffer=1))
    pair.open()
    pair.stall()
    pair.tell(text("aa"))
    pair.send(frame(PING, b"late"))
    if end == "close":
        pair.tell(close(1000))
    else:
        pair.send(close_frame(1000))
    pair.resume()
    assert [seen.opcode for seen in pair.frames] == [TEXT, CLOSE]
