"""WebSocket: handshakes that are none, offers in odd shapes, frames too early, and ends that never come."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from tests.attacks.attack import Attack, KiB, MiB, Victim, demand
from tests.attacks.websocket_peer import (
    BINARY,
    CLOSE,
    COMPRESSED,
    DEFLATE,
    FIN,
    PONG,
    TEXT,
    WebSocketPeer,
    deflated,
    frame,
)

__all__ = ["ATTACKS"]

_SLACK: Final = 2.5
"""Seconds: what a server may be later than its own timeout."""

_HEAD: Final = {
    b"Host": b"test",
    b"Connection": b"Upgrade",
    b"Upgrade": b"websocket",
    b"Sec-WebSocket-Version": b"13",
    b"Sec-WebSocket-Key": b"dGhlIHNhbXBsZSBub25jZQ==",
}


def _ask(*fields: tuple[bytes, bytes], without: bytes = b"", method: bytes = b"GET") -> bytes:
    """Return a handshake with fields in place of others, or beside them if they are there twice."""
    replaced = {name for name, _ in fields}
    kept = [(name, value) for name, value in _HEAD.items() if name not in replaced and name != without]
    lines = [b"%b: %b\r\n" % field for field in [*kept, *fields]]
    return b"%b /smuggled HTTP/1.1\r\n%b\r\n" % (method, b"".join(lines))


_KEY: Final = b"Sec-WebSocket-Key"
_VERSION: Final = b"Sec-WebSocket-Version"
_PROTOCOL: Final = b"Sec-WebSocket-Protocol"
_EXTENSIONS: Final = b"Sec-WebSocket-Extensions"

_BAD: Final[dict[str, list[bytes]]] = {
    "keys": [
        _ask(without=_KEY),
        *[_ask((_KEY, key)) for key in (b"", b"x", b"=" * 24, b"\xff" * 24, b"dGhl IHNhbXBsZSBub25jZQ==")],
        *[_ask((_KEY, base64.b64encode(bytes(size)))) for size in (15, 17, 3_000)],
        _ask((_KEY, _HEAD[_KEY]), (_KEY, _HEAD[_KEY])),
    ],
    "versions": [
        _ask(without=_VERSION),
        *[
            _ask((_VERSION, version))
            for version in (b"", b"8", b"14", b"013", b"13, 8", b"1" * 5_000, b"\xff")
        ],
        _ask((_VERSION, b"13"), (_VERSION, b"13")),
    ],
    "fields": [
        *[_ask((b"Host", host)) for host in (b"\xff", b"xn--\xff", b"a b", b"a,b", b"a/b", b"user@a")],
        _ask(without=b"Host"),
        _ask((b"Content-Length", b"5")) + b"hello",
        _ask((b"Transfer-Encoding", b"chunked")) + b"0\r\n\r\n",
        *[_ask((_PROTOCOL, names)) for names in (b"\xff", b"a b", b'"a"', b"a;b", b"a, \xc3\xa9")],
        _ask((_PROTOCOL, b"a," * 4_000)),
        _ask((b"X", b"y" * 100 * KiB)),
        _ask(*[(b"X-%d" % number, b"y") for number in range(10_000)]),
    ],
}
"""No application may be called as a WebSocket for any of them. RFC 6455 §4.2.1, RFC 9110 §7.2, §5.6.2"""


def bad_handshakes(victim: Victim, heads: list[bytes]) -> None:
    """Ask for a WebSocket in a wrong way: the answer says so, and what follows is never a frame."""
    for head in heads:
        client = victim.connect()
        client.offer(head + frame(FIN | TEXT, b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"))
        answer = client.receive_all(3.0)
        status = answer.statuses[:1]
        demand(status and 400 <= status[0] < 500, f"answered {status} to {head[22:80]!r}")
        demand(len(answer.statuses) == 1, f"answered {answer.statuses} to one request, {head[22:80]!r}")
        client.close()
    demand("/smuggled" not in victim.paths(), "called an application")


_OFFERS: Final[list[bytes]] = [
    b"permessage-deflate; server_max_window_bits=8",
    b"permessage-deflate; server_max_window_bits=7",
    b"permessage-deflate; server_max_window_bits=16",
    b"permessage-deflate; server_max_window_bits=015",
    b"permessage-deflate; server_max_window_bits",
    b"permessage-deflate; server_max_window_bits=9; server_max_window_bits=10",
    b"permessage-deflate; client_max_window_bits=8",
    b"permessage-deflate; client_max_window_bits=0",
    b"permessage-deflate; client_max_window_bits=99999999999999999999",
    b'permessage-deflate; client_max_window_bits="10"',
    b'permessage-deflate; client_max_window_bits="1\\0"',
    b"permessage-deflate; client_max_window_bits; client_max_window_bits",
    b"permessage-deflate; server_no_context_takeover=1",
    b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    b"permessage-deflate; unknown",
    b"permessage-deflate; unknown=5, permessage-deflate; client_max_window_bits",
    b"permessage-deflate, permessage-deflate, permessage-deflate",
    b"permessage-deflate; =5",
    b"permessage-deflate;;",
    b"permessage-deflate; ",
    b"; permessage-deflate",
    b",,permessage-deflate,,",
    b"PERMESSAGE-DEFLATE",
    b"x-webkit-deflate-frame, permessage-bzip2",
    b"\xff\xfe",
    b'permessage-deflate; client_max_window_bits="' + b"1" * 4_000,
    b"permessage-deflate" + b"; a" * 4_000,
    b"permessage-deflate," * 400,
    b"," * 8_000,
    b"permessage-deflate" + b" " * 8_000 + b";" + b"\t" * 8_000 + b"x",
]


def offers(victim: Victim) -> None:
    """Offer extensions in all shapes: what is agreed on works, and what is not is refused or declined."""
    for offer in _OFFERS:
        client = victim.connect()
        client.offer(_ask((_EXTENSIONS, offer)))
        head = client.receive_until(b"\r\n\r\n", 3.0)
        status = int(head[9:12])
        demand(status == 101 or 400 <= status < 500, f"answered {status} to the offer {offer[:80]!r}")
        client.close()
        if status == 101:
            peer = WebSocketPeer.open(victim, fields=_EXTENSIONS + b": " + offer + b"\r\n")
            agreed = b"permessage-deflate" in head
            content = b"agreed or not " * 100
            first, payload = (COMPRESSED | BINARY, deflated(content)) if agreed else (BINARY, content)
            peer.client.send(frame(FIN | first, payload))
            side = peer.read_until(lambda side: bool(side.messages or side.close or side.wrong), "an echo")
            demand(side.messages == [content], f"{offer[:80]!r}: no echo, but {side.close or side.wrong}")
            peer.client.close()


# Too early.


def frames_before_the_answer(victim: Victim) -> None:
    """Send messages behind the handshake, before it is answered: none is lost, and none is a request."""
    peer = WebSocketPeer(victim, "/late")
    request = b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"
    peer.client.send(frame(FIN | BINARY, request) * 10)
    peer.accepted()
    side = peer.read_until(lambda side: len(side.messages) == 10, "ten echoes")
    demand(side.messages == [request] * 10, "other messages came back than were sent")
    demand(victim.paths() == ["/late"], "took a message for a request")


def flood_before_the_answer(victim: Victim) -> None:
    """Send 32 MiB before the handshake is answered: the client has to wait."""
    peer = WebSocketPeer(victim, "/late")
    flood = frame(FIN | BINARY, bytes(64 * KiB)) * 512
    taken = peer.client.offer(flood, within=0.7)
    demand(taken < len(flood), f"took {taken // MiB} MiB before the handshake was answered")


def frames_behind_a_refusal(victim: Victim) -> None:
    """Send messages behind a handshake that the application refuses: they are never a request."""
    client = victim.connect()
    client.offer(_ask().replace(b"/smuggled", b"/refuse") + b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n")
    answer = client.receive_all(5.0)
    demand(answer.statuses[:1] == [403], f"answered {answer.statuses} to a handshake that was refused")
    demand(answer.ended, "kept the connection of a refused handshake with octets behind it")
    demand("/smuggled" not in victim.paths(), "took what followed a handshake for a request")


# Ends.


def handshake_never_answered(victim: Victim) -> None:
    """The application neither accepts nor refuses: the client is told so in the end."""
    client = victim.connect()
    client.offer(_ask().replace(b"/smuggled", b"/silent"))
    answer = client.receive_all(victim.patience.handshake + _SLACK)
    demand(answer.ended, f"kept the client for {victim.patience.handshake + _SLACK:g} seconds")
    demand(answer.statuses == [500], f"answered {answer.statuses}")
    victim.settled()


def close_never_echoed(victim: Victim) -> None:
    """The server closes, and the client goes on to talk instead of closing, too."""
    within = victim.patience.close * 2 + _SLACK
    peer = WebSocketPeer.open(victim, "/goodbye")
    give_up_at = time.monotonic() + within
    while time.monotonic() < give_up_at and not peer.client.is_closed(0.1):
        peer.client.offer(frame(FIN | TEXT, b"still here"), within=0.1)
    demand(time.monotonic() < give_up_at, f"waited for a close for more than {within:g} seconds")
    victim.settled()


def pings_never_answered(victim: Victim) -> None:
    """Answer no ping, but send pongs that nobody has asked for, and messages."""
    within = 2 * victim.patience.ping + victim.patience.close + _SLACK
    peer = WebSocketPeer.open(victim)
    give_up_at = time.monotonic() + within
    while time.monotonic() < give_up_at and not peer.client.is_closed(0.1):
        peer.client.offer(frame(FIN | PONG, b"unasked"), within=0.1)
    demand(time.monotonic() < give_up_at, f"kept a dead session for more than {within:g} seconds")
    [call] = victim.settled()
    demand(call["end"] == "disconnected", f"the application's session {call['end']}")


def half_closed(victim: Victim) -> None:
    """End one's side without a close frame, in the middle of a message and of a handshake: that is 1006."""
    for number in range(50):
        path = ("/", "/late", "/deaf")[number % 2]
        peer = WebSocketPeer(victim, path)
        if path == "/":
            peer.accepted()
            peer.client.send(
                [b"", frame(TEXT, b"x"), frame(FIN | TEXT, b"hello")[:7], b"\x81"][number // 2 % 4]
            )
        if number % 3:
            peer.client.shut_down()
        else:
            peer.client.reset()
    calls = victim.settled(5.0)
    demand(not any(call["messages"] for call in calls), "delivered a message that was cut off")
    demand(all(call["end"] != "cancelled" for call in calls), "cancelled an application")


def hello_and_goodbye(victim: Victim) -> None:
    """Open a session, send something, close; five hundred times. Nothing remains of any."""
    for _ in range(500):
        peer = WebSocketPeer.open(victim, fields=DEFLATE)
        payload = frame(FIN | COMPRESSED | TEXT, deflated(b"hello " * 1_000))
        peer.client.send(payload + frame(FIN | CLOSE, b"\x03\xe8"))
        peer.check_close(1000)
        peer.client.close()
    victim.settled()


def _attack(
    name: str, threat: str, carry_out: Callable[[Victim], None], memory: int = 4 * MiB, cpu: float = 0.5
) -> Attack:
    return Attack(name, threat, carry_out, protocol="websocket", memory=memory, cpu=cpu)


_HANDSHAKES: Final = "Handshakes that are none"
_EARLY: Final = "Frames before the answer"
_NEVER: Final = "Handshakes that are never answered, closes that are never echoed"
_ABSENT: Final = "A peer that is not there any more"

ATTACKS: Final = [
    *[
        _attack(f"handshake-with-bad-{name}", _HANDSHAKES, partial(bad_handshakes, heads=heads))
        for name, heads in _BAD.items()
    ],
    _attack("handshake-with-odd-offers", _HANDSHAKES, offers),
    _attack("frames-before-the-answer", _EARLY, frames_before_the_answer),
    _attack("flood-before-the-answer", _EARLY, flood_before_the_answer),
    _attack("frames-behind-a-refusal", _EARLY, frames_behind_a_refusal),
    _attack("handshake-never-answered", _NEVER, handshake_never_answered),
    _attack("close-never-echoed", _NEVER, close_never_echoed),
    _attack("pings-never-answered", _ABSENT, pings_never_answered),
    _attack("websocket-half-closed", _ABSENT, half_closed),
    _attack("hello-and-goodbye", _ABSENT, hello_and_goodbye, memory=10 * MiB, cpu=1.5),
]
