"""WebSocket: small messages that become large ones, messages without end, and peers that do not take what they get."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from tests.attacks.attack import Attack, KiB, MiB, Patience, Victim, demand
from tests.attacks.client import Ended
from tests.attacks.websocket_peer import (
    BINARY,
    CLOSE,
    COMPRESSED,
    CONTINUATION,
    DEFLATE,
    FIN,
    PING,
    TEXT,
    WebSocketPeer,
    frame,
)

__all__ = ["ATTACKS", "bomb"]

_LIMIT: Final = 16 * MiB
"""What one message may have where nobody has said otherwise, at tricorn and at most others."""

_TAIL: Final = b"\x00\x00\xff\xff"


def bomb(size: int) -> bytes:
    """Return the payload of a compressed message of so many zeros, a whole number of mebibytes."""
    compressor = zlib.compressobj(9, wbits=-12)
    pieces = [compressor.compress(bytes(MiB)) + compressor.flush(zlib.Z_SYNC_FLUSH) for _ in range(3)]
    # With a window full of zeros each mebibyte looks like the one before it.
    return (b"".join(pieces[:2]) + pieces[2] * (size // MiB - 2)).removesuffix(_TAIL)


# Messages that are too large.


def deflate_bomb(victim: Victim, size: int, pieces: int) -> None:
    """Inflate a message to this size, in one frame or in many."""
    payload = bomb(size)
    peer = WebSocketPeer.open(victim, fields=DEFLATE)
    step = -(-len(payload) // pieces)
    first = COMPRESSED | BINARY
    octets = b""
    for start in range(0, len(payload), step):
        last = start + step >= len(payload)
        octets += frame(first | (FIN if last else 0), payload[start : start + step])
        first = CONTINUATION
    peer.client.offer(octets)
    peer.check_close(1009)
    [call] = victim.settled()
    demand(call["messages"] == 0, "delivered a message beyond the limit")


def untaken_bombs(victim: Victim) -> None:
    """Send bombs that are just small enough, one after the other, to an application that takes none."""
    peer = WebSocketPeer.open(victim, "/nap", DEFLATE)
    message = frame(FIN | COMPRESSED | BINARY, bomb(_LIMIT - MiB))
    peer.client.offer(message * 50, within=1.0)
    victim.settled()


def blocks_of_nothing(victim: Victim) -> None:
    """Compressed octets that stand for nothing: empty stored blocks, a megabyte of them."""
    peer = WebSocketPeer.open(victim, fields=DEFLATE)
    peer.client.offer(frame(FIN | COMPRESSED | BINARY, b"\x00\x00\x00\xff\xff" * (MiB // 5)))
    with suppress(Ended):
        peer.read_until(lambda side: bool(side.messages) or side.close is not None, "an echo or a close")


def promised_length(victim: Victim, length: int) -> None:
    """Promise more than any message may have, and send none of it."""
    peer = WebSocketPeer.open(victim)
    peer.client.send(frame(FIN | BINARY, length=length))
    peer.check_close(1009, within=1.0)
    [call] = victim.settled()
    demand(call["messages"] == 0, "delivered a message that never came")


def promised_lengths_on_many_connections(victim: Victim) -> None:
    """Promise as much as is allowed on many connections, and send an octet of it."""
    peers = [WebSocketPeer.open(victim) for _ in range(50)]
    for peer in peers:
        peer.client.send(frame(FIN | BINARY, b"x", length=_LIMIT - 1))
    victim.serves()


def endless_message(victim: Victim, size: int) -> None:
    """Send fragments of this size, and never the last one."""
    peer = WebSocketPeer.open(victim)
    peer.client.send(frame(BINARY, b"x"))
    piece = frame(CONTINUATION, bytes(size))
    count = min(32 * MiB // max(1, size), 200_000)
    at_once = max(1, MiB // len(piece))
    for start in range(0, count, at_once):
        octets = piece * min(at_once, count - start)
        if peer.client.offer(octets) < len(octets):
            break
    peer.check_close(1009)
    [call] = victim.settled()
    demand(call["messages"] == 0, "delivered a message without an end")


# Peers that take nothing.


def unread_pongs(victim: Victim) -> None:
    """Send sixteen megabytes of pings, and read nothing."""
    peer = WebSocketPeer.open(victim, receive_buffer=4 * KiB)
    pings = frame(FIN | PING, bytes(125)) * 8_000
    for _ in range(16):
        if peer.client.offer(pings, within=0.5) < len(pings):
            break


def unread_echoes(victim: Victim) -> None:
    """Have an echo of everything, and read nothing."""
    peer = WebSocketPeer.open(victim, receive_buffer=4 * KiB)
    messages = frame(FIN | BINARY, bytes(64 * KiB)) * 16
    for _ in range(32):
        if peer.client.offer(messages, within=0.5) < len(messages):
            break
    victim.settled(victim.patience.write + 4)


def unread_messages(victim: Victim) -> None:
    """Let an application send 64 MiB on each of ten connections, and read nothing."""
    for _ in range(10):
        WebSocketPeer.open(victim, "/talk", receive_buffer=4 * KiB)
    victim.settled(victim.patience.write + 4)


def untaken_messages(victim: Victim, payload: bytes) -> None:
    """Send messages to an application that takes none: the client has to wait."""
    peer = WebSocketPeer.open(victim, "/nap")
    messages = frame(FIN | TEXT, payload) * (MiB // (len(payload) + 6))
    taken = 0
    for _ in range(32):
        taken += (sent := peer.client.offer(messages, within=0.5))
        if sent < len(messages):
            break
    else:
        demand(False, f"took {taken // MiB} MiB that nobody wanted")
    victim.settled()


def close_behind_unread_messages(victim: Victim) -> None:
    """Close while the server still has much to send, and read none of it."""
    for _ in range(10):
        peer = WebSocketPeer.open(victim, "/talk", receive_buffer=4 * KiB)
        peer.client.offer(frame(FIN | CLOSE, b"\x03\xe8"))
    victim.settled(victim.patience.write + 4)


_UNASKED: Final = Patience(ping=10.0)
"""The client of a flood answers no pings, and is not to be asked for them before it has been judged."""


def _attack(
    name: str,
    threat: str,
    carry_out: Callable[[Victim], None],
    *,
    memory: int = 3 * MiB,
    cpu: float = 1.0,
    latency: float = 0.5,
) -> Attack:
    return Attack(
        name,
        threat,
        carry_out,
        protocol="websocket",
        memory=memory,
        cpu=cpu,
        latency=latency,
        patience=_UNASKED,
    )


_LARGE: Final = "A small message that becomes a large one"
_PROMISE: Final = "A frame that promises too much"
_ENDLESS: Final = "Fragments without end"
_PINGS: Final = "Pings that want an answer each"
_UNREAD: Final = "Messages that nobody reads"
_UNTAKEN: Final = "Messages that no application takes"

ATTACKS: Final = [
    _attack(
        "deflate-bomb", _LARGE, partial(deflate_bomb, size=1024 * MiB, pieces=1), memory=_LIMIT + 4 * MiB
    ),
    _attack(
        "deflate-bomb-in-fragments",
        _LARGE,
        partial(deflate_bomb, size=64 * MiB, pieces=1_000),
        memory=_LIMIT + 4 * MiB,
    ),
    _attack(
        "deflate-bomb-beyond-its-limit",
        _LARGE,
        partial(deflate_bomb, size=_LIMIT + MiB, pieces=1),
        memory=_LIMIT + 4 * MiB,
    ),
    _attack(
        "deflate-bombs-that-nobody-takes", _LARGE, untaken_bombs, memory=4 * _LIMIT, cpu=2.0, latency=1.5
    ),
    _attack("deflate-blocks-of-nothing", _LARGE, blocks_of_nothing),
    *[
        _attack(f"promise-of-{name}", _PROMISE, partial(promised_length, length=length))
        for name, length in (("one-octet-too-much", _LIMIT + 1), ("four-exbibytes", 2**62))
    ],
    _attack("promises-on-many-connections", _PROMISE, promised_lengths_on_many_connections),
    *[
        _attack(
            f"endless-fragments-of-{size}-octets",
            _ENDLESS,
            partial(endless_message, size=size),
            # Where pieces are made one, they are there twice for a moment.
            memory=2 * _LIMIT + 4 * MiB if size > 1_000 else 3 * MiB,
            cpu=3.0,
            latency=1.0,
        )
        for size in (0, 1, 64 * KiB)
    ],
    _attack("pings-unread", _PINGS, unread_pongs, cpu=2.0),
    _attack("echoes-unread", _UNREAD, unread_echoes),
    _attack("messages-unread", _UNREAD, unread_messages),
    _attack("close-behind-unread-messages", _UNREAD, close_behind_unread_messages),
    *[
        _attack(
            f"messages-untaken-of-{size}-octets", _UNTAKEN, partial(untaken_messages, payload=bytes(size))
        )
        for size in (0, 64 * KiB)
    ],
]
