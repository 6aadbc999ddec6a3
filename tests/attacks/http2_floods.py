"""HTTP/2: frames that cost a client nearly nothing, in great number."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from tests.attacks.attack import Attack, MiB, Victim, demand
from tests.attacks.http2_peer import Gone, Sent, attacker, check_calls, check_served
from tests.peers import (
    INITIAL_WINDOW_SIZE,
    Code,
    data,
    frame,
    goaway,
    headers,
    ping,
    priority,
    priority_update,
    request,
    rst,
    settings,
    window_update,
)

__all__ = ["ATTACKS"]

_MANY: Final = 10_000

_MOST_CALLS: Final = 300
"""How many applications a client may start and abort on one connection, before a second has passed."""

_WAIT: Final = b"/wait"


def _each_stream(make: Callable[[int], bytes], count: int = _MANY) -> bytes:
    return b"".join([make(number) for number in range(1, 2 * count, 2)])


def _wait(number: int, *, method: bytes = b"POST", end_stream: bool = False) -> bytes:
    """Open a stream whose application waits."""
    return request(number, method, _WAIT, end_stream=end_stream, scheme=b"http")


# Resets.


def rapid_reset(victim: Victim) -> None:
    """Open a stream and reset it, ten thousand times in one go (CVE-2023-44487)."""
    with attacker(victim) as peer:
        peer.flood(_each_stream(lambda n: _wait(n, method=b"GET", end_stream=True) + rst(n)))
        peer.check_end(Code.ENHANCE_YOUR_CALM)
    check_calls(victim, _MOST_CALLS)


def rapid_reset_of_running_applications(victim: Victim) -> None:
    """Let each application begin before its stream is reset."""
    with attacker(victim) as peer:
        try:
            for number in range(1, 2_000, 2):
                peer.send(_wait(number))
                peer.settle()
                peer.send(rst(number))
        except Gone:
            pass
        peer.check_end(Code.ENHANCE_YOUR_CALM)
    check_calls(victim, _MOST_CALLS)


def reset_in_the_same_read(victim: Victim) -> None:
    """A hundred streams come with their resets: no application has to know."""
    with attacker(victim) as peer:
        peer.send(_each_stream(lambda n: _wait(n) + rst(n), 100))
        peer.settle()
        check_calls(victim, 0)
        peer.skip(201)
        check_served(victim, peer)


_PROVOCATIONS: Final[dict[str, Callable[[int], bytes]]] = {
    "window-update-by-nothing": lambda n: _wait(n) + window_update(n, 0),
    "window-overflow": lambda n: _wait(n) + window_update(n, 2**31 - 1),
    "content-behind-the-end": lambda n: _wait(n, end_stream=True) + data(n, b"x"),
    "fields-behind-the-end": lambda n: _wait(n, end_stream=True) + headers(n, [(b"x", b"y")]),
    "content-beyond-its-length": lambda n: (
        request(n, b"POST", _WAIT, [(b"content-length", b"1")], end_stream=False) + data(n, b"too much")
    ),
    "trailers-that-do-not-end": lambda n: _wait(n) + headers(n, [(b"x", b"y")], end_stream=False),
    "priority-of-a-wrong-length": lambda n: _wait(n) + frame(2, 0, n, bytes(4)),
    "dependency-on-itself": lambda n: _wait(n) + priority(n, n),
}


def make_it_reset(victim: Victim, make: Callable[[int], bytes]) -> None:
    """Break a rule on stream after stream, so that the server resets them (CVE-2025-8671)."""
    with attacker(victim) as peer:
        peer.flood(_each_stream(make))
        peer.rest()
        demand(peer.error is not None, "the connection ended without GOAWAY")
    check_calls(victim, _MOST_CALLS)


def malformed_requests(victim: Victim) -> None:
    """Each request is malformed, and reset by the server."""
    with attacker(victim) as peer:
        peer.flood(_each_stream(lambda n: headers(n, [(b":method", b"GET")])))
        peer.check_end(Code.ENHANCE_YOUR_CALM)
    check_calls(victim, 0)


# Streams.


def streams_beyond_the_limit(victim: Victim) -> None:
    """Open streams, and end none."""
    with attacker(victim) as peer:
        peer.flood(_each_stream(_wait))
        peer.check_end(Code.ENHANCE_YOUR_CALM)
    check_calls(victim, 256)


def streams_before_the_limit_is_known(victim: Victim) -> None:
    """A client that has not read our settings may open too many: they are refused, and it stays."""
    with attacker(victim, start=False) as peer:
        peer.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", settings(), _each_stream(_wait, 250))
        peer.read_until(lambda: bool(peer.observer.settings) and peer.observer.acknowledged == 1)
        peer.settle()
        limit = peer.observer.settings.get(3, 2**32)
        refused = [view for view in peer.observer.streams.values() if view.reset is not None]
        codes = {view.reset for view in refused}
        demand(codes <= {Code.REFUSED_STREAM, Code.PROTOCOL_ERROR}, f"refused streams with {codes}")
        demand(
            len(refused) >= 250 - limit, f"refused {len(refused)} of 250 streams, where {limit} are allowed"
        )
        check_calls(victim, limit)
        peer.send(settings(ack=True), rst(1))
        peer.skip(501)
        until = time.monotonic() + 2.0
        while (view := peer.fetch(b"/")).reset == Code.REFUSED_STREAM and time.monotonic() < until:
            time.sleep(0.02)  # The first application has not returned yet.
        demand(view.status == 200, f"answered a stream that is allowed with {view.status}, {view.reset}")


def many_streams(victim: Victim) -> None:
    """Thousands of good requests: nothing of them remains."""
    with attacker(victim) as peer:
        for _ in range(40):
            streams = [peer.next_id() for _ in range(100)]
            peer.send(b"".join([request(n, path=b"/", scheme=b"http") for n in streams]))
            for stream in streams:
                view = peer.response(stream)
                demand(view.status == 200, f"stream {stream} got {view.status}, RST_STREAM {view.reset}")
            peer.observer.streams.clear()


def streams_exhausted(victim: Victim) -> None:
    """The highest number there is, and then one that is lower."""
    with attacker(victim) as peer:
        peer.skip(2**31 - 1)
        check_served(victim, peer)
        peer.send(request(5, path=_WAIT, scheme=b"http"))
        peer.check_end(Code.PROTOCOL_ERROR, Code.STREAM_CLOSED)
    check_calls(victim, 0)


# Frames that bring nothing forward, for a stream that is open (1) or was reset (3).

_FLOODS: Final[dict[str, bytes]] = {
    "ping": ping(),
    "ping-ack": ping(ack=True),
    "settings": settings(),
    "settings-ack": settings(ack=True),
    "unknown-settings": settings(*[(number, 1) for number in range(0x100, 0x100 + 50)]),
    "priority": priority(1),
    "priority-update": priority_update(1, b"u=1"),
    "priority-update-of-streams-to-come": priority_update(4_001, b"u=1"),
    "empty-data": data(1),
    "padding": data(1, padding=0),
    "window-update": window_update(0, 1),
    "window-update-of-a-stream": window_update(1, 1),
    "unknown-frames": frame(0xFA, 0, 1, b"x"),
    "data-on-a-reset-stream": data(3, b"x"),
    "fields-on-a-reset-stream": headers(3, [(b"x", b"y")]),
    "resets-of-a-reset-stream": rst(3),
    "goaway": goaway(),
}


def flood(victim: Victim, piece: bytes) -> None:
    """Send one frame ten thousand times; the client reads what comes."""
    with attacker(victim, window=1_000_000) as peer:
        peer.send(_wait(1), _wait(3), rst(3))
        peer.settle()
        peer.flood(piece * _MANY)
        peer.check_end(Code.ENHANCE_YOUR_CALM)
    check_calls(victim, 2)


def unknown_settings(victim: Victim) -> None:
    """A million settings that nobody knows, each with an identifier of its own as far as there are some."""
    with attacker(victim) as peer:
        for start in range(0, 65_536 - 2_730, 2_730):
            peer.send(settings(*[(number, 1) for number in range(start + 16, start + 2_746)]))
        peer.settle()
        check_served(victim, peer)


def windows_by_settings(victim: Victim) -> None:
    """Change the window of a hundred waiting streams, thousands of times in each frame."""
    with attacker(victim, window=0) as peer:
        streams = [peer.open(b"/megabyte") for _ in range(100)]
        peer.read_until(lambda: all(peer.view(stream).status for stream in streams), "a hundred responses")
        changes = [(INITIAL_WINDOW_SIZE, size) for _ in range(1_365) for size in (1, 0)]
        peer.flood(settings(*changes) * 25)
        try:
            peer.settle()
        except Gone:
            peer.check_end(Code.ENHANCE_YOUR_CALM)


def flood_unread(victim: Victim, piece: bytes) -> None:
    """Make the server answer, and read nothing."""
    with attacker(victim, patience=2.0) as peer:
        peer.send(_wait(1), _wait(3), rst(3))
        peer.settle()
        sent = peer.flood(piece * (4 * MiB // len(piece)), reads=False)
        if sent is Sent.ALL:
            peer.check_end(Code.ENHANCE_YOUR_CALM, silently=True)
    check_calls(victim, 2)


_UNREAD: Final = ("ping", "settings", "data-on-a-reset-stream")


def _attack(name: str, threat: str, carry_out: Callable[[Victim], None], cpu: float = 0.4) -> Attack:
    return Attack(name, threat, carry_out, protocol="h2c", memory=3 * MiB, cpu=cpu)


_RESETS: Final = "Requests that are reset at once"
_PROVOKED: Final = "Resets that the server is made to send"
_LIMIT: Final = "More streams than allowed"
_MILLION: Final = "A million streams"
_NOTHING: Final = "Frames that bring nothing forward"
_ANSWERS: Final = "Answers that nobody reads"

ATTACKS: Final = [
    _attack("rapid-reset", _RESETS, rapid_reset),
    _attack("rapid-reset-of-running-applications", _RESETS, rapid_reset_of_running_applications),
    _attack("reset-in-the-same-read", _RESETS, reset_in_the_same_read),
    *[
        _attack(f"made-to-reset-by-{name}", _PROVOKED, partial(make_it_reset, make=make))
        for name, make in _PROVOCATIONS.items()
    ],
    _attack("malformed-requests", _PROVOKED, malformed_requests),
    _attack("streams-beyond-the-limit", _LIMIT, streams_beyond_the_limit),
    _attack("streams-before-the-limit-is-known", _LIMIT, streams_before_the_limit_is_known),
    _attack("many-streams", _MILLION, many_streams, cpu=1.0),
    _attack("streams-exhausted", _MILLION, streams_exhausted),
    *[_attack(f"flood-of-{name}", _NOTHING, partial(flood, piece=piece)) for name, piece in _FLOODS.items()],
    _attack("unknown-settings", _NOTHING, unknown_settings),
    _attack("windows-by-settings", _NOTHING, windows_by_settings),
    *[
        _attack(f"flood-of-{name}-unread", _ANSWERS, partial(flood_unread, piece=_FLOODS[name]))
        for name in _UNREAD
    ],
]
