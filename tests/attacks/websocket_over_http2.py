"""WebSockets on streams of HTTP/2 (RFC 8441): what the stream does, and what the frames within it do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from fuzz.wire import Side, read_frames
from tests.attacks.attack import Attack, MiB, Patience, Victim, demand
from tests.attacks.http2_peer import Gone, Http2Peer, attacker, check_served
from tests.attacks.websocket_bombs import bomb
from tests.attacks.websocket_peer import BINARY, COMPRESSED, CONTINUATION, FIN, PING, TEXT, frame
from tests.peers import Code, Fields, StreamView, data, headers, rst

__all__ = ["ATTACKS"]

_VERSION: Final = (b"sec-websocket-version", b"13")
_DEFLATE: Final = (b"sec-websocket-extensions", b"permessage-deflate")
_TOO_MUCH: Final = 64 * MiB


def _ask(peer: Http2Peer, path: bytes = b"/", fields: Fields = (), protocol: bytes = b"websocket") -> int:
    """Send an extended CONNECT and return its stream (RFC 8441 §4)."""
    return peer.open(path, [(b":protocol", protocol), _VERSION, *fields], method=b"CONNECT", end_stream=False)


def _open(peer: Http2Peer, path: bytes = b"/", fields: Fields = ()) -> int:
    """Open a WebSocket."""
    stream = _ask(peer, path, fields)
    view = peer.view(stream)
    peer.read_until(lambda: view.status is not None or view.reset is not None, "an answer to a handshake")
    demand(view.status == 200, f"answered a good handshake with {view.status}, RST_STREAM {view.reset}")
    return stream


def _said(view: StreamView) -> Side:
    return read_frames(view.content, None, client=False)


def _check_ends(victim: Victim, calls: int) -> None:
    """Each session has ended, and its application knows; no message was made up."""
    found = victim.settled()
    sessions = [call for call in found if call["kind"] == "websocket"]
    demand(len(sessions) == calls, f"{len(sessions)} sessions instead of {calls}")
    demand(all(call["end"] == "disconnected" for call in sessions), "did not tell an application of the end")
    demand(not any(call["messages"] for call in sessions), "delivered a message that was none")


_ENDS: Final[dict[str, Callable[[int], bytes]]] = {
    "content-behind-its-end": lambda n: data(n, end_stream=True) + data(n, frame(FIN | TEXT, b"late")),
    "an-end-within-a-frame": lambda n: data(n, frame(FIN | TEXT, b"hello")[:8], end_stream=True),
    "an-end-within-a-message": lambda n: data(n, frame(TEXT, b"hello"), end_stream=True),
    "a-reset-within-a-frame": lambda n: data(n, frame(FIN | TEXT, b"hello")[:8]) + rst(n),
    "a-reset-within-a-header": lambda n: data(n, frame(FIN | TEXT, bytes(200))[:3]) + rst(n),
    "fields-in-the-middle": lambda n: headers(n, [(b"x", b"y")]),
    "a-frame-that-is-none": lambda n: data(n, frame(FIN | 0x70 | TEXT, b"x")),
}


def ended_stream(victim: Victim, make: Callable[[int], bytes]) -> None:
    """End twenty streams under their sessions: their applications are told.

    The connection stays, or ends with GOAWAY where a stream had ended already (RFC 9113 §5.1).
    """
    opened = 0
    with attacker(victim) as peer:
        try:
            for _ in range(20):
                stream = _open(peer)
                opened += 1
                peer.send(make(stream))
                peer.settle()
                view = peer.view(stream)
                if not view.peer_reset:
                    peer.response(stream)
            check_served(victim, peer)
        except Gone:
            demand(peer.error is not None, "ended the connection without GOAWAY")
    _check_ends(victim, opened)


def rapid_sessions(victim: Victim) -> None:
    """Ask for a WebSocket and reset the stream, again and again."""
    with attacker(victim) as peer:
        pieces = []
        for number in range(1, 4_001, 2):
            fields = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http")]
            fields += [(b":authority", b"test"), (b":path", b"/silent"), _VERSION]
            pieces.append(headers(number, fields, end_stream=False) + rst(number))
        peer.flood(b"".join(pieces))
        peer.check_end(Code.ENHANCE_YOUR_CALM)
    demand(len(victim.settled()) <= 300, "called hundreds of applications")


def closed_window(victim: Victim) -> None:
    """Twenty sessions with much to say, and windows of nothing: the streams are reset in the end."""
    with attacker(victim, window=0, patience=victim.patience.window + 3) as peer:
        for stream in [_open(peer, b"/talk") for _ in range(20)]:
            demand(peer.response(stream).reset is not None, "ended a session as if it were over")
    victim.settled()


def unread_pongs(victim: Victim) -> None:
    """Send megabytes of pings on a stream whose window is closed: the pongs must not pile up."""
    with attacker(victim, window=0) as peer:
        stream = _open(peer)
        pings = frame(FIN | PING, bytes(125)) * 120
        for _ in range(300):
            peer.upload(stream, pings)
    victim.settled()


def deflate_bomb(victim: Victim) -> None:
    """Inflate a message to 256 MiB on a stream."""
    with attacker(victim) as peer:
        stream = _open(peer, fields=[_DEFLATE])
        peer.upload(stream, frame(FIN | COMPRESSED | BINARY, bomb(256 * MiB)))
        view = peer.response(stream)
        close = _said(view).close
        demand(close is not None and close[0] == 1009, f"closed with {close}, not with 1009")
        check_served(victim, peer)


def endless_message(victim: Victim) -> None:
    """Send fragments without end on a stream."""
    with attacker(victim) as peer:
        stream = _open(peer)
        view = peer.view(stream)
        peer.upload(stream, frame(BINARY, b"x"))
        piece = frame(CONTINUATION, bytes(65_000)) * 4
        for _ in range(_TOO_MUCH // len(piece)):
            peer.upload(stream, piece)
        demand(view.ended or view.reset is not None, f"takes {_TOO_MUCH // MiB} MiB of one message")
        close = _said(view).close
        demand(close is not None and close[0] == 1009, f"closed with {close}, not with 1009")
        check_served(victim, peer)


def frames_before_the_answer(victim: Victim) -> None:
    """Fill the windows of fifty handshakes that are not answered yet."""
    with attacker(victim) as peer:
        streams = [_ask(peer, b"/silent") for _ in range(50)]
        peer.settle()
        message = frame(FIN | TEXT, bytes(1_000))
        for stream in streams:
            room = min(peer.view(stream).credit, peer.observer.credit) // len(message)
            peer.upload(stream, message * room)
        check_served(victim)
        peer.send(b"".join([rst(stream) for stream in streams]))
        peer.settle()
    _check_ends(victim, 50)


_HANDSHAKES: Final[dict[str, list[tuple[bytes, bytes]]]] = {
    "protocol": [(b":protocol", b"connect-udp"), _VERSION],
    "version": [(b":protocol", b"websocket"), (b"sec-websocket-version", b"8")],
    "no-version": [(b":protocol", b"websocket")],
    "length": [(b":protocol", b"websocket"), _VERSION, (b"content-length", b"5")],
    "upgrade": [(b":protocol", b"websocket"), _VERSION, (b"upgrade", b"websocket")],
    "connection": [(b":protocol", b"websocket"), _VERSION, (b"connection", b"upgrade")],
    "subprotocol": [(b":protocol", b"websocket"), _VERSION, (b"sec-websocket-protocol", b"a b")],
    "protocol-twice": [(b":protocol", b"websocket"), (b":protocol", b"websocket"), _VERSION],
}


def bad_handshakes(victim: Victim) -> None:
    """Ask in wrong ways: the answer says so, or the stream is reset, and no application is called."""
    with attacker(victim) as peer:
        for name, fields in _HANDSHAKES.items():
            stream = peer.open(b"/smuggled", fields, method=b"CONNECT", end_stream=False)
            view = peer.response(stream)
            refused = view.reset not in {None, Code.NO_ERROR} or 400 <= (view.status or 0) < 600
            demand(refused, f"answered {view.status} to a handshake with another {name}")
        check_served(victim, peer)
    demand("/smuggled" not in victim.paths(), "called an application")


def _attack(
    name: str,
    threat: str,
    carry_out: Callable[[Victim], None],
    memory: int = 3 * MiB,
    patience: Patience | None = None,
) -> Attack:
    patience = patience or Patience()
    return Attack(name, threat, carry_out, protocol="h2c", memory=memory, cpu=1.0, patience=patience)


_STREAMS: Final = "A stream that ends under its session"
_UNASKED: Final = Patience(ping=10.0)

ATTACKS: Final = [
    *[
        _attack(f"session-and-{name}", _STREAMS, partial(ended_stream, make=make))
        for name, make in _ENDS.items()
    ],
    _attack("rapid-sessions", _STREAMS, rapid_sessions),
    _attack("sessions-with-closed-windows", "Messages that nobody reads", closed_window),
    _attack("pings-on-a-closed-window", "Pings that want an answer each", unread_pongs),
    _attack(
        "deflate-bomb-on-a-stream",
        "A small message that becomes a large one",
        deflate_bomb,
        20 * MiB,
        _UNASKED,
    ),
    _attack("endless-fragments-on-a-stream", "Fragments without end", endless_message, 36 * MiB, _UNASKED),
    _attack(
        "frames-before-the-answer-on-streams",
        "Frames before the answer",
        frames_before_the_answer,
        memory=16 * MiB,
    ),
    _attack("handshakes-on-streams-that-are-none", "Handshakes that are none", bad_handshakes),
]
