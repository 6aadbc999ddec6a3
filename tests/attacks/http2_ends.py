"""HTTP/2: connections that never begin, that go on behind their end, and inputs that ended other servers whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Final

from tests.attacks.attack import Attack, MiB, Patience, Victim, demand
from tests.attacks.http2_peer import Gone, attacker, check_calls, check_served, named
from tests.peers import (
    DATA,
    GOAWAY,
    PING,
    PREFACE,
    PRIORITY_UPDATE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Code,
    continuation,
    data,
    frame,
    goaway,
    headers,
    ping,
    priority,
    request,
    rst,
    settings,
    window_update,
)

__all__ = ["ATTACKS"]

_SLACK: Final = 2.5
"""Seconds: what a server may be later than its own timeout."""


# Beginnings.


def slow_preface(victim: Victim) -> None:
    """Send the preface an octet at a time, and never the last of it."""
    within = victim.patience.head + _SLACK
    with attacker(victim, start=False) as peer:
        until = time.monotonic() + within
        with suppress(Gone):
            for octet in PREFACE[:-1] * 10:
                peer.send(bytes([octet]))
                peer.pause(0.15)
                if time.monotonic() > until:
                    break
        demand(peer.ended, f"waited for a preface for more than {within:g} seconds")


def preface_without_settings(victim: Victim) -> None:
    """Send the preface, and no settings behind it."""
    with attacker(victim, start=False) as peer:
        peer.send(PREFACE)
        peer.rest(within=victim.patience.head + _SLACK)


def settings_never_acknowledged(victim: Victim) -> None:
    """Read the server's settings, use the connection, and never acknowledge them (RFC 9113 §6.5.3)."""
    with attacker(victim, start=False) as peer:
        peer.send(PREFACE, settings())
        peer.open(b"/wait")
        peer.check_end(Code.SETTINGS_TIMEOUT, within=victim.patience.settings + _SLACK)
    victim.settled()


def slow_field_block(victim: Victim) -> None:
    """Send a CONTINUATION frame of an octet now and then."""
    within = victim.patience.head + _SLACK
    with attacker(victim) as peer:
        peer.send(headers(1, b"\x82", end_headers=False))
        until = time.monotonic() + within
        with suppress(Gone):
            while time.monotonic() < until:
                peer.send(continuation(1, b"\x86", end_headers=False))
                peer.pause(0.2)
        demand(peer.ended, f"waited for a field block for more than {within:g} seconds")
    check_calls(victim, 0)


def idle_but_for_pings(victim: Victim) -> None:
    """Send nothing but pings, again and again."""
    within = victim.patience.keep_alive + _SLACK
    with attacker(victim) as peer:
        until = time.monotonic() + within
        with suppress(Gone):
            while time.monotonic() < until:
                peer.send(ping())
                peer.pause(0.2)
        demand(peer.ended, f"kept a connection without requests for more than {within:g} seconds")


def gone_without_a_word(victim: Victim) -> None:
    """Ask on fifty connections for what takes long, and answer no ping: they end, and one that answers goes on."""
    interval = victim.patience.http2_ping or 0.0
    with attacker(victim) as there, ExitStack() as stack:
        waits = there.open(b"/wait")
        peers = [stack.enter_context(attacker(victim)) for _ in range(50)]
        for peer in peers:
            peer.answers_pings = False
            peer.open(b"/wait")
        until = time.monotonic() + 2 * interval + _SLACK
        while time.monotonic() < until:  # All are read from, in turns.
            there.pause(0.05)
            for peer in peers:
                peer.pause(0.001)
        left = sum(not peer.ended for peer in peers)
        demand(not left, f"keeps {left} of {len(peers)} that are not there any more")
        demand(all(peer.observer.pings for peer in peers), "ended a connection without a ping")
        demand(len(there.observer.pings) > 1, "sent no pings to who answers them")
        ends = [call["end"] for call in victim.journal()]
        demand(ends.count("disconnected") == len(peers), f"told {ends.count('disconnected')} of {len(peers)}")
        view = there.view(waits)
        demand(not there.ended and view.reset is None, "ended the connection of who answers pings")
        check_served(victim, there)


def content_that_stops(victim: Victim) -> None:
    """Begin a hundred uploads, keep the connection busy with pings, and send no more of any."""
    with attacker(victim, patience=victim.patience.body + _SLACK) as peer:
        streams = [peer.open(b"/upload", method=b"POST", end_stream=False) for _ in range(100)]
        for stream in streams:
            view = peer.response(stream)
            demand(
                view.status == 408 or view.reset is not None, f"answered half an upload with {view.status}"
            )
    victim.settled()


# Ends.


def goaway_and_on(victim: Victim) -> None:
    """Say GOAWAY, get the response that is still due, and go on to open streams that nobody may serve."""
    with attacker(victim) as peer:
        stream = peer.open(b"/slow")
        peer.settle()
        with suppress(Gone):
            peer.send(goaway())
            for number in range(3, 203, 2):
                peer.send(request(number, path=b"/wait", scheme=b"http"))
            view = peer.response(stream)
            demand(view.status == 200, f"answered {view.status} to a request before GOAWAY")
        peer.rest()
    check_calls(victim, 0)


def end_in_the_middle(victim: Victim) -> None:
    """End the connection by FIN or RST with requests, content and field blocks half done, many times."""
    for number in range(60):
        with attacker(victim) as peer:
            peer.send(
                request(1, b"POST", b"/wait", end_stream=False, scheme=b"http"),
                request(3, path=b"/large", scheme=b"http"),
                data(1, b"half", end_stream=False),
            )
            peer.send([headers(5, b"\x82", end_headers=False), data(1, b"x")[:9], ping()[:3]][number % 3])
            peer.leave(reset=bool(number % 2))
    victim.settled()


def h2c_upgrade(victim: Victim) -> None:
    """Ask for HTTP/2 by an upgrade, and go on as if it had been granted: it is HTTP/1 with rubbish behind it."""
    client = victim.connect()
    client.offer(
        b"GET /first HTTP/1.1\r\nHost: test\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
        + PREFACE
        + settings()
        + request(3, path=b"/smuggled", scheme=b"http")
    )
    answer = client.receive_all(3.0)
    demand(101 not in answer.statuses, "switched to HTTP/2")
    demand(answer.statuses[:1] == [200], f"answered the request with {answer.statuses}")
    demand(answer.ended, "goes on behind what is no request")
    demand("/smuggled" not in victim.paths(), "served a request behind an upgrade")


# What ended other servers, and what is wrong with one connection.


def path_of_other_octets(victim: Victim) -> None:
    """A path that is no UTF-8, plain and escaped."""
    with attacker(victim) as peer, suppress(Gone):
        for path in (b"/\xff", b"/%ff", b"/\xc0\xaf", b"/%c0%af", b"/\xed\xa0\x80", b"/%ed%a0%80", b"/%"):
            view = peer.fetch(path)
            demand(view.status or view.reset, f"neither answered nor reset {path!r}")
    check_served(victim)


def content_behind_an_early_response(victim: Victim) -> None:
    """Send content, window updates, trailers and a reset for a stream that was answered early."""
    with attacker(victim) as peer, suppress(Gone):
        for number in range(1, 100, 2):
            stream = peer.open(b"/none", method=b"POST", end_stream=False)
            peer.response(stream)
            peer.settle()
            peer.send(data(stream, b"late"), window_update(stream, 1))
            late = [headers(stream, [(b"x", b"y")]), data(stream, b"end", end_stream=True), rst(stream)]
            peer.send(late[number // 2 % 3])
            peer.settle()
    check_served(victim)


_WRONG: Final[dict[str, tuple[bytes, tuple[int, ...]]]] = {
    "no preface": (b"GET / HTTP/2.0\r\n\r\nSM\r\n\r\n", ()),
    "fields on stream 0": (headers(0, [(b"x", b"y")]), (Code.PROTOCOL_ERROR,)),
    "fields on an even stream": (request(2, path=b"/wait"), (Code.PROTOCOL_ERROR,)),
    "content on stream 0": (data(0, b"x"), (Code.PROTOCOL_ERROR,)),
    "content on an idle stream": (data(7, b"x"), (Code.PROTOCOL_ERROR, Code.STREAM_CLOSED)),
    "reset of an idle stream": (rst(7), (Code.PROTOCOL_ERROR,)),
    "window update of an idle stream": (window_update(7, 1), (Code.PROTOCOL_ERROR,)),
    "continuation alone": (continuation(1, b"\x82"), (Code.PROTOCOL_ERROR,)),
    "frame within a field block": (headers(1, b"\x82", end_headers=False) + ping(), (Code.PROTOCOL_ERROR,)),
    "push": (frame(PUSH_PROMISE, 4, 1, b"\0\0\0\2\x82"), (Code.PROTOCOL_ERROR,)),
    "settings on a stream": (frame(SETTINGS, 0, 1), (Code.PROTOCOL_ERROR,)),
    "settings of a wrong length": (frame(SETTINGS, 0, 0, bytes(5)), (Code.FRAME_SIZE_ERROR,)),
    "settings ack with content": (frame(SETTINGS, 1, 0, bytes(6)), (Code.FRAME_SIZE_ERROR,)),
    "settings with a frame size of 0": (settings((5, 0)), (Code.PROTOCOL_ERROR,)),
    "settings with a push of 2": (settings((2, 2)), (Code.PROTOCOL_ERROR,)),
    "ping on a stream": (frame(PING, 0, 1, bytes(8)), (Code.PROTOCOL_ERROR,)),
    "ping of a wrong length": (frame(PING, 0, 0, bytes(7)), (Code.FRAME_SIZE_ERROR,)),
    "goaway on a stream": (frame(GOAWAY, 0, 1, bytes(8)), (Code.PROTOCOL_ERROR,)),
    "goaway that is short": (frame(GOAWAY, 0, 0, bytes(7)), (Code.FRAME_SIZE_ERROR,)),
    "reset of a wrong length": (frame(RST_STREAM, 0, 1, bytes(3)), (Code.FRAME_SIZE_ERROR,)),
    "window update of a wrong length": (frame(WINDOW_UPDATE, 0, 0, bytes(5)), (Code.FRAME_SIZE_ERROR,)),
    "priority on stream 0": (priority(0), (Code.PROTOCOL_ERROR,)),
    "priority update that is short": (frame(PRIORITY_UPDATE, 0, 0, bytes(3)), (Code.FRAME_SIZE_ERROR,)),
    "padding beyond the frame": (frame(0, 8, 1, b"\xffx"), (Code.PROTOCOL_ERROR,)),
    "fields of padding": (frame(1, 0xC, 1, b"\xff"), (Code.PROTOCOL_ERROR, Code.FRAME_SIZE_ERROR)),
}


def wrong_frames(victim: Victim) -> None:
    """Break rules of the connection: each time it ends with a code that says so, and nobody else notices."""
    with attacker(victim) as sibling:
        for name, (octets, codes) in _WRONG.items():
            with named(name), attacker(victim, start=bool(codes)) as peer:
                if octets[3] == DATA and octets[8] == 1:  # For a stream that is there.
                    peer.send(request(1, b"POST", b"/wait", end_stream=False, scheme=b"http"))
                    peer.settle()
                with suppress(Gone):
                    peer.send(octets)
                if codes:
                    peer.check_end(*codes)
                else:
                    peer.rest()
            check_served(victim, sibling)
    victim.settled()


def _attack(
    name: str,
    threat: str,
    carry_out: Callable[[Victim], None],
    protocol: str = "h2c",
    *,
    keep_alive: float = 20.0,
    http2_ping: float | None = None,
) -> Attack:
    """Idleness must not end what another timeout has to."""
    patience = Patience(keep_alive=keep_alive, http2_ping=http2_ping)
    return Attack(name, threat, carry_out, protocol=protocol, memory=3 * MiB, cpu=0.6, patience=patience)


_BEGINNING: Final = "A beginning that never comes"
_GONE: Final = "A client that is not there any more"
_FAREWELL: Final = "A farewell that is none"
_UPGRADE: Final = "HTTP/2 by way of an upgrade"
_NOBODY: Final = "One input that nobody thought of"

ATTACKS: Final = [
    _attack("preface-octet-by-octet", _BEGINNING, slow_preface),
    _attack("preface-without-settings", _BEGINNING, preface_without_settings),
    _attack("settings-never-acknowledged", _BEGINNING, settings_never_acknowledged),
    _attack("settings-never-acknowledged-over-tls", _BEGINNING, settings_never_acknowledged, "h2-tls"),
    _attack("pings-and-nothing-else", _BEGINNING, idle_but_for_pings, keep_alive=2.0),
    _attack("gone-without-a-word", _GONE, gone_without_a_word, http2_ping=1.0),
    _attack("field-block-octet-by-octet", "Field blocks without end", slow_field_block),
    _attack("uploads-that-stop", "Content that no application takes", content_that_stops),
    _attack("goaway-and-on", _FAREWELL, goaway_and_on),
    _attack("ends-in-the-middle", _FAREWELL, end_in_the_middle),
    _attack("h2c-upgrade", _UPGRADE, h2c_upgrade),
    _attack("path-that-is-no-text", _NOBODY, path_of_other_octets),
    _attack("content-behind-an-early-response", _NOBODY, content_behind_an_early_response),
    _attack("wrong-frames", _NOBODY, wrong_frames),
]
