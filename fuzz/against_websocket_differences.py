"""Where wsproto or websockets and we may differ about a frame, and who is right: a table, with an example in each row.

What they are said to do, wsproto 1.3 and websockets 17 do.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .against_websocket_frames import deflate, encode
from .wire import Deflate

__all__ = ["BAD_GATEWAY", "DIFFERENCES", "WEBSOCKETS", "WSPROTO", "Difference", "End", "Step", "Verdict"]

_PROTOCOL: Final = 1002
_INVALID: Final = 1007
_TOO_BIG: Final = 1009
_CODES: Final = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""Codes that a close frame may have: RFC 6455 §7.4, and IANA's list."""

BAD_GATEWAY: Final = 1014
_MANY_STREAMS: Final = 64

WSPROTO: Final = "wsproto"
WEBSOCKETS: Final = "websockets"


class End(NamedTuple):
    """How a session ended: by the peer's close frame, or because the peer broke a rule."""

    failed: bool
    code: int
    reason: str = ""


@dataclass
class Verdict:
    """What a server has made of a frame."""

    messages: list[str | bytes] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    end: End | None = None

    @property
    def failure(self) -> int | None:
        """The code of the failure, if it is one."""
        return self.end.code if self.end is not None and self.end.failed else None


@dataclass
class Step:
    """One frame of a client, what each has made of it, and what a reader of its own knows about it."""

    octets: bytes
    first: int
    masked: bool
    length: int
    """As the frame says, which may be a lie."""
    minimal: bool
    """The length is said in as few octets as can be."""
    known: bool
    """All octets of the header have come."""
    whole: bool
    """All octets have come."""
    payload: bytes
    limit: int
    """Octets of one message."""
    deflate: Deflate | None
    compressed: bool = False
    """The message that it belongs to is."""
    text: bool = False
    """The message that it belongs to is."""
    open_before: bool = False
    """A message had begun, and had not ended."""
    arrived: int = 0
    """Octets of the message so far, as the frames say."""
    content: bytes = b""
    """Of the message so far, inflated as far as that goes, and not much further than the limit."""
    inflates: bool = True
    far: bool = False
    """It leans on octets beyond the window that was agreed on, which zlib notices in some cuts only."""
    streams: int = 0
    """How many streams of zlib have ended so far, in this message and others."""
    interrupted: bool = False
    """A control frame has come between compressed fragments, of this message or another."""
    ours: Verdict = field(default_factory=Verdict)

    @property
    def opcode(self) -> int:
        return self.first & 0xF

    @property
    def is_data(self) -> bool:
        return self.opcode in {0, 1, 2}

    @property
    def is_control(self) -> bool:
        return self.opcode >= 8

    @property
    def ends_message(self) -> bool:
        return self.is_data and self.whole and self.first >= 0x80

    @property
    def faults(self) -> set[int]:
        """With which codes it has to be refused, one of them. RFC 6455 §5.2, §5.4, §5.5, §7.4, §8.1."""
        found: set[int] = set()
        if not self.known:
            return found
        if self._breaks_framing():
            found.add(_PROTOCOL)
        if self.opcode == 8 and self.whole and self.payload:
            code = int.from_bytes(self.payload[:2], "big")
            if len(self.payload) == 1 or not any(code in codes for codes in _CODES):
                found.add(_PROTOCOL)
            if not _is_text(self.payload[2:], ended=True):
                found.add(_INVALID)
        if self.is_data:
            if not self.inflates or (self.text and not _is_text(self.content, ended=self.ends_message)):
                found.add(_INVALID)
            if len(self.content) > self.limit or (not self.compressed and self.arrived > self.limit):
                found.add(_TOO_BIG)
        return found

    @property
    def excuses(self) -> set[int]:
        """With which codes it may be refused: some count octets of a message before they are inflated."""
        before = len(self.content) if self.is_control else 0
        beyond = self.known and max(before + self.length, self.arrived) > self.limit
        found = self.faults | ({_TOO_BIG} if beyond else set())
        if self.streams > _MANY_STREAMS:
            found.add(_INVALID)
        return found

    @property
    def is_misplaced(self) -> bool:
        """It begins a message within another, or goes on with none."""
        return self.is_data and (self.opcode == 0) is not self.open_before

    def _breaks_framing(self) -> bool:
        compressible = self.deflate is not None and self.opcode in {1, 2}
        return (
            self.opcode not in {0, 1, 2, 8, 9, 10}
            or self.first & (0x30 if compressible else 0x70) != 0
            or not self.masked
            or not self.minimal
            or (self.is_control and (self.length > 125 or self.first < 0x80))
            or self.is_misplaced
        )


def _is_text(content: bytes, *, ended: bool) -> bool:
    """Tell whether it is UTF-8, or the beginning of it."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content, ended)
    except UnicodeDecodeError:
        return False
    return True


class Difference(NamedTuple):
    """A difference, whose it is, and an example: the offer, the limit, and frames of which the last makes it."""

    right: str
    whose: frozenset[str]
    knows: Callable[[Step, Verdict], bool]
    offer: bytes
    limit: int
    example: list[bytes]


_BOTH: Final = frozenset({WSPROTO, WEBSOCKETS})
_OFFER: Final = b"permessage-deflate"

DIFFERENCES: Final[dict[str, Difference]] = {
    "Several rules are broken at once": Difference(
        "both: each breach has to fail the connection (RFC 6455 §7.1.7), and none comes before another",
        _BOTH,
        lambda s, v: len(s.excuses) > 1 and {s.ours.failure, v.failure} <= s.excuses,
        b"",
        20,
        [encode(0xA1, b"x" * 21)],
    ),
    "Text that is none, before it is complete": Difference(
        "we: who finds out has to fail the connection (RFC 6455 §8.1); websockets leaves it to its user",
        frozenset({WEBSOCKETS}),
        lambda s, v: (
            s.ours.failure == _INVALID and v.end is None and s.text and not _is_text(s.content, ended=False)
        ),
        b"",
        1_000,
        [encode(0x01, b"\xff")],
    ),
    "A length in more octets than it needs": Difference(
        'we: "the minimal number of bytes MUST be used" (RFC 6455 §5.2)',
        frozenset({WEBSOCKETS}),
        lambda s, v: s.ours.failure == _PROTOCOL and not s.minimal and s.length < 2**63 and v.failure is None,
        b"",
        1_000,
        [encode(0x81, b"a", width=2)],
    ),
    "A close frame between fragments": Difference(
        "we: control frames may come between fragments (RFC 6455 §5.4), and a close frame is one",
        frozenset({WEBSOCKETS}),
        lambda s, v: s.opcode == 8 and s.open_before and s.ours.failure is None and v.failure == _PROTOCOL,
        b"",
        1_000,
        [encode(0x01, b"a"), encode(0x88, b"\x03\xe8")],
    ),
    "A control frame between compressed fragments": Difference(
        "we: it has no part in the message (RFC 6455 §5.4; RFC 7692 §6.1); wsproto takes the rest as it stands",
        frozenset({WSPROTO}),
        lambda s, v: s.compressed and s.interrupted and s.is_data,
        _OFFER,
        1_000,
        [encode(0x41, deflate(b"Hello")[:2]), encode(0x89, b""), encode(0x80, deflate(b"Hello")[2:])],
    ),
    "What cannot be inflated": Difference(
        "both: no code is named (RFC 7692 §7.2.2); ours is that of data that are not what they should be",
        frozenset({WEBSOCKETS}),
        lambda s, v: not s.inflates and s.ours.failure == _INVALID and v.failure == _PROTOCOL,
        _OFFER,
        1_000,
        [encode(0xC2, b"\xff\xff")],
    ),
    "What comes behind as much as a message may be": Difference(
        "both: limits are everybody's own (RFC 6455 §10.4); websockets inflates up to it, and looks no further yet",
        frozenset({WEBSOCKETS}),
        lambda s, v: (
            s.compressed
            and len(s.content) >= s.limit
            and s.ours.failure in {_INVALID, _TOO_BIG}
            and (v.failure == _TOO_BIG or (v.end is None and not s.ends_message))
        ),
        _OFFER,
        20,
        [encode(0x42, deflate(b"a" * 21)[:-1])],
    ),
    "A data frame that is out of its place, and wrong": Difference(
        "both: each breach has to fail the connection (RFC 6455 §7.1.7); the others inflate it before they notice",
        _BOTH,
        lambda s, v: s.is_misplaced and s.ours.failure == _PROTOCOL and v.failure in {_INVALID, _TOO_BIG},
        _OFFER,
        20,
        [encode(0x02, b""), encode(0xC2, deflate(bytes(200)))],
    ),
    "Code 1014": Difference(
        "we: IANA's list has it (RFC 6455 §7.4.2, §11.7), and wsproto has not",
        frozenset({WSPROTO}),
        lambda s, v: s.opcode == 8 and s.payload[:2] == b"\x03\xf6" and v.failure == _PROTOCOL,
        b"",
        1_000,
        [encode(0x88, b"\x03\xf6")],
    ),
    "A block that says that it is the last": Difference(
        'we: "an endpoint MUST accept" it (RFC 7692 §7.2.3.4), and what follows is a stream of its own',
        _BOTH,
        lambda s, v: s.streams > 0 and s.compressed and s.is_data,
        _OFFER,
        1_000,
        [encode(0xC2, deflate(b"a", final=True) + deflate(b"b", final=True))],
    ),
    "Compressed octets beyond the limit of their message": Difference(
        "both: limits are everybody's own (RFC 6455 §10.4); ours is one of messages, which may be shorter inflated",
        frozenset({WEBSOCKETS}),
        lambda s, v: (
            s.compressed
            and max(s.arrived, len(s.content) + s.length) > s.limit >= len(s.content)
            and s.ours.failure is None
            and v.failure == _TOO_BIG
        ),
        _OFFER,
        20,
        [encode(0xC2, deflate(bytes(range(20))))],
    ),
    "A control frame beyond the limit of messages": Difference(
        "both: limits are everybody's own (RFC 6455 §10.4); ours is one of messages, and no ping is one",
        frozenset({WEBSOCKETS}),
        lambda s, v: (
            s.is_control
            and len(s.content) + s.length > s.limit
            and s.ours.failure is None
            and v.failure == _TOO_BIG
        ),
        b"",
        20,
        [encode(0x89, b"p" * 21)],
    ),
    "What is wrong, before all octets have come": Difference(
        "we: the header, or what there is of the payload, is enough (RFC 6455 §7.1.7); the others wait for more",
        _BOTH,
        lambda s, v: s.known and not s.whole and v.end is None and s.ours.failure in s.excuses,
        b"",
        20,
        [encode(0x82, b"x" * 21)[:-4]],
    ),
    "What cannot be inflated, far behind the limit": Difference(
        "we: nobody inflates what nobody wants (RFC 6455 §10.4); wsproto inflates it all",
        frozenset({WSPROTO}),
        lambda s, v: len(s.content) > s.limit and s.ours.failure == _TOO_BIG and v.failure == _INVALID,
        _OFFER,
        20,
        [encode(0xC2, deflate(bytes(200_000)) + b"\0\0\xff\xff\xff")],
    ),
    "A header that is not complete": Difference(
        "both: nothing says how soon a failure has to be found; ours judges whole headers",
        _BOTH,
        lambda s, v: not s.known and s.ours.end is None and v.failure in {_PROTOCOL, _TOO_BIG},
        b"",
        1_000,
        [b"\x83\x80"],
    ),
}
