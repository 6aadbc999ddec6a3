"""Whatever a client, an application, the time and the server do, in whatever order: what holds of every session."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sansio import (
    ClientDisconnected,
    ExchangeStatistics,
    InvalidMessage,
    Message,
    Settings,
    UnexpectedMessage,
)
from tests.sansio.websocket_client import CONTINUATION, HANDSHAKE, WebSocketPair, close_frame, frame

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
SMALL = Settings(limit_read_buffer=600, limit_write_buffer=200, ws_max_size=5_000, ws_max_fragments=5)

MESSAGES = {"text": frame(TEXT, b"a"), "binary": frame(BINARY, b"b" * 400), "empty": frame(TEXT)}
CONTROLS = {
    "ping": frame(PING, b"p"),
    "long ping": frame(PING, b"p" * 125),
    "pong": frame(PONG, b"1"),
    "empty pong": frame(PONG),
}
CLOSES = {
    "close": (close_frame(), 1005),
    "close 1000": (close_frame(1000), 1000),
    "close 4999": (close_frame(4999, b"bye"), 4999),
}
BROKEN = {
    "opcode": (frame(0x3), 1002),
    "unmasked": (frame(TEXT, b"a", mask=False), 1002),
    "continuation": (frame(CONTINUATION, b"a"), 1002),
    "fragment of a ping": (frame(PING, b"a", fin=False), 1002),
    "reserved bit": (frame(TEXT, b"a", rsv=4), 1002),
    "close 1005": (close_frame(1005), 1002),
    "half a code": (frame(CLOSE, b"a"), 1002),
    "no utf-8": (frame(TEXT, b"\xff"), 1007),
    "reason": (close_frame(1000, b"\xff"), 1007),
    "too big": (frame(BINARY, b"a" * 5_001), 1009),
}
FRAMES = MESSAGES | CONTROLS | {name: data for name, (data, _) in (CLOSES | BROKEN).items()}
CODES = {1005, 1006, 1000, 1011, 1012, 3000, *(code for _, code in (CLOSES | BROKEN).values())}
OPENED: Message = {"type": "websocket.accept"}
SAID: list[Any] = [
    OPENED,
    {"type": "websocket.accept", "subprotocol": "not offered"},
    {"type": "websocket.send", "text": "x" * 50},
    {"type": "websocket.send", "bytes": b"y" * 300},
    {"type": "websocket.send", "text": "\ud800"},
    {"type": "websocket.close"},
    {"type": "websocket.close", "code": 3000, "reason": "r"},
    {"type": "websocket.close", "code": 1006},
    {"type": "websocket.http.response.start", "status": 401},
    {"type": "websocket.http.response.start", "status": 101},
    {"type": "websocket.http.response.body", "body": b"no", "more_body": True},
    {"type": "websocket.http.response.body", "body": b"no"},
    {"type": "websocket.http.response.early_hint", "links": [b"</a>"]},
    {"type": "http.response.start", "status": 200},
    {"type": None},
    {},
    None,
]
calm = st.sampled_from(sorted(MESSAGES | CONTROLS))

steps = st.one_of(
    st.tuples(st.just("client"), calm),
    st.tuples(st.just("client"), st.sampled_from(sorted(FRAMES))),
    st.tuples(st.just("part"), st.sampled_from(sorted(MESSAGES)), st.integers(1, 5)),
    st.tuples(st.just("force"), calm),
    st.tuples(st.just("tell"), st.integers(0, len(SAID) - 1)),
    st.tuples(st.just("tell"), st.integers(0, 6)),
    st.tuples(st.sampled_from(["receive", "receive", "receive", "stall", "resume"])),
    st.tuples(st.sampled_from(["shut_down", "eof", "lose", "return", "raise"])),
    st.tuples(st.just("time"), st.sampled_from([0.0, 5.0, 20.0, 40.0, 100.0])),
)


class Session:
    """A session that a script plays, and what was seen of it."""

    def __init__(self) -> None:
        self.pair = WebSocketPair(SMALL)
        self.pair.send(HANDSHAKE)
        self.ended = False
        self.finished = False
        self.accepted = False

    def play(self, step: tuple[Any, ...]) -> None:
        pair = self.pair
        kind = step[0]
        if kind in {"client", "part", "force"}:
            if self.ended:
                return
            data = FRAMES[step[1]][: step[2] if kind == "part" else None]
            if kind == "force" and not pair.unread:
                pair.connection.receive_data(data, pair.now)
                pair.settle()
            else:
                pair.send(data)
        elif kind == "tell":
            self.tell(SAID[step[1]])
        elif kind == "time":
            pair.run_until(pair.now + step[1])
        elif kind in {"return", "raise"}:
            if not self.finished:
                self.finished = True
                pair.finish(None if kind == "return" else ValueError())
        elif kind in {"eof", "lose"}:
            if not self.ended:
                self.ended = True
                getattr(pair, kind)()
        else:
            getattr(pair, kind)()

    def tell(self, message: Any) -> None:
        before = self.observe()
        status = self.pair.exchange.statistics(self.pair.now).status
        try:
            self.pair.tell(message)
        except ClientDisconnected:
            assert self.pair.exchange.disconnected
            assert self.observe() == before
            return
        except (InvalidMessage, UnexpectedMessage):
            assert self.observe() == before
            return
        if message == OPENED and status is None and not self.finished:
            self.accepted = True

    def observe(self) -> tuple[bytes, ExchangeStatistics, tuple[bool, ...], float, int]:
        exchange, connection = self.pair.exchange, self.pair.connection
        states = (exchange.can_send, exchange.ended, exchange.disconnected, connection.wants_read)
        statistics = exchange.statistics(self.pair.now)
        return self.pair.output, statistics, states, connection.deadline, connection.size

    def check(self) -> None:
        """What holds at the end, whatever has happened."""
        pair = self.pair
        kinds = [message["type"].removeprefix("websocket.") for message in pair.received]
        assert kinds[:1] == ["connect"]
        messages = [message for message in pair.received if message["type"] == "websocket.receive"]
        assert kinds[1 : len(messages) + 1] == ["receive"] * len(messages)
        ends = [message for message in pair.received if message["type"] == "websocket.disconnect"]
        assert kinds[len(messages) + 1 :] == ["disconnect"] * len(ends)
        assert ends
        assert all(end == ends[0] for end in ends)
        if messages:
            assert self.accepted
        assert ends[0]["code"] in CODES
        closes = [seen.payload for seen in pair.frames if seen.opcode == CLOSE]
        assert len(closes) <= 1
        assert [seen.opcode for seen in pair.frames].index(CLOSE) == len(pair.frames) - 1 if closes else True
        code = int.from_bytes(closes[0][:2], "big") if closes and closes[0] else 1005
        if closes and code != 1011:
            assert ends[0]["code"] == code
        if not self.accepted:
            assert (ends[0]["code"], pair.frames) == (1006, [])


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.booleans(), st.lists(steps, max_size=25))
@example(True, [("client", "text"), ("client", "close 4999"), ("tell", 2)])
@example(True, [("force", "binary")] * 4 + [("lose",), ("tell", 2), ("tell", 5), ("return",)])
def test_any_session_is_one_that_asgi_knows(accept: bool, script: list[tuple[Any, ...]]) -> None:
    """RFC 6455 §5.5.1, §7.1.5; ASGI, "WebSocket". The core raises from `send` only."""
    session = Session()
    if accept:
        session.tell(OPENED)
    for step in script:
        session.play(step)
    pair = session.pair
    session.play(("lose",))
    pair.connection.connection_lost(pair.now)
    for _ in range(200):
        message = pair.receive()
        assert message is not None
        if message["type"] == "websocket.disconnect":
            break
    session.play(("return",))
    pair.receive()
    session.check()
    assert pair.connection.closed


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_messages_arrive_whole_and_in_order_however_they_are_cut(data: st.DataObject) -> None:
    """RFC 6455 §5.4: neither fragments nor cuts nor what comes between has a meaning."""
    messages = data.draw(st.lists(st.one_of(st.text(max_size=20), st.binary(max_size=300)), max_size=6))
    octets = b""
    pings = 0
    for message in messages:
        payload = message.encode() if isinstance(message, str) else message
        opcode = TEXT if isinstance(message, str) else BINARY
        cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=3)))
        bounds = [0, *cuts, len(payload)]
        for number, (start, end) in enumerate(pairwise(bounds)):
            octets += frame(
                opcode if not number else CONTINUATION, payload[start:end], fin=number == len(cuts)
            )
            if data.draw(st.booleans()):
                octets += frame(PING, b"p")
                pings += 1
    octets += close_frame(3000, b"bye")
    pair = WebSocketPair(Settings(limit_read_buffer=data.draw(st.sampled_from([1, 300, 65_536]))))
    pair.open()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=8)))
    bounds = [0, *cuts, len(octets)]
    pair.send(*(octets[start:end] for start, end in pairwise(bounds)))
    assert [pair.take() for _ in messages] == messages
    assert pair.disconnect() == (3000, "bye")
    assert [seen.opcode for seen in pair.frames] == [PONG] * pings + [CLOSE]


@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("fragment", [False, True])
@pytest.mark.parametrize("before", [0, 3])
def test_every_broken_rule_ends_with_its_code(data: bytes, code: int, fragment: bool, before: int) -> None:
    """RFC 6455 §7.4.1: 1002, 1007 and 1009."""
    pair = WebSocketPair(SMALL)
    pair.open()
    # What follows a fragment breaks a rule anyway, but for a continuation, which then is no UTF-8.
    opening = frame(TEXT, b"\xc3", fin=False) if fragment else b""
    pair.send(frame(TEXT, b"a") * before + opening + data + frame(TEXT, b"late"))
    assert [pair.take() for _ in range(before)] == ["a"] * before
    seen, reason = pair.disconnect()
    if not fragment:
        assert seen == code
    elif data == frame(CONTINUATION, b"a"):
        assert seen == 1007
    else:
        assert seen in {1002, code}  # A message within a message.
    assert reason == ""
    assert pair.close == (seen, "")
    assert len(pair.frames) == 1
