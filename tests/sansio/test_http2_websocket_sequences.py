"""WebSockets on HTTP/2 are WebSockets on HTTP/1.1: whatever happens, in whatever order, nobody can tell them apart."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sansio import ClientDisconnected, Exchange, InvalidMessage, Settings, TransportInfo, UnexpectedMessage
from tests.peers import Code
from tests.sansio.http2_client import H2, Http2Pair
from tests.sansio.http2_websocket_client import PROTOCOL, VERSION, Socket, ask, open_socket, pieces_of
from tests.sansio.websocket_client import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    Frame,
    WebSocketPair,
    close_frame,
    frame,
)
from tests.sansio.websocket_deflated import compress

SMALL = Settings(limit_read_buffer=600, limit_write_buffer=2_000, ws_max_size=5_000, ws_max_fragments=5)
EXTENSION = (
    b"sec-websocket-extensions",
    b"permessage-deflate; client_no_context_takeover; client_max_window_bits",
)

FRAMES = {
    "text": frame(TEXT, b"a"),
    "binary": frame(BINARY, b"b" * 400),
    "empty": frame(TEXT),
    "compressed": frame(TEXT, compress(b"c" * 300, 12), rsv=4),
    "first": frame(TEXT, b"d", fin=False),
    "next": frame(CONTINUATION, b"e", fin=False),
    "last": frame(CONTINUATION, b"f"),
    "ping": frame(PING, b"p"),
    "pong": frame(PONG, b"1"),
    "close": close_frame(),
    "close 4999": close_frame(4999, b"bye"),
    "opcode": frame(0x3),
    "close 1005": close_frame(1005),
    "no utf-8": frame(TEXT, b"\xff"),
    "too big": frame(BINARY, b"a" * 5_001),
    "bomb": frame(TEXT, compress(b"c" * 300_000, 12), rsv=4),
}
SAID: list[Any] = [
    {"type": "websocket.accept"},
    {"type": "websocket.accept", "subprotocol": "not offered"},
    {"type": "websocket.send", "text": "x" * 150},
    {"type": "websocket.send", "bytes": b"y" * 30},
    {"type": "websocket.send", "text": "\ud800"},
    {"type": "websocket.close"},
    {"type": "websocket.close", "code": 3000, "reason": "r"},
    {"type": "websocket.http.response.start", "status": 401},
    {"type": "websocket.http.response.start", "status": 101},
    {"type": "websocket.http.response.body", "body": b"no", "more_body": True},
    {"type": "websocket.http.response.body", "body": b"no"},
    {"type": "http.response.start", "status": 200},
    {"type": None},
]

steps = st.one_of(
    st.tuples(st.just("client"), st.sampled_from(["text", "binary", "empty", "ping", "pong", "compressed"])),
    st.tuples(st.just("client"), st.sampled_from(["text", "first", "next", "last", "compressed"])),
    st.tuples(st.just("client"), st.sampled_from(sorted(FRAMES))),
    st.tuples(st.just("part"), st.sampled_from(["text", "binary", "ping", "close"]), st.integers(1, 5)),
    st.tuples(st.just("tell"), st.integers(0, len(SAID) - 1)),
    st.tuples(st.just("tell"), st.sampled_from([2, 3])),
    st.tuples(st.sampled_from(["receive", "receive", "receive", "flush"])),
    st.tuples(st.sampled_from(["shut_down", "end", "lose", "return", "raise"])),
    st.tuples(st.just("time"), st.sampled_from([0.0, 5.0, 10.0, 20.0, 40.0, 100.0])),
)


class OnHttp1:
    """A session on a connection of HTTP/1.1."""

    def __init__(self, *, deflate: bool) -> None:
        self.pair = WebSocketPair(SMALL, transport=TransportInfo(secure=True))
        extension = EXTENSION[0] + b": " + EXTENSION[1] + b"\r\n\r\n"
        self.pair.send(HANDSHAKE[:-2] + extension if deflate else HANDSHAKE)
        self.exchange: Exchange = self.pair.exchange

    def send(self, octets: bytes) -> None:
        self.pair.send(octets)

    def end(self) -> None:
        self.pair.eof()

    def lose(self) -> None:
        self.pair.lose()

    @property
    def over(self) -> bool:
        """The client knows that nothing follows."""
        return self.pair.connection.write_ended

    @property
    def frames(self) -> list[Frame]:
        return self.pair.frames


class OnHttp2:
    """A session on a stream of HTTP/2, with others beside it."""

    def __init__(self, *, deflate: bool) -> None:
        self.pair = Http2Pair(SMALL, transport=H2)
        fields = [PROTOCOL, VERSION, EXTENSION] if deflate else [PROTOCOL, VERSION]
        self.socket = Socket(self.pair, self.pair.open(b"CONNECT", b"/chat", fields, end=False))
        self.exchange = self.socket.exchange

    def send(self, octets: bytes) -> None:
        if not self.over:
            self.socket.send(octets)

    def end(self) -> None:
        if not self.over:
            self.socket.end()

    def lose(self) -> None:
        if not self.over:
            self.pair.reset(self.socket.call, Code.CANCEL)

    @property
    def over(self) -> bool:
        """The client knows that nothing follows."""
        view = self.socket.view
        return view.ended or view.reset is not None or view.peer_reset or self.pair.connection.write_ended

    @property
    def frames(self) -> list[Frame]:
        return self.socket.frames if self.socket.view.status == 200 else []


class Twins:
    """Two sessions to which the same things happen."""

    def __init__(self, *, deflate: bool) -> None:
        self.first = OnHttp1(deflate=deflate)
        self.second = OnHttp2(deflate=deflate)
        self.ended = False
        self.finished = False

    def play(self, step: tuple[Any, ...]) -> None:
        kind = step[0]
        first, second = self.first, self.second
        if kind in {"client", "part"}:
            if self.ended:
                return
            octets = FRAMES[step[1]][: step[2] if kind == "part" else None]
            first.send(octets)
            second.send(octets)
        elif kind in {"end", "lose"}:
            # What HTTP/1.1 did not want to read is before it on the wire, and would be lost; HTTP/2 has read it.
            if self.ended or not first.pair.connection.wants_read:
                return
            self.ended = True
            for one in (first, second):
                one.end() if kind == "end" else one.lose()
        elif kind in {"return", "raise"}:
            if not self.finished:
                self.finished = True
                for one in (first, second):
                    one.exchange.finish(None if kind == "return" else ValueError(), one.pair.now)
        elif kind == "time":
            first.pair.run_until(first.pair.now + step[1])
            second.pair.run_until(second.pair.now + step[1])
        elif kind == "shut_down":
            first.pair.shut_down()
            second.pair.shut_down()
        elif kind == "flush":
            for one in (first, second):
                one.exchange.flush(one.pair.now)
        elif kind == "receive":
            assert self.receive(first) == self.receive(second)
        else:
            assert self.tell(first, SAID[step[1]]) == self.tell(second, SAID[step[1]])
        for one in (first, second):
            one.pair.settle()
        assert self.observe(first) == self.observe(second)

    def receive(self, one: OnHttp1 | OnHttp2) -> Any:
        return one.exchange.receive(one.pair.now)

    def tell(self, one: OnHttp1 | OnHttp2, message: Any) -> str | None:
        try:
            one.exchange.send(message, one.pair.now)
        except (ClientDisconnected, InvalidMessage, UnexpectedMessage) as error:
            return repr(error)
        return None

    def observe(self, one: OnHttp1 | OnHttp2) -> dict[str, Any]:
        """What application, operator and client see."""
        exchange = one.exchange
        statistics = exchange.statistics(one.pair.now)
        return {
            "frames": one.frames,
            "states": (exchange.ended, exchange.disconnected, exchange.half_closed, exchange.can_send),
            "failure": exchange.failure,
            "error": one.pair.connection.error,
            "over": one.over,
            "statistics": statistics._replace(
                method="",
                http_version="",
                fields=(),
                status=200 if statistics.status == 101 else statistics.status,
            ),
        }


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.booleans(), st.booleans(), st.lists(steps, max_size=25))
@example(True, True, [("client", "binary")] * 6 + [("receive",)] * 9)
@example(False, True, [("client", "text"), ("tell", 0), ("receive",), ("receive",)])
@example(False, False, [("receive",), ("end",), ("receive",), ("tell", 0)])
@example(True, False, [("time", 20.0), ("client", "pong"), ("time", 20.0), ("time", 40.0)])
@example(True, False, [("shut_down",), ("client", "close 4999"), ("receive",), ("return",)])
def test_nobody_can_tell_on_what_a_session_runs(
    accept: bool, deflate: bool, script: list[tuple[Any, ...]]
) -> None:
    """RFC 8441 §5: the same messages for the application, the same frames for the client, the same record."""
    twins = Twins(deflate=deflate)
    if accept:
        twins.play(("receive",))
        twins.play(("tell", 0))
    for step in script:
        twins.play(step)
    for _ in range(40):
        twins.play(("receive",))
    twins.play(("return",))
    twins.play(("time", 200.0))
    assert twins.first.exchange.ended
    assert twins.second.exchange.ended


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_messages_arrive_whole_and_in_order_however_data_frames_are_cut(choice: st.DataObject) -> None:
    """RFC 8441 §5; RFC 6455 §5.4: neither fragments nor DATA frames nor reads nor padding have a meaning."""
    messages = choice.draw(st.lists(st.one_of(st.text(max_size=20), st.binary(max_size=300)), max_size=6))
    deflate = choice.draw(st.booleans())
    octets = b""
    pings = 0
    for message in messages:
        payload = message.encode() if isinstance(message, str) else message
        opcode = TEXT if isinstance(message, str) else BINARY
        compressed = deflate and choice.draw(st.booleans())
        if compressed:
            payload = compress(payload, 12)
        pieces = pieces_of(payload, choice.draw(st.lists(st.integers(0, 300), max_size=3))) or [b""]
        for number, piece in enumerate(pieces, 1):
            octets += frame(
                opcode if number == 1 else CONTINUATION,
                piece,
                fin=number == len(pieces),
                rsv=4 if compressed and number == 1 else 0,
            )
            if choice.draw(st.booleans()):
                octets += frame(PING, b"p")
                pings += 1
    octets += close_frame(3000, b"bye")
    pair = Http2Pair(Settings(limit_read_buffer=choice.draw(st.sampled_from([1, 300, 65_536]))))
    early = choice.draw(st.booleans())
    fields = [EXTENSION] if deflate else []
    socket = ask(pair, *fields) if early else open_socket(pair, *fields)
    ends = choice.draw(st.booleans())
    pieces = pieces_of(octets, choice.draw(st.lists(st.integers(0, len(octets)), max_size=8)))
    for number, piece in enumerate(pieces, 1):
        padding = choice.draw(st.sampled_from([None, None, 0, 7]))
        pair.upload(socket.call.stream, piece, end=ends and number == len(pieces), padding=padding)
    if early:
        socket.tell("websocket.accept")
    assert [socket.take() for _ in messages] == messages
    assert socket.disconnect() == (3000, "bye")
    assert socket.opcodes == [PONG] * pings + [CLOSE]
    socket.expect_end(by=None if ends else Code.NO_ERROR)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.one_of(st.text(max_size=100), st.binary(max_size=9_000)), max_size=8),
    st.lists(st.integers(1, 3_000), max_size=20),
    st.booleans(),
)
def test_messages_leave_whole_and_in_order_however_windows_open(
    messages: list[str | bytes], grants: list[int], deflate: bool
) -> None:
    """RFC 9113 §6.9: the observer sees each octet beyond a window. Nothing is lost behind a close."""
    pair = Http2Pair(hello=((0x4, 0),))
    socket = open_socket(pair, *([EXTENSION] if deflate else []))
    for message in messages:
        socket.say(message)
        if grants:
            pair.grant(socket.call.stream, grants.pop())
    socket.shut(3000)
    socket.send(close_frame(3000))
    for size in grants:
        pair.grant(socket.call.stream, size)
    pair.grant(socket.call.stream, 2**20)
    assert socket.messages == messages
    assert socket.close == (3000, "")
    socket.expect_end(by=Code.NO_ERROR)
