"""HTTP/2: windows that open by crumbs, too far or not at all, and sockets that nobody reads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tests.attacks.app import PIECE
from tests.attacks.attack import Attack, KiB, MiB, Victim, demand
from tests.attacks.http2_peer import Gone, Sent, attacker, check_served, named
from tests.peers import INITIAL_WINDOW_SIZE, MAX_WINDOW, Code, data, settings, window_update

__all__ = ["ATTACKS"]

_STREAMS: Final = 100
_MANY: Final = 10_000


def crumbs(victim: Victim) -> None:
    """Open the window for a megabyte octet by octet (CVE-2019-9511)."""
    with attacker(victim, window=0) as peer:
        stream = peer.open(b"/megabyte")
        peer.read_until(lambda: peer.view(stream).status is not None, "a response")
        peer.send(window_update(0, 1_000_000))
        sent = peer.flood(window_update(stream, 1) * _MANY)
        if sent is not Sent.ENDED:
            try:
                peer.settle()
            except Gone:
                sent = Sent.ENDED
        frames = len([frame for frame in peer.view(stream).frames if frame.kind == 0])
        demand(frames < _MANY // 2, f"sent {frames} frames of an octet each")
        if sent is Sent.ENDED:
            peer.check_end(Code.ENHANCE_YOUR_CALM)


def crumbs_by_settings(victim: Victim) -> None:
    """Open a hundred windows by an octet each with every SETTINGS frame."""
    with attacker(victim, window=0) as peer:
        streams = [peer.open(b"/megabyte") for _ in range(_STREAMS)]
        peer.read_until(lambda: all(peer.view(stream).status for stream in streams), "a hundred responses")
        peer.send(window_update(0, 1_000_000))
        with suppress(Gone):
            for size in range(1, 200):
                peer.send(settings((INITIAL_WINDOW_SIZE, size)))
                peer.settle()
        peer.check_end(Code.ENHANCE_YOUR_CALM)


def a_window_of_one(victim: Victim) -> None:
    """A hundred streams with windows of one octet that never open again: each is reset in the end."""
    patience = victim.patience.window + 2
    with attacker(victim, window=1, patience=patience) as peer:
        streams = [peer.open(b"/megabyte") for _ in range(_STREAMS)]
        for stream in streams:
            view = peer.response(stream)
            demand(
                view.reset is not None, f"ended a response of {len(view.octets)} octets as if it were whole"
            )
        demand(not peer.ended, "ended the connection, where only streams were stalled")
    victim.settled()


def closed_windows(victim: Victim) -> None:
    """A hundred large responses and no room for any of them (CVE-2019-9517)."""
    patience = victim.patience.window + 2
    with attacker(victim, window=0, patience=patience) as peer:
        streams = [peer.open(b"/large") for _ in range(_STREAMS)]
        peer.read_until(lambda: all(peer.view(stream).status for stream in streams), "a hundred responses")
        check_served(victim)
        for stream in streams:
            demand(peer.response(stream).reset is not None, "ended a response without an end")
    victim.settled()


def closed_window_of_the_connection(victim: Victim) -> None:
    """Each stream has a large window, and the connection gives no room for any of them."""
    with attacker(victim, window=65_535, patience=victim.patience.window + 2) as peer:
        peer.send(settings((INITIAL_WINDOW_SIZE, MAX_WINDOW)))
        streams = [peer.open(b"/large") for _ in range(_STREAMS)]
        for stream in streams:
            demand(peer.response(stream).reset is not None, "ended a response without an end")
    victim.settled()


def unread_socket(victim: Victim) -> None:
    """Windows as large as there are, twenty responses without end, and nobody who reads (RFC 9113 §10.5)."""
    with attacker(victim, receive_buffer=4 * KiB) as peer:
        for _ in range(20):
            peer.open(b"/large")
        victim.settled(victim.patience.write + 4)


_TOO_LARGE: Final[dict[str, bytes]] = {
    "connection": window_update(0, MAX_WINDOW),
    "settings": settings((INITIAL_WINDOW_SIZE, 2**31)),
    "streams": window_update(1, MAX_WINDOW - 65_535) + settings((INITIAL_WINDOW_SIZE, 65_536)),
    "connection by nothing": window_update(0, 0),
}


def windows_too_large(victim: Victim) -> None:
    """Windows beyond 2³¹-1, by settings and by updates (RFC 9113 §6.9.1, §6.9.2)."""
    for name, octets in _TOO_LARGE.items():
        with named(name), attacker(victim, window=65_535) as peer:
            peer.open(b"/wait")
            peer.settle()
            peer.flood(octets)
            peer.check_end(Code.FLOW_CONTROL_ERROR, Code.PROTOCOL_ERROR)
    victim.settled()


def negative_windows(victim: Victim) -> None:
    """Take windows back that were used already, many times, and then open them: nothing is sent beyond them."""
    with attacker(victim, window=65_535) as peer:
        stream = peer.open(b"/megabyte")
        peer.read_until(lambda: peer.observer.window == 0, "content")
        for _ in range(100):
            peer.send(settings((INITIAL_WINDOW_SIZE, 0)), settings((INITIAL_WINDOW_SIZE, 65_535)))
        peer.send(
            settings((INITIAL_WINDOW_SIZE, 0)), window_update(0, 2 * MiB), window_update(stream, 2 * MiB)
        )
        view = peer.response(stream)
        demand(view.ended and len(view.octets) == MiB, f"sent {len(view.octets)} octets of 1 MiB")


def content_beyond_the_window(victim: Victim) -> None:
    """Send content for which there is no credit, to an application that takes none (RFC 9113 §6.9.1)."""
    with attacker(victim) as peer:
        stream = peer.open(b"/deaf", method=b"POST", end_stream=False)
        peer.settle()
        peer.flood(data(stream, bytes(16_000)) * 256)
        peer.check_end(Code.FLOW_CONTROL_ERROR, silently=True)


def untaken_content(victim: Victim) -> None:
    """Fill the windows of a hundred requests whose applications take nothing, and answer after a second."""
    with attacker(victim) as peer:
        streams = [peer.open(b"/slow", method=b"POST", end_stream=False) for _ in range(_STREAMS)]
        peer.settle()
        for stream in streams:
            size = min(peer.view(stream).credit, peer.observer.credit)
            peer.upload(stream, bytes(size))
        for stream in streams:
            demand(peer.response(stream).status == 200, "refused content within its window")
        # What was held for those that are gone has come back.
        stream = peer.open(b"/", method=b"POST", end_stream=False)
        peer.upload(stream, bytes(MiB), end_stream=True)
        view = peer.response(stream)
        demand(view.status == 200, f"answered an upload with {view.status}, RST_STREAM {view.reset}")


def padded_content(victim: Victim) -> None:
    """Content of an octet with 255 of padding in each frame: the credit for all of it comes back."""
    with attacker(victim) as peer:
        stream = peer.open(b"/padded", method=b"POST", end_stream=False)
        view = peer.view(stream)
        for _ in range(4_000):
            peer.read_until(lambda: min(view.credit, peer.observer.credit) >= 257, "credit")
            peer.send(data(stream, b"x", padding=255))
        peer.send(data(stream, end_stream=True))
        demand(peer.response(stream).status == 200, "refused padded content")
    [call] = [call for call in victim.settled() if call["path"] == "/padded"]
    demand(call["octets"] == 4_000, f"made {call['octets']} octets out of 4,000")


def _attack(name: str, threat: str, carry_out: Callable[[Victim], None], memory: int = 4 * MiB) -> Attack:
    return Attack(name, threat, carry_out, protocol="h2c", memory=memory, cpu=0.6)


_CRUMBS: Final = "Windows that open by crumbs"
_CLOSED: Final = "Windows that stay closed"
_UNREAD: Final = "Large windows, and a socket that nobody reads"
_NONE: Final = "Windows that are no windows"
_UNTAKEN: Final = "Content that no application takes"

_WAITING: Final = _STREAMS * len(PIECE) + 4 * MiB
"""Each application waits with a message of its own."""

ATTACKS: Final = [
    _attack("data-dribble", _CRUMBS, crumbs),
    _attack("data-dribble-by-settings", _CRUMBS, crumbs_by_settings),
    _attack("windows-of-one-octet", _CLOSED, a_window_of_one),
    _attack("closed-windows", _CLOSED, closed_windows, _WAITING),
    _attack("closed-window-of-the-connection", _CLOSED, closed_window_of_the_connection, _WAITING),
    _attack("socket-that-nobody-reads", _UNREAD, unread_socket),
    Attack("tls-that-nobody-reads", _UNREAD, unread_socket, protocol="h2-tls", memory=4 * MiB, cpu=0.6),
    _attack("windows-too-large", _NONE, windows_too_large),
    _attack("negative-windows", _NONE, negative_windows),
    _attack("content-beyond-the-window", _NONE, content_beyond_the_window),
    _attack("content-that-nobody-takes", _UNTAKEN, untaken_content, memory=32 * MiB),
    _attack("padded-content", "Padding", padded_content),
]
