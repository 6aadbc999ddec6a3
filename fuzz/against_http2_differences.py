"""Where h2 and we may differ about a frame, and who is right: a table, with an example in each row.

What h2 is said to do, version 4.4 does.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from sansio import Settings
from tests import peers
from tests.peers import (
    ACK,
    CONTINUATION,
    DATA,
    END_STREAM,
    HEADERS,
    MAX_WINDOW,
    PADDED,
    PRIORITISED,
    PRIORITY,
    PRIORITY_UPDATE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Code,
    continuation,
    data,
    frame,
    headers,
    ping,
    priority,
    priority_update,
    request,
    rst,
    settings,
    window_update,
)

__all__ = ["CONNECTION", "DIFFERENCES", "HEAD", "HELLO", "LIMITS", "STREAM", "TAKEN", "Difference", "Step"]

LIMITS: Final = Settings(
    http2_max_concurrent_streams=4,
    limit_request_fields=12,
    limit_request_body=30_000,
    http2_max_header_list_size=4_000,
)

TAKEN: Final = "taken"
STREAM: Final = "ends the stream"
CONNECTION: Final = "ends the connection"


@dataclass
class Step:
    """One frame, or one field block, and what each has made of it."""

    octets: bytes
    number: int
    kind: int
    flags: int
    stream: int
    payload: bytes
    fields: list[tuple[bytes, bytes]]
    """Of a field block that can be decoded."""
    state: str
    """Of its stream, before it: idle, skipped, open, half-closed, ended, reset."""
    missing: int
    """Octets of content that Content-Length promised, and that did not come."""
    working: int = 0
    """Applications that have not finished."""
    over: bool = False
    """A stream was over before it."""
    answers: bool = False
    """Before it we have answered in place of an application."""
    ours: str = ""
    code: int | None = None
    """Of our RST_STREAM, or GOAWAY."""
    theirs: str = ""
    status: bytes | None = None
    """We answered, in place of an application."""

    @property
    def number_of(self) -> int:
        return int.from_bytes(self.payload[:4], "big")

    @property
    def padding(self) -> int:
        """Octets of padding that it says to have. Where it says nothing of it there are none."""
        return self.payload[0] if self.flags & PADDED and self.payload else 0

    @property
    def items(self) -> list[tuple[int, int]]:
        """What a SETTINGS frame says."""
        return list(struct.iter_unpack("!HL", self.payload[: len(self.payload) // 6 * 6]))

    @property
    def whole(self) -> bool:
        """All octets are there that the last length promises."""
        place = 0
        while place < len(self.octets):
            place += 9 + int.from_bytes(self.octets[place : place + 3], "big")
        return place == len(self.octets)

    def value(self, name: bytes) -> bytes | None:
        return next((value for other, value in self.fields if other == name), None)


# Who is right where the verdicts differ.


class Difference(NamedTuple):
    """A difference, and an example of it: the last of these frames makes it."""

    right: str
    knows: Callable[[Step], bool]
    example: list[bytes]


HEAD: Final = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")]
HELLO: Final = settings()
TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Z]{1,32}")
NAME: Final = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]+")
VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
HOST: Final = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+;=]+(:[0-9]{1,4})?")
PATH: Final = re.compile(rb"/[!-\"$-~]*|\*")
SENT_ON_STREAMS: Final = {DATA, HEADERS, RST_STREAM, WINDOW_UPDATE}


def is_refused(step: Step) -> bool:
    alone = step.ours == STREAM and step.code != Code.REFUSED_STREAM
    return alone or (step.ours == TAKEN and step.status is not None)


def is_stricter(step: Step) -> bool:
    """A head that h2 takes without looking at what a server of HTTP has to look at."""
    if step.kind != HEADERS or step.state != "idle" or step.theirs != TAKEN or not is_refused(step):
        return False
    value = step.value
    method, path, length = value(b":method") or b"", value(b":path") or b"", value(b"content-length")
    known = {b":method", b":scheme", b":authority", b":path", b":protocol"}
    return (
        TOKEN.fullmatch(method) is None
        or method in {b"CONNECT", b"TRACE"}  # Not served, or with demands of its own (RFC 8441, RFC 6455).
        or PATH.fullmatch(path) is None
        or (path == b"*" and method != b"OPTIONS")
        or value(b":scheme") not in {b"http", b"https"}
        or HOST.fullmatch(value(b":authority") or value(b"host") or b"") is None
        or any(NAME.fullmatch(n) is None or VALUE.fullmatch(v) is None for n, v in step.fields)
        or any(n[:1] == b":" and n not in known for n, v in step.fields)
        or (bool(step.flags & END_STREAM) and (length or b"0").strip(b"0") != b"")
        or [n for n, _ in step.fields].count(b"content-length") > 1
        or (length is not None and (len(length) > 18 or not length.isdigit() or int(length) > 30_000))
        or any(n == b"expect" and v.lower() != b"100-continue" for n, v in step.fields)
        or len(step.fields) > LIMITS.limit_request_fields
        or sum(len(n) + len(v) + 32 for n, v in step.fields) > LIMITS.http2_max_header_list_size
    )


def are_in_turn(names: list[bytes]) -> bool:
    """Pseudo-headers come before all others."""
    return names == sorted(names, key=lambda name: name[:1] != b":")


DIFFERENCES: Final[dict[str, Difference]] = {
    "A stream error ends the stream alone": Difference(
        "both: an endpoint MAY treat a stream error as one of the connection (RFC 9113 §5.4.1); ours spares the others",
        lambda s: (
            is_refused(s)
            and s.theirs == CONNECTION
            and s.kind in {DATA, HEADERS, WINDOW_UPDATE}
            and s.state in ({"idle", "open", "half-closed"} if s.kind == HEADERS else {"open", "half-closed"})
        ),
        [HELLO, headers(1, [*HEAD, (b"connection", b"close")])],
    ),
    "A head is looked at": Difference(
        "we: RFC 9113 §8.1.1, §8.2.1, §8.3.1, §8.5; RFC 9110 §5.1, §8.6, §9.1, §10.1.1; RFC 8441 §4",
        is_stricter,
        [HELLO, request(1, path=b"/ HTTP/1.1")],
    ),
    "A pseudo-header behind a cookie": Difference(
        "we: it is malformed (RFC 9113 §8.3); h2 joins cookies at the end of a field block before it looks",
        lambda s: (
            s.kind == HEADERS
            and s.state == "idle"
            and is_refused(s)
            and s.theirs == TAKEN
            and not are_in_turn([name for name, _ in s.fields])
            and are_in_turn([name for name, _ in s.fields if name != b"cookie"])
        ),
        [HELLO, headers(1, [(b"cookie", b"a=b"), *HEAD])],
    ),
    "White space around one of several cookies": Difference(
        "we: a value neither begins nor ends with it (RFC 9113 §8.2.1); h2 joins cookies before it looks",
        lambda s: (
            s.kind == HEADERS
            and s.state in {"idle", "open"}
            and is_refused(s)
            and s.theirs == TAKEN
            and any(name == b"cookie" and value != value.strip(b" \t") for name, value in s.fields)
        ),
        [HELLO, headers(1, [*HEAD, (b"cookie", b"a=b"), (b"cookie", b" c=d")])],
    ),
    "Content beyond the limit of the settings": Difference(
        "we: RFC 9110 §15.5.14; h2 has no such limit",
        lambda s: s.kind == DATA and s.status == b"413" and s.theirs == TAKEN,
        [HELLO, headers(1, HEAD, end_stream=False), data(1, bytes(16_000)), data(1, bytes(16_000))],
    ),
    "Trailers before the promised content is complete": Difference(
        "we: RFC 9113 §8.1.1, the length has to fit however the request ends",
        lambda s: (
            s.kind == HEADERS and s.state == "open" and s.missing > 0 and is_refused(s) and s.theirs == TAKEN
        ),
        [HELLO, headers(1, [*HEAD, (b"content-length", b"5")], end_stream=False), headers(1, [(b"x", b"y")])],
    ),
    "Trailers that are no fields, or too many": Difference(
        "we: RFC 9113 §8.2.1; RFC 9110 §5.1",
        lambda s: (
            s.kind == HEADERS
            and s.state == "open"
            and is_refused(s)
            and s.theirs == TAKEN
            and (
                any(NAME.fullmatch(n) is None or VALUE.fullmatch(v) is None for n, v in s.fields)
                or len(s.fields) > LIMITS.limit_request_fields
                or sum(len(n) + len(v) + 32 for n, v in s.fields) > LIMITS.http2_max_header_list_size
            )
        ),
        [HELLO, headers(1, HEAD, end_stream=False), headers(1, [(b"a(b", b"c")])],
    ),
    "Hosts in other letters": Difference(
        "we: hosts are compared without regard to case (RFC 9110 §4.2.3)",
        lambda s: (
            s.kind == HEADERS
            and s.ours == TAKEN
            and s.theirs == CONNECTION
            and s.value(b"host") != s.value(b":authority")
            and (s.value(b"host") or b"").lower() == (s.value(b":authority") or b"").lower()
        ),
        [HELLO, headers(1, [*HEAD, (b"host", b"A")])],
    ),
    "A stream that depends on itself": Difference(
        "we: priorities of RFC 7540 are deprecated, and ignored (RFC 9113 §5.3.2)",
        lambda s: (
            s.ours != CONNECTION
            and s.theirs == CONNECTION
            and (s.kind == PRIORITY or (s.kind == HEADERS and bool(s.flags & PRIORITISED)))
            and (
                s.payload[1 if s.flags & PADDED and s.kind == HEADERS else 0 :][:4][1:]
                == struct.pack("!L", s.stream)[1:]
            )
        ),
        [HELLO, priority(3, 3)],
    ),
    "More streams than allowed": Difference(
        "both: RFC 9113 §5.1.2 has a stream error; ours is one, and blames nobody who cannot know the limit yet",
        lambda s: s.kind == HEADERS and s.code == Code.REFUSED_STREAM and s.theirs == CONNECTION,
        [HELLO, *(request(stream, end_stream=False) for stream in (1, 3, 5, 7, 9))],
    ),
    "The first frame is SETTINGS": Difference(
        "we: RFC 9113 §3.4",
        lambda s: s.number == 0 and s.ours == CONNECTION and (s.kind != SETTINGS or bool(s.flags & ACK)),
        [ping()],
    ),
    "RST_STREAM on an idle stream": Difference(
        "we: RFC 9113 §6.4",
        lambda s: (
            s.kind == RST_STREAM
            and s.ours == CONNECTION
            and s.theirs == TAKEN
            and (s.state == "idle" or not s.stream & 1)
        ),
        [HELLO, request(1), rst(3)],
    ),
    "What comes behind a reset": Difference(
        "we: what was on its way is to be ignored (RFC 9113 §5.1); h2 answers each frame with RST_STREAM",
        lambda s: s.kind in {DATA, HEADERS} and s.state == "reset" and s.ours == TAKEN and s.theirs == STREAM,
        [HELLO, request(1, end_stream=False), rst(1), data(1, b"late")],
    ),
    "A length in a trailer section": Difference(
        "we: nothing there tells of the content's length (RFC 9110 §6.5.1); h2 reads it, and fails if it is no number",
        lambda s: (
            s.kind == HEADERS
            and s.state == "open"
            and (s.ours, s.theirs) == (TAKEN, CONNECTION)
            and s.value(b":method") is None
            and not (s.value(b"content-length") or b"1").isdigit()
        ),
        [
            HELLO,
            request(1, end_stream=False),
            headers(1, [(b"content-length", b"5, 5")]),
        ],
    ),
    "A request behind a reset, with as many streams as allowed": Difference(
        "we: it is as late as anything else (RFC 9113 §5.1); h2 counts it as one stream more",
        lambda s: s.kind == HEADERS and s.state == "reset" and s.ours == TAKEN and s.theirs == CONNECTION,
        [
            HELLO,
            request(1, path=b"/ HTTP/1.1", end_stream=False),
            *(request(stream, end_stream=False) for stream in (3, 5, 7)),
            rst(1),
            request(9, end_stream=False),
            request(1),
        ],
    ),
    "CONTINUATION that continues nothing": Difference(
        "we: RFC 9113 §6.10; h2 answers with RST_STREAM once it has forgotten the stream",
        lambda s: (
            s.kind == CONTINUATION
            and s.state in {"reset", "ended"}
            and (s.ours, s.theirs) == (CONNECTION, STREAM)
        ),
        [
            HELLO,
            request(1, path=b"/ HTTP/1.1", end_stream=False),
            request(3, end_stream=False),
            request(5, end_stream=False),
            data(1),
            continuation(1, b"\x82"),
        ],
    ),
    "A window of a stream that is over": Difference(
        "we: settings change the windows of streams that are there (RFC 9113 §6.9.2); h2 counts those that are over",
        lambda s: s.kind == SETTINGS and s.over and (s.ours, s.theirs) == (TAKEN, CONNECTION),
        [
            HELLO,
            request(1, end_stream=False),
            window_update(1, 1),
            window_update(1, MAX_WINDOW),
            settings((4, MAX_WINDOW)),
        ],
    ),
    "Content behind the end": Difference(
        "we: a connection error (RFC 9113 §5.1, closed); h2 answers with RST_STREAM",
        lambda s: (
            s.kind == DATA
            and s.state in {"ended", "skipped"}
            and bool(s.stream & 1)
            and (s.ours, s.theirs) == (CONNECTION, STREAM)
        ),
        [HELLO, request(3), data(1, b"c")],
    ),
    "PRIORITY_UPDATE out of its place": Difference(
        "we: RFC 9218 §7.1; h2 does not know the frame",
        lambda s: (
            s.kind == PRIORITY_UPDATE
            and s.ours == CONNECTION
            and (s.stream != 0 or len(s.payload) < 4 or not s.number_of & 1)
        ),
        [HELLO, priority_update(0, b"u=1")],
    ),
    "SETTINGS_NO_RFC7540_PRIORITIES": Difference(
        "we: RFC 9218 §2.1 allows 0 and 1; h2 does not know the setting",
        lambda s: (
            s.kind == SETTINGS
            and s.ours == CONNECTION
            and any(key == 9 and value > 1 for key, value in s.items)
        ),
        [HELLO, settings((9, 2))],
    ),
    "A setting that is there twice": Difference(
        "we: values are processed in the order in which they appear (RFC 9113 §6.5.3); h2 sees the last one",
        lambda s: (
            s.kind == SETTINGS and s.ours == CONNECTION and len({key for key, _ in s.items}) < len(s.items)
        ),
        [HELLO, settings((4, 2**31), (4, 1))],
    ),
    "A push that has begun": Difference(
        "both: no client pushes (RFC 9113 §8.4); h2 waits for the whole of its field block",
        lambda s: s.kind == peers.PUSH_PROMISE and s.ours == CONNECTION and not s.flags & peers.END_HEADERS,
        [HELLO, frame(peers.PUSH_PROMISE, 0, 1, b"\0\0\0\x02")],
    ),
    "An increment of nothing on a stream that is over": Difference(
        "both: it is the stream's error (RFC 9113 §6.9), and there is no stream any more to end (§5.1)",
        lambda s: (
            s.kind == WINDOW_UPDATE
            and s.state in {"skipped", "reset", "ended"}
            and s.ours == TAKEN
            and s.number_of == 0
        ),
        [HELLO, request(3), window_update(1, 0)],
    ),
    "ALTSVC": Difference(
        "we: only clients understand it, and others ignore it (RFC 7838 §4)",
        lambda s: s.kind == 0xA and s.ours == TAKEN,
        [HELLO, frame(0xA, 0, 0, b"\x00")],
    ),
    "The reserved bit of an increment": Difference(
        "we: it is ignored (RFC 9113 §6.9)",
        lambda s: s.kind == WINDOW_UPDATE and s.ours != CONNECTION and s.number_of > MAX_WINDOW,
        [HELLO, frame(WINDOW_UPDATE, 0, 0, b"\x80\x00\x00\x01")],
    ),
    "More padding than there is room behind a priority": Difference(
        "we: RFC 9113 §6.2",
        lambda s: (
            s.kind == HEADERS
            and s.ours == CONNECTION
            and s.flags & (PADDED | PRIORITISED) == PADDED | PRIORITISED
            and s.padding > len(s.payload) - 6
        ),
        [
            HELLO,
            headers(1, HEAD, end_stream=False),
            frame(HEADERS, PADDED | PRIORITISED | 5, 1, b"\x02\0\0\0\0\0\x01"),
        ],
    ),
    "A frame beyond the largest size": Difference(
        "we: the length alone is enough (RFC 9113 §4.2); h2 waits for the octets",
        lambda s: s.ours == CONNECTION and s.theirs == TAKEN and not s.whole,
        [HELLO, frame(DATA, 0, 1, b"", length=16_385)],
    ),
    "An application that is still at work behind a reset": Difference(
        "both: a server may refuse any stream (RFC 9113 §8.7); ours counts work and not streams, or resets were cheap",
        lambda s: (
            s.kind == HEADERS
            and s.code == Code.REFUSED_STREAM
            and s.theirs == TAKEN
            and s.working >= LIMITS.http2_max_concurrent_streams
        ),
        [HELLO, *(request(stream, end_stream=False) for stream in (1, 3, 5, 7)), rst(1), request(9)],
    ),
    "Padding that leaves no octet for the fields": Difference(
        'we: an error is "padding that exceeds the size remaining" (RFC 9113 §6.2), and this fits',
        lambda s: (
            s.kind == HEADERS
            and bool(s.flags & PADDED)
            and s.ours != CONNECTION
            and s.theirs == CONNECTION
            and s.padding == len(s.payload) - (6 if s.flags & PRIORITISED else 1)
        ),
        [HELLO, headers(1, HEAD, end_stream=False), headers(1, b"", padding=7)],
    ),
}
