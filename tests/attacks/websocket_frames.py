"""WebSocket: frames that are none, text that is none, and what stands between the fragments of a message."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from tests.attacks.attack import Attack, MiB, Victim, demand
from tests.attacks.http2_peer import named
from tests.attacks.websocket_peer import (
    BINARY,
    CLOSE,
    COMPRESSED,
    CONTINUATION,
    DEFLATE,
    FIN,
    PING,
    PONG,
    TEXT,
    WebSocketPeer,
    deflated,
    frame,
)

__all__ = ["ATTACKS"]

_WRONG: Final[dict[str, list[bytes]]] = {
    "no-mask": [frame(FIN | opcode, b"x", masked=False) for opcode in (TEXT, BINARY, PING, PONG)]
    + [frame(FIN | CLOSE, b"\x03\xe8", masked=False), frame(TEXT, b"x") + frame(FIN, b"y", masked=False)],
    "reserved-bits": [frame(FIN | bits | TEXT, b"x") for bits in (0x10, 0x20, 0x30, 0x40, 0x70)]
    + [frame(FIN | 0x40 | PING), frame(FIN | 0x20 | CLOSE), frame(TEXT, b"x") + frame(FIN | 0x40, b"y")],
    "reserved-opcodes": [frame(FIN | opcode, b"x") for opcode in (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)],
    "control-frames-in-pieces": [frame(opcode, b"x") for opcode in (CLOSE, PING, PONG)],
    "control-frames-too-long": [frame(FIN | opcode, bytes(126)) for opcode in (CLOSE, PING, PONG)]
    + [frame(FIN | PING, length=2**40)],
    "fragments-out-of-order": [
        frame(FIN | CONTINUATION, b"x"),
        frame(CONTINUATION, b"x"),
        frame(TEXT, b"x") + frame(FIN | TEXT, b"y"),
        frame(BINARY, b"x") + frame(TEXT, b"y"),
        frame(PING | FIN) + frame(FIN, b"z"),
    ],
    "lengths-in-disguise": [
        bytes((FIN | BINARY, 0xFE, 0, 5)) + bytes(4) + b"hello",
        bytes((FIN | BINARY, 0xFF)) + (5).to_bytes(8, "big") + bytes(4) + b"hello",
        bytes((FIN | BINARY, 0xFF)) + (65_535).to_bytes(8, "big") + bytes(4),
        bytes((FIN | BINARY, 0xFF)) + (2**63).to_bytes(8, "big") + bytes(4),
        bytes((FIN | BINARY, 0xFF)) + (2**64 - 1).to_bytes(8, "big") + bytes(4),
    ],
    "close-codes": [
        frame(FIN | CLOSE, code.to_bytes(2, "big"))
        for code in (0, 1, 999, 1005, 1006, 1015, 1016, 1100, 2999, 5000, 65_535)
    ]
    + [frame(FIN | CLOSE, b"\x03")],
}
"""RFC 6455 §5.1, §5.2, §5.4, §5.5, §7.4: each of these is a protocol error."""

_NO_TEXT: Final = {
    "overlong": b"\xc0\x80",
    "surrogate": b"\xed\xa0\x80",
    "beyond-unicode": b"\xf4\x90\x80\x80",
    "alone": b"\x80\x80",
    "five-octets": b"\xf8\x88\x80\x80\x80",
}


def _texts(octets: bytes) -> list[bytes]:
    """Return text that holds these octets in many places."""
    return [
        frame(FIN | TEXT, b"x" + octets + b"y"),
        frame(TEXT, b"x") + frame(FIN, octets),
        frame(TEXT, "ä".encode()[:1]) + frame(FIN | PING) + frame(FIN, octets),
        frame(FIN | CLOSE, b"\x03\xe8" + octets),
        # The rest of it never comes: what is there is enough to know.
        frame(FIN | TEXT, octets, length=100_000),
        frame(TEXT, octets),
    ]


def wrong_frames(victim: Victim, pieces: list[bytes], code: int, fields: bytes = b"") -> None:
    """Send what is no frame, or no text: the session is closed with the code for it, and nothing is delivered."""
    for piece in pieces:
        peer = WebSocketPeer.open(victim, fields=fields)
        peer.client.send(piece)
        with named(repr(piece[:16])):
            peer.check_close(code, within=2.0)
    calls = victim.settled()
    demand(len(calls) == len(pieces), f"{len(calls)} calls for {len(pieces)} sessions")
    demand(not any(call["messages"] for call in calls), "delivered a message that was none")


def cut_off_text(victim: Victim) -> None:
    """End a text in the middle of a character."""
    wrong_frames(victim, [frame(FIN | TEXT, "ä".encode()[:1]), frame(TEXT, b"\xf0\x9f") + frame(FIN)], 1007)


def wrong_compression(victim: Victim) -> None:
    """Compressed messages that are none: broken blocks, text that is none, and bits where none may be."""
    rubbish = [
        frame(FIN | COMPRESSED | BINARY, b"\xff" * 100),
        frame(FIN | COMPRESSED | BINARY, b"\x05"),
        frame(FIN | COMPRESSED | TEXT, deflated(b"\xff\xff")),
        frame(COMPRESSED | TEXT, deflated(b"x" * 100)[:4]) + frame(FIN, b"\xff" * 100),
        # More blocks that end the stream than any compressor makes.
        frame(FIN | COMPRESSED | BINARY, b"\x03\x00" * 50_000),
    ]
    wrong_frames(victim, rubbish, 1007, DEFLATE)


def bits_within_compressed_messages(victim: Victim) -> None:
    """The bit of a compressed message on its second fragment, and on a control frame (RFC 7692 §6.1)."""
    payload = deflated(b"hello")
    pieces = [
        frame(COMPRESSED | TEXT, payload) + frame(FIN | COMPRESSED),
        frame(TEXT, b"x") + frame(FIN | COMPRESSED, payload),
        frame(FIN | COMPRESSED | PING, payload),
    ]
    wrong_frames(victim, pieces, 1002, DEFLATE)


def pings_within_messages(victim: Victim) -> None:
    """Pings, empty ones and long ones, between the fragments of a message, compressed or not."""
    content = b"between the fragments " * 1_000
    for fields, first, payload in (
        (b"", BINARY, content),
        (DEFLATE, BINARY, content),
        (DEFLATE, COMPRESSED | BINARY, deflated(content)),
    ):
        peer = WebSocketPeer.open(victim, fields=fields)
        pings = [bytes([number]) * (number % 126) for number in range(200)]
        pieces = [frame(first, payload[:1])]
        pieces += [frame(FIN | PING, ping) + frame(CONTINUATION, b"") for ping in pings]
        peer.client.send(b"".join([*pieces, frame(FIN, payload[1:])]))
        side = peer.read_until(lambda side: bool(side.messages), "an echo")
        demand(side.messages == [content], "a message came back that was not sent")
        demand(side.pongs == pings, f"{len(side.pongs)} pongs for {len(pings)} pings, or in another order")
        peer.client.close()


def frames_behind_the_close(victim: Victim) -> None:
    """Close, and go on: nothing of it counts (RFC 6455 §5.5.1)."""
    peer = WebSocketPeer.open(victim)
    peer.client.send(frame(FIN | CLOSE, b"\x03\xe8") + frame(FIN | TEXT, b"x") * 1_000)
    peer.check_close(1000)
    [call] = victim.settled()
    demand(call["messages"] == 0, f"delivered {call['messages']} messages behind a close")


def _attack(name: str, threat: str, carry_out: Callable[[Victim], None]) -> Attack:
    return Attack(name, threat, carry_out, protocol="websocket", memory=3 * MiB, cpu=0.4)


_FRAMES: Final = "Frames that are none"
_TEXT: Final = "Text that is none"
_BETWEEN: Final = "Pings within a message"

ATTACKS: Final = [
    *[
        _attack(f"websocket-{name}", _FRAMES, partial(wrong_frames, pieces=pieces, code=1002))
        for name, pieces in _WRONG.items()
    ],
    *[
        _attack(f"text-{name}", _TEXT, partial(wrong_frames, pieces=_texts(octets), code=1007))
        for name, octets in _NO_TEXT.items()
    ],
    _attack("text-cut-off", _TEXT, cut_off_text),
    _attack("compression-that-is-none", _TEXT, wrong_compression),
    _attack("bits-within-compressed-messages", _FRAMES, bits_within_compressed_messages),
    _attack("pings-within-messages", _BETWEEN, pings_within_messages),
    _attack("frames-behind-the-close", _FRAMES, frames_behind_the_close),
]
