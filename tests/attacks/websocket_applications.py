"""Applications that break the rules of a WebSocket: they get an exception, and their clients an end in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from fuzz.wire import Side, read_frames
from tests.attacks.attack import Attack, KiB, MiB, Victim, demand
from tests.attacks.hostile_sessions import (
    BAD_HANDSHAKES,
    BAD_SESSIONS,
    BEHIND_CLOSE,
    CHANGED_SIZE,
    CHANGES,
    LONG_REASON,
    OFFERED,
)
from tests.attacks.http2_peer import Http2Peer, attacker, check_served, named
from tests.attacks.variants import send_all
from tests.attacks.websocket_peer import CLOSE, FIN, HANDSHAKE, WebSocketPeer, frame
from tests.peers import StreamView, data

__all__ = ["ATTACKS"]

_PROTOCOL: Final = b"Sec-WebSocket-Protocol: %b\r\n" % OFFERED.encode()
_INTERNAL_ERROR: Final = 1011


def bad_handshakes(victim: Victim) -> None:
    """Answers to a handshake that are none: the client gets a 500, and nothing of them."""
    requests = {name: HANDSHAKE % (f"/wrong/{name}".encode(), _PROTOCOL) for name in BAD_HANDSHAKES}
    for name, answer in send_all(victim, requests, 2.0).items():
        demand(answer.statuses == [500], f"answered {answer.statuses} after {name}")
        demand(b"njected" not in answer.data, f"writes a field with {name}")
    _all_raised(victim, BAD_HANDSHAKES)


def bad_messages(victim: Victim) -> None:
    """Messages that are none in a session: it ends with 1011, or goes on if it was to end anyway."""
    names = [*BAD_SESSIONS, *BEHIND_CLOSE]
    peers = {name: WebSocketPeer.open(victim, f"/wrong/{name}") for name in names}
    for name, peer in peers.items():
        with named(name):
            _check_closed(_echo_close(peer), 1000 if name in BEHIND_CLOSE else _INTERNAL_ERROR)
    _all_raised(victim, names)


def corrected(victim: Victim) -> None:
    """The application sees the exception and says what is right: what was refused has left no trace."""
    names = [*BAD_HANDSHAKES, *BAD_SESSIONS]
    peers = {name: WebSocketPeer(victim, f"/correct/{name}", _PROTOCOL) for name in names}
    for name, peer in peers.items():
        with named(name):
            peer.accepted()
            side = _echo_close(peer)
            demand(len(side.messages) == 1, f"{side.messages} instead of what was raised")
            _check_closed(side, 1000)
    ends = {call["end"] for call in victim.settled()}
    demand(ends == {"returned"}, f"applications have {' and '.join(sorted(ends))}")


def long_reason(victim: Victim) -> None:
    """A reason of more than 123 octets is refused, or cut between two characters (RFC 6455 §5.5)."""
    side = _echo_close(WebSocketPeer.open(victim, "/long-reason"))
    _check_closed(side, 4000, _INTERNAL_ERROR)
    code, reason = side.close or (0, "")
    demand(len(reason.encode()) <= 123, f"a reason of {len(reason.encode())} octets")
    demand(code != 4000 or LONG_REASON.startswith(reason), "another reason than was given")


def changed_messages(victim: Victim) -> None:
    """Buffers that change as soon as `send` has returned, and a client that takes its time."""
    peer = WebSocketPeer.open(victim, "/change-later", receive_buffer=16 * KiB)
    time.sleep(0.3)
    side = peer.rest()
    wanted = [b"%c" % (97 + number % 26) * CHANGED_SIZE for number in range(CHANGES)]
    demand(side.messages == wanted[: len(side.messages)], "sends other octets than it was given")
    _check_closed(side, 1000, _INTERNAL_ERROR)
    demand(side.messages == wanted or _INTERNAL_ERROR in (side.close or ()), "loses messages")


def on_streams(victim: Victim) -> None:
    """The same on streams of one connection of HTTP/2, which goes on (RFC 8441)."""
    fields = [
        (b":protocol", b"websocket"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-protocol", OFFERED.encode()),
    ]
    with attacker(victim) as peer:
        for name in (*BAD_HANDSHAKES, *BAD_SESSIONS, *BEHIND_CLOSE):
            with named(name):
                path = f"/wrong/{name}".encode()
                view = peer.view(peer.open(path, fields, method=b"CONNECT", end_stream=False))
                if name in BAD_HANDSHAKES:
                    peer.response(view.id)
                    demand(view.status == 500, f"answered {view.status}, RST_STREAM {view.reset}")
                    demand(b"njected" not in repr(view.fields).encode(), "writes a field")
                    continue
                side = _read_close(peer, view)
                _check_closed(side, 1000 if name in BEHIND_CLOSE else _INTERNAL_ERROR)
                peer.send(data(view.id, frame(FIN | CLOSE, b"\x03\xe8"), end_stream=True))
                peer.response(view.id)
        check_served(victim, peer)
    _all_raised(victim, [*BAD_HANDSHAKES, *BAD_SESSIONS, *BEHIND_CLOSE])


def _echo_close(peer: WebSocketPeer) -> Side:
    """Read until the server closes, close, too, and read to the end."""
    peer.read_until(lambda side: bool(side.close or side.wrong), "a close frame")
    peer.client.send(frame(FIN | CLOSE, b"\x03\xe8"))
    return peer.rest()


def _read_close(peer: Http2Peer, view: StreamView) -> Side:
    def said() -> Side:
        return read_frames(view.content, None, client=False)

    peer.read_until(lambda: bool(said().close or said().wrong or view.reset), "a close frame")
    demand(view.reset is None, f"RST_STREAM {view.reset}")
    return said()


def _check_closed(side: Side, *codes: int) -> None:
    """The server has said nothing wrong, has closed once, and with one of these codes."""
    demand(not side.wrong, f"writes what cannot be read: {side.wrong}")
    demand(side.close is not None and side.close[0] in codes, f"closes with {side.close}")
    demand(not side.behind_close, f"{side.behind_close} octets behind the close frame")


def _all_raised(victim: Victim, names: Iterable[str]) -> None:
    """Each application got an exception."""
    ends = {call["path"].rpartition("/")[2]: call["end"] for call in victim.settled()}
    quiet = [name for name in names if not ends.get(name, "").startswith("raised ")]
    demand(not quiet, f"{quiet[0]} has {ends.get(quiet[0])}, and {len(quiet) - 1} more" if quiet else "")


def _attack(
    name: str,
    carry_out: Callable[[Victim], None],
    *,
    threat: str = "Messages that are none",
    protocol: str = "websocket",
) -> Attack:
    return Attack(name, threat, carry_out, protocol=protocol, memory=4 * MiB, tracebacks=True)


ATTACKS: Final = [
    _attack("app-wrong-handshakes", bad_handshakes),
    _attack("app-wrong-sessions", bad_messages),
    _attack("app-corrects-sessions", corrected),
    _attack("app-wrong-sessions-on-streams", on_streams, protocol="h2c"),
    _attack("app-long-reason", long_reason),
    _attack("app-changes-session-messages", changed_messages, threat="Objects that change later"),
]
