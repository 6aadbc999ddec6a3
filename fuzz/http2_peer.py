"""What a client of HTTP/2 has said, read from its octets alone: the requests, and what belongs to each.

It shares no code with the machine. Where the octets are no frames any more, or break a rule that ends the connection,
it may go on or stop: nobody asks for more than what came before.

Source: RFC 9113 §4, §6, §8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import hpack

from tests.peers import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_WINDOW,
    PADDED,
    PING,
    PREFACE,
    PRIORITISED,
    PRIORITY_UPDATE,
    RST_STREAM,
    SETTINGS,
)

__all__ = ["PeerReader", "Said"]

Field = tuple[bytes, bytes]


@dataclass(slots=True)
class Said:
    """What a client has said on one stream."""

    fields: list[Field]
    """Those of the first field block."""
    content: bytearray = field(default_factory=bytearray)
    ended: bool = False
    reset: bool = False
    wrong: str = ""
    """What came and must not: its stream, or the connection, has to end (RFC 9113 §5.1, §8.1.1)."""

    def value(self, name: bytes) -> bytes | None:
        return next((value for other, value in self.fields if other == name), None)

    def judge_length(self) -> None:
        """Hold the content against Content-Length."""
        length = self.value(b"content-length")
        if length is not None and length.isdigit():
            over = len(self.content) > int(length)
            if over or (self.ended and len(self.content) < int(length)):
                self.wrong = self.wrong or "content of another length"


class PeerReader:
    """Reads what a client says."""

    def __init__(self) -> None:
        self.streams: dict[int, Said] = {}
        self.frames = 0
        """How many frames there were; each octet may be one where they cannot be told apart."""
        self.acknowledged = False
        """The client knows the server's settings."""
        self.pongs: list[bytes] = []
        """What it has sent back of the server's pings."""
        self.blocks = 0
        """How many field blocks have begun."""
        self.pieces = 0
        """In how many frames the worst field block came."""
        self.octets_in_pieces = 0
        """How large the largest was that came in more than one."""
        self.kinds: dict[int, int] = {}
        """How many of each type brought nothing forward: of DATA the empty ones, of PING those that are no answers."""
        self.touched: set[int] = set()
        """The streams of frames since this was last emptied."""
        self.broken = False
        """A field block cannot be read, or frames are not where they may be."""
        self._decoder: Final = hpack.Decoder(max_header_list_size=2**24)
        self._rest = b""
        self._begun = False
        self._block = b""
        self._pieces = 0
        self._block_of: tuple[int, int] | None = None

    @property
    def at_rest(self) -> bool:
        """No frame and no field block is incomplete."""
        return self._begun and not self._rest and self._block_of is None and not self.broken

    def receive_data(self, data: bytes) -> None:
        """Read on."""
        rest = self._rest + data
        if not self._begun:
            if len(rest) < len(PREFACE):
                self._rest = rest
                return
            self._begun = rest.startswith(PREFACE)
            self.broken = not self._begun
            rest = rest[len(PREFACE) :]
        while len(rest) >= 9 and not self.broken:
            size = int.from_bytes(rest[:3], "big")
            if len(rest) < 9 + size:
                break
            self.frames += 1
            stream = int.from_bytes(rest[5:9], "big") & MAX_WINDOW
            self.touched.add(stream)
            self._count(rest[3], rest[4], size)
            self._read(rest[3], rest[4], stream, rest[9 : 9 + size])
            rest = rest[9 + size :]
        self._rest = rest

    @property
    def in_block(self) -> bool:
        """A field block has begun and not ended."""
        return self._block_of is not None

    def _count(self, kind: int, flags: int, size: int) -> None:
        useful = {HEADERS: True, CONTINUATION: True, PING: flags & ACK, DATA: size or flags & END_STREAM}
        if not useful.get(kind, False):
            kind = min(kind, PRIORITY_UPDATE + 1)
            self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def _read(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if (kind == CONTINUATION) != (self._block_of is not None):
            self.broken = True
            return
        if kind in {DATA, HEADERS}:
            start, end = 0, len(payload)
            if flags & PADDED:
                start = 1
                end -= payload[0] if payload else 0
            if kind == HEADERS and flags & PRIORITISED:
                start += 5
            if start > end:
                self.broken = True
                return
            payload = payload[start:end]
        said = self.streams.get(stream)
        self.acknowledged = self.acknowledged or (kind == SETTINGS and bool(flags & ACK))
        if kind == PING and flags & ACK:
            self.pongs.append(payload)
        if kind == HEADERS:
            self.blocks += 1
            self._block_of = (stream, flags)
        if kind in {HEADERS, CONTINUATION}:
            self._block += payload
            self._pieces = 1 if kind == HEADERS else self._pieces + 1
            if self._pieces > 1:
                self.pieces = max(self.pieces, self._pieces)
                self.octets_in_pieces = max(self.octets_in_pieces, len(self._block))
            if flags & END_HEADERS:
                self._read_block()
        elif kind == DATA and said is not None:
            if said.ended:
                said.wrong = said.wrong or "content behind the end"
                return
            said.content += payload
            said.ended = bool(flags & END_STREAM)
            said.judge_length()
        elif kind == RST_STREAM and said is not None:
            said.reset = True

    def _read_block(self) -> None:
        assert self._block_of is not None
        stream, flags = self._block_of
        block, self._block, self._block_of = self._block, b"", None
        try:
            fields = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except hpack.HPACKError:
            self.broken = True
            return
        said = self.streams.setdefault(stream, Said(fields))
        if said.fields is not fields and (said.ended or not flags & END_STREAM):
            said.wrong = said.wrong or "fields in the wrong place"
        if said.fields is fields or flags & END_STREAM:
            said.ended = said.ended or bool(flags & END_STREAM)
            said.judge_length()
